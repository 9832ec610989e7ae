"""The errors a user meets: each carries one clear sentence that says what is wrong, where, and what to do."""


def quoted(value: str, most: int = 40) -> str:
    """A cell or a name as a message shows it: no more than its beginning where it is long."""
    return repr(value) if len(value) <= most else f"{value[:most]!r}..."


class ScanError(Exception):
    """Anything that ends a run for a reason the user can act on."""


class BadRecord(ScanError):
    """A line or file that is not the record it should be: foreign, truncated or damaged."""


class BadBlock(ScanError):
    """A packed block, or a reference to one, that cannot be read."""


class BadRow(ScanError):
    """A row of data that no model can use: text in a numeric column, a negative weight, too few cells."""

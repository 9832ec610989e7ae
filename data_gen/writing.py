"""What every generator does around its rows: a file with its truth beside it, both whole or not there, and the program."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def beside_its_truth(path: str | os.PathLike[str], truth: dict[str, Any]) -> Iterator[BinaryIO]:
    """The file `path` to write rows to, and `path`.truth.json.

    Each appears whole or not at all when the block ends, the truth first: where there is data there is its truth.

    :raises OSError: where it cannot write
    """
    path = Path(path)
    # The inner file is renamed first, and only when all rows are written: a failure leaves an older pair as it was.
    with _replacing(path) as data, _replacing(Path(f"{path}.truth.json")) as beside:
        yield data
        beside.write((json.dumps(truth, indent=2, ensure_ascii=False) + "\n").encode())


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the name `path` only when the block ends well, and leaves nothing behind otherwise."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            yield file
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def make_parser(description: str) -> argparse.ArgumentParser:
    """A parser with the options that every generator has."""
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    parser.add_argument("--out", required=True, help="file to write; the truth goes to OUT.truth.json")
    parser.add_argument("--seed", type=int, default=0, help="Default: %(default)s")
    return parser


def run_generator(
    parser: argparse.ArgumentParser, generate: Callable[..., dict[str, Any]], argv: list[str] | None = None
) -> int:
    """Call `generate` with OUT and the other options by their names, and return the exit status.

    A ValueError is a wrong option, and an OSError a file that cannot be written; both are said in one sentence.
    """
    options = vars(parser.parse_args(argv))
    path = options.pop("out")
    try:
        generate(path, **options)
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        print(f"{parser.prog}: error: cannot write {path}: {error.strerror}", file=sys.stderr)
        return 1
    return 0

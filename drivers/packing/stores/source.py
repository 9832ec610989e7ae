"""One input file, wherever it lies."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A file as it was when the run began: an absolute path or a URL, its size in bytes, and a word for its content (time
    of change or entity tag), another one when the content is another."""

    path: str
    size: int
    version: str
    # Where standard input was copied to; "" for what can be read again where it lies.
    copy: str = ""

    @property
    def shown(self) -> str:
        """The path as a user near the current folder would write it."""
        if "://" in self.path or self.path == "-":
            return "standard input" if self.path == "-" else self.path
        relative = os.path.relpath(self.path)
        return self.path if relative.startswith("..") else relative

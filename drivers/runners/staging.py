"""Names and pieces of what a run brings to other machines."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from functools import partial

from drivers.runners.runner import Setting
from drivers.runners.switches import Switches


def name_of_run(setting: Setting) -> str:
    """A name for what a run has elsewhere, another one each time."""
    return f"{plain_name(setting.directory.path)}-{os.urandom(4).hex()}"


def plain_name(path: str) -> str:
    """The last part of a path, of letters that mean nothing else anywhere."""
    return re.sub(r"[^\w.-]", "-", os.path.basename(path), flags=re.ASCII)


def archives_of(user: Switches) -> dict[str, tuple[str, Callable[[str], str]]]:
    """The archives on this machine that the user sends along: by the switch that names one its path, and what gives the
    switch for another place."""
    found: dict[str, tuple[str, Callable[[str], str]]] = {}
    for word in user.arguments:
        match = re.fullmatch(r"(--archives?=)([^#]+)(#[^#,]+)?", word)
        if match and "://" not in match[2] and os.path.isfile(match[2]):
            found[word] = match[2], partial("{}{{}}{}".format(match[1], match[3] or "").format)
    return found


def digest(path: str) -> str:
    """A name for what a file holds."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def pieces(path: str) -> Iterator[bytes]:
    """The bytes of a file."""
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            yield piece

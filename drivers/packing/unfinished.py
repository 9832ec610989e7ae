"""What packing leaves in the cache when it is killed: half packs, and copies of a standard input that nobody went on with.

A half pack goes when the same table is packed again; these are those that were not.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

from drivers.packing.stores.standard_input import FORGOTTEN_AFTER


def half_packs(cache_dir: str) -> list[str]:
    """The folders of half packs; some may be growing."""
    return [path for path in inside(os.path.join(cache_dir, "packs")) if path.endswith(".partial")]


def remove_half_pack(folder: str) -> bool:
    """Removes the folder of a half pack; False where it is growing, or gone.

    :raises OSError: it cannot be removed
    """
    with _holding(folder.removesuffix(".partial") + ".lock") as is_held:
        if not is_held or not os.path.isdir(folder):
            return False
        shutil.rmtree(folder)
    return True


def old_copies(cache_dir: str) -> list[str]:
    """Copies of a standard input that no run has gone on with for a week."""
    copies = inside(os.path.join(cache_dir, "stdin"))
    return [path for path in copies if time.time() - os.lstat(path).st_mtime > FORGOTTEN_AFTER]


def inside(folder: str) -> list[str]:
    """What lies in a folder, which need not be there."""
    try:
        return sorted(entry.path for entry in os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


@contextmanager
def _holding(path: str) -> Iterator[bool]:
    """Whether the lock of a pack could be had; it is held meanwhile."""
    with open(path, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True

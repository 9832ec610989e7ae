"""What a run will cost and whether it can begin, told before anything is spent: --plan and --dry-run.

Both read the first chunk of the input as a run would, into a temporary pack, and make the design step over it; a pack that
is in the cache already tells the whole table instead.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.packing.cache import Pack
from drivers.packing.contents import PackContents
from jobs.design import Design


@dataclass
class Phase:
    """Passes of one kind: how many at least and at most, and what decides it."""

    name: str
    at_least: int
    at_most: int
    why: str = ""


@dataclass
class Foresight:
    """What a driver knows of its run from its options and the first rows."""

    design: Design
    phases: list[Phase]
    remarks: list[str] = field(default_factory=list)
    statistics_bytes: int = 0  # of one answer of a task
    bytes_a_key: int = 0  # of the entry of a key, where each has a result of its own


Foresee = Callable[[argparse.Namespace, Pack], Foresight]


def wants_foresight(options: argparse.Namespace) -> bool:
    """Whether the user asked what would happen, not that it happen."""
    return bool(options.plan or options.dry_run)


def look_ahead(options: argparse.Namespace, contents: PackContents, foresee: Foresee) -> int:
    """Prints the plan of a run, or what its first rows are.

    :raises ScanError: what the run would end with before its first pass
    """
    from drivers.plan import tell  # here, for a run needs none of it

    return tell(options, contents, foresee)

"""The options of clustering: how many clusters, from where, until when."""

from __future__ import annotations

import argparse
import re
from typing import Any

from drivers.app import UsageError
from drivers.option_values import at_least_one, natural, not_negative

MOST_CLUSTERS = 100_000  # of all candidates together, whose sums every task holds


def numbers(text: str) -> list[int]:
    """Numbers of clusters: 4, or 2..10, or 3,5,8."""
    found: list[int] = []
    for item in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:\.\.\s*(\d+)\s*)?", item, re.ASCII)
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= low <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is no number of clusters; write 4, 2..10 or 3,5,8")
        if high > MOST_CLUSTERS:
            raise argparse.ArgumentTypeError(f"{text!r} asks for more than {MOST_CLUSTERS:,} clusters")
        found += range(low, high + 1)
    return sorted(set(found))


def add_candidates(group: Any, what: str, starts: str) -> None:
    """How many, how often and from where; the runs with several of them advance together."""
    group.add_argument(
        f"--n-{what}", type=numbers, metavar="K", help="how many: 4, or 2..10, or 3,5,8; all in the same passes"
    )
    group.add_argument(
        "--restarts", type=at_least_one, default=1, metavar="R", help="starts for each of them, in the same passes"
    )
    group.add_argument(
        "--init", default="sample", metavar="HOW",
        help="sample: what scikit-learn finds there; random: rows by chance, in one pass; k-means||: rows far apart, in "
        f"some; {starts}",
    )  # fmt: skip
    group.add_argument("--tol", type=not_negative, default=1e-4, help="when a candidate has converged, see --stop")
    group.add_argument("--max-iter", type=natural, default=300, help="passes at most")


def candidates_of(numbers: list[int], restarts: int) -> list[tuple[int, int]]:
    """A number of clusters and a number of its restart each."""
    return [(k, restart) for k in numbers for restart in range(restarts)]


def check_candidates(candidates: list[tuple[int, int]], max_iter: int, noun: str) -> None:
    """:raises UsageError: more than a task holds, or no pass to fit them by"""
    if sum(k for k, _ in candidates) > MOST_CLUSTERS:
        raise UsageError(f"the candidates have more than {MOST_CLUSTERS:,} {noun}s together; ask for fewer of them")
    if not max_iter:
        raise UsageError("--max-iter 0 leaves no pass; ask for 1 or more")

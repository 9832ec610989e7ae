"""The options of a measurement of bars, and its end: verdicts on the terminal, every figure in a file, the exit status."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

try:
    from bench.linear import ROOT, Bar, print_bars
    from bench.machine import versions
except ImportError:  # started as a script: its own folder is on the path instead of the project's
    from linear import ROOT, Bar, print_bars  # type: ignore[no-redef]
    from machine import versions  # type: ignore[no-redef]


def bars_parser(about: str) -> argparse.ArgumentParser:
    """The options that all have; `about` is their module's docstring."""
    parser = argparse.ArgumentParser(description=about.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--repeat", type=int, default=3, help="measured runs of each side. Default: %(default)s")
    parser.add_argument("--sides", nargs="+", metavar="SIDE", help="only these. Default: all")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "bench", help="of the data. Default: build/bench")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write every figure to this file")
    parser.add_argument("--check", action="store_true", help="end with status 1 where a bar fails")
    return parser


def conclude(options: argparse.Namespace, results: Any, promises: Sequence[Bar]) -> int:
    """Prints the bars, writes what --json asks for, and gives the exit status."""
    print("\nbars (ratios of medians; of minima in parentheses)")
    print_bars([*promises])
    if options.json:
        told = [{**asdict(bar), "verdict": bar.verdict} for bar in promises]
        report = {"versions": versions(), "repeat": options.repeat, "results": results, "bars": told}
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 1 if options.check and any(bar.verdict == "FAIL" for bar in promises) else 0

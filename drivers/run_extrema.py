"""The extrema and inflection points of a polynomial on an interval, with pictures of f, f' and f''.

python drivers/run_extrema.py
python drivers/run_extrema.py --polynomial "x^4 - 2x^2" --domain -2,2 --step 0.05
python drivers/run_extrema.py --polynomial 1,0,0 --domain 0,1 --run-dir runs/parabola

docs/optimization.md has the theory.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from drivers.app import OK, run_program
from drivers.calculus.extrema import Extrema, extrema
from drivers.calculus.options import build_parser, interval, with_signs
from drivers.calculus.study import Study
from drivers.option_values import positive
from drivers.options import Parser
from drivers.run_directory import RunDirectory
from drivers.terminal.extrema_result import print_result

NAME = "extrema"


def make_parser() -> Parser:
    parser = build_parser(__doc__.splitlines()[0] if __doc__ else None, "x^3 - 12x^2 - 6")
    group = parser.add_argument_group("domain")
    group.add_argument("--domain", type=interval, default="-6,6", metavar="A,B", help="the closed interval")
    group.add_argument(
        "--step", type=positive, default=0.1, help="of the grid of the pictures, on which the extrema are checked"
    )
    return parser


def run(options: argparse.Namespace) -> int:
    result = extrema(options.polynomial, options.domain, options.step)
    Study(options, NAME).finish(result, print_result, render)
    return OK


def render(result: Extrema, directory: RunDirectory, command: str) -> str:
    from drivers.report.extrema import render_extrema  # brings matplotlib, for which the result does not wait

    return render_extrema(result, directory, command)


def main(argv: Sequence[str] | None = None) -> int:
    return run_program(make_parser(), with_signs(sys.argv[1:] if argv is None else argv), run)


if __name__ == "__main__":
    sys.exit(main())

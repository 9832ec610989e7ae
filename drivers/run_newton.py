"""Newton's method for a root of a polynomial: the iterates, their errors, how fast these fall, and the tangents.

python drivers/run_newton.py
python drivers/run_newton.py --polynomial "x^3 - 2x + 2" --start 0
python drivers/run_newton.py --polynomial 1,0,-2 --start 2 --tol 1e-12 --run-dir runs/root-of-two

docs/optimization.md has the theory.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from drivers.app import NOT_CONVERGED, OK, run_program
from drivers.calculus.newton import Newton, newton
from drivers.calculus.options import build_parser, finite, with_signs
from drivers.calculus.study import Study
from drivers.option_values import natural, not_negative
from drivers.options import Parser
from drivers.run_directory import RunDirectory
from drivers.terminal.newton_result import print_result

NAME = "newton"


def make_parser() -> Parser:
    parser = build_parser(__doc__.splitlines()[0] if __doc__ else None, "x^3 + 2x - 4")
    group = parser.add_argument_group("Newton's method")
    group.add_argument("--start", type=finite, default=1.0, metavar="X", help="where it begins")
    group.add_argument(
        "--tol", type=not_negative, default=1e-7,
        help="it ends with a step of at most tol max(1, |x|), which leaves about the square of that to a simple root",
    )  # fmt: skip
    group.add_argument("--max-iter", type=natural, default=50, metavar="N", help="steps at most")
    return parser


def run(options: argparse.Namespace) -> int:
    result = newton(options.polynomial, options.start, options.tol, options.max_iter)
    Study(options, NAME).finish(result, print_result, render)
    return OK if result.converged else NOT_CONVERGED


def render(result: Newton, directory: RunDirectory, command: str) -> str:
    from drivers.report.newton import render_newton  # brings matplotlib, for which the result does not wait

    return render_newton(result, directory, command)


def main(argv: Sequence[str] | None = None) -> int:
    return run_program(make_parser(), with_signs(sys.argv[1:] if argv is None else argv), run)


if __name__ == "__main__":
    sys.exit(main())

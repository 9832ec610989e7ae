"""A model file as a service over HTTP: rows by the names of their columns in JSON, scores back.

python drivers/serve.py runs/wols-.../model.json
python drivers/serve.py runs/logistic-.../model.json --host 0.0.0.0 --port 80 --max-rows 1000
curl localhost:8000/predict -d '{"rows": [{"area": 100, "rooms": 4, "garden": "yes"}]}'
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from drivers.app import OK, UsageError, run_program
from drivers.option_values import at_least_one, natural, share
from drivers.options import Formatter, Parser
from drivers.scoring.question import Scoring
from drivers.serving.predictor import Predictor
from jobs.errors import ScanError

if TYPE_CHECKING:
    from fastapi import FastAPI

PORT, MOST_ROWS, MOST_BYTES = 8000, 10_000, 10_000_000


def make_parser() -> Parser:
    parser = Parser(description=__doc__.splitlines()[0] if __doc__ else None, formatter_class=Formatter, allow_abbrev=False)
    parser.add_argument("model", metavar="MODEL", help="the model.json of a run")
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen; 0.0.0.0 is all addresses of this machine"
    )
    parser.add_argument(
        "--port", type=port, metavar="N", help=f"0 is any that is free; Default: that of the variable PORT, or {PORT}"
    )
    parser.add_argument("--max-rows", type=at_least_one, default=MOST_ROWS, metavar="N", help="of one request")
    parser.add_argument("--max-body", type=at_least_one, default=MOST_BYTES, metavar="BYTES", help="of one request")
    parser.add_argument(
        "--intervals", action="store_true", help="the standard error, and intervals of the mean and of one more row"
    )
    parser.add_argument("--confidence", type=share, default=0.95, metavar="LEVEL", help="of the intervals")
    parser.add_argument("--access-log", action="store_true", help="a line for each request on standard error")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but warnings")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(resume=None, runner=None)
    return parser


def port(text: str) -> int:
    """The number of a port."""
    number = natural(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port; ports are at most 65535")
    return number


def make_service(
    model: str, *, confidence: float | None = None, max_rows: int = MOST_ROWS, max_body: int = MOST_BYTES
) -> FastAPI:
    """The service of a model file, for any server of ASGI applications.

    :param confidence: of intervals, which there are none without
    :raises ScanError: a file that is no model, a model that has no intervals, or packages that are not installed
    """
    predictor = Predictor(Scoring.of(model, confidence, []))
    try:
        from drivers.serving.application import Limits, make_app
    except ModuleNotFoundError as error:
        raise _not_installed(error) from None
    return make_app(predictor, Limits(max_rows, max_body))


def run(options: argparse.Namespace) -> int:
    app = make_service(
        options.model, confidence=options.confidence if options.intervals else None, max_rows=options.max_rows,
        max_body=options.max_body,
    )  # fmt: skip
    try:
        from drivers.serving.server import listen, serve
    except ModuleNotFoundError as error:
        raise _not_installed(error) from None
    with listen(options.host, options.port if options.port is not None else port_of_environment()) as listening:
        host, number = listening.getsockname()[:2]
        if not options.quiet:
            shown = f"[{host}]" if ":" in host else host
            print(f"{options.model} at http://{shown}:{number}, its page at /docs", file=sys.stderr)
        serve(app, listening, options.access_log, options.debug)
    return OK


def _not_installed(error: ModuleNotFoundError) -> ScanError:
    return ScanError(f"the service needs {error.name}; pip install 'scanlearn[serve]' installs it")


def port_of_environment() -> int:
    """Where those who run containers say it.

    :raises UsageError: a variable that is no port
    """
    try:
        return port(os.environ.get("PORT") or str(PORT))
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"the variable PORT: {error}") from None


def main(argv: Sequence[str] | None = None) -> int:
    return run_program(make_parser(), argv, run)


if __name__ == "__main__":
    sys.exit(main())

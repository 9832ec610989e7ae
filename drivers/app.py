"""What every driver does around its work: read options, those of a run that is resumed too, and end with a status.

Exit status: 0 converged, 1 an error, 2 wrong usage, 3 the model stopped at max-iter, 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from drivers import interruption
from drivers.options import Parser, without_directory
from drivers.run_directory import OPTIONS, RunDirectory
from drivers.runners import check_runner
from jobs.errors import ScanError

# Options that say how to run and not what to compute: a resumed run may have others.
FREE_OPTIONS = {
    "mrjob_args", "runner", "quiet", "debug", "json", "report", "resume", "run_dir", "keep_passes", "cache_dir",
    "cache_size", "hourly_price",
}  # fmt: skip
OK, ERROR, USAGE, NOT_CONVERGED = 0, 1, 2, 3


class UsageError(ScanError):
    """An option that makes no sense with the others or with the data."""


def run_program(parser: argparse.ArgumentParser, argv: Sequence[str] | None, body: Callable[[Any], int]) -> int:
    """Parses, runs `body(options)`, and turns every way it can end into one message and an exit status."""
    options = None
    try:
        interruption.begin(lambda: _resume_hint(options))
        with interruption.noticed():
            options = parse(parser, argv)
            check_runner(options.runner)
            with leaving_nothing_half_done(options):
                return body(options)
    except KeyboardInterrupt as error:
        return interruption.tell(error)
    except ScanError as error:
        if options is not None and options.debug:
            traceback.print_exc()
        _tell(parser, str(error))
        return USAGE if isinstance(error, UsageError) else ERROR
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ERROR
    except OSError as error:
        if options is not None and options.debug:
            traceback.print_exc()
        # A write to a full disk does not say where.
        workspace = getattr(options, "workspace", None)
        where = error.filename or (workspace and workspace.directory.path)
        where = f" ({where})" if where else ""
        _tell(parser, f"{error.strerror or error}{where}")
        return ERROR
    except MemoryError:
        _tell(parser, "not enough memory; --plan says what a run takes")
        return ERROR
    except Exception as error:
        # A mistake of this program: one sentence for the user, the rest for whoever mends it.
        if options is not None and options.debug:
            traceback.print_exc()
        told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        _tell(parser, f"an unforeseen {told}; --debug shows where it happened")
        return ERROR
    finally:
        interruption.end()
        if argv is None:
            # The process ends here: looking through all that was imported once more would take it a fifth of a second.
            gc.freeze()


@contextlib.contextmanager
def leaving_nothing_half_done(options: argparse.Namespace) -> Iterator[None]:
    """Abandons the workspace of a run that ends by an error, and closes it however it ends."""
    try:
        yield
    except Exception:
        if hasattr(options, "workspace"):
            options.workspace.abandon()
        raise
    finally:
        if hasattr(options, "workspace"):
            options.workspace.close()


def parse(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """The options; with --resume those of the run that is resumed.

    :raises UsageError: --resume with another value of an option than the run began with
    :raises ScanError: --resume of what is no run, or of one whose folder is gone
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    with _nothing_required(parser, argv):
        options = parser.parse_args(argv)
    options.argv = argv
    options.working_dir = os.getcwd()
    if not options.resume:
        return options
    saved = RunDirectory.open(options.resume)
    before = saved.read_json(OPTIONS)
    saved.close()
    if not isinstance(before, dict) or not {"argv", "working_dir"} <= before.keys():
        raise ScanError(f"{saved.file(OPTIONS)} does not say how the run began; start a new run")
    try:
        os.chdir(before["working_dir"])
    except OSError as error:
        raise ScanError(
            f"the run {options.resume} began in {before['working_dir']}, where it cannot go on: {error.strerror}"
        ) from None
    began_with = parser.parse_args(before["argv"])
    # argparse lets a later value win, so the run's own words come first.
    resumed = parser.parse_args([*before["argv"], *without_directory(argv)], argparse.Namespace(mrjob_args=[]))
    if options.inputs and options.inputs != began_with.inputs:
        raise UsageError(f"the run {options.resume} began with other inputs; start a new run for these")
    resumed.inputs = began_with.inputs
    for name, value in vars(began_with).items():
        if name not in FREE_OPTIONS | {"inputs"} and getattr(resumed, name) != value:
            raise UsageError(
                f"the run {options.resume} began with --{name.replace('_', '-')} {value}, not {getattr(resumed, name)}; "
                "a resumed run keeps its options, start a new run for others"
            )
    resumed.resume, resumed.run_dir = saved.path, None
    resumed.argv, resumed.working_dir = before["argv"], before["working_dir"]
    return resumed


@contextlib.contextmanager
def _nothing_required(parser: argparse.ArgumentParser, argv: Sequence[str]) -> Iterator[None]:
    """Lets a command line go without what it must name, where it resumes a run that has named it."""
    resumes = any(word == "--resume" or word.startswith("--resume=") for word in argv)
    every: list[Any] = [*parser._actions, *parser._mutually_exclusive_groups]
    required = [action for action in every if resumes and action.required]
    for action in required:
        action.required = False
    try:
        yield
    finally:
        for action in required:
            action.required = True


def parse_call(parser: Parser, inputs: Sequence[str] | str, arguments: dict[str, Any]) -> argparse.Namespace:
    """The options of a call from Python: the words of the command line as keywords, lists for lists, True for a flag.

    So `fit("d.csv", target="y", features=["a", "b"], num_cores=3)` is `d.csv --target=y --features=a,b --num-cores=3`, and
    its run can be resumed, and its report says how to run it again.

    :raises UsageError: what the command line would refuse
    """
    argv = [inputs] if isinstance(inputs, (str, os.PathLike)) else list(inputs)
    argv = [os.fspath(path) for path in argv]
    argv += [word for name, value in arguments.items() for word in parser.words(name, value)]
    parser.fails_with = UsageError
    return parse(parser, argv)


def _tell(parser: argparse.ArgumentParser, message: str) -> None:
    """An error on the terminal, which obeys some of the characters that the name of a file or a cell can hold."""
    shown = "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode("ascii") for c in message)
    print(f"{parser.prog}: error: {shown}", file=sys.stderr)


def _resume_hint(options: argparse.Namespace | None) -> str:
    workspace = getattr(options, "workspace", None)
    # One that was interrupted before its options were written is to be started again.
    if workspace is None or not os.path.exists(workspace.directory.file(OPTIONS)):
        return ""
    return f"; go on with\n  {interruption.resume_command(workspace.directory.path)}"

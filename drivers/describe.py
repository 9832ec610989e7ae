"""Describe a table: of every column what it holds, of every pair its correlation, and what is remarkable, in one pass.

python drivers/describe.py data.csv -o profile.json
python drivers/describe.py hdfs:///data/*.csv -r hadoop --only age,income --json
python drivers/describe.py --merge monday.json tuesday.json -o week.json
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from drivers.app import OK, UsageError, leaving_nothing_half_done, parse_call, run_program
from drivers.demonstration import demonstration_regression
from drivers.describing.profile_file import TableProfile
from drivers.describing.question import bytes_of_answer, profile_design, profile_query
from drivers.describing.told import told_of
from drivers.foresight import Foresight, Phase, look_ahead, wants_foresight
from drivers.option_values import names
from drivers.options import Parser, build_parser, option_given
from drivers.output_files import check_place
from drivers.packing.cache import Pack
from drivers.packing.contents import PackContents
from drivers.roles import contents_for
from drivers.runners.execution import one_blas_thread
from drivers.terminal.profile_result import print_result
from drivers.training import training_of
from drivers.workspace import Workspace
from jobs.errors import ScanError
from jobs.mr_profile import MRProfile
from jobs.records import readable

PROFILE = "profile.json"
DEMONSTRATION_ROWS = 200_000
# What is wrong with a table is to be told, not to end the telling.
MOST_BAD_ROWS = 1_000_000
# Options that say how data are read or where jobs run: files of profiles need none.
OF_DATA = ("only", "columns", "run_dir", "plan", "dry_run", "text", "runner")


def make_parser() -> Parser:
    parser = build_parser(MRProfile, __doc__.splitlines()[0] if __doc__ else None)
    parser.set_defaults(max_bad_rows=MOST_BAD_ROWS)
    group = parser.add_argument_group("profile")
    group.add_argument("--only", type=names, metavar="NAMES", help="the columns to describe; Default: all")
    group.add_argument(
        "--correlations", action=argparse.BooleanOptionalAction, default=None,
        help="of all pairs of columns that are no texts; Default: where there are at most 500",
    )  # fmt: skip
    group.add_argument("-o", "--out", metavar="FILE", help="write the profile there too, as JSON that --merge reads")
    group.add_argument("--merge", action="store_true", help="the inputs are profiles of the same columns, to be added up")
    return parser


def run(options: argparse.Namespace) -> int:
    check(options)
    if options.merge:
        return merge(options)
    if not options.inputs:
        options.inputs = [demonstration_regression(options.cache_dir, "check.csv", DEMONSTRATION_ROWS)]
        options.columns = ["y", "x", "w"]
    if wants_foresight(options):
        return look_ahead(options, contents(options), foresee)
    workspace, profile, told = describe(options)
    finish(workspace, profile, told, print_result)
    return OK


def check(options: argparse.Namespace) -> None:
    """:raises UsageError: options that make no sense together; :raises ScanError: a profile that cannot be written"""
    if options.missing != "error":
        raise UsageError("missing cells are counted here; --missing is of models")
    if options.merge:
        if not options.inputs:
            raise UsageError("--merge needs the files of profiles: profile.json of a run directory, or what -o has written")
        if given := option_given(make_parser(), options, OF_DATA):
            raise UsageError(f"{given} is of data; with --merge the inputs are profiles")
    if options.out is not None:
        check_place(options.out, "the profile", () if options.merge else options.inputs)


def contents(options: argparse.Namespace) -> PackContents:
    """What the pack must hold: all columns, unless some are chosen."""
    chosen = None if options.only is None else tuple(sorted(set(options.only)))
    return dataclasses.replace(contents_for(options), chosen=chosen)


def foresee(options: argparse.Namespace, pack: Pack) -> Foresight:
    """The one pass of a profile."""
    query = profile_query(pack, options.correlations)
    return Foresight(profile_design(pack), [Phase("profile", 1, 1)], statistics_bytes=bytes_of_answer(query))


def describe(options: argparse.Namespace) -> tuple[Workspace, TableProfile, dict[str, Any]]:
    """Packs, makes the pass, and gives the workspace, the profile and what is told of it."""
    workspace = Workspace(options, "describe", contents(options))
    pack = workspace.pack
    query, design = profile_query(pack, options.correlations), profile_design(pack)
    profile = TableProfile.of(pack, workspace.run.scan("profile", MRProfile, query, design))
    rejects = workspace.directory.file("rejects.csv") if pack.rejects else None
    told = {**told_of(profile, rejects), "training": training_of(workspace.run, "The scan", True)}
    return workspace, profile, told


def finish(workspace: Workspace, profile: TableProfile, told: dict[str, Any], show: Any) -> None:
    """Writes the profile, the summary and the report, and prints."""
    paths = [workspace.directory.file(PROFILE), *([workspace.options.out] if workspace.options.out is not None else [])]
    for path in paths:
        profile.write(path, {**told, "warnings": workspace.all_warnings()})
    workspace.finish(told, show)
    workspace.progress.say(f"profile {os.path.relpath(paths[-1])}")


def merge(options: argparse.Namespace) -> int:
    """Adds profiles up.

    :raises ScanError: files that are no profiles, or not of the same columns
    """
    profile = TableProfile.read(options.inputs[0])
    for path in options.inputs[1:]:
        try:
            profile = profile.merge(TableProfile.read(path))
        except ScanError as error:
            raise ScanError(f"cannot merge {path}: {error}") from None
    told = told_of(profile)
    if options.out is not None:
        profile.write(options.out, {**told, "warnings": []})
    if options.json:
        print(json.dumps(readable(told), allow_nan=False))
    elif not options.quiet:
        print_result(told, [])
    return OK


def profile_of(inputs: Sequence[str] | str, **arguments: Any) -> dict[str, Any]:
    """The profile of a table with the options of the command line as keywords, as in model.json.

    :raises ScanError: what the program would end with
    """
    options = parse_call(make_parser(), inputs, {"quiet": True, **arguments})
    check(options)
    with leaving_nothing_half_done(options), one_blas_thread():
        workspace, profile, told = describe(options)
        finish(workspace, profile, told, None)
    return readable(told)


def main(argv: Sequence[str] | None = None) -> int:
    return run_program(make_parser(), argv, run)


if __name__ == "__main__":
    sys.exit(main())

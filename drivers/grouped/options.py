"""The options of grouped models, and what does not go with them."""

from __future__ import annotations

import argparse

from drivers.app import UsageError
from drivers.option_values import natural
from drivers.options import option_given

GROUP_OPTIONS = ("group_by", "min_rows")


def add_group_options(parser: argparse.ArgumentParser) -> None:
    """--group-by and --min-rows."""
    groups = parser.add_argument_group("one model a group, in the same passes")
    groups.add_argument("--group-by", metavar="NAME", help="fit one model for each value of this column")
    groups.add_argument(
        "--min-rows", type=natural, metavar="N", help="a smaller group is not fitted; Default: one more than coefficients"
    )


def check_group_options(parser: argparse.ArgumentParser, options: argparse.Namespace, others: tuple[str, ...]) -> None:
    """
    :param others: options that are of one model alone
    :raises UsageError: options that make no sense together, whatever the data
    """
    if options.group_by is None:
        if options.min_rows is not None:
            raise UsageError("--min-rows is of models by group; name the column of the groups with --group-by")
        return
    if given := option_given(parser, options, others):
        raise UsageError(f"{given} is of one model, and --group-by fits many; leave one of them out")

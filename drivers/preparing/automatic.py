"""What suits the columns of a table, by their profile: the words that a user would give for each."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from drivers.describing.summary import DAYS, EMPTY, MOMENT, NUMBER, TEXTS, TRUTH, WHOLE_NUMBER
from drivers.preparing.asked import NOTHING, ONE_HOT, TARGET, TREATMENT, Asked, Choice
from jobs.recipe.missing import CONSTANT, MEDIAN, indicator_name
from jobs.recipe.numeric import LOG1P

# A column with fewer cells than this share says little of its rows.
LEAST_PRESENT = 0.05
# A text with fewer rows than these a level has too few for an average to be more than noise.
ROWS_A_LEVEL = 3
# Of a text with more levels each is an average of the target, or without one the rare ones are grouped.
MOST_LEVELS = 30
BLANK = "(missing)"


@dataclass
class Suggestion:
    """What suits a table: the columns to take, why the others are left out, and what is asked of those that are taken."""

    features: list[str]
    left_out: dict[str, str]
    asked: Asked


def suggested(
    profile: dict[str, Any], free: list[str], named: Collection[str], target: str | None, given: Asked
) -> Suggestion:
    """What suits the free columns of a profile (drivers/describing), a step that is asked for as it is asked for.

    :param free: the columns that may be features; named: those that are to be
    """
    columns = {column["name"]: column for column in profile["columns"] if column["name"] in free}
    remarks = {topic: _names(profile, topic) for topic in ("Constant", "Identity", "Heavy tail")}
    wanted, left_out = {*named, *given.names()}, {}
    for name, column in columns.items():
        why = _why_not(column, remarks)
        if why and name not in wanted:
            left_out[name] = why
    taken = {name: column for name, column in columns.items() if name not in left_out}
    texts = [name for name, column in taken.items() if column["type"] == TEXTS and name not in given.formats]
    numbers = [name for name, column in taken.items() if column["type"] in (NUMBER, WHOLE_NUMBER, TRUTH)]
    many = [name for name in texts if taken[name]["distinct"]["value"] > MOST_LEVELS]
    asked = dataclasses.replace(given)
    if not given.dates.is_given and any(column["type"] in (DAYS, MOMENT) for column in taken.values()):
        asked.dates = Choice("parts")
    if not given.impute.is_given:
        # A text that is nowhere missing would have a level that no row has; an average stands for a missing text too.
        blank = [name for name in texts if taken[name]["missing"]]
        asked.impute = Choice(MEDIAN, dict.fromkeys(blank, f"{CONSTANT}:{BLANK}"))
        asked.impute.by_name |= dict.fromkeys(many, NOTHING) if target else {}
        asked.indicators = not any(indicator_name(name) in columns for name in taken)
    if not given.transform.is_given:
        tailed = [name for name in numbers if name in remarks["Heavy tail"] and taken[name]["min"] >= 0]
        asked.transform = Choice(by_name=dict.fromkeys(tailed, LOG1P))
    if not given.encode.is_given and texts:
        asked.encode = Choice(TREATMENT if target else ONE_HOT, dict.fromkeys(many, TARGET) if target else {})
    if many and not given.min_frequency.is_given and not given.max_categories.is_given and not target:
        asked.max_categories = Choice(by_name=dict.fromkeys(many, str(MOST_LEVELS)))
    return Suggestion(list(taken), left_out, asked)


def _names(profile: dict[str, Any], topic: str) -> set[str]:
    return {name for remark in profile["remarks"] if remark["topic"] == topic for name in remark["columns"]}


def _why_not(column: dict[str, Any], remarks: dict[str, set[str]]) -> str:
    """Why a column says nothing of its rows, "" where it may."""
    name, n_rows = column["name"], column["rows"]
    if column["type"] == EMPTY:
        return "no value in any row"
    if name in remarks["Constant"] and not (column["type"] == TEXTS and column["missing"]):
        return "one value wherever there is one"
    if name in remarks["Identity"]:
        return "as good as a value of its own for each row"
    if n_rows - column["missing"] < LEAST_PRESENT * n_rows:
        return f"missing in more than {1 - LEAST_PRESENT:.0%} of the rows"
    if column["type"] == TEXTS and n_rows - column["missing"] < ROWS_A_LEVEL * column["distinct"]["value"]:
        return f"different texts with fewer than {ROWS_A_LEVEL} rows each on average"
    return ""

"""What is remarkable about the columns of a table, in sentences; of many columns with the same, in one."""

from __future__ import annotations

import csv
import shlex
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from drivers.describing.summary import EMPTY, NUMBER, TEXTS, WHOLE_NUMBER
from drivers.wording import count, listed

# From so many rows on there is something to be said of shares.
FEW_ROWS = 20
MOSTLY, DOMINATES, ID_LIKE, CORRELATED = 0.5, 0.9, 0.95, 0.95
# Whole numbers that are so dense, or so long, are no amounts.
RUNNING, LONG_NUMBER = 2, 10**9
# Excess kurtosis; that of an exponential distribution is 6.
HEAVY = 20.0
MOST_CATEGORIES, ROWS_A_CATEGORY = 20, 20
TOLD_ONE_BY_ONE, PAIRS_TOLD, VALUES_TOLD = 3, 10, 3

# A column and the number of rows to what there is to say of it, or nothing.
Check = Callable[[dict[str, Any], int], str | None]


def remarks_of(summary: dict[str, Any], rejects: str | None = None) -> list[dict[str, Any]]:
    """Topic, columns and sentence of each remark.

    :param rejects: the file of bad rows, where there is one
    """
    found = [] if rejects is None else _bad_rows(rejects, summary["rows_rejected"] + summary["rows"])
    found += [_remark("Left out", [name], f"{name} {why}") for name, why in summary["left_out"].items()]
    for topic, (check, together) in CHECKS.items():
        told = [(column["name"], check(column, summary["rows"])) for column in summary["columns"]]
        told = [(name, text) for name, text in told if text]
        names = [name for name, _ in told]
        if len(told) > TOLD_ONE_BY_ONE:
            found.append(_remark(topic, names, f"{count(len(names), 'column')} {together}: {listed(names)}"))
        else:
            found += [_remark(topic, [name], f"{name} {text}") for name, text in told]
    return found + _pairs(summary["correlations"])


def strongest_pairs(correlations: dict[str, Any] | None, most: int) -> list[tuple[str, str, float]]:
    """The pairs of columns of the largest correlations, largest first."""
    if correlations is None:
        return []
    names = correlations["names"]
    matrix = np.array([[0.0 if r is None else r for r in row] for row in correlations["matrix"]])
    i, j = np.triu_indices(len(names), 1)
    order = np.argsort(-np.abs(matrix[i, j]), kind="stable")[:most]
    return [(names[i[k]], names[j[k]], float(matrix[i[k], j[k]])) for k in order if matrix[i[k], j[k]]]


def _remark(topic: str, columns: list[str], text: str) -> dict[str, Any]:
    return {"topic": topic, "columns": columns, "text": text}


def _present(column: dict[str, Any]) -> int:
    return column["rows"] - column["missing"]


def _is_empty(column: dict[str, Any], n_rows: int) -> str | None:
    return "has no value in any row" if column["type"] == EMPTY and n_rows else None


def _is_constant(column: dict[str, Any], n_rows: int) -> str | None:
    if column["type"] == EMPTY or column["distinct"]["value"] != 1 or n_rows < 2:
        return None
    where = "every row" if not column["missing"] else "every row that has a value"
    return f"has the value {_short(column['top'][0]['value'])} in {where}"


def _is_mostly_missing(column: dict[str, Any], n_rows: int) -> str | None:
    if column["type"] == EMPTY or column["missing"] <= MOSTLY * n_rows:
        return None
    return f"is missing in {_percent(column['missing'], n_rows)} of the rows"


def _is_id_like(column: dict[str, Any], n_rows: int) -> str | None:
    distinct, present = column["distinct"], _present(column)
    if column["type"] not in (TEXTS, WHOLE_NUMBER) or present < FEW_ROWS or distinct["value"] < ID_LIKE * present:
        return None
    if column["type"] == WHOLE_NUMBER:  # running numbers or very long ones; others may well be amounts
        low, high = int(column["min"]), int(column["max"])
        if high - low > RUNNING * present and max(abs(low), abs(high)) < LONG_NUMBER:
            return None
    about = "about " if distinct["relative_error"] else ""
    n_values = count(distinct["value"], "different value")
    return f"has {about}{n_values} in {count(present, 'row')}: it names rows rather than describing them"


def _is_dominated(column: dict[str, Any], n_rows: int) -> str | None:
    present = _present(column)
    if present < FEW_ROWS or column["distinct"]["value"] < 2 or not column["top"]:
        return None
    first = column["top"][0]
    if first["rows"] < DOMINATES * present:
        return None
    return f"has the value {_short(first['value'])} in {_percent(first['rows'], present)} of its cells"


def _has_heavy_tail(column: dict[str, Any], n_rows: int) -> str | None:
    kurtosis = column["kurtosis"]
    # A rare value among few is no tail.
    if column["type"] not in (NUMBER, WHOLE_NUMBER) or kurtosis is None or kurtosis < HEAVY:
        return None
    if column["distinct"]["value"] <= MOST_CATEGORIES or _is_dominated(column, n_rows):
        return None
    q = dict(zip(column["quantiles"]["probabilities"], column["quantiles"]["values"]))
    return (
        f"has a heavy tail (kurtosis {kurtosis:.3g}, skew {column['skew']:.3g}): 98 % of its cells lie from "
        f"{_short(q[0.01])} to {_short(q[0.99])}, all from {_short(column['min'])} to {_short(column['max'])}"
    )


def _looks_like_categories(column: dict[str, Any], n_rows: int) -> str | None:
    n = column["distinct"]["value"]
    if column["type"] != WHOLE_NUMBER or not 2 < n <= MOST_CATEGORIES or _present(column) < ROWS_A_CATEGORY * n:
        return None
    return f"has {n} different whole numbers, perhaps categories: --text {shlex.quote(column['name'])} reads them as such"


# In the order in which they are told: the check, and how many columns with the same are told of in one sentence.
CHECKS: dict[str, tuple[Check, str]] = {
    "Empty": (_is_empty, "have no value in any row"),
    "Constant": (_is_constant, "have one value in all rows"),
    "Mostly missing": (_is_mostly_missing, "are missing in more than half of the rows"),
    "Identity": (_is_id_like, "have as good as a value of its own for each row: they name rows"),
    "One value dominates": (_is_dominated, "have one value in at least 90 % of their cells"),
    "Heavy tail": (_has_heavy_tail, f"have heavy tails, a kurtosis of {HEAVY:.0f} or more"),
    "Perhaps categories": (_looks_like_categories, "hold few different whole numbers; --text reads them as categories"),
}


def _pairs(correlations: dict[str, Any] | None) -> list[dict[str, Any]]:
    pairs = [pair for pair in strongest_pairs(correlations, 10_000) if abs(pair[2]) >= CORRELATED]
    if not pairs:
        return []
    told = ", ".join(f"{a} and {b} ({r:.3f})" for a, b, r in pairs[:PAIRS_TOLD])
    more = f" and {count(len(pairs) - PAIRS_TOLD, 'more pair')}" if len(pairs) > PAIRS_TOLD else ""
    names = list(dict.fromkeys(name for a, b, _ in pairs for name in (a, b)))
    return [_remark("Correlated", names, f"strongly correlated: {told}{more}")]


def _bad_rows(path: str, n_read: int) -> list[dict[str, Any]]:
    """Which columns the bad rows are bad by, and some of the cells."""
    by_column: Counter[str] = Counter()
    values: dict[str, Counter[str]] = defaultdict(Counter)
    with open(path, newline="", encoding="utf-8") as f:
        for entry in csv.DictReader(f):
            column, value = entry.get("column") or "", entry.get("value") or ""
            by_column[column] += 1
            if len(values[column]) < 1000 or value in values[column]:
                values[column][value] += 1
    found = []
    for column, n in by_column.most_common(PAIRS_TOLD):
        shown = ", ".join(repr(value[:24]) for value, _ in values[column].most_common(VALUES_TOLD))
        why = f"by the column {column}, whose cells are {shown}" if column else f"as a whole, such as {shown}"
        text = f"{count(n, 'row')} of {n_read:,} ({_percent(n, n_read)}) cannot be read {why}; they are not in the profile"
        found.append(_remark("Bad rows", [column] if column else [], text))
    return found


def _percent(n: int, of: int) -> str:
    share = 100 * n / of
    return f"{share:.3g} %" if share < 99.95 or n == of else "more than 99.9 %"


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return repr(value if len(value) <= 30 else value[:27] + "...")
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)

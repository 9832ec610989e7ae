"""The report of a table: what is remarkable, every column with its histogram, quantiles, and correlations."""

from __future__ import annotations

from typing import Any

from drivers.describing.remarks import strongest_pairs
from drivers.describing.summary import DAYS, EMPTY, MOMENT, NUMBER, TEXTS, TRUTH, WHOLE_NUMBER
from drivers.packing.cache import Pack
from drivers.report import describe_pictures
from drivers.report.formats import column as aligned
from drivers.report.formats import number, share
from drivers.report.page import Column, Page
from drivers.report.run_sections import add_rows
from drivers.run_directory import RunDirectory
from drivers.wording import count, listed

PAIRS_SHOWN, TEXT_WIDTH = 20, 40
KINDS = {
    NUMBER: "of numbers", WHOLE_NUMBER: "of whole numbers", TRUTH: "of true or false", DAYS: "of dates",
    MOMENT: "of timestamps", TEXTS: "of text", EMPTY: "without a value",
}  # fmt: skip


def title(profile: dict[str, Any]) -> str:
    """What was described."""
    return f"{count(profile['rows'], 'row')} of {count(len(profile['columns']), 'column')}"


def method(profile: dict[str, Any]) -> str:
    """What was done, in a sentence or two."""
    names = listed([column["name"] for column in profile["columns"]], 6)
    return f"Every column was described from all rows, and every pair of columns by its correlation: {names}."


def add_sections(page: Page, profile: dict[str, Any], directory: RunDirectory, pack: Pack | None) -> None:
    """All that the page says about the table."""
    page.heading("Findings")
    for topic, text in findings(profile):
        page.paragraph(f"{text}.", topic=topic)
    page.heading("Histograms")
    for picture in describe_pictures.draw_histograms(directory, profile):
        page.picture(picture)
    _add_columns(page, profile["columns"])
    if profile["correlations"] is not None:
        page.heading("Correlations")
        _add_correlations(page, profile, directory)
    add_rows(page, profile, [])


def findings(profile: dict[str, Any]) -> list[tuple[str, str]]:
    """Topics and sentences, what the columns are first."""
    columns = profile["columns"]
    kinds: dict[str, int] = {}
    for column in columns:
        kinds[column["type"]] = kinds.get(column["type"], 0) + 1
    told = ", ".join(f"{n:,} {KINDS[kind]}" for kind, n in kinds.items())
    cells, missing = profile["rows"] * len(columns), sum(column["missing"] for column in columns)
    of = f"{missing:,} of {cells:,} cells ({share(missing / cells)})" if missing else f"none of {cells:,} cells"
    found = [("Columns", told), ("Missing", f"{of} {'is' if missing < 2 else 'are'} missing")]
    return found + [(remark["topic"], remark["text"]) for remark in profile["remarks"]]


def _add_columns(page: Page, columns: list[dict[str, Any]]) -> None:
    numbers = [column for column in columns if column["type"] in (NUMBER, WHOLE_NUMBER)]
    others = [column for column in columns if column["type"] not in (NUMBER, WHOLE_NUMBER)]
    if numbers:
        page.heading("Numbers")
        _add_numbers(page, numbers)
        _add_quantiles(page, numbers)
    if others:
        page.heading("Texts and dates")
        _add_others(page, others)
    estimated = [column["distinct"]["relative_error"] for column in columns if column["distinct"]["relative_error"]]
    if estimated:
        page.paragraph(
            "Numbers of different values with ~ are estimates with a relative standard error of "
            f"{share(max(estimated), 2)}; the others are counted.",
            "note",
        )


def _add_numbers(page: Page, columns: list[dict[str, Any]]) -> None:
    table = [
        Column("", [column["name"] for column in columns]),
        Column("type", [column["type"] for column in columns], is_text=True),
        _counts("missing", columns),
        Column("different", [_distinct(column) for column in columns]),
    ]
    for heading in ("mean", "sd", "skew", "kurtosis"):
        values = [column[heading] for column in columns]
        table.append(Column(heading, [number(value, 5) for value in values], values))
    table += [_counts(heading, columns) for heading in ("zeros", "negatives")]
    page.table("Columns of numbers", table)


def _add_quantiles(page: Page, columns: list[dict[str, Any]]) -> None:
    known = [column for column in columns if column["quantiles"]]
    if not known:
        return
    table = [Column("", [column["name"] for column in known])]
    for i, p in enumerate(known[0]["quantiles"]["probabilities"]):
        values = [column["quantiles"]["values"][i] for column in known]
        heading = {0.0: "least", 0.5: "median", 1.0: "largest"}.get(p, f"{100 * p:g} %")
        table.append(Column(heading, [number(value, 5) for value in values], values))
    errors = [column["quantiles"]["rank_error"] for column in known]
    how = "" if not max(errors) else f"; a rank is off by at most {share(max(errors), 2)} of the rows"
    page.table(f"Quantiles: cells of the column{how}", table, folded="Quantiles" if len(known) > 25 else None)


def _add_others(page: Page, columns: list[dict[str, Any]]) -> None:
    page.table(
        "The other columns",
        [
            Column("", [column["name"] for column in columns]),
            Column("type", [column["type"] for column in columns], is_text=True),
            _counts("missing", columns),
            Column("different", [_distinct(column) for column in columns]),
            Column("most frequent, or from and to", [_holds(column) for column in columns], is_text=True, wraps=True),
        ],
    )


def _add_correlations(page: Page, profile: dict[str, Any], directory: RunDirectory) -> None:
    pairs = strongest_pairs(profile["correlations"], PAIRS_SHOWN)
    for picture in describe_pictures.draw_correlations(directory, profile, pairs):
        page.picture(picture)
    if not pairs:
        page.paragraph("No two columns vary together: there is nothing to correlate.")
        return
    values = [r for _, _, r in pairs]
    page.table(
        "The strongest correlations (Pearson), each over the rows in which both columns have a number",
        [
            Column("", [a for a, _, _ in pairs]),
            Column("and", [b for _, b, _ in pairs], is_text=True),
            Column("correlation", aligned(values, 4), values),
        ],
    )


def _counts(heading: str, columns: list[dict[str, Any]]) -> Column:
    values = [column[heading] for column in columns]
    return Column(heading, [number(value) for value in values], values)


def _distinct(column: dict[str, Any]) -> str:
    distinct = column["distinct"]
    return f"{'~' if distinct['relative_error'] else ''}{distinct['value']:,}"


def _holds(column: dict[str, Any]) -> str:
    if column["type"] == EMPTY:
        return "nothing"
    if column["type"] in (TEXTS, TRUTH):
        present = column["rows"] - column["missing"]
        return ", ".join(f"{_cut(str(top['value']))} ({share(top['rows'] / present)})" for top in column["top"][:4])
    return f"{column['min']} to {column['max']}"


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= TEXT_WIDTH else text[: TEXT_WIDTH - 3] + "..."

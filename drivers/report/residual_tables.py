"""The tables of the second pass of a linear fit: tests of the residuals, their shape, the rows of influence."""

from __future__ import annotations

from typing import Any

from drivers.report.formats import column, fixed, number, p_value
from drivers.report.page import Column, Page
from drivers.report.places import short_places

SQUARED = "R\N{SUPERSCRIPT TWO}"


def add_residuals(page: Page, model: dict[str, Any]) -> None:
    """Tests of the residuals, their shape, and how well each row is predicted by the others."""
    found = model["inference"]["diagnostics"]
    rows: list[tuple[str, float, float | None, float | None, float | None, float | None, str]] = []
    normal = "not normal: skewed, or other tails"
    rows.append(("omnibus", found["omnibus"], 2, found["omnibus_p_value"], None, None, normal))
    rows.append(("Jarque-Bera", found["jarque_bera"], 2, found["jarque_bera_p_value"], None, None, normal))
    for name, key, meaning in (
        ("Breusch-Pagan", "breusch_pagan", "variance depends on the features"),
        ("White", "white", "variance depends on the features or their products"),
        ("White, special case", "white_special", "variance depends on the prediction or its square"),
    ):
        if test := found[key]:
            rows.append((name, test["lm"], test["df"], test["lm_p_value"], test["f"], test["f_p_value"], meaning))
    columns = [
        Column("", [row[0] for row in rows]),
        Column("statistic", [number(row[1]) for row in rows], [row[1] for row in rows]),
        Column("df", [number(row[2]) for row in rows], [row[2] for row in rows]),
        Column("p", [p_value(float(row[3] or 0.0)) for row in rows], [row[3] for row in rows]),
        Column("F", ["" if row[4] is None else number(row[4], 5) for row in rows], [row[4] for row in rows]),
        Column("P(F)", ["" if row[5] is None else p_value(row[5]) for row in rows], [row[5] for row in rows]),
        Column("a small p says", [row[6] for row in rows], is_text=True, wraps=True),
    ]
    page.table("Tests of the residuals", columns)
    note = "With many rows every test finds something: look at the size of skew, kurtosis and the pictures as well."
    if not found["white"]:
        note += " White's test with all products is made with up to 15 features; its special case takes its place."
    page.paragraph(note, "note")
    _add_shape(page, model, found)


def _add_shape(page: Page, model: dict[str, Any], found: dict[str, Any]) -> None:
    weighted = "weighted " if model["weight"] else ""
    keys = [
        ("skew (normal: 0)", "skew"),
        ("kurtosis (normal: 3)", "kurtosis"),
        ("Durbin-Watson (2: successive rows are unrelated)", "durbin_watson"),
        (f"smallest {weighted}residual", "weighted_residual_min"),
        (f"largest {weighted}residual", "weighted_residual_max"),
        ("PRESS, squares of rows predicted without themselves", "press"),
        (f"predicted {SQUARED}", "predicted_r_squared"),
        ("mean leverage", "leverage_mean"),
        ("largest leverage (1: the row is always fitted)", "leverage_max"),
    ]
    rows = [(name, number(found[key]), found[key]) for name, key in keys if found[key] is not None]
    if found["n_leverage_one"]:
        rows.append(("rows of leverage 1", number(found["n_leverage_one"]), found["n_leverage_one"]))
    page.pairs("Residuals and leverage", rows)


def add_influential(page: Page, model: dict[str, Any]) -> None:
    """The rows that move the fit most."""
    found = model["inference"]["diagnostics"]
    rows = found["influential"]
    if rows:
        places = short_places(rows)

        def of(heading: str, key: str, texts: Any) -> Column:
            return Column(heading, texts, [row[key] for row in rows])

        page.table(
            "Rows of the largest influence",
            [
                Column("", [str(i + 1) for i in range(len(rows))]),
                of("Cook's distance", "cooks_distance", column([row["cooks_distance"] for row in rows], 4)),
                of("leverage", "leverage", column([row["leverage"] for row in rows], 4)),
                of("studentised", "studentized_residual", [fixed(row["studentized_residual"]) for row in rows]),
                of("residual", "residual", column([row["residual"] for row in rows], 5)),
                Column("where", places, is_text=True),
            ],
        )
        page.paragraph(
            "Cook's distance: how far all predictions move, in units of their own error, if the row is left out. "
            "Below 0.5 is harmless, above 1 the row has a say of its own.",
            "note",
        )
    if found["leverage_one"]:
        page.table(
            "Rows of leverage 1, through which the fit passes whatever their target",
            [
                Column("", [str(i + 1) for i in range(len(found["leverage_one"]))]),
                Column("where", short_places(found["leverage_one"]), is_text=True),
            ],
        )

"""The page of a run of Newton's method."""

from __future__ import annotations

from drivers.calculus.newton import CYCLE, LEVEL, Newton
from drivers.calculus.words import limit_formula
from drivers.report.formats import column, number
from drivers.report.newton_pictures import draw_all
from drivers.report.page import Column, Page
from drivers.run_directory import RunDirectory
from drivers.wording import count


def render_newton(result: Newton, directory: RunDirectory, command: str) -> str:
    """The page; its pictures are written into the directory."""
    page = Page(f"Newton's method: a root of {result.polynomial}")
    n_steps = result.iterates[-1].k
    page.paragraph(f"From {number(result.start, 8)}, {_end(result)} after {count(n_steps, 'step')}.", "lead")
    if result.remarks():
        page.box("Take note", [text[:1].upper() + text[1:] + "." for text in result.remarks()])
    page.heading("Iterates")
    _add_iterates(page, result)
    page.paragraph(f"The tangent at the start is {result.iterates[0].tangent()}.")
    if result.root is not None:
        power = "^2" if result.order == 2 else ""
        page.paragraph(
            f"The root by another route, the eigenvalues of the companion matrix, is {result.root.value!r}. The ratio "
            f"e_k / e_(k-1){power} tends to {number(result.limit, 5)} = {limit_formula(result)}; an error of a few last "
            "places is rounding, and no ratio is made of it."
        )
    page.heading("Pictures")
    for picture in draw_all(directory, result):
        page.picture(picture)
    page.heading("Run it again")
    page.command(command)
    return page.render()


def _end(result: Newton) -> str:
    if result.converged:
        return f"the iteration has converged to {result.iterates[-1].x:.10g}"
    if result.status == CYCLE:
        return "the iteration goes round"
    return "the iteration has come to a level tangent" if result.status == LEVEL else "the iteration has not converged"


def _add_iterates(page: Page, result: Newton) -> None:
    entries = result.iterates
    columns = [Column("k", [str(entry.k) for entry in entries])]
    fields = [("x_k", [e.x for e in entries], 11), ("f(x_k)", [e.value for e in entries], 8)]
    fields.append(("f'(x_k)", [e.slope for e in entries], 8))
    for heading, values, digits in fields:
        columns.append(Column(heading, column(values, digits), values))
    if result.converged:
        power = "^2" if result.order == 2 else ""
        for heading, found in (
            ("error e_k", [e.error for e in entries]), (f"e_k / e_(k-1){power}", [e.ratio for e in entries])
        ):  # fmt: skip
            columns.append(Column(heading, [number(value, 5) for value in found], found))
    page.table("x_(k+1) = x_k - f(x_k) / f'(x_k)", columns)

"""The page about the extrema of a polynomial on an interval."""

from __future__ import annotations

from drivers.calculus.extrema import Extrema
from drivers.calculus.words import primes, reason
from drivers.report.extrema_pictures import draw_all
from drivers.report.formats import number
from drivers.report.page import Column, Page
from drivers.run_directory import RunDirectory


def render_extrema(result: Extrema, directory: RunDirectory, command: str) -> str:
    """The page; its pictures are written into the directory."""
    low, high = (number(end, 8) for end in result.domain)
    f = result.polynomial
    page = Page(f"Extrema of {f} from {low} to {high}")
    page.paragraph(_findings(result), "lead")
    if result.remarks():
        page.box("Take note", [text[:1].upper() + text[1:] + "." for text in result.remarks()])
    page.pairs("The function and its derivatives", [(f"f{primes(k)}(x)", str(f.derivative(k)), None) for k in range(3)])
    page.heading("Points")
    columns = [Column("", [point.name for point in result.points])]
    for heading, values in (
        ("x", [p.x for p in result.points]), ("f(x)", [p.value for p in result.points]),
        ("f'(x)", [p.slope for p in result.points]), ("f''(x)", [p.curvature for p in result.points]),
    ):  # fmt: skip
        columns.append(Column(heading, [number(value, 8) for value in values], values))
    columns.append(Column("since", [reason(point) for point in result.points], is_text=True))
    page.table("What is where, in order of x", columns)
    page.paragraph(result.agreement())
    page.heading("Pictures")
    for picture in draw_all(directory, result):
        page.picture(picture)
    page.heading("Run it again")
    page.command(command)
    return page.render()


def _findings(result: Extrema) -> str:
    """The global extrema in a sentence."""
    told = []
    for kind in ("maximum", "minimum"):
        points = [point for point in result.points if point.is_global and point.kind == kind]
        places = " and ".join(number(point.x, 8) for point in points)
        told.append(f"the global {kind} is {number(points[0].value, 8)}, at x = {places}")
    text = "; ".join(told)
    return text[:1].upper() + text[1:] + "."

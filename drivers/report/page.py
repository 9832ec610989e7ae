"""A page that needs nothing but itself: style and pictures are inside, and every text from outside is escaped."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from drivers.report.animation import Animation
from drivers.report.figures import Picture

LONG_TABLE = 25

STYLE = """
:root { --ink: #1c2430; --quiet: #5b6675; --line: #d9dee5; --wash: #f5f7f9; --accent: #0072b2; --warn: #fff6e0; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: #fff; color: var(--ink); font: 1rem/1.55 system-ui, "Segoe UI", Roboto, Helvetica, Arial,
  sans-serif; }
main { max-width: 50rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .75rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; line-height: 1.3; margin: 2.5rem 0 .5rem; padding-top: .9rem; border-top: 1px solid var(--line); }
p { margin: 0 0 .75rem; overflow-wrap: anywhere; max-width: 44rem; }
.note { color: var(--quiet); font-size: .9rem; }
.lead { font-size: 1.05rem; }
aside { background: var(--warn); border-left: 4px solid #e69f00; padding: .75rem 1rem; margin: 1.25rem 0;
  overflow-wrap: anywhere; }
aside h2 { border: 0; margin: 0 0 .25rem; padding: 0; font-size: 1rem; }
aside ul { margin: 0; padding-left: 1.2rem; }
.box { margin: .75rem 0 1.25rem; border: 1px solid var(--line); border-radius: 6px; overflow: hidden; }
.box > p { margin: 0; padding: .5rem .7rem; color: var(--quiet); font-size: .9rem; }
.scroll { overflow-x: auto; }
.scroll:focus-visible, summary:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .7rem; text-align: right; white-space: nowrap; vertical-align: top; }
thead th { background: var(--wash); font-weight: 600; border-bottom: 1px solid var(--line); vertical-align: bottom; }
tbody tr + tr > * { border-top: 1px solid #edf0f3; }
tr.chosen > * { background: #e8f2f9; font-weight: 600; }
.text { text-align: left; }
td.wraps { white-space: normal; min-width: 13rem; }
tbody th, thead th:first-child { text-align: left; background: #fff; position: sticky; left: 0; }
thead th:first-child { background: var(--wash); z-index: 1; }
tbody th { font-weight: 500; white-space: normal; overflow-wrap: anywhere; min-width: 6.5rem; max-width: 16rem; }
.pairs { width: auto; min-width: min(100%, 24rem); }
.pairs tbody th { position: static; max-width: none; }
.pairs td { white-space: normal; }
.fitted { width: fit-content; max-width: 100%; }
details { margin: .5rem 0; }
summary { cursor: pointer; color: var(--accent); padding: .3rem 0; }
figure { margin: 1.25rem 0 1.75rem; max-width: 42rem; }
figure img { display: block; width: 100%; height: auto; }
figcaption { color: var(--quiet); font-size: .9rem; margin-top: .4rem; overflow-wrap: anywhere; }
pre { background: var(--wash); border: 1px solid var(--line); border-radius: 6px; padding: .7rem .9rem;
  margin: .25rem 0 1rem; font: .88rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  white-space: pre-wrap; overflow-wrap: anywhere; }
pre span { display: inline-block; max-width: 100%; }
@media screen { .long { max-height: 34rem; overflow-y: auto; } .long thead th { position: sticky; top: 0; z-index: 2; }
  .long thead th:first-child { z-index: 3; } }
@media (max-width: 30rem) { h1 { font-size: 1.4rem; } th, td { padding: .35rem .5rem; }
  table:not(.pairs) tbody th { max-width: 9rem; } }
@media print { main { max-width: none; padding: 0; } body { font-size: 10pt; } .box, .scroll { overflow: visible; }
  th, td { padding: .15rem .4rem; } tbody th { position: static; } h2, summary { break-after: avoid; }
  figure, aside, tr { break-inside: avoid; } figure { max-width: 15cm; }
  details::details-content { content-visibility: visible; display: block; height: auto; } }
"""


@dataclass
class Column:
    """A table's column: its heading, the texts of its cells and the exact values where the texts are rounded ones.

    is_text: stands at the left; wraps: text of more than a few words, which may take several lines
    """

    heading: str
    texts: Sequence[str]
    values: Sequence[Any] | None = None
    is_text: bool = False
    wraps: bool = False

    def cell(self, row: int) -> str:
        """The inside of a cell; the exact number is there for whoever points at it or reads the page by a program."""
        text = escape(self.texts[row])
        if self.values is None or self.values[row] is None:
            return text
        exact = escape(repr(self.values[row]))
        return f'<data value="{exact}" title="{exact}">{text}</data>'


@dataclass
class Page:
    """A page as it grows; all its methods escape what they are given."""

    title: str
    _parts: list[str] = field(default_factory=list)
    _n_tables: int = 0

    def heading(self, text: str) -> None:
        """Begins a section."""
        self._parts.append(f"<h2>{escape(text)}</h2>")

    def paragraph(self, text: str, kind: str = "", topic: str = "") -> None:
        """A paragraph; kind "lead" or "note"; topic: a word it begins with, to be found by."""
        begin = f"<strong>{escape(topic)}.</strong> " if topic else ""
        self._parts.append(f"<p{_class(kind)}>{begin}{escape(text)}</p>")

    def box(self, heading: str, items: Sequence[str]) -> None:
        """A list that must not be overlooked."""
        listed = "".join(f"<li>{escape(item)}</li>" for item in items)
        self._parts.append(f"<aside><h2>{escape(heading)}</h2><ul>{listed}</ul></aside>")

    def command(self, text: str) -> None:
        """A line to copy into a shell, broken between words only: a browser would break --option after a hyphen."""
        words = " ".join(f"<span>{escape(word)}</span>" for word in text.split(" "))
        self._parts.append(f"<pre><code>{words}</code></pre>")

    def picture(self, picture: Picture) -> None:
        """A picture with its caption."""
        self._figure("image/png", picture.png, picture)

    def animation(self, animation: Animation) -> None:
        """A moving picture with its caption."""
        self._figure("image/gif", animation.gif, animation)

    def _figure(self, media_type: str, data: bytes, shown: Picture | Animation) -> None:
        encoded = base64.b64encode(data).decode("ascii")
        self._parts.append(
            f'<figure><img src="data:{media_type};base64,{encoded}" alt="{escape(shown.alt)}" '
            f'width="{shown.width}" height="{shown.height}">'
            f"<figcaption>{escape(shown.caption)}</figcaption></figure>"
        )

    def table(self, caption: str, columns: Sequence[Column], chosen: int | None = None, folded: str | None = None) -> None:
        """A table whose first column names its rows.

        :param chosen: a row to mark
        :param folded: the line behind which the table is folded away, None to show it
        """
        n_rows = len(columns[0].texts)
        head = "".join(f'<th scope="col"{_class(_text(c))}>{escape(c.heading)}</th>' for c in columns)
        body = []
        for row in range(n_rows):
            cells = "".join(f"<td{_class(_text(c))}>{c.cell(row)}</td>" for c in columns[1:])
            body.append(
                f'<tr{_class("chosen" if row == chosen else "")}><th scope="row">{columns[0].cell(row)}</th>{cells}</tr>'
            )
        inside = f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody>"
        box = self._box(caption, inside, scroll="scroll long" if n_rows > LONG_TABLE else "scroll")
        if folded:
            box = f"<details><summary>{escape(folded)}</summary>{box}</details>"
        self._parts.append(box)

    def pairs(self, caption: str, rows: Sequence[tuple[str, str, Any]]) -> None:
        """A table of (name, text, exact value or None)."""
        body = "".join(
            f'<tr><th scope="row">{escape(name)}</th><td>{Column("", [text], [value]).cell(0)}</td></tr>'
            for name, text, value in rows
        )
        self._parts.append(self._box(caption, f"<tbody>{body}</tbody>", box="box fitted", table="pairs"))

    def _box(self, caption: str, inside: str, scroll: str = "scroll", box: str = "box", table: str = "") -> str:
        """A table that scrolls within its own frame, its caption standing still above it."""
        self._n_tables += 1
        name = f"table-{self._n_tables}"
        return (
            f'<div class="{box}"><p id="{name}">{escape(caption)}</p>'
            f'<div class="{scroll}" role="region" tabindex="0" aria-labelledby="{name}">'
            f'<table{_class(table)} aria-labelledby="{name}">{inside}</table></div></div>'
        )

    def render(self) -> str:
        """The page."""
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(self.title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
            f"<h1>{escape(self.title)}</h1>\n" + "\n".join(self._parts) + "\n</main>\n</body>\n</html>\n"
        )


def escape(text: str) -> str:
    """Text for the inside of an element or an attribute; what UTF-8 cannot write (a path of bytes) becomes a mark."""
    return html.escape(text.encode("utf-8", "replace").decode("utf-8"))


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def _text(column: Column) -> str:
    if column.wraps:
        return "text wraps"
    return "text" if column.is_text else ""

"""docs/performance.md, written from the measurements: every sentence about a figure is made from the figures."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Sequence
from pathlib import Path

from bench.results import AGREEMENT, FAILED, FIT, NONE, OVER, PACK, PYSPARK, PYSPARK_FIT, READERS, SKLEARN, Point, Results

PAGE = "performance.md"
OURS = {
    "inline-cold": "cold inline",
    "inline-warm": "warm inline",
    "local-cold": "cold local",
    "local-warm": "warm local",
}
PACKING, PACKING_BAD, ARROW = "pack", "pack-bad", "arrow"
NAMES = {
    **OURS,
    "inline-report": "inline with its report",
    SKLEARN: "scikit-learn",
    PYSPARK: "PySpark",
    PYSPARK_FIT: "PySpark without its session",
    PACKING: "packing",
    PACKING_BAD: "packing with a bad cell",
    ARROW: "pyarrow",
}
SECONDS, MEMORY = "wall", "summed"
LINE = 124
# Two figures closer than this are called the same.
TIE = 1.05
# Cores that other processes may keep busy before the machine counts as not quiet.
QUIET = 0.2
# What packing is to cost: at most so many times pyarrow's seconds for this table, so much more memory from a million rows
# on, and so many times the clean table's seconds with one bad cell (reading all again would be about twice).
AIM_POINT, AIM_SECONDS, AIM_GROWTH, AIM_BAD_CELL = Point(PACK, 1_000_000, 18), 1.5, 1.2, 1.25
SETTLED_ROWS = 1_000_000


def write_page(results: Results, folder: Path) -> Path:
    """Writes performance.md into the folder and its pictures into the folder's `images`; returns the page's path."""
    # Imported late: the text alone needs no matplotlib.
    from bench.pictures import draw_all

    draw_all(results, folder / "images")
    path = folder / PAGE
    path.write_text(page(results), encoding="utf-8")
    return path


def page(results: Results) -> str:
    """The text of the page."""
    by_features = results.by_features()
    parts = [
        "# Performance",
        paragraph(
            "Seconds and memory of weighted least squares from a text file to the coefficients, beside scikit-learn and "
            "PySpark, and of packing beside pyarrow's reader. `make bench` measures anew and writes this page: its figures "
            "and what it says of them come from the measurements."
        ),
        bullets(summary(results)),
        "## The machine",
        bullets(machine(results)),
        "## How it is measured",
        bullets(method(results)),
        "## Seconds against rows",
        picture("rows", "Seconds against rows, one line for each program"),
        comparison(results, [results.start, *results.by_rows()], "rows", SECONDS),
        "## Seconds against columns",
        picture("columns", "Seconds against columns of features, one line for each program"),
        comparison(results, by_features, "features", SECONDS),
        "## Peak memory against rows",
        picture("memory", "Peak memory against rows, one line for each program"),
        comparison(results, [results.start, *results.by_rows()], "rows", MEMORY),
        paragraph(growth(results)),
        "## Packing",
        picture("packing", "Seconds and peak memory of packing and of pyarrow's reader against rows"),
        packing_table(results),
        bullets(packing(results)),
        "## Where we lose",
        bullets(losses(results)) or f"Nowhere in these measurements, by more than {TIE - 1:.0%}.",
        "## Again",
        "```sh\n"
        "make bench                            # the bars of bench/linear.py, then this page\n"
        "python bench/performance.py --fresh   # this page alone, all measured anew\n"
        "python bench/performance.py --draw    # this page from the figures of the last measurement\n"
        "```",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


# What the page says ---------------------------------------------------------------------------------------------------


def summary(results: Results) -> list[str]:
    """The largest table in a few figures."""
    told = []
    points = [point for point in results.by_rows() if results.ratio(point, "inline-cold", SKLEARN) is not None]
    if points:
        last = points[-1]
        what = {"inline-cold": "to pack and fit", "inline-warm": "to fit what is packed"}
        clauses = []
        for side, task in what.items():
            seconds, memory = (results.ratio(last, side, SKLEARN, name) for name in (SECONDS, MEMORY))
            if seconds is not None and memory is not None:
                clauses.append(f"{task}, {times(seconds)} its seconds and {times(memory)} its memory")
        told.append(
            f"{last.rows:,} rows x {last.columns} columns in one process, beside scikit-learn: {'; '.join(clauses)}."
        )
        whole, fit = (results.ratio(last, side, "inline-cold") for side in (PYSPARK, PYSPARK_FIT))
        if whole is not None and fit is not None:
            told.append(
                f"PySpark on all cores takes {times(whole)} the seconds of packing and fitting in one process there, "
                f"{times(fit)} without the start of its session."
            )
    ratio = results.ratio(AIM_POINT, PACKING, ARROW)
    if ratio is not None:
        told.append(f"Packing {shape(AIM_POINT)} columns takes {times(ratio)} the seconds of pyarrow's own read.")
    return [*told, "What is slower than the others or needs more stands under [Where we lose](#where-we-lose)."]


def machine(results: Results) -> list[str]:
    of, versions = results.conditions["machine"], results.conditions["versions"]
    cores = f"{of['cores']} core{'' if of['cores'] == 1 else 's'}"
    told = [
        f"{cores} of {of['processor']}, {of['memory'] / 2**30:.0f} GiB of memory; {of['system']}",
        ", ".join(f"{name} {version}" for name, version in versions.items()),
    ]
    noise = f"Measured on {results.conditions['date']}"
    others = results.others()
    if others:
        typical = statistics.median(others)
        noise += f", while other processes kept {typical:.1f} cores busy (median; at most {max(others):.1f})"
        if typical > QUIET:
            noise += ". **The machine was not quiet**: the seconds are too many, and the ratios rough"
    return [*told, noise]


def method(results: Results) -> list[str]:
    """What is run, and how the figures come about."""
    has_pyspark = any(run.side == PYSPARK for run in results.runs)
    told = [
        "The tables have a target, features and a weight between 0.5 and 1.5, all of them numbers, in text that pyarrow "
        "wrote (`bench/make_table.py`). Each program is a process of its own that starts from nothing, finds the text in "
        "the page cache and ends with the coefficients: imports and starting count.",
        "*Inline* is `drivers/run_wols.py -r inline`, one process; *local* is `-r local`, processes on all cores. *Cold*: "
        f"the text is packed first; *warm*: an earlier run has packed it. {passes(results)}Standard errors are included, "
        "which scikit-learn does not compute.",
        "*scikit-learn* is `LinearRegression` on what pandas (`read_csv` with its default engine) or pyarrow "
        "(`csv.read_csv`) has read: at each size the faster of the two, named in the tables. Its BLAS may use all cores.",
    ]
    if has_pyspark:
        told.append(
            '*PySpark* is MLlib\'s `LinearRegression(solver="normal")` on `local[*]` with an explicit schema. *Without its '
            "session* leaves out the import of pyspark and the start of the session."
        )
    told.append(
        f"{repetitions(results)} Seconds are wall seconds. Memory is the peak of all processes together, a page that they "
        "share counted once (proportional set size), in MB of 10^6 bytes. A run that takes longer than "
        f"{results.conditions['limit']:g} s is ended."
    )
    told += [sentence for sentence in (report(results), steadiness(results), agreement(results)) if sentence]
    return told


def passes(results: Results) -> str:
    counts = sorted({run.passes for run in results.runs if run.passes is not None})
    if not counts:
        return ""
    return f"A fit takes {listed([str(count) for count in counts])} {'pass' if counts == [1] else 'passes'} over the pack. "


def repetitions(results: Results) -> str:
    def most(of_pyspark: bool) -> int:
        return max((run.repetition + 1 for run in results.runs if (run.side == PYSPARK) == of_pyspark), default=0)

    mine, theirs = most(False), most(True)
    apart = f" ({theirs} of PySpark)" if theirs and theirs != mine else ""
    if mine <= 1 and not apart:
        return "Each figure is of one run."
    return f"Each figure is the median of {mine} runs{apart}; the programs take turns."


def report(results: Results) -> str | None:
    """What the report would add."""
    for point in results.by_rows():
        plain, full = results.figure(point, "inline-cold"), results.figure(point, "inline-report")
        if plain is not None and full is not None:
            more = "takes no measurable time" if full <= plain else f"would add {number(full - plain)} s"
            return f"The report of a run is left out (`--no-report`); it {more} ({point.rows:,} rows)."
    return None


def steadiness(results: Results) -> str | None:
    spreads = results.spreads()
    if not spreads:
        return None
    return (
        "How steady it was: of the runs of one program on one table the longest took "
        f"{times(statistics.median(spreads))} the shortest (median; at most {times(max(spreads))})."
    )


def agreement(results: Results) -> str | None:
    if not results.by_rows():
        return None
    worst = results.disagreement()
    verb = "agree" if worst <= AGREEMENT else "**do not agree**"
    return f"The coefficients of all programs {verb}: relative to the largest they differ by at most {worst:.0e}."


def comparison(results: Results, points: Sequence[Point], unit: str, name: str) -> str:
    """A table of scikit-learn's figure and the others as multiples of it."""
    others = [side for side in (*OURS, PYSPARK, PYSPARK_FIT) if not (name == MEMORY and side == PYSPARK_FIT)]
    others = [side for side in others if any(results.outcome(point, side) != NONE for point in points)]
    if not others and all(results.outcome(point, SKLEARN) == NONE for point in points):
        return "Not measured."

    def reference(point: Point) -> str:
        reader = results.reader(point)
        told = own_figure(results, point, SKLEARN, name)
        return told if reader is None else f"{told}, {READERS[reader]}"

    def multiple(point: Point, side: str) -> str:
        ratio = results.ratio(point, side, SKLEARN, name)
        return own_figure(results, point, side, name) if ratio is None else number(ratio)

    head = [unit, "scikit-learn, reader", *(NAMES[side] for side in others)]
    body = [
        [f"{getattr(point, unit):,}", reference(point), *(multiple(point, side) for side in others)] for point in points
    ]
    what, less = ("Seconds", "faster") if name == SECONDS else ("Peak memory", "less")
    caption = f"{what} of scikit-learn, and the others as multiples of it (below 1: {less})."
    if unit == "features":
        caption += f" {rows_of(points)} rows, and a target and a weight beside the features."
    elif points[0] == results.start:
        caption += f" The table of {results.start.rows:,} rows shows what starting costs."
    return f"{paragraph(caption)}\n\n{table(head, body)}"


def own_figure(results: Results, point: Point, side: str, name: str) -> str:
    """The figure with its unit, or why there is none."""
    value = results.figure(point, side, name)
    if value is not None:
        return f"{number(value)} s" if name == SECONDS else f"{value / 1e6:,.0f} MB"
    outcome = results.outcome(point, side)
    return {OVER: f"over {results.conditions['limit']:g} s", FAILED: "failed"}.get(outcome, "–")


def growth(results: Results) -> str:
    """How the peak memory of each program grows with the rows."""
    told = []
    for side in ("inline-cold", "local-cold", SKLEARN, PYSPARK):
        peaks = [(point, results.figure(point, side, MEMORY)) for point in results.by_rows()]
        measured = [(point, peak) for point, peak in peaks if peak is not None]
        if len(measured) > 1:
            (first, low), (last, high) = measured[0], measured[-1]
            told.append(
                f"{NAMES[side]} {times(high / low)} ({low / 1e6:,.0f} MB at {first.rows:,} rows, {high / 1e6:,.0f} MB at "
                f"{last.rows:,})"
            )
    return f"How the peak grows: {'; '.join(told)}." if told else ""


def packing_table(results: Results) -> str:
    points = sorted(results.points(PACK), key=lambda point: (point.columns, point.rows))
    if not points:
        return "Not measured."
    body = []
    for point in points:
        line = [shape(point)]
        for name in (SECONDS, MEMORY):
            ratio = results.ratio(point, PACKING, ARROW, name)
            line += [own_figure(results, point, side, name) for side in (ARROW, PACKING)]
            line.append("–" if ratio is None else number(ratio))
        body.append(line)
    caption = paragraph(
        "Packing parses the text, checks every row, draws a sample and writes the pack to disk; pyarrow (`csv.read_csv`, "
        "on all cores) parses it into memory. Whole processes, both."
    )
    head = ["table", "pyarrow", "packing", "ratio", "pyarrow, memory", "packing, memory", "ratio"]
    return f"{caption}\n\n{table(head, body)}"


def packing(results: Results) -> list[str]:
    """The aims of packing, met or missed."""
    told = []
    ratio = results.ratio(AIM_POINT, PACKING, ARROW)
    if ratio is not None:
        told.append(
            f"Seconds: {shape(AIM_POINT)} columns in {times(ratio)} pyarrow's. The aim, at most {AIM_SECONDS:g}, is "
            f"{met(ratio <= AIM_SECONDS)}."
        )
    narrow = [p for p in results.points(PACK) if p.features == 1 and results.figure(p, PACKING, MEMORY) is not None]
    # With fewer rows not all chunks that may be under way at once are.
    settled = [point for point in narrow if point.rows >= SETTLED_ROWS]
    if len(settled) > 1:
        first, last = settled[0], settled[-1]
        grown = (results.figure(last, PACKING, MEMORY) or 0.0) / (results.figure(first, PACKING, MEMORY) or 1.0)
        told.append(
            f"Memory: the peak at {last.rows:,} rows is {times(grown)} that at {first.rows:,}. The aim, at most "
            f"{AIM_GROWTH:g}, is {met(grown <= AIM_GROWTH)}."
        )
    for point in settled:
        ratio = results.ratio(point, PACKING_BAD, PACKING)
        if ratio is not None:
            told.append(
                f"A bad cell: with one among {point.rows:,} rows and `--max-bad-rows 1`, "
                f"{own_figure(results, point, PACKING_BAD, SECONDS)}; without, "
                f"{own_figure(results, point, PACKING, SECONDS)}: {times(ratio)}. The aim, that it costs its chunk a "
                f"second read and not the file (at most {AIM_BAD_CELL:g}), is {met(ratio <= AIM_BAD_CELL)}."
            )
    return told


def losses(results: Results) -> list[str]:
    """For each kind of work on which another program is better: by how much, and where."""
    rows, features = results.by_rows(), results.by_features()
    by_rows = [worse(results, rows, side, SKLEARN, "rows") for side in OURS]
    by_features = [worse(results, features, side, SKLEARN, "features") for side in OURS]
    memory = [worse(results, rows, side, SKLEARN, "rows", MEMORY) for side in OURS]
    spark = [
        worse(results, points, side, other, unit)
        for points, unit in ((rows, "rows"), (features, "features"))
        for side in ("inline-cold", "local-cold")
        for other in (PYSPARK, PYSPARK_FIT)
    ]
    spark_memory = [worse(results, rows, side, PYSPARK, "rows", MEMORY) for side in ("inline-cold", "local-cold")]
    packs = [
        worse(results, [p for p in results.points(PACK) if p.columns == n], PACKING, ARROW, "rows", name, f", {n} columns")
        for name in (SECONDS, MEMORY)
        for n in sorted({point.columns for point in results.points(PACK)})
    ]
    found = [
        bullet("Rows, against scikit-learn", by_rows),
        bullet("Starting", [starting(results)]),
        bullet(f"Columns, against scikit-learn, {rows_of(features)} rows", by_features),
        bullet("Memory, against scikit-learn", memory),
        bullet("Local against inline", [local(results)]),
        bullet("Against PySpark", [*spark, *spark_memory]),
        bullet("Packing against reading", packs),
        *not_finished(results),
    ]
    return [sentence for sentence in found if sentence]


def bullet(head: str, clauses: Sequence[str | None]) -> str | None:
    """One bullet of the clauses that there are; None without."""
    found = [clause for clause in clauses if clause]
    return f"**{head}.** {sentence_case('; '.join(found))}." if found else None


def worse(
    results: Results, points: Sequence[Point], side: str, other: str, unit: str, name: str = SECONDS, which: str = ""
) -> str | None:
    """Where the side takes more than the other, and how many times as much; None where it nowhere does."""
    ratios = [(point, results.ratio(point, side, other, name)) for point in points]
    measured = [(point, ratio) for point, ratio in ratios if ratio is not None]
    lost = [(point, ratio) for point, ratio in measured if ratio > TIE]
    if not lost:
        return None
    what = "takes {} the seconds" if name == SECONDS else "needs {} the memory"
    amount = what.format(f"{span([ratio for _, ratio in lost])} times")
    places = where([point for point, _ in measured], [point for point, _ in lost], unit)
    return f"{NAMES[side]} {amount} of {NAMES[other]} {places}{which}"


def starting(results: Results) -> str | None:
    """What it takes before rows count, where that is more than scikit-learn's."""
    start = results.start
    slow = [side for side in OURS if (results.ratio(start, side, SKLEARN) or 0.0) > TIE]
    if not slow:
        return None
    figures = [f"{own_figure(results, start, side, SECONDS)} ({NAMES[side]})" for side in slow]
    theirs = own_figure(results, start, SKLEARN, SECONDS)
    what = f"a table of {start.rows:,} rows, which is nothing but starting,"
    return f"{what} takes {listed(figures)} against {theirs} (scikit-learn)"


def local(results: Results) -> str | None:
    """Below how many rows more processes do not pay."""
    points = results.by_rows()
    slow = worse(results, points, "local-cold", "inline-cold", "rows")
    if slow is None:
        return None
    ratios = [(point, results.ratio(point, "local-cold", "inline-cold")) for point in points]
    measured = [point for point, ratio in ratios if ratio is not None]
    fast = [point for point, ratio in ratios if ratio is not None and ratio < 1 / TIE]
    n = results.conditions["machine"]["cores"]
    cores = f"{n} core{'' if n == 1 else 's'}"
    if fast:
        return f"on {cores} {slow}; it is faster {where(measured, fast, 'rows')}"
    return f"on {cores} {slow}, and is faster at no number of rows measured"


def not_finished(results: Results) -> list[str]:
    """What took too long or failed, ours or others'."""
    found = []
    for outcome, verb in ((OVER, f"took longer than {results.conditions['limit']:g} s"), (FAILED, "failed")):
        for side in (*OURS, "inline-report", SKLEARN, PYSPARK, PACKING, PACKING_BAD, ARROW):
            points = [p for suite in (FIT, PACK) for p in results.points(suite) if results.outcome(p, side) == outcome]
            if points:
                tables = listed([shape(point) for point in points])
                found.append(f"**Not finished.** {sentence_case(NAMES[side])} {verb} on {tables} columns.")
    return found


def rows_of(points: Sequence[Point]) -> str:
    return listed([f"{rows:,}" for rows in sorted({point.rows for point in points})]) if points else "no"


# Words ----------------------------------------------------------------------------------------------------------------


def number(value: float) -> str:
    """0.19, 1.31, 12.4, 1,234."""
    if value >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def times(ratio: float) -> str:
    return f"{number(ratio)} times"


def span(values: Sequence[float]) -> str:
    low, high = number(min(values)), number(max(values))
    return low if low == high else f"{low} to {high}"


def listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def where(measured: Sequence[Point], those: Sequence[Point], unit: str) -> str:
    """Which of the measured points `those` are: everywhere, up to, from ... on, or one by one. `unit`: rows or features."""
    values = [getattr(point, unit) for point in those]
    n = len(values)

    def counted(value: int) -> str:
        return f"{value:,} {unit.removesuffix('s') if value == 1 else unit}"

    if n == 1:
        return f"at {counted(values[0])}"
    if n == len(measured):
        return f"at every size from {values[0]:,} to {counted(values[-1])}"
    if list(those) == list(measured[:n]):
        return f"up to {counted(values[-1])}"
    if list(those) == list(measured[-n:]):
        return f"from {counted(values[0])} on"
    return f"at {listed([f'{value:,}' for value in values])} {unit}"


def shape(point: Point) -> str:
    return f"{point.rows:,} x {point.columns}"


def met(is_met: bool) -> str:
    return "met" if is_met else "**missed**"


def sentence_case(text: str) -> str:
    """With a capital, except for names that have none."""
    return text if text.startswith(("scikit-learn", "pyarrow")) else text[:1].upper() + text[1:]


def paragraph(text: str) -> str:
    return textwrap.fill(text, LINE, break_long_words=False, break_on_hyphens=False)


def bullets(sentences: Sequence[str]) -> str:
    wrapped = [
        textwrap.fill(
            text, LINE, initial_indent="- ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
        for text in sentences
    ]
    return "\n".join(wrapped)


def picture(name: str, alt: str) -> str:
    return f"![{alt}](images/performance-{name}.png)"


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)

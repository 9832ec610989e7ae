"""What the report of any kind of model says: what was done, the warnings, the passes, how to run it again."""

from __future__ import annotations

import os
import shlex
import statistics
import time
from typing import Any

from drivers.columns import columns_of
from drivers.designs import design_of
from drivers.options import without_directory
from drivers.packing.cache import Pack
from drivers.report.formats import NOTHING, column, duration, number
from drivers.report.page import Column, Page
from drivers.run_directory import MODEL, OPTIONS, RunDirectory
from drivers.wording import count, size

SOLVERS = {
    "exact": "The exact solver",
    "gd": "Gradient descent",
    "lloyd": "Lloyd's algorithm",
    "em": "EM",
    "newton": "Newton's method",
    "lbfgs": "L-BFGS",
}
# More passes than these are told phase by phase.
PASSES_SHOWN = 12
NAMES_SHOWN = 6
COLUMNS_SHOWN = 12


def add_summary(
    page: Page, model: dict[str, Any], text: str, pack: Pack | None, directory: RunDirectory, passes: list[dict]
) -> None:
    """Who did what to which data, in one paragraph, which begins with what the model says of itself."""
    training = model["training"]
    finished = time.strftime("%d %B %Y, %H:%M", time.localtime(os.path.getmtime(directory.file(MODEL)))).lstrip("0")
    if pack is None:
        text += f" The statistics of {count(training['n_rows'], 'row')} were read from a file, and no row of the data."
    else:
        manifest = pack.manifest
        files = [os.path.basename(source["path"]) for source in manifest.sources]
        named = files[0] if len(files) == 1 else f"{count(len(files), 'file')} ({files[0]}, ...)"
        n_bytes = sum(source["size"] for source in manifest.sources)
        runner = " and ".join(sorted({entry["runner"] for entry in passes}))
        seconds = sum(entry["seconds"] for entry in passes)
        text += (
            f" The data: {count(manifest.n_rows, 'row')} of {count(len(manifest.columns), 'column')} in {named} "
            f"({size(n_bytes)}). {SOLVERS.get(training['solver'], training['solver'])} took "
            f"{count(training['n_passes'], 'pass', 'passes')} over them on the {runner} runner, {duration(seconds)} in all."
        )
    page.paragraph(f"{text} Finished on {finished}.", "lead")


def add_warnings(page: Page, model: dict[str, Any]) -> None:
    """The warnings of the run, where there are any."""
    if model.get("warnings"):
        page.box("Take note", [text[:1].upper() + text[1:].rstrip(".") + "." for text in model["warnings"]])


def add_rows(page: Page, model: dict[str, Any], more: list[tuple[str, str, Any]]) -> None:
    """Where the rows went, and what is known of their weights."""
    training = model["training"]
    used, rejected, missing = (training[f"rows_{way}"] for way in ("used", "rejected", "missing"))
    page.heading("Data")
    page.paragraph(
        f"{count(training['rows_in'], 'row')} in = {used:,} used + {rejected:,} rejected + {missing:,} with a missing cell."
    )
    if more:
        page.pairs("Weights of the rows" if model.get("weight") else "The sample", more)


def add_columns(page: Page, model: dict[str, Any], pack: Pack) -> None:
    """What each column holds and the part it played, and how the files were read."""
    columns = columns_of(pack, design_of(model))
    texts = {key: [str(column[key]) for column in columns] for key in ("name", "role", "kind", "holds")}
    missing = [column["missing"] for column in columns]
    page.table(
        "Columns",
        [
            Column("", texts["name"]),
            Column("part", texts["role"], is_text=True),
            Column("kind", texts["kind"], is_text=True),
            Column("missing", [f"{n:,}" for n in missing], missing),
            Column("holds", texts["holds"], is_text=True),
        ],
        folded="All columns" if len(columns) > COLUMNS_SHOWN else None,
    )
    for note in pack.manifest.notes:
        page.paragraph(f"{note}.", "note")


def add_passes(page: Page, passes: list[dict[str, Any]]) -> None:
    """The ledger: every pass when they are few, else one line for each phase."""
    if not passes:
        return
    page.heading("Passes over the data")
    seconds, n_bytes = sum(entry["seconds"] for entry in passes), sum(entry["bytes"] for entry in passes)
    total = f"{count(len(passes), 'pass', 'passes')}, {duration(seconds)}, {size(n_bytes)} read"
    if len(passes) <= PASSES_SHOWN:
        columns = [
            Column("pass", [number(entry["pass"]) for entry in passes]),
            Column("phase", [entry.get("phase", NOTHING) for entry in passes], is_text=True),
            Column("job", [entry["job"] for entry in passes], is_text=True),
            Column("runner", [entry["runner"] for entry in passes], is_text=True),
            Column("tasks", [number(entry["n_tasks"]) for entry in passes]),
            Column("rows used", [number(entry["rows_used"]) for entry in passes]),
            Column("seconds", column([entry["seconds"] for entry in passes], 3)),
            Column("read", [size(entry["bytes"]) for entry in passes]),
        ]
    else:
        groups: dict[tuple[str, str, str], list[dict]] = {}
        for entry in passes:
            groups.setdefault((entry.get("phase", NOTHING), entry["job"], entry["runner"]), []).append(entry)
        times = [[entry["seconds"] for entry in group] for group in groups.values()]
        columns = [
            Column("phase", [phase for phase, _, _ in groups]),
            Column("job", [job for _, job, _ in groups], is_text=True),
            Column("runner", [runner for _, _, runner in groups], is_text=True),
            Column("passes", [number(len(group)) for group in groups.values()]),
            Column("first, s", column([values[0] for values in times], 3)),
            Column("median, s", column([statistics.median(values) for values in times], 3)),
            Column("last, s", column([values[-1] for values in times], 3)),
            Column("total, s", column([sum(values) for values in times], 3)),
            Column("read", [size(sum(entry["bytes"] for entry in group)) for group in groups.values()]),
        ]
    page.table(total, columns)
    page.paragraph("passes.jsonl in the run directory has every pass with the command that runs it again.", "note")


def add_again(page: Page, directory: RunDirectory) -> None:
    """The command lines of this run."""
    options = directory.read_json(OPTIONS)
    program = ["python", options["program"]]
    page.heading("Run it again")
    if "argv" in options:
        folder = options.get("working_dir")
        page.paragraph(f"In the folder {folder}:" if folder else "The command:")
        page.command(shlex.join([*program, *without_directory(options["argv"])]))
    page.paragraph("To go on with this run, or to make its report anew from the passes already made:")
    page.command(shlex.join([*program, "--resume", directory.path]))


def weighing(model: dict[str, Any]) -> str:
    """What the rows weigh, as the end of a clause."""
    return f", weighted by {model['weight']}" if model.get("weight") else ", all rows weighing the same"


def names_of(names: list[str]) -> str:
    if len(names) > NAMES_SHOWN:
        return count(len(names), "feature")
    return ", ".join(names) if names else "nothing but a constant"

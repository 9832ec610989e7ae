"""The plan of a run, and its first rows: what --plan and --dry-run print."""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from itertools import islice
from typing import Any

import pyarrow as pa

from drivers.app import OK, UsageError
from drivers.columns import columns_of
from drivers.foresight import Foresee, Foresight, Phase
from drivers.packing.cache import Pack, find_pack, preview
from drivers.packing.contents import PackContents
from drivers.packing.formats import open_table
from drivers.packing.sources import compression, find_sources
from drivers.packing.stores.source import Source
from drivers.preparing.recipes import passes_before
from drivers.reading import input_options
from drivers.runners import runner_class
from drivers.runners.runner import carried_bytes
from drivers.runners.switches import Switches
from drivers.terminal.tables import print_dry_run, print_plan
from jobs.keyed_tree import LEAST_WAITING
from jobs.mr_keyed import LINE_BYTES, buckets_for
from jobs.records import readable

# At least and at most: one more gathers the texts of columns of text.
JOBS_THAT_PACK = [2, 3]
# A task before it has read anything: Python with numpy and mrjob.
TASK_BYTES = 90 << 20
# A block as columns, as a design matrix and once more inside a factorisation.
COPIES_OF_A_BLOCK = 4


def tell(options: argparse.Namespace, contents: PackContents, foresee: Foresee) -> int:
    """Prints the plan of a run, or what its first rows are.

    :raises ScanError: what the run would end with before its first pass
    """
    sources, reading = find_sources(options.inputs), input_options(options)
    with tempfile.TemporaryDirectory(prefix="scanlearn-") as folder:
        pack = find_pack(sources, reading, contents, options.cache_dir) or preview(sources, reading, contents, folder)
        foresight = foresee(options, pack)
        if options.dry_run:
            told = _first_rows(pack, foresight)
        else:
            told = plan_of(options, sources, pack, foresight)
    if options.json:
        print(json.dumps(readable(told), allow_nan=False))
    else:
        (print_dry_run if options.dry_run else print_plan)(told)
    return OK


def plan_of(options: argparse.Namespace, sources: list[Source], pack: Pack, foresight: Foresight) -> dict[str, Any]:
    """The plan as numbers: bytes, rows and passes; `exact` says whether the rows are counted or estimated.

    :raises UsageError: a price where nothing is rented
    """
    manifest, design = pack.manifest, foresight.design
    n_bytes = sum(source.size for source in sources)
    n_rows = manifest.n_rows + manifest.n_rejected
    if pack.is_partial:
        n_rows = round(n_rows * n_bytes / _packed_size(sources, pack))
    pack_bytes = n_rows * sum(4 if kind == "text" else 8 for kind in manifest.kinds)
    runner = options.runner or "inline"
    user = Switches(runner, getattr(options, "mrjob_args", []))
    refers = not runner_class(runner).carries_blocks(user)
    carried = pack_bytes if refers else carried_bytes(pack_bytes)
    n_blocks = max(1, math.ceil(n_rows / manifest.block_rows))
    n_tasks = min(n_blocks, runner_class(runner).n_tasks(user, pack_bytes))
    width = len(design.feature_names) + 2
    n_before = passes_before(options, design)
    phases = [*([Phase("recipe", n_before, n_before)] if n_before else []), *foresight.phases]
    passes = [sum(p.at_least for p in phases), sum(p.at_most for p in phases)]
    # A task holds a subtree for each binary digit of its blocks on either side.
    records_a_task = 2 * max(1, math.ceil(math.log2(n_blocks / n_tasks + 1))) + 1
    # At most an entry a row, and those of a task wait in its memory.
    entry_bytes = foresight.bytes_a_key * math.ceil(n_rows / n_tasks)
    if foresight.bytes_a_key:
        records_a_task = buckets_for(n_rows) + math.ceil(entry_bytes / LINE_BYTES) + 1
    answer_bytes = foresight.statistics_bytes + min(entry_bytes, 2 * LEAST_WAITING)
    packing = JOBS_THAT_PACK if _packs_there(options, runner, sources, pack) else [0, 0]
    return {
        "runner": runner,
        "inputs": [source.shown for source in sources],
        "input_bytes": n_bytes,
        "rows": n_rows,
        "exact": not pack.is_partial,
        "columns": len(manifest.columns),
        "coefficients": len(design.feature_names) + 1,
        "is_packed": pack.was_cached,
        "phases": [vars(phase) for phase in phases],
        "passes": passes,
        "packing_jobs": packing,
        "bytes_a_pass": 8 * n_rows * len(design.columns()) if refers else carried,
        "tasks": n_tasks,
        "memory_a_task": TASK_BYTES + COPIES_OF_A_BLOCK * 8 * manifest.block_rows * width + answer_bytes,
        "records_shuffled": n_tasks * records_a_task,
        "disk": {"pack": 0 if pack.was_cached else pack_bytes, "cluster": 0 if carried == pack_bytes else carried},
        "emr": _rented(options, runner, [a + b for a, b in zip(packing, passes)], carried),
        "remarks": foresight.remarks,
    }


def _packs_there(options: argparse.Namespace, runner: str, sources: list[Source], pack: Pack) -> bool:
    """Whether jobs will pack the table where it lies, as far as its names tell."""
    scheme = runner_class(runner).packs_on
    is_there = scheme is not None and all(source.path.startswith(scheme) for source in sources)
    return is_there and not pack.was_cached and not getattr(options, "pack_here", False)


def _rented(options: argparse.Namespace, runner: str, passes: list[int], n_bytes: int) -> dict[str, Any] | None:
    """What is to be rented for a run; None where nothing is."""
    price = getattr(options, "hourly_price", None)
    if runner != "emr":
        if price is not None:
            raise UsageError("--hourly-price is the price of a node of -r emr; nothing is rented here")
        return None
    from drivers.runners.emr.plan import emr_plan

    return emr_plan(options.mrjob_args, passes, n_bytes, price)


def _packed_size(sources: list[Source], pack: Pack) -> float:
    """How many bytes of the input, as it lies there, the first chunk is."""
    reader = open_table(sources, pack.options)
    chunk = next(islice(reader.chunks(sources[0]), 1))
    how = compression(sources[0])
    if how is None or not hasattr(chunk, "data"):
        return float(chunk.n_bytes)
    some = chunk.data[: 1 << 20]
    return chunk.n_bytes * len(pa.compress(some, codec=how, asbytes=True)) / len(some)


def _first_rows(pack: Pack, foresight: Foresight) -> dict[str, Any]:
    """What the first rows hold."""
    return {
        "rows": pack.manifest.n_rows,
        "rejected": pack.manifest.n_rejected,
        "whole": not pack.is_partial,
        "notes": pack.manifest.notes,
        "columns": columns_of(pack, foresight.design),
        "remarks": foresight.remarks,
    }

"""Where a driver works: its run directory, the packed data, the run over them, and how its result is told."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from typing import Any

from drivers import interruption
from drivers.packing.cache import Pack, default_cache_dir, find_pack, pack
from drivers.packing.contents import PackContents
from drivers.packing.sources import compression, find_sources
from drivers.packing.stores import standard_input
from drivers.packing.stores.source import Source
from drivers.packing.unfinished import half_packs, remove_half_pack
from drivers.reading import input_options
from drivers.roles import make_design
from drivers.run import Run
from drivers.run_directory import LOG, MODEL, OPTIONS, RunDirectory
from drivers.runners import runner_class
from drivers.runners.execution import set_up
from drivers.runners.leftovers import Leftovers, default_folder, sweep
from drivers.runners.runner import PackingRunner, Runner
from drivers.runners.switches import Switches
from drivers.terminal.progress import Progress
from drivers.wording import count, size
from jobs.design import Design
from jobs.errors import ScanError
from jobs.records import readable


class Results:
    """A driver's run directory, where its result goes and what is told of it."""

    pack: Pack | None = None
    result = MODEL  # the file of it

    def __init__(self, options: argparse.Namespace, name: str) -> None:
        self.options, self.name = options, name
        self.progress = Progress(options.quiet)
        self.warnings: list[str] = []  # what the user must know of the result
        sources = self._find()
        self.directory = RunDirectory.open(options.resume) if options.resume else RunDirectory.create(options.run_dir, name)
        options.workspace = self
        if not options.resume:
            self.directory.write_json(
                OPTIONS,
                {
                    "program": _program(name),
                    "argv": options.argv,
                    "working_dir": options.working_dir,
                    "standard_input": [vars(source) for source in sources if source.copy],
                },
            )

    def _find(self) -> list[Source]:
        """What there is to read, found before anything is written."""
        return []

    def all_warnings(self) -> list[str]:
        """What the user must know of the result."""
        return self.warnings

    def close(self) -> None:
        """Removes what the run has outside its directory; called however it ends."""

    def finish(self, model: dict[str, Any], print_result: Callable[..., None] | None) -> None:
        """Writes the result and the report, prints the result unless `print_result` is None, says where everything lies."""
        told = {**model, "warnings": self.all_warnings()}
        self.directory.write_json(self.result, told)
        if print_result and self.options.json:
            print(json.dumps(readable(model), allow_nan=False))
        elif print_result:
            print_result(model, told["warnings"])
        sys.stdout.flush()
        self.close()
        what = "model" if self.result == MODEL else "result"
        self.progress.say(f"{what:7} {os.path.relpath(self.directory.file(self.result))}")
        if self.options.report:
            self._report(told)
        self._forget_standard_input()
        self.directory.close()

    def _report(self, told: dict[str, Any]) -> None:
        """Writes the report; one that fails is told and takes nothing from the result."""
        try:
            self.progress.say(f"report  {os.path.relpath(self._write_report(told))}")
        except Exception as error:
            with open(self.directory.file(LOG), "a", encoding="utf-8") as log:
                traceback.print_exc(file=log)
            print(f"the report could not be made ({error}); the log is {log.name}", file=sys.stderr)

    def _write_report(self, told: dict[str, Any]) -> str:
        """Gives the path of the page of what was told; that of a model is made from its file."""
        from drivers.report import write_report

        return write_report(self.directory, self.pack)

    def abandon(self) -> None:
        """Lets go of the run directory, and removes that of a run which ended before its first pass."""
        fresh = self.directory.checkpoint()["n_passes"] == 0 and not self.directory.has_log()
        self.directory.close()
        if fresh and not self.options.resume:
            self._forget_standard_input()
            shutil.rmtree(self.directory.path, ignore_errors=True)
            if not self.options.run_dir:
                with contextlib.suppress(OSError):  # other runs lie there
                    os.rmdir(os.path.dirname(self.directory.path))

    def _forget_standard_input(self) -> None:
        if not os.path.exists(self.directory.file(OPTIONS)):  # there was no room even for it
            return
        for entry in self.directory.read_json(OPTIONS).get("standard_input", []):
            with contextlib.suppress(OSError):
                os.remove(entry["copy"])


class Workspace(Results):
    """Results with packed data and a run over them."""

    pack: Pack
    run: Run
    _runner: Runner | None = None  # where packing needs one

    def __init__(self, options: argparse.Namespace, name: str, contents: PackContents) -> None:
        self.reading = input_options(options)
        self.leftovers = Leftovers(default_folder(options.cache_dir or default_cache_dir()))
        super().__init__(options, name)
        sweep(self.leftovers.folder, options.runner or "inline", self.progress.say)
        for path in half_packs(options.cache_dir or default_cache_dir()):
            with contextlib.suppress(OSError):
                remove_half_pack(path)
        self.pack = self._pack(self.sources, contents)
        text = self.pack.manifest.text
        self.run = Run(
            self.directory,
            self.pack,
            None if text is None else dataclasses.replace(text, max_bad_rows=options.max_bad_rows),
            options.runner,
            options.mrjob_args,
            options.keep_passes,
            self.progress,
            self.leftovers,
            self._runner,
        )
        self.warnings = self.run.warnings

    def close(self) -> None:
        """Removes what the run has outside its directory; what resists is left to the next run."""
        with interruption.held():
            kept = False
            try:
                if hasattr(self, "run"):
                    self.run.close()
                elif self._runner is not None:  # it ended while the table was packed
                    self._runner.close()
            except (ScanError, OSError) as error:
                kept = True
                print(f"not removed: {error}; the next run, or drivers/clean.py, tries again", file=sys.stderr)
            shutil.rmtree(self.directory.file("tmp"), ignore_errors=True)
            self.leftovers.close(kept)

    def all_warnings(self) -> list[str]:
        """What became of the rows that are not in the result, and what the passes and the fit said."""
        return self.run.all_warnings()

    def design(self) -> Design:
        """The design step by the role options, its remarks among the warnings of the run."""
        design, remarks = make_design(self.options, self.pack, self.run.scan)
        self.run.warnings += remarks
        return design

    def _find(self) -> list[Source]:
        """The input files; standard input of a run that is resumed is what was copied then."""
        if not self.options.resume:
            alias = self.options.runner or "inline"
            runner_class(alias).check(Switches(alias, self.options.mrjob_args))
        self.sources = self._sources()
        return self.sources

    def _sources(self) -> list[Source]:
        options = self.options
        standard_input.folder = os.path.join(options.cache_dir or default_cache_dir(), "stdin")
        if not (options.resume and "-" in options.inputs):
            return find_sources(options.inputs)
        saved = RunDirectory.open(options.resume)
        piped = [Source(**values) for values in saved.read_json(OPTIONS).get("standard_input", [])]
        saved.close()
        others = [name for name in options.inputs if name != "-"]
        return sorted([*piped, *(find_sources(others) if others else [])], key=lambda source: source.path)

    def _pack(self, sources: list[Source], contents: PackContents) -> Pack:
        made = self._pack_there(sources, contents) or self._pack_here(sources, contents)
        for note in made.manifest.notes:
            self.progress.say(note)
        self._check_same("the data have", "fingerprint", made.manifest.fingerprint)
        if (file := getattr(self.options, "recipe", None)) is not None:
            self._check_same(f"the recipe {file.path} has", "recipe", file.recipe.md5())
        if made.rejects:
            shutil.copyfile(made.rejects, self.directory.file("rejects.csv"))
        how = "found packed" if made.was_cached else f"packed from {size(sum(source.size for source in sources))}"
        columns = count(len(made.manifest.columns), "column")
        self.progress.say(f"{count(made.manifest.n_rows, 'row')} x {columns} {how}")
        return made

    def _check_same(self, what: str, name: str, value: str) -> None:
        """Keeps what a run began with.

        :raises ScanError: a run that is resumed with something else
        """
        saved = self.directory.read_json(OPTIONS)
        if saved.setdefault(name, value) != value:
            raise ScanError(f"{what} changed since the run {self.directory.path} began; start a new run")
        self.directory.write_json(OPTIONS, saved)

    def _pack_there(self, sources: list[Source], contents: PackContents) -> Pack | None:
        """The pack by jobs where the files lie; None where that cannot be."""
        options, alias = self.options, self.options.runner or "inline"
        scheme = runner_class(alias).packs_on
        if scheme is None or options.pack_here or not all(source.path.startswith(scheme) for source in sources):
            return None
        from drivers.packing.there import NotInPieces, pack_there

        self._runner = set_up(alias, options.mrjob_args, self.directory, self.leftovers, self.progress)
        assert isinstance(self._runner, PackingRunner)
        try:
            return pack_there(self._runner, sources, self.reading, contents, options.cache_dir)
        except NotInPieces as why:
            self.progress.say(f"packed through this machine, since {why}")
            return None

    def _pack_here(self, sources: list[Source], contents: PackContents) -> Pack:
        options = self.options
        total = None
        # Of a compressed file the bytes to come are not known.
        if not find_pack(sources, self.reading, contents, options.cache_dir) and not any(map(compression, sources)):
            total = sum(source.size for source in sources)
        with self.progress.packing(total) as advance:
            return pack(sources, self.reading, contents, options.cache_dir, options.cache_size, advance)


def _program(name: str) -> str:
    """The program as the user wrote it, or where it lies in the tree if this was called from Python."""
    typed, scripts = sys.argv[0], (f"run_{name}.py", f"{name}.py")
    if os.path.basename(typed) in scripts:
        return typed
    there = os.path.dirname(os.path.abspath(__file__))
    return os.path.join("drivers", next(script for script in scripts if os.path.exists(os.path.join(there, script))))

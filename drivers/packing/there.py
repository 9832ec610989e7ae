"""Packing where the data lie: delimited text that a cluster reads becomes blocks beside it, by the map tasks of one job.

    MRTexts      the texts of columns of text, where there are such columns    one job over the text
    MRPack       text -> blocks and a report of each part, which stay there    one job over the text
    MRManifest   the reports -> what the driver must know                      one job over the packed lines

What cannot be packed in pieces that know nothing of one another goes through this machine, with the reason.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from drivers.packing.cache import Pack, default_cache_dir, folder_of, locked, read_manifest, same_as_before
from drivers.packing.column_types import ColumnTypes, Retype
from drivers.packing.contents import PackContents
from drivers.packing.formats import Reader, open_table
from drivers.packing.formats.delimited import DelimitedReader
from drivers.packing.formats.options import InputOptions
from drivers.packing.kinds import EXACT, MOST_TEXTS, TEXT_TYPE
from drivers.packing.manifest import Manifest, make_manifest, write_records
from drivers.packing.pack import REJECTS, Rejects, parse_ahead, rows_per_block
from drivers.packing.sources import compression
from drivers.packing.stores.source import Source
from drivers.run_directory import LOG
from drivers.runners.execution import execute, lines_of
from drivers.runners.runner import PackingRunner
from jobs.errors import ScanError
from jobs.moments import Moments
from jobs.mr_manifest import MRManifest
from jobs.mr_pack import MRPack
from jobs.mr_texts import MRTexts
from jobs.mrjob_compat import MRJob
from jobs.pack_report import BYTES_BITS, PackQuery, PackReport, place_of

WHERE = "where.json"
# What Hadoop reads as it stands: no patterns and lists, no path that it would write otherwise, no name that it passes over.
PLAIN_PATH = re.compile(r"(?:/(?!\.\.?/)[\w.=@+-]+)*/(?![._])[\w.=@+-]+")
# By these names, whatever they hold, it takes files for compressed ones.
COMPRESSED_NAME = re.compile(r"\.(?:gz|bz2|deflate|zst|lz4|snappy|lzo)")


class NotInPieces(Exception):
    """A table that must be packed as one stream; says why."""


def pack_there(
    runner: PackingRunner,
    sources: list[Source],
    options: InputOptions,
    contents: PackContents,
    cache_dir: str | None,
) -> Pack:
    """The pack of files on the runner's file system: found there, or made there now.

    :raises NotInPieces: where it must go through this machine
    :raises ScanError: input that cannot be packed
    """
    cache_dir = os.path.abspath(cache_dir or default_cache_dir())
    folder = folder_of(cache_dir, sources, options, contents, where=f"{runner.home}/packs")
    os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
    with locked(folder + ".lock"):
        manifest, url = read_manifest(folder), _where(folder)
        if manifest is not None and manifest.n_rejected <= contents.max_bad_rows and url and runner.has_pack(url):
            os.utime(folder)
            return Pack(folder, manifest, options, True, url=url, read_url=runner.read_pack)
        growing = folder + ".partial"
        shutil.rmtree(growing, ignore_errors=True)
        os.mkdir(growing, mode=0o700)
        try:
            packing = Packing(runner, sources, open_table(sources, options), contents, growing)
            manifest, url = packing.run(os.path.basename(folder))
            same_as_before(sources)
            with open(os.path.join(growing, WHERE), "w", encoding="utf-8") as file:
                json.dump({"url": url}, file)
            shutil.rmtree(folder, ignore_errors=True)
            os.rename(growing, folder)
            runner.keep_pack(url)
        except NotInPieces:
            shutil.rmtree(growing, ignore_errors=True)
            runner.stand_down()
            raise
        except BaseException:
            shutil.rmtree(growing, ignore_errors=True)
            raise
    return Pack(folder, manifest, options, False, url=url, read_url=runner.read_pack)


class Packing:
    """The jobs that pack one table."""

    def __init__(
        self, runner: PackingRunner, sources: list[Source], reader: Reader, contents: PackContents, folder: str
    ) -> None:
        if not isinstance(reader, DelimitedReader) or reader.text is None:
            raise NotInPieces("only delimited text in UTF-8 is packed where it lies")
        for source in sources:
            if compression(source):
                raise NotInPieces(f"{source.shown} is compressed")
            if not PLAIN_PATH.fullmatch(place_of(source.path)):
                raise NotInPieces(f"{source.shown} has a name that Hadoop does not take as it stands")
            if COMPRESSED_NAME.fullmatch(os.path.splitext(source.path)[1]):
                raise NotInPieces(f"{source.shown} has the name of a compressed file")
        if len({place_of(source.path) for source in sources}) < len(sources) or len(sources) >= 1 << (63 - BYTES_BITS):
            raise NotInPieces("tasks could not tell its files apart")
        inputs = runner.inputs_for([source.path for source in sources])
        if inputs is None:
            raise NotInPieces(f"a job cannot be told the names of {len(sources):,} files that are not all below one folder")
        self.runner, self.sources, self.reader, self.contents = runner, sources, reader, contents
        self.folder, self.inputs = folder, inputs
        self.columns = ColumnTypes(reader, sources, contents)

    def run(self, name: str) -> tuple[Manifest, str]:
        """Packs, and writes what is known of the blocks into the folder; gives the manifest, and where the blocks are.

        :param name: of the pack, as its URL is to begin it
        """
        self._check_kinds()
        # Written down before what writes it is there, so it is removed after that has ended.
        url = self.runner.begin_pack(name)
        self.runner.make_ready()
        texts = self._texts()
        query = self._query(texts)
        self._job(MRPack, "packing there", query, self.inputs, ["-D", "mapreduce.job.reduces=0"], url)
        (line,) = self._job(MRManifest, "reports", query, [url]) or (None,)
        if line is None:
            raise ScanError(f"{self.sources[0].shown} holds no rows of data")
        report = PackReport.from_line(line)
        n_rows, n_blocks, n_rejected = (int(n) for n in report.parts[:, 1:4].sum(axis=0))
        if n_rows == 0:
            raise ScanError(f"{self.sources[0].shown} holds no rows" + (" that can be used" if n_rejected else " of data"))
        self._check_whole(report.moments)
        manifest = make_manifest(
            self.reader, self.columns, report.moments, texts,
            n_rows=n_rows, n_rejected=n_rejected, n_blocks=n_blocks, block_rows=query.block_rows,
            fingerprint=report.md5()[:16], sources=self._entries(report), parts=report.parts[:, :2].copy(),
        )  # fmt: skip
        self._write_rejects(report)
        write_records(self.folder, manifest, report.sample, texts)
        return manifest, url

    def _check_kinds(self) -> None:
        self.columns.check()
        others = [name for name, arrow in self.columns.types.items() if arrow not in (pa.float64(), TEXT_TYPE)]
        if others:
            raise NotInPieces(f"the column {others[0]!r} holds dates, exact integers or truth values")

    def _texts(self) -> dict[str, list[str]]:
        """The texts of each column of text.

        :raises NotInPieces: an identity of too many texts
        """
        named = [name for name, arrow in self.columns.types.items() if arrow == TEXT_TYPE]
        if not named:
            return {}
        found: dict[str, list[str]] = {name: [] for name in named}
        too_many = f"has more than {MOST_TEXTS:,} different texts"
        for line in self._job(MRTexts, "texts", self._query({name: [] for name in named}, named), self.inputs):
            entry = json.loads(line)
            if entry["texts"] is None:
                if entry["column"] in self.contents.hashed:
                    raise NotInPieces(f"the column {entry['column']!r} {too_many}")
                self.columns.change(Retype(entry["column"], None, too_many))
                del found[entry["column"]]
            else:
                found[entry["column"]] = entry["texts"]
        self.columns.check()
        return found

    def _query(self, texts: dict[str, list[str]], chosen: list[str] | None = None) -> PackQuery:
        assert self.reader.text is not None
        chosen = chosen or list(self.columns.types)
        return PackQuery(
            columns=self.reader.names,
            chosen=chosen,
            texts=texts,
            paths=[source.path for source in self.sources],
            delimiter=self.reader.delimiter,
            header=self.reader.text.header,
            missing_tokens=self.reader.text.missing_tokens,
            max_bad_rows=self.contents.max_bad_rows,
            max_texts=MOST_TEXTS,
            block_rows=rows_per_block(len(chosen)),
            sample_rows=self.contents.sample_rows,
        )

    def _job(
        self,
        job: type[MRJob],
        title: str,
        query: PackQuery,
        inputs: Sequence[str],
        switches: Sequence[str] = (),
        out: str = "",
    ) -> list[bytes]:
        path = os.path.join(self.folder, f"{job.__name__}.query")
        with open(path, "w", encoding="ascii") as file:
            file.write(query.to_line() + "\n")
        n_bytes = sum(source.size for source in self.sources)
        runner, output = self.runner, [f"--output-dir={out}"] if out else []
        arguments = [f"--runner={runner.user.alias}", *runner.maps_for(n_bytes), *runner.arguments, *switches]
        progress = runner.setting.progress
        try:
            with progress.metered(title) as meter:
                found: list[bytes] = execute(
                    runner, job, [*arguments, *output, f"--query={path}", *inputs], meter,
                    log=runner.setting.directory.file(LOG), n_blocks=0, say=progress.say,
                    finish=lambda running: [] if out else list(lines_of(running)),
                )  # fmt: skip
                return found
        except ScanError as error:
            raise self._located(error) from None
        finally:
            os.remove(path)

    def _located(self, error: ScanError) -> ScanError:
        """The error of a task about a row, with the line where that row stands: found by reading its file up to there."""
        source = next((source for source in self.sources if f"{source.path}: " in str(error)), None)
        if source is None:
            return error
        parser, rejects = self.reader.parser(self.columns.types), Rejects(self.folder, self.contents.max_bad_rows)
        try:
            for parsed, _ in parse_ahead(parser, self.reader.chunks(source), self.contents.max_bad_rows):
                rejects.add(parsed.bad)
        except ScanError as better:
            return better
        finally:
            rejects.finish()
        return error

    def _check_whole(self, moments: Moments) -> None:
        """:raises NotInPieces: whole numbers too large for float64 in a column that has nothing but whole numbers"""
        too_large = np.flatnonzero(self.columns.may_be_whole & moments.whole & (moments.largest() >= EXACT))
        if len(too_large):
            name = list(self.columns.types)[too_large[0]]
            raise NotInPieces(f"the column {name!r} holds whole numbers beyond 2^53, which are kept exactly")

    def _entries(self, report: PackReport) -> list[dict[str, Any]]:
        """What the manifest says of each file."""
        entries, first_row = [], 0
        for i, source in enumerate(self.sources):
            n_rows = int(report.parts[report.parts[:, 0] >> BYTES_BITS == i, 1].sum())
            entries.append({**asdict(source), "first_row": first_row, "n_rows": n_rows})
            first_row += n_rows
        return entries

    def _write_rejects(self, report: PackReport) -> None:
        if report.rejects:
            with open(os.path.join(self.folder, REJECTS), "w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(["file", "line", "column", "value", "reason"])
                for i, line, text, reason in report.rejects_by_file():
                    writer.writerow([self.sources[i].shown, line, "", text, reason])


def _where(folder: str) -> str | None:
    try:
        with open(os.path.join(folder, WHERE), encoding="utf-8") as file:
            return json.load(file)["url"]
    except (OSError, ValueError, KeyError):
        return None

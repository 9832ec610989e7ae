"""What is asked of the past of a table: which columns say whose row it is and when, which are new, which stay."""

from __future__ import annotations

import argparse
import re
from bisect import bisect_left
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from drivers.app import UsageError
from drivers.designs import level_of_codes
from drivers.histories.asked import Asked
from drivers.histories.slices import edges_of, n_buckets_for
from drivers.packing.cache import Pack
from drivers.packing.contents import PackContents
from drivers.packing.kinds import DATE, HASH, INTEGER, NUMBER, TEXT
from drivers.role_checks import check_missing
from drivers.scoring.written import written_kind
from drivers.written_dates import microseconds_of
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels.windows import DIFFERENCE, LAG, MEAN, MICROSECONDS, Feature
from jobs.mr_history import DATES, NUMBERS, WHOLE_NUMBERS, HistoryQuery, HistoryQuestion, time_keys

TIMES_OF = {DATE: DATES, NUMBER: NUMBERS, INTEGER: WHOLE_NUMBERS, TEXT: WHOLE_NUMBERS}
# Months, quarters and weeks, of which the first in alphabetical order is the first in time.
_PERIOD = re.compile(r"\d{4}-?(\d\d|[QqWwMm]\d{1,2})", re.ASCII)


@dataclass
class History:
    """entity, time: the columns that say whose row it is and when; keep: the columns to write beside, None for all; since:
    the first time whose rows are written, as the user wrote it."""

    entity: str
    time: str
    asked: list[Asked]
    keep: list[str] | None
    since: str | None
    missing: str

    @classmethod
    def of(cls, options: argparse.Namespace) -> History:
        """By the options of a driver.

        :raises UsageError: options that make no sense together
        """
        given = [*options.lag, *options.difference, *options.rolling_mean, *options.count]
        asked = [one for some in given for one in some]
        if not asked:
            raise UsageError("say what of the past to write: --lag, --difference, --rolling-mean or --count")
        names = [one.name for one in asked]
        if len(set(names)) < len(names):
            raise UsageError(f"the new column {max(names, key=names.count)!r} is asked for twice")
        if options.entity == options.time:
            raise UsageError("--entity and --time are two columns: whose row it is, and when")
        keep = options.keep
        if keep is not None and len(set(keep)) < len(keep):
            raise UsageError(f"--keep names {max(keep, key=keep.count)!r} twice")
        return cls(options.entity, options.time, asked, keep, options.since, options.missing)

    def contents(self, options: argparse.Namespace, names: Collection[str] = ()) -> PackContents:
        """What the pack must hold; of a text that is too long a list of different ones, and is only copied, the hashes do.

        :param names: of all columns, where they are known
        """
        used = {self.entity, self.time, *(one.column for one in self.asked if one.column)}
        chosen = None if self.keep is None else tuple(sorted({*used, *self.keep}))
        hashed = tuple(sorted({*used, *(names if chosen is None else chosen)}))
        return PackContents(chosen, hashed, options.max_bad_rows, options.sample_rows)

    def kept(self, pack: Pack) -> list[str]:
        """The columns to write beside the new ones.

        :raises ScanError: one that cannot be, or is called as a new one
        """
        manifest = pack.manifest
        if self.keep is None and manifest.left_out:
            name, why = next(iter(manifest.left_out.items()))
            raise ScanError(f"the column {name!r} {why}, and cannot be written; name those to write with --keep")
        kept = manifest.columns if self.keep is None else self.keep
        for name in kept:
            manifest.index(name)
        for one in self.asked:
            if one.name in kept:
                raise ScanError(f"the table has a column {one.name!r} already; leave it out of those that --keep names")
        return kept

    def features(self, pack: Pack) -> list[Feature]:
        """The new columns.

        :raises ScanError: one that cannot be of its column
        """
        return [self._feature(one, pack) for one in self.asked]

    def _feature(self, one: Asked, pack: Pack) -> Feature:
        manifest = pack.manifest
        if one.unit == MICROSECONDS and manifest.kind(self.time) != DATE:
            held = _held(manifest.kind(self.time))
            raise ScanError(
                f"{one.name!r} needs dates in the time column {self.time!r}, which holds {held}; give a number of rows"
            )
        kind = manifest.kind(one.column) if one.column else NUMBER
        if one.kind == LAG and kind == HASH:
            raise ScanError(f"the column {one.column!r} has too many different texts for {one.name!r}")
        if (one.kind == DIFFERENCE and kind not in (NUMBER, DATE)) or (one.kind == MEAN and kind != NUMBER):
            raise ScanError(f"{one.name!r} needs numbers, and the column {one.column!r} holds {_held(kind)}")
        return Feature(one.name, one.kind, one.column, one.size, one.unit, one.kind == DIFFERENCE and kind == DATE)

    def design(self, pack: Pack) -> Design:
        """The design step: the entity of a row is its group, the time its id.

        :raises ScanError: columns that cannot be these, or a missing cell that is not to be left out
        """
        design = Design([], id=self.time, group=self.entity, missing=self.missing)
        kind = pack.manifest.kind(self.time)
        if kind == HASH or (kind == TEXT and not _are_periods(pack.texts[self.time])):
            raise ScanError(
                f"the time column {self.time!r} holds {_held(kind)}; times are numbers, or dates written as 2024-03-31 or "
                "2024-03-31 12:00, or periods as 2024-03 and 2024-Q1"
            )
        for name, option in ((self.entity, "--entity"), (self.time, "--time")):
            self._check_missing(pack, name, option)
        if kind == TEXT:
            texts = pack.texts[self.time]
            design.levels[self.time] = level_of_codes(texts, sorted(texts))
        return design

    def _check_missing(self, pack: Pack, name: str, option: str) -> None:
        manifest = pack.manifest
        n_missing = int(manifest.n_missing[manifest.index(name)])
        if n_missing == manifest.n_rows:
            raise ScanError(f"column {name!r} has no value in any row; name another one with {option}")
        check_missing([name], self.missing, pack)

    def query(self, pack: Pack) -> HistoryQuery:
        """The query of the pass, whose answer comes back here.

        :raises ScanError: columns that cannot be what they are asked to be
        """
        return _dealt(self._question(pack), pack)

    def query_of_table(self, pack: Pack) -> HistoryQuery:
        """Likewise, where the answer is the table itself.

        :raises ScanError: a column besides whose cells are not in the pack
        """
        query, manifest, kept = self._question(pack), pack.manifest, self.kept(pack)
        for name in kept:
            if manifest.kind(name) == HASH:
                raise ScanError(
                    f"the column {name!r} has too many different texts to be written by a job; name a file of this machine "
                    "with --out, or other columns with --keep"
                )
        query.is_table = True
        query.keep = [[name, written_kind(manifest.types()[name])] for name in kept]
        query.texts |= {name: pack.texts[name] for name in kept if manifest.kind(name) == TEXT}
        return _dealt(query, pack)

    def _question(self, pack: Pack) -> HistoryQuery:
        manifest, design, features = pack.manifest, self.design(pack), self.features(pack)
        question = HistoryQuestion(features, TIMES_OF[manifest.kind(self.time)])
        question.since = self._since(pack, question)
        query = HistoryQuery(question, design, block_rows=manifest.block_rows, delimiter=manifest.delimiter)
        query.parts = manifest.first_rows()
        query.kinds = {one.column: written_kind(manifest.types()[one.column]) for one in features if one.kind == LAG}
        query.texts = {name: pack.texts[name] for name in query.kinds if manifest.kind(name) == TEXT}
        return query

    def _since(self, pack: Pack, question: HistoryQuestion) -> int | None:
        if self.since is None:
            return None
        if pack.manifest.kind(self.time) == TEXT:
            return bisect_left(sorted(pack.texts[self.time]), self.since)
        try:
            if question.times == DATES:
                return microseconds_of(self.since)
            value = float(self.since) if question.times == NUMBERS else int(self.since)
            return int(time_keys(np.array([value]), question.times)[0])
        except (ValueError, OverflowError):
            raise ScanError(f"--since {self.since} is no time as the column {self.time!r} has them") from None


def _dealt(query: HistoryQuery, pack: Pack) -> HistoryQuery:
    """Says into how many buckets and slices the rows of a pack are dealt."""
    query.n_buckets = n_buckets_for(pack.manifest.n_rows, query)
    query.edges = edges_of(pack, query)
    return query


def _are_periods(texts: list[str]) -> bool:
    """Whether they are all written alike, as periods are whose order is that of the alphabet."""
    shapes = {re.sub(r"\d", "0", text) for text in texts}
    return len(shapes) == 1 and all(map(_PERIOD.fullmatch, texts))


def _held(kind: str) -> str:
    return {
        TEXT: "texts", HASH: "texts", DATE: "dates", NUMBER: "numbers", INTEGER: "whole numbers beyond 2^53",
    }[kind]  # fmt: skip

"""The laws that every statistic keeps: a commutative monoid under merge, whatever the rows and however they are split."""

from __future__ import annotations

import dataclasses
import importlib
import os
import pkgutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jobs.kernels
from jobs.kernels.contract import Statistics, close_arrays
from jobs.kernels.keyed import KeyedStatistics
from jobs.records import Record
from tests.registry import STATISTICS, draw_rows, gather, make_rows, take

every = pytest.mark.parametrize("entry", STATISTICS, ids=lambda entry: entry.statistics.__name__)
laws = settings(max_examples=40, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(0, 40)
features = st.integers(1, 4)


def drawn(entry, seed, p, *sizes, zero_weights=True):
    """A query and, for each size, the statistic of so many rows."""
    rng = np.random.default_rng(seed)
    query = entry.draw_query(rng, p)
    return query, [gather(entry.statistics, query, draw_rows(rng, n, p, zero_weights)) for n in sizes]


def cut(rng, n, n_parts):
    """The numbers 0..n-1 dealt to n_parts parts at random, some of them empty."""
    owner = rng.integers(0, n_parts, n)
    return [np.flatnonzero(owner == part) for part in range(n_parts)]


def same(a, b):
    return type(a) is type(b) and a.md5() == b.md5()


def test_every_statistic_is_in_the_registry():
    for module in pkgutil.iter_modules(jobs.kernels.__path__):
        importlib.import_module(f"jobs.kernels.{module.name}")
    known = {entry.statistics for entry in STATISTICS}
    found = {c for c in all_subclasses(Statistics) if c.__module__.startswith("jobs.")}
    assert found - {KeyedStatistics} == known
    assert all(entry.job.statistics_class is entry.statistics for entry in STATISTICS)


def all_subclasses(cls):
    return {cls_ for child in cls.__subclasses__() for cls_ in {child, *all_subclasses(child)}}


@every
def test_the_registry_speaks_of_every_field(entry):
    fields = {f.name for f in dataclasses.fields(entry.statistics)}
    assert set(entry.weighted_fields) | set(entry.exceptions) == fields
    assert not set(entry.weighted_fields) & set(entry.exceptions)


@every
@laws
@given(seed=seeds, n=sizes, p=features)
def test_zero_is_the_identity_of_merge(entry, seed, n, p):
    query, (a,) = drawn(entry, seed, p, n)
    zero = entry.statistics.zero(query)
    assert zero.merge(a).close(a)
    assert a.merge(zero).close(a)
    assert same(zero.merge(zero), zero)


@every
@laws
@given(seed=seeds, n=sizes, m=sizes, p=features)
def test_merge_is_commutative(entry, seed, n, m, p):
    _, (a, b) = drawn(entry, seed, p, n, m)
    assert a.merge(b).close(b.merge(a))


@every
@laws
@given(seed=seeds, n=sizes, m=sizes, k=sizes, p=features)
def test_merge_is_associative(entry, seed, n, m, k, p):
    _, (a, b, c) = drawn(entry, seed, p, n, m, k)
    assert a.merge(b).merge(c).close(a.merge(b.merge(c)))


@every
@laws
@given(seed=seeds, n=sizes, p=features, n_parts=st.integers(1, 12))
def test_any_partition_merges_to_the_whole(entry, seed, n, p, n_parts):
    rng = np.random.default_rng(seed)
    query, rows = entry.draw_query(rng, p), draw_rows(rng, n, p)
    whole = gather(entry.statistics, query, rows)
    parts = cut(rng, n, n_parts)
    rng.shuffle(parts)
    merged = entry.statistics.zero(query)
    for part in parts:
        merged = merged.merge(gather(entry.statistics, query, take(rows, part)))
    assert merged.close(whole)


@every
@laws
@given(seed=seeds, n=st.integers(1, 25), p=features)
def test_one_row_parts_in_any_order_merge_to_the_whole(entry, seed, n, p):
    rng = np.random.default_rng(seed)
    query, rows = entry.draw_query(rng, p), draw_rows(rng, n, p)
    merged = entry.statistics.zero(query)
    for i in rng.permutation(n):
        merged = gather(entry.statistics, query, take(rows, [i])).merge(merged)
    assert merged.close(gather(entry.statistics, query, rows))


@every
@laws
@given(seed=seeds, n=sizes, p=features, n_parts=st.integers(1, 6))
def test_adding_in_pieces_equals_adding_at_once(entry, seed, n, p, n_parts):
    rng = np.random.default_rng(seed)
    query, rows = entry.draw_query(rng, p), draw_rows(rng, n, p)
    pieces = [take(rows, part) for part in cut(rng, n, n_parts)]
    assert gather(entry.statistics, query, *pieces).close(gather(entry.statistics, query, rows))


@every
@laws
@given(seed=seeds, n=sizes, m=st.integers(1, 40), p=features)
def test_close_sees_a_difference(entry, seed, n, m, p):
    """Or the laws above would say nothing. Of rows that count: some statistics say nothing of one without weight."""
    query, (a, b) = drawn(entry, seed, p, n, m, zero_weights=False)
    if getattr(query, "k", 1):
        assert not a.merge(b).close(entry.statistics.zero(query))
    changed = entry.statistics.from_line(a.to_line())
    for f in dataclasses.fields(entry.statistics):
        value = getattr(a, f.name)
        if np.any(value):
            setattr(changed, f.name, value * (1 + 1e-9) if np.asarray(value).dtype.kind == "f" else value + 1)
            assert not changed.close(a), f.name
            setattr(changed, f.name, value)
    assert changed.close(a)


@every
@laws
@given(seed=seeds, n=sizes, p=features)
def test_the_wire_keeps_every_bit(entry, seed, n, p):
    query, (a,) = drawn(entry, seed, p, n)
    for record in (a, query):
        back = Record.from_line(record.to_line())
        assert same(back, record)
        for f in dataclasses.fields(record):
            sent, received = getattr(record, f.name), getattr(back, f.name)
            assert type(sent) is type(received)
            if isinstance(sent, Record):
                assert same(sent, received)
                continue
            np.testing.assert_array_equal(sent, received)
            assert getattr(sent, "dtype", None) == getattr(received, "dtype", None)
    b = gather(entry.statistics, query, draw_rows(np.random.default_rng(seed), 7, p))
    assert same(entry.statistics.from_line(a.to_line()).merge(b), a.merge(b))


@every
@laws
@given(seed=seeds, n=sizes, m=sizes, p=features)
def test_merge_changes_neither_side_and_shares_nothing(entry, seed, n, m, p):
    query, (a, b) = drawn(entry, seed, p, n, m)
    before = a.md5(), b.md5()
    merged = a.merge(b)
    assert (a.md5(), b.md5()) == before
    merged_md5 = merged.md5()
    merged.add(draw_rows(np.random.default_rng(seed), 9, p), query)
    assert (a.md5(), b.md5()) == before
    again = a.merge(b)
    a.add(draw_rows(np.random.default_rng(seed), 9, p), query)
    assert again.md5() == merged_md5


@every
@laws
@given(seed=seeds, n=sizes, p=features)
def test_add_changes_neither_rows_nor_query(entry, seed, n, p):
    rng = np.random.default_rng(seed)
    query, rows = entry.draw_query(rng, p), draw_rows(rng, n, p)
    before = query.md5(), rows.X.tobytes(), rows.y.tobytes(), rows.w.tobytes(), rows.positions.tobytes()
    gather(entry.statistics, query, rows)
    assert before == (query.md5(), rows.X.tobytes(), rows.y.tobytes(), rows.w.tobytes(), rows.positions.tobytes())


@pytest.mark.parametrize("entry", [e for e in STATISTICS if e.weighted_fields], ids=lambda entry: entry.statistics.__name__)
@laws
@given(seed=seeds, n=st.integers(1, 30), p=features)
def test_a_whole_weight_equals_so_many_copies_of_the_row(entry, seed, n, p):
    rng = np.random.default_rng(seed)
    query, rows = entry.draw_query(rng, p), draw_rows(rng, n, p)
    times = rng.integers(0, 4, n)
    times[0] = 3
    weighted = make_rows(rows.X, rows.y, times.astype(float))
    copies = take(make_rows(rows.X, rows.y, np.ones(n)), np.repeat(np.arange(n), times))
    a, b = gather(entry.statistics, query, weighted), gather(entry.statistics, query, copies)
    for name in entry.weighted_fields:
        left, right = getattr(a, name), getattr(b, name)
        if name == "r":  # unique up to signs; R'R is the weighted second moment
            left, right = np.swapaxes(left, -1, -2) @ left, np.swapaxes(right, -1, -2) @ right
        assert close_arrays(left, right, 1e-12), name


@every
def test_every_exception_from_the_law_of_weights_is_one(entry):
    """A field that does keep the law belongs among the weighted fields."""
    rng = np.random.default_rng(1)
    p = 2
    query = entry.draw_query(rng, p)
    if hasattr(query, "k"):
        query.k = 10
    rows = draw_rows(rng, 8, p, zero_weights=False)
    weights = np.array([3.0, 3, 3, 3, 3, 3, 3, 0])
    tripled = gather(entry.statistics, query, make_rows(rows.X, rows.y, weights))
    copied = gather(entry.statistics, query, take(make_rows(rows.X, rows.y), np.repeat(np.arange(7), 3)))
    for name in set(entry.exceptions) - {"k"}:
        assert not close_arrays(getattr(tripled, name), getattr(copied, name), 1e-9), name


@pytest.mark.parametrize(
    "entry", [e for e in STATISTICS if e.statistics.order_free], ids=lambda entry: entry.statistics.__name__
)
@laws
@given(seed=seeds, n=sizes, p=features, n_parts=st.integers(1, 8))
def test_an_order_free_statistic_has_the_same_bits_in_any_order(entry, seed, n, p, n_parts):
    rng = np.random.default_rng(seed)
    query, rows = entry.draw_query(rng, p), draw_rows(rng, n, p)
    parts = [gather(entry.statistics, query, take(rows, part)) for part in cut(rng, n, n_parts)]
    md5s = {gather(entry.statistics, query, rows).md5()}
    for _ in range(3):
        rng.shuffle(parts)
        # Any shape of merging: two neighbours at a time until one is left.
        pile = list(parts)
        while len(pile) > 1:
            i = int(rng.integers(len(pile) - 1))
            pile[i : i + 2] = [pile[i].merge(pile[i + 1])]
        md5s.add(pile[0].md5())
    assert len(md5s) == 1


TALL = """
import hashlib, jobs, numpy as np
from jobs.kernels.wols import r_factor
matrix = np.random.default_rng(5).normal(size=(16384, 60))
results = matrix.T @ matrix, r_factor(matrix), np.linalg.qr(matrix, "r")
print(*(hashlib.md5(result.tobytes()).hexdigest() for result in results))
"""


def test_gemm_and_qr_have_the_same_bits_in_every_process():
    """Whatever the surroundings say about threads: BLAS has one wherever `jobs` is imported before numpy."""
    digests = set()
    for threads in ("1", "2", "2", "7", None):
        names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
        environment = {k: v for k, v in os.environ.items() if k not in names}
        environment.update(dict.fromkeys(names, threads) if threads else {})
        done = subprocess.run(
            [sys.executable, "-c", TALL], capture_output=True, text=True, env=environment, check=True, cwd=os.sep
        )
        digests.add(done.stdout)
    assert len(digests) == 1

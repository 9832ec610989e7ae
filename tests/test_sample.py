"""The bottom-k sample: every set of k rows equally likely, and the same rows for every split of the data."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from jobs.kernels.sample import SampleQuery, SampleStatistics
from jobs.keys import derive
from tests.registry import gather, make_rows, take


def numbered(n, number=0, part=0, ids=None):
    """Rows that hold their own number."""
    return make_rows(np.arange(n)[:, None] + 1000.0 * number, part=part, number=number, ids=ids)


def sample(k, *rows, seed=0, n_columns=1) -> SampleStatistics:
    return gather(SampleStatistics, SampleQuery(k, n_columns, seed), *rows)


def chosen(statistics) -> list[int]:
    return statistics.in_file_order()[:, 0].astype(int).tolist()


# -- which rows -----------------------------------------------------------------------------------------------------------


def test_every_set_of_rows_is_equally_likely():
    n, k, times = 7, 3, 3500
    counts = dict.fromkeys(combinations(range(n), k), 0)
    rows = numbered(n)
    for seed in range(times):
        counts[tuple(chosen(sample(k, rows, seed=seed)))] += 1  # KeyError for a row drawn twice
    p = stats.chisquare(list(counts.values())).pvalue
    assert 1e-4 < p < 1 - 1e-4


@pytest.mark.parametrize("where", ["one block", "many blocks", "ids"])
def test_every_row_is_equally_likely_wherever_it_stands(where):
    n, k, times = 60, 12, 1500
    rows = {
        "one block": [numbered(n)],
        "many blocks": [make_rows(np.arange(6 * b, 6 * b + 6)[:, None], number=b) for b in range(10)],
        "ids": [numbered(n, ids=np.arange(n) * 10)],
    }[where]
    counts = np.zeros(n)
    for seed in range(times):
        counts[chosen(sample(k, *rows, seed=seed))] += 1
    assert counts.sum() == k * times
    share = k / n
    # Rows of one sample exclude each other, which takes (n - 1) / n off the variance of each count.
    chi2 = np.sum((counts - times * share) ** 2) / (times * share * (1 - share)) * (n - 1) / n
    assert 1e-4 < stats.chi2.sf(chi2, n - 1) < 1 - 1e-4


def test_the_weights_of_the_rows_do_not_matter():
    rows = numbered(50)
    heavy = make_rows(rows.X, w=np.r_[np.zeros(25), np.full(25, 1e9)])
    assert sample(10, rows).md5() == sample(10, heavy).md5()


def test_another_seed_is_another_sample():
    rows = numbered(1000)
    assert len({tuple(chosen(sample(10, rows, seed=seed))) for seed in range(50)}) == 50
    assert chosen(sample(10, rows, seed=3)) == chosen(sample(10, rows, seed=3))


def test_a_smaller_sample_is_part_of_a_larger_one():
    rows = numbered(500)
    samples = [set(chosen(sample(k, rows))) for k in (1, 10, 100, 499)]
    assert [len(s) for s in samples] == [1, 10, 100, 499]
    assert all(a < b for a, b in zip(samples, samples[1:]))


def test_the_rows_are_those_of_smallest_derived_key():
    rows = numbered(200)
    order = np.argsort(derive(rows.keys, 5, "sample"))
    statistics = sample(20, rows, seed=5)
    np.testing.assert_array_equal(statistics.rows[:, 0], order[:20])
    assert np.all(np.diff(statistics.keys.astype(float)) >= 0)


# -- how the data are split -----------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.lists(st.integers(0, 15), max_size=6))
def test_any_split_gives_the_same_sample(seed, k, sizes):
    rng = np.random.default_rng(seed)
    blocks = [numbered(n, number, part=number % 2) for number, n in enumerate(sizes)]
    whole = sample(k, *blocks)
    pieces = [take(block, part) for block in blocks for part in np.array_split(rng.permutation(len(block.X)), 3)]
    rng.shuffle(pieces)
    assert sample(k, *pieces).md5() == whole.md5()
    merged = SampleStatistics.zero(SampleQuery(k, 1))
    for piece in pieces:
        merged = sample(k, piece).merge(merged)
    assert merged.md5() == whole.md5()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.lists(st.integers(0, 15), min_size=1, max_size=6))
def test_any_tasks_merged_in_any_order_give_the_same_sample(seed, k, sizes):
    rng = np.random.default_rng(seed)
    blocks = [numbered(n, number) for number, n in enumerate(sizes)]
    owner = rng.integers(0, 3, len(blocks))
    tasks = [sample(k, *(block for block, task in zip(blocks, owner) if task == t)) for t in range(3)]
    a, b, c = (tasks[i] for i in rng.permutation(3))
    assert a.merge(b).merge(c).md5() == a.merge(c.merge(b)).md5() == sample(k, *blocks).md5()


def test_ids_make_the_sample_independent_of_order_and_packing():
    ids = np.random.default_rng(0).permutation(300)
    here = sample(30, make_rows(ids[:, None], ids=ids))
    there = sample(
        30, *(make_rows(part[:, None], part=9, number=i, ids=part) for i, part in enumerate(np.split(np.sort(ids), 3)))
    )
    assert set(chosen(here)) == set(chosen(there))
    assert here.keys.tolist() == there.keys.tolist()


# -- the edges ----------------------------------------------------------------------------------------------------------


def test_none_are_asked_for():
    statistics = sample(0, numbered(10), numbered(10, 1))
    assert statistics.rows.shape == (0, 1)
    assert statistics.merge(sample(0, numbered(5, 2))).rows.shape == (0, 1)
    assert statistics.in_file_order().shape == (0, 1)


@pytest.mark.parametrize("k", [10, 11, 1000])
def test_as_many_as_there_are_or_more(k):
    assert chosen(sample(k, numbered(4, 1), numbered(6, 0))) == [*range(6), *range(1000, 1004)]


def test_no_rows():
    statistics = sample(5)
    assert statistics.rows.shape == (0, 1)
    assert len(sample(5, numbered(0)).keys) == 0


def test_ties_go_to_the_earlier_place_however_the_rows_come():
    """Rows that share an id share a key."""
    blocks = [numbered(4, number, ids=np.full(4, 7)) for number in range(3)]
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        for k in (1, 3, 6):
            many = sample(k, *(blocks[i] for i in order))
            assert chosen(many) == [0, 1, 2, 3, 1000, 1001][:k]
            parts = [sample(k, blocks[i]) for i in order]
            assert parts[0].merge(parts[1]).merge(parts[2]).md5() == many.md5()


def test_rows_keep_their_bits_and_come_in_the_order_of_the_data():
    X = np.array([[np.nan, -0.0], [5e-324, np.inf], [0.1, 1e300]])
    statistics = sample(3, make_rows(X, part=5, number=2), n_columns=2)
    assert statistics.in_file_order().tobytes() == X.tobytes()
    places = statistics.places[np.argsort(statistics.places[:, 2])]
    np.testing.assert_array_equal(places, [[5, 2, 0], [5, 2, 1], [5, 2, 2]])


def test_close_is_equal():
    a, b = sample(5, numbered(20)), sample(5, numbered(20), seed=1)
    assert a.close(sample(5, numbered(20)))
    assert not a.close(b)
    assert not a.close(sample(4, numbered(20)))
    missing = make_rows([[np.nan]])
    assert sample(5, missing).close(sample(5, missing))

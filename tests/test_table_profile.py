"""The profile of a table: every number by another route, and the stated errors of its sketches on rows in nasty orders."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from jobs.blocks import Block
from jobs.design import MISSING_INTEGER, Design
from jobs.errors import BadRecord
from jobs.kernels import distinct_sketch, ordered_bits, pair_sums
from jobs.kernels.frequent_values import FrequentValues
from jobs.kernels.quantile_sketch import RankSummary, count_keys, merge_counts
from jobs.kernels.table_profile import (
    ABOVE_ALL,
    BELOW_ALL,
    CODE,
    FRACTION,
    MISSING,
    NEGATIVE,
    NUMBER,
    WHOLE,
    ZERO,
    TableProfileQuery,
    TableProfileStatistics,
)
from jobs.mr_profile import MRProfile
from jobs.tree import MergeTree
from tests.registry import make_blocks, make_rows, run_job, write_blocks, write_query

ORDERS = {
    "sorted": np.sort,
    "reversed": lambda x: np.sort(x)[::-1],
    "shuffled": lambda x: np.random.default_rng(5).permutation(x),
    "from both ends": lambda x: np.column_stack([np.sort(x), np.sort(x)[::-1]]).ravel()[: len(x)],
    "sawtooth": lambda x: np.sort(x).reshape(100, -1).T.ravel(),
}
N = 40_000


def laws():
    return settings(max_examples=40, deadline=None, derandomize=True)


def values(name):
    rng = np.random.default_rng(3)
    return {
        "normal": rng.normal(size=N),
        "constant": np.full(N, 2.5),
        "heavy ties": np.where(rng.random(N) < 0.6, 1.0, rng.normal(size=N)),
        "few and many": np.where(rng.random(N) < 0.5, rng.integers(0, 9, N), rng.standard_cauchy(N)),
        "powers": 2.0 ** rng.uniform(-1000, 1000, N),
        "infinite": np.where(rng.random(N) < 0.01, np.inf, np.where(rng.random(N) < 0.02, -np.inf, rng.normal(size=N))),
    }[name]


def query(p=1, n_exact=512, n_frequent=32, kinds=None, center=0.0, scale=1.0, pairs=False):
    kinds = np.full(p, NUMBER) if kinds is None else kinds
    return TableProfileQuery(n_exact, n_frequent, pairs, kinds, np.full(p, center, float), np.full(p, scale, float))


def profile(x, question, size=1000, part=0):
    """The statistic of a table as a pass gathers it: by blocks, merged along the tree."""
    x = np.asarray(x, float).reshape(len(x), -1)
    tree = MergeTree()
    for number, start in enumerate(range(0, len(x), size)):
        leaf = TableProfileStatistics.zero(question)
        leaf.add(make_rows(x[start : start + size], part=part, number=number), question)
        tree.add(part, 0, number, leaf)
    return tree.total()


# Keys


def test_keys_are_in_the_order_of_their_doubles_and_give_them_back():
    doubles = np.array([-np.inf, -1e308, -2.5, -1e-310, -5e-324, 0.0, 5e-324, 1.0, np.nextafter(1.0, 2), 1e308, np.inf])
    keys = ordered_bits.keys_of(doubles)
    assert np.all(np.diff(keys.astype(object)) > 0)
    np.testing.assert_array_equal(ordered_bits.values_of(keys), doubles)
    assert ordered_bits.keys_of(np.array([-0.0]))[0] == ordered_bits.keys_of(np.array([0.0]))[0] == 0


# Ranks


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", ["normal", "constant", "heavy ties", "few and many", "powers", "infinite"])
def test_no_rank_is_off_by_more_than_the_stated_error(name, order):
    x = ORDERS[order](values(name))
    found = profile(x, query(scale=2.0**1000 if name == "powers" else 1.0)).column_values()[0].summary
    assert found.counts.sum() == N and np.all(np.diff(found.keys) > 0)
    at = np.unique(x)
    true = np.searchsorted(np.sort(x), at, side="right")
    off = np.abs(found.ranks(ordered_bits.keys_of(at)) - true).max()
    assert off <= found.error
    # log2(40,000 / 512) / 2 reductions of a 512th each, and one for what is odd.
    assert found.error <= 5 * N / 512
    assert found.is_exact == (name == "constant")
    assert (found.error == 0) == found.is_exact


@pytest.mark.parametrize("order", ORDERS)
def test_quantiles_are_cells_whose_rank_is_as_near_as_stated(order):
    x = ORDERS[order](values("few and many"))
    found = profile(x, query()).column_values()[0].summary
    ranks = np.arange(1, N + 1, 97)
    cells = ordered_bits.values_of(found.at_ranks(ranks))
    assert np.isin(cells, x).all()
    first = np.searchsorted(np.sort(x), cells, side="left") + 1
    last = np.searchsorted(np.sort(x), cells, side="right")
    assert np.all((first - found.error <= ranks) & (ranks <= last + found.error))


def test_a_million_rows_have_ranks_as_good_as_is_documented():
    rng = np.random.default_rng(0)
    x = rng.standard_cauchy(1_000_000)
    # As for up to 32 columns, and for more than 128.
    for rows, n_exact in ((np.sort(x), 16384), (x, 16384), (x, 4096)):
        found = profile(rows, query(n_exact=n_exact, n_frequent=256), size=6553).column_values()[0].summary
        assert found.error <= (0.0005 if n_exact == 16384 else 0.0015) * len(x)
        true = np.searchsorted(np.sort(x), ordered_bits.values_of(found.keys), side="right")
        assert np.abs(np.cumsum(found.counts) - true).max() <= found.error


@laws()
@given(
    counts=st.lists(st.integers(1, 50), min_size=1, max_size=60),
    n_groups=st.integers(1, 20),
)
def test_a_reduction_tells_exactly_how_far_it_moves_ranks(counts, n_groups):
    keys, counts = np.arange(0, 3 * len(counts), 3), np.array(counts)
    whole = RankSummary(keys, counts)
    less = whole.reduced(n_groups)
    assert len(less.keys) <= n_groups and less.counts.sum() == counts.sum()
    everywhere = np.arange(-1, 3 * len(counts) + 1)
    assert np.abs(less.ranks(everywhere) - whole.ranks(everywhere)).max() == less.error


@laws()
@given(left=st.lists(st.integers(-5, 30), max_size=50), right=st.lists(st.integers(-5, 30), max_size=50))
def test_counts_merge_to_those_of_all(left, right):
    found = merge_counts(*count_keys(np.array(left, np.int64)), *count_keys(np.array(right, np.int64)))
    np.testing.assert_array_equal(found, np.unique(np.array(left + right, np.int64), return_counts=True))


@laws()
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 400), m=st.integers(0, 400), k=st.integers(0, 400))
def test_the_laws_of_merging_hold_within_the_stated_errors_where_values_are_dropped(seed, n, m, k):
    rng = np.random.default_rng(seed)
    question = query(2, n_exact=16, n_frequent=4, pairs=True)
    a, b, c = (profile(np.floor(rng.normal(size=(r, 2)) * 20), question, size=64) for r in (n + 1, m + 1, k + 1))
    zero = TableProfileStatistics.zero(question)
    assert zero.merge(a).close(a) and a.merge(zero).close(a)
    assert a.merge(b).close(b.merge(a))
    assert a.merge(b).merge(c).close(a.merge(b.merge(c)))
    assert TableProfileStatistics.from_line(a.merge(b).to_line()).md5() == a.merge(b).md5()


# Frequent values


@pytest.mark.parametrize("order", ORDERS)
def test_frequent_values_have_as_many_rows_as_is_said(order):
    rng = np.random.default_rng(1)
    x = ORDERS[order](np.where(rng.random(N) < 0.7, np.floor(rng.standard_exponential(N) * 8), rng.normal(size=N)))
    found = profile(x, query()).column_values()[0].frequent
    keys, true = np.unique(ordered_bits.keys_of(x), return_counts=True)
    assert len(found.keys) <= 32
    assert found.error <= N / 33
    told = found.of(keys)
    assert np.all((told <= true) & (true <= told + found.error))
    assert np.isin(keys[true > found.error], found.keys).all()


def test_few_values_are_counted_exactly():
    found = profile(np.arange(4000) % 300, query())
    assert found.column_values()[0].summary.is_exact and len(found.column_values()[0].frequent.keys) == 0
    np.testing.assert_array_equal(
        found.column_values()[0].summary.counts, np.unique(np.arange(4000) % 300, return_counts=True)[1]
    )


def test_what_is_pruned_is_the_least():
    found = FrequentValues(np.arange(5), np.array([5, 1, 4, 1, 2])).pruned(2)
    np.testing.assert_array_equal(found.keys, [0, 2])
    np.testing.assert_array_equal(found.counts, [3, 2])
    assert found.error == 2


# Different values


@pytest.mark.parametrize("n", [0, 1, 7, 100, 3000, 20_000, 1_000_000])
def test_the_number_of_different_values_is_within_four_standard_errors(n):
    found = distinct_sketch.estimate(distinct_sketch.registers_of(np.arange(n, dtype=np.int64) * 7 - 11))
    assert abs(found - n) <= 4 * distinct_sketch.RELATIVE_ERROR * n + 1e-9


def test_the_standard_error_of_different_values_is_the_stated_one():
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(60):
        keys = rng.integers(-(2**63), 2**63 - 1, 50_000)
        errors.append(distinct_sketch.estimate(distinct_sketch.registers_of(keys)) / 50_000 - 1)
    assert 0.7 < np.sqrt(np.mean(np.square(errors))) / distinct_sketch.RELATIVE_ERROR < 1.3


def test_registers_merge_to_those_of_all_and_know_nothing_of_repetition():
    keys = np.arange(5000, dtype=np.int64)
    both = np.maximum(distinct_sketch.registers_of(keys[:3000]), distinct_sketch.registers_of(keys[2000:]))
    np.testing.assert_array_equal(both, distinct_sketch.registers_of(np.tile(keys, 2)))


# Cells, extremes, moments


def test_cells_of_every_sort_are_counted():
    x = np.array([np.nan, 0.0, -0.0, -1.0, 2.5, np.inf, -np.inf, -np.inf, 7.0, np.nan, -0.25])
    found = profile(x, query())
    names = (MISSING, ZERO, NEGATIVE, BELOW_ALL, ABOVE_ALL, FRACTION)
    assert [found.cells[0, k] for k in names] == [2, 2, 4, 2, 1, 2]
    assert found.n_rows == 11 and found.n_present[0] == 9 and found.n_finite[0] == 6
    np.testing.assert_array_equal(ordered_bits.values_of(found.extremes[0]), [-np.inf, np.inf])
    assert len(found.column_values()[0].summary.keys) == 7


def test_a_column_without_a_value_is_empty():
    found = profile(np.full(50, np.nan), query(pairs=True))
    assert found.n_present[0] == 0 and len(found.column_values()[0].summary.keys) == 0
    np.testing.assert_array_equal(found.moments, np.zeros((1, 4)))
    assert np.isnan(pair_sums.correlations(found.pairs)).all()


@pytest.mark.parametrize("offset", [0.0, 1e6, 1e13])
def test_moments_are_those_of_scipy_and_of_exact_fractions(offset):
    rng = np.random.default_rng(2)
    x = offset + np.round(rng.gamma(2.0, size=3000), 2)
    center = float(np.round(x.mean()))
    found = profile(x, query(center=center, scale=16.0), size=250)
    mean, m2, m3, m4 = found.moments[0] * 16.0 ** np.array([1, 2, 3, 4])
    exact = [Fraction(value) for value in x.tolist()]
    average = sum(exact) / len(exact)
    for k, sum_ in ((2, m2), (3, m3), (4, m4)):
        true = sum((value - average) ** k for value in exact)
        assert abs(sum_ / float(true) - 1) < 1e-11
    assert abs(float(average - Fraction(center)) - mean) < 1e-12
    if not offset:  # beyond, those of scipy have lost their digits
        n = len(x)
        assert np.sqrt(n) * m3 / m2**1.5 == pytest.approx(stats.skew(x), rel=1e-12)
        assert n * m4 / m2**2 - 3 == pytest.approx(stats.kurtosis(x), rel=1e-12)


def test_moments_are_about_the_mean_of_the_rows_wherever_the_centre_is():
    x = 1e6 + np.random.default_rng(2).gamma(2.0, size=3000)
    found = profile(x, query(), size=250).moments[0]
    exact = [Fraction(value) for value in x.tolist()]
    average = sum(exact) / len(exact)
    for k in (2, 3, 4):
        assert abs(found[k - 1] / float(sum((value - average) ** k for value in exact)) - 1) < 1e-9


def test_moments_leave_infinite_cells_out_and_never_overflow():
    x = np.array([1e300, -1e300, 3e300, np.inf, 2e300])
    found = profile(x, query(scale=2.0**999))
    assert np.isfinite(found.moments).all() and found.n_finite[0] == 4
    finite = x[np.isfinite(x)] / 2.0**999
    assert found.moments[0, 1] == pytest.approx(4 * np.var(finite), rel=1e-12)


def test_profiles_about_other_centres_merge():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(400, 3)) * [1, 10, 0.1] + [5, -3, 2]
    x[rng.random(x.shape) < 0.1] = np.nan
    one = profile(x, query(3, pairs=True))
    center, scale = np.array([4.0, -2.0, 1.0]), np.array([2.0, 8.0, 0.5])
    questions = [
        query(3, center=center, scale=scale, pairs=True),
        query(3, center=[-1, 5, 3], scale=[0.25, 4, 1], pairs=True),
    ]
    both = profile(x[:150], questions[0]).merge(profile(x[150:], questions[1]))
    np.testing.assert_allclose(center + scale * both.moments[:, 0], one.moments[:, 0], rtol=1e-13)
    np.testing.assert_allclose(both.moments[:, 3] * scale**4, one.moments[:, 3], rtol=1e-11)
    np.testing.assert_allclose(pair_sums.correlations(both.pairs), pair_sums.correlations(one.pairs), atol=1e-12)


# Correlations


def test_correlations_are_of_the_rows_that_have_both():
    rng = np.random.default_rng(6)
    x = rng.normal(size=(500, 4)) @ rng.normal(size=(4, 4)) + 100
    x[rng.random(x.shape) < 0.2] = np.nan
    x[3, 1] = np.inf
    found = pair_sums.correlations(profile(x, query(4, center=100.0, pairs=True), size=60).pairs)
    for i in range(4):
        for j in range(4):
            have = np.isfinite(x[:, i]) & np.isfinite(x[:, j])
            assert found[i, j] == pytest.approx(np.corrcoef(x[have, i], x[have, j])[0, 1], abs=1e-12)


def test_a_column_that_does_not_vary_has_no_correlation():
    x = np.column_stack([np.arange(30.0), np.full(30, 0.1)])
    found = pair_sums.correlations(profile(x, query(2, center=7.0, pairs=True)).pairs)
    assert found[0, 0] == 1 and np.isnan(found[1]).all()


# Kinds of columns


def test_whole_numbers_beyond_doubles_are_told_apart(tmp_path):
    n = 2000
    whole = 2**53 + np.arange(n) % 700
    whole[[5, 1500]] = MISSING_INTEGER
    blocks = make_blocks({"id": whole.astype(np.int64), "x": np.arange(n, dtype=float)}, 300)
    packed = write_blocks(tmp_path / "packed", blocks)
    question = query(2, n_exact=1024, kinds=np.array([WHOLE, NUMBER]), pairs=True)
    write_query(tmp_path / "q", question, Design(["id", "x"], missing="keep"))
    found = run_job(MRProfile, tmp_path / "q", packed).statistics
    keys, counts = np.unique(whole[whole != MISSING_INTEGER], return_counts=True)
    np.testing.assert_array_equal(found.column_values()[0].summary.keys, keys)
    np.testing.assert_array_equal(found.column_values()[0].summary.counts, counts)
    assert found.extremes[0].tolist() == [2**53, 2**53 + 699]
    assert found.cells[0, MISSING] == 2


def test_codes_beyond_what_is_counted_keep_their_frequent_values_alone():
    rng = np.random.default_rng(7)
    codes = np.where(rng.random(20_000) < 0.3, 4, rng.integers(0, 5000, 20_000)).astype(float)
    found = profile(codes, query(kinds=np.array([CODE])))
    assert not found.column_values()[0].summary.is_exact and len(found.column_values()[0].summary.keys) == 0
    frequent = found.column_values()[0].frequent
    assert frequent.keys[np.argmax(frequent.counts)] == 4
    true = int((codes == 4).sum())
    assert frequent.counts.max() <= true <= frequent.counts.max() + frequent.error
    assert not found.registers.any() and not found.moments.any()


def test_rows_of_weight_zero_are_as_if_they_were_not_there():
    rng = np.random.default_rng(8)
    x, w = rng.normal(size=(200, 2)), rng.integers(0, 2, 200).astype(float)
    question = query(2, pairs=True)
    weighted, without = TableProfileStatistics.zero(question), TableProfileStatistics.zero(question)
    weighted.add(make_rows(x, w=w), question)
    without.add(make_rows(x[w > 0]), question)
    assert weighted.md5() == without.md5()


def test_memory_is_flat_in_the_rows():
    rng = np.random.default_rng(9)
    largest = 16 * (512 + 32) + distinct_sketch.N_REGISTERS
    for n in (20_000, 200_000, 1_000_000):
        found = profile(rng.normal(size=n), query(), size=2000)
        assert len(found.to_line()) <= 4 / 3 * largest + 2500  # base64, and a header


def test_one_block_of_more_values_than_are_kept():
    x = np.random.default_rng(10).normal(size=5000)
    found = profile(x, query(), size=5000)
    assert len(found.column_values()[0].summary.keys) <= 512 and found.column_values()[0].summary.counts.sum() == 5000
    assert abs(distinct_sketch.estimate(found.registers[0]) / 5000 - 1) < 0.05


# What is refused


def test_profiles_of_other_questions_do_not_merge():
    a = profile(np.arange(5.0), query())
    for other in (query(n_exact=64), query(kinds=np.array([WHOLE])), query(pairs=True)):
        with pytest.raises(BadRecord):
            a.merge(profile(np.arange(5.0), other))


@pytest.mark.parametrize("kinds, n_exact, scale", [([4], 8, 1.0), ([0, 0], 8, 1.0), ([0], 0, 1.0), ([0], 8, 0.0)])
def test_a_query_that_makes_no_sense_is_refused(kinds, n_exact, scale):
    with pytest.raises(BadRecord):
        TableProfileQuery(n_exact, 4, False, np.array(kinds), np.zeros(1), np.array([scale]))


def test_a_damaged_statistic_is_refused():
    found = profile(np.arange(5.0), query())
    found.sizes = found.sizes + 1
    with pytest.raises(BadRecord):
        TableProfileStatistics.from_line(found.to_line())


def test_a_block_of_texts_and_numbers_through_the_design():
    block = Block(0, 0, 4, {"t": np.array([0, 1, -1, 1], np.int32), "x": np.array([1.0, np.nan, 3.0, 3.0])})
    question = query(2, kinds=np.array([CODE, NUMBER]))
    found = TableProfileStatistics.zero(question)
    found.add(Design(["t", "x"], missing="keep").apply(block), question)
    np.testing.assert_array_equal(found.column_values()[0].summary.keys, [0, 1])
    np.testing.assert_array_equal(found.column_values()[0].summary.counts, [1, 2])
    assert found.cells[:, MISSING].tolist() == [1, 1]

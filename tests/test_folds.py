"""Folds: a partition by row keys, the same wherever the rows are, and R of each from one pass."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy import stats

from jobs import keys
from jobs.blocks import Block
from jobs.design import Design
from jobs.kernels.folds import Folds
from jobs.kernels.wols import WOLSQuery, WOLSStatistics
from jobs.kernels.wols_folds import WOLSFoldsQuery, WOLSFoldsStatistics
from tests.registry import draw_rows, gather, take

KEYS = keys.row_keys(0, 0, 100_000)


@pytest.mark.parametrize("n_folds", [2, 5, 10])
def test_folds_are_of_about_the_same_size(n_folds):
    sizes = np.bincount(Folds(n_folds, seed=3).assign(KEYS), minlength=n_folds)
    assert len(sizes) == n_folds
    assert stats.chisquare(sizes).pvalue > 1e-4


@pytest.mark.parametrize("share", [0.01, 0.2, 0.9])
def test_the_holdout_is_its_share_of_the_rows_and_leaves_the_folds_of_the_rest_alone(share):
    folds, whole = Folds(5, share, seed=1), Folds(5, seed=1)
    parts = folds.assign(KEYS)
    held = parts == 5
    assert abs(held.mean() - share) < 5 * np.sqrt(share * (1 - share) / len(KEYS))
    np.testing.assert_array_equal(parts[~held], whole.assign(KEYS)[~held])
    # Held out of every fold alike.
    counts = np.bincount(whole.assign(KEYS)[held], minlength=5)
    assert stats.chisquare(counts).pvalue > 1e-4
    assert (folds.n_parts, whole.n_parts) == (6, 5)


def test_another_seed_deals_otherwise_and_a_row_alone_as_among_others():
    a, b = (Folds(4, 0.3, seed).assign(KEYS) for seed in (1, 2))
    table = np.histogram2d(a, b, bins=5)[0]
    assert stats.chi2_contingency(table).pvalue > 1e-4
    np.testing.assert_array_equal(Folds(4, 0.3, 1).assign(KEYS[1234:1250]), a[1234:1250])


def test_the_rows_of_a_customer_are_in_one_fold():
    customer = np.repeat(np.arange(500.0), 4)
    columns = {"x": np.arange(2000.0), "customer": customer}
    rows = Design(["x"], fold="customer").apply(Block(0, 0, 2000, columns))
    part = Folds(5).assign(rows.fold_keys).reshape(500, 4)
    assert (part == part[:, :1]).all()
    assert set(np.bincount(part[:, 0])) != {100}  # by chance and not in turn
    elsewhere = Design(["x"], fold="customer").apply(Block(7, 9, 2000, columns))
    np.testing.assert_array_equal(elsewhere.fold_keys, rows.fold_keys)


def test_a_customer_of_text_has_a_fold_by_its_hash_whatever_its_code():
    design = Design(["x"], fold="c", levels={"c": np.array([11, 22, 33])})
    rows = design.apply(Block(0, 0, 4, {"x": np.arange(4.0), "c": np.array([2, 0, 1, 2], np.int32)}))
    other = Design(["x"], fold="c", levels={"c": np.array([33, 11])})
    again = other.apply(Block(0, 0, 2, {"x": np.arange(2.0), "c": np.array([0, 1], np.int32)}))
    np.testing.assert_array_equal(again.fold_keys, rows.fold_keys[:2])


@pytest.mark.parametrize("holdout", [0.0, 0.25])
def test_each_part_has_the_statistic_of_its_rows_and_all_together_that_of_all(holdout):
    rng = np.random.default_rng(0)
    rows, question, folds = draw_rows(rng, 400, 3), WOLSQuery(np.full(3, 2.0), 1.0), Folds(4, holdout, 5)
    statistics = gather(WOLSFoldsStatistics, WOLSFoldsQuery(question, folds), rows)
    parts, of_row = statistics.parts(), folds.assign(rows.keys)
    assert len(parts) == folds.n_parts
    for k, part in enumerate(parts):
        assert part.close(gather(WOLSStatistics, question, take(rows, np.flatnonzero(of_row == k))))
    assert functools.reduce(lambda a, b: a.merge(b), parts).close(gather(WOLSStatistics, question, rows))
    assert WOLSFoldsStatistics.of_parts(parts).md5() == statistics.md5()

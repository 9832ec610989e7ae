"""Subset selection from one triangle, against all subsets fitted one by one by statsmodels, and against scikit-learn."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import PredefinedSplit

from drivers.linear.inference import measures_of_fit
from drivers.linear.selection import select, selection_error
from drivers.linear.subsets import CRITERIA, METHODS, subset
from jobs.errors import ScanError
from jobs.kernels.wols import WOLSQuery, WOLSStatistics, solve
from tests.registry import gather, make_rows


def make_data(seed: int = 0, n: int = 80, p: int = 7):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + 0.8 * rng.normal(size=(n, 1)) + 3
    return X, X @ (0.3 * rng.normal(size=p) * (rng.random(p) < 0.6)) + rng.normal(size=n), rng.gamma(2.0, size=n)


def statistics_of(X, y, w=None) -> tuple[WOLSStatistics, WOLSQuery]:
    query = WOLSQuery(X.mean(axis=0), float(y.mean()))
    return gather(WOLSStatistics, query, make_rows(X, y, w)), query


def folds_of(X, y, w, fold):
    query = WOLSQuery(X.mean(axis=0), float(y.mean()))
    return [
        gather(WOLSStatistics, query, make_rows(X[fold == k], y[fold == k], w[fold == k])) for k in range(fold.max() + 1)
    ]


def peer(X, y, w, columns):
    return sm.WLS(y, np.column_stack([np.ones(len(y)), X[:, list(columns)]]), weights=w).fit()


GROUPED = [[0, 3], [1], [2, 4, 6], [5]]


@pytest.mark.parametrize("terms", [None, GROUPED], ids=["columns", "groups"])
@pytest.mark.parametrize("seed", range(3))
def test_the_best_subsets_are_the_best_of_all(seed, terms):
    X, y, w = make_data(seed)
    groups = terms or [[j] for j in range(7)]
    fits = {}
    for size in range(len(groups) + 1):
        for chosen in itertools.combinations(range(len(groups)), size):
            fits[chosen] = peer(X, y, w, [j for t in chosen for j in groups[t]])
    for criterion in ("aic", "bic"):
        ours = select(*statistics_of(X, y, w), "best", criterion, terms)
        smallest = min(fits, key=lambda chosen: getattr(fits[chosen], criterion))
        assert tuple(ours.terms) == smallest
        assert ours.columns == sorted(j for t in smallest for j in groups[t])
        for row in ours.table:
            same = [fit.ssr for fit in fits.values() if fit.df_model == row.n_columns]
            assert row.rss == pytest.approx(min(same), rel=1e-10)
            assert row.aic == pytest.approx(fits[tuple(sorted(row.terms))].aic, rel=1e-10)
            assert row.bic == pytest.approx(fits[tuple(sorted(row.terms))].bic, rel=1e-10)
        assert {row.n_columns for row in ours.table} == {int(fit.df_model) for fit in fits.values()}


@pytest.mark.parametrize("terms", [None, GROUPED], ids=["columns", "groups"])
@pytest.mark.parametrize("criterion", ["aic", "bic"])
@pytest.mark.parametrize("method", ["forward", "backward", "stepwise"])
def test_every_step_is_the_best_step(method, criterion, terms):
    for seed in range(3):
        X, y, w = make_data(seed)
        groups = terms or [[j] for j in range(7)]

        def value(chosen, X=X, y=y, w=w, groups=groups):
            return getattr(peer(X, y, w, [j for t in chosen for j in groups[t]]), criterion)

        ours = select(*statistics_of(X, y, w), method, criterion, terms)
        first = set(range(len(groups))) if method == "backward" else set()
        assert set(ours.table[0].terms) == first and ours.table[0].action == "start"
        for number, (before, row) in enumerate(itertools.pairwise(ours.table), 1):
            now = set(before.terms)
            steps = []
            if method != "backward":
                steps += [now | {t} for t in range(len(groups)) if t not in now]
            if method != "forward":
                steps += [now - {t} for t in now]
            assert set(row.terms) == min(steps, key=value)
            assert getattr(row, criterion) == pytest.approx(value(row.terms), rel=1e-10)
            assert (row.step, {row.term}) == (number, set(row.terms) ^ now)
            assert row.action == ("add" if len(row.terms) > len(now) else "drop")
        values = [getattr(row, criterion) for row in ours.table]
        assert ours.chosen == int(np.argmin(values)) and set(ours.terms) == set(ours.table[ours.chosen].terms)
        if method == "stepwise":
            assert values == sorted(values, reverse=True)
            last = set(ours.terms)
            assert all(value(last ^ {t}) > values[-1] for t in range(len(groups)))
        else:
            assert len(ours.table) == len(groups) + 1


def test_stepwise_takes_back_what_it_took_first():
    """x2 is nearest to y, which x0 + x1 make without it."""
    rng = np.random.default_rng(0)
    a, b, e = rng.normal(size=(3, 200))
    X = np.column_stack([a, b, a + b + 0.3 * rng.normal(size=200)])
    ours = select(*statistics_of(X, a + b + 0.1 * e), "stepwise", "bic")
    assert [(row.action, row.term) for row in ours.table][1] == ("add", 2)
    assert ("drop", 2) in [(row.action, row.term) for row in ours.table]
    assert ours.columns == [0, 1]


@pytest.mark.parametrize("method", METHODS)
def test_the_measures_are_those_of_inference(method):
    X, y, w = make_data(4)
    statistics, query = statistics_of(X, y, w)
    for row in select(statistics, query, method).table:
        small = subset(statistics, query, row.terms)
        measures = measures_of_fit(small[0], solve(*small))
        assert (row.aic, row.bic) == pytest.approx((measures["aic"], measures["bic"]), rel=1e-12)
        assert row.rss == pytest.approx(measures["residual_square_sum"], rel=1e-11)
        assert row.n_columns == measures["df_model"]


# -- cross-validation -----------------------------------------------------------------------------------------------------


def cv_of(X, y, w, fold, columns) -> float:
    errors = []
    for k in range(fold.max() + 1):
        i = fold == k
        fit = peer(X[~i], y[~i], w[~i], columns)
        errors.append(np.sum(w[i] * (y[i] - fit.params[0] - X[i][:, columns] @ fit.params[1:]) ** 2))
    return sum(errors) / w.sum()


@pytest.mark.parametrize("method", METHODS)
def test_the_criterion_cv_is_that_of_refits(method):
    X, y, w = make_data(5)
    fold = np.arange(80) % 4
    statistics, query = statistics_of(X, y, w)
    folds = folds_of(X, y, w, fold)
    ours = select(statistics, query, method, "cv", None, folds)
    values = [cv_of(X, y, w, fold, row.terms) for row in ours.table]
    np.testing.assert_allclose([row.cv for row in ours.table], values, rtol=1e-10)
    assert ours.chosen == int(np.argmin(values))
    assert all(row.cv_standard_error > 0 for row in ours.table)
    shown = select(statistics, query, method, "aic", None, folds).table
    np.testing.assert_allclose([row.cv for row in shown], [cv_of(X, y, w, fold, row.terms) for row in shown], rtol=1e-10)


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_the_steps_of_cv_are_those_of_scikit_learn(direction):
    X, y, _ = make_data(6)
    fold = np.arange(80) % 5
    ones = np.ones(80)
    ours = select(*statistics_of(X, y), direction, "cv", None, folds_of(X, y, ones, fold))
    for row in ours.table:
        if 0 < row.n_columns < 7:
            peer = SequentialFeatureSelector(
                LinearRegression(),
                n_features_to_select=row.n_columns,
                direction=direction,
                scoring="neg_mean_squared_error",
                cv=PredefinedSplit(fold),
            ).fit(X, y)
            assert sorted(row.terms) == np.flatnonzero(peer.get_support()).tolist()


@pytest.mark.parametrize("criterion", CRITERIA)
def test_the_error_of_the_procedure_is_that_of_selecting_anew(criterion):
    X, y, w = make_data(7)
    fold = np.arange(80) % 4
    query = statistics_of(X, y, w)[1]
    score = selection_error(folds_of(X, y, w, fold), query, "forward", criterion)
    for k in range(4):
        i = fold == k
        inner = [part for j, part in enumerate(folds_of(X, y, w, fold)) if j != k]
        training = gather(WOLSStatistics, query, make_rows(X[~i], y[~i], w[~i]))
        columns = select(training, query, "forward", criterion, None, inner).columns
        fit = peer(X[~i], y[~i], w[~i], columns)
        error = np.average((y[i] - fit.params[0] - X[i][:, columns] @ fit.params[1:]) ** 2, weights=w[i])
        assert score.folds[k, 0] == pytest.approx(error, rel=1e-9)
    assert score.standard_error[0] > 0


# -- awkward data ---------------------------------------------------------------------------------------------------------


def test_scales_and_offsets_do_not_matter():
    X, y, w = make_data(8)
    for method in METHODS:
        one = select(*statistics_of(X, y, w), method)
        two = select(*statistics_of(X * 10.0 ** np.array([-8, 8, 0, -4, 4, 2, -2]), y, w), method)
        three = select(*statistics_of(X + 1e6, y, w), method)
        assert [row.terms for row in one.table] == [row.terms for row in two.table] == [row.terms for row in three.table]
        np.testing.assert_allclose([row.rss for row in two.table], [row.rss for row in one.table], rtol=1e-10)


@pytest.mark.filterwarnings("ignore:The design matrix is rank-deficient")  # statsmodels, which is right nevertheless
def test_dependent_columns_add_nothing_and_go_for_nothing():
    X, y, w = make_data(9, p=3)
    X = np.column_stack([X, X[:, 0], X[:, 0] + X[:, 1], np.full(80, 2.0)])
    statistics, query = statistics_of(X, y, w)
    for method in ("forward", "stepwise", "backward"):
        ours = select(statistics, query, method, "bic")
        assert all(row.n_columns <= 3 and math.isfinite(row.bic) for row in ours.table)
        chosen = X[:, ours.columns]
        assert np.linalg.matrix_rank(chosen - chosen.mean(axis=0)) == len(ours.columns) or method == "backward"
        for row in ours.table:
            assert row.rss == pytest.approx(peer(X, y, w, row.terms).ssr, rel=1e-10)
    with pytest.raises(ScanError, match="depend on the ones before: 3, 4, 5 .from 0.; leave them out"):
        select(statistics, query, "best")


def test_more_columns_than_rows_can_be_selected_forward():
    X, y, w = make_data(10, n=12, p=20)
    ours = select(*statistics_of(X, y, w), "forward", "bic")
    assert len(ours.table) == 11 and ours.table[-1].n_columns == 10  # one degree of freedom is left
    with pytest.raises(
        ScanError, match="begins with 12 coefficients and needs more rows than that, not 12; select forward"
    ):
        select(*statistics_of(X, y, w), "backward")


def test_no_features_leave_the_intercept():
    X, y, w = make_data(11)
    for method in METHODS:
        ours = select(*statistics_of(X[:, :0], y, w), method)
        assert (ours.columns, ours.terms, len(ours.table)) == ([], [], 1)
        assert ours.table[0].aic == pytest.approx(sm.WLS(y, np.ones(80), weights=w).fit().aic, rel=1e-12)


def test_the_exact_search_has_a_limit():
    X, y, w = make_data(12, n=100, p=31)
    with pytest.raises(ScanError, match="goes up to 30 terms, and there are 31; name fewer features"):
        select(*statistics_of(X, y, w), "best")
    pairs = [[2 * t, 2 * t + 1] for t in range(6)]
    assert all(row.n_columns % 2 == 0 for row in select(*statistics_of(X[:, :12], y, w), "best", terms=pairs).table)


def test_the_exact_search_of_thirty_columns_is_no_worse_than_any_other():
    X, y, w = make_data(13, n=200, p=30)
    best = select(*statistics_of(X, y, w), "best", "aic")
    assert [row.n_columns for row in best.table] == list(range(31))
    for method in ("forward", "backward", "stepwise"):
        for row in select(*statistics_of(X, y, w), method, "aic").table:
            assert best.table[row.n_columns].rss <= row.rss * (1 + 1e-12)


def test_what_there_is_not_is_refused():
    X, y, w = make_data(0)
    statistics, query = statistics_of(X, y, w)
    for arguments in (("sideways",), ("forward", "cp"), ("forward", "cv")):
        with pytest.raises(ValueError, match="there are the methods|needs 2 folds"):
            select(statistics, query, *arguments)
    with pytest.raises(ValueError, match="no row has a positive weight"):
        select(*statistics_of(X, y, 0 * w))

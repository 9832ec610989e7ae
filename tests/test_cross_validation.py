"""Cross-validation from the statistics of the folds, against refits of the rows by scikit-learn, and worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, ElasticNetCV, Lasso, LinearRegression, Ridge
from sklearn.metrics import mean_squared_error, r2_score
from sklearn.model_selection import PredefinedSplit

import drivers.linear.cross_validation as module
from drivers.linear.cross_validation import complements, cross_validate
from drivers.linear.penalties import Path, Penalty, auto_alphas, coefficient_path, kkt_residual
from drivers.linear.scores import Score, evaluate
from jobs.errors import ScanError
from jobs.kernels.wols import WOLSQuery, WOLSStatistics, solve
from tests.registry import gather, make_rows


def make_data(seed: int = 0, n: int = 150, p: int = 7, k: int = 5):
    """Features, target, weights and the fold of each row; the folds of different sizes."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + 0.7 * rng.normal(size=(n, 1)) + rng.normal(size=p)
    y = X @ np.where(rng.random(p) < 0.6, rng.normal(size=p), 0) + 2 + 2 * rng.normal(size=n)
    return X, y, rng.gamma(2.0, size=n), rng.choice(k, n, p=np.arange(2, k + 2) / np.arange(2, k + 2).sum())


def folds_of(X, y, w, fold) -> tuple[list[WOLSStatistics], WOLSQuery]:
    query = WOLSQuery(X.mean(axis=0), float(y.mean()))
    parts = [fold == k for k in range(fold.max() + 1)]
    return [gather(WOLSStatistics, query, make_rows(X[i], y[i], w[i])) for i in parts], query


def peer_of(penalty: Penalty, alpha: float):
    if penalty.kind == "none":
        return LinearRegression()
    if penalty.kind == "ridge":
        return Ridge(alpha=alpha, solver="svd")
    return ElasticNet(alpha=alpha, l1_ratio=penalty.l1_share, tol=1e-14, max_iter=1_000_000)


@pytest.mark.parametrize(
    "penalty",
    [
        Penalty("none"),
        Penalty("ridge"),
        Penalty("ridge", standardize=True),
        Penalty("lasso"),
        Penalty("lasso", standardize=True),
        Penalty("elastic-net", 0.4),
    ],
    ids=str,
)
def test_every_number_is_that_of_refits(penalty):
    rtol = 1e-10 if penalty.l1_share == 0 else 1e-7
    X, y, w, fold = make_data()
    folds, query = folds_of(X, y, w, fold)
    alphas = [0.0] if penalty.kind == "none" else [0.01, 0.1, 1.0]
    result = cross_validate(folds, query, penalty, alphas)
    mse, r2, weights = np.zeros((5, len(alphas))), np.zeros((5, len(alphas))), np.zeros(5)
    for k in range(5):
        test, train = fold == k, fold != k
        weights[k] = w[test].sum()
        # The scale is that of the rows of this fit: nothing of the fold goes into it.
        center = np.average(X[train], axis=0, weights=w[train])
        sd = np.sqrt(np.average((X[train] - center) ** 2, axis=0, weights=w[train])) if penalty.standardize else 1.0
        for i, alpha in enumerate(alphas):
            peer = peer_of(penalty, alpha).fit(X[train] / sd, y[train], sample_weight=w[train])
            predicted = peer.predict(X[test] / sd)
            mse[k, i] = mean_squared_error(y[test], predicted, sample_weight=w[test])
            r2[k, i] = r2_score(y[test], predicted, sample_weight=w[test])
            size = np.abs(peer.coef_ / sd).max() + 1e-3
            np.testing.assert_allclose(result.coefficients[k, i], peer.coef_ / sd, rtol=0, atol=rtol * size)
            np.testing.assert_allclose(result.intercepts[k, i], peer.intercept_, rtol=rtol)
    np.testing.assert_allclose(result.mse.folds, mse, rtol=rtol)
    np.testing.assert_allclose(result.rmse.folds, np.sqrt(mse), rtol=rtol)
    np.testing.assert_allclose(result.r_squared.folds, r2, rtol=rtol)
    np.testing.assert_allclose(result.weights, weights)
    assert result.n_rows.tolist() == np.bincount(fold).tolist()
    for ours, theirs in ((result.mse, mse), (result.rmse, np.sqrt(mse)), (result.r_squared, r2)):
        mean = np.average(theirs, axis=0, weights=weights)
        np.testing.assert_allclose(ours.mean, mean, rtol=rtol)
        error = np.sqrt(np.average((theirs - mean) ** 2, axis=0, weights=weights) / 4)  # glmnet's cvsd
        np.testing.assert_allclose(ours.standard_error, error, rtol=rtol)
    best = int(np.argmin(result.mse.mean))
    assert result.best == best and result.alpha == alphas[best]
    difference = mse - mse[:, [best]]
    np.testing.assert_allclose(result.difference.folds, difference, rtol=1e-6, atol=1e-7)
    assert result.difference.standard_error[best] == 0 == result.difference.mean[best]


def test_the_choice_is_that_of_scikit_learn():
    """Where folds weigh the same, the plain mean over folds is the weighted one."""
    X, y, _, _ = make_data(3)
    fold = np.arange(len(y)) % 5
    folds, query = folds_of(X, y, np.ones(len(y)), fold)
    ratios = [0.2, 0.7, 1.0]
    ours = cross_validate(folds, query, Penalty("elastic-net"), l1_ratios=ratios)
    theirs = ElasticNetCV(l1_ratio=ratios, cv=PredefinedSplit(fold), tol=1e-12, max_iter=100_000).fit(X, y)
    np.testing.assert_allclose(ours.alphas.reshape(3, 100), theirs.alphas_, rtol=1e-10)
    np.testing.assert_allclose(ours.mse.folds.reshape(5, 3, 100).transpose(1, 2, 0), theirs.mse_path_, rtol=1e-6)
    assert ours.alpha == pytest.approx(theirs.alpha_)
    assert ours.penalty.l1_ratio == theirs.l1_ratio_ == ours.l1_ratios[ours.best]
    np.testing.assert_allclose(ours.path.coefficients[ours.best], theirs.coef_, atol=1e-6)
    assert ours.l1_ratios[ours.one_standard_error] == theirs.l1_ratio_
    assert ours.alphas[ours.one_standard_error] >= ours.alpha


def test_the_path_of_all_rows_certifies_itself():
    X, y, w, fold = make_data(1)
    folds, query = folds_of(X, y, w, fold)
    whole = gather(WOLSStatistics, query, make_rows(X, y, w))
    result = cross_validate(folds, query, Penalty("lasso"))
    np.testing.assert_allclose(result.alphas, auto_alphas(whole, query, Penalty("lasso")))
    peer = Lasso(alpha=result.alpha, tol=1e-14, max_iter=100_000).fit(X, y, sample_weight=w)
    np.testing.assert_allclose(result.path.coefficients[result.best], peer.coef_, atol=1e-8)
    assert kkt_residual(whole, query, result.penalty, result.alpha, result.path.coefficients[result.best]) < 1e-14
    assert result.path.residuals[result.best] < 1e-14


def test_one_standard_error_by_hand(monkeypatch):
    """Three folds of one row and weights 1, 1, 2; the "fits" are given: slope 0, and intercepts that make the errors plain.

    Targets are 0, and the intercepts of the four penalties 2.0 (alpha 8), 1.1 (4), 1.0 (2), 1.2 (1), but in fold 3, where
    each is a half more. Squared errors for alpha 2: 1, 1, 2.25, mean (1 + 1 + 2 x 2.25) / 4 = 1.625, variance
    (2 x 0.625^2 + 2 x 0.625^2) / 4 = 0.390625, standard error sqrt(0.390625 / 2) = 0.44194. The limit is 2.06694: for
    alpha 4 the mean is (2 x 1.21 + 2 x 2.56) / 4 = 1.885, within; for alpha 8 (2 x 4 + 2 x 6.25) / 4 = 5.125, beyond.
    """
    query = WOLSQuery(np.zeros(1), 0.0)
    folds = [gather(WOLSStatistics, query, make_rows([[0.0]], [0.0], [weight])) for weight in (1.0, 1.0, 2.0)]
    shifts = iter([0.0, 0.0, 0.5, 0.0])

    def given(statistics, query, penalty, alphas):
        a = np.array([1.2, 2.0, 1.0, 1.1]) + next(shifts)
        return Path(np.asarray(alphas), np.zeros((4, 1)), a, a, np.ones(4), np.zeros(4))

    monkeypatch.setattr(module, "coefficient_path", given)
    result = cross_validate(folds, query, Penalty("lasso"), [1.0, 8.0, 2.0, 4.0])
    assert (result.best, result.one_standard_error) == (2, 3)
    assert result.mse.mean[2] == pytest.approx(1.625)
    assert result.mse.standard_error[2] == pytest.approx(0.44194, abs=1e-5)
    assert result.mse.mean[[3, 1]].tolist() == pytest.approx([1.885, 5.125])
    # Fold by fold alpha 4 is worse by 0.21, 0.21, 0.31: mean 0.26, variance 0.0025, error sqrt(0.0025 / 2).
    np.testing.assert_allclose(result.difference.folds[:, 3], [0.21, 0.21, 0.31])
    assert result.difference.mean[3] == pytest.approx(0.26)
    assert result.difference.standard_error[3] == pytest.approx(math.sqrt(0.00125))
    assert np.isnan(result.r_squared.folds).all()  # one row has no variance to explain


def test_of_equal_means_the_largest_penalty_is_the_best():
    X, y, w, fold = make_data(2)
    folds, query = folds_of(X, y, w, fold)
    result = cross_validate(folds, query, Penalty("lasso"), [1e6, 1e8, 1e7])
    assert result.best == result.one_standard_error == 1


def test_complements_are_the_rows_outside():
    X, y, w, fold = make_data(4, k=6)
    folds, query = folds_of(X, y, w, fold)
    for k, ours in enumerate(complements(folds)):
        assert ours.close(gather(WOLSStatistics, query, make_rows(X[fold != k], y[fold != k], w[fold != k])))
    two = complements(folds[:2])
    assert two[0] is folds[1] and two[1] is folds[0]


def test_leaving_one_out_is_the_formula_of_the_hat_matrix():
    X, y, w, _ = make_data(5, n=25, p=3)
    folds, query = folds_of(X, y, w, np.arange(25))
    result = cross_validate(folds, query, Penalty("none"))
    Z = np.column_stack([np.ones(25), X]) * np.sqrt(w)[:, None]
    q, _ = np.linalg.qr(Z)
    residuals = (y * np.sqrt(w) - q @ (q.T @ (y * np.sqrt(w)))) / np.sqrt(w)
    np.testing.assert_allclose(result.mse.folds[:, 0], (residuals / (1 - np.sum(q**2, axis=1))) ** 2, rtol=1e-9)


def test_a_model_is_judged_on_rows_it_has_not_seen():
    X, y, w, fold = make_data(6)
    folds, query = folds_of(X, y, w, fold)
    path = coefficient_path(folds[0], query, Penalty("ridge"), [1.0])
    for test in (0, 3):
        i = fold == test
        ours = evaluate(folds[test], query, path.coefficients[0], path.centred_intercepts[0])
        predicted = path.intercepts[0] + X[i] @ path.coefficients[0]
        mse = mean_squared_error(y[i], predicted, sample_weight=w[i])
        assert ours["mse"] == pytest.approx(mse, rel=1e-12) and ours["rmse"] == pytest.approx(math.sqrt(mse), rel=1e-12)
        assert ours["sse"] == pytest.approx(mse * w[i].sum(), rel=1e-12)
        assert ours["r_squared"] == pytest.approx(r2_score(y[i], predicted, sample_weight=w[i]), rel=1e-12)
        assert (ours["n_rows"], ours["weight_sum"]) == (i.sum(), pytest.approx(w[i].sum()))
    solution = solve(folds[0], query)
    centred = solution.intercept - query.target_center + query.center @ solution.coefficients
    own = evaluate(folds[0], query, solution.coefficients, centred)
    assert own["sse"] == pytest.approx(solution.residual_square_sum, rel=1e-12)


def test_data_far_from_zero_keep_their_digits():
    X, y, w, fold = make_data(7)
    near = cross_validate(*folds_of(X, y, w, fold), Penalty("lasso", standardize=True))
    far = cross_validate(*folds_of(X + 1e6, y - 1e6, w, fold), Penalty("lasso", standardize=True))
    np.testing.assert_allclose(far.alphas, near.alphas, rtol=1e-8)
    np.testing.assert_allclose(far.mse.folds, near.mse.folds, rtol=1e-8)


def test_folds_that_cannot_judge_are_named():
    X, y, w, fold = make_data(8)
    w = np.where(fold == 2, 0.0, w)
    folds, query = folds_of(X, y, w, fold)
    with pytest.raises(ScanError, match="fold 3 of 5 has no row of positive weight to judge by; ask for fewer folds"):
        cross_validate(folds, query, Penalty("ridge"))
    with pytest.raises(ScanError, match="needs 2 folds at least"):
        cross_validate(folds[:1], query, Penalty("ridge"))
    with pytest.raises(ScanError, match="no row of positive weight"):
        evaluate(folds[2], query, np.zeros(7), 0.0)
    with pytest.raises(ScanError, match="no penalty to choose from"):
        cross_validate(folds[:2], query, Penalty("ridge"), [])


def test_a_score_of_equal_folds_has_no_error():
    score = Score.of(np.full((3, 2), 4.0), np.array([1.0, 2, 3]))
    assert score.mean.tolist() == [4, 4] and score.standard_error.tolist() == [0, 0]

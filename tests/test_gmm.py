"""Gaussian mixtures on rows in memory: against scikit-learn, the exercise over a hundred seeds, acceleration, collapse."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from data_gen.gen_blobs import mixture as true_mixture
from drivers.clustering.gmm import _change, _move, criteria, n_parameters, whole_covariances
from drivers.clustering.mixture_starts import _of_rows, mixture_of
from drivers.loop import CONVERGED, ObjectiveWarning, iterate
from jobs.errors import BadRecord
from jobs.kernels import gmm_state
from jobs.kernels.anderson import extrapolate
from jobs.kernels.gmm import COVARIANCE_TYPES, GMMQuery, GMMStatistics, log_densities
from jobs.kernels.gmm_state import GMMState, Mixture, update
from tests.registry import gather, make_rows, take

every_type = pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)


def blobs(n=2000, p=3, k=3, seed=0):
    rng = np.random.default_rng(seed)
    turn = rng.normal(size=(k, p, p)) * 0.7
    labels = rng.integers(0, k, n)
    X = np.einsum("npq,nq->np", turn[labels], rng.normal(size=(n, p))) + rng.normal(size=(k, p))[labels] * 4
    return X, rng.gamma(1, size=n)


def start_of(X, k, covariance_type, seed=0):
    rng = np.random.default_rng(seed)
    means = X[rng.choice(len(X), k, replace=False)]
    return mixture_of(covariance_type, np.full(k, 1 / k), means, np.tile(X.var(axis=0), (k, 1)))


def em(mixtures, X, w=None, tol=0.0, max_iter=50, accelerate=False, reg_covar=0.0, distance=_change, **keywords):
    """The loop over rows in three blocks."""
    rows = make_rows(X, None, w)
    parts = [take(rows, part) for part in np.array_split(np.arange(len(X)), 3)]

    def step(state):
        first, second, third = (gather(GMMStatistics, state.query(), part) for part in parts)
        return first.merge(second).merge(third)

    state = GMMState.start(mixtures, X.mean(axis=0), X.std(axis=0), reg_covar, accelerate)
    return iterate(
        step, update, state, distance=distance, tol=tol, max_iter=max_iter, objective=lambda s: s.log_likelihood, **keywords
    )


def theirs(mixture, X, max_iter, reg_covar=0.0, tol=0.0):
    """scikit-learn from the same start."""
    kind = mixture.covariance_type
    precisions = {
        "full": lambda c: np.linalg.inv(c), "tied": lambda c: np.linalg.inv(c[0]), "diag": lambda c: 1 / c[:, 0],
        "spherical": lambda c: 1 / c[:, 0, 0],
    }[kind](mixture.covariances)  # fmt: skip
    estimator = GaussianMixture(
        len(mixture.weights), covariance_type=kind, max_iter=max_iter, tol=tol, reg_covar=reg_covar,
        weights_init=mixture.weights, means_init=mixture.means, precisions_init=precisions,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(X)


def same_covariances(mixture, estimator):
    found = mixture.covariances
    expected = np.asarray(estimator.covariances_).reshape(found.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10 * np.abs(expected).max())


# -- against scikit-learn --------------------------------------------------------------------------------------------------


@every_type
def test_a_step_and_thirty_equal_scikit_learns(covariance_type):
    X, _ = blobs()
    start = start_of(X, 3, covariance_type)
    for n_steps in (1, 30):
        image = em([start], X, max_iter=n_steps, reg_covar=1e-6).state.steps[0][-1].image
        other = theirs(start, X, n_steps, 1e-6)
        np.testing.assert_allclose(image.means, other.means_, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(image.weights, other.weights_, rtol=1e-10)
        same_covariances(image, other)


@every_type
def test_data_far_from_zero_keep_their_digits(covariance_type):
    X, _ = blobs()
    start = start_of(X, 3, covariance_type)
    near = em([start], X, max_iter=20).state
    far = Mixture(covariance_type, start.weights, start.means + 2.0**20, start.covariances)
    # So that the rows themselves are the same: no bit of them is lost when 2^20 is added.
    X = (X + 2.0**20) - 2.0**20
    near = em([start], X, max_iter=20).state
    away = em([far], X + 2.0**20, max_iter=20).state
    assert away.log_likelihood[0] == pytest.approx(near.log_likelihood[0], rel=1e-10)
    np.testing.assert_allclose(away.best(0).means - 2.0**20, near.best(0).means, atol=1e-9)
    np.testing.assert_allclose(away.best(0).covariances, near.best(0).covariances, rtol=1e-8, atol=1e-10)


@every_type
def test_weights_are_copies(covariance_type):
    X, _ = blobs(600)
    w = np.arange(600) % 4
    start = start_of(X, 3, covariance_type)
    weighted, copied = em([start], X, w, max_iter=10).state, em([start], np.repeat(X, w, axis=0), max_iter=10).state
    assert weighted.log_likelihood[0] == pytest.approx(copied.log_likelihood[0], rel=1e-12)
    np.testing.assert_allclose(weighted.best(0).means, copied.best(0).means, rtol=1e-9, atol=1e-10)
    assert weighted.weight_sum == copied.weight_sum == w.sum()


@every_type
def test_the_log_likelihood_never_falls_and_the_criteria_are_scikit_learns(covariance_type):
    X, _ = blobs()
    fit = em([start_of(X, 3, covariance_type)], X, tol=1e-9, max_iter=500, monotone="rises")
    assert fit.status == [CONVERGED]
    mixture, total = fit.state.best(0), fit.state.log_likelihood[0] * len(X)
    other = theirs(mixture, X, 1)
    found = criteria(total, fit.state.entropy[0], len(X), mixture)
    assert n_parameters(mixture) == other._n_parameters()
    assert found["bic"] == pytest.approx(other.bic(X), rel=1e-8) and found["aic"] == pytest.approx(other.aic(X), rel=1e-8)
    parts = other.predict_proba(X)
    entropy = -np.sum(parts * np.log(np.maximum(parts, 1e-300)))
    assert fit.state.entropy[0] == pytest.approx(entropy, rel=1e-3, abs=1e-6)
    assert found["icl"] == pytest.approx(found["bic"] + 2 * fit.state.entropy[0])


@every_type
@pytest.mark.parametrize("reg_covar", [0.0, 1e-6, 0.3, 3.0])
def test_a_step_gains_no_less_than_is_known_before_it(covariance_type, reg_covar):
    """Whatever --reg-covar adds; the bound is the difference of expected log-likelihoods, here by numpy's own densities."""
    X, w = blobs(400)
    start = start_of(X, 3, covariance_type)
    checkpoints = []
    em([start], X, w, max_iter=12, reg_covar=reg_covar, monotone="rises", bound=lambda s: s.floor,
       on_pass=lambda fit: checkpoints.append(fit.state))  # fmt: skip
    for before, after in itertools.pairwise(checkpoints):
        assert after.log_likelihood[0] >= before.floor[0] - 1e-12
        step = before.steps[0][-1]
        of_point, of_image = (scipy_log_densities(mixture, X) for mixture in (step.point, step.image))
        parts = np.exp(of_point - logsumexp(of_point, axis=1, keepdims=True))
        gain = np.average((parts * (of_image - of_point)).sum(axis=1), weights=w)
        assert step.floor - step.log_likelihood == pytest.approx(gain, abs=1e-12, rel=1e-9)
        assert gain >= 0 or reg_covar > 0


def scipy_log_densities(mixture, X):
    return np.column_stack([
        np.log(weight) + multivariate_normal(mean, covariance).logpdf(X)
        for weight, mean, covariance in zip(mixture.weights, mixture.means, whole_covariances(mixture))
    ])  # fmt: skip


def test_a_wrong_m_step_is_said(monkeypatch):
    """It does not fall, but is below what the step before promised."""
    X, _ = blobs(400)
    start, right = start_of(X, 3, "full"), gmm_state._begun_anew

    def nowhere(image, statistics, trial):
        return start, 0

    monkeypatch.setattr(gmm_state, "_begun_anew", nowhere)
    with pytest.warns(ObjectiveWarning, match="should be no less than"):
        em([start], X, max_iter=2, reg_covar=1e-6, monotone="rises", bound=lambda s: s.floor)
    monkeypatch.setattr(gmm_state, "_begun_anew", right)
    em([start], X, max_iter=2, reg_covar=1e-6, monotone="rises", bound=lambda s: s.floor)


def test_candidates_of_many_sizes_advance_as_if_each_were_alone():
    X, w = blobs()
    starts = [start_of(X, k, "full", seed) for seed, k in enumerate((3, 1, 5, 2))]
    together = em(starts, X, w, max_iter=15, accelerate=True, reg_covar=1e-6)
    for i, start in enumerate(starts):
        alone = em([start], X, w, max_iter=15, accelerate=True, reg_covar=1e-6)
        np.testing.assert_allclose(together.state.best(i).means, alone.state.best(0).means, rtol=1e-9, atol=1e-12)
        assert together.state.log_likelihood[i] == pytest.approx(alone.state.log_likelihood[0], rel=1e-12)


# -- the exercise ----------------------------------------------------------------------------------------------------------

TRUE_MEANS = np.array([[4.0, 0.0], [6.0, 6.0], [0.0, 4.0]])


def exercise(seed):
    """Rows of the exercise, and five starts as the driver makes them."""
    rng = np.random.default_rng(seed)
    X = np.concatenate([rng.normal(size=(1000, 2)) + mean for mean in TRUE_MEANS])
    rng.shuffle(X)
    return X, [_of_rows(X[rng.choice(3000, 3, replace=False)], "full", 1e-6) for _ in range(5)]


def test_five_starts_find_the_truth_of_a_hundred_tables_where_one_in_five_does_not():
    np.testing.assert_array_equal(true_mixture("exercise").means, TRUE_MEANS)
    n_poor = n_underflows = 0
    for seed in range(100):
        X, starts = exercise(seed)
        fit = em(starts, X, tol=0.02, max_iter=300, distance=_move, reg_covar=1e-6)
        found = fit.state.log_likelihood
        n_poor += int((found < found.max() - 0.01).sum())
        best = fit.state.best(int(found.argmax()))
        order = list(min(itertools.permutations(range(3)), key=lambda o: ((best.means[list(o)] - TRUE_MEANS) ** 2).sum()))
        assert np.abs(best.means[order] - TRUE_MEANS).max() < 0.16
        assert np.abs(best.covariances[order] - np.eye(2)).max() < 0.25
        assert np.abs(best.weights - 1 / 3).max() < 0.02
        for start in starts:
            query = GMMState.start([start], X.mean(axis=0), np.ones(2), 1e-6, False).query()
            # The density as it is often written, without logarithms, is zero for some row of some start.
            n_underflows += bool((np.exp(log_densities(query, X)).sum(axis=1) == 0).any())
    assert 0.1 < n_poor / 500 < 0.3
    assert 0.005 < n_underflows / 500 < 0.05


# -- acceleration ----------------------------------------------------------------------------------------------------------


def overlapping(n=6000, apart=2.2, seed=1):
    """Two Gaussians whose centres are so many standard deviations apart."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)) + np.where(rng.random(n) < 0.4, apart, 0.0)[:, None] * [1.0, 0.0]


@every_type
def test_extrapolated_points_take_half_the_passes_to_no_lower_an_end(covariance_type):
    X = overlapping()
    start = mixture_of(covariance_type, np.array([0.5, 0.5]), np.array([[-1.0, 0.3], [3.0, -0.3]]), np.ones((2, 2)))
    plain = em([start], X, max_iter=3000, reg_covar=1e-6, tol=1e-11)
    fast = em([start], X, max_iter=300, reg_covar=1e-6, tol=1e-11, accelerate=True, monotone="rises")
    assert fast.state.log_likelihood[0] >= plain.state.log_likelihood[0] - 1e-8
    goal = plain.state.log_likelihood[0] - 1e-6
    passes = [next(i for i, entry in enumerate(fit.history) if entry["objective"][0] >= goal) + 1 for fit in (plain, fast)]
    assert passes[1] <= passes[0] / 2, passes
    assert fast.state.by_extrapolation[0] > 0


def test_a_linear_map_is_at_rest_after_as_many_steps_as_it_has_dimensions():
    rng = np.random.default_rng(0)
    A, b = rng.normal(size=(4, 4)) / 4, rng.normal(size=4)
    x, points, images = np.zeros(4), [], []
    for _ in range(5):
        points.append(x)
        images.append(A @ x + b)
        x = extrapolate(np.array(points), np.array(images)) if len(points) > 1 else images[-1]
    np.testing.assert_allclose(x, np.linalg.solve(np.eye(4) - A, b), rtol=1e-4)


@every_type
def test_a_mixture_is_the_same_as_a_vector(covariance_type):
    X, _ = blobs()
    mixture = em([start_of(X, 3, covariance_type)], X, max_iter=5).state.best(0)
    again = mixture.like(mixture.vector(X.std(axis=0)), X.std(axis=0))
    for name in ("weights", "means", "covariances"):
        np.testing.assert_allclose(getattr(again, name), getattr(mixture, name), rtol=1e-12, atol=1e-12)


# -- degenerate data -------------------------------------------------------------------------------------------------------


def test_a_component_without_rows_begins_anew_at_the_row_of_least_density():
    X, _ = blobs(900, p=2, k=3)
    start = start_of(X, 3, "full")
    means = start.means.copy()
    means[1] = 1e6
    narrow = np.tile(np.eye(2) * 1e-2, (3, 1, 1))
    fit = em([Mixture("full", start.weights, means, narrow)], X, max_iter=100, tol=1e-7, reg_covar=1e-6)
    assert fit.state.n_reseeded[0] >= 1 and fit.state.best(0).weights.min() > 0.01


@every_type
def test_identical_rows_have_the_variance_that_is_added(covariance_type):
    X = np.full((30, 2), 3.0)
    mixture = mixture_of(covariance_type, np.array([0.5, 0.5]), X[:2] + [[0.1], [-0.1]], np.ones((2, 2)))
    fit = em([mixture], X, max_iter=20, reg_covar=1e-3)
    image = fit.state.steps[0][-1].image
    np.testing.assert_allclose(image.means, 3.0, rtol=1e-9)
    np.testing.assert_allclose(np.diagonal(whole_covariances(image), axis1=1, axis2=2), 1e-3, rtol=1e-6)


def test_without_it_a_constant_column_has_no_covariance():
    X, _ = blobs(200, p=2, k=2)
    X[:, 1] = 7
    with pytest.raises(np.linalg.LinAlgError):
        em([start_of(X, 2, "full")], X, max_iter=5)


def test_an_outlier_at_1e8_is_no_nan():
    X, _ = blobs(500, p=2, k=2)
    X[3] = 1e8
    fit = em([start_of(X[4:], 2, "full")], X, max_iter=30, reg_covar=1e-6)
    assert np.isfinite(fit.state.log_likelihood[0]) and np.isfinite(fit.state.best(0).means).all()


def test_rows_without_weight_count_for_nothing():
    X, w = blobs(600)
    w[::3] = 0
    start = start_of(X[1::3], 3, "full")
    X[::3] += 1e3
    with_them, without = em([start], X, w, max_iter=10).state, em([start], X[w > 0], w[w > 0], max_iter=10).state
    np.testing.assert_allclose(with_them.best(0).means, without.best(0).means, rtol=1e-8)
    assert with_them.log_likelihood[0] == pytest.approx(without.log_likelihood[0], rel=1e-10)


@pytest.mark.parametrize(
    "changed",
    [{"offsets": np.array([0, 2])}, {"roots": np.ones((2, 2, 2))}, {"covariance_type": "round"}, {"origin": np.zeros(3)}],
)
def test_components_that_do_not_fit_together_are_refused(changed):
    good = {
        "covariance_type": "full", "log_weights": np.zeros(3), "means": np.zeros((3, 2)), "roots": np.ones((3, 2, 2)),
        "offsets": np.array([0, 3]), "origin": np.zeros(2),
    }  # fmt: skip
    GMMQuery(**good)
    with pytest.raises(BadRecord):
        GMMQuery(**{**good, **changed})

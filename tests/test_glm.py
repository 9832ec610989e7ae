"""Generalised linear models on rows in memory: against statsmodels and scikit-learn, and at the optimality conditions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import optimize, special
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    confusion_matrix,
    log_loss,
    matthews_corrcoef,
    mean_poisson_deviance,
    precision_recall_fscore_support,
    roc_auc_score,
)  # fmt: skip

from drivers.glm.coordinates import Coordinates
from drivers.glm.evaluation import evaluate
from drivers.glm.inference import Curvature, measures, tables_of
from drivers.glm.penalties import Penalties
from drivers.glm.starts import cold_start, distance
from drivers.glm.state import GLMState, update
from drivers.loop import CONVERGED, DIVERGED, iterate
from jobs.errors import BadRecord
from jobs.kernels import families
from jobs.kernels.families import MULTINOMIAL
from jobs.kernels.glm import GLMQuery, GLMStatistics
from jobs.kernels.scores import N_BINS, auc
from tests.registry import gather, make_rows, take

links = sm.families.links
# Family and link here, and in statsmodels.
MODELS = {
    ("gaussian", "identity"): sm.families.Gaussian(),
    ("gaussian", "log"): sm.families.Gaussian(links.Log()),
    ("binomial", "logit"): sm.families.Binomial(),
    ("binomial", "log"): sm.families.Binomial(links.Log()),
    ("binomial", "identity"): sm.families.Binomial(links.Identity()),
    ("poisson", "log"): sm.families.Poisson(),
    ("poisson", "identity"): sm.families.Poisson(links.Identity()),
    ("gamma", "inverse"): sm.families.Gamma(),
    ("gamma", "log"): sm.families.Gamma(links.Log()),
    ("gamma", "identity"): sm.families.Gamma(links.Identity()),
    ("negative-binomial", "log"): sm.families.NegativeBinomial(alpha=0.7),
    ("negative-binomial", "identity"): sm.families.NegativeBinomial(links.Identity(), alpha=0.7),
    ("negative-binomial", "negative-binomial"): sm.families.NegativeBinomial(links.NegativeBinomial(0.7), alpha=0.7),
}
every_model = pytest.mark.parametrize(("family", "link"), list(MODELS), ids=lambda name: name)


def alpha_of(family):
    return 0.7 if family == "negative-binomial" else 0.0


def data_of(family, link, n=1500, seed=0):
    """Rows with predictors well inside the range of the link."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, 3)) * [1.0, 100.0, 1e-3] + [5.0, 0.0, 1e-2]
    eta = (X - X.mean(axis=0)) / X.std(axis=0) @ [0.3, -0.2, 0.1]
    middle, scale = {
        "identity": (0.5, 0.2) if family == "binomial" else (3.0, 1.0), "inverse": (2.0, 1.0), "logit": (0.2, 3.0),
        "log": (-1.0, 0.5) if family == "binomial" else (0.7, 1.0), "negative-binomial": (-0.7, 0.4),
    }[link]  # fmt: skip
    mu = families.mean_of(link, middle + scale * eta, alpha_of(family))[0]
    y = {
        "gaussian": lambda: mu + rng.normal(size=n) * 0.3,
        "binomial": lambda: (rng.random(n) < mu).astype(float),
        "poisson": lambda: rng.poisson(mu).astype(float),
        "gamma": lambda: rng.gamma(2.0, mu / 2),
        "negative-binomial": lambda: rng.poisson(rng.gamma(1 / 0.7, 0.7 * mu)).astype(float),
    }[family]()
    return X, y, rng.uniform(0.5, 2, n)


class Passes:
    """The loop over rows in three blocks, from the mean alone, in the coordinates of the first rows."""

    def __init__(self, X, y, w=None, model=("binomial", "logit", 0.0), q=1, offset=None, solver="newton", sample=300):
        self.X = np.asarray(X, float)
        self.rows = make_rows(X, y, w)
        self.rows.offset = offset
        self.center = self.X.mean(axis=0)
        make = Coordinates.of_rows if solver == "newton" else Coordinates.scaled
        few = self.rows.at(np.arange(min(sample, len(self.X))))
        self.coordinates = make(few.X, few.w, self.center, np.ptp(self.X, axis=0))
        self.model, self.q, self.solver = model, q, solver
        self.cold = cold_start(model, self.rows, max(q, 2), self.coordinates)
        self.queries: list[GLMQuery] = []

    def step(self, state):
        query = state.query()
        self.queries.append(query)
        total = GLMStatistics.zero(query)
        for part in np.array_split(np.arange(len(self.X)), 3):
            total = total.merge(gather(GLMStatistics, GLMQuery.from_line(query.to_line()), take(self.rows, part)))
        return total

    def fit(self, penalties=None, tol=1e-9, max_iter=100, **keywords):
        penalties = penalties or Penalties.none(1, self.X.shape[1])
        points = np.repeat(self.cold[None], len(penalties.l1), axis=0)
        state = GLMState.start(self.model, self.solver, self.coordinates, penalties, points, **keywords)
        self.state = state
        return iterate(
            self.step, update, state, distance=distance, tol=tol, max_iter=max_iter,
            objective=lambda state: state.objective, monotone="falls",
        )  # fmt: skip

    def coefficients(self, fit, i=0):
        """Intercept and slopes of the features as they stand, (q, d)."""
        b = self.coordinates.coefficients(fit.state.base[i]).copy()
        b[:, 1:] = fit.state.penalties.slopes(i, self.coordinates, fit.state.base[i])
        b[:, 0] -= b[:, 1:] @ self.center
        return b


def theirs(family, link, X, y, w, **keywords):
    """statsmodels on standardised features, told for the features as they stand: coefficients, covariance, results."""
    middle, scale = X.mean(axis=0), X.std(axis=0)
    design = sm.add_constant((X - middle) / scale)
    fitted = sm.GLM(y, design, family=MODELS[family, link], var_weights=w, **keywords).fit(
        maxiter=500, tol=1e-13, tol_criterion="params"
    )
    back = np.diag(np.append(1.0, 1 / scale))
    back[0, 1:] = -middle / scale
    return back @ fitted.params, back @ fitted.cov_params() @ back.T, fitted


def table_of(passes, fit, w, weight_type="analytic", **keywords):
    """Measures and the table of coefficients, as the driver makes them."""
    found = fit.state.found[0]
    arguments = (0, passes.coordinates, fit.state.penalties, fit.state.base[0])
    curvature = Curvature.of(*arguments, found)
    n = found.weight if weight_type == "frequency" else found.n_counted
    numbers = measures(
        passes.model, found, curvature.rank, n, weight_type, w is not None, keywords.get("null")
    )  # fmt: skip
    return numbers, tables_of(*arguments, numbers["dispersion"] * curvature.covariance(), 0.95, "")


# -- the optimum, and what is said of it -----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
@every_model
def test_coefficients_errors_and_measures_are_those_of_statsmodels(family, link):
    X, y, w = data_of(family, link)
    passes = Passes(X, y, w, (family, link, alpha_of(family)))
    fit = passes.fit(tol=1e-10)
    assert fit.status == [CONVERGED] and fit.n_iter <= 10
    estimates, covariance, fitted = theirs(family, link, X, y, w)
    np.testing.assert_allclose(passes.coefficients(fit)[0], estimates, rtol=1e-8)
    numbers, (table,) = table_of(passes, fit, w)
    np.testing.assert_allclose(table.standard_errors, np.sqrt(np.diag(covariance)), rtol=1e-8)
    np.testing.assert_allclose(table.p_values[1:], fitted.pvalues[1:], rtol=1e-5, atol=1e-14)
    assert numbers["deviance"] == pytest.approx(fitted.deviance, rel=1e-10)
    assert numbers["null_deviance"] == pytest.approx(fitted.null_deviance, rel=1e-8)
    assert numbers["pearson_chi2"] == pytest.approx(fitted.pearson_chi2, rel=1e-7)
    assert numbers["df_residuals"] == fitted.df_resid
    if family != "gamma":
        # The largest one: statsmodels takes the variance that makes it so for the identity link alone.
        at = fitted.llf_scaled(fitted.deviance / len(y)) if (family, link) == ("gaussian", "log") else fitted.llf
        assert numbers["log_likelihood"] == pytest.approx(at, rel=1e-10)
        assert numbers["aic"] == pytest.approx(2 * 4 - 2 * at, rel=1e-10)
    else:
        assert math.isnan(numbers["log_likelihood"])


@pytest.mark.parametrize(("family", "link"), [("gamma", "log"), ("gaussian", "identity")])
def test_a_log_likelihood_without_weights_is_statsmodels(family, link):
    X, y, _ = data_of(family, link)
    passes = Passes(X, y, None, (family, link, 0.0))
    numbers, _ = table_of(passes, passes.fit(), None)
    assert numbers["log_likelihood"] == pytest.approx(theirs(family, link, X, y, None)[2].llf, rel=1e-9)


@pytest.mark.parametrize("family", ["poisson", "binomial"])
def test_weights_are_copies_where_they_count_rows(family):
    link = families.CANONICAL[family]
    X, y, _ = data_of(family, link, 600)
    w = np.arange(600) % 4.0
    weighted, copied = Passes(X, y, w, (family, link, 0.0)), Passes(*(np.repeat(v, w.astype(int), axis=0) for v in (X, y)),
                                                                   None, (family, link, 0.0))  # fmt: skip
    fits = weighted.fit(), copied.fit()
    np.testing.assert_allclose(weighted.coefficients(fits[0]), copied.coefficients(fits[1]), rtol=1e-8)
    ours, (table,) = table_of(weighted, fits[0], w, "frequency")
    other, (copies,) = table_of(copied, fits[1], None)
    np.testing.assert_allclose(table.standard_errors, copies.standard_errors, rtol=1e-8)
    for name in ("n_observations", "deviance", "null_deviance", "log_likelihood", "bic", "df_residuals"):
        assert ours[name] == pytest.approx(other[name], rel=1e-9), name


@every_model
def test_the_gradient_and_the_second_derivative_are_those_of_the_loss(family, link):
    """By differences of the loss, at a point that is not the optimum."""
    X, y, w = data_of(family, link, 200)
    passes = Passes(X, y, w, (family, link, alpha_of(family)), offset=np.linspace(-0.01, 0.01, 200))
    passes.fit(max_iter=2, tol=0.0)
    query = passes.queries[-1]
    point, width = query.points[0].ravel(), 1e-5

    def at(theta):
        changed = GLMQuery(**{**vars(query), "points": theta.reshape(query.points.shape)})
        return gather(GLMStatistics, changed, passes.rows)

    found = at(point)
    D = len(point)
    second = found.curvature[0] if found.curvature.size else found.information[0]
    exact = families.CANONICAL[family] == link or families.has_own_curvature(family, link)
    for j in range(D):
        e = width * np.eye(D)[j]
        high, low = at(point + e), at(point - e)
        assert found.gradient[0, j] == pytest.approx((high.loss[0] - low.loss[0]) / (2 * width), rel=1e-5, abs=1e-4)
        if exact:
            numeric = (high.gradient[0] - low.gradient[0]) / (2 * width)
            np.testing.assert_allclose(second[j], numeric, rtol=1e-5, atol=1e-4 * np.abs(second).max())


def test_an_offset_is_a_coefficient_of_one_and_the_null_model_keeps_it():
    X, _, w = data_of("poisson", "log")
    rng = np.random.default_rng(3)
    exposure = rng.uniform(0.5, 20, len(X))
    y = rng.poisson(exposure * np.exp((X[:, 0] - 5) * 0.4)).astype(float)
    penalties = Penalties.none(2, 3)
    penalties.free[1] = False
    passes = Passes(X, y, w, ("poisson", "log", 0.0), offset=np.log(exposure))
    fit = passes.fit(penalties)
    estimates, _, fitted = theirs("poisson", "log", X, y, w, offset=np.log(exposure))
    np.testing.assert_allclose(passes.coefficients(fit)[0], estimates, rtol=1e-7)
    assert (passes.coefficients(fit, 1)[0, 1:] == 0).all()
    assert 2 * fit.state.found[1].loss == pytest.approx(fitted.null_deviance, rel=1e-9)


@pytest.mark.parametrize("C", [2, 3, 7])
def test_multinomial_contrasts_are_those_of_statsmodels(C):
    rng = np.random.default_rng(C)
    X = rng.normal(size=(3000, 2)) * [1, 50] + [0, 1000]
    scores = np.column_stack([c * 0.3 * X[:, 0] - c * 0.005 * (X[:, 1] - 1000) for c in range(C)])
    y = (scores + rng.gumbel(size=scores.shape)).argmax(axis=1).astype(float)
    model = (MULTINOMIAL, "logit", 0.0) if C > 2 else ("binomial", "logit", 0.0)
    passes = Passes(X, y, None, model, C if C > 2 else 1)
    fit = passes.fit()
    assert fit.status == [CONVERGED]
    middle, scale = X.mean(axis=0), X.std(axis=0)
    other = sm.MNLogit(y, sm.add_constant((X - middle) / scale)).fit(disp=0, method="newton", maxiter=100, tol=1e-14)
    numbers, tables = table_of(passes, fit, None)
    assert len(tables) == C - 1
    for c, table in enumerate(tables):
        np.testing.assert_allclose(table.estimates[1:], np.asarray(other.params)[1:, c] / scale, rtol=1e-6)
        np.testing.assert_allclose(table.standard_errors[1:], np.asarray(other.bse)[1:, c] / scale, rtol=1e-6)
    assert numbers["log_likelihood"] == pytest.approx(other.llf, rel=1e-10)
    assert numbers["null_log_likelihood"] == pytest.approx(other.llnull, rel=1e-8)
    assert numbers["lr_p_value"] == pytest.approx(other.llr_pvalue, rel=1e-6, abs=1e-300)
    assert numbers["df_model"] == other.df_model


# -- shapes of data that are hard ------------------------------------------------------------------------------------------


SHAPES = (
    "plain", "far from zero", "uneven scales", "rare class", "collinear", "200 columns", "weights", "constant column",
    "heavy tails", "thirty classes",
)  # fmt: skip
# Rows of the sample and classes of a model.
KINDS = {"binomial": 1, MULTINOMIAL: 3, "poisson": 1}


def hard(name, family):
    """(X, y, w, q): ten shapes of data of two classes, of three, or of counts."""
    rng = np.random.default_rng(5)
    n = 60_000 if name == "rare class" else 4000
    X = rng.normal(size=(n, 200 if name == "200 columns" else 4))
    B = rng.normal(size=(200, 3)) / 20 if name == "200 columns" else np.array([[1.0, -0.5, 0.3, 0.2]]).T * [1.0, -0.7, 0.4]
    w = rng.gamma(0.3, size=n) if name == "weights" else None
    if name == "heavy tails":
        X[:, 0] = rng.standard_t(1.5, size=n)
    eta = X @ B + [-8.0 if name == "rare class" else -0.3, 0.0, 0.2]
    if name == "thirty classes":
        return X, (X[:, :1] * np.linspace(-1, 1, 30) + rng.gumbel(size=(n, 30))).argmax(axis=1).astype(float), w, 30
    if family == MULTINOMIAL:
        y = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1).astype(float)
    elif family == "poisson":
        y = rng.poisson(np.exp(np.minimum(eta[:, 0], 3.0))).astype(float)
    else:
        y = (rng.random(n) < 1 / (1 + np.exp(-eta[:, 0]))).astype(float)
    if name == "far from zero":
        X = X + 1e6
    if name == "uneven scales":
        X = X * [1e-4, 1e4, 1.0, 100.0]
    if name == "collinear":
        X = np.column_stack([X, X[:, 0] - 2 * X[:, 1]])
    if name == "constant column":
        X = np.column_stack([X, np.full(n, 7.0)])
    return X, y, w, KINDS[family]


def peer(family, Z, y, w, has_best):
    """The loss a row, as scikit-learn has it, and the predictors (n, q) of its fit without a penalty."""
    if family == "poisson":
        fitted = PoissonRegressor(alpha=0.0, solver="newton-cholesky" if has_best else "lbfgs", tol=1e-12, max_iter=20_000)
        mu = fitted.fit(Z, y, w).predict(Z)
        return mean_poisson_deviance(y, mu, sample_weight=w) / 2, np.log(mu)[:, None]
    solver = "newton-cholesky" if has_best and family == "binomial" else "lbfgs"
    fitted = LogisticRegression(C=np.inf, solver=solver, tol=1e-10, max_iter=20_000).fit(Z, y, w)
    eta = fitted.decision_function(Z)
    return log_loss(y, fitted.predict_proba(Z), sample_weight=w), eta.reshape(len(y), -1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "family"),
    [(name, family) for name in SHAPES for family in KINDS if name != "thirty classes" or family == MULTINOMIAL],
)
def test_hard_shapes_reach_the_peers_optimum(name, family):
    """The loss is that of scikit-learn's solvers on standardised features, without a penalty, or below; and the residuals
    are orthogonal to every feature."""
    X, y, w, q = hard(name, family)
    passes = Passes(X, y, w, (family, "log" if family == "poisson" else "logit", 0.0), q, sample=1000)
    fit = passes.fit(tol=1e-8)
    assert fit.status == [CONVERGED] and fit.n_iter <= (30 if name == "heavy tails" else 15), (fit.status, fit.n_iter)
    spread = np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0)
    Z = (X - X.mean(axis=0)) / spread
    has_best = name not in ("collinear", "constant column") and family != MULTINOMIAL
    theirs, their_eta = peer(family, Z, y, w, has_best)
    ours = fit.state.found[0].loss / fit.state.found[0].weight
    assert ours == pytest.approx(theirs, rel=1e-7) and ours <= theirs * (1 + 1e-10)
    b = passes.coefficients(fit)
    eta = X @ b[:, 1:].T + b[:, 0]
    if q > 1:
        residuals = np.eye(q)[y.astype(int)] - special.softmax(eta, axis=1)
        eta, their_eta = eta - eta.mean(axis=1, keepdims=True), their_eta - their_eta.mean(axis=1, keepdims=True)
    else:
        residuals = y[:, None] - (np.exp(eta) if family == "poisson" else special.expit(eta))
    assert np.abs(eta - their_eta).max() < (1e-7 if has_best else 1e-4) * max(1, np.abs(their_eta).max())
    weighted = residuals * (np.ones(len(y)) if w is None else w)[:, None]
    lengths = np.linalg.norm(weighted, axis=0) * np.linalg.norm(Z, axis=0)[:, None]
    assert (np.abs(Z.T @ weighted) < 1e-7 * np.maximum(lengths, 1e-300)).all()


def test_separated_classes_are_said():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 3))
    complete = Passes(X, (X[:, 0] > 0.1).astype(float))
    fit = complete.fit()
    assert fit.status == [DIVERGED] and fit.state.separated.all() and fit.n_iter < 30
    X[:, 2] = X[:, 2] > 1
    y = np.where(X[:, 2] == 1, 1.0, rng.random(500) < 0.5)
    quasi = Passes(X, y)
    fit = quasi.fit()
    assert fit.state.separated.all() and fit.n_iter < 20
    # A penalty has a minimum all the same.
    penalties = Penalties.none(1, 3)
    penalties.l2[:] = 1.0
    assert complete.fit(penalties).status == quasi.fit(penalties).status == [CONVERGED]
    # Counts of 0 alone where a column is 1: its coefficient falls without end.
    counts = np.where(X[:, 2] == 1, 0.0, rng.poisson(2.0, 500))
    fit = Passes(X, counts, None, ("poisson", "log", 0.0)).fit()
    assert fit.state.separated.all()
    # And data that are only nearly so are not.
    y[np.flatnonzero(X[:, 2] == 1)[0]] = 0.0
    fit = Passes(X, y).fit()
    assert fit.status == [CONVERGED] and not fit.state.separated.any()


def test_a_step_that_is_too_long_is_shortened():
    """Poisson counts far from the start: the first Newton step overshoots by hundreds."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(2000, 2))
    y = rng.poisson(np.exp(np.minimum(4 * X[:, 0] - 6, 12))).astype(float)
    passes = Passes(X, y, None, ("poisson", "log", 0.0))
    fit = passes.fit()
    assert fit.status == [CONVERGED]
    assert any(len(query.trials) for query in passes.queries)
    objectives = [entry["objective"][0] for entry in fit.history]
    assert all(b <= a for a, b in zip(objectives, objectives[1:]))
    estimates, _, _ = theirs("poisson", "log", X, y, np.ones(2000))
    np.testing.assert_allclose(passes.coefficients(fit)[0], estimates, rtol=1e-6)


# -- penalties, bounds, solvers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("l1", "l2"), [(0.0, 5.0), (20.0, 0.0), (10.0, 10.0), (200.0, 1.0)])
@pytest.mark.parametrize("q", [1, 3])
def test_penalised_fits_are_scikit_learns(l1, l2, q):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(1500, 5))
    scores = np.column_stack([X @ rng.normal(size=5) * 0.5 for _ in range(3)]) + rng.gumbel(size=(1500, 3))
    y = scores.argmax(axis=1).astype(float)
    if q == 1:
        y = np.minimum(y, 1.0)
    w = rng.uniform(0.5, 2, 1500)
    penalties = Penalties.none(1, 5)
    penalties.l1[:], penalties.l2[:] = l1, l2
    passes = Passes(X, y, w, (MULTINOMIAL if q > 1 else "binomial", "logit", 0.0), q)
    fit = passes.fit(penalties)
    assert fit.status == [CONVERGED], fit.history[-1]
    other = LogisticRegression(C=1 / (l1 + l2), l1_ratio=l1 / (l1 + l2), solver="saga", tol=1e-10, max_iter=50_000)
    if not l1:
        other = LogisticRegression(C=1 / l2, tol=1e-12, max_iter=10_000)
    other.fit(X, y, w)
    ours = passes.coefficients(fit)[:, 1:]
    np.testing.assert_allclose(ours, other.coef_, atol=2e-6)
    assert np.array_equal(ours == 0, np.abs(other.coef_) < 1e-7)


def test_a_penalty_by_the_mean_is_that_of_the_poisson_regressor():
    X, y, w = data_of("poisson", "log")
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    penalties = Penalties.none(1, 3)
    penalties.by_mean = True
    penalties.l2[:] = 0.1
    passes = Passes(X, y, w, ("poisson", "log", 0.0))
    fit = passes.fit(penalties)
    other = PoissonRegressor(alpha=0.1, tol=1e-12, max_iter=10_000).fit(X, y, w)
    np.testing.assert_allclose(passes.coefficients(fit)[0, 1:], other.coef_, rtol=1e-6)


@pytest.mark.parametrize("bounds", [(0.0, np.inf), (-0.1, 0.2)])
def test_bounds_hold_at_the_optimum_that_scipy_finds(bounds):
    X, y, w = data_of("binomial", "logit", 800)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    penalties = Penalties.none(1, 3)
    penalties.lower[:], penalties.upper[:] = bounds
    passes = Passes(X, y, w)
    fit = passes.fit(penalties)
    assert fit.status == [CONVERGED]

    def loss(b):
        eta = b[0] + X @ b[1:]
        p = 1 / (1 + np.exp(-eta))
        return w @ (np.logaddexp(0, eta) - y * eta), np.append((w * (p - y)).sum(), X.T @ (w * (p - y)))

    found = optimize.minimize(loss, np.zeros(4), jac=True, bounds=[(None, None), *[bounds] * 3], method="L-BFGS-B",
                              options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10_000})  # fmt: skip
    b = passes.coefficients(fit)[0]
    np.testing.assert_allclose(b, found.x, atol=1e-6)
    assert (b[1:] >= bounds[0]).all() and (b[1:] <= bounds[1]).all() and loss(b)[0] <= found.fun * (1 + 1e-12)


@pytest.mark.parametrize("solver", ["lbfgs", "gd"])
@pytest.mark.parametrize("q", [1, 3])
def test_the_other_solvers_end_at_the_same_place(solver, q):
    rng = np.random.default_rng(4)
    X = rng.normal(size=(2000, 6)) * [1, 10, 0.1, 1, 5, 1] + 3
    y = rng.integers(0, max(q, 2), 2000).astype(float)
    y[X[:, 0] > 3.8] = 1.0
    model = (MULTINOMIAL if q > 1 else "binomial", "logit", 0.0)
    newton, other = Passes(X, y, None, model, q), Passes(X, y, None, model, q, solver=solver)
    fits = newton.fit(), other.fit(tol=1e-7, max_iter=400)
    assert fits[1].status == [CONVERGED], fits[1].history[-1]
    assert fits[1].state.found[0].information.shape[1] == 1  # no matrix travelled
    ours, theirs = newton.coefficients(fits[0]), other.coefficients(fits[1])
    np.testing.assert_allclose(ours - ours.mean(axis=0) * (q > 1), theirs - theirs.mean(axis=0) * (q > 1), atol=1e-5)


# -- candidates, folds, scores ---------------------------------------------------------------------------------------------


def test_candidates_advance_as_if_each_were_alone_and_do_not_see_their_fold():
    from jobs.kernels.folds import Folds

    X, y, w = data_of("binomial", "logit")
    folds = Folds(3, 0.0, 9)
    penalties = Penalties.none(4, 3)
    penalties.l2[:] = [1.0, 1.0, 50.0, 0.0]
    left_out = np.array([-1, 1, 2, 0])
    passes = Passes(X, y, w)
    together = passes.fit(penalties, folds=folds, left_out=left_out)
    parts = folds.assign(passes.rows.fold_keys)
    assert set(together.status) == {CONVERGED}
    for i, fold in enumerate(left_out):
        kept = parts != fold
        alone = Passes(X[kept], y[kept], w[kept])
        one = Penalties.none(1, 3)
        one.l2[:] = penalties.l2[i]
        fit = alone.fit(one)
        np.testing.assert_allclose(passes.coefficients(together, i), alone.coefficients(fit), rtol=1e-6)
        if fold >= 0:
            eta = X[~kept] @ passes.coefficients(together, i)[0, 1:] + passes.coefficients(together, i)[0, 0]
            found = together.state.found[i]
            expected = log_loss(y[~kept], 1 / (1 + np.exp(-eta)), sample_weight=w[~kept])
            assert found.held_loss / found.held_weight == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("q", [1, 4])
def test_figures_of_a_classifier_are_scikit_learns(q):
    rng = np.random.default_rng(8)
    X = rng.normal(size=(5000, 3))
    y = rng.integers(0, max(q, 2), 5000).astype(float)
    y = np.where(X[:, 0] > 0.7, 1.0, y)
    w = rng.uniform(0, 2, 5000)
    model = (MULTINOMIAL if q > 1 else "binomial", "logit", 0.0)
    passes = Passes(X, y, w, model, q)
    fit = passes.fit(scored=np.array([True]))
    names = [f"class {c}" for c in range(max(q, 2))]
    figures = evaluate(fit.state.found[0], names, fit.state.edges)
    b = passes.coefficients(fit)
    eta = b[:, 0] + X @ b[:, 1:].T
    p = families.softmax(eta)[0] if q > 1 else np.column_stack([1 / (1 + np.exp(eta)), 1 / (1 + np.exp(-eta))])
    predicted = p.argmax(axis=1)
    np.testing.assert_allclose(figures["confusion"], confusion_matrix(y, predicted, sample_weight=w), rtol=1e-9)
    precision, recall, f1, _ = precision_recall_fscore_support(y, predicted, sample_weight=w, zero_division=0)
    for j, row in enumerate(figures["classes"]):
        assert (row["precision"], row["recall"], row["f1"]) == pytest.approx((precision[j], recall[j], f1[j]), rel=1e-9)
    assert figures["log_loss"] == pytest.approx(log_loss(y, p, sample_weight=w), rel=1e-9)
    assert figures["mcc"] == pytest.approx(matthews_corrcoef(y, predicted, sample_weight=w), rel=1e-8)
    shown = [1] if q == 1 else range(q)
    for curve, c in zip(figures["curves"], shown):
        area = roc_auc_score(y == c, p[:, c], sample_weight=w)
        assert abs(curve["auc"] - area) <= curve["auc_error"] + 1e-12 and curve["auc_error"] < 2e-3
        precise = average_precision_score(y == c, p[:, c], sample_weight=w)
        assert curve["average_precision"] == pytest.approx(precise, abs=5e-3)
        assert np.average(curve["calibration"]["predicted"], weights=curve["calibration"]["weight"]) == pytest.approx(
            np.average(p[:, c], weights=w), rel=1e-9
        )
    if q == 1:
        assert figures["brier"] == pytest.approx(brier_score_loss(y, p[:, 1], sample_weight=w), rel=1e-9)


def test_an_area_of_no_class_is_not_a_number():
    assert all(math.isnan(value) for value in auc(np.ones(N_BINS), np.zeros(N_BINS)))


# -- families --------------------------------------------------------------------------------------------------------------


def test_logistic_losses_keep_their_digits_where_exp_would_overflow():
    import mpmath

    y, eta = np.array([1.0, 1.0, 0.0, 0.0, 0.3]), np.array([800.0, -800.0, 40.0, -40.0, 2.0])
    ours = families.losses("binomial", "logit", y, eta)
    with mpmath.workdps(400):
        exact = []
        for a, b in zip(y.tolist(), eta.tolist()):
            a, b = mpmath.mpf(a), mpmath.mpf(b)
            entropy = sum(v * mpmath.log(v) for v in (a, 1 - a) if v)
            exact.append(float(mpmath.log(1 + mpmath.exp(b)) - a * b + entropy))
    np.testing.assert_allclose(ours, exact, rtol=1e-14, atol=1e-300)
    p, rest = families.sigmoid(np.array([-745.0, 745.0, 0.0]))
    assert p[0] == rest[1] > 0 and p[2] == rest[2] == 0.5


@every_model
def test_a_loss_is_zero_at_its_own_mean_and_linear_in_y_but_for_what_is_saturated(family, link):
    X, y, _ = data_of(family, link, 50)
    alpha = alpha_of(family)
    inside = (y > 0) & (y < 1) if family == "binomial" else y > 0
    at_itself = np.array([families.link_of(link, value, alpha) for value in np.where(inside, y, 0.5)])
    np.testing.assert_allclose(families.losses(family, link, np.where(inside, y, 0.5), at_itself, alpha), 0, atol=1e-12)
    eta = np.full(3, families.link_of(link, 0.6, alpha))
    three = np.array([0.2, 0.5, 0.8])
    rest = families.losses(family, link, three, eta, alpha) - families.saturated(family, three, alpha)
    assert rest[1] == pytest.approx((rest[0] + rest[2]) / 2, rel=1e-12)
    total = families.losses_of_one_mean(family, 0.6, three.sum(), 3.0, alpha)
    assert total == pytest.approx(rest.sum(), rel=1e-12)


@pytest.mark.parametrize(
    ("family", "link", "eta"),
    [("poisson", "identity", -1.0), ("gamma", "inverse", -2.0), ("binomial", "log", 0.5),
     ("negative-binomial", "negative-binomial", 1.0)],
)  # fmt: skip
def test_a_mean_that_the_family_has_not_is_an_infinite_loss_and_no_slope(family, link, eta):
    alpha = alpha_of(family)
    assert families.losses(family, link, np.array([1.0]), np.array([eta]), alpha)[0] == np.inf
    assert all(value[0] == 0 for value in families.derivatives(family, link, np.array([1.0]), np.array([eta]), alpha))


# -- what cannot be asked --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [{"link": "log"}, {"family": "moon"}, {"left_out": np.array([2])}, {"trial_of": np.array([1])}, {"pool": np.array([3])},
     {"center": np.zeros(5)}, {"basis": np.eye(2)}, {"class_weights": np.ones(3)},
     {"family": "negative-binomial", "link": "log"}],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_refused(change):
    passes = Passes(*data_of("binomial", "logit", 50))
    passes.fit(max_iter=1)
    query = passes.queries[0]
    if "trial_of" in change:
        change = {**change, "trials": query.points}
    if change.get("link") == "log":
        change = {**change, "family": "multinomial"}
    with pytest.raises(BadRecord):
        GLMQuery(**{**vars(query), **change})

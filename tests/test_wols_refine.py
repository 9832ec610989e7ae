"""Iterative refinement of weighted least squares, against a reference of 60 digits on the data as they stand."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest

from bench.digits import DECIMALS, exact_fit, right_digits
from drivers.linear.inference import classical_table, measures_of_fit
from drivers.linear.refinement import LOOP, MAX_PASSES, RefinementState, refine, refined, update
from drivers.loop import CONVERGED, DIVERGED, iterate
from jobs.design import Design
from jobs.kernels.wols import WOLSQuery, WOLSStatistics, r_factor, solve
from jobs.kernels.wols_refine import WOLSRefineQuery, WOLSRefineStatistics, correct
from jobs.mr_wols_refine import MRWOLSRefine
from tests.registry import gather, make_blocks, make_rows, run_job, take, write_blocks, write_query


class Passes:
    """A run, as far as refinement knows one, over rows in memory."""

    def __init__(self, X, y, w=None, n_blocks: int = 1, center=None) -> None:
        rows = make_rows(X, y, w)
        self.parts = [take(rows, part) for part in np.array_split(np.arange(len(rows.w)), n_blocks)]
        self.query = WOLSQuery(np.mean(rows.X, axis=0) if center is None else center, float(np.mean(rows.y)))
        self.statistics = self.merged(WOLSStatistics, self.query)
        self.solution = solve(self.statistics, self.query)
        self.warnings: list[str] = []
        self.fit = None

    def merged(self, statistics_class, query):
        total = statistics_class.zero(query)
        for part in self.parts:
            total = total.merge(gather(statistics_class, query, part))
        return total

    def iterate(self, phase, job, design, start, **loop_arguments):
        assert (phase, job) == ("refine", MRWOLSRefine)
        step = lambda state: self.merged(job.statistics_class, state.query())  # noqa: E731
        self.fit = iterate(step, state=start(), **loop_arguments)
        return self.fit

    def refine(self):
        return refine(self, Design([], "y"), self.statistics, self.query, self.solution)

    def table(self, solution):
        made = classical_table(self.statistics, solution, measures_of_fit(self.statistics, solution), 0.95)
        return made.estimates, made.standard_errors


def reference(X, y, w=None):
    columns = [list(map(mpmath.mpf, column)) for column in np.asarray(X, float).T.tolist()]
    return exact_fit(columns, list(map(mpmath.mpf, y.tolist())), np.ones(len(y)) if w is None else w)


def digits(found, exact):
    return [right_digits(values, of) for values, of in zip(found, exact)]


def nearly_collinear(distance, seed=0, n=60):
    """Of a condition number of about 1 / distance, and coefficients that are all many standard errors from zero."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, 3))
    X = np.column_stack([Z, Z[:, 0] - Z[:, 1] + distance * rng.normal(size=n)])
    noise = np.round(distance * rng.normal(size=n), 18)
    return X, Z @ [1.0, 2.0, -1.0] + X[:, 3] + 3 + noise, rng.gamma(2.0, size=n)


# -- the sums of a pass ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0.0, 1e6, 1e15])
@pytest.mark.parametrize("seed", range(3))
def test_the_sums_are_those_of_60_digits(seed, offset):
    rng = np.random.default_rng(seed)
    n, p = 30, 3
    X, y, w = rng.normal(size=(n, p)) * [1, 1e-3, 1e5] + offset, rng.normal(size=n) + offset, rng.gamma(1.0, size=n)
    center = rng.normal(size=p) + offset
    coefficients = np.column_stack([rng.normal(size=p + 1), 1e-17 * rng.normal(size=p + 1)])
    query = WOLSRefineQuery(
        0.3, 5, center, 2.0 ** np.array([0, 1, -9, 18, 2]), rng.normal(size=(p + 1, p + 1)), coefficients
    )
    found = gather(WOLSRefineStatistics, query, make_rows(X, y, w))
    with mpmath.workdps(DECIMALS):
        mpf = lambda values: mpmath.matrix(np.asarray(values, float).tolist())  # noqa: E731
        Z = mpmath.matrix([[1, *(mpmath.mpf(v) - c for v, c in zip(row, center.tolist()))] for row in X.tolist()])
        b = mpf(coefficients[:, 0]) + mpf(coefficients[:, 1])
        e = mpf(y) - mpmath.mpf(0.3) * mpmath.ones(n, 1) - Z * b
        Q = Z * mpf(query.basis)
        W = mpmath.diag(list(map(mpmath.mpf, w.tolist())))
        gram, qwe, rss = Q.T * W * Q, Q.T * W * e, (e.T * W * e)[0]
    assert found.n_rows == n
    assert found.residual_square_sum == pytest.approx(float(rss), rel=1e-15)
    norms = np.sqrt([float(gram[j, j]) for j in range(p + 1)])
    np.testing.assert_allclose(found.qwe_sum, [float(v) for v in qwe], rtol=0, atol=1e-15 * norms.max() * float(rss) ** 0.5)
    assert np.all(np.abs(found.gram - np.array(gram.tolist(), float)) <= 1e-15 * np.outer(norms, norms))


@pytest.mark.parametrize("seed", range(3))
def test_any_basis_and_any_coefficients_lead_to_the_solution(seed):
    """Nothing has to be right about S and b, as long as gram is no worse conditioned than doubles bear."""
    X, y, w = nearly_collinear(1e-2, seed)
    passes, exact = Passes(X, y, w), reference(X, y, w)
    rng = np.random.default_rng(seed)
    state = RefinementState.start(passes.statistics, passes.query, passes.solution)
    size = len(state.point.basis)
    state.point.basis = state.point.basis @ (np.eye(size) + 0.3 * rng.normal(size=(size, size)))
    state.point.coefficients = state.point.coefficients * (1 + 1e-3 * rng.normal(size=(size, 1)))
    fit = passes.iterate("refine", MRWOLSRefine, None, lambda: state, **LOOP)
    assert fit.status == [CONVERGED] and fit.n_iter == 2
    assert min(digits(passes.table(refined(fit, passes.solution, [])), exact)) > 14.5


def test_a_row_of_weight_zero_is_an_absent_row():
    X, y, w = nearly_collinear(1e-3)
    passes = Passes(X, y, w)
    query = RefinementState.start(passes.statistics, passes.query, passes.solution).query()
    far = np.vstack([X, np.full((2, 4), [[1e300], [-1e-300]])])
    with_zeros = gather(WOLSRefineStatistics, query, make_rows(far, np.append(y, [1e308, 7]), np.append(w, [0, 0])))
    assert with_zeros.md5() == gather(WOLSRefineStatistics, query, make_rows(X, y, w)).md5()


# -- the digits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_blocks", [1, 4])
@pytest.mark.parametrize("distance", [1e-2, 1e-6, 1e-10, 1e-12, 1e-13])
def test_one_pass_gives_all_digits_whatever_the_condition(distance, n_blocks):
    X, y, w = nearly_collinear(distance, n=80)
    passes = Passes(X, y, w, n_blocks)
    solution = passes.refine()
    assert 0.1 / distance < solution.condition_number < 100 / distance
    assert (passes.fit.n_iter, passes.warnings) == (1, [])
    assert min(digits(passes.table(solution), reference(X, y, w))) > 14.5


@pytest.mark.parametrize("center", [0.0, 1e15, 1e15 + 0.125])
def test_data_far_from_zero(center):
    """A mean of 1e15: whole numbers and eighths. The centre may lie anywhere near."""
    rng = np.random.default_rng(1)
    X = 1e15 + rng.integers(-400, 400, (50, 2)) / 8
    y = (X - 1e15) @ [1.0, -3.0] + rng.normal(size=50)
    passes = Passes(X, y, center=np.full(2, center) if center else None)
    assert min(digits(passes.table(passes.refine()), reference(X, y))) > 14.5


def test_blocks_have_no_say_in_the_digits():
    X, y, w = nearly_collinear(1e-8, n=200)
    exact = reference(X, y, w)
    for n_blocks in (1, 2, 3, 7, 40):
        passes = Passes(X, y, w, n_blocks)
        assert min(digits(passes.table(passes.refine()), exact)) > 14.5


@pytest.mark.parametrize("n_blocks", [1, 5])
def test_a_perfect_fit_is_one(n_blocks):
    """Residuals that are nothing but the last place of y are told from those that are none."""
    x = np.linspace(0, 1, 21) ** 2
    X = x[:, None] ** np.arange(1, 6)
    passes = Passes(np.rint(X * 2**20), np.rint(X * 2**20) @ [1.0, -2.0, 3.0, 0.0, 5.0] + 7, None, n_blocks)
    solution = passes.refine()
    assert solution.residual_square_sum == 0
    assert solution.intercept == 7
    np.testing.assert_array_equal(solution.coefficients[[0, 1, 2, 4]], [1, -2, 3, 5])
    assert abs(solution.coefficients[3]) < 1e-25
    assert passes.fit.status == [CONVERGED]
    rounded = Passes(X, X @ [1.0, -2.0, 3.0, 0.0, 5.0] + 7, None, n_blocks)
    solution = rounded.refine()
    assert 1e-18 < math.sqrt(solution.residual_square_sum) < 1e-14
    assert min(digits(rounded.table(solution), reference(X, X @ [1.0, -2.0, 3.0, 0.0, 5.0] + 7))) > 14


def test_as_many_rows_as_coefficients():
    X = np.array([[1.0, 2.0], [3.0, 5.0], [4.0, 11.0]])
    passes = Passes(X, np.array([1.0, 2.0, 4.0]))
    solution = passes.refine()
    exact = [1 / 3, 0.0, 1 / 3]
    np.testing.assert_allclose(np.append(solution.intercept, solution.coefficients), exact, rtol=1e-14, atol=1e-30)
    assert solution.residual_square_sum == 0


def test_no_features():
    y, w = np.array([1.0, 2, 6]), np.array([1.0, 0, 3])
    passes = Passes(np.empty((3, 0)), y, w)
    assert passes.refine().intercept == 4.75


def test_the_measures_of_fit_follow():
    X, y, w = nearly_collinear(1e-7)
    passes = Passes(X, y, w, 3)
    solution = passes.refine()
    total = passes.solution.residual_square_sum + passes.solution.explained_square_sum
    assert solution.residual_square_sum + solution.explained_square_sum == pytest.approx(total, rel=1e-15)
    assert (solution.rank, solution.dependent) == (4, [])
    assert solution.covariance_root.shape == passes.solution.covariance_root.shape
    np.testing.assert_array_equal(np.tril(solution.covariance_root, -1), 0)


# -- R of the first pass --------------------------------------------------------------------------------------------------


def triangle(rows) -> np.ndarray:
    """The triangle of rows, whose diagonal is positive, in 60 digits and then rounded."""
    with mpmath.workdps(DECIMALS):
        A = mpmath.matrix([list(map(mpmath.mpf, row)) for row in rows])
        return np.array(mpmath.cholesky(A.T * A).T.tolist(), float)


def row_errors(found, exact) -> float:
    """The largest error of an entry relative to the largest entry of its row."""
    return float(np.max(np.abs(found - exact) / np.max(np.abs(exact), axis=1, keepdims=True)))


def upward(r: np.ndarray) -> np.ndarray:
    return r * np.sign(np.diag(r))[:, None]


@pytest.mark.parametrize("distance", [1e-4, 1e-8, 1e-12])
def test_r_of_ill_conditioned_rows_is_right_in_every_row(distance):
    """Householder's, in doubles, is right to EPS of the norm of a column: in the small rows not at all."""
    errors = []
    for seed in range(5):  # one of which may be right by luck
        X, y, _ = nearly_collinear(distance, seed)
        query = WOLSQuery(np.zeros(4), 0.0)
        exact = triangle(np.column_stack([np.ones(len(y)), X, y]).tolist())
        found = upward(gather(WOLSStatistics, query, make_rows(X, y)).r)
        assert row_errors(found, exact) < 1e-15
        plain = upward(r_factor(np.column_stack([np.ones(len(y)), X, y])))
        errors.append(abs(plain[4, 4] / exact[4, 4] - 1))
    assert max(errors) > 1e-17 / distance


@pytest.mark.parametrize("distance", [1e-4, 1e-8])
def test_r_of_two_triangles_is_right_in_every_row(distance):
    X, y, _ = nearly_collinear(distance)
    query = WOLSQuery(np.zeros(4), 0.0)
    a, b = (gather(WOLSStatistics, query, make_rows(X[part], y[part])) for part in np.split(np.arange(60), 2))
    exact = triangle(np.vstack([a.r, b.r]).tolist())
    assert row_errors(upward(a.merge(b).r), exact) < 1e-15


def test_r_of_other_rows_is_what_it_was():
    """Well conditioned, or singular: a correction would be in vain, or impossible."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    y = X.sum(axis=1) + rng.normal(size=40)
    query = WOLSQuery(np.zeros(3), 0.0)
    for columns in (X, X[:, [0, 1, 1]], X * [1, 0, 1], np.column_stack([X[:, :2], X[:, 0] * (1 + 1e-15)])):
        found = gather(WOLSStatistics, query, make_rows(columns, y)).r
        np.testing.assert_array_equal(found, r_factor(np.asfortranarray(np.column_stack([np.ones(40), columns, y]))))


def test_sizes_beyond_all_squares_do_not_raise():
    rng = np.random.default_rng(0)
    for size in (1e-200, 1e200):
        X = rng.normal(size=(20, 2)) * size
        assert np.isfinite(gather(WOLSStatistics, WOLSQuery(np.zeros(2), 0.0), make_rows(X, X[:, 0] * 2)).r).all()


# -- when to go on, and when to give up -----------------------------------------------------------------------------------


def test_a_bad_start_takes_a_second_pass():
    """A triangle of three right digits: the step is so large that its own rounding would be seen."""
    X, y, w = nearly_collinear(1e-3)
    passes, exact = Passes(X, y, w), reference(X, y, w)
    rough = dataclasses.replace(passes.statistics, r=passes.statistics.r.astype(np.float16).astype(float))
    state = RefinementState.start(rough, passes.query, passes.solution)
    first = update(state, passes.merged(WOLSRefineStatistics, state.query()))
    assert first.distance > LOOP["tol"]
    fit = passes.iterate("refine", MRWOLSRefine, None, lambda: state, **LOOP)
    assert 2 <= fit.n_iter <= 3
    assert fit.status == [CONVERGED]
    assert min(digits(passes.table(refined(fit, passes.solution, [])), exact)) > 14.5


def test_the_distance_foretells_what_another_pass_changes():
    for distance in (1e-4, 1e-8, 1e-12):
        X, y, w = nearly_collinear(distance)
        passes = Passes(X, y, w, 2)
        state = RefinementState.start(passes.statistics, passes.query, passes.solution)
        first = update(state, passes.merged(WOLSRefineStatistics, state.query()))
        second = update(first, passes.merged(WOLSRefineStatistics, first.query()))
        assert first.distance <= LOOP["tol"]
        np.testing.assert_allclose(second.coefficients, first.coefficients, rtol=5e-16)
        np.testing.assert_allclose(
            np.linalg.norm(second.covariance_root, axis=1), np.linalg.norm(first.covariance_root, axis=1), rtol=2e-15
        )


def test_more_slices_are_asked_for_where_residuals_are_smaller_than_thought():
    X, y, w = nearly_collinear(1e-3)
    passes = Passes(X, X @ [1.0, 2.0, 3.0, 0.5] + np.rint(1e3 * y) * 2.0**-60, w)
    state = RefinementState.start(passes.statistics, passes.query, passes.solution)
    enough = state.point.n_slices
    state.point.n_slices = 3
    first = update(state, passes.merged(WOLSRefineStatistics, state.query()))
    assert first.distance >= 1
    assert first.point.n_slices >= enough - 1 > 3


def test_a_singular_matrix_is_left_alone_with_a_reason():
    X, y, w = nearly_collinear(1e-3)
    X[:, 2] = X[:, 0] - X[:, 1]
    passes = Passes(X, y, w)
    assert passes.refine() is passes.solution
    assert passes.fit is None
    assert "singular" in passes.warnings[0]


def test_sums_that_admit_no_solution_are_given_up_with_a_reason():
    X, y, w = nearly_collinear(1e-3)
    passes = Passes(X, y, w)
    state = RefinementState.start(passes.statistics, passes.query, passes.solution)
    state.point.basis[:, 1] = state.point.basis[:, 2]
    fit = passes.iterate("refine", MRWOLSRefine, None, lambda: state, **LOOP)
    assert fit.status == [DIVERGED]
    warnings: list[str] = []
    assert refined(fit, passes.solution, warnings) is passes.solution
    assert "singular within the precision of doubles" in warnings[0]


def test_passes_that_run_out_say_so():
    passes = Passes(*nearly_collinear(1e-3))
    state = RefinementState.start(passes.statistics, passes.query, passes.solution)
    fit = passes.iterate("refine", MRWOLSRefine, None, lambda: state, **{**LOOP, "tol": -1.0})
    assert fit.n_iter == MAX_PASSES
    warnings: list[str] = []
    refined(fit, passes.solution, warnings)
    assert f"after {MAX_PASSES} passes" in warnings[0]


def test_the_state_survives_a_checkpoint():
    passes = Passes(*nearly_collinear(1e-3))
    state = RefinementState.start(passes.statistics, passes.query, passes.solution)
    assert RefinementState.from_line(state.to_line()).md5() == state.md5()
    assert state.retire(np.array([True])).alive.tolist() == [False]


def test_a_pass_through_mrjob_has_the_sums_of_the_kernel(tmp_path):
    X, y, w = nearly_collinear(1e-6)
    passes = Passes(X, y, w)
    names = [f"x{j}" for j in range(4)]
    columns = {**{name: X[:, j] for j, name in enumerate(names)}, "y": y, "w": w}
    packed = write_blocks(tmp_path / "p", make_blocks(columns, len(y)))
    query = RefinementState.start(passes.statistics, passes.query, passes.solution).query()
    answer = run_job(MRWOLSRefine, write_query(tmp_path / "q", query, Design(names, "y", "w")), packed)
    assert answer.statistics.md5() == passes.merged(WOLSRefineStatistics, query).md5()
    assert correct(query, answer.statistics).complete


def test_refinement_asks_nothing_else_of_a_run():
    """What the tests above stand in for: `iterate` and `warnings`."""
    run = SimpleNamespace(warnings=[], iterate=None)
    passes = Passes(np.ones((3, 1)), np.array([1.0, 2, 3]))
    assert refine(run, Design(["x"], "y"), passes.statistics, passes.query, passes.solution) is passes.solution
    assert len(run.warnings) == 1

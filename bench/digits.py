"""How many digits of coefficients and standard errors are right: 20 small tables that are hard in a known way.

    python bench/digits.py

Each table is made here, from a seed or a formula, and solved in 60 digits as it stands: the doubles of its cells are taken
for exact. The digits of a number are -log10 of its relative error from there (the log relative error of McCullough,
"Assessing the reliability of statistical software", The American Statistician 52, 1998), and those of a fit the fewest of
its coefficients, or of its standard errors. Fits: scanlearn in one pass; with --refine; statsmodels' WLS by "pinv" or by
"qr", whichever has more; scikit-learn's LinearRegression, which has no standard errors.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import mpmath
import numpy as np

from drivers.linear.inference import classical_table, measures_of_fit
from drivers.linear.refinement import LOOP, RefinementState, refined
from drivers.loop import Fit, iterate
from jobs.blocks import Block
from jobs.design import Design, Rows
from jobs.kernels.wols import WOLSQuery, WOLSSolution, WOLSStatistics, solve
from jobs.kernels.wols_refine import WOLSRefineStatistics

DECIMALS = 60
# A double shows no more.
MOST = 15.9
N_BLOCKS = 1
DEGREE = 10


@dataclass(frozen=True)
class Table:
    """X (n, p) without the column of ones, y (n,), w (n,)."""

    X: np.ndarray
    y: np.ndarray
    w: np.ndarray

    @classmethod
    def of(cls, X: Any, y: Any, w: Any = None) -> Table:
        X = np.asarray(X, dtype=float)
        return cls(X, np.asarray(y, dtype=float), np.ones(len(X)) if w is None else np.asarray(w, dtype=float))


@dataclass(frozen=True)
class Digits:
    """The fewest right digits of the coefficients and of the standard errors; None: there are none to be right."""

    coefficients: float
    errors: float | None = None


# -- the tables -----------------------------------------------------------------------------------------------------------

CASES: dict[str, Callable[[], Table]] = {}


def case(name: str) -> Callable[[Callable[[], Table]], Callable[[], Table]]:
    """Puts a table under its name into CASES."""

    def put(make: Callable[[], Table]) -> Callable[[], Table]:
        CASES[name] = cache(make)
        return CASES[name]

    return put


def _mixed(seed: int, n: int = 60, p: int = 3) -> tuple[np.random.Generator, np.ndarray]:
    """A generator, and p correlated normal features."""
    rng = np.random.default_rng(seed)
    return rng, rng.normal(size=(n, p)) @ (np.eye(p) + 0.3 * rng.normal(size=(p, p)))


def _target(rng: np.random.Generator, Z: np.ndarray, noise: float = 1.0) -> np.ndarray:
    return Z @ np.linspace(1, 2, Z.shape[1]) + 3 + noise * rng.normal(size=len(Z))


@case("well conditioned, 4 features")
def well_conditioned() -> Table:
    rng, Z = _mixed(0, 60, 4)
    return Table.of(Z, _target(rng, Z), rng.gamma(2.0, size=60))


@case("2000 rows, 6 features")
def many_rows() -> Table:
    rng, Z = _mixed(1, 2000, 6)
    return Table.of(Z, _target(rng, Z), rng.gamma(2.0, size=2000))


@case("mean 1e6, sd 1")
def offset_1e6() -> Table:
    rng, Z = _mixed(2)
    return Table.of(Z + 1e6, _target(rng, Z) + 1e6, rng.gamma(2.0, size=60))


@case("mean 1e10, sd 1")
def offset_1e10() -> Table:
    rng, Z = _mixed(3)
    return Table.of(Z + 1e10, _target(rng, Z) + 1e10)


@case("units 1e-8 to 1e8")
def units() -> Table:
    rng, Z = _mixed(4, 60, 5)
    return Table.of(Z * 10.0 ** np.array([-8, 8, -4, 4, 0]), _target(rng, Z))


@case("units 1e-100 and 1e100")
def extreme_units() -> Table:
    rng, Z = _mixed(5)
    return Table.of(Z * 10.0 ** np.array([-100, 100, 0]), _target(rng, Z))


def _nearly_collinear(seed: int, distance: float) -> Table:
    rng, Z = _mixed(seed, 50)
    X = np.column_stack([Z, Z[:, 0] - Z[:, 1] + distance * rng.normal(size=50)])
    return Table.of(X, _target(rng, Z, 0.01))


@case("collinear up to 1e-4")
def collinear_1e4() -> Table:
    return _nearly_collinear(6, 1e-4)


@case("collinear up to 1e-7")
def collinear_1e7() -> Table:
    return _nearly_collinear(7, 1e-7)


@case("collinear up to 1e-9")
def collinear_1e9() -> Table:
    return _nearly_collinear(8, 1e-9)


def polynomial_data() -> tuple[np.ndarray, np.ndarray]:
    """82 irregular points on (-9, -3), and a smooth function of them with noise."""
    rng = np.random.default_rng(9)
    x = -9 + 6 * (np.arange(82) + rng.uniform(0.1, 0.9, 82)) / 82
    return x, 0.85 + 0.05 * np.sin(2.1 * x) + 0.03 * np.cos(3.3 * x) + 0.003 * rng.normal(size=82)


@case("polynomial of degree 10 on (-9, -3)")
def polynomial_10() -> Table:
    x, y = polynomial_data()
    return Table.of(x[:, None] ** np.arange(1, DEGREE + 1), y)


def _integer_polynomial() -> tuple[np.ndarray, np.ndarray]:
    x = np.arange(21.0)[:, None] ** np.arange(1, 6)
    return x, 7 + x @ np.array([1.0, 2.0, 3.0, 4.0, 5.0])


@case("polynomial of degree 5 on 0..20, perfect fit")
def polynomial_5_exact() -> Table:
    return Table.of(*_integer_polynomial())


@case("polynomial of degree 5 on 0..20, noise")
def polynomial_5_noise() -> Table:
    X, y = _integer_polynomial()
    return Table.of(X, y + 1e5 * np.random.default_rng(10).integers(-9, 10, 21))


@case("powers of a year, degree 3")
def years() -> Table:
    year = np.arange(1950.0, 2021.0)
    rng = np.random.default_rng(11)
    trend = 310 + 0.9 * (year - 1950) + 0.012 * (year - 1950) ** 2
    return Table.of(year[:, None] ** np.arange(1, 4), trend + 0.3 * rng.normal(size=71))


@case("whole numbers up to 2^53")
def whole_numbers() -> Table:
    rng = np.random.default_rng(12)
    X = rng.integers(-(2**53), 2**53, (40, 3)).astype(float)
    return Table.of(X, np.rint(X @ [0.5, 0.25, 0.125]) + rng.integers(-(2**40), 2**40, 40))


@case("residuals of 1e-10")
def tiny_residuals() -> Table:
    rng, Z = _mixed(13)
    return Table.of(Z, _target(rng, Z, 1e-10))


@case("weights over 12 orders")
def uneven_weights() -> Table:
    rng, Z = _mixed(14, 80)
    return Table.of(Z, _target(rng, Z), 10.0 ** rng.uniform(-6, 6, 80))


@case("dummies of two factors")
def dummies() -> Table:
    rng = np.random.default_rng(15)
    first, second = rng.integers(0, 4, 90), rng.integers(0, 3, 90)
    X = np.column_stack([*(first == k for k in (1, 2, 3)), *(second == k for k in (1, 2))]).astype(float)
    return Table.of(X, _target(rng, X), rng.gamma(2.0, size=90))


@case("yearly series that grow together")
def macro_series() -> Table:
    """In the manner of Longley's data: six series of an economy over 16 years, by formula."""
    t = np.arange(16.0)
    prices = np.round(83 + 2.3 * t + 1.5 * np.sin(1.7 * t), 1)
    product = np.round(234000 * 1.06**t + 9000 * np.cos(2.3 * t))
    unemployed = np.round(3200 + 90 * t + 900 * np.sin(1.1 * t))
    forces = np.round(2600 + 700 * np.sin(0.4 * t - 1))
    population = np.round(107600 + 1350 * t + 25 * t**2)
    year = 1947 + t
    jobs = 60300 + 0.03 * (product - 234000) - 0.9 * (unemployed - 3200) + 60 * t + 300 * np.sin(5 * t)
    return Table.of(np.column_stack([prices, product, unemployed, forces, population, year]), np.round(jobs))


@case("Hilbert matrix, 6 columns")
def hilbert() -> Table:
    i, j = np.arange(1, 31)[:, None], np.arange(1, 7)
    rng = np.random.default_rng(16)
    X = 1 / (i + j)
    return Table.of(X, X.sum(axis=1) + 1e-3 * rng.normal(size=30))


@case("one row at 1e6, the others at 1")
def leverage() -> Table:
    rng, Z = _mixed(17, 50)
    Z[0] = 1e6 * np.array([1.0, -2.0, 0.5])
    return Table.of(Z, _target(rng, Z))


# -- the reference --------------------------------------------------------------------------------------------------------


@cache
def reference(name: str) -> tuple[list, list]:
    """Coefficients and standard errors of a table, intercept first, in 60 digits."""
    table = CASES[name]()
    return exact_fit(mpf_columns(table.X), list(map(mpmath.mpf, table.y.tolist())), table.w)


def mpf_columns(X: np.ndarray) -> list[list]:
    return [list(map(mpmath.mpf, column)) for column in X.T.tolist()]


def exact_fit(columns: list[list], y: list, weights: np.ndarray) -> tuple[list, list]:
    """Coefficients and standard errors, intercept first, by the normal equations about the weighted means."""
    with mpmath.workdps(DECIMALS):
        w = list(map(mpmath.mpf, weights.tolist()))
        total, p, n = mpmath.fsum(w), len(columns), len(y)
        means = [mpmath.fdot(w, column) / total for column in columns]
        y_mean = mpmath.fdot(w, y) / total
        centred = [[v - mean for v in column] for column, mean in zip(columns, means)]
        norms = [mpmath.sqrt(mpmath.fdot(w, [v**2 for v in column])) for column in centred]
        Z = [[v / norm for v in column] for column, norm in zip(centred, norms)]
        wZ = [[a * b for a, b in zip(w, column)] for column in Z]
        t = [v - y_mean for v in y]
        inverse = mpmath.matrix([[mpmath.fdot(a, b) for b in Z] for a in wZ]) ** -1
        scaled = inverse * mpmath.matrix([mpmath.fdot(a, t) for a in wZ])
        slopes = [scaled[j] / norms[j] for j in range(p)]
        residuals = [v - mpmath.fdot(slopes, [column[i] for column in centred]) for i, v in enumerate(t)]
        sigma2 = mpmath.fdot(w, [e**2 for e in residuals]) / (n - p - 1)
        ratios = mpmath.matrix([mean / norm for mean, norm in zip(means, norms)])
        variances = [1 / total + (ratios.T * inverse * ratios)[0], *(inverse[j, j] / norms[j] ** 2 for j in range(p))]
        return [y_mean - mpmath.fdot(means, slopes), *slopes], [mpmath.sqrt(sigma2 * v) for v in variances]


def right_digits(values: Any, exact: list) -> float:
    """The fewest right digits of some numbers."""
    if not np.isfinite(np.asarray(values, dtype=float)).all():
        return 0.0
    with mpmath.workdps(DECIMALS):
        worst = max((abs(mpmath.mpf(float(v)) - x) / abs(x) for v, x in zip(values, exact)), default=mpmath.mpf(0))
        return float(min(MOST, max(0, -mpmath.log10(worst)))) if worst else MOST


def digits(name: str, coefficients: Any, errors: Any = None) -> Digits:
    """Those of a fit to a table. Standard errors that are zero, of a perfect fit, have no digits."""
    exact, exact_errors = reference(name)
    noise = max(abs(e) / abs(b) for e, b in zip(exact_errors, exact))
    if errors is None or noise < 10.0 ** (-DECIMALS / 2):
        return Digits(right_digits(coefficients, exact))
    return Digits(right_digits(coefficients, exact), right_digits(errors, exact_errors))


# -- the fits -------------------------------------------------------------------------------------------------------------


def blocks(table: Table) -> list[Rows]:
    """The table as a pass sees it."""
    names = [f"x{j}" for j in range(table.X.shape[1])]
    design = Design(names, "y", "w")
    found = []
    for number, chosen in enumerate(np.array_split(np.arange(len(table.y)), N_BLOCKS)):
        columns = {name: table.X[chosen, j] for j, name in enumerate(names)}
        block = Block(0, number, len(chosen), {**columns, "y": table.y[chosen], "w": table.w[chosen]})
        found.append(design.apply(block))
    return found


def one_pass(table: Table) -> tuple[WOLSStatistics, WOLSQuery, WOLSSolution]:
    """What the first pass gathers, and its solution."""
    query = WOLSQuery(table.X.mean(axis=0), float(table.y.mean()))
    statistics = gathered(WOLSStatistics, query, blocks(table))
    return statistics, query, solve(statistics, query)


def refined_passes(table: Table) -> tuple[Fit, WOLSSolution]:
    """The passes of --refine after the first, and the solution they end at."""
    statistics, query, solution = one_pass(table)
    parts = blocks(table)
    fit = iterate(
        lambda state: gathered(WOLSRefineStatistics, state.query(), parts),
        state=RefinementState.start(statistics, query, solution),
        **LOOP,
    )
    return fit, refined(fit, solution, [])


def gathered(statistics_class: Any, query: Any, parts: list[Rows]) -> Any:
    """The statistic of some blocks: one of each, merged."""
    total = statistics_class.zero(query)
    for rows in parts:
        part = statistics_class.zero(query)
        part.add(rows, query)
        total = total.merge(part)
    return total


def estimates(table: Table, solution: WOLSSolution) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and standard errors of a solution, the intercept first."""
    statistics, _, _ = one_pass(table)
    made = classical_table(statistics, solution, measures_of_fit(statistics, solution), 0.95)
    return made.estimates, made.standard_errors


@cache
def in_one_pass(name: str) -> Digits:
    table = CASES[name]()
    return digits(name, *estimates(table, one_pass(table)[2]))


@cache
def with_refinement(name: str) -> Digits:
    table = CASES[name]()
    return digits(name, *estimates(table, refined_passes(table)[1]))


@cache
def statsmodels(name: str) -> Digits:
    """The better of both ways of solving, for coefficients and for standard errors each."""
    import statsmodels.api as sm

    table = CASES[name]()
    found = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for method in ("pinv", "qr"):
            try:
                fit = sm.WLS(table.y, sm.add_constant(table.X, has_constant="add"), weights=table.w).fit(method=method)
                found.append(digits(name, fit.params, fit.bse))
            except (np.linalg.LinAlgError, ValueError):
                found.append(Digits(0.0, 0.0))
    errors = [d.errors for d in found if d.errors is not None]
    return Digits(max(d.coefficients for d in found), max(errors) if errors else None)


@cache
def scikit_learn(name: str) -> Digits:
    from sklearn.linear_model import LinearRegression

    table = CASES[name]()
    fit = LinearRegression().fit(table.X, table.y, sample_weight=table.w)
    return digits(name, np.append(fit.intercept_, fit.coef_))


def digits_of_rounded_powers() -> float:
    """The digits to which the polynomial of exact powers x^k, and that of the powers rounded to doubles, agree.

    Both are solved in 60 digits, so their difference is due to the table alone: whoever reads rounded powers knows no more
    digits of the polynomial's own coefficients than these, whatever they compute with.
    """
    x, y = polynomial_data()
    target, weights = list(map(mpmath.mpf, y.tolist())), np.ones(len(x))
    rounded, _ = exact_fit(mpf_columns(polynomial_10().X), target, weights)
    with mpmath.workdps(DECIMALS):
        powers = [[mpmath.mpf(v) ** k for v in x.tolist()] for k in range(1, DEGREE + 1)]
    exact, _ = exact_fit(powers, target, weights)
    with mpmath.workdps(DECIMALS):
        return float(min(-mpmath.log10(abs(a - b) / abs(b)) for a, b in zip(rounded, exact)))


# -- the page -------------------------------------------------------------------------------------------------------------

FITS: dict[str, Callable[[str], Digits]] = {
    "one pass": in_one_pass,
    "--refine": with_refinement,
    "statsmodels": statsmodels,
    "scikit-learn": scikit_learn,
}


def markdown() -> str:
    """The table of all cases; coefficients / standard errors."""
    lines = [
        'Right digits of coefficients / standard errors, the fewest of each; "-": a perfect fit, standard errors of zero.',
        "",
        f"| table | condition | {' | '.join(FITS)} | passes |",
        f"|{'---|' * (len(FITS) + 3)}",
    ]
    for name, make in CASES.items():
        cells = [_shown(fit(name), fit is scikit_learn) for fit in FITS.values()]
        condition = one_pass(make())[2].condition_number
        passes = 1 + refined_passes(make())[0].n_iter
        lines.append(f"| {name} | {condition:.0e} | {' | '.join(cells)} | {passes} |")
    return "\n".join(
        [
            *lines,
            "",
            f"The polynomial of degree {DEGREE} by exact powers of x and by powers rounded to doubles, both solved in "
            f"{DECIMALS} digits, agree to {digits_of_rounded_powers():.1f} digits: more of its own coefficients are not in "
            "the table. The digits above are those of the least-squares problem that the table states.",
        ]
    )


def _shown(found: Digits, coefficients_only: bool) -> str:
    if coefficients_only:
        return f"{found.coefficients:.1f}"
    return f"{found.coefficients:.1f} / {'-' if found.errors is None else format(found.errors, '.1f')}"


if __name__ == "__main__":
    print(markdown())

"""What the page on optimisation shows runs as it stands there, and its formulas are right by another route.

Gradients and Hessians are held to complex-step and central differences of the objective in many digits (mpmath), to the
kernels of the suite, and to fits made anew.
"""

from __future__ import annotations

import contextlib
import re
import shlex

import mpmath
import numpy as np
import pytest
from matplotlib.image import imread

from drivers import run_extrema, run_newton
from jobs.kernels.wols_gradient import WOLSGradientQuery, WOLSGradientStatistics, gradient
from tests.conftest import ROOT
from tests.doc_pages import CODE, Page, run_commands
from tests.registry import gather, make_rows

SOURCE = Page("docs/optimization.md")
PAGE = SOURCE.text
SHOWN = re.compile(r"^```sh\n(python drivers/[^\n]*)\n```\n\n```text\n(.*?)^```", re.MULTILINE | re.DOTALL)
PICTURES = {
    "newton-tangents": "newton/tangents",
    "extrema-function": "extrema/function",
    "extrema-together": "extrema/together",
}
MISTAKE = re.compile(r"^\| [^|]+ \| `(--polynomial .+?)` \| `(.+)` \| (\d) \|$", re.MULTILINE)


def lines_of(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The commands of the page, run one after another: what stands below each and what it printed."""
    folder = tmp_path_factory.mktemp("page")
    commands, outputs = zip(*SHOWN.findall(PAGE))
    with contextlib.chdir(folder):
        return folder, [(output, done.stdout) for output, done in zip(outputs, run_commands(commands))]


# -- the page ----------------------------------------------------------------------------------------------------------


def test_each_command_prints_what_stands_below_it(shown):
    _, results = shown
    assert len(results) == 2
    for output, printed in results:
        assert lines_of(output) == lines_of(printed)


@pytest.mark.parametrize("name", PICTURES)
def test_the_pictures_are_those_of_the_commands(shown, name):
    assert f"(images/{name}.png)" in PAGE
    page, made = imread(ROOT / "docs" / "images" / f"{name}.png"), imread(shown[0] / "runs" / f"{PICTURES[name]}.png")
    assert page.shape == made.shape
    # Another matplotlib may set its letters a little differently.
    assert np.mean(abs(page - made)) < 0.03


def test_the_python_of_the_page_runs(capsys):
    SOURCE.run_python()
    printed = capsys.readouterr().out
    assert "1.1795090246029167" in printed and "global maximum 0.0 -6.0" in printed
    assert "nan" not in printed and "inf" not in printed.replace("inflection", "")


@pytest.mark.parametrize("arguments, message, status", MISTAKE.findall(PAGE))
def test_each_row_of_what_can_go_wrong_does(arguments, message, status, capsys):
    try:
        found = run_newton.main([*shlex.split(arguments), "--quiet", "--no-report"])
    except SystemExit as ended:
        found = ended.code
    printed, said = capsys.readouterr()
    assert found == int(status)
    if found in (0, 3):
        remarks = " ".join(" ".join(lines_of(printed.partition("\n! ")[2])).split())
        assert remarks == message and said == ""
    else:
        assert said.endswith(f": error: {message}\n") and printed == ""


def test_there_are_rows_of_what_can_go_wrong():
    assert len(MISTAKE.findall(PAGE)) == 8


def test_equations_are_numbered_one_after_another_and_those_spoken_of_are_there():
    numbers = [int(n) for n in re.findall(r"\\qquad \((\d+)\)\n```", PAGE)]
    assert numbers == list(range(1, 40))
    text = re.sub(r"^```.*?^```|`[^`]*`|\$[^$]*\$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert {int(n) for n in re.findall(r"\((\d{1,2})\)", text)} <= set(numbers)


def test_formulas_are_such_as_the_page_can_show():
    """No formula is cut by the end of a line, and every fence and dollar has its partner."""
    outside = re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert "```" not in outside
    assert all(line.count("$") % 2 == 0 for line in outside.splitlines())
    # Nor does a sentence go on with what begins a quotation or a list.
    assert not re.search(r"^(>|\+ |\d+\. )", outside, re.MULTILINE)
    for formula in re.findall(r"^```math\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        assert formula.count("{") == formula.count("}") and formula.count(r"\left") == formula.count(r"\right")


def test_files_and_options_that_are_named_are_there():
    for path in set(re.findall(r"`((?:drivers|jobs|data_gen)/[\w/]+(?:\.py)?)`", PAGE)):
        assert (ROOT / path).exists(), path
    from drivers import run_gmm, run_wols

    parsers = [module.make_parser().format_help() for module in (run_newton, run_extrema, run_wols, run_gmm)]
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)):
        assert any(re.search(rf"{option}\b(?!-)", known) for known in parsers), option


def test_numbers_in_the_text_are_right():
    roots = np.polynomial.Polynomial([1, -4, 6, -4, 1]).deriv().roots()
    assert 1e-6 < max(abs(a - b) for a in roots for b in roots) < 1e-4 and np.count_nonzero(roots.imag) == 2
    kappa = 1e4
    assert round(np.log(10) / -np.log((kappa - 1) / (kappa + 1)), -2) == 11_500 and "11,500" in PAGE
    with np.errstate(over="ignore"):
        assert np.isfinite(np.exp(709.78)) and np.isinf(np.exp(709.79)) and "709.78" in PAGE
    assert 1 - 1 / (1 + np.exp(-37.0)) == 0 < 1 - 1 / (1 + np.exp(-36.0)) and "$t > 37$" in PAGE


# -- conditions, convexity, descent ------------------------------------------------------------------------------------


def test_the_three_functions_of_the_gap():
    """What lies near 0, against what the derivatives there say."""
    h = np.linspace(-0.1, 0.1, 101)[:, None]
    assert (h**3).min() < 0 < (h**3).max()
    assert ((h**4) >= 0).all()
    saddle = h**2 - h.T**2
    assert saddle.min() < 0 < saddle.max()


@pytest.mark.parametrize("phi", [lambda t: t**2, lambda t: np.logaddexp(0, t), lambda t: np.exp(t) - 2 * t, lambda t: t**4])
def test_convex_functions_of_xb_are_convex_in_b(phi):
    """(6) and (7) of a sum over rows, for points and directions by chance."""
    generator = np.random.default_rng(0)
    X, w = generator.normal(size=(20, 3)), generator.uniform(0, 2, 20)

    def f(b):
        return w @ phi(X @ b)

    for _ in range(200):
        x, y, t = generator.normal(size=3), generator.normal(size=3), generator.uniform()
        assert f(t * x + (1 - t) * y) <= t * f(x) + (1 - t) * f(y) + 1e-12
        slope = (f(x + 1e-6 * (y - x)) - f(x - 1e-6 * (y - x))) / 2e-6
        assert f(y) >= f(x) + slope - 1e-6


def test_a_mixture_with_the_names_of_its_components_exchanged_is_not_convex():
    x = np.array([-3.0, -2.9, 3.0, 3.1])

    def loss(a, b):
        return -np.sum(np.log(0.5 * np.exp(-0.5 * (x - a) ** 2) + 0.5 * np.exp(-0.5 * (x - b) ** 2)))

    assert loss(-3, 3) == pytest.approx(loss(3, -3), rel=1e-15) and loss(0, 0) > loss(-3, 3)


def test_gradient_descent_on_a_quadratic_is_as_14_and_15_say():
    generator = np.random.default_rng(1)
    A = generator.normal(size=(6, 4))
    H, best = A.T @ A, generator.normal(size=4)
    eigenvalues = np.linalg.eigvalsh(H)

    def error_after(rate, steps):
        b = best + np.linalg.eigh(H)[1].sum(axis=1)
        for _ in range(steps):
            b = b - rate * (H @ (b - best))
        return np.linalg.norm(b - best)

    rate, kappa = 2 / (eigenvalues[0] + eigenvalues[-1]), eigenvalues[-1] / eigenvalues[0]
    assert error_after(rate, 81) / error_after(rate, 80) == pytest.approx((kappa - 1) / (kappa + 1), rel=1e-6)
    assert error_after(1.99 / eigenvalues[-1], 5000) < 1e-3 < 1e3 < error_after(2.01 / eigenvalues[-1], 5000)


# -- weighted least squares --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows():
    """y, X with a column of ones, w, b of a small table."""
    generator = np.random.default_rng(7)
    X = np.column_stack([np.ones(6), generator.normal(size=(6, 2)) + 1])
    return generator.normal(size=6), X, generator.uniform(0.5, 2, 6), generator.normal(size=3)


def objective(b, X, y, w):
    """(17), a sum over rows, for complex numbers and those of mpmath too."""
    return sum(w[i] * (y[i] - sum(X[i][j] * b[j] for j in range(len(b)))) ** 2 for i in range(len(y)))


def complex_step(function, at):
    """The gradient of an analytic function: the imaginary part at a step of 1e-30 i has no cancellation."""
    at = np.asarray(at, dtype=complex)
    found = np.zeros(at.shape)
    for place in np.ndindex(at.shape):
        moved = at.copy()
        moved[place] += 1e-30j
        found[place] = function(moved).imag / 1e-30
    return found


def test_the_gradients_by_coefficients_targets_features_and_weights(rows):
    y, X, w, b = rows
    W, e = np.diag(w), y - X @ b
    assert complex_step(lambda b: objective(b, X, y, w), b) == pytest.approx(-2 * X.T @ W @ e, rel=1e-12)
    assert complex_step(lambda b: objective(b, X, y, w), b) == pytest.approx(2 * X.T @ W @ (X @ b - y), rel=1e-12)
    assert complex_step(lambda y: objective(b, X, y, w), y) == pytest.approx(2 * W @ e, rel=1e-12)
    by_features = complex_step(lambda X: objective(b, X, y, w), X)
    assert by_features == pytest.approx(-2 * np.outer(W @ e, b), rel=1e-12)
    assert by_features[2] == pytest.approx(-2 * w[2] * e[2] * b, rel=1e-12)
    assert complex_step(lambda w: objective(b, X, y, w), w) == pytest.approx(e**2, rel=1e-12)


def test_the_hessian_and_the_newton_step(rows):
    y, X, w, b = rows
    W = np.diag(w)
    hessian = np.array([complex_step(lambda b, j=j: (-2 * X.T @ W @ (y - X @ b))[j], b) for j in range(3)])
    assert hessian == pytest.approx(2 * X.T @ W @ X, rel=1e-12) and np.linalg.eigvalsh(hessian)[0] > 0
    step = np.linalg.solve(hessian, 2 * X.T @ W @ (X @ b - y))
    best = np.linalg.lstsq(np.sqrt(w)[:, None] * X, np.sqrt(w) * y, rcond=None)[0]
    assert b - step == pytest.approx(best, rel=1e-11)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_gradients_where_the_weight_is_one_over_the_size_of_x(rows, sign):
    """(27) and (28) against central differences in 60 digits, where |1/x| is no analytic function."""
    y, _, _, (intercept, slope, _) = rows
    x = sign * np.array([0.3, -2.0, 1.1, -0.7, 0.05, 3.0])
    w, e = abs(1 / x), y - intercept - slope * x

    def loss(x, y, b):
        return mpmath.fsum(abs(1 / xi) * (yi - b[0] - b[1] * xi) ** 2 for xi, yi in zip(x, y))

    def differences(which):
        found = []
        with mpmath.workdps(60):
            h = mpmath.mpf(10) ** -20
            for i in range(len((x, y, (intercept, slope))[which])):
                values = []
                for step in (h, -h):
                    at = [[mpmath.mpf(float(v)) for v in a] for a in (x, y, (intercept, slope))]
                    at[which][i] += step
                    values.append(loss(*at))
                found.append(float((values[0] - values[1]) / (2 * h)))
        return found

    W, D = np.diag(w), np.diag(x)
    in_matrices = -2 * slope * W @ e - W @ np.linalg.solve(D, e * e)
    assert differences(0) == pytest.approx(in_matrices, rel=1e-12)
    assert differences(0) == pytest.approx(-w * e * (2 * slope + e / x), rel=1e-12)
    assert differences(1) == pytest.approx(2 * w * e, rel=1e-12)
    X = np.column_stack([np.ones(6), x])
    assert differences(2) == pytest.approx(-2 * X.T @ W @ e, rel=1e-12)
    # With the weight fixed the second term would be missing, and the formula wrong.
    assert abs(in_matrices + 2 * slope * w * e).max() > 0.1


def refitted(X, y, w):
    """RSS and fitted values after a new fit."""
    b = np.linalg.lstsq(np.sqrt(w)[:, None] * X, np.sqrt(w) * y, rcond=None)[0]
    return w @ (y - X @ b) ** 2, X @ b


def test_at_the_minimum_the_formulas_are_the_derivatives_of_the_least_sum_of_squares(rows):
    """The envelope theorem, by fits of data that have moved; and the leverages."""
    y, X, w, _ = rows
    b = np.linalg.lstsq(np.sqrt(w)[:, None] * X, np.sqrt(w) * y, rcond=None)[0]
    e, h = y - X @ b, 1e-6
    leverage = w * np.einsum("ij,ij->i", X, np.linalg.solve(X.T @ (w[:, None] * X), X.T).T)
    for i in range(6):
        unit = np.eye(6)[i]
        plus, minus = refitted(X, y + h * unit, w), refitted(X, y - h * unit, w)
        assert (plus[0] - minus[0]) / (2 * h) == pytest.approx(2 * w[i] * e[i], rel=1e-5, abs=1e-8)
        assert (plus[1][i] - minus[1][i]) / (2 * h) == pytest.approx(leverage[i], rel=1e-6)
        for j in (1, 2):
            moved = h * np.outer(unit, np.eye(3)[j])
            found = (refitted(X + moved, y, w)[0] - refitted(X - moved, y, w)[0]) / (2 * h)
            assert found == pytest.approx(-2 * w[i] * e[i] * b[j], rel=1e-5, abs=1e-8)
    # With w = |1/x| of the first feature, too.
    x = X[:, 1]
    weights, b = (
        abs(1 / x),
        np.linalg.lstsq(np.sqrt(abs(1 / x))[:, None] * X[:, :2], np.sqrt(abs(1 / x)) * y, rcond=None)[0],
    )
    e = y - X[:, :2] @ b
    for i in range(6):
        found = []
        for step in (h, -h):
            moved = x + step * np.eye(6)[i]
            found.append(refitted(np.column_stack([np.ones(6), moved]), y, abs(1 / moved))[0])
        expected = -weights[i] * e[i] * (2 * b[1] + e[i] / x[i])
        assert (found[0] - found[1]) / (2 * h) == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_the_kernel_of_gradient_descent_has_this_gradient_and_the_other_form_is_none(rows):
    y, X, w, b = rows

    def sums(coefficients):
        query = WOLSGradientQuery(0.0, coefficients[:, None], np.zeros(2))
        return gather(WOLSGradientStatistics, query, make_rows(X[:, 1:], y, w)), query

    def form(name, at):
        return gradient(*sums(at), name)[:, 0]

    expected = complex_step(lambda b: objective(b, X, y, w), b) / (2 * w.sum())
    assert form("weighted", b) == pytest.approx(expected, rel=1e-12)
    jacobians = {
        name: np.column_stack([form(name, b + unit) - form(name, b) for unit in np.eye(3)])
        for name in ("weighted", "classical")
    }
    assert jacobians["weighted"] == pytest.approx(X.T @ np.diag(w) @ X / w.sum(), rel=1e-10)
    by_30 = np.vstack([X.sum(axis=0), X[:, 1:].T @ (w[:, None] * X)]) / len(y)
    assert jacobians["classical"] == pytest.approx(by_30, rel=1e-10)
    assert abs(by_30 - by_30.T).max() > 0.01


# -- logistic and Poisson regression -----------------------------------------------------------------------------------


def differences_of(function, at, n):
    """Gradient and Hessian by central differences in 60 digits."""
    with mpmath.workdps(60):
        h = mpmath.mpf(10) ** -15

        def moved(*steps):
            b = [mpmath.mpf(float(value)) for value in at]
            for j, sign in steps:
                b[j] += sign * h
            return function(b)

        first = [float((moved((j, 1)) - moved((j, -1))) / (2 * h)) for j in range(n)]
        second = [
            [
                float(sum(s * t * moved((j, s), (k, t)) for s in (1, -1) for t in (1, -1)) / (4 * h * h))
                for k in range(n)
            ]
            for j in range(n)
        ]  # fmt: skip
    return np.array(first), np.array(second)


@pytest.mark.parametrize("family", ["logistic", "poisson"])
def test_the_log_likelihoods_have_these_gradients_and_hessians(rows, family):
    _, X, w, b = rows
    y = np.array([0, 1, 1, 0, 1, 0]) if family == "logistic" else np.array([0, 3, 1, 7, 2, 0])

    def log_likelihood(b):
        total = mpmath.mpf(0)
        for i in range(len(y)):
            eta = mpmath.fsum(float(X[i, j]) * b[j] for j in range(3))
            if family == "logistic":
                p = 1 / (1 + mpmath.exp(-eta))
                total += float(w[i]) * mpmath.log(p if y[i] else 1 - p)
            else:
                total += float(w[i]) * mpmath.log(mpmath.exp(-mpmath.exp(eta)) * mpmath.exp(eta) ** int(y[i]))
                total -= float(w[i]) * mpmath.log(mpmath.factorial(int(y[i])))
        return total

    first, second = differences_of(log_likelihood, b, 3)
    eta = X @ b
    mean = 1 / (1 + np.exp(-eta)) if family == "logistic" else np.exp(eta)
    variance = mean * (1 - mean) if family == "logistic" else mean
    terms = y * eta - np.logaddexp(0, eta)
    if family == "poisson":
        terms = y * eta - np.exp(eta) - np.array([float(mpmath.log(mpmath.factorial(int(k)))) for k in y])
    assert float(log_likelihood([mpmath.mpf(float(v)) for v in b])) == pytest.approx(w @ terms, rel=1e-12)
    assert first == pytest.approx(X.T @ (w * (y - mean)), rel=1e-10)
    assert second == pytest.approx(-X.T @ np.diag(w * variance) @ X, rel=1e-10)
    # A Newton step is a weighted least-squares fit of the working response.
    root = np.sqrt(w * variance)
    fit = np.linalg.lstsq(root[:, None] * X, root * (eta + (y - mean) / variance), rcond=None)[0]
    assert b - np.linalg.solve(second, first) == pytest.approx(fit, rel=1e-9)


def test_the_sigmoid_of_the_page_neither_overflows_nor_cancels():
    (code,) = [code for code in CODE.findall(PAGE) if "sigmoid" in code]
    names: dict = {}
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        exec(code, names)
    with mpmath.workdps(400):
        exact = [1 / (1 + mpmath.exp(-mpmath.mpf(t))) for t in names["t"]]
        soft = [mpmath.log(1 + mpmath.exp(mpmath.mpf(t))) for t in names["t"]]
        assert names["sigmoid"] == pytest.approx([float(value) for value in exact], rel=1e-15)
        assert names["softplus"] == pytest.approx([float(value) for value in soft], rel=1e-15)
    # 1 - sigmoid is the sigmoid of the other sign, and not 0.
    assert 0 < names["sigmoid"][1] == pytest.approx(np.exp(-40), rel=1e-15) and names["sigmoid"][3] == 1

"""Newton's method and the polynomials behind it, against exact roots and mpmath; and the program as a user runs it."""

from __future__ import annotations

import json
import math
import os
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import run_newton
from drivers.calculus.newton import CYCLE, LEVEL, NO_ROOT, newton
from drivers.calculus.polynomials import MAX_DEGREE, Polynomial
from drivers.loop import CONVERGED, MAX_ITER
from jobs.errors import ScanError
from tests.conftest import Driver
from tests.test_report import PageReader

fuzz = settings(max_examples=60, deadline=None, derandomize=True)

WORKED = "x^3 + 2x - 4"
ITERATES = [1.0, 1.2, 1.1797468354, 1.1795090570, 1.1795090246]


def from_roots(roots) -> Polynomial:
    """The polynomial with these exact roots, each as often as it stands there."""
    coefficients = [Fraction(1)]
    for root in roots:
        raised = [Fraction(0), *coefficients]
        coefficients = [a - Fraction(root) * b for a, b in zip(raised, [*coefficients, Fraction(0)])]
    return Polynomial.of(coefficients)


# -- polynomials -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, from_the_highest",
    [
        ("1,0,2,-4", [1, 0, 2, -4]), (WORKED, [1, 0, 2, -4]), ("x^3+2x-4", [1, 0, 2, -4]), ("-4+2*x + x**3", [1, 0, 2, -4]),
        (" - x ", [-1, 0]), ("7", [7]), ("x", [1, 0]), ("0,0,1,2", [1, 2]), ("0x^5 + x", [1, 0]), ("x + x + 1", [2, 1]),
        ("1e-3x^2 - .5", [Fraction(1, 1000), 0, Fraction(-1, 2)]), ("-1,0,0.1", [-1, 0, Fraction(1, 10)]),
        ("3 * x ^ 2 - 24 x", [3, -24, 0]), ("x - x", [0]),
    ],
)  # fmt: skip
def test_a_polynomial_is_read_from_a_list_or_as_people_write_it(text, from_the_highest):
    assert list(reversed(Polynomial.parse(text).coefficients)) == from_the_highest


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "x^3 + y", "y", "x x", "2 3x", "1,,2", "1;2", "x^", "x^-1", "x^2.5", "x^1/2", "2^x", "sin(x)", "(x - 1)^2",
        "x +", "+", "--x", "+ -x", "x3", "xx", "*x", "1/x", "nan,1", "inf", "1e400,1", "1e999999999x", "1e-999999999,1",
        "\N{ARABIC-INDIC DIGIT THREE},1", f"x^{MAX_DEGREE + 1}", "x^99999999999999999999", "1," * MAX_DEGREE + "1,1",
        "1_0,1", "1" * 5000 + ",1", "1." + "0" * 5000 + ",1", "$x$", "X^2", "x^2\0", "1e308,0 + 1e308x",
    ],
)  # fmt: skip
def test_what_is_no_polynomial_is_one_sentence(text):
    with pytest.raises(ScanError) as error:
        Polynomial.parse(text)
    assert "\n" not in str(error.value) and len(str(error.value)) < 200


@fuzz
@given(st.lists(st.decimals(-1000, 1000, places=3), min_size=1, max_size=8))
def test_a_polynomial_is_what_its_text_says(coefficients):
    f = Polynomial.of(map(Fraction, coefficients))
    assert Polynomial.parse(str(f)) == f


@fuzz
@given(st.lists(st.integers(-50, 50), min_size=1, max_size=7), st.fractions(-5, 5, max_denominator=64))
def test_values_and_derivatives_are_those_of_numpy(coefficients, x):
    f, theirs = Polynomial.of(coefficients), np.polynomial.Polynomial(coefficients)
    for order in range(4):
        assert float(f.derivative(order).exactly(x)) == pytest.approx(theirs.deriv(order)(float(x)), rel=1e-12, abs=1e-9)


@fuzz
@given(st.lists(st.integers(-40, 40), min_size=1, max_size=7))
def test_roots_and_their_multiplicities_are_found_again(tenths):
    """Of several equal ones too, of which the companion matrix alone would have few digits."""
    roots = [Fraction(value, 10) for value in tenths]
    found = from_roots(roots).real_roots()
    assert [root.value for root in found] == [float(root) for root in sorted(set(roots))]
    assert [root.multiplicity for root in found] == [roots.count(root) for root in sorted(set(roots))]


@fuzz
@given(st.lists(st.integers(-30, 30), min_size=2, max_size=8).filter(lambda c: c[-1] != 0 and len(c) > 1))
def test_roots_of_any_polynomial_are_those_of_mpmath(coefficients):
    f = Polynomial.of(coefficients)
    with mpmath.workdps(80):
        theirs = mpmath.polyroots([int(c) for c in reversed(coefficients)], maxsteps=2000, extraprec=2000, error=False)
        real = sorted({float(mpmath.nstr(mpmath.re(z), 14)) for z in theirs if abs(mpmath.im(z)) < 1e-12})
    found = [root.value for root in f.real_roots()]
    assert len(found) == len(real)
    assert found == pytest.approx(real, rel=1e-12, abs=1e-12)


def test_roots_that_are_close_are_told_apart_from_a_double_one():
    close = Fraction(1) + Fraction(1, 10**10)
    found = from_roots([1, 1, close]).real_roots()
    assert [(root.value, root.multiplicity) for root in found] == [(1.0, 2), (1.0000000001, 1)]
    assert Polynomial.parse("x^2 - 2x + 1.00000000000000000001").real_roots() == []


def test_a_double_root_that_no_double_holds_is_double():
    """0.1 as it is written, not as a double has it."""
    (root,) = Polynomial.parse("x^2 - 0.2x + 0.01").real_roots()
    assert (root.value, root.multiplicity) == (0.1, 2)


def test_roots_that_cannot_be_found_are_said_to_be_so():
    with pytest.raises(ScanError, match="of the 20 real roots of .* can be found: they are too sensitive"):
        from_roots(range(1, 21)).real_roots()
    with pytest.raises(ScanError, match="of the 2 real roots of .* can be found"):
        Polynomial.parse("x^2 - 2x + 0.99999999999999999999").real_roots()
    with pytest.raises(ScanError, match="of too different sizes"):
        Polynomial.parse("1e-308x^2 + 1e300x + 1e308").real_roots()
    with pytest.raises(ScanError, match="every number"):
        Polynomial.parse("0").real_roots()


# -- the method --------------------------------------------------------------------------------------------------------


def test_the_worked_example_has_its_iterates_ratios_and_tangent():
    found = newton(Polynomial.parse(WORKED), 1)
    assert found.status == CONVERGED and found.remarks() == []
    assert [round(entry.x, 10) for entry in found.iterates] == ITERATES
    assert found.iterates[0].tangent() == "y = 5x - 6"
    with mpmath.workdps(30):
        root = mpmath.findroot(lambda x: x**3 + 2 * x - 4, 1.2)
        limit = abs(6 * root / (2 * (3 * root**2 + 2)))
        errors = [abs(mpmath.mpf(entry.x) - root) for entry in found.iterates]
        ratios = [after / before**2 for before, after in zip(errors, errors[1:])][:-1]
    assert found.root.value == pytest.approx(float(root), rel=1e-16)
    assert found.limit == pytest.approx(float(limit), rel=1e-15) and round(found.limit, 4) == 0.5732
    assert [entry.ratio for entry in found.iterates[1:4]] == pytest.approx([float(r) for r in ratios], rel=1e-6)
    # What is left in the end is rounding, of which no ratio is made.
    assert found.iterates[0].ratio is found.iterates[4].ratio is None
    assert abs(found.iterates[3].ratio - found.limit) < 1e-3


@pytest.mark.parametrize(
    "text, start, root", [("x^2 - 2", 2, math.sqrt(2)), ("x^3 - x - 2", 1.5, None), ("x^5 - 3", 1, 3**0.2)]
)
def test_near_a_simple_root_the_ratios_tend_to_the_limit(text, start, root):
    """The iteration in 200 digits, where the ratio has all the steps that it needs."""
    f = Polynomial.parse(text)
    found = newton(f, start)
    assert found.converged and (root is None or found.root.value == pytest.approx(root, rel=1e-15))
    with mpmath.workdps(200):
        values, slopes = ([mpmath.mpf(int(c)) for c in reversed(g.coefficients)] for g in (f, f.derivative()))
        exact = mpmath.findroot(lambda x: mpmath.polyval(values, x), found.root.value)
        x, error = mpmath.mpf(start), mpmath.mpf(1)
        while error > 1e-20:
            error = abs(x - exact)
            x -= mpmath.polyval(values, x) / mpmath.polyval(slopes, x)
        ratio = float(abs(x - exact) / error**2)
    assert found.limit == pytest.approx(ratio, rel=1e-6)


@pytest.mark.parametrize("multiplicity", [2, 3, 5])
def test_at_a_multiple_root_convergence_is_linear_and_that_is_said(multiplicity):
    found = newton(from_roots([1] * multiplicity), 3, tol=1e-3, max_iter=100)
    assert found.converged and found.order == 1 and found.root.multiplicity == multiplicity
    assert found.limit == 1 - 1 / multiplicity
    assert found.iterates[5].ratio == pytest.approx(found.limit, rel=1e-9)
    assert f"multiplicity {multiplicity}" in found.remarks()[0]


def test_a_root_where_the_second_derivative_is_zero_is_met_faster_than_by_squares():
    found = newton(Polynomial.parse("x^3 + x"), 0.5)
    assert found.converged and found.limit == 0.0


def test_a_start_on_the_root_takes_no_step():
    found = newton(Polynomial.parse("x^2 - 4"), 2)
    assert found.converged and len(found.iterates) == 1 and found.iterates[0].error == 0


@pytest.mark.parametrize("text, start", [(WORKED, 1), ("x^2 - 2", 2), ("x^3 - x - 2", 1.5), ("x^7 - 3x + 1", 0)])
def test_without_a_tolerance_it_ends_where_nothing_but_rounding_is_left(text, start):
    found = newton(Polynomial.parse(text), start, tol=0)
    assert found.converged and found.iterates[-1].error <= 4 * math.ulp(found.root.value)


def test_a_line_takes_one_step_from_anywhere():
    found = newton(Polynomial.parse("3x - 6"), -1e6)
    assert found.converged and [entry.x for entry in found.iterates] == [-1e6, 2.0]


@pytest.mark.parametrize(
    "text, start, status, told",
    [
        ("x^3 - 2x + 2", 0, CYCLE, "round 2 points, 0 and 1"),
        ("x^3 - 2x + 2", 0.1, CYCLE, "round 2 points"),
        ("x^3 - 3x", 1, LEVEL, "x_0 = 1 is level"),
        ("x^3 - 3x + 3", 0, LEVEL, "x_1 = 1 is level"),
        ("x^2 + 1", 1, LEVEL, "x^2 + 1 has no real root"),
        ("x^2 + 1", 0.5, MAX_ITER, "x^2 + 1 has no real root"),
        ("x^2 + 1e-20", 1, NO_ROOT, "has no real root"),
        ("x^3 + x^2 + 1e-20", 0.5, NO_ROOT, "no real root is"),
        ("x^9", 1, MAX_ITER, "within --max-iter 50 steps; allow more"),
    ],
)
def test_what_does_not_converge_says_why(text, start, status, told):
    found = newton(Polynomial.parse(text), start)
    assert (found.status, found.converged, found.root) == (status, False, None)
    (remark,) = found.remarks()
    assert told in remark and "\n" not in remark


def test_a_cycle_is_one_of_the_map():
    found = newton(Polynomial.parse("x^3 - 2x + 2"), 0)
    assert found.cycle == [0.0, 1.0]


def test_iterates_that_run_away_are_an_error():
    for text, start in (("x^2 - 2", 1e200), ("x^5 - 1", 1e-60)):
        with pytest.raises(ScanError, match="run away.*--start"):
            newton(Polynomial.parse(text), start)
    with pytest.raises(ScanError, match="constant"):
        newton(Polynomial.parse("5"), 1)


@fuzz
@given(st.lists(st.integers(-20, 20), min_size=2, max_size=6), st.floats(-10, 10))
def test_what_has_converged_is_at_a_root_and_all_else_says_why(coefficients, start):
    f = Polynomial.of(coefficients)
    if f.degree < 1:
        return
    try:
        found = newton(f, start)
    except ScanError as error:
        assert "run away" in str(error)
        return
    if found.converged:
        # The multiplicity says how far a small step may still be away.
        assert abs(found.iterates[-1].x - found.root.value) <= f.degree * 1.1e-6 * max(1, abs(found.root.value))
    else:
        assert found.remarks()
    json.dumps(found.to_json(), allow_nan=False)


# -- the program -------------------------------------------------------------------------------------------------------


def test_the_program_prints_writes_and_draws(tmp_path, capsys):
    assert run_newton.main(["--run-dir", "run", "--tol=1e-7"]) == 0
    printed, said = capsys.readouterr()
    for value in ("1.2000000000", "1.1797468354", "1.1795090570", "1.1795090246", "y = 5x - 6", "0.57316"):
        assert value in printed
    assert max(map(len, printed.splitlines())) <= 80
    assert said == "result  run/result.json\nreport  run/report.html\n"
    assert sorted(os.listdir("run")) == [".lock", "errors.png", "report.html", "result.json", "tangents.png"]
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert [round(entry["x"], 10) for entry in result["iterates"]] == ITERATES
    assert result["status"] == "converged" and result["warnings"] == []
    reader = PageReader()
    reader.feed((tmp_path / "run" / "report.html").read_text())
    reader.close()
    text = " ".join("".join(reader.texts).split())
    assert "y = 5x - 6" in text and "python drivers/run_newton.py --tol=1e-7" in text
    assert {repr(entry["x"]) for entry in result["iterates"]} <= set(reader.values)
    assert sum(tag == "img" for tag in reader.names) == 2


def test_json_is_what_the_directory_holds(tmp_path, capsys):
    assert run_newton.main(["--json", "--quiet", "--no-report", "--run-dir", "run", "--polynomial", "1,0,-2"]) == 0
    printed, said = capsys.readouterr()
    assert said == "" and json.loads(printed) == json.loads((tmp_path / "run" / "result.json").read_text())
    assert not (tmp_path / "run" / "report.html").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--polynomial", "-x^2+2", "--start", "-1"],
        ["--polynomial", "-1,0,2", "--start", "-1.5e0"],
        ["--polynomial=-x^2 + 2", "--start=-1"],
    ],
)
def test_a_value_may_begin_with_a_minus(arguments, capsys):
    assert run_newton.main([*arguments, "--json", "--quiet", "--no-report"]) == 0
    assert json.loads(capsys.readouterr().out)["root"] == pytest.approx(-math.sqrt(2), rel=1e-15)


def test_what_has_not_converged_is_shown_with_its_pictures(tmp_path, capsys):
    for number, (text, start) in enumerate([("x^3 - 2x + 2", "0"), ("x^3 - 3x + 3", "0"), ("x^9", "1")]):
        arguments = ["--polynomial", text, "--start", start, "--max-iter", "4", "--run-dir", f"run{number}"]
        assert run_newton.main(arguments) == 3
        assert "! " in capsys.readouterr().out
        assert (tmp_path / f"run{number}" / "tangents.png").exists()
        assert "Take note" in (tmp_path / f"run{number}" / "report.html").read_text()
        assert json.loads((tmp_path / f"run{number}" / "result.json").read_text())["converged"] is False


@pytest.mark.parametrize(
    "arguments, status",
    [
        (["--polynomial", "x^3 + y"], 2), (["--polynomial", "5"], 2), (["--polynomial", ""], 2), (["--start", "nan"], 2),
        (["--start", "one"], 2), (["--start"], 2), (["--start", "--json"], 2), (["--tol", "-1"], 2),
        (["--max-iter", "1.5"], 2), (["--poly", "1,2"], 2), (["data.csv"], 2), (["--start", "1e200"], 1),
        (["--run-dir", "a*b"], 1),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_and_leaves_nothing(arguments, status, capsys):
    try:
        found = run_newton.main(arguments)
    except SystemExit as ended:
        found = ended.code
    printed, said = capsys.readouterr()
    assert (found, printed) == (status, "")
    assert ": error: " in said and said.count("\n") == 1
    assert not os.path.exists("runs") and not os.path.exists("a*b")


def test_a_directory_that_holds_something_is_left_as_it_is(tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").write_text("mine")
    assert run_newton.main(["--run-dir", "run"]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert os.listdir("run") == ["mine"]


def test_a_report_that_fails_takes_nothing_from_the_result(tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise ValueError("no colours left")

    monkeypatch.setattr(run_newton, "render", fail)
    assert run_newton.main(["--run-dir", "run"]) == 0
    assert "the report could not be made (no colours left); the log is" in capsys.readouterr().err
    assert "ValueError" in (tmp_path / "run" / "run.log").read_text() and (tmp_path / "run" / "result.json").exists()


def test_a_long_way_is_cut_on_the_terminal_and_whole_in_the_result(tmp_path, capsys):
    arguments = ["--polynomial", "x^2 + 1", "--start", "0.5", "--max-iter", "100", "--no-report", "--run-dir", "run"]
    assert run_newton.main(arguments) == 3
    assert len(capsys.readouterr().out.splitlines()) < 60
    assert len(json.loads((tmp_path / "run" / "result.json").read_text())["iterates"]) == 101


def test_the_same_as_a_program(tmp_path):
    done = Driver("run_newton")("--quiet", "--no-report", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "") and "1.1795090246" in done.stdout
    done = Driver("run_newton")("--help")
    assert done.returncode == 0 and "(default: x^3 + 2x - 4)" in done.stdout

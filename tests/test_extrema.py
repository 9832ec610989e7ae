"""The extrema of a polynomial on an interval, against values on fine grids and roots in many digits; and the program."""

from __future__ import annotations

import json
import os
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import run_extrema
from drivers.calculus.extrema import (
    END,
    INFLECTION,
    INSIDE,
    LEVEL_INFLECTION,
    MAXIMUM,
    MINIMUM,
    OUTSIDE,
    Extrema,
    extrema,
    make_grid,
    on_grid,
)
from drivers.calculus.polynomials import Polynomial
from jobs.errors import ScanError
from tests.conftest import Driver
from tests.test_newton import from_roots
from tests.test_report import PageReader

fuzz = settings(max_examples=60, deadline=None, derandomize=True)

WORKED = "x^3 - 12x^2 - 6"


def find(text: str, domain=(-6.0, 6.0), step=0.1) -> Extrema:
    return extrema(Polynomial.parse(text), domain, step)


def told(found: Extrema) -> list[tuple]:
    return [(point.name, point.place, point.x, point.value) for point in found.points]


# -- what is found -----------------------------------------------------------------------------------------------------


def test_the_worked_example():
    found = find(WORKED)
    assert told(found) == [
        ("global minimum", END, -6.0, -654.0),
        ("global maximum", INSIDE, 0.0, -6.0),
        ("inflection", INSIDE, 4.0, -134.0),
        ("local minimum", END, 6.0, -222.0),
        ("minimum", OUTSIDE, 8.0, -262.0),
    ]
    assert [point.slope for point in found.points] == [252, 0, -48, -36, 0]
    assert [point.curvature for point in found.points] == [-60, -24, 0, 12, 24]
    assert len(found.grid) == 121 and found.remarks() == []
    assert "3 of the 3 extrema" in found.agreement()


@pytest.mark.parametrize(
    "text, kind, order",
    [
        ("x^2", MINIMUM, 2), ("-x^2", MAXIMUM, 2), ("x^4", MINIMUM, 4), ("-x^4", MAXIMUM, 4), ("x^3", LEVEL_INFLECTION, 3),
        ("-x^5", LEVEL_INFLECTION, 5), ("x^6 + x^5", LEVEL_INFLECTION, 5), ("x^6 - x^4", MAXIMUM, 4), ("x^8", MINIMUM, 8),
    ],
)  # fmt: skip
def test_where_f_is_flat_the_first_derivative_that_is_not_zero_decides(text, kind, order):
    (point,) = [point for point in find(text, (-0.5, 0.25), 0.01).points if point.x == 0]
    assert (point.kind, point.order, point.place) == (kind, order, INSIDE)
    assert point.decisive == float(Polynomial.parse(text).derivative(order).exactly(0))


def test_a_second_derivative_that_touches_zero_makes_no_inflection_point():
    kinds = [(point.kind, point.x) for point in find("x^4 + 5x", (-2, 2)).points]
    assert len(kinds) == 3 and kinds[1] == (MINIMUM, pytest.approx(-(1.25 ** (1 / 3))))
    assert (INFLECTION, 0.0) in [(point.kind, point.x) for point in find("x^5 + 5x", (-2, 2)).points]


def test_a_flat_place_that_no_double_holds_is_flat():
    """(x - 0.1)^4 and (x^2 - 2)^3: the companion matrix alone would find no multiple zero of f'."""
    (_, point, _) = find("x^4 - 0.4x^3 + 0.06x^2 - 0.004x + 0.0001", (-1, 1), 0.1).points
    assert (point.kind, point.x, point.value, point.order) == (MINIMUM, 0.1, 0.0, 4)
    flat = [point for point in find("x^6 - 6x^4 + 12x^2 - 8", (-2, 2), 0.01).points if point.order == 3 and not point.slope]
    assert [(point.kind, point.x) for point in flat] == [(LEVEL_INFLECTION, -(2**0.5)), (LEVEL_INFLECTION, 2**0.5)]


@pytest.mark.parametrize(
    "text, domain, left, right",
    [
        ("x", (0, 1), MINIMUM, MAXIMUM), ("-x", (0, 1), MAXIMUM, MINIMUM), ("x^2", (-1, 2), MAXIMUM, MAXIMUM),
        ("x^2", (0, 1), MINIMUM, MAXIMUM), ("x^2", (-1, 0), MAXIMUM, MINIMUM), ("x^3", (0, 1), MINIMUM, MAXIMUM),
        ("x^3", (-1, 0), MINIMUM, MAXIMUM), ("-x^4", (0, 1), MAXIMUM, MINIMUM), ("-x^4", (-1, 0), MINIMUM, MAXIMUM),
        ("-5x^2 - x", (-0.1, 0), MAXIMUM, MINIMUM), ("-5x^2 - x", (-1, -0.1), MINIMUM, MAXIMUM),
    ],
)  # fmt: skip
def test_the_ends_are_extrema_by_where_f_goes_from_there(text, domain, left, right):
    found = find(text, domain, 0.1)
    first, last = [point for point in found.points if point.place == END]
    assert (first.kind, first.x, last.kind, last.x) == (left, domain[0], right, domain[1])
    # An end that is a zero of f' too stands there once.
    assert len({point.x for point in found.points}) == len(found.points)
    assert not found.missed and not found.spurious


def test_of_equal_extrema_all_are_global():
    """Chebyshev's polynomial, whose extrema are all -1 or 1, at places that no double holds."""
    found = find("16x^5 - 20x^3 + 5x", (-1, 1), 0.01)
    inside = [point for point in found.points if point.is_extremum]
    assert len(inside) == 6 and all(point.is_global for point in inside)
    places = sorted(np.cos(np.arange(6) * np.pi / 5))
    assert [point.x for point in inside] == pytest.approx(places, rel=1e-14)
    assert [point.value for point in inside] == pytest.approx([-1, 1] * 3, rel=1e-14)


def test_a_large_constant_makes_no_extremum_global():
    found = find("x^2 + 1e15", (-1, 2), 0.1)
    assert [point.name for point in found.points] == ["local maximum", "global minimum", "global maximum"]


def test_a_line_has_its_ends_and_nothing_else():
    assert [point.place for point in find("5x", (0, 1), 0.3).points] == [END, END]


polynomials = st.lists(st.integers(-20, 20), min_size=2, max_size=7).map(Polynomial.of).filter(lambda f: f.degree >= 1)


@fuzz
@given(polynomials, st.integers(-30, 29), st.integers(1, 40))
def test_values_on_a_fine_grid_are_between_the_global_extrema(f, low, width):
    domain = (low / 10, (low + width) / 10)
    found = extrema(f, domain, (domain[1] - domain[0]) / 64)
    values = np.polynomial.Polynomial([float(c) for c in f.coefficients])(np.linspace(*domain, 4001))
    size = max(abs(values)) or 1.0
    for kind, best in ((MAXIMUM, max(values)), (MINIMUM, min(values))):
        chosen = [point for point in found.points if point.is_global and point.kind == kind]
        assert chosen and all(point.place != OUTSIDE for point in chosen)
        # A grid misses the best value by the square of its step.
        room = (
            1e-9 * size
            + max(abs(f.derivative(2).in_doubles(np.linspace(*domain, 65)))) * (domain[1] - domain[0]) ** 2 / 1e6
        )
        assert all(abs(point.value - best) <= room for point in chosen)


@fuzz
@given(polynomials, st.integers(-30, 29), st.integers(1, 40))
def test_points_of_each_kind_take_turns_and_are_where_they_should_be(f, low, width):
    domain = (low / 10, (low + width) / 10)
    found = extrema(f, domain, (domain[1] - domain[0]) / 7)
    inside = [point for point in found.points if point.is_extremum and point.place != OUTSIDE]
    # Between two maxima there is a minimum.
    assert all(a.kind != b.kind for a, b in zip(inside, inside[1:]))
    for point in found.points:
        sides = [f.derivative(1).exactly(Fraction(point.x) + Fraction(h, 10**9)) for h in (-1, 1)]
        bends = [f.derivative(2).exactly(Fraction(point.x) + Fraction(h, 10**9)) for h in (-1, 1)]
        if point.kind in (INFLECTION, LEVEL_INFLECTION):
            assert bends[0] * bends[1] < 0
        elif point.place != END:
            assert sides[0] * sides[1] < 0 and (sides[1] > 0) == (point.kind == MINIMUM)
    json.dumps(found.to_json(), allow_nan=False)


@fuzz
@given(st.lists(st.integers(-20, 20), min_size=1, max_size=4, unique=True))
def test_the_zeros_of_the_derivative_are_the_critical_points(tenths):
    slope = from_roots(Fraction(value, 10) for value in tenths)
    f = Polynomial.of([0, *(c / (k + 1) for k, c in enumerate(slope.coefficients))])
    found = extrema(f, (-3.0, 3.0), 0.05)
    assert [point.x for point in found.points if point.place == INSIDE and not point.slope] == sorted(
        v / 10 for v in tenths
    )


def test_inflection_points_are_those_of_mpmath():
    with mpmath.workdps(50):
        roots = [float(mpmath.re(z)) for z in mpmath.polyroots([20, 0, -18, 4], extraprec=200)]
    found = find("x^5 - 3x^3 + 2x^2 - 7", (-1, 1), 0.01)
    points = [point.x for point in found.points if point.kind in (INFLECTION, LEVEL_INFLECTION)]
    assert points == pytest.approx(sorted(roots), rel=1e-14)


# -- the grid ----------------------------------------------------------------------------------------------------------


def test_a_grid_goes_from_end_to_end():
    assert make_grid((-6, 6), 0.1) == pytest.approx(np.arange(-60, 61) / 10, abs=1e-12)
    assert make_grid((0, 1), 0.3) == pytest.approx([0, 0.3, 0.6, 0.9, 1])
    assert make_grid((0, 1), 1).tolist() == [0, 1]
    for step in (20, 1e-9):
        with pytest.raises(ScanError, match="--step"):
            make_grid((0, 1), step)


def test_a_grid_finds_an_extremum_between_two_equal_values():
    (first, middle, last) = on_grid(Polynomial.parse("x^2 - x"), np.array([0, 0.4, 0.6, 1.0]))
    assert (middle.kind, middle.low, middle.high) == (MINIMUM, 0.4, 0.6)
    assert (first.kind, last.kind) == (MAXIMUM, MAXIMUM)


def test_a_grid_takes_no_rounding_for_an_extremum():
    """Near 1 the values of (x - 1)^8 are nothing but rounding."""
    f = from_roots([1] * 8)
    values = f.in_doubles(grid := make_grid((0.9, 1.1), 1e-4))
    assert np.count_nonzero(np.diff(np.sign(np.diff(values)))) > 50
    assert [entry.kind for entry in on_grid(f, grid)] == [MAXIMUM, MINIMUM, MAXIMUM]


def test_a_grid_that_is_too_coarse_is_said_to_be_so():
    found = find("x^3 - 0.0001x", (-1, 1), 0.1)
    assert [point.x for point in found.missed] == pytest.approx([-0.0057735, 0.0057735], rel=1e-5)
    (remark,) = found.remarks()
    assert "--step 0.1" in remark and "smaller --step" in remark
    assert "2 of the 4 extrema" in found.agreement()
    assert find("x^3 - 0.0001x", (-1, 1), 0.001).remarks() == []


@pytest.mark.parametrize(
    "text, domain, step, match",
    [
        ("5", (0, 1), 0.1, "constant"),
        ("x", (1, 1), 0.1, "ends before it begins"),
        ("x^2", (-1e200, 1e200), 1e198, "too large for a double"),
    ],
)
def test_what_cannot_be_asked_is_an_error(text, domain, step, match):
    with pytest.raises(ScanError, match=match):
        find(text, domain, step)


# -- the program -------------------------------------------------------------------------------------------------------


def test_the_program_prints_writes_and_draws(tmp_path, capsys):
    assert run_extrema.main(["--run-dir", "run"]) == 0
    printed, said = capsys.readouterr()
    rows = [line.split() for line in printed.splitlines()]
    assert ["global", "maximum", "0", "-6", "0", "-24", "f''", "<", "0"] in rows
    assert ["minimum", "8", "-262", "0", "24", "outside,", "f''", ">", "0"] in rows
    assert max(map(len, printed.splitlines())) <= 80
    assert said == "result  run/result.json\nreport  run/report.html\n"
    pictures = ["first-derivative.png", "function.png", "second-derivative.png", "together.png"]
    assert sorted(name for name in os.listdir("run") if name.endswith(".png")) == pictures
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    reader = PageReader()
    reader.feed((tmp_path / "run" / "report.html").read_text())
    reader.close()
    alts = [value for tag, name, value in reader.attributes if (tag, name) == ("img", "alt")]
    assert len(alts) == 4
    for point in result["points"]:
        if point["place"] != OUTSIDE:
            for alt, name in zip(alts, ("value", "slope", "curvature")):
                assert f"({point['x']:g}, {point[name]:g})" in alt
    assert "8, -262" in "".join(reader.texts)


@pytest.mark.parametrize(
    "text, domain",
    [("16x^5-20x^3+5x", "-1,1"), ("x^4", "-1,1"), ("x^3", "-1,1"), ("-5x", "-2,-1"), ("1e-9x^3 + 1e-12x", "0,1e-3"),
     ("x^12 - 30x^10 + 300x^8 - 1200x^6 + 2000x^4 - 1000x^2 + x", "-3.5,3.5")],
)  # fmt: skip
def test_any_polynomial_has_its_pictures(text, domain, tmp_path, capsys):
    low, high = map(float, domain.split(","))
    step = str((high - low) / 200)
    assert run_extrema.main(["--polynomial", text, "--domain", domain, "--step", step, "--run-dir", "run"]) == 0
    said = capsys.readouterr().err
    assert "could not" not in said and (tmp_path / "run" / "together.png").exists()


def test_json_is_what_the_directory_holds(tmp_path, capsys):
    arguments = ["--json", "--quiet", "--no-report", "--run-dir", "run", "--domain", "-1,1", "--polynomial", "-1,0,0"]
    assert run_extrema.main(arguments) == 0
    printed, said = capsys.readouterr()
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert said == "" and json.loads(printed) == result
    assert [(point["kind"], point["x"], point["is_global"]) for point in result["points"]] == [
        (MINIMUM, -1.0, True), (MAXIMUM, 0.0, True), (MINIMUM, 1.0, True),
    ]  # fmt: skip
    assert sorted(os.listdir("run")) == [".lock", "result.json"]


@pytest.mark.parametrize(
    "arguments, status",
    [
        (["--polynomial", "exp(x)"], 2), (["--polynomial", "3"], 2), (["--domain", "6,-6"], 2), (["--domain", "1"], 2),
        (["--domain", "0,inf"], 2), (["--domain", "a,b"], 2), (["--domain", "1,2,3"], 2), (["--step", "0"], 2),
        (["--step", "-1"], 2), (["--dom", "0,1"], 2), (["--step", "20"], 1), (["--step", "1e-9"], 1),
        (["--domain", "-1e200,1e200", "--step", "1e199"], 1),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_and_leaves_nothing(arguments, status, capsys):
    try:
        found = run_extrema.main(arguments)
    except SystemExit as ended:
        found = ended.code
    printed, said = capsys.readouterr()
    assert (found, printed) == (status, "")
    assert ": error: " in said and said.count("\n") == 1
    assert not os.path.exists("runs")


def test_the_same_as_a_program(tmp_path):
    done = Driver("run_extrema")("--quiet", "--no-report", "--domain", "-6,6", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "") and "global maximum   0    -6" in done.stdout

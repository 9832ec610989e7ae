"""The extrema and inflection points of a polynomial f on a closed interval.

A root c of f' of multiplicity m is a place where the first derivative that is not zero is of order m + 1:

    m odd, f^(m+1)(c) > 0   a minimum          m odd, f^(m+1)(c) < 0   a maximum                         (1)
    m even                  neither, but an inflection point with a level tangent

which for m = 1 is the test by f''. At an end the sign of f' decides, or of the next derivative where it is zero: f rises
away from a minimum, so f' > 0 at a left end and f' < 0 at a right one. Inflection points are where f'' changes sign. The
global extrema are among the local ones, since a continuous function on a closed interval has both (Weierstrass).
docs/optimization.md has a worked example. Another route, which knows no derivative, is the grid of `on_grid`.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from drivers.calculus.polynomials import Polynomial, Root
from drivers.wording import count
from jobs.errors import ScanError

MAXIMUM, MINIMUM, INFLECTION, LEVEL_INFLECTION = "maximum", "minimum", "inflection", "level inflection"
INSIDE, END, OUTSIDE = "inside", "end", "outside"
MAX_GRID_POINTS = 1_000_000
EPS = float(np.finfo(float).eps)
# Extreme values that differ by less of their range are one.
SAME = 1e-12


@dataclass
class Point:
    """A point of interest: f, f' and f'' there, and what decides of its kind.

    place: inside the domain, at its end, or outside
    order, decisive: the first derivative that is not zero, at an inflection point the first beyond f'', and its value
    """

    kind: str
    x: float
    value: float
    slope: float
    curvature: float
    place: str
    order: int
    decisive: float
    is_global: bool = False

    @property
    def is_extremum(self) -> bool:
        return self.kind in (MAXIMUM, MINIMUM)

    @property
    def name(self) -> str:
        """ "global maximum", "local minimum", "inflection"."""
        if not self.is_extremum or self.place == OUTSIDE:
            return self.kind
        return f"{'global' if self.is_global else 'local'} {self.kind}"


@dataclass
class GridExtremum:
    """An extremum among the values on a grid: between these places, which are one unless values are equal."""

    kind: str
    low: float
    high: float


@dataclass
class Extrema:
    """All points of interest in order, and what the grid of this step, (n,), makes of them.

    missed: extrema of the domain that the grid does not show; spurious: what it shows and is none
    """

    polynomial: Polynomial
    domain: tuple[float, float]
    step: float
    points: list[Point]
    grid: np.ndarray
    missed: list[Point]
    spurious: list[GridExtremum]

    def remarks(self) -> list[str]:
        """What the user must know of the result."""
        if not (self.missed or self.spurious):
            return []
        shown = self.missed or self.spurious
        places = ", ".join(f"{p.x if isinstance(p, Point) else p.low:.6g}" for p in shown[:4])
        what = "does not show the extrema" if self.missed else "shows extrema that are none"
        return [f"the grid of --step {self.step:g} {what} near x = {places}; a smaller --step may"]

    def agreement(self) -> str:
        """What the grid says, in a sentence."""
        n = sum(point.is_extremum and point.place != OUTSIDE for point in self.points)
        found = f"{n - len(self.missed)} of the {count(n, 'extremum', 'extrema')}"
        return (
            f"A grid of {len(self.grid):,} points, which knows no derivative, finds {found} of the domain, each within "
            f"a step of {self.step:g}."
        )

    def to_json(self) -> dict[str, Any]:
        """What result.json holds."""
        f = self.polynomial
        return {
            "polynomial": str(f), "derivative": str(f.derivative()), "second_derivative": str(f.derivative(2)),
            "coefficients": [float(c) for c in reversed(f.coefficients)], "domain": list(self.domain), "step": self.step,
            "points": [asdict(point) for point in self.points],
            "grid": {
                "n_points": len(self.grid), "missed": [point.x for point in self.missed],
                "spurious": [asdict(found) for found in self.spurious],
            },
            "warnings": self.remarks(),
        }  # fmt: skip


def extrema(polynomial: Polynomial, domain: tuple[float, float], step: float) -> Extrema:
    """The extrema of a polynomial on the closed interval `domain`, its inflection points, and those outside.

    :param step: of the grid that the extrema are looked for on by another route
    :raises ScanError: a constant, a domain that is none, a grid of too few or too many points, values that no double holds
    """
    low, high = domain
    if polynomial.degree < 1:
        raise ScanError(f"{polynomial} is constant: every point is a maximum and a minimum")
    if not low < high:
        raise ScanError(f"the domain {low:g},{high:g} ends before it begins")
    flat = polynomial.derivative().real_roots() if polynomial.degree > 1 else []
    points = [*_critical_points(polynomial, domain, flat), *_inflections(polynomial, domain)]
    points += [_end(polynomial, low, flat, from_left=True), _end(polynomial, high, flat, from_left=False)]
    points = _with_global(polynomial, sorted(points, key=lambda point: point.x))
    grid = make_grid(domain, step)
    found = on_grid(polynomial, grid)
    inside = [point for point in points if point.is_extremum and point.place != OUTSIDE]
    missed = [point for point in inside if not any(_is_near(point, entry, step) for entry in found)]
    spurious = [entry for entry in found if not any(_is_near(point, entry, step) for point in inside)]
    return Extrema(polynomial, domain, step, points, grid, missed, spurious)


def make_grid(domain: tuple[float, float], step: float) -> np.ndarray:
    """Places from end to end, (n,), a step apart; the last step is shorter where the domain is no multiple of it.

    :raises ScanError: too few or too many places
    """
    low, high = domain
    n_steps = (high - low) / step
    if n_steps < 1:
        raise ScanError(f"the step {step:g} is longer than the domain from {low:g} to {high:g}; give a smaller --step")
    if not n_steps < MAX_GRID_POINTS:
        raise ScanError(f"a step of {step:g} makes more than {MAX_GRID_POINTS:,} points; give a larger --step")
    whole = round(n_steps)
    if abs(whole - n_steps) < 1e-9 * n_steps:
        return np.linspace(low, high, whole + 1)
    return np.append(low + step * np.arange(math.floor(n_steps) + 1), high)


def on_grid(polynomial: Polynomial, grid: np.ndarray) -> list[GridExtremum]:
    """The extrema among the values on a grid, by their differences; differences of rounding count as none."""
    f = polynomial.in_doubles
    values = f(grid)
    sizes = np.polynomial.Polynomial(abs(f.coef))(abs(grid))
    differences = np.diff(values)
    differences[abs(differences) <= 4 * polynomial.degree * EPS * np.maximum(sizes[1:], sizes[:-1])] = 0.0
    (changing,) = np.nonzero(differences)
    if not len(changing):
        return []
    rises = differences[changing] > 0
    found = [GridExtremum(MINIMUM if rises[0] else MAXIMUM, float(grid[0]), float(grid[changing[0]]))]
    for i in np.flatnonzero(rises[1:] != rises[:-1]):
        kind = MAXIMUM if rises[i] else MINIMUM
        found.append(GridExtremum(kind, float(grid[changing[i] + 1]), float(grid[changing[i + 1]])))
    last = float(grid[changing[-1] + 1])
    return [*found, GridExtremum(MAXIMUM if rises[-1] else MINIMUM, last, float(grid[-1]))]


def _critical_points(f: Polynomial, domain: tuple[float, float], flat: list[Root]) -> list[Point]:
    """Where f' is zero, but for the ends of the domain."""
    found = []
    for root in flat:
        order = root.multiplicity + 1
        decisive = f.derivative(order).at(root.value)
        kind = LEVEL_INFLECTION if order % 2 else MINIMUM if decisive > 0 else MAXIMUM
        if root.value not in domain:
            found.append(_point(f, kind, root.value, _place(root.value, domain), order, decisive))
    return found


def _inflections(f: Polynomial, domain: tuple[float, float]) -> list[Point]:
    """Where f'' changes sign and f' is not zero."""
    if f.degree < 3:
        return []
    slope, curvature = f.derivative(), f.derivative(2)
    roots = [root for root in curvature.without_roots_of(slope).real_roots() if root.multiplicity % 2]
    found = []
    for root in roots:
        order = 2 + root.multiplicity
        place = _place(root.value, domain)
        found.append(_point(f, INFLECTION, root.value, place, order, f.derivative(order).at(root.value)))
    return [point for point in found if point.x not in domain]


def _end(f: Polynomial, x: float, flat: list[Root], from_left: bool) -> Point:
    """An end of the domain, by the first derivative that is not zero there."""
    # A zero of f' at 1/10 is at the end 0.1, although no double is 1/10.
    order = 1 + next((root.multiplicity for root in flat if root.value == x), 0)
    decisive = f.derivative(order).exactly(x)
    # f(x + h) - f(x) has the sign of h^order times the derivative, and h is negative at the right end.
    rises = (decisive > 0) == (from_left or order % 2 == 0)
    return _point(f, MINIMUM if rises else MAXIMUM, x, END, order, f.derivative(order).at(x))


def _point(f: Polynomial, kind: str, x: float, place: str, order: int, decisive: float) -> Point:
    return Point(kind, x, f.at(x), f.derivative().at(x), f.derivative(2).at(x), place, order, decisive)


def _place(x: float, domain: tuple[float, float]) -> str:
    return INSIDE if domain[0] < x < domain[1] else OUTSIDE


def _with_global(f: Polynomial, points: list[Point]) -> list[Point]:
    """The points with the global ones among them marked: of equal values all."""
    values = {p.x: f.exactly(p.x) for p in points if p.is_extremum and p.place != OUTSIDE}
    least, largest = min(values.values()), max(values.values())
    # Values at roots that no double holds differ by rounding.
    near = (largest - least) * Fraction(SAME)
    best = {MAXIMUM: largest, MINIMUM: least}
    return [replace(p, is_global=p.x in values and abs(values[p.x] - best[p.kind]) <= near) for p in points]


def _is_near(point: Point, found: GridExtremum, step: float) -> bool:
    return point.kind == found.kind and found.low - step <= point.x <= found.high + step

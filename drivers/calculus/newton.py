"""Newton's method for a root of a polynomial f: each step goes to where the tangent at x_k meets the axis.

    x_{k+1} = x_k - f(x_k) / f'(x_k)                                                                   (1)

Near a simple root r the errors e_k = |x_k - r| fall quadratically, near one of multiplicity m linearly:

    e_{k+1} / e_k^2  ->  |f''(r) / (2 f'(r))|,        e_{k+1} / e_k  ->  1 - 1/m                        (2)

(Nocedal and Wright, *Numerical Optimization*, 2nd ed., 11.1; Suli and Mayers, *An Introduction to Numerical Analysis*,
1.4). r is known by another route, from the companion matrix; docs/optimization.md has a worked example.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from drivers.calculus.polynomials import Polynomial, Root
from drivers.loop import CONVERGED, MAX_ITER
from jobs.errors import ScanError

LEVEL, CYCLE, NO_ROOT = "level tangent", "cycle", "no root"
EPS = float(np.finfo(float).eps)
# An error, or a step, of no more than so many last places is rounding.
PLACES_OF_ROUNDING = 4


@dataclass
class Iterate:
    """A point of the way: f and f' there, its distance from the root, and the ratio (2) that has led to it.

    error, ratio: None where they are not known, or nothing but rounding
    """

    k: int
    x: float
    value: float
    slope: float
    error: float | None = None
    ratio: float | None = None

    @property
    def intercept(self) -> float:
        """Of the tangent, y = slope x + intercept; 0 where it is nothing but rounding."""
        found = self.value - self.slope * self.x
        return 0.0 if abs(found) <= PLACES_OF_ROUNDING * EPS * abs(self.value) else found

    def tangent(self) -> str:
        """The equation of the tangent, to five digits."""
        return f"y = {Polynomial.of(Fraction(f'{c:.5g}') for c in (self.intercept, self.slope))}"


@dataclass
class Newton:
    """How the iteration went.

    status: "converged", "max_iter", "level tangent" (f' = 0), "cycle", or "no root", small steps where no real root is
    root: what it has converged to, by the companion matrix; limit: of the ratios, (2)
    cycle: the points it goes round
    """

    polynomial: Polynomial
    start: float
    tol: float
    max_iter: int
    status: str
    iterates: list[Iterate]
    real_roots: list[Root]
    root: Root | None
    limit: float | None
    cycle: list[float]

    @property
    def converged(self) -> bool:
        return self.status == CONVERGED

    @property
    def order(self) -> int:
        """The power of e_k in the ratio: 2 at a simple root, 1 at a multiple one."""
        return 1 if self.root is not None and self.root.multiplicity > 1 else 2

    def remarks(self) -> list[str]:
        """What the user must know of the result: why there is no root, or why it took so many steps."""
        if self.root is not None:
            m = self.root.multiplicity
            slow = f"the root is of multiplicity {m}, so that convergence is linear: a step leaves {m - 1}/{m} of the error"
            return [slow] if m > 1 else []
        if not self.real_roots:
            return [f"{self.polynomial} has no real root, so that no --start leads to one"]
        return [
            f"{self._why()}; {'allow more, or ' if self.status == MAX_ITER else ''}give another --start (real roots: "
            f"{_listed([root.value for root in self.real_roots])})"
        ]

    def _why(self) -> str:
        last = self.iterates[-1]
        if self.status == LEVEL:
            return f"the tangent at x_{last.k} = {last.x:.10g} is level and meets the axis nowhere"
        if self.status == CYCLE:
            return f"the iterates go round {len(self.cycle)} points, {_listed(self.cycle)}, and never converge"
        if self.status == NO_ROOT:
            return f"the steps became small at {last.x:.10g}, where f comes near to 0 and no real root is"
        return f"not converged within --max-iter {self.max_iter} steps"

    def to_json(self) -> dict[str, Any]:
        """What result.json holds."""
        return {
            "polynomial": str(self.polynomial),
            "coefficients": [float(c) for c in reversed(self.polynomial.coefficients)],
            "start": self.start, "tol": self.tol, "max_iter": self.max_iter, "status": self.status,
            "converged": self.converged, "n_iter": self.iterates[-1].k, "x": self.iterates[-1].x,
            "root": None if self.root is None else self.root.value,
            "multiplicity": None if self.root is None else self.root.multiplicity,
            "order": self.order if self.converged else None, "ratio_limit": self.limit,
            "real_roots": [asdict(root) for root in self.real_roots], "cycle": self.cycle,
            "iterates": [{**asdict(entry), "intercept": entry.intercept} for entry in self.iterates],
            "warnings": self.remarks(),
        }  # fmt: skip


def newton(polynomial: Polynomial, start: float, tol: float = 1e-7, max_iter: int = 50) -> Newton:
    """Newton's method from `start`, until a step is at most tol max(1, |x|), or nothing but rounding.

    Near a simple root the error is then about the square of the step.

    :raises ScanError: a constant, and iterates that run away so far that f overflows
    """
    if polynomial.degree < 1:
        raise ScanError(f"{polynomial} is constant: no tangent meets the axis")
    roots = polynomial.real_roots()
    iterates, status, cycle = _iterate(polynomial, start, tol, max_iter)
    root = limit = None
    if status == CONVERGED:
        last, before = iterates[-1], iterates[-2] if len(iterates) > 1 else iterates[-1]
        root = min(roots, key=lambda root: abs(root.value - last.x), default=None)
        # f'/f is the sum of 1/(x - z) over all roots z, complex ones too, so one of them is within degree times the step.
        reach = polynomial.degree * (abs(last.x - before.x) + tol * max(1.0, abs(last.x)))
        if root is None or abs(root.value - last.x) > reach:
            status, root = NO_ROOT, None
        else:
            limit = ratio_limit(polynomial, root)
            _compare(iterates, root)
    return Newton(polynomial, float(start), tol, max_iter, status, iterates, roots, root, limit, cycle)


def ratio_limit(polynomial: Polynomial, root: Root) -> float:
    """The limit (2) of the ratios of the errors at a root."""
    if root.multiplicity > 1:
        return 1 - 1 / root.multiplicity
    slope, curvature = polynomial.derivative().at(root.value), polynomial.derivative(2).at(root.value)
    return abs(curvature / (2 * slope))


def _iterate(polynomial: Polynomial, start: float, tol: float, max_iter: int) -> tuple[list[Iterate], str, list[float]]:
    """The iterates, the status, and the points of a cycle."""
    f, slope_of = polynomial.in_doubles, polynomial.derivative().in_doubles
    iterates: list[Iterate] = []
    x, step = float(start), math.inf
    for k in range(max_iter + 1):
        with np.errstate(over="ignore", invalid="ignore"):
            value, slope = float(f(x)), float(slope_of(x))
        if not (math.isfinite(value) and math.isfinite(slope)):
            raise ScanError(f"the iterates run away: x_{k} = {x:.6g} is so far that f overflows; give another --start")
        same = [entry.k for entry in iterates if abs(entry.x - x) <= 2 * EPS * abs(x)]
        iterates.append(Iterate(k, x, value, slope))
        if value == 0 or step <= max(tol * max(1.0, abs(x)), PLACES_OF_ROUNDING * math.ulp(x)):
            return iterates, CONVERGED, []
        if same:
            return iterates, CYCLE, [entry.x for entry in iterates[same[-1] : k]]
        if slope == 0:
            return iterates, LEVEL, []
        before, x = x, x - value / slope
        step = abs(x - before)
    return iterates, MAX_ITER, []


def _compare(iterates: list[Iterate], root: Root) -> None:
    """Sets the errors and their ratios."""
    rounding = PLACES_OF_ROUNDING * math.ulp(root.value)
    order = 1 if root.multiplicity > 1 else 2
    before = None
    for entry in iterates:
        entry.error = abs(entry.x - root.value)
        if before is not None and entry.error > rounding and before**order > 0:
            entry.ratio = entry.error / before**order
        before = entry.error


def _listed(values: list[float]) -> str:
    texts = [f"{value:.10g}" for value in values]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"

"""Polynomials in x with rational coefficients: read from text, evaluated in doubles or exactly, with their real roots.

The eigenvalues of the companion matrix are roots up to rounding, and of a root of multiplicity m about 16/m digits are
right: too few to tell a double root from two, or from none. So a polynomial is first split, exactly, into factors whose
roots are all simple (Yun, "On square-free decomposition algorithms", SYMSAC 1976); the eigenvalues of their companion
matrices, by numpy.polynomial, are polished by Newton steps in exact arithmetic. A change of sign between neighbouring
doubles proves each root, and Sturm's theorem that none is missing (Basu, Pollack and Roy, *Algorithms in Real Algebraic
Geometry*, 2nd ed., 2.2).
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from jobs.errors import ScanError, quoted

MAX_DEGREE = 30
MAX_POLISHING_STEPS = 100
WAYS_TO_WRITE = 'write 1,0,2,-4, from the highest power, or "x^3 + 2x - 4"'
_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_TERM = re.compile(rf"\s*([+-]?)\s*(?=[\d.x])({_NUMBER})?(?:\s*\*?\s*(x)(?:\s*(?:\^|\*\*)\s*(\d+))?)?\s*")


@dataclass(frozen=True)
class Root:
    """A real root, rounded to the nearest double but for a last place, and its multiplicity, which is exact."""

    value: float
    multiplicity: int


@dataclass(frozen=True)
class Polynomial:
    """A polynomial; coefficients: (degree + 1,), from the lowest power, as numpy.polynomial has them."""

    coefficients: tuple[Fraction, ...]

    @classmethod
    def of(cls, coefficients: Iterable[float | Fraction]) -> Polynomial:
        """The polynomial of these coefficients, from the lowest power; zeros of the highest powers are left out."""
        return cls(_trimmed([Fraction(c) for c in coefficients]))

    @classmethod
    def parse(cls, text: str) -> Polynomial:
        """The polynomial of a text: "1,0,2,-4", from the highest power, or "x^3 + 2x - 4".

        :raises ScanError: a text that is neither, a degree beyond MAX_DEGREE, a number that no double holds
        """
        terms = _terms_of_list(text) if "x" not in text else _terms_of_formula(text)
        degree = max(power for power, _ in terms)
        if degree > MAX_DEGREE:
            raise ScanError(f"{quoted(text)} is of degree {degree}; the highest is {MAX_DEGREE}")
        found = cls.of(sum((c for power, c in terms if power == k), Fraction(0)) for k in range(degree + 1))
        if any(math.isinf(_double(c)) for c in found.coefficients):
            raise ScanError(f"{quoted(text)} has a coefficient that is too large for a double")
        return found

    @property
    def degree(self) -> int:
        return len(self.coefficients) - 1

    @property
    def is_zero(self) -> bool:
        return self.coefficients == (0,)

    def derivative(self, order: int = 1) -> Polynomial:
        """The derivative of that order."""
        found = self.coefficients
        for _ in range(order):
            found = tuple(k * c for k, c in enumerate(found))[1:] or (Fraction(0),)
        return Polynomial(found)

    @functools.cached_property
    def in_doubles(self) -> np.polynomial.Polynomial:
        """The same with coefficients rounded to doubles, for arrays."""
        return np.polynomial.Polynomial([_double(c) for c in self.coefficients])

    def exactly(self, x: float | Fraction) -> Fraction:
        """The value at x, without rounding."""
        value, at = Fraction(0), Fraction(x)
        for c in reversed(self.coefficients):
            value = value * at + c
        return value

    def at(self, x: float) -> float:
        """The value at x, rounded once; 0 where it is no larger than what one last place of x changes.

        :raises ScanError: a value that no double holds
        """
        value = self.exactly(x)
        if abs(value) <= max(abs(self.exactly(side) - value) for side in _neighbours(x)):
            return 0.0
        found = _double(value)
        if math.isinf(found):
            raise ScanError(f"{self} is too large for a double at x = {x:g}")
        return found

    def without_roots_of(self, other: Polynomial) -> Polynomial:
        """This polynomial over its greatest common divisor with another one."""
        return Polynomial(_divide(self.coefficients, _common(self.coefficients, other.coefficients))[0])

    def real_roots(self) -> list[Root]:
        """All real roots, in order.

        :raises ScanError: roots too sensitive to rounding to be found, coefficients of too different sizes, and zero itself
        """
        if self.is_zero:
            raise ScanError("the zero polynomial has every number for a root")
        roots = [Root(x, m) for factor, m in _square_free(self.coefficients) for x in _simple_roots(Polynomial(factor))]
        n_roots = _number_of_real_roots(self.coefficients)
        if len({root.value for root in roots}) < n_roots:
            raise ScanError(
                f"no more than {len(roots)} of the {n_roots} real roots of {quoted(str(self))} can be found: they are too "
                "sensitive to rounding"
            )
        return sorted(roots, key=lambda root: root.value)

    def __str__(self) -> str:
        text = ""
        for power in range(self.degree, -1, -1):
            if c := self.coefficients[power]:
                size = repr(_double(abs(c))).removesuffix(".0")
                sign = (" - " if text else "-") if c < 0 else " + " if text else ""
                text += sign + ("" if size == "1" and power else size) + ("", "x", f"x^{power}")[min(power, 2)]
        return text or "0"


# -- text ----------------------------------------------------------------------------------------------------------------


def _terms_of_list(text: str) -> list[tuple[int, Fraction]]:
    cells = text.split(",")
    return [(len(cells) - 1 - i, _number(cell, text)) for i, cell in enumerate(cells)]


def _terms_of_formula(text: str) -> list[tuple[int, Fraction]]:
    terms: list[tuple[int, Fraction]] = []
    place = 0
    while place < len(text):
        match = _TERM.match(text, place)
        # Behind the first term a sign is what holds terms apart.
        if match is None or (terms and not match[1]):
            raise ScanError(
                f"{quoted(text)} is no polynomial in x, from {quoted(text[place:].strip())} on; {WAYS_TO_WRITE}"
            )
        sign, size, x, power = match.groups()
        if len(power or "") > 9:
            raise ScanError(f"{quoted(text)} is of a degree beyond {MAX_DEGREE}")
        value = Fraction(1) if size is None else _number(size, text)
        terms.append((int(power or 1) if x else 0, -value if sign == "-" else value))
        place = match.end()
    return terms


def _number(cell: str, text: str) -> Fraction:
    """:raises ScanError: no number, or one that no double holds"""
    cell = cell.strip()
    if not re.fullmatch(rf"[+-]?{_NUMBER}", cell, re.ASCII):
        raise ScanError(f"{quoted(text)} is no polynomial in x: {quoted(cell)} is not a number; {WAYS_TO_WRITE}")
    size = float(cell)
    if math.isinf(size) or (size == 0 and re.search("[1-9]", re.split("[eE]", cell)[0])):
        raise ScanError(f"{quoted(text)} holds {quoted(cell)}, which no double holds")
    try:
        # As it is written, and not as a double has it: (x - 0.1)^2 has a double root only so.
        return Fraction(cell)
    except ValueError:  # thousands of digits, which Python does not take
        raise ScanError(f"{quoted(text)} holds a number of too many digits") from None


def _double(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


# -- exact arithmetic: coefficients from the lowest power ----------------------------------------------------------------

Coefficients = tuple[Fraction, ...]


def _trimmed(coefficients: Sequence[Fraction]) -> Coefficients:
    found = list(coefficients)
    while len(found) > 1 and found[-1] == 0:
        found.pop()
    return tuple(found) or (Fraction(0),)


def _divide(a: Coefficients, b: Coefficients) -> tuple[Coefficients, Coefficients]:
    """Quotient and remainder."""
    rest = list(a)
    quotient = [Fraction(0)] * max(len(a) - len(b) + 1, 1)
    for i in range(len(a) - len(b), -1, -1):
        quotient[i] = rest[i + len(b) - 1] / b[-1]
        for j, c in enumerate(b):
            rest[i + j] -= quotient[i] * c
    return _trimmed(quotient), _trimmed(rest)


def _primitive(a: Coefficients) -> Coefficients:
    """A positive multiple with whole coefficients that have no common divisor: short numbers for what follows."""
    multiple = math.lcm(*(c.denominator for c in a))
    whole = [int(c * multiple) for c in a]
    divisor = math.gcd(*whole) or 1
    return tuple(Fraction(c // divisor) for c in whole)


def _common(a: Coefficients, b: Coefficients) -> Coefficients:
    """The greatest common divisor, up to a factor."""
    while b != (0,):
        a, b = b, _primitive(_divide(a, b)[1])
    return _primitive(a)


def _square_free(a: Coefficients) -> list[tuple[Coefficients, int]]:
    """Yun's algorithm: factors without a multiple root, and the multiplicity that their roots have in `a`."""
    slope = Polynomial(a).derivative().coefficients
    common = _common(a, slope)
    b, c = _divide(a, common)[0], _divide(slope, common)[0]
    found, multiplicity = [], 1
    while len(b) > 1:
        d = Polynomial.of(x - y for x, y in _paired(c, Polynomial(b).derivative().coefficients)).coefficients
        factor = _common(b, d)
        if len(factor) > 1:
            found.append((factor, multiplicity))
        b, c, multiplicity = _divide(b, factor)[0], _divide(d, factor)[0], multiplicity + 1
    return found


def _paired(a: Coefficients, b: Coefficients) -> list[tuple[Fraction, Fraction]]:
    n = max(len(a), len(b))
    longer = [(*x, *[Fraction(0)] * (n - len(x))) for x in (a, b)]
    return list(zip(*longer))


def _number_of_real_roots(a: Coefficients) -> int:
    """Sturm's theorem on the whole axis: the number of different real roots."""
    chain = [_primitive(a), _primitive(Polynomial(a).derivative().coefficients)]
    while chain[-1] != (0,):
        chain.append(tuple(-c for c in _primitive(_divide(chain[-2], chain[-1])[1])))
    right = [f[-1] > 0 for f in chain[:-1]]
    left = [is_positive == (len(f) % 2 == 1) for f, is_positive in zip(chain, right)]
    return _changes(left) - _changes(right)


def _changes(signs: list[bool]) -> int:
    return sum(a != b for a, b in zip(signs, signs[1:]))


# -- roots ---------------------------------------------------------------------------------------------------------------


def _simple_roots(factor: Polynomial) -> set[float]:
    """The real roots of a polynomial that has no multiple ones, as far as the companion matrix leads to them."""
    try:
        with np.errstate(all="ignore"):
            starts = factor.in_doubles.roots()
    except (np.linalg.LinAlgError, ZeroDivisionError):
        starts = np.full(1, np.nan)
    if not np.isfinite(starts).all():
        raise ScanError(f"the coefficients of {quoted(str(factor))} are of too different sizes for its roots to be found")
    polished = (_polished(factor, float(start)) for start in np.real(starts))
    return {root for root in polished if root is not None}


def _polished(factor: Polynomial, x: float) -> float | None:
    """The root that Newton's steps lead to, or None."""
    slope = factor.derivative()
    for _ in range(MAX_POLISHING_STEPS):
        value, steepness = factor.exactly(x), slope.exactly(x)
        if value == 0:
            return x + 0.0  # and not -0
        if steepness == 0:
            return None
        before, x = x, _double(Fraction(x) - value / steepness)
        if x == before:
            break
        if math.isinf(x):
            return None
    low, high = _neighbours(x)
    # The same end of the same pair of doubles, from whichever side the steps have come.
    for pair in ((low, x), (x, high)):
        values = [factor.exactly(end) for end in pair]
        if values[0] * values[1] <= 0:
            return min(zip(map(abs, values), pair))[1] + 0.0
    return None


def _neighbours(x: float) -> tuple[float, float]:
    return math.nextafter(x, -math.inf), math.nextafter(x, math.inf)

"""Numbers made into other numbers: scaled, transformed, multiplied."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from jobs.errors import BadRecord
from jobs.recipe.frame import Frame
from jobs.recipe.step import Step, floats, one_of

STANDARD, MIN_MAX, MAX_ABS, ROBUST = "standard", "min-max", "max-abs", "robust"
SCALES = (STANDARD, MIN_MAX, MAX_ABS, ROBUST)
LOG, LOG1P, SQRT, ASINH = "log", "log1p", "sqrt", "asinh"
MOST_FACTORS = 10
# What each function takes: above, and whether that itself.
FUNCTIONS = {LOG: (0.0, False), LOG1P: (-1.0, False), SQRT: (0.0, True), ASINH: (-np.inf, False)}


@dataclass
class Scale(Step):
    """(x - center) / scale of each column.

    standard: mean and standard deviation with 1 / n; min-max: least cell and range; max-abs: 0 and the largest magnitude;
    robust: median and interquartile range: scikit-learn's four scalers. A scale that is zero is taken as 1.
    """

    word = "scale"
    of_levels = False

    method: str = STANDARD
    centers: dict = field(default_factory=dict)
    scales: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("the method of scale", self.method, SCALES)
        self.centers, self.scales = floats(self.centers), floats(self.scales)
        if 0.0 in self.scales.values():
            raise BadRecord("a scale of zero; a column that is constant has the scale 1")

    @property
    def is_learned(self) -> bool:
        return set(self.centers) == set(self.scales) == set(self.columns)

    def apply(self, frame: Frame) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            for name in self.columns:
                frame.put(name, (frame.numbers(name) - self.centers[name]) / self.scales[name])


@dataclass
class Transform(Step):
    """A function of each cell: log, log1p = log(1 + x), sqrt, asinh. A cell that it is not defined for becomes missing;
    in training there are none."""

    word = "transform"
    of_levels = False

    function: str = LOG1P

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("the function of transform", self.function, tuple(FUNCTIONS))

    def apply(self, frame: Frame) -> None:
        bound, itself = FUNCTIONS[self.function]
        function = {LOG: np.log, LOG1P: np.log1p, SQRT: np.sqrt, ASINH: np.arcsinh}[self.function]
        for name in self.columns:
            values = frame.numbers(name)
            with np.errstate(all="ignore"):
                defined = (values >= bound) if itself else (values > bound)
                # An unused branch computes with 1, for which each is defined.
                frame.put(name, np.where(defined, function(np.where(defined, values, 1.0)), np.nan))


@dataclass
class Interactions(Step):
    """Products of columns: a term of names each, ["a", "b"] for a*b, ["a", "a"] for a^2."""

    word = "interactions"
    of_levels = False

    terms: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        named = {name for term in self.terms for name in term}
        if any(len(term) > MOST_FACTORS for term in self.terms):
            raise BadRecord(f"a product has at most {MOST_FACTORS} factors")
        if not all(self.terms) or named != set(self.columns):
            raise BadRecord("the terms of interactions are of other columns than the step")

    def features(self, before: list[str]) -> list[str]:
        return [*before, *map(product_name, self.terms)]

    def apply(self, frame: Frame) -> None:
        for term in self.terms:
            product = frame.numbers(term[0])
            with np.errstate(over="ignore", invalid="ignore"):
                for name in term[1:]:
                    product = product * frame.numbers(name)
            frame.put(product_name(term), product)


def product_name(term: list[str]) -> str:
    """What a product is called: a^2*b."""
    powers = {name: term.count(name) for name in term}
    return "*".join(name if n == 1 else f"{name}^{n}" for name, n in powers.items())

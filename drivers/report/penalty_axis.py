"""What the pictures of the penalties have in common: their axis, and the two penalties worth a choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from drivers.report.figures import SAMPLE
from drivers.report.formats import number

CHOSEN = "#1c2430"


@dataclass
class Penalties:
    """The penalties of one l1 ratio, the largest first: alphas (m,), and rows (m,), their places in the model's path.

    x (m,): where they are drawn; an alpha of zero, which a logarithmic axis has no place for, stands right of the others.
    """

    alphas: np.ndarray
    rows: np.ndarray
    x: np.ndarray

    @classmethod
    def of(cls, path: dict[str, Any], l1_ratio: float, smallest: float) -> Penalties:
        rows = np.flatnonzero(np.asarray(path["l1_ratios"]) == l1_ratio)
        rows = rows[np.argsort(-np.asarray(path["alphas"], dtype=float)[rows], kind="stable")]
        alphas = np.asarray(path["alphas"], dtype=float)[rows]
        return cls(alphas, rows, np.where(alphas > 0, alphas, smallest))

    def at(self, row: int) -> float:
        """Where the penalty of this place in the path is drawn."""
        return float(self.x[np.flatnonzero(self.rows == row)[0]])


def place_of_zero(alphas: np.ndarray) -> float:
    """Where an alpha of zero is drawn: right of the smallest other one, by a tenth of their range or more."""
    positive = alphas[alphas > 0]
    decades = float(np.log10(positive.max() / positive.min()))
    return float(positive.min() / 10 ** max(decades / 10, 0.3))


def chosen_place(model: dict[str, Any]) -> int:
    """The place in the path of the penalty that the model took."""
    return int(model["path"]["one_standard_error" if model["penalty"]["choice"] == "1se" else "best"])


def alpha_at(path: dict[str, Any], place: int) -> float:
    """The penalty of this place in the path."""
    return float(path["alphas"][place])


def is_several(path: dict[str, Any]) -> bool:
    """Whether there is more than one l1 ratio in the path."""
    return len(set(path["l1_ratios"])) > 1


def mark_choices(axes: Any, model: dict[str, Any], penalties: Penalties) -> list[Any]:
    """Vertical lines at the two penalties worth a choice, as handles for the legend."""
    path, chosen = model["path"], chosen_place(model)
    places = {path["best"]: "least error"}
    places.setdefault(path["one_standard_error"], "within one std. error")
    handles = []
    for place, name in places.items():
        is_chosen = place == chosen
        name = f"{name} (chosen)" if is_chosen else name
        handles.append(
            axes.axvline(
                penalties.at(place), color=CHOSEN if is_chosen else SAMPLE, linewidth=1.3,
                linestyle=(0, (4, 2)) if is_chosen else (0, (1, 1.5)), label=name,
            )
        )  # fmt: skip
    return handles


def choices_told(model: dict[str, Any]) -> str:
    """The two penalties worth a choice, in words."""
    path = model["path"]
    best, one = alpha_at(path, path["best"]), alpha_at(path, path["one_standard_error"])
    is_one = model["penalty"]["choice"] == "1se"
    if best == one:
        return f"The least error is at alpha {number(best, 4)}, and no larger penalty is within one standard error of it."
    first, second = ("", ", which was chosen") if is_one else (", which was chosen", "")
    return (
        f"The least error is at alpha {number(best, 4)}{first}; the largest penalty within one standard error of it is "
        f"{number(one, 4)}{second}."
    )


def zero_told(alphas: np.ndarray) -> str:
    """Where alpha zero is drawn, where there is one."""
    return "; no penalty at all is drawn at the far right, where the axis says 0" if (alphas == 0).any() else ""


def penalty_axis(axes: Any, alphas: np.ndarray, smallest: float, largest: float | None = None) -> None:
    """A logarithmic axis of alpha, from the largest on the left; `largest` in its place, where not all is worth showing."""
    axes.set_xscale("log")
    has_zero = bool((alphas == 0).any())
    positive = alphas[alphas > 0]
    low, high = smallest if has_zero else float(positive.min()), largest or float(positive.max())
    room = (high / low) ** 0.015
    axes.set_xlim(high * room, low / room)
    decades = np.log10(high / low)
    subs = (1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)
    ticks = LogLocator(subs=subs, numticks=8).tick_values(float(positive.min()), high)
    ticks = [float(tick) for tick in ticks if positive.min() * 0.999 <= tick <= high * 1.001]
    if has_zero:
        ticks.append(smallest)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: "0" if value == smallest and has_zero else _power(value)))
    axes.set_xlabel("alpha (largest penalty on the left)")


def _power(value: float) -> str:
    """A number of one digit, as people write it."""
    if 1e-4 <= value <= 2e5:
        return f"{value:,.7g}"
    digits, exponent = f"{value:.0e}".split("e")
    power = f"10^{{{int(exponent)}}}"
    return f"${power}$" if digits == "1" else rf"${digits}\cdot{power}$"

"""Pictures of a generalised linear model: coefficients with their intervals, groups of rows, penalties, convergence."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from drivers.designs import sample_rows
from drivers.packing.cache import Pack
from drivers.report.figures import OURS, PALETTE, SAMPLE, TRUTH, Picture, draw, label, legend_above
from drivers.report.formats import number
from drivers.report.penalty_axis import CHOSEN, penalty_axis
from drivers.run_directory import RunDirectory
from drivers.scoring.scorers import predictor_scorer
from jobs.design import Rows

# More coefficients, or contrasts of classes, than these are not told apart.
COEFFICIENTS, CONTRASTS = 20, 4
# Where the spreads of the features differ by more, coefficients of one unit each cannot be compared.
COMPARABLE = 10.0
# Of a ratio, beyond which an axis says nothing.
LONGEST = 30.0
GROUPS, FEWEST_A_GROUP = 10, 5
CURVES = 6
# Standard errors above the least deviance, where its picture ends: any higher, and the bottom of the curve looks flat.
HEIGHT = 25
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.2)), "-.", (0, (8, 2, 1, 2, 1, 2)), (0, (3, 3)))
MARKERS = "osv^D<"


def draw_all(directory: RunDirectory, model: dict[str, Any], pack: Pack | None) -> list[Picture]:
    """The pictures of the fit itself; those of what it predicts of classes are in classifier_pictures.py."""
    made = [_coefficients(directory, model, pack), _groups(directory, model, pack)]
    return [picture for picture in made if picture]


# -- coefficients ---------------------------------------------------------------------------------------------------------


def _coefficients(directory: RunDirectory, model: dict[str, Any], pack: Pack | None) -> Picture | None:
    names = model["features"]
    if not names:
        return None
    tables = model["inference"].get("coefficients", [])
    scales = scales_of(model, pack)
    if len(tables) > CONTRASTS or (not tables and len(model["parameters"]["classes"]) > 2):
        return _heat(directory, model, scales)
    if not tables:
        tables = [{"contrast": "", "estimates": [0.0, *model["parameters"]["coefficients"]], "intervals": None}]
    return _intervals(directory, model, tables, scales)


def sample_of(model: dict[str, Any], pack: Pack) -> Rows:
    """The rows that packing drew, those with weight and without a missing cell, as the fit saw them."""
    rows = sample_rows(pack, model)
    return rows.at(np.flatnonzero(rows.w > 0))


def scales_of(model: dict[str, Any], pack: Pack | None) -> np.ndarray:
    """What of each feature a coefficient is told for, (p,): one unit, or its standard deviation where the units differ."""
    ones = np.ones(len(model["features"]))
    if pack is None or not len(ones):
        return ones
    X = sample_of(model, pack).X
    if not len(X):
        return ones
    spreads = np.asarray(X.std(axis=0))
    known = spreads[spreads > 0]
    is_mixed = len(known) > 0 and known.max() > COMPARABLE * known.min()
    return np.where(spreads > 0, spreads, 1.0) if is_mixed else ones


def _for_what(scales: np.ndarray) -> str:
    return "one unit more of the feature" if (scales == 1).all() else "one standard deviation more of the feature"


def _intervals(
    directory: RunDirectory, model: dict[str, Any], tables: list[dict[str, Any]], scales: np.ndarray
) -> Picture | None:
    word = model["inference"].get("ratio", "")
    estimates = np.array([table["estimates"][1:] for table in tables], dtype=float) * scales
    is_separated = model["training"]["status"] == "separated"
    has_intervals = tables[0]["intervals"] is not None and not is_separated
    ends = np.stack([estimates, estimates], axis=-1)
    if has_intervals:
        ends = np.array([table["intervals"][1:] for table in tables], dtype=float) * scales[:, None]
        ends = np.where(np.isfinite(ends), ends, estimates[..., None])
    if not np.isfinite(estimates).any():
        return None
    strength = np.nan_to_num(np.abs(estimates)).max(axis=0)
    if has_intervals:
        z = np.array([table["statistics"][1:] for table in tables], dtype=float)
        strength = np.where(np.isfinite(z).any(axis=0), np.nan_to_num(np.abs(z)).max(axis=0), strength)
    # The first is on top.
    shown = sorted(np.argsort(-strength, kind="stable")[:COEFFICIENTS].tolist())
    is_ratio = bool(word) and not is_separated and bool(np.nanmax(np.abs(ends[:, shown])) < LONGEST)
    n = len(tables)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for c, table in enumerate(tables):
            y = np.arange(len(shown), dtype=float) + (c - (n - 1) / 2) * 0.7 / n
            x, low, high = estimates[c, shown], ends[c, shown, 0], ends[c, shown, 1]
            if is_ratio:
                x, low, high = np.exp(x), np.exp(low), np.exp(high)
            if has_intervals:
                axes.hlines(y, low, high, color=PALETTE[c], linewidth=2.2)
            axes.plot(
                x, y, linestyle="none", marker=MARKERS[c], color=PALETTE[c], markersize=6,
                label=label(table["contrast"], 40) or None,
            )  # fmt: skip
        axes.axvline(1.0 if is_ratio else 0.0, color=TRUTH, linewidth=1, linestyle=":")
        axes.set_yticks(range(len(shown)), [label(model["features"][j]) for j in shown])
        axes.set_ylim(len(shown) - 0.4, -0.6)
        if is_ratio:
            _ratio_axis(axes)
        # Of the figure: beside long names the axes are narrower than this.
        title = f"{word or 'change of the mean'} for {_for_what(scales)}" if is_ratio else "coefficient"
        figure.supxlabel(title, fontsize=axes.xaxis.label.get_fontsize())
        axes.grid(visible=False, axis="y")
        if n > 1:
            legend_above(figure, columns=1 if max(len(table["contrast"]) for table in tables) > 24 else 2)

    what = f"The {word}s" if is_ratio else "The coefficients"
    of = f" for {_for_what(scales)}" if not (scales == 1).all() or is_ratio else ""
    level = model["inference"].get("confidence_level", 0.95)
    told = f", with {100 * level:g} % intervals" if has_intervals else ""
    if not has_intervals:
        told += "; the coefficients have no finite maximum, and so no intervals" if is_separated else ", without intervals"
    chance = f"; at {'1' if is_ratio else '0'} a feature makes no difference"
    fewer = f" The {len(shown)} of {len(model['features']):,} that stand out most are shown." if len(shown) < len(
        model["features"]
    ) else ""  # fmt: skip
    caption = f"{what}{of}{told}{chance}.{fewer}"
    height = 1.4 + 0.3 * len(shown) * (1 if n == 1 else 0.6 + 0.3 * n) + (0.25 * n if n > 1 else 0)
    return draw(directory, "coefficients", min(height, 9.0), f"Coefficients by feature. {what}{told}.", caption, paint)


def _ratio_axis(axes: Any) -> None:
    """A logarithmic axis with ticks that people write."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    wide = np.log10(high / low)
    if wide < 2:
        wanted = np.array([0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 5, 7, 10])
        wanted = wanted[(wanted >= low) & (wanted <= high)]
        kept: list[float] = []
        for tick in sorted(wanted.tolist(), key=lambda value: (value != 1, abs(np.log(value)))):
            if all(abs(np.log10(tick / other)) > wide / 9 for other in kept):
                kept.append(tick)
        if len(kept) >= 3:
            axes.xaxis.set_major_locator(FixedLocator(sorted(kept)))
        else:
            axes.xaxis.set_major_locator(MaxNLocator(5))
    else:
        axes.xaxis.set_major_locator(LogLocator(numticks=6))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))


def _heat(directory: RunDirectory, model: dict[str, Any], scales: np.ndarray) -> Picture | None:
    """The coefficients of many classes as colours: the sum over classes of each is zero, or the penalty decides."""
    b = np.array(model["parameters"]["coefficients"], dtype=float) * scales
    classes = model["design"]["categories"][model["target"]]
    if not np.isfinite(b).all():
        return None
    shown = sorted(np.argsort(-np.abs(b).max(axis=0), kind="stable")[:COEFFICIENTS].tolist())
    top = float(np.abs(b).max()) or 1.0

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        image = axes.imshow(b[:, shown], cmap="RdBu_r", vmin=-top, vmax=top, aspect="auto", interpolation="nearest")
        step = max(1, -(-len(classes) // 40))
        places = list(range(0, len(classes), step))
        axes.set_yticks(places, [label(classes[j], 14) for j in places], fontsize=max(5.0, 11 - 0.15 * len(classes)))
        axes.set_xticks(
            range(len(shown)), [label(model["features"][j], 16) for j in shown], rotation=90 if len(shown) > 6 else 0
        )
        axes.set(xlabel="feature", ylabel="class")
        axes.grid(visible=False)
        figure.colorbar(image, ax=axes, label="coefficient", shrink=0.85)

    caption = (
        f"The coefficients of each class for {_for_what(scales)}: red, the class grows likelier with the feature; blue, "
        "less likely. Of a class by itself a coefficient says nothing; between two classes the difference does."
    )
    height = float(np.clip(1.6 + 0.14 * len(classes), 3.4, 7.0))
    return draw(directory, "coefficients", height, f"Coefficients of {len(classes)} classes as colours", caption, paint)


# -- rows by their predicted mean -----------------------------------------------------------------------------------------


def groups_of(model: dict[str, Any], pack: Pack | None) -> list[tuple[float, float, float]]:
    """Rows of the sample in groups of about the same weight by their predicted mean: the weighted means of the prediction
    and of the target, and the standard error of the latter; none where the target is a class, or there are few rows."""
    if pack is None or model["parameters"]["classes"]:
        return []
    rows = sample_of(model, pack)
    if rows.y is None or len(rows.w) < GROUPS * FEWEST_A_GROUP:
        return []
    X, y, w = rows.X, rows.y, rows.w
    mu = predictor_scorer(model).means(X, rows.offset)
    if not np.isfinite(mu).all():
        return []
    order = np.argsort(mu, kind="stable")
    before = np.cumsum(w[order]) - w[order] / 2
    place = np.minimum(before / w.sum() * GROUPS, GROUPS - 1).astype(int)
    found = []
    for group in range(GROUPS):
        at = order[place == group]
        if len(at) < FEWEST_A_GROUP:
            continue
        share = w[at] / w[at].sum()
        mean = float(share @ y[at])
        error = float(np.sqrt((share**2) @ (y[at] - mean) ** 2))
        found.append((float(share @ mu[at]), mean, error))
    return found if len({predicted for predicted, _, _ in found}) > 1 else []


def _groups(directory: RunDirectory, model: dict[str, Any], pack: Pack | None) -> Picture | None:
    found = groups_of(model, pack)
    if not found:
        return None
    predicted, observed, errors = (np.array(values) for values in zip(*found))
    is_log = bool((predicted > 0).all() and (observed - 1.96 * errors > 0).all() and predicted.max() > 10 * predicted.min())

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        ends = [min(predicted.min(), observed.min()), max(predicted.max(), observed.max())]
        axes.plot(ends, ends, color=TRUTH, linewidth=1, linestyle=":", label="as it should be")
        axes.errorbar(
            predicted, observed, 1.96 * errors, color=OURS, fmt="o", capsize=2, linewidth=1.2, label="rows of the sample"
        )
        if is_log:
            axes.set_xscale("log")
            axes.set_yscale("log")
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=8))
                axis.set_minor_locator(NullLocator())
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
        axes.set(xlabel="predicted mean of a group", ylabel="mean of the target")
        legend_above(figure)

    off = float(np.max(np.abs(observed - predicted) / np.where(errors > 0, errors, np.inf)))
    caption = (
        f"Rows of the sample in {len(found)} groups by their predicted mean, with 95 % intervals of what was observed. The "
        f"group that is furthest off is so by {number(off, 2)} standard errors; a bend says that the link, or a feature as "
        "it stands, does not fit."
    )
    alt = (
        f"Observed means against predicted ones, for {len(found)} groups of rows; {number(off, 2)} standard errors at most"
    )
    return draw(directory, "groups", 3.8, alt, caption, paint)


# -- penalties ------------------------------------------------------------------------------------------------------------


def draw_validation(directory: RunDirectory, model: dict[str, Any]) -> list[Picture]:
    """The deviance of cross-validation over the penalties, where there are several."""
    rows = model["candidates"]
    if not model["validation"] or len({row["alpha"] for row in rows}) < 2:
        return []
    deviance = np.array([row["deviance"] for row in rows], dtype=float)
    error = np.array([row["standard_error"] for row in rows], dtype=float)
    if not np.isfinite(deviance).any():
        return []
    alphas = np.array([row["alpha"] for row in rows], dtype=float)
    ratios = np.array([row["l1_ratio"] for row in rows], dtype=float)
    best, chosen = int(np.nanargmin(deviance)), model["chosen"]
    level = float(deviance[best] + error[best])
    top = float(deviance[best] + HEIGHT * error[best])
    is_cut = bool(error[best] > 0 and np.nanmax(deviance) > 1.05 * top)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        handles = []
        several = sorted(set(ratios.tolist()), key=lambda ratio: (ratio == ratios[chosen], ratio))
        for n, ratio in enumerate(several):
            at = np.flatnonzero(ratios == ratio)
            at = at[np.argsort(-alphas[at])]
            is_own = ratio == ratios[chosen]
            color = OURS if is_own else PALETTE[1 + n % (len(PALETTE) - 2)]
            if is_own:
                axes.fill_between(
                    alphas[at], deviance[at] - error[at], deviance[at] + error[at], color=OURS, alpha=0.2, linewidth=0
                )
            name = "mean of the folds" if len(several) == 1 else f"l1 ratio {number(ratio, 3)}"
            line = axes.plot(
                alphas[at], deviance[at], color=color, marker="o", markersize=4,
                linestyle="-" if is_own else DASHES[1 + n % (len(DASHES) - 1)],
                label=f"{name} \N{PLUS-MINUS SIGN} one std. error" if is_own else name,
            )  # fmt: skip
            handles += line if is_own or len(several) <= CURVES else []
        handles.append(
            axes.axhline(level, color=SAMPLE, linewidth=1.2, linestyle=(0, (1, 1.5)), label="least + std. error")
        )
        handles.append(axes.axvline(alphas[chosen], color=CHOSEN, linewidth=1.3, linestyle=(0, (4, 2)), label="chosen"))
        if is_cut:
            low = float(np.nanmin(deviance - error))
            axes.set_ylim(low - 0.05 * (top - low), top)
        penalty_axis(axes, alphas, float(alphas.min()))
        axes.set_ylabel("deviance a row, on folds")
        legend_above(figure, handles, columns=2)

    told = choice_told(model)
    beyond = f" Above the picture it rises on, up to {number(float(np.nanmax(deviance)), 4)}." if is_cut else ""
    folds = f"{model['validation']['n_folds']} folds"
    caption = f"The deviance of rows that a fit has not seen, for each penalty, the mean of {folds}.{beyond} {told}"
    return [draw(directory, "cross_validation", 4.0, f"Deviance against alpha. {told}", caption, paint)]


def choice_told(model: dict[str, Any]) -> str:
    """Which penalty was chosen, and which the other rule would choose."""
    rows = model["candidates"]
    chosen = rows[model["chosen"]]
    best, one = least(rows), within_one_error(rows)
    if best is one:
        return (
            f"The least deviance is at alpha {number(chosen['alpha'], 4)}, and no larger penalty is within one standard "
            "error of it."
        )
    first, second = (", which was chosen", "") if chosen is best else ("", ", which was chosen")
    return (
        f"The least deviance is at alpha {number(best['alpha'], 4)}{first}; the largest penalty within one standard error "
        f"of it is {number(one['alpha'], 4)}{second}."
    )


def least(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The candidate of the least deviance."""
    return min(rows, key=lambda row: row["deviance"] if row["deviance"] == row["deviance"] else np.inf)


def within_one_error(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The candidate of the largest penalty that is no worse by more than one standard error, of the same l1 ratio."""
    best = least(rows)
    level = best["deviance"] + best["standard_error"]
    near = [row for row in rows if row["l1_ratio"] == best["l1_ratio"] and row["deviance"] <= level]
    return max(near, key=lambda row: row["alpha"], default=best)


# -- passes ---------------------------------------------------------------------------------------------------------------


def draw_passes(directory: RunDirectory, model: dict[str, Any]) -> list[Picture]:
    """The gap by pass, where there are two passes to draw or more."""
    gaps = np.array([float(entry["distance"]) for entry in model["passes"]])
    passes = np.arange(1, len(gaps) + 1)
    drawn = np.isfinite(gaps) & (gaps > 0)
    if int(drawn.sum()) < 2:
        return []
    # A step that was not taken leaves no gap of its own.
    refused = drawn & (gaps >= 1) & (passes > 1)
    taken = drawn & ~refused
    tol = model["training"]["tol"]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot(passes[taken], gaps[taken], "o-", color=OURS, label="gap")
        if refused.any():
            axes.plot(passes[refused], gaps[refused], "x", color=SAMPLE, markersize=7, label="a step made shorter")
        if tol > 0:
            axes.axhline(tol, color=TRUTH, linewidth=1, linestyle=":", label=f"--tol {tol:g}")
        axes.set_yscale("log")
        axes.set(xlabel="pass", ylabel="gap")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        legend_above(figure)

    is_newton = model["training"]["solver"] == "newton" and model["training"]["status"] != "separated"
    squared = " Newton's method squares it once it is small." if is_newton else ""
    caption = f"The gap, the largest cosine between the residuals and a feature, by pass: 0 at the minimum.{squared}"
    alt = f"The gap by pass: {', '.join(number(float(gap), 2) for gap in gaps[taken][:12])}"
    return [draw(directory, "passes", 3.2, alt, caption, paint)]

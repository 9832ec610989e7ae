"""A generalised linear model for each group: a pass for the sums of all groups, and one for each step of Newton's method;
a group that has converged leaves the passes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from drivers.glm.options import Settings
from drivers.grouped.fits import GroupFits
from drivers.grouped.outcome import least_rows, model_of_groups
from drivers.loop import CONVERGED, Fit
from drivers.run import Run
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels import families
from jobs.kernels.glm_groups import NOT_CONVERGED, STATUSES, GLMGroups, GLMGroupsQuery
from jobs.kernels.glm_groups_newton import FIRST, LATER, GLMGroupsStart, df_residuals, dispersion
from jobs.kernels.wols_groups import FITTED
from jobs.mr_glm_groups import MRGLMGroups
from jobs.mr_glm_groups_start import MRGLMGroupsStart
from jobs.records import Record, array_field

KIND = "glm-groups"


@dataclass
class GLMGroupsState(Record):
    """Between two passes: the question, of all groups, those that have ended too. alive: (1,), whether one of them goes on:
    for the loop they are one candidate."""

    question: GLMGroupsQuery
    alive: np.ndarray = array_field("|b1", 1)

    @property
    def groups(self) -> GLMGroups:
        """All groups."""
        return self.question.groups

    @property
    def running(self) -> np.ndarray:
        """Which groups go on, (G,): those that have a point to look at."""
        return (self.groups.status == NOT_CONVERGED) & np.isfinite(self.groups.point).all(axis=1)

    def query(self) -> GLMGroupsQuery:
        """What the next pass needs of the groups that go on."""
        groups = self.groups.take(self.running)
        fractions = FIRST if np.isnan(groups.objective).any() else LATER
        return dataclasses.replace(self.question, groups=groups, fractions=np.array(fractions))

    def retire(self, done: np.ndarray) -> GLMGroupsState:
        """The state with the loop at its end, where the mask (1,) says so."""
        return dataclasses.replace(self, alive=self.alive & ~done)


def update(state: GLMGroupsState, found: GLMGroups) -> GLMGroupsState:
    """The groups after a pass.

    :raises ScanError: an answer that is not of the groups that were asked for
    """
    at = np.flatnonzero(state.running)
    if not np.array_equal(state.groups.keys[at], found.keys):
        raise ScanError(f"the pass gave {len(found.keys):,} groups where {len(at):,} were asked for")
    fields = {}
    for f in dataclasses.fields(GLMGroups):
        fields[f.name] = getattr(state.groups, f.name).copy()
        fields[f.name][at] = getattr(found, f.name)
    return dataclasses.replace(state, question=dataclasses.replace(state.question, groups=GLMGroups(**fields)))


def distance(old: GLMGroupsState, new: GLMGroupsState, _: object) -> np.ndarray:
    """The largest gap of the groups that go on, (1,); 0 when none does."""
    gaps = new.groups.gap[new.running]
    known = gaps[np.isfinite(gaps)]
    return np.array([0.0 if not len(gaps) else max(known.max(initial=0.0), 2 * new.question.tol)])


def fit_glm_groups(
    run: Run, design: Design, settings: Settings, classes: list[str], min_rows: int | None
) -> dict[str, Any]:
    """The model, whose table is in the run directory.

    :param classes: the names of the two classes that the target's numbers stand for, none where it is no class
    :raises ScanError: more than two classes; no group that can be fitted
    """
    if len(classes) > 2:
        raise ScanError(
            f"the target {design.target!r} has {len(classes)} classes, and --group-by fits models of two; leave it out, or "
            "join classes"
        )
    least = least_rows(design, min_rows)
    l2 = settings.alphas[0] if settings.is_penalised and settings.alphas else 0.0
    frequency = settings.weight_type == "frequency"

    def start() -> GLMGroupsState:
        columns = [*design.features, design.offset] if design.offset else design.features
        question = GLMGroupsStart(
            settings.family, settings.link, settings.alpha, l2, settings.by_mean,
            len(design.feature_names) + bool(design.offset), bool(design.offset), least, frequency,
        )  # fmt: skip
        groups = run.scan("start", MRGLMGroupsStart, question, dataclasses.replace(design, features=columns, offset=None))
        query = GLMGroupsQuery(
            settings.family, settings.link, settings.alpha, l2, settings.by_mean, settings.tol, frequency, groups,
            np.array(FIRST),
        )  # fmt: skip
        state = GLMGroupsState(query, np.array([True]))
        return dataclasses.replace(state, alive=np.array([bool(state.running.any())]))

    fit = run.iterate(
        "fit", MRGLMGroups, design, start, update=update, distance=distance, tol=settings.tol,
        max_iter=settings.max_iter, objective=lambda state: np.array([np.nansum(state.groups.objective)]), monotone="falls",
    )  # fmt: skip
    fits = fits_of(fit.state, design.offset is not None)
    parameters = {
        "family": settings.family, "link": settings.link, "alpha": settings.alpha, "classes": classes or None
    }  # fmt: skip
    inference = {
        "min_rows": least, "weight_type": settings.weight_type, "n_steps": int(fit.state.groups.n_taken.max(initial=0))
    }  # fmt: skip
    return model_of_groups(run, design, KIND, fits, parameters, inference, _training(fit, settings, l2))


def fits_of(state: GLMGroupsState, has_offset: bool) -> GroupFits:
    """The groups at their ends: of one that is not fitted neither coefficients nor errors are told; with an offset
    the model without features, which is no closed form, is not there to compare with."""
    groups, family, frequency = state.groups, state.question.family, state.question.frequency
    fitted = groups.status == FITTED
    phi = dispersion(groups, family, frequency)
    with np.errstate(divide="ignore", invalid="ignore"):
        explained = np.where((groups.null_loss > 0) & fitted & (not has_offset), 1 - groups.loss / groups.null_loss, np.nan)
    measures = {"d_squared": explained, "dispersion": np.where(fitted, phi, np.nan), "target_mean": groups.target_mean}
    coefficients = np.where(fitted[:, None], groups.coefficients, np.nan)
    errors = np.where(fitted[:, None], groups.standard_errors, np.nan)
    has_phi = family in families.WITH_DISPERSION
    df = df_residuals(groups, frequency) if has_phi else np.full(len(fitted), np.inf)
    return GroupFits(
        groups.keys, groups.n_rows, groups.weight_sum, groups.status, STATUSES, measures, coefficients, errors, df
    )


def _training(fit: Fit, settings: Settings, l2: float) -> dict[str, Any]:
    return {
        "solver": settings.solver,
        "converged": fit.status == [CONVERGED] or not fit.n_iter,
        "status": fit.status[0],
        "tol": settings.tol,
        "n_iter": fit.n_iter,
        "penalty": {"kind": settings.penalty.kind, "alpha": l2, "scaling": "mean" if settings.by_mean else "sum"},
    }

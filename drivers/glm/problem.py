"""What the passes of a fit have in common: coordinates, the start without slopes, the weights of classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivers.designs import feature_centers, weighted_sample
from drivers.glm.coordinates import Coordinates
from drivers.glm.options import Settings
from drivers.glm.score_bins import laid_edges
from drivers.glm.starts import cold_start, coordinates_for, widths
from drivers.glm.state import NEWTON, Evaluated
from drivers.run import Run
from jobs.design import Design, Rows
from jobs.errors import ScanError
from jobs.kernels import families
from jobs.kernels.families import MULTINOMIAL
from jobs.kernels.glm import NONE, GLMQuery, GLMStatistics
from jobs.mr_glm import MRGLM


@dataclass
class Problem:
    """What the passes of a run have in common.

    model: family, link and the alpha of a negative binomial; classes: their names, none where the target is a number;
    spreads: the standard deviations of the features, (p,)
    """

    run: Run
    design: Design
    settings: Settings
    model: tuple[str, str, float]
    classes: list[str]
    sample: Rows
    coordinates: Coordinates
    cold: np.ndarray
    class_weights: np.ndarray
    spreads: np.ndarray

    def question(self, model: tuple[str, str, float], point: np.ndarray, second: bool) -> GLMQuery:
        """What a pass tells of one point, (q, d), of a model by all rows."""
        return GLMQuery.at(model, self.coordinates.center, self.coordinates.basis, point[None], second)

    def score_edges(self, points: np.ndarray) -> np.ndarray:
        """The bins of scores for candidates near these points, (m, q, d); see GLMQuery."""
        query = GLMQuery.at(self.model, self.coordinates.center, self.coordinates.basis, points, second=False)
        return laid_edges(query, self.sample)


def make_problem(run: Run, design: Design, settings: Settings, classes: list[str]) -> Problem:
    """Coordinates, cold start, class weights and spreads; the last two by a pass each where they are asked for.

    :raises ScanError: a sample without weight; a class without a row
    """
    family = MULTINOMIAL if len(classes) > 2 else settings.family
    model = (family, settings.link, settings.alpha)
    if family == MULTINOMIAL and settings.covariance in ("HC2", "HC3"):
        raise ScanError(
            f"--covariance {settings.covariance} is of two classes: with more the leverage of a row is no number; "
            "take HC0 or HC1"
        )
    center = feature_centers(run.pack, design)
    sample = weighted_sample(run.pack, design)
    if not len(sample.w):
        raise ScanError("no row of the sample has weight; ask for a larger one with --sample-rows")
    coordinates = coordinates_for(sample, center, widths(run.pack, design, center), settings.solver)
    cold = cold_start(model, sample, len(classes), coordinates)
    problem = Problem(
        run, design, settings, model, classes, sample, coordinates, cold, np.zeros(0), np.ones(len(center))
    )  # fmt: skip
    if settings.class_weight is not None:
        problem.class_weights = _class_weights(problem)
    if settings.penalty.standardize:
        problem.spreads = _spreads(problem)
    return problem


def weight_of_table(problem: Problem) -> float:
    """About what the rows of the table weigh."""
    return float(problem.sample.w.mean()) * problem.run.pack.manifest.n_rows


def _class_weights(problem: Problem) -> np.ndarray:
    """The weight of each class, (C,); balanced: n / (C n_c) by a pass that counts, as scikit-learn has it."""
    asked, classes = problem.settings.class_weight, problem.classes
    if isinstance(asked, dict):
        unknown = sorted(set(asked) - set(classes))
        if unknown:
            raise ScanError(f"--class-weight names {unknown[0]!r}, which is no class; the classes are {', '.join(classes)}")
        return np.array([asked.get(name, 1.0) for name in classes])
    question = problem.question(problem.model, problem.cold, second=False)
    found: GLMStatistics = problem.run.scan("classes", MRGLM, question, problem.design)
    counts = Evaluated.of(found, 0, NONE).class_sums
    check_classes(classes, counts)
    return counts.sum() / (len(classes) * counts)


def _spreads(problem: Problem) -> np.ndarray:
    """The weighted standard deviations of the features, by a pass."""
    d = len(problem.coordinates.center) + 1
    model = (families.GAUSSIAN, families.IDENTITY, 0.0)
    question = problem.question(model, np.zeros((1, d)), second=problem.settings.solver == NEWTON)
    found: GLMStatistics = problem.run.scan("spreads", MRGLM, question, problem.design)
    square = problem.coordinates.widths_of_second(found.information[0], 1)[0] ** 2
    if problem.settings.solver != NEWTON:
        return np.sqrt(square[1:] / square[0])
    # About the mean of the weighted rows, which is not quite the centre.
    root = problem.coordinates.root
    gram = root.T @ found.information[0] @ root
    return np.sqrt(np.maximum(np.diag(gram)[1:] / gram[0, 0] - (gram[0, 1:] / gram[0, 0]) ** 2, 0.0))


def check_classes(classes: list[str], counts: np.ndarray) -> None:
    """:raises ScanError: a class without weight"""
    for name, weight in zip(classes, counts.tolist()):
        if not weight > 0:
            raise ScanError(f"no row of the class {name!r} counts: they are left out or have no weight")

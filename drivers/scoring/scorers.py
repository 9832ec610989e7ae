"""From the file of a linear, logistic or generalised linear model, or of one for each group, to its scorer,
jobs/kernels/scorers.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa

from drivers.grouped.table import GroupTable
from drivers.packing.kinds import TEXT_TYPE, Texts, hashes, to_arrays
from jobs import keys
from jobs.errors import ScanError
from jobs.kernels.families import IDENTITY
from jobs.kernels.scorers import GroupScorer, IntervalScorer, PredictorScorer


def predictor_scorer(model: dict[str, Any]) -> PredictorScorer:
    """Of a linear, logistic or generalised linear model."""
    parameters = model["parameters"]
    intercept = np.atleast_1d(np.asarray(parameters["intercept"], float))
    coefficients = np.asarray(parameters["coefficients"], float).reshape(len(intercept), -1)
    return PredictorScorer(
        parameters.get("link", IDENTITY), float(parameters.get("alpha") or 0.0), parameters.get("classes") or [], intercept,
        coefficients,
    )  # fmt: skip


def interval_scorer(model: dict[str, Any], level: float) -> IntervalScorer:
    """Of a linear model, with standard errors and intervals of this level about the mean of y at x, and about one more row
    there: x'b +- q se and x'b +- q sqrt(se^2 + sigma^2), se^2 = z' Cov z, q the quantile of the law of the model's standard
    errors, for a row of weight 1 (Greene, *Econometric Analysis*, 7th ed., 4.6). The columns are those of statsmodels'
    summary_frame.

    :raises ScanError: a model without standard errors
    """
    _check_intervals(model)
    from scipy import special  # here, for it takes longer to import than a thousand rows to score

    found = model["inference"]["prediction"]
    values, vectors = np.linalg.eigh(np.array(found["covariance"], dtype=float))
    df = float(found["df"])
    quantile = special.ndtri(0.5 + level / 2) if math.isinf(df) else special.stdtrit(df, 0.5 + level / 2)
    return IntervalScorer(
        predictor_scorer(model), float(found["residual_variance"]), float(quantile), np.array(found["center"], dtype=float),
        vectors * np.sqrt(np.maximum(values, 0.0)),
    )  # fmt: skip


def _check_intervals(model: dict[str, Any]) -> None:
    """:raises ScanError: a model without standard errors"""
    if model["kind"] != "wols":
        raise ScanError(f"--intervals is of linear models, and this one is of the kind {model['kind']}; leave it out")
    found = model.get("inference", {}).get("prediction")
    if not found:
        raise ScanError("the model has no standard errors, and so no intervals; the exact solver of run_wols.py gives them")
    if not np.isfinite(np.array([found["residual_variance"]], dtype=float)).all():
        raise ScanError("the model has no more rows than coefficients, and so no intervals")


def group_scorer(model: dict[str, Any], folder: str, group_type: pa.DataType) -> GroupScorer:
    """Of models by group.

    :param folder: where the model file lies, and its table of groups
    :param group_type: what the column of the groups is read as
    :raises ScanError: no table, or one whose groups are not of that type
    """
    table, parameters = GroupTable.read(folder, model), model["parameters"]
    groups = table.groups
    try:
        groups = groups.dictionary_encode() if group_type == TEXT_TYPE else groups.cast(group_type)
    except pa.ArrowInvalid as error:
        name = model["design"]["group"]
        raise ScanError(f"the groups of the model are not what the column {name!r} holds: {error}") from None
    column = to_arrays(pa.chunked_array([groups]), group_type)
    of_rows = keys.id_keys(hashes(column) if isinstance(column, Texts) else column)
    fitted = np.flatnonzero(~np.isnan(table.coefficients[:, 0]))
    order = fitted[np.argsort(of_rows[fitted], kind="stable")]
    return GroupScorer(
        parameters.get("link", IDENTITY), float(parameters.get("alpha") or 0.0), parameters.get("classes") or [],
        of_rows[order], table.coefficients[order, 0], table.coefficients[order, 1:],
    )  # fmt: skip

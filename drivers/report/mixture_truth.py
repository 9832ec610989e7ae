"""The mixture that generated rows were made from, by the files that data_gen/gen_blobs.py leaves beside them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from drivers.clustering.mixture_file import mixture_from_model
from drivers.packing.cache import Pack
from jobs.kernels.gmm_state import Mixture


@dataclass
class TrueMixture:
    """The true mixture of the model's features, of full covariances.

    label: the column that holds the true component of each row, from 0; None where the pack has none
    partners: for each true component the fitted one that belongs to it, -1 for one that is left over; shape (k,)
    """

    mixture: Mixture
    label: str | None
    partners: np.ndarray


def find_true_mixture(pack: Pack | None, model: dict[str, Any]) -> TrueMixture | None:
    """The mixture behind all the files, None where there is none of these features."""
    if pack is None or model.get("weight"):  # weights make another mixture of the rows
        return None
    manifest = pack.manifest
    found = []
    for source in manifest.sources:
        try:
            with open(f"{source['path']}.truth.json", encoding="utf-8") as file:
                truth = json.load(file)
            found.append((truth["columns"], truth["features"], truth.get("label"), _mixture(truth["components"])))
        except (OSError, ValueError, KeyError, TypeError, IndexError, np.linalg.LinAlgError):
            return None
    if not found:
        return None
    columns, features, label, mixture = found[0]
    for other_columns, other_features, _, other in found[1:]:
        same = all(
            np.array_equal(getattr(mixture, name), getattr(other, name)) for name in ("means", "covariances", "weights")
        )
        if (other_columns, other_features) != (columns, features) or not same:
            return None
    # A file without a header has its columns by other names, in the same order.
    names = manifest.text.columns if manifest.text else manifest.columns
    if len(names) != len(columns):
        return None
    named = dict(zip(columns, names))
    places = {named[name]: place for place, name in enumerate(features) if name in named}
    if not set(model["features"]) <= set(places):
        return None
    # Some of the features of a Gaussian are Gaussian, too.
    own = [places[name] for name in model["features"]]
    mixture = Mixture("full", mixture.weights, mixture.means[:, own], mixture.covariances[:, own][:, :, own])
    label = named.get(label)
    is_there = label in manifest.columns and label not in model["design"]["features"]
    return TrueMixture(mixture, label if is_there else None, match(mixture, mixture_from_model(model)))


def match(true: Mixture, fitted: Mixture) -> np.ndarray:
    """The fitted component that belongs to each true one, so that the sum of the squares of the distances of their means,
    in the true one's standard deviations, is least; -1 for a true one that is left over; shape (k,)."""
    roots = true.inverse_roots()
    y = np.einsum("tij,tfj->tfi", roots, fitted.means - true.means[:, None])
    rows, columns = linear_sum_assignment((y**2).sum(axis=2))
    partners = np.full(len(true.means), -1)
    partners[rows] = columns
    return partners


def _mixture(components: dict[str, Any]) -> Mixture:
    means = np.array(components["means"], dtype=float)
    covariances = np.array(components["covariances"], dtype=float).reshape(*means.shape, means.shape[1])
    mixture = Mixture("full", np.array(components["weights"], dtype=float), means, covariances)
    if mixture.weights.shape != means.shape[:1] or len(covariances) != len(means):
        raise ValueError("components of different numbers")
    mixture.roots()
    return mixture

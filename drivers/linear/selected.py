"""Least squares on the features that are worth their place."""

from __future__ import annotations

from dataclasses import replace

from drivers.linear.choice import Choice, validation_of
from drivers.linear.cross_validation import complements
from drivers.linear.gathered import Gathered
from drivers.linear.options import Settings
from drivers.linear.selection import select, selection_error
from drivers.wording import listed
from jobs.errors import ScanError
from jobs.kernels.wols import WOLSStatistics, solve

SELECTED = "the features were chosen by the same data, of which these errors and p-values know nothing"


def choose_features(gathered: Gathered, settings: Settings) -> Choice:
    """Least squares on the features that the criterion is best with.

    :raises ScanError: more features than `best` can look through; a criterion cv without folds
    """
    features, terms = gathered.design.features, gathered.design.terms
    folds = gathered.training if gathered.folds.n_folds > 1 else None
    assert settings.select is not None
    if settings.criterion == "cv" and (folds is None or len(folds) < 3):
        raise ScanError(
            "--criterion cv needs statistics that are kept in 3 folds or more: the choice is judged by a fold that it has "
            "not seen; save them with --folds"
        )
    whole = gathered.whole
    if settings.select == "best":
        _check_independent(gathered, whole)
        for k, training in enumerate(complements(folds) if folds else []):
            _check_independent(gathered, training, f" among the rows outside of fold {k + 1}")
    if settings.weight_type == "frequency":
        whole, folds = _as_rows(whole), None if folds is None else [_as_rows(fold) for fold in folds]
    found = select(whole, gathered.query, settings.select, settings.criterion, terms, folds)
    kept = [features[term] for term in found.terms]
    narrowed = gathered.narrowed(kept)
    choice = Choice(narrowed, narrowed.whole, solve(narrowed.whole, narrowed.query), label=SELECTED)
    choice.selection = {
        "method": found.method,
        "criterion": found.criterion,
        "candidates": features,
        "features": kept,
        "chosen": found.chosen,
        "table": [
            {
                **vars(row),
                "term": None if row.term is None else features[row.term],
                "terms": [features[term] for term in row.terms],
            }
            for row in found.table
        ],
    }
    if folds is not None:
        errors = selection_error(folds, gathered.query, settings.select, settings.criterion, terms)
        choice.validation = validation_of(gathered, errors.folds[:, 0])
    if not kept:
        choice.remarks.append("no feature is worth its place by the criterion: what is left is the mean")
    return choice


def _check_independent(gathered: Gathered, statistics: WOLSStatistics, where: str = "") -> None:
    names = gathered.design.feature_names
    dependent = [names[j] for j in solve(statistics, gathered.query).dependent]
    if dependent:
        raise ScanError(
            "--select best needs features that do not depend on each other, and these depend on the ones before them"
            f"{where}: {listed(dependent)}; leave them out with --exclude, or take --select forward"
        )


def _as_rows(statistics: WOLSStatistics) -> WOLSStatistics:
    """The same with each row written out as often as its weight says, for the criteria that count rows."""
    return replace(statistics, n_rows=round(statistics.weight_sum), weight_log_sum=0.0)

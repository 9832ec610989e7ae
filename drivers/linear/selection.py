"""Which features a model needs: subset selection from the statistic of one pass.

A term is a set of columns that enter or leave together. With n rows of positive weight, k = rank + 1 coefficients and RSS
the weighted sum of squared residuals, a subset is judged by one of

    AIC = 2k - 2 log L,    BIC = k log n - 2 log L,    log L = -n/2 (log(2 pi RSS / n) + 1) + sum log(w) / 2
    CV: the mean squared error of the subset over the folds, as drivers/linear/cross_validation.py has it

(Akaike 1974; Schwarz 1978; as drivers/linear/inference.py). Methods:

    forward     from the intercept alone, each time the term that makes the criterion smallest, to the end
    backward    from all terms, each time the term whose loss makes it smallest, to the end
    stepwise    from the intercept alone, in or out, whichever makes it smallest, while it falls (Efroymson 1960; Venables
                and Ripley, *Modern Applied Statistics with S*, 4th ed., 6.8)
    best        the smallest RSS of every number of columns, by leaps and bounds: of the subsets within a set none has a
                smaller RSS than the set (Furnival and Wilson, Technometrics 16, 1974; the tree of dropped columns is that
                of Gatu and Kontoghiorghes, J. Comput. Graph. Statist. 15, 2006). AIC and BIC are smallest for one of these

and of the subsets met the one of the smallest criterion is chosen. RSS by orthogonal means alone: of columns to add, from
what is left of each off the span of those chosen; of columns to drop, from the triangular factor of those that are there.

The criterion has chosen, so that at the choice it is too good: what a model of that procedure does on new rows is
`selection_error`, which selects anew without each fold (Hastie, Tibshirani and Friedman, *The Elements of Statistical
Learning*, 2nd ed., 7.10.2). Standard errors of the chosen model are too small for the same reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from drivers.linear.collinearity import column_scales, r_of
from drivers.linear.cross_validation import complements
from drivers.linear.scores import Score, square_errors
from drivers.linear.subsets import CRITERIA, METHODS, MOST_TERMS, subset
from jobs.errors import ScanError
from jobs.kernels.wols import WOLSQuery, WOLSStatistics, solve


@dataclass
class Subset:
    """One row of the table: what happened ("add", "drop", "start" or "best"), to which term; the terms in the model, in
    order; the number of columns that are independent; rss, aic, bic; cv, the mean squared error over the folds and its
    standard error, None without folds."""

    step: int
    action: str
    term: int | None
    terms: list[int]
    n_columns: int
    rss: float
    aic: float
    bic: float
    cv: float | None = None
    cv_standard_error: float | None = None


@dataclass
class Selection:
    """terms, columns: the chosen ones, in order; chosen: their row of the table."""

    method: str
    criterion: str
    terms: list[int]
    columns: list[int]
    chosen: int
    table: list[Subset]


def select(
    statistics: WOLSStatistics,
    query: WOLSQuery,
    method: str = "forward",
    criterion: str = "bic",
    terms: Sequence[Sequence[int]] | None = None,
    folds: Sequence[WOLSStatistics] | None = None,
) -> Selection:
    """The subset of the terms with the smallest criterion that the method meets; of equals the one with fewer columns.

    Models that leave no residual degree of freedom are not considered.

    :param terms: lists of column numbers, each column in one of them at most; None: each column is a term
    :param folds: the statistics of the folds, that make up `statistics`; needed for criterion "cv", and where given the
        table has the cv of every row
    :raises ScanError: for "best" with more than 30 terms, or with columns that depend on each other; for "backward" with
        no more rows than coefficients
    :raises ValueError: for an unknown method or criterion, or "cv" without folds
    """
    if method not in METHODS or criterion not in CRITERIA:
        raise ValueError(f"there are the methods {METHODS} and the criteria {CRITERIA}, not {method!r} and {criterion!r}")
    if criterion == "cv" and (folds is None or len(folds) < 2):
        raise ValueError("the criterion cv needs 2 folds at least")
    if statistics.n_rows == 0:
        raise ValueError("no row has a positive weight")
    groups = [list(term) for term in (terms if terms is not None else [[j] for j in range(len(query.center))])]
    search = _Search(statistics, query, groups, criterion, list(folds or []))
    table = list(getattr(search, method)())
    for number, row in enumerate(table):
        row.step = number
        if folds and row.cv is None:
            row.cv, row.cv_standard_error = search.cross_validated(row.terms)
    chosen = min(range(len(table)), key=lambda i: (getattr(table[i], criterion), table[i].n_columns))
    kept = sorted(table[chosen].terms)
    return Selection(method, criterion, kept, sorted(j for t in kept for j in groups[t]), chosen, table)


def selection_error(
    folds: Sequence[WOLSStatistics],
    query: WOLSQuery,
    method: str = "forward",
    criterion: str = "bic",
    terms: Sequence[Sequence[int]] | None = None,
) -> Score:
    """The mean squared error of the whole procedure: selected and fitted without each fold, judged on it; folds (K, 1).

    With the criterion cv the other folds are the folds of the choice, so that three are needed.
    """
    errors = []
    for k, training in enumerate(complements(folds)):
        others = [fold for i, fold in enumerate(folds) if i != k]
        columns = select(training, query, method, criterion, terms, others if criterion == "cv" else None).columns
        errors.append(_test_error(training, folds[k], query, columns))
    return Score.of(np.array(errors)[:, None], np.array([fold.weight_sum for fold in folds]))


def _test_error(training: WOLSStatistics, test: WOLSStatistics, query: WOLSQuery, columns: list[int]) -> float:
    small, small_query = subset(training, query, columns)
    solution = solve(small, small_query)
    r = small.r
    intercept = (r[0, -1] - r[0, 1:-1] @ solution.coefficients) / r[0, 0]
    coefficients = np.zeros((1, len(query.center)))
    coefficients[0, columns] = solution.coefficients
    return float(square_errors(test, coefficients, np.array([intercept]))[0]) / test.weight_sum


class _Search:
    """The search over subsets; a candidate is (action, term, terms, rss, rank)."""

    def __init__(
        self,
        statistics: WOLSStatistics,
        query: WOLSQuery,
        groups: list[list[int]],
        criterion: str,
        folds: list[WOLSStatistics],
    ) -> None:
        self.statistics, self.query, self.groups, self.criterion, self.folds = statistics, query, groups, criterion, folds
        self.training = complements(folds) if folds else []
        scales = column_scales(statistics, query)
        norms = np.where(scales.varies, scales.norms, 1.0)
        self.tolerances = scales.tolerances
        self.features = np.where(scales.varies, statistics.r[1:, 1:-1] / norms, 0.0)  # (p + 1, p), columns of norm one
        self.target = statistics.r[1:, -1]
        self.n = statistics.n_rows
        self.memory: dict[frozenset[int], tuple[float, float]] = {}

    # -- judging ----------------------------------------------------------------------------------------------------------

    def score(self, terms: list[int], rss: float, rank: int) -> float:
        """The criterion up to a constant."""
        if self.criterion == "cv":
            return self.cross_validated(terms)[0]
        price = math.log(self.n) if self.criterion == "bic" else 2.0
        return self.n * (math.log(rss) if rss > 0 else -math.inf) + price * rank

    def cross_validated(self, terms: list[int]) -> tuple[float, float]:
        """The mean over the folds and its standard error."""
        key = frozenset(terms)
        if key not in self.memory:
            columns = sorted(j for t in terms for j in self.groups[t])
            mse = [_test_error(training, fold, self.query, columns) for training, fold in zip(self.training, self.folds)]
            score = Score.of(np.array(mse)[:, None], np.array([fold.weight_sum for fold in self.folds]))
            self.memory[key] = float(score.mean[0]), float(score.standard_error[0])
        return self.memory[key]

    def row(self, action: str, term: int | None, terms: list[int], rss: float, rank: int) -> Subset:
        log_rss = math.log(2 * math.pi * rss / self.n) if rss > 0 else -math.inf
        log_likelihood = -self.n / 2 * (log_rss + 1) + self.statistics.weight_log_sum / 2
        aic = 2 * (rank + 1) - 2 * log_likelihood
        bic = (rank + 1) * math.log(self.n) - 2 * log_likelihood
        return Subset(0, action, term, list(terms), rank, rss, aic, bic)

    def columns(self, terms: Sequence[int]) -> list[int]:
        return [j for t in terms for j in self.groups[t]]

    def basis(self, columns: Sequence[int]) -> tuple[np.ndarray, list[int]]:
        """An orthonormal basis of the span, (p + 1, rank), and the columns that are independent of those before them."""
        q: np.ndarray = np.zeros((len(self.target), 0))
        independent: list[int] = []
        for j in columns:
            rest, norm = _off(self.features[:, j], q)
            if norm > self.tolerances[j]:
                q = np.column_stack([q, rest / norm])
                independent.append(j)
        return q, independent

    def rss(self, terms: Sequence[int]) -> tuple[float, int]:
        q, independent = self.basis(self.columns(terms))
        return float(np.sum((self.target - q @ (q.T @ self.target)) ** 2)), len(independent)

    # -- neighbours -------------------------------------------------------------------------------------------------------

    def additions(self, terms: list[int], rank: int) -> Iterator[tuple[str, int, list[int], float, int]]:
        """What each term outside would make of the model; those that add nothing to its span, or take the last residual
        degree of freedom, are passed over."""
        q, _ = self.basis(self.columns(terms))
        left = self.features - q @ (q.T @ self.features)
        left -= q @ (q.T @ left)
        y = self.target - q @ (q.T @ self.target)
        rss = float(y @ y)
        norms = np.linalg.norm(left, axis=0)
        inside = set(terms)
        for t, group in enumerate(self.groups):
            if t in inside:
                continue
            own: np.ndarray = np.zeros((len(y), 0))
            for j in group:
                rest, norm = _off(left[:, j], own) if own.shape[1] else (left[:, j], norms[j])
                if norm > self.tolerances[j]:
                    own = np.column_stack([own, rest / norm])
            if own.shape[1] and rank + own.shape[1] + 1 < self.n:
                part = y - own @ (own.T @ y)
                yield "add", t, [*terms, t], min(float(part @ part), rss), rank + own.shape[1]

    def removals(self, terms: list[int], rss: float) -> Iterator[tuple[str, int, list[int], float, int]]:
        """What the loss of each term would make of the model: RSS rises by b_J' ([(X'X)^-1]_JJ)^-1 b_J (Seber and Lee,
        *Linear Regression Analysis*, 2nd ed., 4.3), (X'X)^-1 = N N' and N = R^-1."""
        columns = self.columns(terms)
        _, independent = self.basis(columns)
        rest = {t: [s for s in terms if s != t] for t in terms}
        if len(independent) < len(columns):
            for t in terms:
                yield ("drop", t, rest[t], *self.rss(rest[t]))
            return
        r = r_of(np.column_stack([self.features[:, columns], self.target]))
        k = len(columns)
        inverse = solve_triangular(r[:k, :k], np.eye(k))
        b = inverse @ r[:k, k]
        place = 0
        for t in terms:
            own = slice(place, place + len(self.groups[t]))
            place = own.stop
            factor = r_of(inverse[own].T)
            rise = float(np.sum(solve_triangular(factor, b[own], trans=1) ** 2))
            yield "drop", t, rest[t], rss + rise, k - (own.stop - own.start)

    def smallest(self, candidates: Iterator[tuple[str, int, list[int], float, int]]) -> tuple | None:
        scored = [(self.score(c[2], c[3], c[4]), c[4], c) for c in candidates]
        return min(scored, key=lambda s: s[:2], default=(0, 0, None))[2]

    # -- methods ----------------------------------------------------------------------------------------------------------

    def intercept_alone(self) -> tuple[list[int], float, int]:
        return [], float(self.target @ self.target), 0

    def forward(self) -> Iterator[Subset]:
        terms, rss, rank = self.intercept_alone()
        yield self.row("start", None, terms, rss, rank)
        while (found := self.smallest(self.additions(terms, rank))) is not None:
            _, _, terms, rss, rank = found
            yield self.row(*found)

    def backward(self) -> Iterator[Subset]:
        terms = list(range(len(self.groups)))
        rss, rank = self.rss(terms)
        if rank + 1 >= self.n:
            raise ScanError(
                f"backward selection begins with {rank + 1} coefficients and needs more rows than that, not {self.n}; "
                "select forward"
            )
        yield self.row("start", None, terms, rss, rank)
        while (found := self.smallest(self.removals(terms, rss))) is not None:
            _, _, terms, rss, rank = found
            yield self.row(*found)

    def stepwise(self) -> Iterator[Subset]:
        terms, rss, rank = self.intercept_alone()
        score = self.score(terms, rss, rank)
        yield self.row("start", None, terms, rss, rank)
        while True:
            found = self.smallest(iter([*self.additions(terms, rank), *self.removals(terms, rss)]))
            if found is None:
                return
            better = self.score(*found[2:])
            if not better < score - 1e-12 * abs(score):  # what rounding takes for a gain would go round in circles
                return
            score = better
            _, _, terms, rss, rank = found
            yield self.row(*found)

    def best(self) -> Iterator[Subset]:
        if len(self.groups) > MOST_TERMS:
            raise ScanError(
                f"an exact search for the best subset goes up to {MOST_TERMS} terms, and there are {len(self.groups)}; "
                "name fewer features, or select forward, backward or stepwise"
            )
        columns = self.columns(range(len(self.groups)))
        _, independent = self.basis(columns)
        if len(independent) < len(columns):
            others = ", ".join(str(j) for j in columns if j not in set(independent))
            raise ScanError(
                f"an exact search for the best subset needs columns that are independent, and these depend on the ones "
                f"before: {others} (from 0); leave them out, or select forward"
            )
        found = _leaps(self.features, self.target, self.groups)
        for terms in found:
            rss, rank = self.rss(terms)
            if rank + 1 < self.n or not rank:
                yield self.row("best", None, terms, rss, rank)


def _off(column: np.ndarray, basis: np.ndarray) -> tuple[np.ndarray, float]:
    """What is left of a column off the span of a basis, twice projected, and its norm."""
    rest = column - basis @ (basis.T @ column)
    rest = rest - basis @ (basis.T @ rest)
    return rest, float(np.linalg.norm(rest))


# -- leaps and bounds ---------------------------------------------------------------------------------------------------


def _leaps(features: np.ndarray, target: np.ndarray, groups: list[list[int]]) -> list[list[int]]:
    """The terms of the smallest RSS for each number of columns that some subset has, in order of that number.

    A node is a sequence of terms with R of their columns and the target, of which the first `fixed` stay in all its
    subsets. Its leading parts are subsets whose RSS stands in the last column of R. Its children drop one of the others
    each; that one's RSS, a bound for all its subsets, is known before its R is.
    """
    width = np.array([len(group) for group in groups])
    total = int(width.sum())
    feasible = np.zeros(total + 1, bool)
    feasible[0] = True
    for one in width:
        feasible[one:] = feasible[one:] | feasible[: total + 1 - one].copy()
    smallest = np.where(feasible, math.inf, -math.inf)  # of no subset of an impossible number of columns
    winners: dict[int, list[int]] = {}

    def note(n_columns: int, rss: float, terms: list[int]) -> None:
        if rss < smallest[n_columns]:
            smallest[n_columns] = rss
            winners[n_columns] = terms

    def leading_parts(terms: list[int], r: np.ndarray, fixed: int) -> np.ndarray:
        ends = np.cumsum([0, *width[terms]])
        tails = np.append(np.cumsum(r[::-1, -1] ** 2)[::-1], 0.0)
        for i in range(fixed, len(terms) + 1):
            note(int(ends[i]), float(tails[ends[i]]), terms[:i])
        return ends

    note(0, float(target @ target), [])
    everything = [j for group in groups for j in group]
    stack = [(list(range(len(groups))), np.column_stack([features[:, everything], target]), 0, 0.0)]
    while stack:
        terms, matrix, fixed, bound = stack.pop()
        # Of its subsets the leading part of `fixed` terms is the parent's too.
        fewest, most = int(width[terms[:fixed]].sum()) + 1, int(width[terms].sum())
        if bound >= smallest[fewest : most + 1].max(initial=-math.inf):
            continue
        r = r_of(matrix)
        ends = leading_parts(terms, r, fixed)
        if len(terms) - fixed < 2:
            continue
        bounds = float(r[-1, -1] ** 2) + _rises(r, ends)
        # The largest family of subsets goes to the child that drops the first: let that be the one with the highest bound.
        sequence = [*range(fixed), *sorted(range(fixed, len(terms)), key=lambda i: -bounds[i])]
        if sequence != list(range(len(terms))):
            terms, bounds = [terms[i] for i in sequence], bounds[sequence]
            r = r_of(r[:, [*(j for i in sequence for j in range(ends[i], ends[i + 1])), -1]])
            ends = leading_parts(terms, r, fixed)
        for i in range(fixed, len(terms) - 1):  # without the last is a leading part
            rest = [j for j in range(len(r)) if not ends[i] <= j < ends[i + 1]]
            stack.append((terms[:i] + terms[i + 1 :], r[:, rest], i, float(bounds[i])))
    return [winners[size] for size in sorted(winners)]


def _rises(r: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """By how much RSS rises when each term leaves."""
    k = len(r) - 1
    inverse = solve_triangular(r[:k, :k], np.eye(k), check_finite=False)
    b = inverse @ r[:k, k]
    if len(ends) == k + 1:
        rises: np.ndarray = b**2 / np.sum(inverse**2, axis=1)
        return rises
    parts = [slice(i, j) for i, j in zip(ends, ends[1:])]
    factors = [r_of(inverse[part].T) for part in parts]
    return np.array([np.sum(solve_triangular(f, b[part], trans=1) ** 2) for f, part in zip(factors, parts)])

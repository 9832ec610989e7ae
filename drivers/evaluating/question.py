"""From the columns of a score file to the question of a pass: names of classes and segments, bins, replicates; and the
checks that come before a pass is spent."""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass, field

import numpy as np

from drivers.app import UsageError
from drivers.designs import id_hashes, level_of_codes, rows_of_sample
from drivers.evaluating.bins import LEAST_BINS, MOST_BINS, error_edges, padded, score_edges
from drivers.evaluating.checks import check_numbers, check_weights
from drivers.evaluating.class_names import levels, same_numbers, sorted_names, texts_of
from drivers.evaluating.curves import Bins
from drivers.evaluating.options import Asked, Costs
from drivers.packing.cache import Pack
from drivers.packing.kinds import TEXT
from drivers.wording import count, listed, size
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels.evaluation import CLASSIFICATION, CLUSTERING, REGRESSION, VALUES, EvaluationQuery

MOST_SEGMENTS = 1000
# Bins of a replicate's histograms; fewer where there is no room.
REPLICATE_BINS, LEAST_REPLICATE_BINS = 128, 16
# Of the statistic of a task, which travels as one line: its histograms, and its replicates. The Java of a small Hadoop
# holds several such lines in 256 MB.
HISTOGRAM_BYTES, REPLICATE_BYTES = 6 << 20, 10 << 20
LEAST_REPLICATES = 20
# So often it is there: subtrees that wait for their siblings, and what is made of them to be sent.
WAITING = 8


@dataclass
class Question:
    """What a pass is asked, and the names of what it answers.

    models: names, one for each column of predictions that is judged; classes: of the truth; predicted: of the labels, the
    same for a classifier; segments: names of the values of --by, in their order; remarks: what the user should know
    """

    asked: Asked
    design: Design
    query: EvaluationQuery
    models: list[str]
    classes: list[str]
    predicted: list[str]
    segments: list[str]
    remarks: list[str] = field(default_factory=list)

    @property
    def task_bytes(self) -> int:
        """What a task holds besides its blocks: statistics, and the weights of some rows in all replicates."""
        weights = 3 * 8 * VALUES if self.query.n_replicates else 0
        return WAITING * self.query.n_bytes + weights

    @property
    def shown(self) -> list[str]:
        """The classes that have a histogram."""
        if not len(self.query.edges):
            return []
        return self.classes[1:] if self.query.is_binary else self.classes

    def bins(self, h: int) -> Bins:
        """The bins of a histogram."""
        return Bins.of(self.query.edges[h])


def ask(options: argparse.Namespace, asked: Asked, pack: Pack) -> Question:
    """The question of the first pass.

    :raises ScanError: columns that cannot play their roles, or more classes or segments than can be told apart
    """
    columns = {*asked.numbers, *asked.texts, *filter(None, (options.weight, options.id, options.by))}
    for name in sorted(columns):
        pack.manifest.index(name)
    check_numbers(asked, pack)
    check_weights(options.weight, pack)
    remarks: list[str] = []
    classes, predicted = levels(options, asked, pack, remarks)
    if options.threshold is not None and len(classes) != 2:
        raise ScanError(f"--threshold is of two classes, and the column {asked.target!r} has {len(classes)}")
    segments = [] if options.by is None else sorted_names(texts_of(pack, options.by, "--by"))
    if len(segments) > MOST_SEGMENTS:
        raise ScanError(
            f"column {options.by!r} has {len(segments):,} different values, and at most {MOST_SEGMENTS:,} segments "
            "are judged; name another column with --by"
        )
    design = _design(options, asked, pack, classes, predicted, segments)
    models = asked.predictions or (asked.probabilities if len(classes) == 2 else []) or [asked.label or "probabilities"]
    query = EvaluationQuery(
        task=asked.task,
        n_models=len(models),
        n_true=len(classes),
        n_predicted=len(predicted),
        has_labels=asked.label is not None,
        threshold=0.5 if options.threshold is None else options.threshold,
        n_segments=max(len(segments), 1),
        n_replicates=options.replicates,
        by_segment=len(segments) > 1,
        seed=options.seed,
        coarse=1,
        center=_center(asked, pack),
        edges=np.zeros((0, 0)),
        means=np.zeros((0, len(asked.features))),
        masses=np.zeros(0),
        squares=np.zeros(0),
    )
    question = Question(asked, design, query, models, classes, predicted, segments, remarks)
    _lay_bins(question, pack)
    _fit_replicates(question)
    return question


def _center(asked: Asked, pack: Pack) -> np.ndarray:
    names = asked.features if asked.task == CLUSTERING else [asked.target] if asked.task == REGRESSION else []
    return np.array([pack.manifest.mean(str(name)) for name in names])


def _design(
    options: argparse.Namespace, asked: Asked, pack: Pack, classes: list[str], predicted: list[str], segments: list[str]
) -> Design:
    """The design step: labels and segments travel as the levels of the roles that tell rows apart."""
    features = asked.predictions or asked.probabilities or asked.features
    design = Design(
        list(features), asked.target, options.weight, options.id, options.missing, fold=options.by, cluster=asked.label
    )
    for name, known in ((options.by, segments), (asked.label, predicted), (asked.target, classes)):
        if name is not None and name in pack.texts and pack.manifest.kind(name) == TEXT:
            if name in design.categories and design.categories[name] != known:
                raise UsageError(f"the column {name!r} cannot be both what is judged and what it is judged by")
            design.categories[name] = known
            same = same_numbers([*known, *pack.texts[name]])
            design.levels[name] = level_of_codes([same[text] for text in pack.texts[name]], known)
    if options.id is not None and pack.manifest.kind(options.id) == TEXT and options.id not in design.categories:
        design.levels[options.id] = id_hashes(pack.texts[options.id])
    return design


# -- bins and replicates ---------------------------------------------------------------------------------------------------


def _lay_bins(question: Question, pack: Pack) -> None:
    """Gives the query the edges of its histograms, by the sample that packing drew."""
    query, asked = question.query, question.asked
    n_histograms = {REGRESSION: 2 * query.n_models, CLASSIFICATION: len(asked.probabilities), CLUSTERING: 0}[asked.task]
    if not n_histograms:
        return
    kinds = 3 if asked.task == CLASSIFICATION else 1
    n_bins = min(MOST_BINS, HISTOGRAM_BYTES // (8 * kinds * n_histograms * query.n_segments))
    if n_bins < LEAST_BINS:
        raise ScanError(
            f"the histograms of {count(query.n_segments, 'segment')} and {n_histograms} scores do not fit "
            f"{size(HISTOGRAM_BYTES)}; name a column with fewer values with --by"
        )
    rows = rows_of_sample(pack, question.design)
    edges = []
    if asked.task == REGRESSION:
        for m in range(query.n_models):
            error = rows.X[:, m] - rows.y
            edges += [error_edges(error, n_bins), error_edges(np.abs(error), n_bins)]
    else:
        for j in range(n_histograms):
            own = 1 if len(question.classes) == 2 else j
            edges.append(score_edges(rows.X[:, j], np.asarray(rows.y) == own, n_bins))
    query.edges = padded(edges)


def _fit_replicates(question: Question) -> None:
    """Makes the replicates fit the statistic of a task: by coarser bins, then of all rows alone, then by fewer of them.

    :raises UsageError: so many classes that not even a few fit
    """
    query, remarks = question.query, question.remarks
    wanted, of_segments = query.n_replicates, query.by_segment
    query.by_segment = of_segments and wanted > 0
    if not wanted or _fits(query, REPLICATE_BINS // 4):
        return
    query.by_segment = False
    if not _fits(query, LEAST_REPLICATE_BINS):
        one = _replicate_bytes(dataclasses.replace(query, n_replicates=1))
        query.n_replicates = REPLICATE_BYTES // one
        if query.n_replicates < LEAST_REPLICATES:
            raise UsageError(
                f"{wanted:,} replicates of so many classes are too large for a pass; leave them out with --replicates 0"
            )
        remarks.append(f"{query.n_replicates:,} replicates were drawn and not {wanted:,}, which are too large for a pass")
    if of_segments:
        remarks.append(
            f"the intervals of {query.n_segments:,} segments are too large for a pass; those of all rows are there, "
            "and fewer --replicates leave room for more"
        )


def _fits(query: EvaluationQuery, least: int) -> bool:
    """Whether there is room for the replicates of a query, with as many bins as can be, at least so many."""
    n_bins, most = query.edges.shape[1] + 1, REPLICATE_BINS
    while most >= least:
        query.coarse = max(1, -(-n_bins // most))
        if _replicate_bytes(query) <= REPLICATE_BYTES:
            return True
        most //= 2
    return False


def _replicate_bytes(query: EvaluationQuery) -> int:
    return query.n_bytes - dataclasses.replace(query, n_replicates=0).n_bytes


def with_clusters(question: Question, means: np.ndarray, masses: np.ndarray, squares: np.ndarray) -> Question:
    """The question of the second pass, of silhouettes: means (K, p) from the centre, masses and sums of squares (K,)."""
    query = dataclasses.replace(question.query, n_true=0, means=means, masses=masses, squares=squares)
    return dataclasses.replace(question, query=query)


def cost_table(costs: Costs, classes: list[str]) -> np.ndarray:
    """What a row of each true class costs that is taken for each: (C, C).

    :raises UsageError: costs that are not of these classes
    """
    table = np.zeros((len(classes), len(classes)))
    if isinstance(costs, tuple):
        if len(classes) != 2:
            raise UsageError(f"two costs are of two classes, and there are {len(classes)}; write TRUE:TAKEN=COST,...")
        table[0, 1], table[1, 0] = costs
        return table
    for (true, taken), cost in costs.items():
        for name in (true, taken):
            if name not in classes:
                raise UsageError(f"--cost names the class {name!r}; there are {listed(classes)}")
        table[classes.index(true), classes.index(taken)] = cost
    return table

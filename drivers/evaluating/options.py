"""The options of an evaluation, and which columns of a score file they speak of.

What drivers/score.py writes is known by its names: `prediction` of a number; `class` and `probability NAME` of classes;
`cluster` or `component` of clusters.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field

from drivers.app import UsageError
from drivers.option_values import items, names, natural, not_negative, share, unit
from drivers.packing.contents import PackContents
from drivers.packing.formats import open_table
from drivers.packing.sources import find_sources
from drivers.reading import input_options
from jobs.kernels.evaluation import CLASSIFICATION, CLUSTERING, REGRESSION, TASKS

PREDICTION, LABEL, PROBABILITY = "prediction", "class", "probability "
CLUSTERS = ("cluster", "component")
DEFAULT_REPLICATES, MOST_REPLICATES = 200, 10_000
# Bins are laid by a sample, and by one of fewer rows they are not worth much.
LEAST_SAMPLE = 1000

Costs = tuple[float, float] | dict[tuple[str, str], float]


def add_options(parser: argparse.ArgumentParser) -> None:
    """What is judged, by what, and how surely."""
    roles = parser.add_argument_group("roles of the columns")
    roles.add_argument("--target", metavar="NAME", help="the column of the truth")
    roles.add_argument(
        "--prediction", type=names, metavar="NAMES",
        help="what was predicted: numbers of one model or several; or the column of classes or of clusters",
    )  # fmt: skip
    roles.add_argument(
        "--probability", type=names, metavar="NAMES",
        help="the probability of each class, the columns ending in its name; or that of --positive, by some models",
    )  # fmt: skip
    roles.add_argument("--positive", metavar="CLASS", help="of two classes the one to find; Default: the second")
    roles.add_argument(
        "--features", type=names, metavar="NAMES", help="of clusters: what rows were compared by, for the silhouette"
    )
    roles.add_argument("--weight", metavar="NAME", help="the column of row weights; Default: every row weighs the same")
    roles.add_argument("--id", metavar="NAME", help="a column from which random choices about a row are drawn")
    roles.add_argument("--by", metavar="NAME", help="judge the rows of each value of this column besides")
    group = parser.add_argument_group("evaluation")
    group.add_argument("--task", choices=TASKS, help="what was predicted; Default: by the names of the columns")
    group.add_argument(
        "--cost", type=costs, metavar="FP,FN",
        help="what a false positive and a false negative cost, or TRUE:TAKEN=COST,... of classes by name",
    )  # fmt: skip
    group.add_argument(
        "--threshold", type=unit, metavar="P",
        help="of two classes: from which probability a row is taken for the one to find; Default: what the column of "
        "classes says, or 1/2",
    )  # fmt: skip
    group.add_argument(
        "--replicates", type=natural, default=DEFAULT_REPLICATES, metavar="B",
        help="replicates for the intervals, drawn in the same pass; 0: no intervals",
    )  # fmt: skip
    group.add_argument("--confidence", type=share, default=0.95, metavar="LEVEL", help="of the intervals")
    # A row that cannot be judged is counted, and says nothing against the others.
    parser.set_defaults(missing="drop")


def costs(text: str) -> Costs:
    """Two costs, or those of pairs of classes."""
    given = items(text)
    try:
        if "=" not in text:
            first, second = (not_negative(item) for item in given)
            return first, second
        found = {}
        for item in given:
            pair, _, cost = item.rpartition("=")
            true, _, taken = pair.partition(":")
            if not true or not taken:
                raise ValueError
            found[true, taken] = not_negative(cost)
        return found
    except (ValueError, argparse.ArgumentTypeError):
        raise argparse.ArgumentTypeError(
            f"{text!r} are no costs; write FP,FN as in 1,20, or TRUE:TAKEN=COST,... as in yes:no=20,no:yes=1"
        ) from None


@dataclass
class Asked:
    """What is judged: a task and the columns for it. label: the column of predicted classes or clusters."""

    task: str
    target: str | None = None
    predictions: list[str] = field(default_factory=list)
    probabilities: list[str] = field(default_factory=list)
    label: str | None = None
    features: list[str] = field(default_factory=list)

    @property
    def numbers(self) -> list[str]:
        """The columns that must be numbers."""
        truth = [self.target] if self.task == REGRESSION and self.target else []
        return [*self.predictions, *self.probabilities, *self.features, *truth]

    @property
    def texts(self) -> list[str]:
        """The columns whose values are names, whatever they look like."""
        return [] if self.task == REGRESSION else [name for name in (self.target, self.label) if name is not None]


def prepare(options: argparse.Namespace) -> Asked:
    """What the options ask of the columns there are; tells the options which columns are text.

    :raises UsageError: options that make no sense together, or with these columns
    """
    if options.replicates > MOST_REPLICATES:
        raise UsageError(f"--replicates is at most {MOST_REPLICATES:,}; {DEFAULT_REPLICATES} to 1,000 will do")
    if options.sample_rows < LEAST_SAMPLE:
        raise UsageError(
            f"--sample-rows is at least {LEAST_SAMPLE:,} here: the bins of curves and quantiles lie by the sample"
        )
    asked = find_columns(options, _column_names(options))
    if options.by in asked.numbers:
        raise UsageError(f"the column {options.by!r} is judged; --by is another one, whose values are names of segments")
    names_of_text = [*asked.texts, *([options.by] if options.by else [])]
    options.text = list(dict.fromkeys([*options.text, *names_of_text]))
    return asked


def contents_for(options: argparse.Namespace, asked: Asked) -> PackContents:
    """What the pack must hold."""
    roles = [*asked.numbers, *asked.texts, options.weight, options.id, options.by]
    chosen = tuple(sorted({name for name in roles if name}))
    return PackContents(chosen, (options.id,) if options.id else (), options.max_bad_rows, options.sample_rows)


def find_columns(options: argparse.Namespace, columns: list[str] | None) -> Asked:
    """The task and its columns, by the options and the names of all columns, None where nobody knows them yet."""
    known = columns or []
    probabilities = options.probability or [name for name in known if name.startswith(PROBABILITY)]
    clusters = [name for name in CLUSTERS if name in known]
    task = options.task or _task(options, known, clusters, columns)
    if task != CLUSTERING and options.target is None:
        raise UsageError("name the column of the truth with --target")
    if task != CLASSIFICATION and _is_of_classes(options):
        raise UsageError(f"--probability, --positive, --threshold and --cost are of classification, and this is {task}")
    if options.threshold is not None and options.prediction:
        raise UsageError("--threshold says from which probability a row is taken for a class, and --prediction which it is")
    if task != CLUSTERING and options.features:
        raise UsageError(f"--features are of clustering, and this is {task}")
    if task == REGRESSION:
        predictions = options.prediction or ([PREDICTION] if PREDICTION in known else [])
        if not predictions:
            raise UsageError("name the column of the predictions with --prediction")
        return Asked(task, options.target, _once(predictions, "--prediction"))
    default = [name for name in (clusters if task == CLUSTERING else [LABEL]) if name in known][:1]
    if task == CLASSIFICATION and (options.probability or options.threshold is not None):
        default = []  # another model's, for all that is known, or another threshold's
    labels = options.prediction or default
    if len(labels) > 1:
        raise UsageError(f"--prediction names one column of {task}; {', '.join(labels)} are several")
    label = labels[0] if labels else None
    if task == CLASSIFICATION:
        if label is None and not probabilities:
            raise UsageError("name the probabilities with --probability, or the predicted classes with --prediction")
        return Asked(task, options.target, [], _once(probabilities, "--probability"), label)
    if label is None:
        raise UsageError("name the column of the clusters with --prediction")
    if options.target is None and not options.features:
        raise UsageError("clusters are judged against true classes, --target, or by what rows were compared by, --features")
    return Asked(task, options.target, label=label, features=_once(options.features or [], "--features"))


def _task(options: argparse.Namespace, known: list[str], clusters: list[str], columns: list[str] | None) -> str:
    if _is_of_classes(options):
        return CLASSIFICATION
    if options.features:
        return CLUSTERING
    if options.prediction:
        if set(options.prediction) <= set(CLUSTERS):
            return CLUSTERING
        return CLASSIFICATION if options.prediction == [LABEL] else REGRESSION
    if columns is None:
        raise UsageError("of standard input name --task, and the columns with --prediction or --probability")
    kinds = {
        CLASSIFICATION: LABEL in known or any(name.startswith(PROBABILITY) for name in known),
        CLUSTERING: bool(clusters),
        REGRESSION: PREDICTION in known,
    }
    found = [task for task, there in kinds.items() if there]
    if len(found) != 1:
        shown = f"the columns could be those of {' and of '.join(found)}" if found else "no column is known as a prediction"
        raise UsageError(f"{shown}; say --task, and name the columns with --prediction or --probability")
    return found[0]


def _is_of_classes(options: argparse.Namespace) -> bool:
    return bool(options.probability or options.cost or options.positive or options.threshold is not None)


def _column_names(options: argparse.Namespace) -> list[str] | None:
    """The names of the columns; None of standard input, which can be read once."""
    if options.columns is not None:
        return list(options.columns)
    if "-" in options.inputs:
        return None
    return list(open_table(find_sources(options.inputs), input_options(options)).names)


def _once(columns: list[str], option: str) -> list[str]:
    for name in columns:
        if columns.count(name) > 1:
            raise UsageError(f"{option} names {name!r} twice")
    return columns

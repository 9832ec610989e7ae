"""The registry of all statistics: for each its job, how to draw a query and rows for it, and what its weights mean.

A new statistic joins the laws of test_statistics_laws.py, and its job those of test_mr_scan.py, by one entry here; the jobs
with a result for each key are in test_mr_keyed.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from jobs.block_job import BlockJob
from jobs.blocks import Block, block_line, reference_line
from jobs.design import Design, RowCounts, Rows
from jobs.kernels.contract import Statistics
from jobs.kernels.count import CountQuery, CountStatistics
from jobs.kernels.evaluation import EvaluationQuery, EvaluationStatistics
from jobs.kernels.folds import Folds
from jobs.kernels.glm import GLMQuery, GLMStatistics
from jobs.kernels.glm_groups import NOT_CONVERGED, GLMGroups, GLMGroupsQuery, GLMGroupsStatistics
from jobs.kernels.glm_scores import GLMScoresQuery, GLMScoresStatistics
from jobs.kernels.gmm import COVARIANCE_TYPES, GMMQuery, GMMStatistics, shape_of_covariances
from jobs.kernels.keyed import keys_of
from jobs.kernels.kmeans import KMeansQuery, KMeansStatistics
from jobs.kernels.kmeans_parallel import KMeansParallelQuery, KMeansParallelStatistics
from jobs.kernels.sample import SampleQuery, SampleStatistics
from jobs.kernels.table_profile import MOMENTS, NUMBER, TableProfileQuery, TableProfileStatistics
from jobs.kernels.target_sums import TargetSumsQuery, TargetSumsStatistics
from jobs.kernels.wols import WOLSQuery, WOLSStatistics
from jobs.kernels.wols_folds import WOLSFoldsQuery, WOLSFoldsStatistics
from jobs.kernels.wols_gradient import WOLSGradientQuery, WOLSGradientStatistics
from jobs.kernels.wols_groups import WOLSGroupsQuery, WOLSGroupsStatistics
from jobs.kernels.wols_refine import WOLSRefineQuery, WOLSRefineStatistics
from jobs.kernels.wols_residuals import WOLSResidualsQuery, WOLSResidualsStatistics
from jobs.mr_count import MRCount
from jobs.mr_evaluate import MREvaluate
from jobs.mr_glm import MRGLM
from jobs.mr_glm_groups import MRGLMGroups
from jobs.mr_glm_groups_start import MRGLMGroupsStart
from jobs.mr_glm_scores import MRGLMScores
from jobs.mr_gmm import MRGMM
from jobs.mr_history import MRHistory
from jobs.mr_keyed import KeyedAnswer, MRKeyed
from jobs.mr_kmeans import MRKMeans
from jobs.mr_kmeans_parallel import MRKMeansParallel
from jobs.mr_manifest import MRManifest
from jobs.mr_pack import MRPack
from jobs.mr_profile import MRProfile
from jobs.mr_sample import MRSample
from jobs.mr_scan import MRScan, PassAnswer, ScanQuery
from jobs.mr_score import MRScore
from jobs.mr_target_sums import MRTargetSums
from jobs.mr_texts import MRTexts
from jobs.mr_wols import MRWOLS
from jobs.mr_wols_folds import MRWOLSFolds
from jobs.mr_wols_gradient import MRWOLSGradient
from jobs.mr_wols_groups import MRWOLSGroups
from jobs.mr_wols_refine import MRWOLSRefine
from jobs.mr_wols_residuals import MRWOLSResiduals
from jobs.records import Record


@dataclass
class Entry:
    """One statistic.

    draw_query: (generator, p) -> query
    weighted_fields: the fields that are functions of the weighted distribution, so that w = 3 equals three copies
    exceptions: why the other fields are not, for each of them
    """

    statistics: type[Statistics]
    job: type[BlockJob]
    draw_query: Callable[[np.random.Generator, int], Record]
    weighted_fields: tuple[str, ...]
    exceptions: dict[str, str]


def _centre(rng: np.random.Generator, p: int) -> np.ndarray:
    # Not the mean of the rows: a sum that cancels to nothing has no correct digits for the laws to compare.
    return np.full(p, 2.0) + rng.normal(size=p) * 0.1


def _gmm_query(rng: np.random.Generator, p: int, covariance_type: str) -> GMMQuery:
    # Wide components, of which a row is part of several.
    shape = shape_of_covariances(covariance_type, 5, 2, p)
    roots = rng.uniform(1e-3, 1e-2, shape)
    if covariance_type in ("full", "tied"):
        roots = np.tril(roots)
    return GMMQuery(
        covariance_type, np.log(rng.dirichlet(np.ones(5))), rng.normal(size=(5, p)), roots, np.array([0, 2, 5]),
        _centre(rng, p),
    )  # fmt: skip


def _glm_query(rng: np.random.Generator, p: int, family: str, link: str, q: int, second: bool) -> GLMQuery:
    # Small slopes: the features may be thousands.
    points, moves, trials = rng.normal(size=(3, 3, q, p + 1)) * np.append(1.0, np.full(p, 1e-3))
    basis = np.eye(p + 1) + 0.1 * rng.normal(size=(p + 1, p + 1)) if second else np.ones((1, p + 1))
    n_drawn = q if q > 1 else int(family == "binomial")
    return GLMQuery(
        family, link, 0.7, Folds(2, 0.0, int(rng.integers(100))), second, _centre(rng, p), basis, points, moves,
        np.array([-1, 0, 1]), trials, np.array([0, 0, 2]), np.array([0, -1, 1]),
        rng.uniform(0.5, 2, q) if q > 1 else np.zeros(0), np.sort(rng.random((n_drawn, 40)), axis=1),
    )  # fmt: skip


def _glm_scores_query(rng: np.random.Generator, p: int, family: str, q: int, counts: bool) -> GLMScoresQuery:
    question = _glm_query(rng, p, family, "logit", q, True)
    one = dataclasses.replace(
        question, points=question.points[:1], moves=question.moves[:1], left_out=np.array([-1]), pool=np.array([-1]),
        trials=question.trials[:0], trial_of=question.trial_of[:0], basis=np.eye(p + 1),
    )  # fmt: skip
    # Leverages far below 1, whatever the size of a feature.
    root = rng.normal(size=(p + 1, p + 1)) * np.append(1e-2, np.full(p, 3e-6))[:, None]
    return GLMScoresQuery(one, counts, root if q == 1 else np.zeros((0, 0)))


WOLS_EXCEPTIONS = {
    "n_rows": "counts rows: analytic weights say how exact a row is, not how many rows there were",
    "n_zero_weight": "counts rows",
    "weight_square_sum": "goes into the effective sample size, which tells one heavy row from three light ones",
    "weight_log_sum": "goes into the likelihood of analytic weights, a product over rows",
    "weight_max": "is the largest weight of one row",
}


def _residuals_query(rng: np.random.Generator, p: int, weight_type: str) -> WOLSResidualsQuery:
    # Leverages between 1e-4 and 1, whatever the size of a feature. The laws deal rows out at random, and Durbin-Watson is
    # of contiguous pieces: tests/test_wols_residuals.py has the laws for those.
    root = rng.normal(size=(p + 1, p + 1)) * np.append(1e-2, np.full(p, 3e-6))[:, None]
    return WOLSResidualsQuery(
        20.0,
        1.5,
        9.0,
        rng.normal(size=p),
        _centre(rng, p),
        root,
        weight_type,
        n_influential=int(rng.integers(1, 8)),
        durbin_watson=False,
    )


# Sums of w e q and w |q|^2, whatever the weights mean, and fields that these rows leave empty.
WOLS_RESIDUALS_WEIGHTED = (
    "leverage_sum", "cluster_keys", "cluster_scores",
    "n_influential", "n_leverage_one", "leverage_one_places", "successive_square_sum", "piece_places", "piece_ends",
)  # fmt: skip


def _evaluation_query(rng: np.random.Generator, p: int, task: str) -> EvaluationQuery:
    # Of numbers by p models, of two classes by one or two, of more by a column each. These rows have no segments, and no
    # clusters: tests/test_evaluation.py has those.
    is_numbers = task == "regression"
    n_classes = 0 if is_numbers else max(p, 2)
    # With two features packed lines are held to plain text, whose keys, and so whose replicates, are others.
    n_replicates = 0 if p == 2 else 3
    edges = np.sort(rng.normal(size=(2 * p if is_numbers else p, 12)) * 10, axis=1)
    return EvaluationQuery(
        task, p if is_numbers or p <= 2 else 1, n_classes, n_classes, False, 0.5, 1, n_replicates, False,
        int(rng.integers(100)), 4, np.full(1 if is_numbers else 0, 1.5), edges, np.zeros((0, 0)), np.zeros(0), np.zeros(0),
    )  # fmt: skip


# The jobs that gather no statistic: they pack text where it lies.
PACKING_JOBS = (MRPack, MRTexts, MRManifest)
# Of packed rows, but without a statistic of their own: two write a line a row, one has that of MRWOLSGroups.
OTHER_JOBS = (MRScore, MRHistory, MRGLMGroupsStart)

ENTRIES = [
    Entry(
        WOLSStatistics,
        MRWOLS,
        lambda rng, p: WOLSQuery(_centre(rng, p), 1.5),
        weighted_fields=("weight_sum", "r"),
        exceptions=WOLS_EXCEPTIONS,
    ),
    Entry(
        WOLSFoldsStatistics,
        MRWOLSFolds,
        lambda rng, p: WOLSFoldsQuery(WOLSQuery(_centre(rng, p), 1.5), Folds(3, 0.2, int(rng.integers(100)))),
        weighted_fields=("weight_sum", "r"),
        exceptions=WOLS_EXCEPTIONS,
    ),
    Entry(
        WOLSGradientStatistics,
        MRWOLSGradient,
        # The first candidate is far off, so that the largest entry of each sum is large.
        lambda rng, p: WOLSGradientQuery(
            0.5, np.column_stack([np.full(p + 1, 30.0), rng.normal(size=(p + 1, 2))]), _centre(rng, p)
        ),
        weighted_fields=("weight_sum", "loss_sum", "we_sum", "wex_sum"),
        exceptions={
            "n_rows": "counts rows",
            "e_sum": "is the plain sum of errors of the classical form, which leaves this weight out",
        },
    ),
    Entry(
        WOLSResidualsStatistics,
        MRWOLSResiduals,
        lambda rng, p: _residuals_query(rng, p, "analytic"),
        weighted_fields=WOLS_RESIDUALS_WEIGHTED,
        exceptions={
            **dict.fromkeys(("n_rows", "n_observations"), "counts rows"),
            "residual_square_sum": "is sum e^2, without weights",
            "residual_range": "is of sqrt(w) e",
            **dict.fromkeys(
                ("hc0_gram", "hc2_gram", "hc3_gram", "square_gram"), "is quadratic in w: one row varies as one"
            ),
            **dict.fromkeys(("variance_gram", "white_gram"), "is a regression over rows, each as heavy as another"),
            **dict.fromkeys(("press", "leverage_max"), "leaves out one row, and a heavy one is missed more"),
            **dict.fromkeys(("influence", "influence_places"), "leaves out one row, and a heavy one is missed more"),
        },
    ),
    Entry(
        WOLSResidualsStatistics,
        MRWOLSResiduals,
        lambda rng, p: _residuals_query(rng, p, "frequency"),
        weighted_fields=(
            *WOLS_RESIDUALS_WEIGHTED,
            "n_observations",
            "residual_square_sum",
            "residual_range",
            "hc0_gram",
            "hc2_gram",
            "hc3_gram",
            "square_gram",
            "variance_gram",
            "white_gram",
            "press",
            "leverage_max",
        ),
        exceptions={
            "n_rows": "counts rows as they stand in the data",
            "influence": "is a list of rows as they stand in the data",
            "influence_places": "is a list of rows as they stand in the data",
        },
    ),
    Entry(
        WOLSRefineStatistics,
        MRWOLSRefine,
        # Far-off coefficients, so that the sums do not cancel to nothing.
        lambda rng, p: WOLSRefineQuery(
            1.5,
            3,
            _centre(rng, p),
            np.ones(p + 2),
            rng.normal(size=(p + 1, p + 1)),
            np.column_stack([np.full(p + 1, 30.0), rng.normal(size=p + 1) * 1e-15]),
        ),
        weighted_fields=("residual_square_sum", "qwe_sum", "gram"),
        exceptions={"n_rows": "counts rows"},
    ),
    *(
        Entry(
            GLMStatistics,
            MRGLM,
            partial(_glm_query, family=family, link=link, q=q, second=second),
            weighted_fields=(
                "weight_sum",
                "weight",
                "y_sum",
                "saturated",
                "constant",
                "loss",
                "gradient",
                "information",
                "curvature",
                "square",
                "trial_loss",
                "held_weight",
                "held_loss",
                "margin",
                "move",
                "scores",
                "confusion",
                "brier",
            ),
            exceptions=WOLS_EXCEPTIONS,
        )  # fmt: skip
        for family, link, q, second in (
            ("gaussian", "identity", 1, True),
            ("binomial", "logit", 1, True),
            ("multinomial", "logit", 3, True),
            ("multinomial", "logit", 3, False),
            ("gaussian", "log", 1, False),
        )
    ),
    *(
        Entry(
            GLMScoresStatistics,
            MRGLMScores,
            partial(_glm_scores_query, family=family, q=q, counts=counts),
            weighted_fields=(
                "n_leverage_one",
                "cluster_keys",
                "cluster_scores",
                *(("hc0", "hc2", "hc3") if counts else ()),
            ),
            exceptions={
                "n_rows": "counts rows",
                **({} if counts else dict.fromkeys(("hc0", "hc2", "hc3"), "is quadratic in w: one row varies as one")),
            },
        )
        for family, q, counts in (("binomial", 1, False), ("binomial", 1, True), ("multinomial", 3, True))
    ),
    *(
        Entry(
            GMMStatistics,
            MRGMM,
            partial(_gmm_query, covariance_type=covariance_type),
            weighted_fields=(
                "weight_sum",
                "log_likelihood",
                "entropy",
                "r_sum",
                "ry_sum",
                "ryy_sum",
                "surprise",
                "rarest",
                "places",
            ),
            exceptions={"n_rows": "counts rows"},
        )
        for covariance_type in COVARIANCE_TYPES
    ),
    Entry(
        KMeansStatistics,
        MRKMeans,
        lambda rng, p: KMeansQuery("euclidean", rng.normal(size=(6, p)) * 3, np.array([0, 1, 4, 6]), _centre(rng, p)),
        weighted_fields=(
            "weight_sum",
            "w_sum",
            "wx_sum",
            "sse",
            "distance_sum",
            "silhouette_sum",
            "radius",
            "farthest",
            "places",
        ),
        exceptions={"n_rows": "counts rows", "n_cluster": "counts rows"},
    ),
    Entry(
        KMeansParallelStatistics,
        MRKMeansParallel,
        lambda rng, p: KMeansParallelQuery(
            "euclidean", int(rng.integers(1, 8)), int(rng.integers(100)), 1, rng.normal(size=(2, p)), _centre(rng, p)
        ),
        weighted_fields=(),
        exceptions={
            "k": "is the size that was asked for",
            **dict.fromkeys(("keys", "rows", "places"), "a row of weight 3 may be drawn once, three copies thrice"),
        },
    ),
    *(
        Entry(
            EvaluationStatistics,
            MREvaluate,
            partial(_evaluation_query, task=task),
            # Copies have one key, so they are drawn together as the heavy row is.
            weighted_fields=(
                "off_weight",
                "sums",
                "tables",
                "histograms",
                "least",
                "largest",
                "cluster_sums",
                "replicate_sums",
                "replicate_tables",
                "replicate_histograms",
            ),
            exceptions={
                "n_rows": "counts rows",
                "weight_square_sum": "goes into the effective sample size, which tells one heavy row from three light ones",
                "weight_max": "is the largest weight of one row",
            },
        )
        for task in ("regression", "classification")
    ),
    Entry(
        SampleStatistics,
        MRSample,
        lambda rng, p: SampleQuery(int(rng.integers(0, 12)), p, seed=int(rng.integers(100))),
        weighted_fields=(),
        exceptions={
            "k": "is the size that was asked for",
            "keys": "of a sample of rows, which knows no weights",
            "rows": "of a sample of rows, which knows no weights",
            "places": "of a sample of rows, which knows no weights",
        },
    ),
    Entry(
        TableProfileStatistics,
        MRProfile,
        # All values are kept, so that the laws hold exactly; tests/test_table_profile.py has those of the sketches.
        lambda rng, p: TableProfileQuery(256, 16, True, rng.choice([NUMBER, MOMENTS], p), _centre(rng, p), np.full(p, 4.0)),
        weighted_fields=(
            "kinds",
            "n_exact",
            "n_frequent",
            "extremes",
            "center",
            "scale",
            "registers",
            "exact",
            "errors",
            "sizes",
            "keys",
            "frequent_errors",
            "frequent_sizes",
            "frequent_keys",
            "frequent_counts",
        ),  # fmt: skip
        exceptions=dict.fromkeys(("n_rows", "cells", "moments", "pairs", "counts"), "counts rows"),
    ),
    *(
        Entry(
            TargetSumsStatistics,
            MRTargetSums,
            # The features of `draw_rows` are no levels, but those above zero, without their fractions, are as good.
            lambda rng, p, n_classes=n_classes: TargetSumsQuery(
                # With two features packed lines are held to plain text, whose keys, and so whose folds, are others.
                Folds(1 if p == 2 else 2, 0.0, int(rng.integers(100))),
                n_classes,
                0.5,
                np.full(p, 8192),
            ),
            weighted_fields=("weight", "sums", "squares"),
            exceptions={},
        )
        for n_classes in (0, 3)
    ),
    Entry(
        CountStatistics,
        MRCount,
        lambda rng, p: CountQuery(),
        weighted_fields=(),
        exceptions={"n_rows": "counts rows"},
    ),
]


def _glm_groups_query(rng: np.random.Generator, p: int) -> GLMGroupsQuery:
    """The groups of `make_rows` that are on their way, one has ended."""
    keys = np.sort(keys_of(np.array([0.0, 1.0, 3.0])))
    point = np.column_stack([rng.normal(size=3), rng.normal(size=(3, p)) / 20])
    ones = np.ones(3)
    groups = GLMGroups(
        keys, np.full(3, 9), ones, ones, np.full(3, NOT_CONVERGED), np.ones((3, p)), np.full((3, p), 2.0), point * 0.9,
        point, ones, -ones, np.full(3, 1), np.full(3, 0), ones, ones, ones, ones, np.full((3, p + 1), np.nan),
    )  # fmt: skip
    link = ["identity", "log"][int(rng.integers(2))]
    return GLMGroupsQuery("gaussian", link, 0.0, 0.0, False, 1e-8, False, groups, np.array([0.0, 0.25]))


# Of many keys, solved in the reducers.
KEYED = [
    Entry(
        WOLSGroupsStatistics,
        MRWOLSGroups,
        lambda rng, p: WOLSGroupsQuery(p, p + 2),
        weighted_fields=("keys", "weight_sum", "origin", "offset", "products"),
        exceptions={"n_rows": "counts rows"},
    ),
    Entry(
        GLMGroupsStatistics,
        MRGLMGroups,
        lambda rng, p: _glm_groups_query(rng, p),
        weighted_fields=tuple(f.name for f in dataclasses.fields(GLMGroupsStatistics)),
        exceptions={},
    ),
]
STATISTICS = [*ENTRIES, *KEYED]


# -- rows ---------------------------------------------------------------------------------------------------------------


def make_rows(X: Any, y: Any = None, w: Any = None, *, part: int = 0, number: int = 0, ids: Any = None) -> Rows:
    """All rows of one block, as the design step hands them to a kernel."""
    X = np.asarray(X, dtype=float)
    n = len(X)
    return Rows(
        X=X,
        y=None if y is None else np.asarray(y, dtype=float),
        w=np.ones(n) if w is None else np.asarray(w, dtype=float),
        part=part,
        number=number,
        positions=np.arange(n),
        ids=None if ids is None else np.asarray(ids),
        counts=RowCounts(read=n, used=n),
        # Some groups, the same for equal rows.
        groups=np.fmod(np.floor(np.abs(X[:, 0] * 1e3)), 4) if X.shape[1] else np.zeros(n),
    )


def draw_rows(rng: np.random.Generator, n: int, p: int, zero_weights: bool = True) -> Rows:
    """n rows with p features of different sizes; some weights are zero, some features whole numbers with ties."""
    X = rng.normal(size=(n, p)) * 10.0 ** rng.integers(-3, 4, p)
    X[:, rng.random(p) < 0.3] = rng.integers(-2, 3, (n, 1))
    w = rng.gamma(0.5, size=n)
    if zero_weights:
        w[rng.random(n) < 0.1] = 0
    rows = make_rows(X, X.sum(axis=1) - 4 + rng.normal(size=n), w, part=3, number=int(rng.integers(1000)))
    rows.clusters = rng.integers(0, 5, n)
    return rows


def take(rows: Rows, indices: Any) -> Rows:
    """Some of the rows of a block, in its order, each as often as it is named."""
    return rows.at(np.sort(np.asarray(indices, dtype=np.intp)))


def gather(statistics_class: type[Statistics], query: Record, *many: Rows) -> Any:
    """The statistic of some rows, added one after another."""
    statistics = statistics_class.zero(query)
    for rows in many:
        statistics.add(rows, query)
    return statistics


# -- tables and jobs ------------------------------------------------------------------------------------------------------


def make_blocks(columns: dict[str, np.ndarray], size: int, part: int = 0) -> list[Block]:
    """A table cut into blocks of `size` rows."""
    n = len(next(iter(columns.values())))
    return [
        Block(part, number, min(size, n - start), {k: v[start : start + size] for k, v in columns.items()})
        for number, start in enumerate(range(0, n, size))
    ]


def write_blocks(path: Path, blocks: Sequence[Block], carrier: str = "block") -> Path:
    """Writes the lines of blocks, either kind; reference lines point into `path`.bin, which is written beside."""
    lines, offset = [], 0
    with open(f"{path}.bin", "wb") as file:
        for block in blocks:
            data = block.to_bytes()
            file.write(data)
            if carrier == "block":
                lines.append(block_line(block.part, block.number, block.n_rows, data))
            else:
                lines.append(reference_line(block.part, block.number, block.n_rows, offset, len(data)))
            offset += len(data)
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def write_query(path: Path, question: Record, design: Design, text: Any = None) -> Path:
    path.write_text(ScanQuery(question, design, text).to_line() + "\n")
    return path


def run_job(job: type[MRScan], query: Path, *arguments: object) -> PassAnswer:
    """One pass on the inline runner, through mrjob's own interface."""
    lines = lines_of_job(job, query, *arguments)
    assert len(lines) == 1, "a pass gives one line"
    return PassAnswer.from_line(lines[0])


def run_keyed_job(job: type[MRKeyed], query: Path, *arguments: object) -> KeyedAnswer:
    """Likewise a pass whose reducers solve."""
    return job.answer_from(lines_of_job(job, query, *arguments), Record.from_line(query.read_text()))


def lines_of_job(job: type[BlockJob], query: Path, *arguments: object) -> list[bytes]:
    """What the reducers of a job write."""
    with job(args=["--no-conf", "--query", str(query), *map(str, arguments)]).make_runner() as runner:
        runner.run()
        return b"".join(runner.cat_output()).splitlines()

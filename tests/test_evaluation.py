"""The kernel of evaluation, and the measures that are read from its sums: held to sklearn.metrics over the same rows."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn import metrics

from drivers.evaluating.bins import error_edges, padded, score_edges
from drivers.evaluating.classes import table_measures
from drivers.evaluating.clusters import agreement, moments, separation
from drivers.evaluating.curves import Bins, curve_measures, gains, thresholds
from drivers.evaluating.errors import error_measures, quantiles
from jobs.errors import BadRecord
from jobs.kernels.evaluation import (
    CLASSIFICATION,
    CLUSTERING,
    OF_PROBABILITIES,
    REGRESSION,
    EvaluationQuery,
    EvaluationStatistics,
)
from jobs.kernels.evaluation_bootstrap import poisson_counts
from jobs.kernels.scores import N_BINS, auc, bin_edges
from jobs.keys import row_keys
from tests.registry import gather, make_rows, take

NOTHING = np.zeros((0, 0))


def question(task, edges=NOTHING, n_models=1, n_classes=0, n_predicted=None, center=(), **others):
    fields = {
        "has_labels": False, "threshold": 0.5, "n_segments": 1, "n_replicates": 0, "by_segment": False, "seed": 0,
        "coarse": 1,
        "means": np.zeros((0, len(center))), "masses": np.zeros(0), "squares": np.zeros(0),
    }  # fmt: skip
    n_predicted = n_classes if n_predicted is None else n_predicted
    values = {**fields, **others}
    return EvaluationQuery(
        task=task, n_models=n_models, n_true=n_classes, n_predicted=n_predicted, center=np.array(center, float),
        edges=edges, **values,
    )  # fmt: skip


def draw_classes(rng, n, C, rare=None):
    """Classes, and probabilities that know something of them, with ties and certain ones among them."""
    y = rng.choice(C, n, p=rng.dirichlet(np.full(C, 5.0)) if rare is None else [1 - rare, rare])
    z = rng.normal(size=(n, C)) + 1.5 * (y[:, None] == np.arange(C))
    if rare is not None:
        z[:, 1] -= 6
    p = np.exp(z)
    p /= p.sum(axis=1, keepdims=True)
    return y, p


def judged(y, p, w, edges_of, n_bins=2048, **others):
    """The statistic of a classifier; edges by the first rows, as by a sample."""
    C = p.shape[1]
    shown = [1] if C == 2 else range(C)
    X = p[:, 1:] if C == 2 else p
    edges = padded([score_edges(p[:edges_of, j], y[:edges_of] == j, n_bins) for j in shown])
    query = question(CLASSIFICATION, edges, n_classes=C, **others)
    return query, gather(EvaluationStatistics, query, make_rows(X, y, w))


def with_errors(measures, name, exact):
    assert abs(measures[name] - exact) <= measures[f"{name}_error"] + 1e-12, name


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("C", "rare", "n"), [(2, None, 4000), (3, None, 4000), (30, None, 6000), (2, 0.001, 40_000)])
def test_measures_of_classes_are_those_of_scikit_learn(C, rare, n, weighted):
    rng = np.random.default_rng(C)
    y, p = draw_classes(rng, n, C, rare)
    w = rng.gamma(1.0, size=n) if weighted else np.ones(n)
    query, found = judged(y, p, w, edges_of=2000)
    sums = dict(zip([name for name, _ in query.names], found.sums[0]))
    np.testing.assert_allclose(sums["log_loss"] / sums["weight"], metrics.log_loss(y, p, sample_weight=w), rtol=1e-12)
    if C == 2:
        np.testing.assert_allclose(
            sums["brier"] / sums["weight"], metrics.brier_score_loss(y, p[:, 1], sample_weight=w), rtol=1e-12
        )
    else:
        brier = np.average(((p - np.eye(C)[y]) ** 2).sum(axis=1), weights=w)
        np.testing.assert_allclose(sums["brier"] / sums["weight"], brier, rtol=1e-12)
    labels = (p[:, 1] >= 0.5).astype(int) if C == 2 else p.argmax(axis=1)
    table = found.tables[0, 0].reshape(C, C)
    np.testing.assert_allclose(table, metrics.confusion_matrix(y, labels, sample_weight=w, labels=range(C)), rtol=1e-12)
    measures = table_measures(table)
    exact = scikit_learns(y, labels, w)
    for name, value in exact.items():
        assert measures[name] == pytest.approx(value, rel=1e-12, abs=1e-12), name
    for h, j in enumerate([1] if C == 2 else range(C)):
        bins = Bins.of(query.edges[h])
        of_class = curve_measures(found.histograms[0, h, 0], found.histograms[0, h, 1], bins)
        with_errors(of_class, "auc", metrics.roc_auc_score(y == j, p[:, j], sample_weight=w))
        with_errors(of_class, "average_precision", metrics.average_precision_score(y == j, p[:, j], sample_weight=w))
        fpr, tpr, _ = metrics.roc_curve(y == j, p[:, j], sample_weight=w, drop_intermediate=False)
        with_errors(of_class, "ks", np.abs(tpr - fpr).max())
        assert of_class["auc_error"] < 1e-3 and of_class["ks_error"] < 1e-2
        assert of_class["average_precision_error"] < (0.05 if rare or C == 30 else 0.01)


def scikit_learns(y, labels, w):
    found = {
        "accuracy": metrics.accuracy_score(y, labels, sample_weight=w),
        "mcc": metrics.matthews_corrcoef(y, labels, sample_weight=w),
        "kappa": metrics.cohen_kappa_score(y, labels, sample_weight=w),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found["balanced_accuracy"] = metrics.balanced_accuracy_score(y, labels, sample_weight=w)
        for mean in ("macro", "micro", "weighted"):
            values = metrics.precision_recall_fscore_support(y, labels, average=mean, sample_weight=w, zero_division=0)
            found.update({f"{name}_{mean}": value for name, value in zip(("precision", "recall", "f1"), values)})
        if set(y) | set(labels) <= {0, 1}:
            values = metrics.precision_recall_fscore_support(y, labels, average="binary", sample_weight=w, zero_division=0)
            found.update(dict(zip(("precision", "recall", "f1"), values)))
            found["specificity"] = metrics.recall_score(y, labels, pos_label=0, sample_weight=w, zero_division=0)
    return found


@pytest.mark.parametrize("values", [[0.0, 1.0], [0.0, 0.25, 0.5, 1.0], np.linspace(0, 1, 300)])
def test_few_different_scores_leave_nothing_open(values):
    rng = np.random.default_rng(1)
    n = 3000
    y = rng.integers(0, 2, n)
    p = rng.choice(values, n)
    query, found = judged(y, np.column_stack([1 - p, p]), np.ones(n), edges_of=n)
    of_class = curve_measures(found.histograms[0, 0, 0], found.histograms[0, 0, 1], Bins.of(query.edges[0]))
    assert of_class["auc_error"] == of_class["average_precision_error"] == of_class["ks_error"] == 0
    assert of_class["auc"] == pytest.approx(metrics.roc_auc_score(y, p), abs=1e-14)
    assert of_class["average_precision"] == pytest.approx(metrics.average_precision_score(y, p), abs=1e-14)
    assert np.isfinite(found.sums).all()


def test_scores_that_all_lie_close_together_are_told_apart():
    """Thirty classes of which next to nothing is known: all probabilities are near 1/30."""
    rng = np.random.default_rng(2)
    n, C = 20_000, 30
    y = rng.integers(0, C, n)
    z = 0.05 * rng.normal(size=(n, C)) + 0.02 * (y[:, None] == np.arange(C))
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    query, found = judged(y, p, np.ones(n), edges_of=5000)
    for j in range(C):
        of_class = curve_measures(found.histograms[0, j, 0], found.histograms[0, j, 1], Bins.of(query.edges[j]))
        with_errors(of_class, "auc", metrics.roc_auc_score(y == j, p[:, j]))
        assert of_class["auc_error"] < 1e-3
    # Bins that no sample has laid say truly how little they know, and less little than bins even about one half would.
    fixed = np.searchsorted(bin_edges()[1:-1], p[:, 0], side="right")
    counted = [np.bincount(fixed, y == 0 if mine else y != 0, N_BINS) for mine in (False, True)]
    area, error = auc(*counted)
    assert abs(area - metrics.roc_auc_score(y == 0, p[:, 0])) <= error < 0.02


def test_fixed_bins_are_as_fine_near_certainty_as_their_number_allows():
    edges = bin_edges()
    edges = edges[(edges > 0) & (edges < 1)]
    odds = np.log(edges) - np.log1p(-edges)
    steps, middle = np.diff(odds), (odds[1:] + odds[:-1]) / 2
    near = np.abs(middle) < 4
    assert steps[near].max() / steps[near].min() < 4.1 and steps[near].max() < 0.0085
    assert np.searchsorted(edges, 1e-6) > 400


def test_what_is_left_open_is_what_the_best_and_the_worst_order_within_the_bins_make():
    rng = np.random.default_rng(11)
    for _ in range(20):
        negatives, positives = rng.integers(0, 5, (2, 12))
        negatives[0] = positives[0] = 1
        bins = Bins(np.linspace(0, 1, 13)[:-1], np.zeros(12, bool))
        found = curve_measures(negatives.astype(float), positives.astype(float), bins)
        ends = []
        for first_in_bin in (True, False):  # the scores of the class lie above, or below, all others of a bin
            y = np.concatenate([np.repeat([1, 0], [p, n]) for n, p in zip(negatives, positives)])
            score = np.concatenate([np.full(n + p, j, float) for j, (n, p) in enumerate(zip(negatives, positives))])
            score += np.where((y == 1) == first_in_bin, 0.5, 0.0)
            score += 0.0 if first_in_bin else 1e-3 * np.arange(len(y))  # last no two are the same
            ends.append((metrics.roc_auc_score(y, score), metrics.average_precision_score(y, score)))
        for k, name in enumerate(("auc", "average_precision")):
            furthest = max(abs(end[k] - found[name]) for end in ends)
            # The lower end of the average precision is reached by very many, very light rows.
            assert furthest - 1e-12 <= found[f"{name}_error"] <= (1 + 1e-12 if name == "auc" else 1.5) * furthest, name


def test_a_class_that_is_only_predicted_has_no_recall_to_average():
    y, labels = np.array([0, 0, 1, 1, 1]), np.array([0, 2, 1, 1, 2])
    table = metrics.confusion_matrix(y, labels, labels=range(4)).astype(float)
    measures = table_measures(table)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert measures["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(y, labels), rel=1e-12)
    for name in ("precision", "recall", "f1"):
        exact = getattr(metrics, f"{name}_score")(y, labels, average="macro", zero_division=0)
        assert measures[f"{name}_macro"] == pytest.approx(exact, rel=1e-12), name


def test_one_class_alone_has_no_area_and_everything_else():
    rng = np.random.default_rng(3)
    p = rng.random(100)
    query, found = judged(np.ones(100, int), np.column_stack([1 - p, p]), np.ones(100), edges_of=100)
    of_class = curve_measures(found.histograms[0, 0, 0], found.histograms[0, 0, 1], Bins.of(query.edges[0]))
    assert all(np.isnan(value) for value in of_class.values())
    measures = table_measures(found.tables[0, 0].reshape(2, 2))
    assert measures["accuracy"] == measures["recall"] == np.mean(p >= 0.5) and measures["mcc"] == 0
    assert gains(found.histograms[0, 0])[-1]["found"] == 1.0


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("center", "scale"), [(0.0, 1.0), (1e6, 1.0), (-5.0, 1e-3)])
def test_measures_of_numbers_are_those_of_scikit_learn(center, scale, weighted):
    rng = np.random.default_rng(4)
    n = 5000
    y = center + scale * rng.normal(size=n)
    P = y[:, None] + scale * rng.normal(size=(n, 2)) * [0.3, 2.0] + scale * np.array([0.1, 0.0])
    w = rng.gamma(1.0, size=n) if weighted else np.ones(n)
    errors = [e for m in range(2) for e in (P[:, m] - y, np.abs(P[:, m] - y))]
    edges = padded([error_edges(e, 2048) for e in errors])
    query = question(REGRESSION, edges, n_models=2, center=(center + 0.3 * scale,))
    found = gather(EvaluationStatistics, query, make_rows(P, y, w))
    for m in range(2):
        sums = {name: found.sums[0, j] for j, (name, of) in enumerate(query.names) if of == m or j < 3}
        measures = error_measures(sums, query.center[0])
        p = P[:, m]
        exact = {
            "mse": metrics.mean_squared_error(y, p, sample_weight=w),
            "rmse": metrics.root_mean_squared_error(y, p, sample_weight=w),
            "mae": metrics.mean_absolute_error(y, p, sample_weight=w),
            "mape": metrics.mean_absolute_percentage_error(y, p, sample_weight=w),
            "r_squared": metrics.r2_score(y, p, sample_weight=w),
            "explained_variance": metrics.explained_variance_score(y, p, sample_weight=w),
            "bias": np.average(p - y, weights=w),
        }
        centred = [values - np.average(values, weights=w) for values in (y, p)]
        a, b = centred
        exact["correlation"] = np.sum(w * a * b) / np.sqrt(np.sum(w * a * a) * np.sum(w * b * b))
        for name, value in exact.items():
            assert measures[name] == pytest.approx(value, rel=1e-12, abs=1e-13 * scale), name
        errors = p - y
        assert (found.least[0, m], found.largest[0, m]) == (errors.min(), errors.max())
        for row in quantiles(found.histograms[0, 2 * m, 0], query.edges[2 * m], errors.min(), errors.max()):
            order = np.argsort(errors)
            at = np.searchsorted(np.cumsum(w[order]), row["probability"] * w.sum() * (1 - 1e-12))
            assert row["low"] <= errors[order][at] <= row["high"] and row["low"] <= row["value"] <= row["high"]
            assert row["high"] - row["low"] < 0.1 * errors.std()


def test_a_target_without_spread_has_the_r_squared_that_scikit_learn_gives_it():
    for p, expected in ((np.array([2.0, 2.0, 3.0]), 0.0), (np.full(3, 2.0), 1.0)):
        query = question(REGRESSION, np.zeros((2, 0)), center=(2.0 + 1e-16,))
        found = gather(EvaluationStatistics, query, make_rows(p[:, None], np.full(3, 2.0)))
        sums = dict(zip([name for name, _ in query.names], found.sums[0]))
        measures = error_measures(sums, query.center[0])
        assert measures["r_squared"] == expected == metrics.r2_score(np.full(3, 2.0), p)
        assert np.isnan(measures["correlation"])


@pytest.mark.parametrize(("R", "K"), [(3, 4), (1, 3), (4, 1), (1, 1)])
def test_agreement_of_clusters_with_classes_is_that_of_scikit_learn(R, K):
    rng = np.random.default_rng(5)
    n = 500
    y = rng.integers(0, R, n)
    labels = np.where(rng.random(n) < 0.6, y % K, rng.integers(0, K, n))
    rows = make_rows(np.zeros((n, 0)), y, np.ones(n))
    rows.clusters = labels
    found = gather(EvaluationStatistics, question(CLUSTERING, n_classes=R, n_predicted=K, has_labels=True), rows)
    measures = agreement(found.tables[0, 0].reshape(R, K))
    exact = {
        "adjusted_rand": metrics.adjusted_rand_score(y, labels),
        "nmi": metrics.normalized_mutual_info_score(y, labels),
        "v_measure": metrics.v_measure_score(y, labels),
        "homogeneity": metrics.homogeneity_score(y, labels),
        "completeness": metrics.completeness_score(y, labels),
    }
    for name, value in exact.items():
        assert measures[name] == pytest.approx(value, rel=1e-12, abs=1e-12), name


def test_rows_of_weight_three_agree_as_three_rows_do():
    rng = np.random.default_rng(6)
    y, labels, times = rng.integers(0, 3, 60), rng.integers(0, 4, 60), rng.integers(0, 4, 60)
    table = np.zeros((3, 4))
    np.add.at(table, (y, labels), times)
    copied = [np.repeat(values, times) for values in (y, labels)]
    assert agreement(table)["adjusted_rand"] == pytest.approx(metrics.adjusted_rand_score(*copied), rel=1e-12)
    assert agreement(table)["nmi"] == pytest.approx(metrics.normalized_mutual_info_score(*copied), rel=1e-12)


def test_silhouettes_and_separation_are_those_of_scikit_learn():
    rng = np.random.default_rng(7)
    n, K, p = 400, 4, 3
    labels = rng.integers(0, K - 1, n)
    labels[0] = K - 1  # alone in its cluster
    X = rng.normal(size=(n, p)) + 2 * labels[:, None] + 100
    rows = make_rows(X)
    rows.clusters = labels
    query = question(CLUSTERING, n_predicted=K, has_labels=True, center=(100.0, 100.0, 100.0))
    first = gather(EvaluationStatistics, query, rows)
    means, masses, squares = moments(first.cluster_sums)
    second = question(
        CLUSTERING,
        n_predicted=K,
        has_labels=True,
        center=(100.0, 100.0, 100.0),
        means=means,
        masses=masses,
        squares=squares,
    )
    found = gather(EvaluationStatistics, second, rows)
    assert found.sums[0, 1] / n == pytest.approx(metrics.silhouette_score(X, labels, metric="sqeuclidean"), rel=1e-10)
    measures = separation(means, masses, squares, found.cluster_sums[:, 1])
    assert measures["calinski_harabasz"] == pytest.approx(metrics.calinski_harabasz_score(X, labels), rel=1e-12)
    assert measures["davies_bouldin"] == pytest.approx(metrics.davies_bouldin_score(X - 100, labels), rel=1e-7)


def test_thresholds_can_be_applied_and_are_the_best_there_are():
    rng = np.random.default_rng(8)
    n = 4000
    y, p = draw_classes(rng, n, 2)
    p = p[:, 1]
    query, found = judged(y, np.column_stack([1 - p, p]), np.ones(n), edges_of=2000)
    bins = Bins.of(query.edges[0])
    best = thresholds(found.histograms[0, 0], bins, (1.0, 7.0))
    costs = {t: ((p >= t) & (y == 0)).mean() + 7 * ((p < t) & (y == 1)).mean() for t in [*np.unique(p), np.inf]}
    t = best["cost"]["threshold"]
    assert best["cost"]["cost"] == pytest.approx(((p >= t) & (y == 0)).mean() + 7 * ((p < t) & (y == 1)).mean(), rel=1e-12)
    assert min(costs.values()) <= best["cost"]["cost"] <= min(costs.values()) * 1.01
    t = best["f1"]["threshold"]
    assert best["f1"]["f1"] == pytest.approx(metrics.f1_score(y, p >= t), rel=1e-12)
    assert best["f1"]["recall"] == pytest.approx(metrics.recall_score(y, p >= t), rel=1e-12)
    for row in gains(found.histograms[0, 0]):
        k = round(row["share"] * n)
        exact = y[np.argsort(-p, kind="stable")][:k].sum() / y.sum()
        assert abs(row["found"] - exact) <= row["found_error"] + 1e-12
        assert row["lift"] == pytest.approx(row["found"] / row["share"], rel=1e-9)


# -- segments and replicates -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_segment", [True, False])
def test_segments_are_what_their_rows_alone_are(by_segment):
    rng = np.random.default_rng(9)
    n, S = 1500, 4
    y, p = draw_classes(rng, n, 3)
    rows = make_rows(p, y, rng.gamma(1.0, size=n), number=5)
    rows.fold_ids = rng.integers(0, S - 1, n)  # the last has no rows
    edges = padded([score_edges(p[:, j], y == j, 256) for j in range(3)])
    keywords = {"n_classes": 3, "n_replicates": 6, "coarse": 4}
    query = question(CLASSIFICATION, edges, n_segments=S, by_segment=by_segment, **keywords)
    found = gather(EvaluationStatistics, query, rows)
    alone = question(CLASSIFICATION, edges, by_segment=False, **keywords)
    whole = gather(EvaluationStatistics, alone, rows)
    for name in ("sums", "tables", "histograms", "replicate_sums", "replicate_tables", "replicate_histograms"):
        np.testing.assert_allclose(getattr(found, name).sum(axis=0), getattr(whole, name)[0], rtol=1e-12, atol=1e-12)
    for s in range(S):
        mine = gather(EvaluationStatistics, alone, take(rows, np.flatnonzero(rows.fold_ids == s)))
        names = ["sums", "tables", "histograms"]
        names += ["replicate_sums", "replicate_tables", "replicate_histograms"] if by_segment else []
        for name in names:
            np.testing.assert_allclose(getattr(found, name)[s], getattr(mine, name)[0], rtol=1e-12, atol=1e-12)


def test_a_replicate_is_the_statistic_of_the_rows_it_draws():
    rng = np.random.default_rng(10)
    n, B = 700, 5
    y, p = draw_classes(rng, n, 3)
    w = rng.gamma(1.0, size=n)
    edges = padded([score_edges(p[:, j], y == j, 64) for j in range(3)])
    query = question(CLASSIFICATION, edges, n_classes=3, n_replicates=B, seed=4)
    rows = make_rows(p, y, w, part=2, number=7)
    found = gather(EvaluationStatistics, query, rows)
    counts = poisson_counts(rows.keys, 4, B)
    for b in range(B):
        drawn = gather(
            EvaluationStatistics, question(CLASSIFICATION, edges, n_classes=3), make_rows(p, y, w * counts[:, b])
        )
        np.testing.assert_allclose(found.replicate_sums[0, :, b], drawn.sums[0], rtol=1e-12)
        np.testing.assert_allclose(found.replicate_tables[0, 0, :, b], drawn.tables[0, 0], rtol=1e-12)
        np.testing.assert_allclose(
            found.replicate_histograms[0, ..., b], drawn.histograms[0, :, :2], rtol=1e-12, atol=1e-12
        )


def test_counts_are_poisson_and_depend_on_the_key_the_seed_and_the_replicate_alone():
    keys = row_keys(0, 0, 20_000)
    counts = poisson_counts(keys, 0, 10)
    assert counts.shape == (20_000, 10)
    expected = np.exp(-1) / np.array([1, 1, 2, 6, 24])
    found = np.bincount(counts.ravel(), minlength=9)[:5] / counts.size
    assert (np.abs(found - expected) < 4 * np.sqrt(expected / counts.size)).all()
    together = np.corrcoef(counts.T)
    assert np.abs(together - np.eye(10)).max() < 5 / np.sqrt(20_000)
    np.testing.assert_array_equal(poisson_counts(keys[5:9], 0, 3), counts[5:9, :3])
    assert (poisson_counts(keys, 1, 1) != counts[:, :1]).any()


def test_a_query_says_how_large_its_statistic_is():
    query = question(
        CLASSIFICATION, np.zeros((3, 99)), n_classes=3, n_segments=7, n_replicates=20, by_segment=True, coarse=8
    )
    zero = EvaluationStatistics.zero(query)
    sizes = sum(value.nbytes for value in vars(zero).values() if isinstance(value, np.ndarray))
    assert query.n_bytes == sizes
    assert set(OF_PROBABILITIES) <= {name for name, _ in query.names}


def test_a_query_that_makes_no_sense_is_refused():
    with pytest.raises(BadRecord, match="task"):
        question("ranking")
    with pytest.raises(BadRecord, match="ascend"):
        question(REGRESSION, np.array([[1.0, 0.0]]), center=(0.0,))
    with pytest.raises(BadRecord, match="means"):
        question(CLUSTERING, center=(0.0,), means=np.zeros((2, 3)), masses=np.zeros(2))

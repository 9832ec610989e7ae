"""k-means on rows in memory: against scikit-learn, and what happens where rows are few, equal, weightless or far away."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score

from drivers.loop import iterate
from jobs.errors import BadRecord, BadRow
from jobs.kernels.farthest import NOWHERE
from jobs.kernels.kmeans import KMeansQuery, KMeansStatistics
from jobs.kernels.kmeans_parallel import KMeansParallelQuery, KMeansParallelStatistics
from jobs.kernels.kmeans_state import KMeansState, update
from tests.registry import gather, make_rows, take


def blobs(n=3000, p=3, k=4, seed=0, spread=5.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, p)) + rng.normal(size=(k, p))[rng.integers(0, k, n)] * spread, rng.gamma(1, size=n)


def step(state, X, w=None):
    """One step over rows in three blocks; what the pass says, and the next state."""
    rows = make_rows(X, None, w)
    query = state.query()
    parts = [gather(KMeansStatistics, query, take(rows, part)) for part in np.array_split(np.arange(len(X)), 3)]
    statistics = parts[0].merge(parts[1]).merge(parts[2])
    return statistics, update(state, statistics)


def lloyd(centers, X, w=None, origin=None, metric="euclidean", max_iter=300):
    """Steps until nothing moves."""
    origin = X.mean(axis=0) if origin is None else origin
    return iterate(
        lambda state: step(state, X, w)[0], update, KMeansState.start(centers, origin, metric),
        distance=lambda old, new, _: new.gain, tol=0.0, max_iter=max_iter, objective=lambda state: state.total_sse,
        monotone="falls",
    )  # fmt: skip


def theirs(centers, X, w=None, max_iter=300):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return KMeans(len(centers), init=centers, n_init=1, max_iter=max_iter, tol=0).fit(X, sample_weight=w)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_a_step_and_a_whole_fit_equal_scikit_learns(weighted, offset):
    X, w = blobs()
    w = w if weighted else None
    centers = X[:5] + offset
    _, once = step(KMeansState.start([centers], (X + offset).mean(axis=0)), X + offset, w)
    # scikit-learn's own digits end at those of the offset.
    np.testing.assert_allclose(
        once.centers - offset, theirs(X[:5], X, w, 1).cluster_centers_, atol=1e-9 if offset else 1e-12
    )
    fit, other = lloyd([centers], X + offset, w), theirs(X[:5], X, w)
    assert fit.converged
    assert fit.state.total_sse[0] == pytest.approx(other.inertia_, rel=1e-10)
    np.testing.assert_allclose(fit.state.evaluated - offset, other.cluster_centers_, atol=1e-9 if offset else 1e-10)
    counts = np.bincount(other.labels_, minlength=5)
    assert fit.state.n_cluster.tolist() == counts.tolist()


def test_candidates_of_many_sizes_advance_as_if_each_were_alone():
    X, w = blobs()
    starts = [X[:5], X[10:12], X[20:21], X[30:37]]
    together = lloyd(starts, X, w)
    for i, start in enumerate(starts):
        alone = lloyd([start], X, w)
        np.testing.assert_array_equal(together.state.evaluated[together.state.clusters(i)], alone.state.evaluated)
        assert together.n_iters[i] == alone.n_iter


def test_the_indices_are_those_of_scikit_learn_and_of_the_distances():
    X, _ = blobs()
    X -= X.mean(axis=0)
    state = lloyd([X[:4], X[:3]], X).state
    for i in range(2):
        centers = state.evaluated[state.clusters(i)]
        d = np.sqrt(((X[:, None] - centers) ** 2).sum(axis=2))
        labels = d.argmin(axis=1)
        d.sort(axis=1)
        assert state.silhouette[i] == pytest.approx(np.mean((d[:, 1] - d[:, 0]) / d[:, 1]), rel=1e-10)
        assert state.calinski_harabasz[i] == pytest.approx(calinski_harabasz_score(X, labels), rel=1e-10)
        assert state.davies_bouldin[i] == pytest.approx(davies_bouldin_score(X, labels), rel=1e-8)
        own = state.clusters(i)
        for j in range(len(centers)):
            assert np.sqrt(state.radius[own][j]) == pytest.approx(d[labels == j, 0].max(), rel=1e-10)
            assert state.distance_sum[own][j] == pytest.approx(d[labels == j, 0].sum(), rel=1e-10)


def test_what_the_next_step_gains_at_least():
    X, w = blobs()
    _, first = step(KMeansState.start([X[:6]], X.mean(axis=0)), X, w)
    _, second = step(first, X, w)
    assert first.total_sse[0] - second.total_sse[0] >= first.gain[0] * (1 - 1e-12) > 0


def test_cosine_is_k_means_of_directions_whose_centres_are_directions():
    X, w = blobs()
    unit = X / np.linalg.norm(X, axis=1)[:, None]
    statistics, state = step(KMeansState.start([X[:4]], np.zeros(3), "cosine"), X, w)
    cosines = unit @ unit[:4].T
    labels = cosines.argmax(axis=1)
    assert statistics.sse.sum() == pytest.approx(2 * np.sum(w * (1 - cosines.max(axis=1))), rel=1e-10)
    for j in range(4):
        mean = (w[labels == j, None] * unit[labels == j]).sum(axis=0)
        np.testing.assert_allclose(state.centers[j], mean / np.linalg.norm(mean), rtol=1e-10)
    assert lloyd([X[:4]], X, w, np.zeros(3), "cosine").converged
    with pytest.raises(BadRow, match="a row is zero in all features"):
        step(KMeansState.start([X[:4]], np.zeros(3), "cosine"), np.vstack([X, np.zeros(3)]))


# -- degenerate data -------------------------------------------------------------------------------------------------------


def test_empty_clusters_take_the_farthest_rows_of_others():
    X = np.array([[0.0], [1.0], [10.0], [14.0], [100.0]])
    statistics, state = step(KMeansState.start([np.array([[0.0], [10.0], [500.0], [600.0]])], np.zeros(1)), X)
    assert statistics.w_sum.tolist() == [2, 3, 0, 0]
    # The farthest row of all, then that of the other cluster.
    np.testing.assert_allclose(state.centers.ravel(), [0.5, (10 + 14 + 100) / 3, 100, 1])
    assert state.n_moved.tolist() == [2] and state.n_empty.tolist() == [2]
    assert lloyd([np.array([[0.0], [10.0], [500.0], [600.0]])], X).state.n_empty.tolist() == [0]


def test_equals_go_to_the_first_centre_and_the_first_row():
    X = np.array([[1.0], [3.0], [-1.0], [3.0]])
    statistics, _ = step(KMeansState.start([np.array([[0.0], [2.0]]), np.array([[5.0], [5.0]])], np.zeros(1)), X)
    assert statistics.n_cluster.tolist() == [2, 2, 4, 0]  # 1 is as near to 0 as to 2
    assert statistics.places[1].tolist() == [0, 0, 1]  # both rows at 3 are as far from 2
    assert statistics.places[3].tolist() == list(NOWHERE) and statistics.radius[3] == -1


def test_rows_without_weight_count_for_nothing():
    X, w = blobs(600)
    w[::3] = 0
    X[::3] += 1e4
    with_them, without = lloyd([X[1:6:2]], X, w, np.zeros(3)), lloyd([X[1:6:2]], X[w > 0], w[w > 0], np.zeros(3))
    np.testing.assert_allclose(with_them.state.evaluated, without.state.evaluated, rtol=1e-11)
    np.testing.assert_allclose(with_them.state.radius, without.state.radius, rtol=1e-9)
    nothing, _ = step(KMeansState.start([X[:2]], np.zeros(3)), X, np.zeros(600))
    assert nothing.w_sum.tolist() == [0, 0] and (nothing.radius == -1).all()


def test_identical_rows_leave_the_other_clusters_empty():
    state = lloyd([np.zeros((3, 2)) + 1.0], np.ones((50, 2)), max_iter=5).state
    assert state.total_sse.tolist() == [0] and state.n_empty.tolist() == [2] and state.n_moved.tolist() == [0]
    assert np.isnan(state.silhouette).all()


def test_an_outlier_takes_a_cluster_and_leaves_the_digits_of_the_rest():
    X, _ = blobs(400, p=2, k=2)
    X[7] = 1e8
    fit = lloyd([X[[0, 1, 7]]], X, None, np.zeros(2))
    order = np.argsort(fit.state.evaluated[:, 0])
    rest = np.delete(X, 7, axis=0)
    centers = fit.state.evaluated[order[:2]]
    labels = ((rest[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1)
    for j in range(2):
        np.testing.assert_allclose(centers[j], rest[labels == j].mean(axis=0), rtol=1e-12)
    assert fit.state.evaluated[order[2]].tolist() == [1e8, 1e8]


def test_one_row_a_cluster_for_each_row_and_one_cluster():
    X, _ = blobs(5)
    everything = lloyd([X, X[:1]], X, None, np.zeros(3)).state
    assert everything.total_sse[0] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(everything.evaluated[5], X.mean(axis=0), rtol=1e-12)
    assert everything.total_sse[1] == pytest.approx(((X - X.mean(axis=0)) ** 2).sum())
    assert np.isnan(everything.silhouette[1]) and np.isnan(everything.calinski_harabasz).all()


@pytest.mark.parametrize("offsets", [[0, 3], [1, 4], [0, 2, 2, 4], [0, 5, 4], [0]])
def test_centres_that_belong_to_no_candidate_are_refused(offsets):
    with pytest.raises(BadRecord):
        KMeansQuery("euclidean", np.zeros((4, 2)), np.array(offsets), np.zeros(2))


# -- k-means|| -------------------------------------------------------------------------------------------------------------


def draw(X, centers, k=1, seed=0, w=None):
    query = KMeansParallelQuery("euclidean", k, seed, 0, centers, np.zeros(X.shape[1]))
    return gather(KMeansParallelStatistics, query, make_rows(X, None, w))


def test_rows_are_drawn_in_proportion_to_weight_and_square_distance():
    X, w = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([5.0, 4.0, 2.0, 1.0])
    drawn = np.array([draw(X, np.zeros((1, 1)), seed=seed, w=w).rows[0, 0] for seed in range(4000)])
    expected = w * X.ravel() ** 2 / np.sum(w * X.ravel() ** 2)
    share = np.array([(drawn == x).mean() for x in range(4)])
    np.testing.assert_allclose(share, expected, atol=4 * np.sqrt(0.25 / 4000))


def test_no_row_is_drawn_twice_nor_one_at_a_centre_or_without_weight():
    X, w = blobs(200)
    w[:50] = 0
    found = draw(X, X[60:63], 300, w=w)
    assert len(np.unique(found.places, axis=0)) == len(found.places) == 147
    assert not set(found.places[:, 2].tolist()) & {*range(50), 60, 61, 62}
    np.testing.assert_array_equal(found.rows, X[found.places[:, 2]])

"""The report of a mixture and of k-means: what the pages say, their pictures, and the truth where it is known."""

from __future__ import annotations

import base64
import json
import re
from html import unescape

import numpy as np
import pytest
from PIL import Image
from sklearn.mixture import GaussianMixture

from data_gen.gen_blobs import generate
from drivers import run_gmm, run_kmeans
from drivers.clustering.estimators import to_sklearn_mixture
from drivers.clustering.scorers import mixture_scorer
from drivers.packing.cache import pack
from drivers.packing.sources import find_sources
from drivers.reading import input_options
from drivers.report.formats import restore
from drivers.report.mixture_truth import find_true_mixture, match
from drivers.roles import contents_for
from jobs.kernels.gmm_state import Mixture
from tests.conftest import read_model, write_csv


def fit(name, *words, driver=run_gmm, run_dir="r"):
    """Runs a driver; gives its page as text, and its model."""
    assert driver.main([name, *map(str, words), "--quiet", "--run-dir", run_dir]) in (0, 3)
    with open(f"{run_dir}/report.html", encoding="utf-8") as file:
        return unescape(file.read()), read_model(run_dir)


def pictures(page):
    return re.findall(r'<img src="data:image/(\w+);base64,', page)


@pytest.fixture
def blobs(tmp_path):
    generate(tmp_path / "t.csv", rows_each=300, header=True, labels=True)
    return "t.csv"


def test_the_report_of_a_mixture_shows_rows_truth_way_and_likelihoods(blobs, tmp_path):
    page, model = fit(blobs, "--exclude", "component", "--n-components", "3", "--init", "random", "--restarts", "3")
    for name in ("truth.png", "components.png", "way.png", "likelihoods.png", "way.gif"):
        assert (tmp_path / "r" / name).stat().st_size > 1000
    assert sorted(pictures(page)) == ["gif", *["png"] * 4]
    assert "A mixture of 3 Gaussians of x1, x2" in page and "from rows drawn by chance" in page
    assert re.search(r"\d of 3 starts ended in a poorer optimum", page)
    assert "by the column 'component'" in page and "Correlations within the components" in page
    passes = model["candidates"][model["chosen"]]["n_passes"]
    assert f"of {passes} passes the extrapolated point was better" in page


def test_the_moving_picture_has_a_frame_for_each_pass_and_is_small(blobs, tmp_path):
    _, model = fit(blobs, "--exclude", "component", "--n-components", "3", "--init", "random", "--no-accelerate")
    path = tmp_path / "r" / "way.gif"
    with Image.open(path) as gif:
        assert gif.n_frames == min(len(model["way"]), 36) > 5 and gif.info["loop"] == 0
        durations = []
        for frame in range(gif.n_frames):
            gif.seek(frame)
            durations.append(gif.info["duration"])
    assert set(durations[:-1]) == {250} and durations[-1] > 1000
    assert path.stat().st_size < 1_000_000
    data = re.search(r"data:image/gif;base64,([\w+/=]+)", (tmp_path / "r" / "report.html").read_text())[1]
    assert base64.b64decode(data) == path.read_bytes()


def test_the_comparison_with_the_truth_is_what_it_says(blobs):
    page, model = fit(blobs, "--exclude", "component", "--n-components", "3")
    means = np.array(model["parameters"]["means"])
    true = np.array([[4.0, 0.0], [6.0, 6.0], [0.0, 4.0]])
    nearest = np.sqrt(((means[:, None] - true) ** 2).sum(axis=2)).min(axis=1)
    told = float(re.search(r"The largest distance of a mean from the true one is ([\d.]+)", page)[1])
    assert told == pytest.approx(nearest.max(), rel=5e-3)
    assert re.search(r"The rows were made from 3 components\.", page)
    weights = float(re.search(r"the weights are off by at most ([\d.e-]+)", page)[1])
    assert weights == pytest.approx(np.abs(np.array(model["parameters"]["weights"]) - 1 / 3).max(), rel=5e-3)
    agreement = float(re.search(r"([\d.]+) % of the sampled rows are in the partner of their true component", page)[1])
    assert agreement > 98


def test_the_truth_of_a_file_without_a_header_is_found_by_the_place_of_its_columns(tmp_path):
    generate(tmp_path / "t.csv", rows_each=100)
    page, _ = fit("t.csv", "--features", "c2", "--n-components", "3")
    assert "The rows were made from 3 components" in page and "by the true component of greatest part" in page
    page, _ = fit("t.csv", "--n-components", "2", run_dir="two")
    assert "The rows were made from 3 components, not 2." in page


@pytest.mark.parametrize(
    "change",
    [
        lambda truth: truth.pop("components"),
        lambda truth: truth.update(columns=["x1"]),
        lambda truth: truth["components"].update(means=[[1.0, 2.0]]),
        lambda truth: truth.update(features=["x1"]),
        lambda truth: truth["components"]["covariances"].__setitem__(0, [[1.0, 0.0], [0.0, -1.0]]),
    ],
)
def test_a_truth_of_something_else_is_none(blobs, tmp_path, change):
    options = run_gmm.make_parser().parse_args([blobs])
    made = pack(find_sources([blobs]), input_options(options), contents_for(options))
    mixture = {
        "covariance_type": "full",
        "weights": [1.0],
        "means": [[0.0, 0.0]],
        "covariances": [[[1.0, 0.0], [0.0, 1.0]]],
    }
    model = {"features": ["x1", "x2"], "weight": None, "design": {"features": ["x1", "x2"]}, "parameters": mixture}
    assert find_true_mixture(made, model).label == "component"
    path = tmp_path / "t.csv.truth.json"
    truth = json.loads(path.read_text())
    change(truth)
    path.write_text(json.dumps(truth))
    assert find_true_mixture(made, model) is None


def test_without_a_truth_or_with_weights_nothing_is_said_of_it(blobs, tmp_path):
    page, _ = fit(blobs, "--features", "x1,x2", "--weight", "component", "--n-components", "2")
    assert "were made from" not in page
    (tmp_path / "t.csv.truth.json").unlink()
    page, _ = fit(blobs, "--features", "x1,x2", "--n-components", "2", run_dir="none")
    assert "were made from" not in page and not (tmp_path / "none" / "truth.png").exists()


def test_components_are_matched_by_the_distance_of_their_means():
    identity = np.tile(np.eye(2), (3, 1, 1))
    true = Mixture("full", np.full(3, 1 / 3), np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]]), identity)
    fitted = Mixture("full", np.full(2, 0.5), np.array([[0.0, 9.0], [1.0, 0.0]]), identity[:2])
    assert match(true, fitted).tolist() == [1, -1, 0]
    assert match(true, true).tolist() == [0, 1, 2]


def test_the_numbers_of_components_are_compared(blobs):
    page, model = fit(blobs, "--exclude", "component", "--n-components", "1..4", "--restarts", "2")
    assert "AIC, BIC and ICL over the number of components" in page
    assert "of 1 to 4 components, 3 have the smallest BIC" in page.replace("Of", "of")
    by = sorted((entry["bic"], entry["n_components"]) for entry in model["candidates"] if entry["is_best"])
    assert f"Next come {by[1][1]} with " in page
    told = float(re.search(r"Next come \d with ([\d.,]+) more", page)[1].replace(",", ""))
    assert told == pytest.approx(by[1][0] - by[0][0], rel=5e-3)


def test_one_feature_one_component_many_features_and_texts(tmp_path):
    rng = np.random.default_rng(0)
    write_csv(tmp_path / "t.csv", rng.normal(size=(200, 15)), [f"x{j}" for j in range(15)])
    page, _ = fit("t.csv", "--features", "x3", "--n-components", "2", "--max-iter", "3", run_dir="line")
    assert "rows of the sample as a histogram, and the densities of the components." in page
    page, _ = fit("t.csv", "--features", "x3,x1", "--n-components", "1", run_dir="one")
    assert "1 Gaussian of x3, x1" in page and "How distinct" not in page and "gif" not in pictures(page)
    page, _ = fit("t.csv", "--n-components", "2", "--covariance-type", "tied", "--max-iter", "3", run_dir="many")
    assert "in x0 and x1 of 15 features" in page and "There are 9 more features" in page
    lines = [f"{text},{value:.4f}" for text, value in zip(["<b>", "u"] * 100, rng.normal(size=200))]
    (tmp_path / "text.csv").write_text("\n".join(["shop,price", *lines]) + "\n")
    page, _ = fit("text.csv", "--features", "shop,price", "--n-components", "2", run_dir="text")
    assert "in price of 2 features" in page and "<b>" not in (tmp_path / "text" / "report.html").read_text()


def test_a_collapsed_component_and_a_row_far_off_are_told(tmp_path):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(300, 2)), np.full((50, 2), 9.0), [[1e6, 1e6]]])
    write_csv(tmp_path / "t.csv", X, ["a", "b"])
    page, model = fit("t.csv", "--n-components", "3")
    collapsed = [j for j, c in enumerate(model["components"]) if c["least_spread"] ** 2 <= 2e-6 or c["rows"] < 3]
    assert collapsed and re.search("Collapsed.</strong> Component", page) and "Farther out lies one row more" in page


def test_the_report_of_k_means_says_how_many_and_how_distinct(blobs, tmp_path):
    page, model = fit(
        blobs, "--exclude", "component", "--n-clusters", "2..4", "--init", "random", "--restarts", "3", driver=run_kmeans
    )
    assert "of 2 to 4 clusters, 3 have the best silhouette index" in page.replace("Of", "of")
    assert pictures(page) == ["png"] * 3 and (tmp_path / "r" / "elbow.png").exists()
    silhouette = model["candidates"][model["chosen"]]["silhouette"]
    assert f"the simplified silhouette is {silhouette:.3f}" in page.replace("The simplified", "the simplified")


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_responsibilities_and_the_mixture_of_scikit_learn_agree(tmp_path, covariance_type):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(600, 3)) * [1, 50, 0.01] + np.array([0, 1000, 1])
    X[:250] += [4, 100, 0.1]
    write_csv(tmp_path / "t.csv", X, ["a", "b", "c"])
    words = ["--n-components", "2", "--covariance-type", covariance_type, "--no-report", "--quiet", "--run-dir", "r"]
    assert run_gmm.main(["t.csv", *words]) == 0
    model = restore(read_model("r"))
    estimator = to_sklearn_mixture(model)
    r, log_density = mixture_scorer(model).parts(X)
    np.testing.assert_allclose(estimator.predict_proba(X), r, atol=1e-10)
    np.testing.assert_allclose(estimator.score_samples(X), log_density, rtol=1e-10, atol=1e-10)
    assert estimator.score(X) == pytest.approx(estimator.lower_bound_, rel=1e-10)
    assert (estimator.converged_, estimator.n_iter_) == (True, model["training"]["n_iter"])
    fitted = GaussianMixture(2, covariance_type=covariance_type).fit(X)
    for name in ("weights_", "means_", "covariances_", "precisions_cholesky_", "precisions_"):
        assert getattr(estimator, name).shape == getattr(fitted, name).shape, name
    assert estimator.bic(X) == pytest.approx(model["candidates"][0]["bic"], rel=1e-10)
    assert estimator.sample(5)[0].shape == (5, 3)


def test_a_row_with_a_missing_cell_or_beyond_all_components():
    model = {
        "parameters": {
            "covariance_type": "full", "weights": [0.25, 0.75], "means": [[0.0], [10.0]], "covariances": [[[1.0]], [[1.0]]]
        }
    }  # fmt: skip
    r, log_density = mixture_scorer(model).parts(np.array([[0.0], [np.nan], [1e6], [5.0]]))
    assert np.isnan(r[1]).all() and np.isnan(log_density[1])
    # Half way between the two the weights decide.
    np.testing.assert_allclose(r[[0, 2, 3]], [[1, 0], [0, 1], [0.25, 0.75]], atol=1e-12)
    assert log_density[2] == pytest.approx(np.log(0.75) - np.log(2 * np.pi) / 2 - (1e6 - 10) ** 2 / 2)
    assert mixture_scorer(model).parts(np.zeros((0, 1)))[0].shape == (0, 2)

"""The report of a weighted-least-squares run: whole by itself, true to model.json, and made without a pass."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from drivers import run_wols, wording
from drivers.packing.cache import pack
from drivers.packing.sources import find_sources
from drivers.reading import input_options
from drivers.report import formats, write_report
from drivers.report.comparison import compare, line_errors
from drivers.report.figures import Picture, label
from drivers.report.page import Column, Page
from drivers.report.sample_fit import Sample, fit_sample
from drivers.report.truth import find_truth
from drivers.roles import contents_for
from drivers.run_directory import RunDirectory

NOT_CONVERGED = 3


def write_csv(path, columns, rows):
    np.savetxt(path, rows, delimiter=",", header=",".join(columns), comments="", fmt="%.17g")
    return str(path)


def line_data(n, weights=None, seed=0):
    """y = 2 x + 1 + noise: rows of (y, x, w)."""
    generator = np.random.default_rng(seed)
    x = generator.uniform(-1, 1, n)
    w = generator.uniform(0.5, 1.5, n) if weights is None else weights(x)
    return np.column_stack([2 * x + 1 + generator.normal(0, 0.3, n), x, w])


def several_data(n, seed=0):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, 3)) * [1, 1000, 0.01]
    return np.column_stack([X @ [1, 0.002, -30] + 4 + generator.normal(0, 0.5, n), X])


def give_truth(path, features, coefficients, intercept):
    truth = {"features": features, "coefficients": coefficients, "intercept": intercept, "noise": 0.3, "target": "y"}
    with open(f"{path}.truth.json", "w") as f:
        json.dump(truth, f)


class Reported:
    """A finished run, its page and what stands in it."""

    def __init__(self, tmp_path, *arguments, status=0):
        self.folder = str(tmp_path / "run")
        self.arguments = [*arguments, "--no-conf", "--quiet", "--cache-dir", str(tmp_path / "cache")]
        assert run_wols.main([*self.arguments, "--run-dir", self.folder]) == status
        self.model = json.loads(self.read("model.json"))
        self.page = self.read("report.html")
        self.reader = PageReader()
        self.reader.feed(self.page)
        self.reader.close()

    def read(self, name):
        with open(os.path.join(self.folder, name), encoding="utf-8") as f:
            return f.read()

    @property
    def text(self):
        return " ".join("".join(self.reader.texts).split())

    @property
    def pictures(self):
        return sorted(name for name in os.listdir(self.folder) if name.endswith(".png"))

    def remake(self, remove_blocks=False):
        """Writes the report again, from the directory and the pack alone."""
        options = run_wols.make_parser().parse_args(self.arguments)
        sources = find_sources(options.inputs)
        made = pack(sources, input_options(options), contents_for(options), cache_dir=options.cache_dir)
        assert made.was_cached
        if remove_blocks:
            os.remove(made.blocks)
        # The run that made the directory may still hold its lock.
        copy = f"{self.folder}-copy"
        shutil.copytree(self.folder, copy)
        os.remove(os.path.join(copy, "report.html"))
        directory = RunDirectory.open(copy)
        try:
            path = write_report(directory, made)
            with open(path, encoding="utf-8") as f:
                page = f.read()
            return page.replace(copy, self.folder), directory.passes()
        finally:
            directory.close()


class PageReader(HTMLParser):
    """Gathers the texts, the exact values and the attributes, and checks that elements nest."""

    EMPTY = {"meta", "img"}

    def __init__(self):
        super().__init__()
        self.texts, self.values, self.open, self.attributes, self.names = [], [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.names.append(tag)
        self.attributes += [(tag, *attribute) for attribute in attributes]
        if tag == "data":
            self.values.append(dict(attributes)["value"])
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if "style" not in self.open:
            self.texts.append(text)

    def close(self):
        super().close()
        assert self.open == []


@pytest.fixture(scope="module")
def exact(tmp_path_factory):
    """20,000 weighted rows with a truth, of which 10,000 are in the sample."""
    folder = tmp_path_factory.mktemp("exact")
    path = write_csv(folder / "line.csv", ["y", "x", "w"], line_data(20_000))
    give_truth(path, ["x"], [2.0], 1.0)
    return Reported(folder, path, "--target", "y", "--weight", "w", "--diagnostics")


@pytest.fixture(scope="module")
def descent(tmp_path_factory):
    folder = tmp_path_factory.mktemp("descent")
    path = write_csv(folder / "line.csv", ["y", "x", "w"], line_data(300))
    options = ("--target", "y", "--weight", "w", "--solver", "gd", "--start", "0,0", "--tol", "1e-6")
    return Reported(folder, path, *options, "--learning-rate", "0.5,1,9")


# -- the page ------------------------------------------------------------------------------------------------------------


def test_the_page_needs_nothing_but_itself(exact):
    for tag, name, value in exact.reader.attributes:
        if name in ("src", "href", "srcset", "action"):
            assert tag == "img" and value.startswith("data:image/png;base64,")
    assert not {"script", "link", "iframe", "object"} & set(exact.reader.names)
    assert "http:" not in exact.page and "https:" not in exact.page
    assert "url(" not in exact.page and "@import" not in exact.page


def test_every_picture_is_a_file_too_and_says_what_it_shows(exact):
    alts = [value for tag, name, value in exact.reader.attributes if (tag, name) == ("img", "alt")]
    assert len(alts) == len(exact.pictures) == 4
    assert all(len(alt) > 40 for alt in alts)
    for name in exact.pictures:
        with open(os.path.join(exact.folder, name), "rb") as f:
            assert f.read(8) == b"\x89PNG\r\n\x1a\n"
    assert not [name for name in os.listdir(exact.folder) if name.endswith(".partial")]


def test_text_of_the_user_is_escaped(tmp_path):
    path = write_csv(tmp_path / "a&b.csv", ["$y_{^", "<b>x", "w&<script>"], line_data(60))
    run = Reported(tmp_path, path, "--target", "$y_{^", "--weight", "w&<script>")
    assert "<b>" not in run.page and "<script>" not in run.page
    assert html.escape("<b>x") in run.page and "a&amp;b.csv" in run.page
    assert "$y_{^ on <b>x" in run.text
    assert run.pictures == ["differences.png", "lines.png"]


def test_no_text_leaves_its_element():
    page = Page('a "title" </title>')
    text = '"><script>\udce9'
    page.paragraph(text)
    page.box(text, [text])
    page.command(text)
    page.picture(Picture("a.png", b"", 1, 1, text, text))
    page.table(text, [Column(text, [text], [text])], folded=text)
    page.pairs(text, [(text, text, text)])
    assert "<script>" not in page.render()
    page.render().encode("utf-8")
    PageReader().feed(page.render())


def test_a_name_in_a_picture_is_short_on_one_line_and_no_formula():
    assert label("two\nlines\tand a tab") == "two lines and a tab"
    assert label("$a_b$") == r"\$a_b\$"
    assert len(label("x" * 100)) == 24
    assert label("mean temperature of the cabin") != label("mean temperature of the crew")


def test_the_numbers_are_those_of_the_model(exact):
    model, values = exact.model, {float(value) for value in exact.reader.values}
    inference = model["inference"]
    assert len(inference["coefficients"]) == 6
    for table in inference["coefficients"]:
        for name in ("estimates", "standard_errors", "statistics", "p_values"):
            assert set(table[name]) <= values
        assert set(sum(table["intervals"], [])) <= values
    for name in ("r_squared", "rmse", "f_statistic", "aic", "effective_sample_size", "largest_weight_share"):
        assert inference[name] in values
    assert model["training"]["weight_sum"] in values


def test_it_says_what_was_done_and_how_to_do_it_again(exact):
    assert "20,000 rows in = 20,000 used + 0 rejected + 0 with a missing cell" in exact.text
    assert "weighted by w" in exact.text and "2 passes" in exact.text and "inline" in exact.text
    commands = [re.sub("<.*?>", "", code) for code in re.findall(r"<pre><code>(.*?)</code></pre>", exact.page)]
    assert "--target y --weight w --diagnostics" in commands[0]
    # The folder of this run is taken; the same command is to work once more.
    assert "--run-dir" not in commands[0]
    assert commands[1].endswith(f"--resume {exact.folder}")


def test_the_report_takes_no_pass(exact):
    page, passes = exact.remake()
    assert page == exact.page
    assert [json.dumps(entry) for entry in passes] == exact.read("passes.jsonl").splitlines()


def test_the_report_does_not_open_the_blocks(tmp_path):
    path = write_csv(tmp_path / "line.csv", ["y", "x", "w"], line_data(50))
    run = Reported(tmp_path, path, "--target", "y", "--weight", "w")
    page, _ = run.remake(remove_blocks=True)
    assert page == run.page


def test_warnings_come_first(tmp_path):
    rows = line_data(50)
    rows[:3, 2] = 0
    path = write_csv(tmp_path / "line.csv", ["y", "x", "w"], rows)
    run = Reported(tmp_path, path, "--target", "y", "--weight", "w")
    (warning,) = run.model["warnings"]
    assert warning[1:] in run.text
    assert run.page.index("<aside>") < run.page.index("Findings")


# -- findings ------------------------------------------------------------------------------------------------------------


def test_a_fair_sample_agrees_and_so_does_the_truth(exact):
    assert re.search(
        r"fit of the sample \(10,000 rows, 50 % of all\) and the fit of all rows agree within chance", exact.text
    )
    assert "The fit of all rows and the truth agree within chance" in exact.text
    assert "scikit-learn, 50 % sample" in html.unescape(exact.page)


def test_a_wrong_truth_is_told_from_the_fit(tmp_path):
    path = write_csv(tmp_path / "line.csv", ["y", "x", "w"], line_data(3000))
    give_truth(path, ["x"], [2.5], 1.0)
    run = Reported(tmp_path, path, "--target", "y", "--weight", "w")
    assert "The fit of all rows and the truth differ by more than chance" in run.text
    assert "the coefficient of x" in run.text


def test_a_sample_worth_few_rows_is_too_small_to_compare(tmp_path):
    def weights(x):
        w = np.ones(len(x))
        w[::2000] = 1e6
        return w

    path = write_csv(tmp_path / "line.csv", ["y", "x", "w"], line_data(20_000, weights))
    give_truth(path, ["x"], [2.0], 1.0)
    run = Reported(tmp_path, path, "--target", "y", "--weight", "w")
    assert "too small to compare its fit with the fit of all rows" in run.text
    assert "too small to compare the fit with the truth" in run.text
    assert "within chance" not in run.text and "than chance" not in run.text


def test_without_truth_nothing_is_said_of_it(tmp_path):
    path = write_csv(tmp_path / "line.csv", ["y", "x", "w"], line_data(200))
    run = Reported(tmp_path, path, "--target", "y", "--weight", "w")
    assert "truth" not in run.text[: run.text.index("Run it again")]
    assert "scikit-learn fitted the same data: the two fits agree up to rounding" in run.text


def test_three_rows(tmp_path):
    path = write_csv(tmp_path / "three.csv", ["y", "x"], [[1, 1], [2, 3], [2.7, 4]])
    run = Reported(tmp_path, path, "--target", "y")
    assert "worth 3 rows of equal weight: too small a number" in run.text


def test_a_singular_matrix(tmp_path):
    rows = line_data(12_000)
    rows[:, 2] = np.round(rows[:, 2] * 8)
    rows = np.column_stack([rows, 2 * rows[:, 2], rows[:, 1] - rows[:, 2]])
    path = write_csv(tmp_path / "singular.csv", ["y", "x", "a", "twice", "difference"], rows)
    run = Reported(tmp_path, path, "--target", "y")
    assert run.model["inference"]["dependent_features"] == ["twice", "difference"]
    assert "does not determine every coefficient, so coefficients are not compared" in run.text
    assert "coefficients.png" in run.pictures and "coefficient_differences.png" not in run.pictures


def test_a_fit_without_noise(tmp_path):
    x = np.arange(11_000) / 7
    path = write_csv(tmp_path / "line.csv", ["y", "x"], np.column_stack([3 * x - 2, x]))
    run = Reported(tmp_path, path, "--target", "y")
    assert "agree up to rounding" in run.text
    assert run.pictures == ["lines.png"]


# -- gradient descent ----------------------------------------------------------------------------------------------------


def test_gradient_descent_shows_its_candidates(descent):
    training, values = descent.model["training"], {float(value) for value in descent.reader.values}
    assert descent.pictures == ["differences.png", "lines.png", "loss.png", "path.png"]
    assert [candidate["status"] for candidate in training["candidates"]][-1] == "diverged"
    assert {candidate["loss"] for candidate in training["candidates"]} <= values
    assert {training["loss"], training["remaining_distance"]} <= values
    assert descent.page.count('class="chosen"') == 1 and "converged, chosen" in descent.text
    assert "1 diverged" in descent.text
    assert "at most 1e-06 of its first one" in descent.text


def test_more_passes_than_a_reader_wants_are_summed_up(descent):
    n_passes = descent.model["training"]["n_passes"]
    assert n_passes > 12
    assert f"{n_passes} passes" in descent.text and "median, s" in descent.text
    assert descent.page.count("MRWOLSGradient") == 1


def test_gradient_descent_that_stops_early_or_not_at_all(tmp_path):
    path = write_csv(tmp_path / "line.csv", ["y", "x", "w"], line_data(300))
    options = (path, "--target", "y", "--weight", "w", "--solver", "gd", "--start", "0,0", "--learning-rate", "0.05")
    for name in ("early", "limit", "once"):
        (tmp_path / name).mkdir()
    early = Reported(tmp_path / "early", *options, "--stop", "step", "--tol", "1e-5")
    assert "stopped early: its steps had become small" in early.text
    assert "which gradient descent still had to go" in early.text
    limit = Reported(tmp_path / "limit", *options, "--max-iter", "4", status=NOT_CONVERGED)
    assert "did not converge within the passes allowed" in limit.text
    once = Reported(tmp_path / "once", *options, "--max-iter", "1", status=NOT_CONVERGED)
    assert "A single step does not tell" in once.text


# -- several features ----------------------------------------------------------------------------------------------------


def test_several_features(tmp_path):
    path = write_csv(tmp_path / "several.csv", ["y", "a", "b", "c"], several_data(600))
    give_truth(path, ["c", "a", "b"], [-30, 1, 0.002], 4)
    run = Reported(tmp_path, path, "--target", "y")
    assert run.pictures == [
        "coefficient_differences.png", "coefficients.png", "correlations.png", "predictions.png", "residuals.png",
    ]  # fmt: skip
    assert "each times the standard deviation of its feature" in run.text
    assert "agree within chance" in run.text


def test_many_features_stay_readable(tmp_path):
    generator = np.random.default_rng(1)
    X = generator.normal(size=(400, 60))
    names = [f"feature_{j}" for j in range(60)]
    path = write_csv(tmp_path / "many.csv", ["y", *names], np.column_stack([X.sum(axis=1) + generator.normal(size=400), X]))
    run = Reported(tmp_path, path, "--target", "y")
    assert "y on 60 features" in run.text
    assert "the 40 of 60 features that matter most" in run.text
    assert '<div class="scroll long"' in run.page and "<details>" in run.page
    assert all(name in run.text for name in names)


# -- the parts -----------------------------------------------------------------------------------------------------------


def test_the_covariance_of_the_sample_is_the_sandwich():
    generator = np.random.default_rng(3)
    X = generator.normal(size=(200, 2)) * [1, 50] + [0, 1000]
    w, y = generator.uniform(0.1, 3, 200), X @ [1, 0.1] + generator.normal(size=200)
    fit = fit_sample(Sample(X, y, w, 200, 200))
    sm = pytest.importorskip("statsmodels.api")
    result = sm.WLS(y, sm.add_constant(X), weights=w).fit(cov_type="HC3")
    np.testing.assert_allclose(fit.coefficients, result.params, rtol=1e-9)
    np.testing.assert_allclose(fit.covariance, result.cov_params(), rtol=1e-7)
    band = result.get_prediction(sm.add_constant(X[:5])).se_mean
    np.testing.assert_allclose(line_errors(fit.covariance, X[:5]), band, rtol=1e-6)


def test_a_sample_whose_matrix_is_singular_has_no_covariance():
    X = np.column_stack([np.arange(20.0), 2 * np.arange(20.0)])
    fit = fit_sample(Sample(X, X[:, 0], np.ones(20), 20, 20))
    assert np.isnan(fit.covariance).all() and np.isfinite(fit.coefficients).all()


def test_z_shrinks_with_the_share_that_is_sampled(exact):
    options = run_wols.make_parser().parse_args(exact.arguments)
    sources = find_sources(options.inputs)
    made = pack(sources, input_options(options), contents_for(options), cache_dir=options.cache_dir)
    comparison = compare(formats.restore(exact.model), made)
    fit = comparison.sample_fit
    expected = (fit.coefficients - comparison.ours) / np.sqrt(np.diag(fit.covariance)) * np.sqrt(2)
    np.testing.assert_allclose(comparison.sample_z(), expected)
    assert comparison.table["covariance_type"] == exact.model["inference"]["covariance_type"]


@pytest.mark.parametrize(
    "change",
    [{"target": "z"}, {"features": ["x", "hidden"], "coefficients": [1, 2]}, {"intercept": "many"}, {"features": None}],
)
def test_a_truth_of_something_else_is_none(tmp_path, change):
    path = tmp_path / "a.csv"
    truth = {"features": ["x"], "coefficients": [2.0], "intercept": 1.0, "target": "y"}
    (tmp_path / "a.csv.truth.json").write_text(json.dumps(truth))
    assert find_truth([{"path": str(path)}], ["w", "x"], "y").coefficients.tolist() == [1.0, 0.0, 2.0]
    (tmp_path / "a.csv.truth.json").write_text(json.dumps({**truth, **change}))
    assert find_truth([{"path": str(path)}], ["w", "x"], "y") is None


def test_files_with_different_truths_have_none(tmp_path):
    for name, slope in (("a", 1.0), ("b", 2.0)):
        give_truth(tmp_path / name, ["x"], [slope], 0.0)
    a, b = ({"path": str(tmp_path / name)} for name in "ab")
    assert find_truth([a], ["x"], "y") is not None
    assert find_truth([a, b], ["x"], "y") is None
    assert find_truth([a, {"path": str(tmp_path / "none")}], ["x"], "y") is None


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([-3.98843028, 0.99957818], ["-3.98843", "0.99958"]),
        ([0.0, 12.5], ["0.0000", "12.5000"]),
        ([1e-17, 2.0], ["1.00000e-17", "2"]),
        ([float("nan"), 1.0], ["\N{EN DASH}", "1.00000"]),
        ([float("inf"), float("-inf")], ["\N{INFINITY}", "-\N{INFINITY}"]),
        ([3, 40_000], ["3", "40,000"]),
    ],
)
def test_columns_line_up(values, texts):
    assert formats.column(values) == texts


def test_numbers_for_people():
    assert formats.number(1_522_210.38) == "1,522,210" and formats.number(True) == "True"
    assert formats.p_value(1e-9) == "<0.001" and formats.p_value(0.04) == "0.040"
    assert formats.share(0.705) == "70.5 %" and formats.share(0.999996) == "99.9996 %"
    assert formats.duration(0.15) == "0.15 s" and formats.duration(3600) == "60.0 min"
    assert wording.size(48e6) == "48 MB" and wording.size(12) == "12 bytes"
    assert wording.count(1, "pass", "passes") == "1 pass"


def test_a_column_named_nan_keeps_its_name():
    model = {
        "features": ["NaN"],
        "inference": {"dependent_features": ["NaN"], "f": "NaN"},
        "parameters": {"a": ["Infinity"]},
    }
    restored = formats.restore(model)
    assert restored["features"] == ["NaN"] and restored["inference"]["dependent_features"] == ["NaN"]
    assert np.isnan(restored["inference"]["f"]) and restored["parameters"]["a"] == [np.inf]

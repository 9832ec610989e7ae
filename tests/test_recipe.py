"""The recipe against scikit-learn's transformers: learned by passes over a packed table, applied to all its rows."""

from __future__ import annotations

import dataclasses
import json
import math
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import median_abs_deviation
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from drivers import prepare, run_logistic, run_wols
from drivers.designs import reading
from drivers.packing.cache import pack
from drivers.packing.contents import PackContents
from drivers.packing.formats.options import InputOptions
from drivers.packing.sources import find_sources
from drivers.preparing.learning import passes_to_learn
from jobs import keys
from jobs.block_job import ScanQuery
from jobs.blocks import Block
from jobs.design import MISSING_CODE, Design
from jobs.errors import BadRecord, ScanError
from jobs.kernels.folds import Folds
from jobs.recipe import Recipe
from jobs.recipe.dates import PARTS, part_of
from jobs.recipe.step import Step

N = 3000
RNG = np.random.default_rng(5)
CITIES = ["Bonn", "Oslo", "Paris", "Rome", "Ulm", "Vigo"]


def make_table() -> dict[str, list]:
    """Columns as cells: numbers with blanks, far from zero, skewed; texts of any frequency; dates; classes."""
    city = RNG.choice(CITIES, N, p=[0.4, 0.3, 0.2, 0.07, 0.02, 0.01])
    age = np.round(RNG.normal(40, 12, N), 1)
    income = np.round(np.exp(RNG.normal(10, 1, N)), 2)
    far = 1e9 + RNG.normal(size=N)
    days = [datetime(2023, 5, 1) + timedelta(days=int(d), hours=int(h)) for d, h in RNG.integers(0, [600, 24], (N, 2))]
    y = 0.1 * age + np.log(income) + np.array([CITIES.index(c) for c in city]) + RNG.normal(size=N)
    return {
        "age": [v if keep else None for v, keep in zip(age.tolist(), RNG.random(N) > 0.1)],
        "income": income.tolist(),
        "far": far.tolist(),
        "rank": RNG.integers(0, 7, N).tolist(),
        "city": [v if keep else None for v, keep in zip(city.tolist(), RNG.random(N) > 0.05)],
        "when": [str(d) for d in days],
        "day": [d.strftime("%d/%m/%Y") if even else d.strftime("%Y-%m-%d") for d, even in zip(days, RNG.random(N) < 0.5)],
        "kind": [["low", "middle", "high"][k] for k in np.digitize(y, np.quantile(y, [0.5, 0.8]))],
        "sold": (y > np.median(y)).astype(int).tolist(),
        "y": y.tolist(),
    }


TABLE = make_table()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "t.csv"
    lines = [",".join(TABLE)]
    lines += [",".join("" if cell is None else str(cell) for cell in row) for row in zip(*TABLE.values())]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def column(name: str) -> np.ndarray:
    return np.array([math.nan if cell is None else cell for cell in TABLE[name]], dtype=float)


def texts(name: str) -> np.ndarray:
    return np.array(TABLE[name], dtype=object)


def learn(path, tmp_path, **options) -> Recipe:
    """The recipe that prepare.py makes of the table: the steps that are asked for, and no others."""
    quiet = {"impute": "none", "encode": "none", "dates": "none", "transform": "none", "report": False}
    found = prepare.recipe_of(path, run_dir=str(tmp_path / "run"), cache_dir=str(tmp_path / "c"), **{**quiet, **options})
    return Recipe.from_json(json.loads(json.dumps(found)))


def applied(path, recipe: Recipe, tmp_path, text=(), training=False) -> dict[str, np.ndarray]:
    """The features of all rows, by name."""
    options = InputOptions(text=tuple(text))
    packed = pack(find_sources([path]), options, PackContents(), str(tmp_path / "c"), 1 << 30, lambda n: None)
    recipe = recipe if training else recipe.for_scoring()
    design = reading(Design(recipe.features, recipe=recipe, missing="keep"), packed.texts)
    blocks = [design.follow_recipe(block).columns for block in packed.read(design.columns())]
    return {name: np.concatenate([block[name] for block in blocks]) for name in recipe.features}


def close(a, b, rtol=1e-12):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.nanmax(np.abs(b)))


# -- numbers ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word, scaler",
    [("standard", StandardScaler()), ("min-max", MinMaxScaler()), ("max-abs", MaxAbsScaler()), ("robust", RobustScaler())],
)
def test_scales_are_those_of_scikit_learn(path, tmp_path, word, scaler):
    names = ["age", "income", "rank", "far"]
    recipe = learn(path, tmp_path, features=names, scale=word)
    found = applied(path, recipe, tmp_path)
    X = np.column_stack([column(name) for name in names])
    expected = scaler.fit_transform(X)
    for j, name in enumerate(names):
        # About 1e9 a double has seven digits behind the point: the rest of its scale is rounding, of theirs too.
        close(found[name], expected[:, j], 1e-6 if name == "far" else 1e-12)
    assert passes_to_learn(recipe) == 1


@pytest.mark.parametrize("word", ["mean", "median", "most-frequent", "constant:-7.5"])
def test_imputing_is_that_of_scikit_learn(path, tmp_path, word):
    recipe = learn(path, tmp_path, features=["age", "rank"], impute=word, indicators=True)
    found = applied(path, recipe, tmp_path)
    strategy, _, constant = word.partition(":")
    imputer = SimpleImputer(
        strategy=strategy.replace("-", "_"), fill_value=float(constant) if constant else None, add_indicator=True
    )
    expected = imputer.fit_transform(np.column_stack([column("age"), column("rank")]))
    close(found["age"], expected[:, 0])
    np.testing.assert_array_equal(found["rank"], expected[:, 1])
    if constant:
        assert list(found) == ["age", "rank"]  # which a constant of its own tells without an indicator
    else:
        assert list(found) == ["age", "rank", "age missing"]  # the rank is nowhere missing
        np.testing.assert_array_equal(found["age missing"], expected[:, 2])


def test_imputed_and_then_scaled_is_a_pipeline_of_both(path, tmp_path):
    recipe = learn(path, tmp_path, features=["age"], impute="median", scale="standard")
    filled = SimpleImputer(strategy="median").fit_transform(column("age")[:, None])
    close(applied(path, recipe, tmp_path)["age"], StandardScaler().fit_transform(filled)[:, 0])
    assert passes_to_learn(recipe) == 2


def test_transforms_and_products(path, tmp_path):
    recipe = learn(
        path, tmp_path, features=["age", "income", "rank"], transform="income=log1p,rank=asinh", polynomial="age=3",
        interactions="age*income,income*rank",
    )  # fmt: skip
    found = applied(path, recipe, tmp_path)
    age, income, rank = column("age"), np.log1p(column("income")), np.arcsinh(column("rank"))
    powers = PolynomialFeatures(3, include_bias=False)
    expected = powers.fit_transform(np.nan_to_num(age)[:, None])
    present = ~np.isnan(age)
    for name, k in (("age^2", 1), ("age^3", 2)):
        close(found[name][present], expected[present, k])
        assert np.isnan(found[name][~present]).all()
    close(found["age*income"][present], (age * income)[present])
    close(found["income*rank"], income * rank)
    assert list(found) == ["age", "income", "rank", "age^2", "age^3", "age*income", "income*rank"]
    assert passes_to_learn(recipe) == 0


@pytest.mark.parametrize("word", ["log", "sqrt", "log1p", "asinh"])
def test_a_transform_of_what_it_is_not_defined_for_is_missing(word):
    step = Step.from_json({"step": "transform", "columns": ["x"], "function": word})
    values = np.array([-4.0, -1.0, 0.0, 2.5, np.nan])
    recipe = Recipe(columns=["x"], steps=[step], features=["x"])
    found = recipe.apply({"x": values}, 5, lambda: np.zeros(5)).columns["x"]
    function = {"log": math.log, "sqrt": math.sqrt, "log1p": math.log1p, "asinh": math.asinh}[word]
    for value, cell in zip(values.tolist(), found.tolist()):
        try:
            expected = function(value)
        except ValueError:
            expected = math.nan
        assert cell == pytest.approx(expected, rel=1e-15, nan_ok=True)


@pytest.mark.parametrize("strategy", ["quantile", "uniform"])
def test_bins_are_those_of_scikit_learn(path, tmp_path, strategy):
    recipe = learn(
        path, tmp_path, features=["income", "rank"], bins=f"income=6:{strategy},rank=4:{strategy}", encode="ordinal"
    )
    found = applied(path, recipe, tmp_path)
    extra = {"quantile_method": "linear"} if strategy == "quantile" else {}
    bins = KBinsDiscretizer([6, 4], encode="ordinal", strategy=strategy, subsample=None, **extra)
    expected = bins.fit_transform(np.column_stack([column("income"), column("rank")]))
    np.testing.assert_array_equal(found["income"], expected[:, 0])
    np.testing.assert_array_equal(found["rank"], expected[:, 1])


@pytest.mark.parametrize("word", ["z", "z:2", "mad", "mad:5", "iqr", "iqr:3"])
def test_outliers_are_beyond_the_bounds_of_their_definition(path, tmp_path, word):
    income = column("income")
    method, _, given_reach = word.partition(":")
    reach = float(given_reach) if given_reach else {"z": 3.0, "mad": 3.5, "iqr": 1.5}[method]
    first, middle, third = np.quantile(income, [0.25, 0.5, 0.75])
    away = reach * {
        "z": income.std(), "mad": median_abs_deviation(income, scale="normal"), "iqr": third - first,
    }[method]  # fmt: skip
    low, high = {"z": income.mean(), "mad": middle, "iqr": first}[method] - away, None
    high = {"z": income.mean(), "mad": middle, "iqr": third}[method] + away
    flagged = applied(path, learn(path, tmp_path / "f", features=["income"], outliers=f"{word}:flag"), tmp_path)
    np.testing.assert_array_equal(flagged["income outlier"], (income < low) | (income > high))
    np.testing.assert_array_equal(flagged["income"], income)
    clipped = applied(path, learn(path, tmp_path / "c", features=["income"], outliers=f"{word}:clip"), tmp_path)
    close(clipped["income"], np.clip(income, low, high))


def test_rows_that_are_left_out_teach_nothing_to_later_steps(path, tmp_path):
    income, age = column("income"), column("age")
    first, third = np.quantile(income, [0.25, 0.75])
    kept = (income <= third + 1.5 * (third - first)) & (income >= first - 1.5 * (third - first))
    recipe = learn(path, tmp_path, features=["income", "age"], outliers="income=iqr:drop", impute="mean", scale="standard")
    (impute,) = [step for step in recipe.steps if step.word == "impute"]
    (scale,) = [step for step in recipe.steps if step.word == "scale"]
    assert impute.values["age"] == pytest.approx(np.nanmean(age[kept]), rel=1e-12)
    assert scale.centers["income"] == pytest.approx(income[kept].mean(), rel=1e-12)
    assert passes_to_learn(recipe) == 3


def test_rows_of_outliers_are_left_out_of_training_and_counted_and_scored(path, tmp_path, capsys):
    from drivers.score import main as score

    income = column("income")
    first, third = np.quantile(income, [0.25, 0.75])
    kept = income <= third + 1.5 * (third - first)
    model, run = run_wols.fit(
        path, target="y", features=["income"], outliers="iqr:drop", run_dir=str(tmp_path / "run"), report=False,
        cache_dir=str(tmp_path / "c"),
    )  # fmt: skip
    assert run is not None and run.n_passes == 2
    training = model["training"]
    assert (training["rows_in"], training["rows_used"], training["rows_rejected"]) == (N, kept.sum(), N - kept.sum())
    expected = np.polyfit(income[kept], column("y")[kept], 1)
    close([model["parameters"]["coefficients"][0], model["parameters"]["intercept"]], expected, 1e-9)
    assert any("recipe" in warning and f"{N - kept.sum():,}" in warning for warning in run.all_warnings())
    assert score([str(tmp_path / "run/model.json"), path, "-o", str(tmp_path / "s.csv"), "--cache-dir", str(tmp_path)]) == 0
    lines = (tmp_path / "s.csv").read_text().splitlines()
    assert len(lines) == N + 1 and "" not in lines


# -- texts -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, encoder",
    [
        ({}, OneHotEncoder()),
        ({"min_frequency": 100}, OneHotEncoder(min_frequency=100)),
        ({"min_frequency": 0.1}, OneHotEncoder(min_frequency=0.1)),
        ({"max_categories": 3}, OneHotEncoder(max_categories=3)),
    ],
    ids=str,
)
def test_one_hot_is_that_of_scikit_learn(path, tmp_path, options, encoder):
    recipe = learn(path, tmp_path, features=["city"], encode="one-hot", **options)
    found = applied(path, recipe, tmp_path)
    present = np.array([cell is not None for cell in TABLE["city"]])
    expected = encoder.fit_transform(texts("city")[present, None]).toarray()
    np.testing.assert_array_equal(np.column_stack(list(found.values()))[present], expected)
    assert all(np.isnan(values[~present]).all() for values in found.values())
    known = [name.removeprefix("x0_").replace("infrequent_sklearn", "(other)") for name in encoder.get_feature_names_out()]
    assert list(found) == [f"city={name}" for name in known]


def test_ordinal_is_that_of_scikit_learn(path, tmp_path):
    found = applied(path, learn(path, tmp_path, features=["city"], encode="ordinal"), tmp_path)
    present = np.array([cell is not None for cell in TABLE["city"]])
    expected = OrdinalEncoder().fit_transform(texts("city")[present, None])[:, 0]
    np.testing.assert_array_equal(found["city"][present], expected)


@pytest.mark.parametrize("target", ["y", "sold", "kind"])
@pytest.mark.parametrize("smooth", [None, 0.0, 25.0])
def test_target_encodings_are_those_of_scikit_learn_in_and_out_of_fold(path, tmp_path, target, smooth):
    filled = {"impute": "constant:none"}  # which scikit-learn would do with a missing cell as well
    recipe = learn(
        path, tmp_path, features=["city"], target=target, encode="target", encoding_folds=4, seed=3, **filled,
        **({} if smooth is None else {"smooth": smooth}),
    )  # fmt: skip
    city = np.array(["none" if cell is None else cell for cell in TABLE["city"]], dtype=object)[:, None]
    kind = {"y": "continuous", "sold": "binary", "kind": "multiclass"}[target]
    y = texts(target) if target == "kind" else column(target)

    def encoded(rows, of):
        encoder = TargetEncoder(target_type=kind, smooth="auto" if smooth is None else smooth)
        return encoder.fit(city[rows], y[rows].astype(str) if kind == "multiclass" else y[rows]).transform(city[of])

    every = np.arange(N)
    close(np.column_stack(list(applied(path, recipe, tmp_path).values())), encoded(every, every))
    names = ["city target"] if kind != "multiclass" else [f"city target={name}" for name in ("high", "low", "middle")]
    assert recipe.features == names
    # What travels to the tasks of a fit: there a row knows nothing of its own fold.
    driver = run_wols if target == "y" else run_logistic
    driver.fit(
        path, features=["city"], target=target, encode="target", encoding_folds=4, seed=3, report=False,
        run_dir=str(tmp_path / "fit"), cache_dir=str(tmp_path / "c"), **filled,
        **({} if smooth is None else {"smooth": smooth}),
    )  # fmt: skip
    query = ScanQuery.from_line((tmp_path / "fit/queries/0002.query").read_bytes())
    trained = np.column_stack(list(applied(path, query.design.recipe, tmp_path, text=[target], training=True).values()))
    fold = Folds(4, seed=3).assign(keys.row_keys(0, 0, N))
    for f in range(4):
        close(trained[fold == f], encoded(np.flatnonzero(fold != f), np.flatnonzero(fold == f)), 1e-11)


def test_nothing_is_learned_of_the_rows_that_are_held_out(path, tmp_path):
    recipe = learn(
        path, tmp_path, features=["age", "city"], target="y", encode="target", scale="standard", holdout=0.3, seed=9
    )
    held = Folds(1, 0.3, 9).assign(keys.row_keys(0, 0, N)) == 1
    assert 0.25 < held.mean() < 0.35
    (scale,) = [step for step in recipe.steps if step.word == "scale"]
    assert scale.centers["age"] == pytest.approx(np.nanmean(column("age")[~held]), rel=1e-12)
    (encode,) = [step for step in recipe.steps if step.word == "target"]
    assert encode.encodings["city"].overall[0] == pytest.approx(column("y")[~held].mean(), rel=1e-12)


def test_unknown_texts_and_new_blanks_are_defined_and_counted(path, tmp_path):
    def features(**options):
        name = "-".join(map(str, options.values())).replace(":", "")
        recipe = learn(path, tmp_path / name, features=["city", "age"], **options).for_scoring()
        design = Design(
            recipe.features, recipe=recipe, missing="keep", levels={"city": np.append(np.arange(len(CITIES)), -2)}
        )
        block = Block(
            0, 0, 3, {"city": np.array([0, len(CITIES), MISSING_CODE], np.int32), "age": np.array([1.0, 2, np.nan])}
        )
        rows = design.apply(block)
        return dict(zip(recipe.features, rows.X.T)), rows.counts

    found, counts = features(encode="one-hot")
    assert np.isnan(found["city=Rome"]).tolist() == [False, True, True] and (counts.unknown, counts.filled) == (1, 0)
    found, counts = features(encode="one-hot", min_frequency=100, impute="most-frequent")
    assert found["city=(other)"].tolist() == [0, 1, 0] and found["city=Bonn"].tolist() == [1, 0, 1]
    assert not np.isnan(found["age"]).any() and (counts.unknown, counts.filled) == (1, 1)
    found, counts = features(encode="target", target="y")
    assert found["city target"][1] == found["city target"][2] == pytest.approx(column("y").mean()) and counts.unknown == 1


# -- dates -----------------------------------------------------------------------------------------------------------------


# In doubles of days, microseconds can be told apart between these years; elsewhere whole seconds.
fine = st.datetimes(datetime(1791, 1, 1), datetime(2149, 1, 1))
coarse = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 31)).map(lambda moment: moment.replace(microsecond=0))


@settings(max_examples=500)
@given(st.lists(fine | coarse, min_size=1, max_size=20))
@example([datetime(2150, 1, 1, 0, 36), datetime(1788, 3, 1, 23, 59), datetime(1999, 12, 31, 23, 59, 59, 999_999)])
def test_the_parts_of_dates_are_those_of_pythons_calendar(moments):
    days = np.array([(moment - datetime(1970, 1, 1)) / timedelta(days=1) for moment in moments])
    expected = {
        "year": [m.year for m in moments], "quarter": [(m.month + 2) // 3 for m in moments],
        "month": [m.month for m in moments], "day": [m.day for m in moments], "weekday": [m.weekday() for m in moments],
        "weekend": [m.weekday() >= 5 for m in moments], "day-of-year": [m.timetuple().tm_yday for m in moments],
        "hour": [m.hour for m in moments], "minute": [m.minute for m in moments], "days": days,
    }  # fmt: skip
    assert set(expected) == set(PARTS)
    for part, values in expected.items():
        np.testing.assert_array_equal(part_of(days, part), np.array(values, float))


def test_dates_in_two_formats_are_one_column_of_dates(path, tmp_path):
    recipe = learn(
        path, tmp_path, features=["when", "day"], dates="parts,when=days:hour", date_formats="day=%d/%m/%Y|iso",
    )  # fmt: skip
    found = applied(path, recipe, tmp_path, text=["day"])
    moments = [datetime.fromisoformat(cell) for cell in TABLE["when"]]
    assert list(found) == ["when days", "when hour", "day year", "day month", "day weekday"]
    np.testing.assert_array_equal(found["when hour"], [m.hour for m in moments])
    np.testing.assert_array_equal(found["day month"], [m.month for m in moments])
    np.testing.assert_array_equal(found["day weekday"], [m.weekday() for m in moments])


# -- what cannot be --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, message",
    [
        ({"features": ["city"], "scale": "city=standard"}, "--scale is not of the column 'city'"),
        ({"features": ["age"], "encode": "age=one-hot"}, "--encode is not of the column 'age'"),
        ({"features": ["age"], "interactions": "age*none"}, "'none'"),
        ({"features": ["age"], "polynomial": "2"}, "--polynomial is of columns by name"),
        ({"features": ["age"], "scale": "huge"}, "a word is one of standard, min-max"),
        ({"features": ["city"], "encode": "target"}, "a target encoding needs a --target"),
        ({"features": ["city"], "date_formats": "city=%Q"}, "'%Q' is no way to write dates"),
        ({"features": ["city"], "encode": "target", "target": "y", "encoding_folds": 1}, "1 is not a number of folds"),
        ({"features": ["age"], "outliers": "z:-1"}, "a word is z|mad|iqr"),
        ({"features": ["city"], "date_formats": "city=%d/%m/%Y"}, "no text of the column 'city' is a date"),
        ({"features": ["age"], "date_formats": "city=iso"}, "'city' is no feature of text"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_sentence(path, tmp_path, options, message):
    with pytest.raises(ScanError) as error:
        learn(path, tmp_path, **options)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_damaged_recipe_is_refused(path, tmp_path):
    recipe = learn(path, tmp_path, features=["age", "city"], impute="median", encode="one-hot", scale="standard")
    whole = recipe.to_json()
    for damage in (
        {"steps": [{"step": "explode", "columns": []}]},
        {"steps": [{"step": "scale", "columns": ["age"], "method": "huge"}]},
        {"steps": [{"step": "scale", "columns": ["age"], "speed": 3}]},
        {"steps": [{"step": "scale", "columns": ["age"], "centers": {"age": "x"}}]},
        {"steps": "none"},
        {"columns": ["city"]},
        {"texts": ["city"]},
    ):
        with pytest.raises(BadRecord):
            Recipe.from_json({**whole, **damage})


# -- one row, many rows ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def everything(path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("everything")
    recipe = prepare.recipe_of(
        path, run_dir=str(folder / "run"), cache_dir=str(folder / "c"), target="y", report=False, exclude=["kind", "sold"],
        date_formats="day=iso|%d/%m/%Y", outliers="iqr:clip,age=z:flag", impute="median,city=most-frequent",
        transform="income=log", bins="rank=3", encode="one-hot,city=target", interactions="age*far", scale="robust",
        polynomial="age=2", indicators=True,
    )  # fmt: skip
    return Recipe.from_json(recipe)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_a_row_has_the_same_bits_alone_and_among_others(everything, data):
    recipe = everything.for_scoring()
    n = data.draw(st.integers(1, 40))
    number = st.floats(allow_infinity=False, width=64) | st.sampled_from([np.nan, 0.0, 1e9])
    columns = {
        name: np.array(data.draw(st.lists(number, min_size=n, max_size=n))) for name in [*recipe.columns, *recipe.formats]
    }
    for name, known in recipe.texts.items():
        columns[name] = np.array(data.draw(st.lists(st.integers(-2, len(known) - 1), min_size=n, max_size=n)), np.int32)
    with np.errstate(all="ignore"):
        whole = recipe.apply(dict(columns), n, lambda: np.zeros(n, np.uint64)).columns
        for i in range(n):
            alone = recipe.apply(
                {name: values[i : i + 1] for name, values in columns.items()}, 1, lambda: np.zeros(1)
            ).columns
            for name in recipe.features:
                assert alone[name].tobytes() == whole[name][i : i + 1].tobytes()


def test_a_recipe_is_the_same_after_its_json_and_its_line(everything):
    again = Recipe.from_json(json.loads(json.dumps(everything.to_json())))
    assert again.md5() == everything.md5() == Recipe.from_line(everything.to_line()).md5()
    assert dataclasses.asdict(everything.for_scoring()).keys() == dataclasses.asdict(everything).keys()

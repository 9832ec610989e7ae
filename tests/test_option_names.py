"""Names of columns and classes with commas, quotes and line ends in them, as options and from Python."""

from __future__ import annotations

import argparse

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv as pacsv

from drivers import run_logistic, run_wols
from drivers.evaluating.options import costs
from drivers.option_values import names
from drivers.run_logistic import class_weight
from tests.conftest import make_table, read_model

AWKWARD = ["price, net", 'the "best" of them', "two\nlines", "plain"]


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    matrix, _ = make_table(300, 4)
    pacsv.write_csv(pa.table(dict(zip(["y", *AWKWARD], matrix.T))), "t.csv")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a,b", ["a", "b"]), (" a , b ", ["a", "b"]), ("", [""]), (",-999", ["", "-999"]), ('"a, b", c', ["a, b", "c"]),
        ('"a ""b"""', ['a "b"']), ('a "b"', ['a "b"']), ('"a\nb",c', ["a\nb", "c"]),
    ],
)  # fmt: skip
def test_names_are_cut_as_a_line_of_csv_is(text, found):
    assert names(text) == found


def test_a_line_end_without_quotes_is_one_sentence():
    with pytest.raises(argparse.ArgumentTypeError, match="put a name with a line end in double quotes"):
        names("a\nb")


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.text(min_size=1).map(str.strip).filter(bool), min_size=1))
def test_names_from_python_come_as_they_are(given_names):
    parser = run_wols.make_parser()
    (word,) = parser.words("features", given_names)
    assert names(word.partition("=")[2]) == given_names


def test_a_model_of_columns_of_any_name(table):
    model, _ = run_wols.fit("t.csv", target="y", features=AWKWARD[:2], report=False, run_dir="python")
    words = ["t.csv", "--target=y", "--features", '"price, net","the ""best"" of them"', "--no-report", "--quiet"]
    assert run_wols.main([*words, "--run-dir", "r"]) == 0
    assert read_model("r")["features"] == model["features"] == AWKWARD[:2]
    assert read_model("r")["parameters"] == model["parameters"]
    assert run_wols.main([*words[:2], "--exclude", '"price, net"', *words[4:], "--run-dir", "others"]) == 0
    assert read_model("others")["features"] == AWKWARD[1:]


def test_classes_of_any_name():
    assert class_weight('"no, never"=1,yes=3') == class_weight('"no, never=1",yes=3') == {"no, never": 1.0, "yes": 3.0}
    assert costs('"no, never:yes"=20,"yes:no, never=1"') == {("no, never", "yes"): 20, ("yes", "no, never"): 1}
    options = run_logistic.make_parser().parse_args(["t.csv", '--class-weight="a, b"=2,c=1'])
    assert options.class_weight == {"a, b": 2.0, "c": 1.0}

"""What the page on describing a table shows runs as it stands there, and what it says of options and numbers is so."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from drivers import describe
from drivers.describing import question, remarks, summary
from drivers.packing.kinds import MOST_TEXTS
from jobs.kernels import distinct_sketch
from jobs.kernels.column_values import ColumnValues, Limits
from jobs.kernels.ordered_bits import keys_of
from jobs.kernels.quantile_sketch import count_keys
from tests.doc_pages import Page

PAGE = Page("docs/describe.md")
TEXT = PAGE.text


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(tmp_path, capsys):
    assert len(PAGE.commands) == 4
    PAGE.run_commands()
    assert json.loads((tmp_path / "twice.json").read_text())["rows"] == 40_000
    for name in re.findall(r"^\| `([\w.]+\.(?:json|html))` \|", TEXT, re.MULTILINE):
        assert (tmp_path / "runs" / "houses" / name).exists(), name
    PAGE.run_python()
    assert re.fullmatch(r"\d{6} True", capsys.readouterr().out.splitlines()[-1])


def test_the_page_names_every_topic_type_and_entry(tmp_path):
    for topic in ("Bad rows", "Left out", *remarks.CHECKS, "Correlated"):
        assert re.search(rf"^\| .*`{re.escape(topic)}`.* \|", TEXT, re.MULTILINE), topic
    for kind in (
        summary.EMPTY,
        summary.NUMBER,
        summary.WHOLE_NUMBER,
        summary.TRUTH,
        summary.DAYS,
        summary.MOMENT,
        summary.TEXTS,
    ):
        assert f"`{kind}`" in TEXT, kind
    (tmp_path / "t.csv").write_text("x,y\n1,2\n3,4\n")
    told = describe.profile_of("t.csv", report=False)
    for name in set(told["columns"][0]) - {"name"}:
        assert f"`{name}`" in TEXT, name


def test_the_numbers_of_the_page_are_those_of_the_program():
    assert f"{MOST_TEXTS:,} different texts" in TEXT
    exact = [*question.EXACT_VALUES.values(), question.EXACT_VALUES_OF_MANY]
    assert [f"{n:,}" for n in exact] == re.findall(r"^\| (?:up to \d+|more) \| ([\d,]+) \|", TEXT, re.MULTILINE)
    assert list(map(str, question.EXACT_VALUES)) == re.findall(r"^\| up to (\d+) \|", TEXT, re.MULTILINE)
    assert f"at most {question.MOST_CORRELATED} columns" in TEXT
    assert f"here {describe.MOST_BAD_ROWS:,}" in TEXT
    assert f"at most {summary.N_BINS} bins" in TEXT
    assert f"{distinct_sketch.N_REGISTERS:,} registers" in TEXT
    assert f"standard error of {100 * distinct_sketch.RELATIVE_ERROR:.3g} %" in TEXT
    assert f"a kurtosis of {remarks.HEAVY:.0f} or more" in TEXT
    assert f"correlation of {remarks.CORRELATED:g} or more" in TEXT
    assert f"3 to {remarks.MOST_CATEGORIES} different whole numbers, with at least {remarks.ROWS_A_CATEGORY} rows" in TEXT


@pytest.mark.parametrize(("n_exact", "rows"), [(16384, 6553), (8192, 1310), (4096, 2400)])
def test_the_error_of_ranks_at_a_million_rows_is_the_one_of_the_page(n_exact, rows):
    rng, limits = np.random.default_rng(0), Limits(n_exact, n_exact // question.VALUES_A_COUNTER, True)

    def tree(level):
        if level:
            return tree(level - 1).merge(tree(level - 1), limits)
        return ColumnValues.counted(*count_keys(keys_of(rng.normal(size=rows))), limits)

    found = tree(int(np.ceil(np.log2(1e6 / rows)))).summary
    told = float(re.search(rf"\| {n_exact:,} \| ([\d.]+) % \|", TEXT)[1])
    assert 100 * found.error / found.counts.sum() == pytest.approx(told, abs=0.006)


def test_the_links_and_options_of_the_page_are_there():
    PAGE.assert_links_lead_somewhere()
    PAGE.assert_files_are_there()
    PAGE.assert_options_are_known(describe.make_parser().format_help() + "--rows")

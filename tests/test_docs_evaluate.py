"""What the page on evaluation shows runs as it stands there, and what it says of options and constants is so."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest

from drivers import evaluate
from drivers.evaluating.bins import MOST_BINS
from drivers.evaluating.options import CLUSTERS, DEFAULT_REPLICATES, LABEL, PREDICTION, PROBABILITY
from drivers.evaluating.question import HISTOGRAM_BYTES, MOST_SEGMENTS, REPLICATE_BINS, REPLICATE_BYTES
from drivers.evaluating.words import TITLES
from jobs.kernels.evaluation import EPSILON
from tests.conftest import ROOT
from tests.doc_pages import Page

PAGE = Page("docs/evaluate.md")
TEXT = PAGE.text


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(capsys):
    assert len(PAGE.commands) == 4
    PAGE.run_commands()
    assert {"evaluation.json", "report.html"} <= set(os.listdir("runs/judged")) and "model.json" not in os.listdir(
        "runs/judged"
    )
    PAGE.run_python()
    assert capsys.readouterr().out.splitlines()[-1] == re.search(r"It prints ([\d.]+)\.\s", TEXT)[1]


def test_the_page_names_every_column_that_is_known():
    for name in (PREDICTION, LABEL, f"{PROBABILITY}NAME", *CLUSTERS):
        assert f"`{name}`" in TEXT, name


def test_the_page_names_every_measure():
    plain = TEXT.lower()
    for name, title in TITLES.items():
        stem = {
            "nmi": "normalised mutual information", "precision_macro": "macro", "auc": "roc curve and its area",
            "calinski_harabasz": "calinski and harabasz", "davies_bouldin": "davies and bouldin",
            "silhouette": "silhouette under the squared", "adjusted_rand": "adjusted rand index", "cost": "the cost",
            "max_error": "the largest error", "calibration_error": "expected error",
        }.get(name, re.sub(r", (macro|micro|weighted)", "", title).lower())  # fmt: skip
        assert re.search(r"\s+".join(map(re.escape, stem.split())), plain), name


def test_the_constants_are_those_of_the_programs():
    assert f"up to {MOST_BINS:,} bins" in TEXT and f"at most {MOST_SEGMENTS:,}" in TEXT
    assert f"at most {REPLICATE_BINS} bins" in TEXT and f"{DEFAULT_REPLICATES} unless said otherwise" in TEXT
    assert f"{HISTOGRAM_BYTES >> 20} MB of histograms" in TEXT and f"{REPLICATE_BYTES >> 20} MB of replicates" in TEXT
    for told in re.findall(r"(\d\.\d+e-\d+)", TEXT):
        assert float(told) == pytest.approx(EPSILON, rel=0.05)
    assert np.finfo(float).eps == EPSILON


def test_the_links_and_options_of_the_page_are_there():
    PAGE.assert_links_lead_somewhere()
    for path in re.findall(r"`?((?:tests|jobs|drivers)/[\w/]+\.py)`?", TEXT):
        assert (ROOT / path).exists(), path
    PAGE.assert_options_are_known(evaluate.make_parser().format_help() + "--rows --out --keep")

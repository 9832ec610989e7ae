"""What the page on scores shows runs as it stands there, and what it says of columns and options is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from drivers import score
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "score.md"
TEXT = PAGE.read_text()


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(tmp_path, capsys):
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    commands = re.findall(r"^ {4}(python (?:drivers|data_gen)/.*)$", TEXT, re.MULTILINE)
    assert len(commands) == 5
    for line in commands:
        line = re.sub(r"\b(drivers|data_gen)/", rf"{ROOT}/\1/", line)
        done = subprocess.run(line, shell=True, capture_output=True, text=True, env={**os.environ, "PATH": path})
        assert done.returncode == 0, (line, done.stderr)
    assert (tmp_path / "prices.csv").read_bytes() == (tmp_path / "prices-local.csv").read_bytes()
    (code,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    exec(compile(code, str(PAGE), "exec"), {})
    assert re.fullmatch(r"\[\d+\.\d*\]\n", capsys.readouterr().out)


def test_the_options_and_links_of_the_page_are_there():
    known = score.make_parser().format_help() + "--rows --target --features --missing"
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)) - {"--out"}:
        assert re.search(rf"{option}\b(?!-)", known), option
    for target in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert PAGE.parent.joinpath(target).exists(), target
    for path in re.findall(r"`((?:tests|jobs|drivers)/[\w/]+\.py)`", TEXT):
        assert (ROOT / path).exists(), path

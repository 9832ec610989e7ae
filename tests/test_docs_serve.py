"""What the page on the service shows runs as it stands there and is answered so, and what it says of options is so."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from drivers import serve
from tests.conftest import ROOT
from tests.doc_pages import Page, run_commands
from tests.test_serve import free_port

PAGE = Page("docs/serve.md")
BEFORE = Page("docs/serve.md", before="## As a container")


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(capsys):
    port = free_port()
    *before, service = BEFORE.commands
    assert len(before) == 2
    run_commands(before)
    _, program, model = service.split()
    command, environment = [sys.executable, ROOT / program, model], {**os.environ, "PORT": str(port)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert f"at http://127.0.0.1:{port}," in process.stderr.readline()
            one, two, wrong = (ask(line, port) for line in re.findall(r"^curl .*$", BEFORE.text, re.MULTILINE))
            shown, refused = map(json.loads, re.findall(r"^```json\n(.*?)\n```", BEFORE.text, re.MULTILINE | re.DOTALL))
            (price,) = one["predictions"]
            assert price["prediction"] == pytest.approx(shown["predictions"][0]["prediction"], rel=1e-9)
            assert two == {**shown, "predictions": [price, *shown["predictions"][1:]]}
            assert wrong == refused
            exec(BEFORE.code.replace("8000", str(port)), {})
            prices = json.loads(capsys.readouterr().out)
            assert len(prices) == 3 and prices == sorted(prices)
        finally:
            process.terminate()
        assert process.wait(30) == 0


def ask(line, port):
    """What a command with curl prints."""
    line = line.replace("localhost:8000", f"127.0.0.1:{port}").replace("curl", "curl --silent --show-error")
    return json.loads(subprocess.run(line, shell=True, capture_output=True, text=True, check=True).stdout)


def test_the_options_links_and_limits_of_the_page_are_there():
    known = serve.make_parser().format_help() + "--rows --target --features --missing --out --run-dir"
    BEFORE.assert_options_are_known(known)
    PAGE.assert_links_lead_somewhere()
    PAGE.assert_files_are_there()
    for most in (serve.MOST_ROWS, serve.MOST_BYTES):
        assert f"({most:,})" in PAGE.text


def test_the_container_starts_what_is_there():
    """As far as this can be told without building it."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    (command,) = [json.loads(line.removeprefix("ENTRYPOINT ")) for line in lines if line.startswith("ENTRYPOINT")]
    (arguments,) = [json.loads(line.removeprefix("CMD ")) for line in lines if line.startswith("CMD")]
    assert command == ["python", "-m", "drivers.serve"]
    options = serve.make_parser().parse_args(arguments)
    assert (options.model, options.host, options.port) == ("/model/model.json", "0.0.0.0", None)
    copied = {word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert copied == {line[1:] for line in ignored if line.startswith("!")}
    for name in copied:
        assert (ROOT / name).exists(), name

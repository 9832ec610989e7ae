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
from tests.test_serve import free_port

PAGE = ROOT / "docs" / "serve.md"
TEXT = PAGE.read_text()
BEFORE = TEXT[: TEXT.index("## As a container")]


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(capsys):
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    port = free_port()
    environment = {**os.environ, "PATH": path, "PORT": str(port)}
    lines = re.findall(r"^ {4}(python (?:drivers|data_gen)/.*)$", BEFORE, re.MULTILINE)
    *before, service = [re.sub(r"\b(drivers|data_gen)/", rf"{ROOT}/\1/", line) for line in lines]
    assert len(before) == 2
    for line in before:
        done = subprocess.run(line, shell=True, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, (line, done.stderr)
    with subprocess.Popen(service.split(), stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert f"at http://127.0.0.1:{port}," in process.stderr.readline()
            one, two, wrong = (ask(line, port) for line in re.findall(r"^curl .*$", BEFORE, re.MULTILINE))
            shown, refused = map(json.loads, re.findall(r"^```json\n(.*?)\n```", BEFORE, re.MULTILINE | re.DOTALL))
            (price,) = one["predictions"]
            assert price["prediction"] == pytest.approx(shown["predictions"][0]["prediction"], rel=1e-9)
            assert two == {"predictions": [price, *shown["predictions"][1:]], "n_empty": shown["n_empty"]}
            assert wrong == refused
            for code in re.findall(r"^```python\n(.*?)^```", BEFORE, re.MULTILINE | re.DOTALL):
                exec(compile(code.replace("8000", str(port)), str(PAGE), "exec"), {})
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
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", BEFORE)):
        assert re.search(rf"{option}\b(?!-)", known), option
    for target in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert PAGE.parent.joinpath(target).exists(), target
    for path in re.findall(r"`((?:tests|jobs|drivers|bench)/[\w/]+\.py|Dockerfile)`", TEXT):
        assert (ROOT / path).exists(), path
    for most in (serve.MOST_ROWS, serve.MOST_BYTES):
        assert f"({most:,})" in TEXT


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

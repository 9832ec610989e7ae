"""`drivers/serve.py`: rows over HTTP have the scores that score.py writes, to the last bit; what cannot be answered is one
sentence."""

from __future__ import annotations

import contextlib
import csv
import http.client
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import run_glm, run_gmm, run_kmeans, run_logistic, run_wols
from drivers import score as drivers_score
from drivers import serve as drivers_serve
from drivers.scoring.question import Scoring
from drivers.serving import application
from drivers.serving.application import Limits, make_app
from drivers.serving.predictor import Predictor, as_json
from drivers.serving.request import RequestError, rows_of
from drivers.serving.server import Server, listen
from jobs.kernels.scorers import Output
from tests.conftest import ROOT

MODEL = {
    "format": "scanlearn-model", "version": 1, "kind": "wols", "features": ["area", "garden=yes"], "target": "price",
    "parameters": {"coefficients": [2.0, 10.0], "intercept": 0.5},
    "design": {"features": ["area", "garden"], "target": "price", "categories": {"garden": ["no", "yes"]}},
    "training": {"n_rows": 7},
}  # fmt: skip


class Service:
    """A service on a free port, and a connection to it that stays."""

    def __init__(self, path, limits=Limits(1000, 10_000_000), level=None):  # noqa: B008
        import uvicorn

        self.socket = listen("127.0.0.1", 0)
        app = make_app(Predictor(Scoring.of(str(path), level, [])), limits)
        self.server = Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none"))
        self.server.capture_signals = contextlib.nullcontext  # of the main thread alone
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})
        self.thread.start()
        self.connection = http.client.HTTPConnection(*self.socket.getsockname(), timeout=30)

    def ask(self, method, path, body=None):
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.connection.request(method, path, body)
        answer = self.connection.getresponse()
        assert answer.headers["content-type"].startswith("application/json")
        return answer.status, json.loads(answer.read(), parse_constant=pytest.fail)

    def predict(self, rows):
        status, answer = self.ask("POST", "/predict", rows)
        assert status == 200, answer
        return answer["predictions"]

    def close(self):
        self.connection.close()
        self.server.should_exit = True
        self.thread.join(30)
        self.socket.close()
        assert not self.thread.is_alive()


@pytest.fixture
def start():
    """Starts services, which end with the test."""
    with contextlib.ExitStack() as stack:

        def start(*arguments, **keywords):
            service = Service(*arguments, **keywords)
            stack.callback(service.close)
            return service

        yield start


@pytest.fixture
def service(tmp_path, start):
    (tmp_path / "model.json").write_text(json.dumps(MODEL))
    return start(tmp_path / "model.json")


# -- the bits of score.py --------------------------------------------------------------------------------------------------

MIXED = ("--features", "x1,x2,color,day,flag")
BRIEFLY = ("--restarts", "1", "--max-iter", "3")
MODELS = {
    "wols": (run_wols, "--target", "y", *MIXED),
    "intervals": (run_wols, "--target", "y", "--features", "x1,x2,color"),
    "wols-groups": (run_wols, "--target", "y", "--features", "x1,x2,color", "--group-by", "shop"),
    "groups of whole numbers": (run_wols, "--target", "y", "--features", "x1,color", "--group-by", "code"),
    "groups of dates": (run_wols, "--target", "y", "--features", "x1,color", "--group-by", "day"),
    "groups of numbers": (run_wols, "--target", "y", "--features", "x1,color", "--group-by", "half"),
    "two classes": (run_logistic, "--target", "c2", *MIXED),
    "three classes": (run_logistic, "--target", "c3", "--features", "x1,x2,color"),
    "glm": (run_glm, "--target", "n", "--family", "poisson", "--features", "x1,color", "--offset", "exposure"),
    "glm-groups": (run_logistic, "--target", "c2", "--features", "x1,color", "--group-by", "shop"),
    "kmeans": (run_kmeans, "--features", "x1,x2,flag", "--n-clusters", "3", *BRIEFLY),
    "cosine": (run_kmeans, "--features", "x1,x2", "--n-clusters", "3", "--metric", "cosine", *BRIEFLY),
    "gmm": (run_gmm, "--features", "x1,x2", "--n-components", "3", *BRIEFLY),
}
TEXTS = ("color", "shop", "day", "c2", "c3")


def write_rows(path, n, unknown=False):
    """Numbers, texts, days, true and false, missing cells; with texts and groups that are not in training."""
    rng = np.random.default_rng(n)
    rows = []
    for i in range(n):
        a, b = (10.0 ** rng.integers(-3, 3) * rng.normal(size=2)).tolist() if unknown else rng.normal(size=2).tolist()
        row = {
            "x1": a, "x2": None if i % 50 == 7 else b, "color": ("red", "green", "blue", None)[i % 4],
            "day": f"2024-02-{1 + i % 21:02d}", "flag": i // 3 % 2 == 1, "shop": ("north", "south, far", "east")[i % 3],
            "code": 2**60 + i % 5, "half": i % 7 / 2, "exposure": 0.1 + i % 3, "y": float(1 + 2 * a - b + rng.normal()),
            "n": int(rng.poisson(np.exp(min(a, 1) / 5))), "c2": ("no", "yes")[int(a + rng.normal() > 0)],
            "c3": ("a", "b", "c")[int(np.argmax([a, b, rng.normal()]))],
        }  # fmt: skip
        if unknown and i % 11 == 0:
            row |= {"color": "mauve", "shop": "nowhere", "code": 2**61, "half": 0.3, "day": "2031-01-01"}
        if unknown and i % 13 == 0:
            row |= {"x1": None, "shop": None, "code": None, "exposure": None}
        rows.append(row)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(rows[0])
        writer.writerows([str(v).lower() if isinstance(v, bool) else v for v in row.values()] for row in rows)
    return rows


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A folder with a table to train on, and rows to score with the file that holds them."""
    folder = tmp_path_factory.mktemp("serve")
    write_rows(folder / "train.csv", 1500)
    return folder, write_rows(folder / "new.csv", 300, unknown=True)


@pytest.mark.parametrize("kind", MODELS)
def test_a_row_served_has_the_bits_that_score_py_writes(table, start, kind):
    folder, rows = table
    (program, *words), run = MODELS[kind], "r"
    words = [str(folder / "train.csv"), *words, "--missing", "drop", "--no-report", "-q", "--run-dir", run]
    assert program.main(words) in (0, 3)
    level, switches = (0.9, ["--intervals", "--confidence", "0.9"]) if kind == "intervals" else (None, [])
    assert drivers_score.main([f"{run}/model.json", str(folder / "new.csv"), "-o", "s.csv", "-q", *switches]) == 0
    with open("s.csv", newline="") as file:
        written = list(csv.DictReader(file))
    service = start(f"{run}/model.json", level=level)
    status, answer = service.ask("POST", "/predict", {"rows": rows})
    assert status == 200, answer
    assert len(answer["predictions"]) == len(written) == 300
    for served, expected in zip(answer["predictions"], written):
        assert list(served) == list(expected)
        for name, cell in expected.items():
            assert served[name] == (None if cell in ("", "nan") else cell if name == "class" else float(cell)), name
    first = [next(iter(served.values())) for served in answer["predictions"]]
    assert answer["n_empty"] == first.count(None) and 20 < first.count(None) < 150
    for i in (0, 7, 11, 13, *range(20, 40)):
        assert service.predict(rows[i]) == [answer["predictions"][i]]


# -- rows ------------------------------------------------------------------------------------------------------------------


def test_one_row_or_many_in_their_order(service):
    assert service.predict({"area": 100, "garden": "yes"}) == [{"prediction": 210.5}]
    rows = [{"garden": "no", "area": area, "street": ["ignored", {}]} for area in (1, 2.5, True)]
    assert service.predict({"rows": rows}) == [{"prediction": p} for p in (2.5, 5.5, 2.5)]
    assert service.ask("POST", "/predict", {"rows": []}) == (
        200,
        {"predictions": [], "n_empty": 0, "n_filled": 0, "n_unknown": 0},
    )
    assert service.predict(b'\xef\xbb\xbf {"area": 1e2, "garden": "no"}\n') == [{"prediction": 200.5}]


def test_missing_cells_and_unknown_texts_have_no_score_and_are_counted(service):
    rows = [
        {"area": None, "garden": "no"}, {"area": 1, "garden": None}, {"area": 1, "garden": "maybe"},
        {"area": 1, "garden": "\ud800"}, {"area": 1, "garden": "no"},
    ]  # fmt: skip
    status, answer = service.ask("POST", "/predict", {"rows": rows})
    assert status == 200
    assert answer == {
        "predictions": [{"prediction": p} for p in (None, None, None, None, 2.5)],
        "n_empty": 4,
        "n_filled": 0,
        "n_unknown": 2,
    }


def test_a_column_may_be_called_rows(tmp_path, start):
    (tmp_path / "model.json").write_text(
        json.dumps({**MODEL, "features": ["rows", "b"], "design": {"features": ["rows", "b"]}})
    )
    service = start(tmp_path / "model.json")
    assert service.predict({"rows": 3, "b": 0}) == service.predict({"rows": [{"rows": 3, "b": 0}]}) == [{"prediction": 6.5}]


def test_a_date_counts_as_days_as_in_a_table(service):
    days = {"1970-01-02": 1.0, "1970-01-03 12:00": 2.5, "1970-01-03T12:00:00": 2.5, "1969-12-31": -1.0}
    for text, number in days.items():
        assert service.predict({"area": text, "garden": "no"}) == service.predict({"area": number, "garden": "no"})


WRONG = {
    b'{"area": "100", "garden": "no"}': "row 1, column 'area': '100' is not a number, without quotes",
    b'{"area": [1], "garden": "no"}': "row 1, column 'area': [1] is not a number, without quotes",
    b'{"area": 1, "garden": 3}': "row 1, column 'garden': 3 is not a text, in quotes",
    b'{"area": 1, "garden": {"a": [1]}}': "row 1, column 'garden': {\"a\": [1]} is not a text, in quotes",
    b'{"rows": [{"area": 1, "garden": "no"}, {"area": "tall", "garden": "no"}]}': "row 2, column 'area': 'tall' is not",
    b'{"area": 1}': "row 1 has no column 'garden'; the model takes area, garden, null where a cell is missing",
    b'{"aera": 1, "garden": "no"}': "row 1 has no column 'area'; did you mean 'aera'?",
    b'{"area": 1e999, "garden": "no"}': "row 1, column 'area': a number beyond the reach of a double",
    b'{"area": 1' + 400 * b"0" + b', "garden": "no"}': "row 1, column 'area': a number beyond the reach of a double",
    b'{"area": 1' + 5000 * b"0" + b', "garden": "no"}': "the body holds a whole number of too many digits",
    b'{"area": NaN, "garden": "no"}': "NaN is no number of JSON; send null",
    b'{"area": -Infinity, "garden": "no"}': "-Infinity is no number of JSON; send null",
    b"area=1": "the body is not JSON: Expecting value, at character 1",
    b"": "the body is not JSON",
    b"\xff": "the body is not JSON: it is not UTF-8",
    b"[1, 2]": 'the body is a list; send a row as an object, or {"rows": [...]} for many',
    b"null": "the body is null",
    b'{"rows": [7]}': "row 1 is a number; a row is an object",
    b'{"rows": [null]}': "row 1 is null; a row is an object",
    b'{"area": ' + 100_000 * b"[" + 100_000 * b"]" + b"}": "the body is nested too deeply",
}  # fmt: skip


@pytest.mark.parametrize(("body", "told"), WRONG.items(), ids=[body[:40].decode("latin-1") for body in WRONG])
def test_a_body_that_holds_no_rows_of_the_model_is_one_sentence(service, body, told):
    status, answer = service.ask("POST", "/predict", body)
    assert status == 422 and answer["detail"].startswith(told), answer
    assert "\n" not in answer["detail"] and len(answer["detail"]) < 200
    assert service.predict({"area": 100, "garden": "yes"}) == [{"prediction": 210.5}]


def test_a_row_without_direction_is_named(tmp_path, start):
    parameters = {"metric": "cosine", "centers": [[1.0, 0.0], [0.0, 1.0]]}
    model = {**MODEL, "kind": "kmeans", "features": ["a", "b"], "parameters": parameters}
    model["design"] = {"features": ["a", "b"]}
    (tmp_path / "model.json").write_text(json.dumps(model))
    service = start(tmp_path / "model.json")
    assert service.predict({"a": 0, "b": 3}) == [{"cluster": 1, "distance": 0.0}]
    status, answer = service.ask("POST", "/predict", {"rows": [{"a": 1, "b": 1}, {"a": 0, "b": 0}]})
    assert status == 422 and answer["detail"].startswith("row 2: a row is zero in all features")


def test_infinities_are_texts(tmp_path, start):
    (tmp_path / "model.json").write_text(json.dumps({**MODEL, "parameters": {**MODEL["parameters"], "link": "log"}}))
    status, answer = start(tmp_path / "model.json").ask("POST", "/predict", {"area": 1e9, "garden": "no"})
    assert (status, answer) == (
        200,
        {"predictions": [{"prediction": "Infinity"}], "n_empty": 0, "n_filled": 0, "n_unknown": 0},
    )
    assert as_json(Output("a", np.array([-np.inf, np.nan, 1.5]))) == ["-Infinity", None, 1.5]


CELLS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.dates().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip
ROW = st.dictionaries(st.sampled_from(["area", "garden", "rows"]) | st.text(), CELLS, max_size=4)
GOOD_ROW = st.fixed_dictionaries(
    {"area": st.none() | st.floats(-1e9, 1e9), "garden": st.none() | st.text() | st.just("no")}
)


@settings(max_examples=300, deadline=None)
@given(
    body=st.lists(GOOD_ROW, max_size=4).map(lambda rows: {"rows": rows}) | ROW | st.lists(ROW).map(lambda r: {"rows": r})
)
def test_whatever_is_asked_each_row_is_answered_or_the_request_refused(body):
    predictor = Predictor(Scoring(MODEL, "", None, []))
    try:
        rows = rows_of(json.dumps(body).encode(), 3)
        answer = predictor.answer(rows)
    except RequestError as error:
        assert error.status in (413, 422) and str(error).isprintable()
    else:
        assert len(answer.scores) == len(rows) and 0 <= answer.rows.missing <= len(rows)
        json.dumps(answer.scores, allow_nan=False)


# -- limits ----------------------------------------------------------------------------------------------------------------


def test_more_rows_or_bytes_than_the_limits_are_refused(tmp_path, start):
    (tmp_path / "model.json").write_text(json.dumps(MODEL))
    service, row = start(tmp_path / "model.json", Limits(3, 500)), {"area": 1, "garden": "no"}
    assert len(service.predict({"rows": [row] * 3})) == 3
    assert service.ask("POST", "/predict", {"rows": [row] * 4}) == (
        413, {"detail": "4 rows in one request; send at most 3 (--max-rows)"},
    )  # fmt: skip
    told = (413, {"detail": "the body has more than 500 bytes; send fewer rows at a time (--max-body)"})
    assert service.ask("POST", "/predict", json.dumps(row).encode() + 500 * b" ") == told
    service.connection.request("POST", "/predict", iter([100 * b" "] * 6), encode_chunked=True)  # whose length is not told
    answer = service.connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == told
    assert service.predict(row) == [{"prediction": 2.5}]


def test_a_body_that_does_not_come_is_not_waited_for(service, monkeypatch):
    monkeypatch.setattr(application, "SECONDS_FOR_BODY", 0.05)
    with socket.create_connection(service.socket.getsockname(), timeout=30) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        with connection.makefile("rb") as answer:
            head, _, body = answer.read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(body) == {"detail": "the body has not come within 0.05 seconds"}
    assert service.predict({"area": 100, "garden": "yes"}) == [{"prediction": 210.5}]


# -- what the service says of itself ---------------------------------------------------------------------------------------


def test_health_and_model(service):
    assert service.ask("GET", "/health") == (200, {"status": "ok"})
    status, answer = service.ask("GET", "/model")
    assert status == 200
    assert answer == {
        "kind": "wols", "target": "price", "scores": ["prediction"], "training": {"n_rows": 7},
        "columns": [
            {"name": "area", "role": "feature", "type": "number"},
            {"name": "garden", "role": "feature", "type": "string", "texts": ["no", "yes"]},
        ],
    }  # fmt: skip
    assert service.ask("GET", "/predict")[0] == 405
    assert service.ask("GET", "/nowhere")[0] == 404


def test_the_examples_of_the_page_are_answered(service):
    status, page = service.ask("GET", "/openapi.json")
    operation = page["paths"]["/predict"]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    examples = [example["value"] for example in content["examples"].values()]
    assert status == 200 and len(examples) == 2
    for body in examples:
        assert (
            service.predict(body) == operation["responses"]["200"]["content"]["application/json"]["example"]["predictions"]
        )
    many, row = content["schema"]["anyOf"]
    assert row["required"] == list(row["properties"]) == ["area", "garden"]
    assert many["properties"]["rows"]["items"]["required"] == row["required"]
    assert {"200", "413", "422"} <= set(operation["responses"])
    service.connection.request("GET", "/docs")
    assert b"openapi.json" in service.connection.getresponse().read()


def test_a_mistake_of_the_service_is_told_without_what_rows_hold(service, monkeypatch, caplog):
    def fail(*arguments):
        raise RuntimeError("the secret street")

    monkeypatch.setattr(Predictor, "answer", fail)
    status, answer = service.ask("POST", "/predict", {"area": 1, "garden": "no"})
    assert (status, answer) == (500, {"detail": "the service has failed on this request"})
    assert [r.getMessage() for r in caplog.records if r.levelno > logging.INFO] == [
        "an unforeseen RuntimeError in POST /predict"
    ]


# -- the program -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 9}, "has the version 9"),
        ({"kind": "oracle"}, "holds a model of the kind 'oracle'"),
        ({"format": "other"}, "is not a scanlearn-model file"),
        ({"kind": "wols-groups", "parameters": {"table": "groups.csv", "delimiter": ",", "group_kind": "text"},
          "design": {**MODEL["design"], "group": "shop"}}, "the table of the groups, cannot be read"),
    ],
)  # fmt: skip
def test_models_that_cannot_be_served(tmp_path, capsys, change, message):
    (tmp_path / "model.json").write_text(json.dumps({**MODEL, **change}))
    assert drivers_serve.main(["model.json"]) == 1
    told = capsys.readouterr().err
    assert message in told and len(told.splitlines()) == 1


def test_an_address_that_cannot_be_had_is_one_sentence(tmp_path, capsys, monkeypatch):
    (tmp_path / "model.json").write_text(json.dumps(MODEL))
    with listen("127.0.0.1", 0) as taken:
        assert drivers_serve.main(["model.json", "--port", str(taken.getsockname()[1])]) == 1
        told = capsys.readouterr().err
        assert "address already in use; name another --host or --port" in told and len(told.splitlines()) == 1
    assert drivers_serve.main(["model.json", "--host", "no.such.host.invalid"]) == 1
    assert "cannot listen on no.such.host.invalid, port 8000" in capsys.readouterr().err
    monkeypatch.setenv("PORT", "eighty")
    assert drivers_serve.main(["model.json"]) == 2
    assert "the variable PORT: 'eighty' is not a whole number" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        drivers_serve.main(["model.json", "--port", "70000"])
    assert end.value.code == 2 and "70000 is no port" in capsys.readouterr().err
    for option in ("--max-rows", "--max-body"):
        with pytest.raises(SystemExit) as end:
            drivers_serve.main(["model.json", option, "0"])
        assert end.value.code == 2 and f"argument {option}: it must be 1 or more" in capsys.readouterr().err


def test_without_the_packages_of_the_extra_it_says_which(tmp_path, capsys, monkeypatch):
    (tmp_path / "model.json").write_text(json.dumps(MODEL))
    monkeypatch.delitem(sys.modules, "drivers.serving.application")
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert drivers_serve.main(["model.json"]) == 1
    assert "the service needs fastapi; pip install 'scanlearn[serve]' installs it" in capsys.readouterr().err


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_program_serves_until_a_signal_and_has_ended_well(tmp_path, number):
    (tmp_path / "model.json").write_text(json.dumps(MODEL))
    command = [sys.executable, str(ROOT / "drivers" / "serve.py"), "model.json", "--access-log"]
    environment = {**os.environ, "PORT": str(free_port())}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            line = process.stderr.readline()
            assert re.fullmatch(rf"model\.json at http://127\.0\.0\.1:{environment['PORT']}, .*\n", line), line
            connection = http.client.HTTPConnection("127.0.0.1", int(environment["PORT"]), timeout=30)
            connection.request("POST", "/predict", json.dumps({"area": 100, "garden": "yes"}))
            assert json.loads(connection.getresponse().read())["predictions"] == [{"prediction": 210.5}]
            process.send_signal(number)
            assert process.wait(30) == 0
        finally:
            process.kill()
        log = process.stderr.read()
        assert re.fullmatch(r'127\.0\.0\.1:\d+ - "POST /predict HTTP/1.1" 200\n', log), log


@pytest.mark.slow
def test_a_thousand_requests_a_second_fit_on_one_core():
    """By processor time, which others who use the core do not change; bench/serve.py tells both."""
    command = [sys.executable, str(ROOT / "bench" / "serve.py"), "--columns", "20", "--seconds", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["requests"] > 100 and found["cpu_per_request"] < 1e-3


def test_a_date_is_read_as_in_tables_zones_and_all():
    Path("t.csv").write_text("\n".join(["day,y", *(f"2024-01-{d:02d}T10:00:00+02:00,{d}" for d in range(1, 29))]) + "\n")
    run_wols.fit("t.csv", target="y", features=["day"], report=False, run_dir="run")
    predictor = Predictor(Scoring.of("run/model.json", None, []))
    (scored,) = predictor.answer([{"day": "2024-01-15T11:30:00+05:00"}]).scores
    Path("new.csv").write_text("day\n2024-01-15T11:30:00+05:00\n")
    assert drivers_score.main(["run/model.json", "new.csv", "-o", "s.csv", "-q"]) == 0
    assert float(Path("s.csv").read_text().split()[1]) == scored["prediction"]

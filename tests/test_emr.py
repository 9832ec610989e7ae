"""The drivers on EMR, by the fake AWS of tests/emr: what runs, what it leaves, how it ends when something goes wrong."""

from __future__ import annotations

import contextlib
import csv
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from moto.emr.responses import ElasticMapReduceResponse

from data_gen.gen_regression import generate
from drivers.runners.aws import clients as our_aws
from drivers.runners.aws import s3_files
from drivers.runners.aws.s3_files import S3Files
from drivers.runners.emr import mrjob_runner as mrjob_emr
from drivers.runners.emr.clusters import create, wait_until_ready
from drivers.runners.emr.options import request_for
from drivers.runners.emr.request import ClusterRequest
from drivers.runners.emr.runner import EMR as EMR_RUNNER
from drivers.runners.leftovers import Leftovers, sweep
from drivers.runners.switches import Switches
from jobs.errors import ScanError
from tests.conftest import ROOT, Driver, make_table, read_model, read_passes, write_csv
from tests.emr.fake_aws import REGION, SECRET, FakeAWS
from tests.moto_aws import forget_clients
from tests.runs import RUNS, RUNS_OF_CLUSTERS, assert_plain_text_agrees, md5s_of, write_rows
from tests.terminal import run_on_terminal

BUCKET = "table"
TMP = f"s3://{BUCKET}/t/"
EMR = ("-r", "emr", "--check-cluster-every", "0.25")
DATA = ("d.csv", "--columns", "y,x,w", "--target", "y", "--weight", "w", "--no-report")
DESCENT = (*DATA, "--solver", "gd", "--start", "0.6,0.2", "--learning-rate", "0.3", "--tol", "1e-300", "--max-iter", "3")
MAX_ITER = 3  # the exit status of the descent
# The tasks of this Python instead of the nodes', for the same bits.
SAME_NUMPY = ("--python-bin", sys.executable)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One fake for all tests: a cluster takes a moment to start, and logs come a moment late."""
    with FakeAWS(tmp_path_factory.mktemp("aws"), start_seconds=0.3, log_seconds=1.0) as fake:
        fake.make_bucket(BUCKET)
        yield fake


@pytest.fixture
def aws(server, monkeypatch):
    """AWS as this process and its children see it; in the end nothing went wrong in the fake, and nothing is left."""
    server.surround(monkeypatch)
    monkeypatch.setattr(mrjob_emr, "SECONDS_FOR_LOGS", 20.0)
    forget_clients()
    n_errors = len(server.errors)
    yield server
    forget_clients()
    assert server.errors[n_errors:] == []


@pytest.fixture(scope="module")
def lent(server):
    """The id of a cluster that no driver has made."""
    with pytest.MonkeyPatch.context() as here:
        server.surround(here)
        forget_clients()
        cluster_id = create(ClusterRequest(REGION, log_uri=f"s3://{BUCKET}/lent/"))
        wait_until_ready(REGION, cluster_id, every=0.1)
        forget_clients()
    return cluster_id


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "d.csv"
    generate(path, rows=100_000)
    return path


@pytest.fixture
def here(tmp_path, table):
    """The table in the working folder."""
    (tmp_path / "d.csv").symlink_to(table)


def run(driver, *arguments, capsys=None):
    """A driver in this process: its exit status, stdout and stderr; no secret is in anything it wrote."""
    if capsys:
        capsys.readouterr()
    status = importlib.import_module(f"drivers.{driver}").main([*map(str, arguments)])
    if not capsys:
        return status
    out, err = capsys.readouterr()
    check_secrets(out, err)
    assert "Traceback" not in err
    return status, out, err


def check_secrets(*texts):
    for text in texts:
        assert SECRET not in text
    for path in Path().rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert SECRET.encode() not in path.read_bytes(), path


def on_emr(*arguments):
    return (*arguments, *EMR, "--cloud-tmp-dir", TMP)


def begin(aws, *arguments):
    """A driver as a program, in a session of its own."""
    return subprocess.Popen(
        Driver("run_wols").command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, env=aws.environment(),
    )  # fmt: skip


def nothing_left(aws):
    """No object of a run, no upload half-way, no note of anything left."""
    assert aws.keys(BUCKET, "t/scanlearn/tmp/") == []
    assert "Uploads" not in aws.s3.list_multipart_uploads(Bucket=BUCKET)
    assert not list(Path("cache").glob("scanlearn/leftovers/*"))
    return True


def states(aws):
    return {cluster.id: cluster.state for cluster in aws.clusters()}


def ended(aws, cluster_id):
    """Whether a cluster ends now."""
    wait_until(lambda: states(aws)[cluster_id] in ("TERMINATED", "TERMINATED_WITH_ERRORS"))
    return True


def wait_until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def new_clusters(aws, before):
    return [cluster for cluster in aws.clusters() if cluster.id not in before]


# -- runs that go well ---------------------------------------------------------------------------------------------------


def test_one_cluster_for_all_passes_which_ends_with_them(aws, here, capsys):
    before = states(aws)
    status, out, err = run(
        "run_wols", *on_emr(*DESCENT), "--run-dir", "r", "--core-instance-type", "c7i.large", "--num-core-instances", "4",
        "--tag", "team=science", "-D", "mapreduce.job.maps=3", capsys=capsys,
    )  # fmt: skip
    assert status == MAX_ITER, err
    (cluster,) = new_clusters(aws, before)
    steps = [step for step in aws.steps if step.cluster_id == cluster.id]
    assert [step.state for step in steps] == ["COMPLETED"] * 3 and cluster.id in err
    assert {sum(a.kind == "m" for a in step.attempts) for step in steps} == {3}
    assert {sum(a.kind == "r" for a in step.attempts) for step in steps} == {1}
    assert cluster.instances == {"MASTER": 1, "CORE": 4} and cluster.idle_policy == {"IdleTimeout": 900}
    assert cluster.request["Instances"]["InstanceGroups"][1]["InstanceType"] == "c7i.large"
    assert {"scanlearn": "1", "team": "science"}.items() <= cluster.tags.items()
    assert ended(aws, cluster.id) and nothing_left(aws)
    nodes = [entry["environments"] for entry in read_passes("r")]
    assert nodes[0] == nodes[1] == nodes[2] and nodes[0][0][0]["python"].startswith("3.9.")


def test_the_table_travels_once_and_outputs_are_new(aws, here, lent, capsys):
    """By the history that S3 keeps of a bucket."""
    bucket = aws.make_bucket("versions").removeprefix("s3://")
    aws.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    switches = (*EMR, "--cluster-id", lent, "--cloud-tmp-dir", f"s3://{bucket}")
    before = step_ids(aws)
    for name in "ab":
        status, _, err = run("run_wols", *DESCENT, *switches, "--run-dir", name, capsys=capsys)
        assert status == MAX_ITER, err
    versions = [entry["Key"] for entry in aws.s3.list_object_versions(Bucket=bucket)["Versions"]]
    assert len(set(versions)) == len(versions), "something was written twice"
    staged = [key for key in versions if not key.startswith("scanlearn/tmp/")]
    assert sorted(re.sub(r"(packs|code)/[^/]+/", r"\1/", key) for key in staged) == [
        "scanlearn/code/jobs.zip", "scanlearn/packs/blocks.txt"
    ]  # fmt: skip
    outputs = [step.args[step.args.index("-output") + 1] for step in aws.steps if step.id not in before]
    assert len(set(outputs)) == len(outputs) == 6
    # A pass sends its query, its script and the script that sets up a task.
    sent = [key for key in versions if key.startswith("scanlearn/tmp/") and "/files/" in key]
    assert len(sent) == 6 * 3 and not [key for key in sent if key.endswith(".zip")]
    assert aws.keys(bucket) == sorted(staged)
    assert states(aws)[lent] == "WAITING"


def test_a_pass_asks_aws_for_little(aws, here, lent, capsys):
    asked = []
    log = lambda model, **others: asked.append(model.name)  # noqa: E731
    for service in ("s3", "emr"):
        our_aws.client(service, REGION).meta.events.register("before-call", log)
    run("run_wols", *on_emr(*DESCENT), "--cluster-id", lent, "--run-dir", "r", capsys=capsys)
    steps = [i for i, name in enumerate(asked) if name == "AddJobFlowSteps"]
    assert len(steps) == 3
    a_pass = [name for name in asked[steps[0] : steps[1]] if name != "DescribeStep"]
    assert a_pass == [
        "AddJobFlowSteps", "ListObjectsV2", "GetObject", "ListObjectsV2", "DeleteObjects",
        "PutObject", "PutObject", "PutObject", "DescribeCluster",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_terminal_shows_the_cluster_and_the_step(aws, here, monkeypatch):
    monkeypatch.setattr(aws.settings, "start_seconds", 2.0)
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    status, written = run_on_terminal(Driver("run_wols").command(*on_emr(*DATA), "--setup", "sleep 1", "--run-dir", "r"))
    assert status == 0
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)
    assert re.search(r"the cluster j-\w+ .*starting", shown) and re.search(r"pass 1 .*s-\w+ is running", shown)


@pytest.mark.slow
def test_the_commands_of_the_page_run_one_after_another(aws, tmp_path, monkeypatch):
    page = (ROOT / "docs" / "emr.md").read_text()
    matrix, names = make_table(2000)
    write_csv(tmp_path / "t.csv", matrix, names)
    bucket = aws.make_bucket("page-bucket").removeprefix("s3://")
    aws.s3.upload_file("t.csv", bucket, "data.csv")
    (conf,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    Path("page.conf").write_text(conf.replace("BUCKET", bucket) + "    check_cluster_every: 0.25\n")
    monkeypatch.setenv("MRJOB_CONF", str(tmp_path / "page.conf"))
    monkeypatch.setenv("PATH", os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]))
    blocks = "".join(re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)).replace("\\\n", " ")
    lines = [line for line in blocks.splitlines() if "python drivers/" in line]
    assert len(lines) >= 10
    before = states(aws)
    script = ["set -ex"]
    for line in lines:
        line = line.replace("BUCKET", bucket).replace("drivers/", f"{ROOT}/drivers/").replace(" j-...", " $ID")
        script.append(line + (" --no-report" if "run_wols" in line else ""))
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)], capture_output=True, text=True, env=aws.environment(), timeout=300
    )  # fmt: skip
    check_secrets(done.stdout, done.stderr)
    assert done.returncode == 0, done.stderr
    assert "at 0.25 a node and hour" in done.stdout
    made = new_clusters(aws, before)
    assert sorted(cluster.instances["CORE"] for cluster in made) == [19, 19]
    wait_until(lambda: not any(cluster.is_live for cluster in new_clusters(aws, before)))
    assert [key for key in aws.keys(bucket, "tmp/") if "/scanlearn/tmp/" in key] == []


# -- the same bits -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    with pytest.MonkeyPatch.context() as here:
        here.chdir(tmp_path_factory.mktemp("rows"))
        write_rows()
        return Path("y.csv").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS_OF_CLUSTERS)
def test_every_job_has_the_bits_of_inline(aws, tmp_path, rows, lent, name):
    (tmp_path / "y.csv").write_text(rows)
    switches = (*on_emr(), "--cluster-id", lent, "-D", "mapreduce.job.maps=3")
    inline = md5s_of(name, "inline")
    assert [job for job, _, _ in inline] == RUNS[name][2]
    assert md5s_of(name, "same", *switches, *SAME_NUMPY) == inline
    assert min(entry["n_tasks"] for entry in read_passes("same")) >= 3
    # The nodes' own Python: another numpy, so other last digits.
    nodes = md5s_of(name, "nodes", *switches)
    assert [(job, n_blocks) for job, _, n_blocks in nodes] == [(job, n_blocks) for job, _, n_blocks in inline]
    assert {e["python"][:4] for entry in read_passes("nodes") for e, _ in entry["environments"]} == {"3.9."}
    if RUNS[name][0] == "run_wols":
        assert numbers(read_model("nodes")["parameters"]) == pytest.approx(
            numbers(read_model("inline")["parameters"]), rel=1e-12
        )
        for part in ("parameters", "inference"):
            assert read_model("same")[part] == read_model("inline")[part]
    if RUNS[name][0] == "run_sample":
        assert Path("nodes.csv").read_text() == Path("same.csv").read_text() == Path("inline.csv").read_text()
    assert states(aws)[lent] == "WAITING" and nothing_left(aws)


@pytest.mark.slow
def test_scores_on_s3_and_here_are_those_of_a_stream(aws, tmp_path, rows, lent, capsys):
    (tmp_path / "y.csv").write_text(rows)
    model = {"kind": "wols", "features": ["x", "z"], "parameters": {"coefficients": [2.0, -1.0], "intercept": 0.5}}
    (tmp_path / "model.json").write_text(json.dumps({"format": "scanlearn-model", "version": 1, **model}))
    words = ("model.json", "y.csv", "--keep", "shop", "-o")
    assert run("score", *words, "inline.csv") == 0
    switches = (*on_emr(), "--cluster-id", lent, *SAME_NUMPY, "-D", "mapreduce.job.maps=3", "--run-dir")
    assert run("score", *words, "here.csv", *switches, "here") == 0
    assert Path("here.csv").read_bytes() == Path("inline.csv").read_bytes()
    assert run("score", *words, f"s3://{BUCKET}/scores", *switches, "there") == 0
    keys = sorted(item["Key"] for item in aws.s3.list_objects_v2(Bucket=BUCKET, Prefix="scores/part-")["Contents"])
    found = [
        line.split(",", 2)
        for key in keys
        for line in aws.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode().splitlines()
        if not line.startswith("file,")
    ]
    found.sort(key=lambda row: int(row[1]))
    assert [int(row[1]) for row in found] == list(range(1, len(found) + 1))
    assert [row[2] for row in found] == Path("inline.csv").read_text().splitlines()[1:]
    for item in aws.s3.list_objects_v2(Bucket=BUCKET, Prefix="scores")["Contents"]:
        aws.s3.delete_object(Bucket=BUCKET, Key=item["Key"])


@pytest.mark.slow
def test_plain_text_agrees(aws, tmp_path, rows, lent):
    (tmp_path / "y.csv").write_text(rows)
    aws.s3.put_object(Bucket=BUCKET, Key="text/y.csv", Body=rows.encode())
    assert_plain_text_agrees(*on_emr(), "--cluster-id", lent, place=f"s3://{BUCKET}/text/y.csv")
    aws.s3.delete_object(Bucket=BUCKET, Key="text/y.csv")


def numbers(value):
    """All numbers of a JSON value, in its order."""
    if isinstance(value, (dict, list)):
        return [number for item in (value.values() if isinstance(value, dict) else value) for number in numbers(item)]
    return [value] if isinstance(value, float) else []


@pytest.mark.slow
def test_a_table_on_s3_gives_the_bits_of_the_same_table_here(aws, here, table, lent):
    aws.s3.upload_file(str(table), BUCKET, "in/d.csv")
    assert run("run_wols", *DATA, "--run-dir", "inline") == 0
    remote = (f"s3://{BUCKET}/in/d.csv", *DATA[1:], "--pack-here")
    assert run("run_wols", *on_emr(*remote), "--cluster-id", lent, *SAME_NUMPY, "--run-dir", "r") == 0
    assert [e["statistics_md5"] for e in read_passes("r")] == [e["statistics_md5"] for e in read_passes("inline")]


# -- tables that are packed on S3 ----------------------------------------------------------------------------------------

FIT = ("--target", "y", "--features", "x,shop", "--no-report")
N_FILES = 3


@pytest.fixture
def put(aws):
    """Puts a table of several files, with texts and dates, on S3; gives its URL and the lines of its files."""

    def put(name, n=2000, bad=(), key="part-{}.csv", **columns):
        rng = np.random.default_rng(5)
        texts = []
        for i in range(N_FILES):
            x, shops = rng.normal(size=n), rng.integers(0, 5, n)
            y = 1 + 2 * x + shops + rng.normal(size=n)
            extra = "".join(f",{value}" for value in columns.values())
            lines = ["y,x,shop,day" + "".join(f",{name}" for name in columns)]
            lines += [f"{a!r},{b!r},shop {s},2024-05-0{1 + i}{extra}" for a, b, s in zip(y.tolist(), x.tolist(), shops)]
            for row in bad:
                lines.insert(n // 2, row + extra)
            texts.append(lines)
            Path(name).mkdir(exist_ok=True)
            path = Path(name, key.format(i))
            path.write_text("\n".join(lines) + "\n")
            aws.s3.upload_file(str(path), BUCKET, f"in/{name}/{key.format(i)}")
        return f"s3://{BUCKET}/in/{name}/", texts

    return put


def jobs_of(aws, before):
    """The jobs of the steps that were not there before, by the names of their scripts."""
    return [step.name.partition(".")[0] for step in aws.steps if step.id not in before]


def on_bucket(aws, name, *arguments):
    """A run on EMR in a bucket of its own."""
    return (*arguments, *EMR, "--cloud-tmp-dir", aws.make_bucket(name))


@pytest.mark.slow
def test_a_table_on_s3_stays_there_and_gives_the_fit_of_one_packed_here(aws, put, capsys):
    url, _ = put("shops")
    before, steps = states(aws), step_ids(aws)
    there = on_bucket(aws, "there", url, *FIT)
    status, _, err = run("run_wols", *there, "--run-dir", "there", "-D", "mapreduce.job.maps=5", capsys=capsys)
    assert status == 0, err
    assert "6,000 rows x 3 columns packed from" in err and "through this machine" not in err
    jobs = jobs_of(aws, steps)
    assert jobs[:3] == ["mr_texts", "mr_pack", "mr_manifest"] and set(jobs[3:]) == {job for job in jobs if "wols" in job}
    (cluster,) = new_clusters(aws, before)
    assert ended(aws, cluster.id) and nothing_left(aws)
    assert not list(Path("cache").glob("scanlearn/packs/*/blocks.bin"))
    # Nothing but the pack and the code stays, and the lines travelled on S3 alone.
    (where,) = Path("cache").glob("scanlearn/packs/*/where.json")
    packed = json.loads(where.read_text())["url"]
    kept = [key for key in aws.keys("there") if "/logs/" not in f"/{key}"]
    assert {f"s3://there/{key}".rpartition("/")[0] for key in kept if "/packs/" in key} == {packed}
    assert {key.split("/")[1] for key in kept} == {"packs", "code"}
    assert len([key for key in kept if "/part-" in key]) > N_FILES
    # The next run finds it, has other splits, and the same bits.
    steps = step_ids(aws)
    status, _, err = run("run_wols", *there, "--run-dir", "again", "-D", "mapreduce.job.maps=1", capsys=capsys)
    assert status == 0 and "found packed" in err and jobs_of(aws, steps) == jobs[3:]
    md5s = [[entry["statistics_md5"] for entry in read_passes(name)] for name in ("there", "again")]
    assert md5s[0] == md5s[1]
    steps = step_ids(aws)
    status, _, err = run("run_wols", *there, "--pack-here", "--run-dir", "here", capsys=capsys)
    assert status == 0 and jobs_of(aws, steps) == jobs[3:], err
    assert numbers(read_model("there")["parameters"]) == pytest.approx(numbers(read_model("here")["parameters"]), rel=1e-11)
    assert read_model("there")["features"] == read_model("here")["features"]


@pytest.mark.slow
def test_a_cell_of_a_pack_on_s3_is_traced_to_its_line(aws, put, lent, capsys):
    """By the blocks, which are read back."""
    url, _ = put("weighted", n=700, w="1.5")
    light = Path("weighted/part-1.csv").read_text() + "1,2,shop 1,2024-05-01,-2\n"
    aws.s3.put_object(Bucket=BUCKET, Key="in/weighted/part-1.csv", Body=light.encode())
    fit = on_emr(url, "--target", "y", "--features", "x", "--weight", "w", "--no-report", "--cluster-id", lent)
    status, _, err = run("run_wols", *fit, "-D", "mapreduce.job.maps=5", "--run-dir", "r", capsys=capsys)
    assert status == 1 and f"{url}part-1.csv, line 702, column 'w': the weight -2" in err, err
    assert "packed from" in err and "through this machine" not in err


@pytest.mark.slow
def test_a_bad_row_on_s3_is_named_by_its_file_and_line(aws, put, lent, capsys):
    url, texts = put("bad", n=500, bad=["1,two,shop 1,2024-05-01", ""])
    fit = (*on_emr(url, *FIT), "--cluster-id", lent, "-D", "mapreduce.job.maps=5")
    status, _, err = run("run_wols", *fit, "--run-dir", "r", capsys=capsys)
    assert status == 1 and re.search(rf"{url}part-\d\.csv, line 252, column 'x': 'two' is not a number\n", err), err
    status, _, err = run("run_wols", *fit, "--run-dir", "ok", "--max-bad-rows", "3", capsys=capsys)
    assert status == 0, err
    with open("ok/rejects.csv", newline="") as file:
        told = [(reject["file"], int(reject["line"]), reject["value"]) for reject in csv.DictReader(file)]
    assert told == [(f"{url}part-{i}.csv", 252, texts[i][251]) for i in range(N_FILES)]
    assert read_passes("ok")[0]["rows_rejected"] == 3 and nothing_left(aws)
    assert len([key for key in aws.keys(BUCKET, "t/scanlearn/packs/") if key.endswith("_SUCCESS")]) >= 1


@pytest.mark.parametrize(
    ("key", "features", "reason"),
    [
        ("part-{}.csv", "x,day", "the column 'day' holds dates, exact integers or truth values"),
        ("part {}.csv", "x", "URLpart 0.csv has a name that Hadoop does not take as it stands"),
        ("part-{}.gz", "x", "URLpart-0.gz has the name of a compressed file"),
    ],
)
def test_what_cannot_be_packed_in_pieces_goes_through_this_machine(aws, put, capsys, key, features, reason):
    """And no cluster is there before it has."""
    url, _ = put(f"whole-{len(reason)}", n=50, key=key)
    before, steps = states(aws), step_ids(aws)
    fit = ("--target", "y", "--features", features, "--no-report", "--run-dir", "r")
    status, _, err = run("run_wols", *on_emr(url, *fit), capsys=capsys)
    told = f"packed through this machine, since {reason.replace('URL', url)}\n"
    assert status == 0 and err.index(told) < err.index("150 rows") < err.index("asking AWS for a cluster"), err
    assert all("wols" in job for job in jobs_of(aws, steps)) and len(new_clusters(aws, before)) == 1
    assert nothing_left(aws)


@pytest.mark.slow
def test_many_files_are_told_to_a_step_by_their_folder(aws, lent, capsys):
    """Their names are more than AWS takes for a step."""
    deep = "/".join(["d" * 200] * 4)
    for i in range(12):
        rows = "".join(f"{3 * j + i % 2},{j}\n" for j in range(i, i + 30))
        aws.s3.put_object(Bucket=BUCKET, Key=f"in/many/day={i:02}/{deep}/part.csv", Body=f"y,x\n{rows}".encode())
    fit = on_emr(f"s3://{BUCKET}/in/many/", "--target", "y", "--no-report", "--cluster-id", lent)
    steps = step_ids(aws)
    status, _, err = run("run_wols", *fit, "--run-dir", "there", capsys=capsys)
    assert status == 0 and "360 rows x 2 columns packed from" in err and "through this machine" not in err, err
    assert jobs_of(aws, steps)[:2] == ["mr_pack", "mr_manifest"]
    # What is no part of the table lies there too.
    aws.s3.put_object(Bucket=BUCKET, Key="in/many/notes.txt", Body=b"none")
    pattern = f"s3://{BUCKET}/in/many/*/{deep}/*.csv"
    other = ("--cache-dir", "other", "--run-dir", "here")
    status, _, err = run("run_wols", pattern, *fit[1:], *other, capsys=capsys)
    assert status == 0, err
    assert "since a job cannot be told the names of 12 files that are not all below one folder" in err
    assert numbers(read_model("there")["parameters"]) == pytest.approx(numbers(read_model("here")["parameters"]), rel=1e-11)


@pytest.mark.slow
def test_no_cluster_waits_while_a_table_goes_through_this_machine_after_all(aws, put, capsys):
    """Whole numbers that are to be kept exactly show in the last rows alone."""
    url, _ = put("exact", n=300, id="17")
    large = Path("exact/part-2.csv").read_text() + "1,2,shop 1,2024-05-01,9007199254740993\n"
    aws.s3.put_object(Bucket=BUCKET, Key="in/exact/part-2.csv", Body=large.encode())
    before, steps = states(aws), step_ids(aws)
    fit = on_bucket(aws, "exact-bucket", url, "--target", "y", "--features", "x,id", "--no-report", "--run-dir", "r")
    status, _, err = run("run_wols", *fit, capsys=capsys)
    assert status == 0, err
    told = [err.index(words) for words in ("is being ended", "through this machine, since the column 'id'", "901 rows")]
    assert told == sorted(told)
    made = new_clusters(aws, before)
    assert len(made) == 2 and all(ended(aws, cluster.id) for cluster in made)
    assert jobs_of(aws, steps)[:2] == ["mr_pack", "mr_manifest"] and nothing_left(aws)
    assert [key.rpartition("/")[2] for key in aws.keys("exact-bucket", "scanlearn/packs/")] == ["blocks.txt"]


@pytest.mark.slow
def test_a_run_that_is_killed_while_packing_leaves_a_pack_that_the_next_run_removes(aws, put, capsys):
    url, _ = put("killed", n=300)
    fit = on_bucket(aws, "killed-bucket", url, "--target", "y", "--features", "x", "--no-report")
    before, steps = states(aws), step_ids(aws)
    process = begin(aws, *fit, "--setup", "sleep 2", "--run-dir", "r")
    step = running_step(aws, steps)
    process.kill()
    process.communicate()
    wait_until(lambda: state_of(aws, step.id) == "COMPLETED")
    (cluster,) = new_clusters(aws, before)
    (left,) = {key.rpartition("/")[0] for key in aws.keys("killed-bucket", "scanlearn/packs/")}
    status, _, err = run("run_wols", *fit, "--run-dir", "again", capsys=capsys)
    assert status == 0, err
    told = [f"removed what a killed run left: {what}\n" for what in (cluster.id, f"s3://killed-bucket/{left}/")]
    assert err.index(told[0]) < err.index(told[1])  # the cluster first, which may write
    (pack,) = {key.rpartition("/")[0] for key in aws.keys("killed-bucket", "scanlearn/packs/")}
    assert pack != left and ended(aws, cluster.id) and aws.keys("killed-bucket", "scanlearn/tmp/") == []
    assert nothing_left(aws)


@pytest.mark.slow
def test_packing_that_fails_leaves_nothing(aws, put, capsys):
    url, _ = put("failing", n=300)
    before = states(aws)
    fit = on_bucket(aws, "failing-bucket", url, "--target", "y", "--features", "x", "--no-report", "--run-dir", "r")
    status, _, err = run("run_wols", *fit, *BROKEN, capsys=capsys)
    assert status == 1 and TOLD in err
    (cluster,) = new_clusters(aws, before)
    assert ended(aws, cluster.id) and nothing_left(aws)
    assert {key.split("/")[1] for key in aws.keys("failing-bucket", "scanlearn/")} == {"code"}


# -- steps that fail -----------------------------------------------------------------------------------------------------

# Breaks in the tasks alone, where the setup script runs.
BROKEN = ("--setup", """echo 'raise ZeroDivisionError("in a task")' > numpy.py""")
TOLD = "the job failed on the runner emr: ZeroDivisionError: in a task"


def test_a_failing_step_shows_the_error_of_its_task_and_ends_the_cluster(aws, here, capsys):
    before = states(aws)
    status, out, err = run("run_wols", *on_emr(*DATA), *BROKEN, "--run-dir", "r", capsys=capsys)
    (cluster,) = new_clusters(aws, before)
    assert status == 1 and TOLD in err and f"the whole story is in {os.path.abspath('r/run.log')}" in err
    assert ended(aws, cluster.id) and nothing_left(aws)
    log = Path("r/run.log").read_text()
    assert f"t/logs/{cluster.id}/containers/application_" in log and 'numpy.py", line 1' in log
    assert "Task Id : attempt_" in log


@pytest.mark.slow
def test_the_logs_of_a_cluster_that_lives_are_waited_for(aws, here, lent, capsys):
    started = time.monotonic()
    status, _, err = run("run_wols", *on_emr(*DATA), *BROKEN, "--cluster-id", lent, "--run-dir", "r", capsys=capsys)
    assert status == 1 and TOLD in err
    assert time.monotonic() - started < 20
    assert states(aws)[lent] == "WAITING" and nothing_left(aws)


@pytest.mark.slow
def test_without_logs_the_message_says_how_to_have_them(aws, here, capsys):
    without = create(ClusterRequest(REGION))
    status, _, err = run("run_wols", *on_emr(*DATA), *BROKEN, "--cluster-id", without, "--run-dir", "r", capsys=capsys)
    assert status == 1 and "create --log-uri" in err and "the step s-" in err
    our_aws.client("emr", REGION).terminate_job_flows(JobFlowIds=[without])
    assert nothing_left(aws)


@pytest.mark.slow
def test_nodes_without_numpy(aws, here, lent, tmp_path, monkeypatch, capsys):
    """On a cluster that is made, its start fails; on one that is lent, the step."""
    bare = tmp_path / "bare"
    subprocess.run([aws.node_python, "-m", "venv", "--without-pip", bare], check=True)
    bare_python = ("--python-bin", f"{bare}/bin/python3")
    status, _, err = run("run_wols", *on_emr(*DATA), *bare_python, "--cluster-id", lent, "--run-dir", "a", capsys=capsys)
    assert status == 1 and "No module named 'numpy'" in err and "the Python of the nodes has no numpy" in err
    before = states(aws)
    monkeypatch.setattr(aws._executor, "python", bare / "bin/python3")
    status, _, err = run("run_wols", *on_emr(*DATA), "--run-dir", "b", capsys=capsys)
    (cluster,) = new_clusters(aws, before)
    assert status == 1 and f"the cluster {cluster.id} did not start: On the master instance" in err
    assert f"nodes without a way to the internet cannot install numpy; its logs come to {TMP}logs/{cluster.id}/" in err
    assert ended(aws, cluster.id) and nothing_left(aws)


# -- runs that are ended -------------------------------------------------------------------------------------------------

# Long enough for a signal to come in the middle of a step.
SLOW_TASKS = ("--setup", "sleep 60")


def running_step(aws, before, number=1):
    """Waits until a task of a step runs that was not there before, the first or another."""

    def new():
        return [step for step in aws.steps if step.id not in before]

    wait_until(lambda: len(new()) >= number and new()[-1].attempts)
    return new()[-1]


def step_ids(aws):
    return {step.id for step in aws.steps}


def state_of(aws, step_id):
    return next(step.state for step in aws.steps if step.id == step_id)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_cluster(aws, here, number):
    before, steps = states(aws), step_ids(aws)
    process = begin(aws, *on_emr(*DATA), *SLOW_TASKS, "--run-dir", "r")
    step = running_step(aws, steps)
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=60)
    check_secrets(out, err)
    assert process.returncode == 128 + number and "Traceback" not in err
    assert f"the cluster {step.cluster_id} is being ended, after" in err and "--resume r\n" in err
    (cluster,) = new_clusters(aws, before)
    assert ended(aws, cluster.id) and nothing_left(aws)
    assert state_of(aws, step.id) == "CANCELLED"


@pytest.mark.slow
def test_an_interrupt_while_the_cluster_starts_ends_it(aws, here):
    before = states(aws)
    process = begin(aws, *on_emr(*DATA), "--run-dir", "r")
    wait_until(lambda: new_clusters(aws, before))
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err.count("is being ended") == 1
    (cluster,) = new_clusters(aws, before)
    assert ended(aws, cluster.id) and nothing_left(aws)


@pytest.mark.slow
def test_an_interrupt_cancels_the_step_on_a_cluster_that_is_lent(aws, here, lent):
    before, steps = states(aws), step_ids(aws)
    process = begin(aws, *on_emr(*DATA), *SLOW_TASKS, "--cluster-id", lent, "--run-dir", "r")
    step = running_step(aws, steps)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and f"pass 1: cancelling {step.id}; {lent} goes on" in err
    wait_until(lambda: state_of(aws, step.id) == "CANCELLED")
    assert new_clusters(aws, before) == [] and nothing_left(aws)
    wait_until(lambda: states(aws)[lent] == "WAITING")


@pytest.mark.slow
def test_an_error_of_the_driver_ends_the_cluster(aws, here, capsys):
    before = states(aws)
    diverging = (*DATA, "--solver", "gd", "--start", "0.6,0.2", "--learning-rate", "1e200", "--max-iter", "5")
    status, _, err = run("run_wols", *on_emr(*diverging), "--run-dir", "r", capsys=capsys)
    (cluster,) = new_clusters(aws, before)
    assert status == 1 and "diverge" in err
    assert ended(aws, cluster.id) and nothing_left(aws)


@pytest.mark.slow
def test_a_cluster_that_is_ended_from_outside(aws, here, capsys):
    steps = step_ids(aws)
    process = begin(aws, *on_emr(*DATA), *SLOW_TASKS, "--run-dir", "r")
    step = running_step(aws, steps)
    aws.emr.terminate_job_flows(JobFlowIds=[step.cluster_id])
    _, err = process.communicate(timeout=60)
    told = f"the cluster {step.cluster_id} has ended in the middle of a step: Terminated by user request"
    assert process.returncode == 1 and told in err and "Traceback" not in err
    assert nothing_left(aws)
    status, _, err = run(
        "run_wols", *on_emr(*DATA), "--cluster-id", step.cluster_id, "--run-dir", "again", capsys=capsys
    )  # fmt: skip
    assert status == 1 and f"the cluster {step.cluster_id} has ended: Terminated by user request" in err


@pytest.mark.slow
def test_a_step_that_somebody_cancels(aws, here, lent):
    steps = step_ids(aws)
    process = begin(aws, *on_emr(*DATA), *SLOW_TASKS, "--cluster-id", lent, "--run-dir", "r")
    step = running_step(aws, steps)
    aws.emr.cancel_steps(ClusterId=lent, StepIds=[step.id])
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and f"the step {step.id} on {lent} was cancelled by somebody else" in err
    assert nothing_left(aws)


# -- what a killed driver leaves -----------------------------------------------------------------------------------------


def kill_in_second_pass(aws, *arguments):
    """Kills a driver when its second step runs; the id of its cluster."""
    steps = step_ids(aws)
    process = begin(aws, *on_emr(*arguments), "--setup", "sleep 1", "--run-dir", "r")
    step = running_step(aws, steps, 2)
    process.kill()
    process.communicate()
    assert aws.keys(BUCKET, "t/scanlearn/tmp/") and list(Path("cache/scanlearn/leftovers").iterdir())
    return step.cluster_id


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_same_bits_and_its_cluster_is_ended(aws, here, capsys):
    assert run("run_wols", *DESCENT, "--run-dir", "inline") == MAX_ITER
    killed = kill_in_second_pass(aws, *DESCENT, *SAME_NUMPY)
    assert states(aws)[killed] in ("RUNNING", "WAITING")
    status, _, err = run("run_wols", "--resume", "r", "-r", "emr", "--setup", "true", capsys=capsys)
    assert status == MAX_ITER, err
    assert f"removed what a killed run left: {killed}" in err and f"killed run left: {TMP}scanlearn/tmp/r-" in err
    assert ended(aws, killed) and nothing_left(aws)
    md5s = [[entry["statistics_md5"] for entry in read_passes(name)] for name in ("r", "inline")]
    assert md5s[0] == md5s[1] and len(md5s[0]) == 3
    assert read_model("r")["parameters"] == read_model("inline")["parameters"]
    wait_until(lambda: not any(cluster.is_live and cluster.name != "scanlearn" for cluster in aws.clusters()))


@pytest.mark.slow
def test_the_step_of_a_killed_run_is_cancelled_where_its_cluster_is_lent(aws, here, lent):
    steps = step_ids(aws)
    process = begin(aws, *on_emr(*DATA), *SLOW_TASKS, "--cluster-id", lent, "--run-dir", "r")
    step = running_step(aws, steps)
    process.kill()
    process.communicate()
    said = []
    assert sweep("cache/scanlearn/leftovers", "emr", said.append).n_kept == 0
    assert said[0] == f"removed what a killed run left: {step.id} on {lent}"
    assert sum(f"{TMP}scanlearn/tmp/r-" in line for line in said) == 1
    assert state_of(aws, step.id) == "CANCELLED" and nothing_left(aws)
    wait_until(lambda: states(aws)[lent] == "WAITING")


def test_only_what_a_run_made_is_removed(aws, lent):
    """A file of leftovers is but a file: what it names must be a run's."""
    aws.s3.put_object(Bucket=BUCKET, Key="t/scanlearn/packs/p/blocks.txt", Body=b"x")
    aws.s3.put_object(Bucket=BUCKET, Key=f"t/scanlearn/packs/{'0' * 24}-12-{'1' * 8}/blocks.txt", Body=b"x")
    left = Leftovers("left")
    left.add("s3", region=REGION, uri=f"{TMP}scanlearn/packs/")
    left.add("s3", region=REGION, uri=f"{TMP}scanlearn/packs/p/")
    left.add("s3", region=REGION, uri=f"{TMP}scanlearn/packs/{'0' * 24}-12-{'1' * 8}/")
    left.add("s3", region=REGION, uri=f"{TMP}packs/{'0' * 24}-{'1' * 8}/")
    left.add("s3", region=REGION, uri=f"{TMP}scanlearn/tmp/")
    left.add("cluster", region=REGION, name="scanlearn")
    left.add("step", region=REGION, cluster_id=lent, name="")
    assert left._file is not None
    left._file.close()
    said = []
    assert sweep("left", "emr", said.append).n_removed == 0
    assert [line.count("left alone: ") * line.count("is no ") for line in said] == [1] * 7
    assert len(aws.keys(BUCKET, "t/scanlearn/packs/p/") + aws.keys(BUCKET, f"t/scanlearn/packs/{'0' * 24}-12-")) == 2
    assert states(aws)[lent] == "WAITING"


# -- files on S3 ---------------------------------------------------------------------------------------------------------


def pieces(n, break_after=None):
    for i in range(n):
        if i == break_after:
            raise ScanError("the disk broke")
        yield bytes([i]) * (1 << 20)


def test_an_upload_in_parts_is_whole_or_not_there(aws):
    left = Leftovers("left")
    files = S3Files(REGION, left)
    uri = f"s3://{BUCKET}/files/long"
    noted = []
    files.put(pieces(20), uri, 20 << 20, lambda n: noted.append(len(os.listdir("left")) if os.path.isdir("left") else 0))
    assert files.read(uri) == b"".join(pieces(20)) and len(noted) == 20
    assert aws.s3.head_object(Bucket=BUCKET, Key="files/long")["ETag"].endswith('-3"')
    with pytest.raises(ScanError, match="the disk broke"):
        files.put(pieces(20, break_after=17), f"{uri}-broken", 20 << 20)
    files.close()
    assert "Uploads" not in aws.s3.list_multipart_uploads(Bucket=BUCKET)
    assert not files.present(f"{uri}-broken") and files.present(uri) and not files.present(uri[:-1])
    assert left._entries == {}
    left.close()


def test_an_upload_that_is_interrupted_ends_at_once(aws):
    def interrupted():
        for i in range(2000):
            if i in (20, 1020):  # twice: an interrupt is lost if Python is just in a callback of its garbage collector
                os.kill(os.getpid(), signal.SIGINT)
            if i >= 20:
                time.sleep(0.001)
            yield bytes(1 << 20 if i < 20 else 1)
        raise OSError("the interrupts were lost")

    left = Leftovers("left")
    files = S3Files(REGION, left)
    with pytest.raises(KeyboardInterrupt):
        files.put(interrupted(), f"s3://{BUCKET}/files/endless")
    files.close()
    assert "Uploads" not in aws.s3.list_multipart_uploads(Bucket=BUCKET) and left._entries == {}
    left.close()


def test_an_upload_of_a_killed_run_is_given_up(aws):
    begun = aws.s3.create_multipart_upload(Bucket=BUCKET, Key="files/half")["UploadId"]
    left = Leftovers("left")
    for _ in range(2):
        left.add("upload", region=REGION, uri=f"s3://{BUCKET}/files/half", upload=begun)
    assert left._file is not None
    left._file.close()
    said = []
    assert sweep("left", "emr", said.append).n_kept == 0
    assert said == [f"removed what a killed run left: a part of s3://{BUCKET}/files/half"]
    assert "Uploads" not in aws.s3.list_multipart_uploads(Bucket=BUCKET)


def test_a_folder_of_many_files_is_removed_and_no_other(aws, monkeypatch):
    files = S3Files(REGION)
    monkeypatch.setattr(s3_files, "KEYS_A_REQUEST", 10)
    for i in range(25):
        aws.s3.put_object(Bucket=BUCKET, Key=f"many/{i}")
    aws.s3.put_object(Bucket=BUCKET, Key="many-more")
    assert files.remove(f"s3://{BUCKET}/many/") == 25
    assert aws.keys(BUCKET, "many") == ["many-more"]
    assert files.remove("s3://gone/many/") == 0


# -- what cannot be ------------------------------------------------------------------------------------------------------

REFUSED = {
    "no folder on S3": (["-r", "emr"], 2, "give --cloud-tmp-dir s3://BUCKET/tmp/, or set cloud_tmp_dir in mrjob.conf"),
    "a folder that is none": (["--cloud-tmp-dir", "/tmp"], 2, "--cloud-tmp-dir: /tmp is no place on S3"),
    "a folder of an odd name": (["--cloud-tmp-dir", "s3://table/a b/"], 2, "needs a name of letters, digits and ._=@+-"),
    "no such bucket": (
        ["--cloud-tmp-dir", "s3://nowhere/"], 1,
        "s3://nowhere/scanlearn/code/HASH/jobs.zip could not be looked up: there is no such bucket; `aws s3 mb s3://BUCKET",
    ),
    "no such region": (["--region", "mars 1"], 1, "AWS cannot be used as it is configured here: "),
    "another region": (
        ["--region", "eu-west-1", "--cluster-id", "LENT"], 1,
        "LENT could not be looked up: there is no such cluster in eu-west-1",
    ),
    "no such cluster": (["--cluster-id", "j-NONE"], 1, "there is no such cluster in us-east-1"),
    "an old release": (["--release-label", "emr-6.15.0"], 1, "the release emr-6.15.0 does not do: the nodes need"),
    "no number of nodes": (["--num-core-instances", "-1"], 1, "a cluster has 0 core nodes or more, not -1"),
    "a pool": (["--pool-clusters"], 2, "pool_clusters is not used here"),
    "an endpoint": (["--s3-endpoint", "example.org"], 2, "set AWS_ENDPOINT_URL_S3"),
    "more than is asked": (["--bootstrap", "true"], 2, "bootstrap is more than a driver asks of a cluster; make one by"),
    "bid prices": (["--core-instance-bid-price", "0.1"], 2, "core_instance_bid_price is more than a driver asks"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_one_sentence(aws, tmp_path, lent, capsys, name):
    switches, expected, sentence = REFUSED[name]
    before = states(aws)
    (tmp_path / "s.csv").write_text("y,x\n1,2\n2,3\n4,4\n5,6\n")
    words = ["s.csv", "--target", "y", "--no-report", *(EMR if name == "no folder on S3" else on_emr())]
    status, out, err = run("run_wols", *words, *[word.replace("LENT", lent) for word in switches], capsys=capsys)
    assert status == expected and out == ""
    last = re.sub(r"code/[0-9a-f]+/", "code/HASH/", err.splitlines()[-1])
    assert ": error: " in last and sentence.replace("LENT", lent) in last
    assert new_clusters(aws, before) == [] and nothing_left(aws)


def test_of_a_cluster_that_is_lent_no_request_is_checked(monkeypatch):
    words = ["--cloud-tmp-dir=s3://b/t", "--region=us-west-1", "--release-label=emr-6.15.0"]
    with pytest.raises(ScanError, match="the release emr-6.15.0 does not do"):
        EMR_RUNNER.check(Switches("emr", words))
    EMR_RUNNER.check(Switches("emr", [*words, "--cluster-id=j-1"]))


def test_the_last_of_several_switches_is_meant(tmp_path):
    """A resumed run has those of its beginning, too."""
    (tmp_path / "e.conf").write_text("runners: {emr: {cluster_id: j-3, tags: {team: a}}}")
    conf = ["-c", "e.conf"]
    for switches, expected in (["j-1", "j-2"], "j-2"), (["j-1", ""], ""), ([], "j-3"):
        user = Switches("emr", [*conf, *(f"--cluster-id={name}" for name in switches)])
        assert user.option("cluster_id") == expected
    user = Switches(
        "emr", [*conf, "--tag=for=tests", "--no-pool-clusters", "--max-mins-idle=30", "--instance-type=c7i.large"]
    )
    assert not user.option("pool_clusters")
    request = request_for(user, REGION, "name")
    assert request.tags == {"team": "a", "for": "tests"} and request.idle_seconds == 1800
    assert (request.core_type, request.n_core) == ("c7i.large", 2)


def test_keys_in_mrjob_conf_are_not_used_and_not_shown(aws, tmp_path, capsys):
    (tmp_path / "s.csv").write_text("y,x\n1,2\n2,3\n4,4\n5,6\n")
    conf = {"runners": {"emr": {"aws_secret_access_key": SECRET, "cloud_tmp_dir": TMP}}}
    Path(tmp_path.parent / "keys.conf").write_text(json.dumps(conf))
    words = ["s.csv", "--target", "y", "--no-report", "-r", "emr", "-c", tmp_path.parent / "keys.conf"]
    status, _, err = run("run_wols", *words, capsys=capsys)
    assert status == 2 and "put the key into ~/.aws/credentials" in err


@contextlib.contextmanager
def denied(aws, bucket, action):
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }
    aws.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    yield
    aws.s3.delete_bucket_policy(Bucket=bucket)


def test_a_bucket_that_may_not_be_written(aws, here, capsys):
    before = states(aws)
    aws.make_bucket("closed")
    with denied(aws, "closed", "s3:PutObject"):
        status, _, err = run("run_wols", *DATA, *EMR, "--cloud-tmp-dir", "s3://closed", "--run-dir", "r", capsys=capsys)
    assert status == 1 and "jobs.zip could not be written: these credentials may not do that; docs/emr.md" in err
    assert new_clusters(aws, before) == []


def test_a_cluster_that_may_not_be_made(aws, here, capsys, monkeypatch):
    message = "User: arn:aws:iam::1:user/me is not authorized to perform: elasticmapreduce:RunJobFlow on resource: *"
    answer = json.dumps({"__type": "AccessDeniedException", "message": message})
    monkeypatch.setattr(ElasticMapReduceResponse, "run_job_flow", lambda response: (400, {"status": 400}, answer))
    status, _, err = run("run_wols", *on_emr(*DATA), "--run-dir", "r", capsys=capsys)
    assert status == 1 and nothing_left(aws)
    assert "the cluster could not be created: these credentials lack the permission elasticmapreduce:RunJobFlow" in err


@pytest.mark.slow
def test_what_cannot_be_removed_is_told_and_left_to_the_next_run(aws, here, lent, capsys):
    bucket = aws.make_bucket("sticky").removeprefix("s3://")
    switches = (*EMR, "--cluster-id", lent, "--cloud-tmp-dir", f"s3://{bucket}")
    with denied(aws, bucket, "s3:DeleteObject"):
        status, out, err = run("run_wols", *DATA, *switches, "--run-dir", "r", capsys=capsys)
    assert aws.keys(bucket, "scanlearn/tmp/")
    assert "not removed: " in err and "the next run, or drivers/clean.py, tries again" in err
    assert run("run_wols", *DATA, *switches, "--run-dir", "again") == 0
    assert aws.keys(bucket, "scanlearn/tmp/") == [] and nothing_left(aws)

"""The drivers on Spark: on this machine, on a master with two workers, and on YARN. The bits are those of inline, a failure
is one message, and nothing is left."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
import re
import signal
import stat
import subprocess
import sys
import uuid
from pathlib import Path

import numpy as np
import pytest

from data_gen.gen_regression import generate
from drivers.app import UsageError
from drivers.run_directory import RunDirectory
from drivers.runners.leftovers import Leftovers, sweep
from drivers.runners.runner import Setting
from drivers.runners.shipping import build_zip
from drivers.runners.spark import installation as spark_installation
from drivers.runners.spark.application import Application
from drivers.runners.spark.harness import MARK
from drivers.runners.spark.master import cores_of
from drivers.runners.spark.mrjob_runner import SparkRunner
from drivers.runners.spark.runner import Spark
from drivers.runners.switches import Switches
from drivers.terminal.progress import Meter, Progress
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels.wols import WOLSQuery
from jobs.mr_scan import PassAnswer
from jobs.mr_wols import MRWOLS
from tests.conftest import Driver, read_passes
from tests.registry import make_blocks, run_job, write_blocks, write_query
from tests.runs import RUNS_OF_CLUSTERS, assert_plain_text_agrees, assert_the_bits_of_inline, md5s_of, write_rows
from tests.spark_cluster import SparkCluster
from tests.terminal import wait_for
from tests.test_progress import Recorder

pytestmark = pytest.mark.slow

# Of the Java machines that run tasks: these live for seconds.
QUICK = ("-D", "spark.executor.defaultJavaOptions=-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
MAPS = ("-D", "mapreduce.job.maps=4")
DATA = ("d.csv", "--columns", "y,x,w", "--target", "y", "--weight", "w", "--no-report", "--run-dir", "r", "-r", "spark")
EXACT = (*DATA, "--no-diagnostics")
DESCENT = (*DATA, "--solver", "gd", "--start", "0.636,0.2105", "--learning-rate", "0.3", "--tol", "1e-300")


@pytest.fixture(autouse=True)
def spark():
    """What `make test-all` installs."""
    pytest.importorskip("pyspark")


@pytest.fixture(autouse=True)
def without_hadoop(request, monkeypatch):
    """Only tests of Hadoop know where it is."""
    if "hadoop" not in request.keywords:
        for name in ("HADOOP_HOME", "HADOOP_PREFIX", "HADOOP_INSTALL", "HADOOP_CONF_DIR", "YARN_CONF_DIR"):
            monkeypatch.delenv(name, raising=False)


@pytest.fixture
def table(tmp_path):
    generate(tmp_path / "d.csv", rows=100_000)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with SparkCluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


def run_like_inline(name: str, *switches: str, tasks: int, run_dir: str = "r") -> list[dict]:
    """Makes a run inline and on Spark, which has the same bits and leaves nothing; gives the ledger of the latter."""
    write_rows()
    assert_the_bits_of_inline(name, md5s_of(name, "inline"), run_dir, "-r", "spark", *switches, tasks=(tasks, tasks))
    assert not os.path.exists(f"{run_dir}/tmp") and not list(Path("cache").glob("scanlearn/leftovers/*"))
    # Spark starts once, not for each pass.
    assert Path(run_dir, "run.log").read_text().count("Running Spark version") == 1
    return read_passes(run_dir)


# -- the bits of inline --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RUNS_OF_CLUSTERS)
def test_every_job_has_the_bits_of_inline_by_three_tasks(name, capsys):
    run_like_inline(name, "-D", "mapreduce.job.maps=3", tasks=3)


@pytest.mark.parametrize("name", ["a sample", "gradient descent"])
def test_and_by_one(name):
    run_like_inline(name, "--spark-master", "local[1]", tasks=1)


def test_plain_text_agrees():
    write_rows()
    assert_plain_text_agrees("-r", "spark", "-D", "mapreduce.job.maps=3")


def test_two_workers_of_a_master_have_the_bits_of_inline(cluster):
    name = "folds by where rows stand, and a penalty"
    run_like_inline(name, "--spark-master", cluster.master, *QUICK, *MAPS, tasks=4)
    wait_for(lambda: not cluster.executors(), seconds=10)
    assert cluster.executors() == []


def test_workers_use_the_folder_that_is_given(cluster, tmp_path):
    shared = tmp_path / "shared"
    options = ("--spark-master", cluster.master, *QUICK, *MAPS, "--spark-tmp-dir", str(shared))
    (entry,) = run_like_inline("gradient descent", *options, tasks=4)
    assert entry["command"].split()[-1].startswith(f"{shared}/scanlearn-")
    assert list(shared.iterdir()) == []


@pytest.mark.hadoop
@pytest.mark.parametrize("master", ["yarn", "its own"])
def test_lines_on_hdfs_have_the_bits_of_inline(master, request):
    master = master if master == "yarn" else request.getfixturevalue("cluster").master
    run_dir = uuid.uuid4().hex
    passes = run_like_inline("gradient descent", "--spark-master", master, *QUICK, tasks=2, run_dir=run_dir)
    (lines,) = {entry["command"].split()[-1] for entry in passes}
    home = re.fullmatch(r"(hdfs:///tmp/scanlearn-\w+)/packs/\S+/blocks.txt", lines)[1]
    assert run_dir not in hadoop_fs("-ls", f"{home}/tmp")


def hadoop_fs(*arguments: str) -> str:
    command = [os.path.join(os.environ["HADOOP_HOME"], "bin", "hadoop"), "fs", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_lines_that_carry_blocks_arrive_whole(tmp_path):
    rng = np.random.default_rng(0)
    columns = {"x": rng.normal(size=130_000), "y": rng.normal(size=130_000)}
    lines = write_blocks(tmp_path / "blocks.txt", make_blocks(columns, 65_000))
    text = lines.read_bytes()
    assert max(map(len, text.splitlines())) > 1_300_000 and text.isascii() and b"\r" not in text
    query = write_query(tmp_path / "query", WOLSQuery(np.zeros(1), 0.0), Design(["x"], "y"))
    build_zip(str(tmp_path / "jobs.zip"))
    ours = ("--no-conf", f"--py-files={tmp_path}/jobs.zip", f"--local-tmp-dir={tmp_path}", "--no-bootstrap-mrjob")
    asked = ("--spark-master=local[2]", "-D", "mapreduce.job.reduces=1")
    job = MRWOLS(args=["-r", "spark", *ours, *asked, f"--query={query}", str(lines)])
    job._runner_class = lambda: SparkRunner
    with job.make_runner() as running:
        running.application = Application(str(tmp_path))
        running.submit, running.environment = spark_installation.find_spark_submit(), {}
        running.run()
        running.application.end()
        (line,) = b"".join(running.cat_output()).splitlines()
    answer = PassAnswer.from_line(line)
    assert answer.statistics.md5() == run_job(MRWOLS, query, lines).statistics.md5()
    assert (answer.counts.used, answer.n_blocks) == (130_000, 2)


# -- our business, not the user's ----------------------------------------------------------------------------------------


def test_the_kernels_that_are_chosen_here_compute_there(table, run_wols, monkeypatch):
    """In a folder with an odd name, by a user who has a cluster and a notebook, and files named as modules are."""
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Nehalem")
    monkeypatch.setenv("PYSPARK_DRIVER_PYTHON", "jupyter")
    Path("conf").mkdir()
    Path("conf/core-site.xml").write_text(
        "<configuration><property><name>fs.defaultFS</name><value>hdfs://127.0.0.1:1</value></property></configuration>"
    )
    monkeypatch.setenv("HADOOP_CONF_DIR", str(Path("conf").absolute()))
    for name in ("numpy.py", "json.py"):
        Path(name).write_text("raise SystemExit('the folder of the user')\n")
    odd = "the rüns, {a}"
    before = set(os.listdir("/tmp"))
    done = run_wols(*EXACT, "--run-dir", f"{odd}/r")
    assert done.returncode == 0, done.stderr
    assert all(re.match(r"100,000 rows|pass 1: |model ", line) for line in done.stderr.splitlines()), done.stderr
    assert "Changing view acls" not in Path(odd, "r", "run.log").read_text()
    (entry,) = read_passes(f"{odd}/r")
    assert {environment["blas"].split()[-1] for environment, _ in entry["environments"]} == {"Nehalem"}
    assert entry["environments"][0][0]["python"] == sys.version.split()[0]
    assert not {name for name in set(os.listdir("/tmp")) - before if re.match("scanlearn-|spark-|blockmgr-|hsperf", name)}


def ready(*words: str, **conf: object) -> Spark:
    """The runner, ready for jobs that are not run."""
    name = uuid.uuid4().hex
    Path(f"{name}.conf").write_text(json.dumps({"runners": {"spark": conf}}))
    user = Switches("spark", [f"--conf-path={name}.conf", *words])
    Spark.check(user)
    directory = RunDirectory.create(name, "wols")
    return Spark(Setting(user, directory, Leftovers(f"{name}.left"), Progress(quiet=True)))


def settings_of(runner: Spark) -> dict[str, str]:
    job = MRWOLS(args=["-r", "spark", *runner.job_arguments])
    job._runner_class = lambda: SparkRunner
    with job.make_runner() as running:
        return {**running._opts["jobconf"], **running._opts["cmdenv"]}


def test_our_settings_give_way_to_those_of_the_site_of_mrjob_conf_and_of_switches(monkeypatch):
    ours = settings_of(ready())
    assert ours["spark.ui.enabled"] == "false" and ours["spark.driver.host"] == "127.0.0.1"
    assert ours["OPENBLAS_NUM_THREADS"] == "1"
    Path("site").mkdir()
    Path("site/spark-defaults.conf").write_text("# of this site\nspark.ui.enabled  true\nspark.local.dir=/fast\n")
    monkeypatch.setenv("SPARK_CONF_DIR", "site")
    conf = {"jobconf": {"spark.log.level": "INFO"}, "cmdenv": {"OPENBLAS_NUM_THREADS": "2"}}
    theirs = settings_of(ready("-D", "spark.driver.host=localhost", "--cmdenv=PYTHONSAFEPATH=", **conf))
    assert not {"spark.ui.enabled", "spark.local.dir"} & theirs.keys()
    assert theirs["spark.log.level"] == "INFO" and theirs["spark.driver.host"] == "localhost"
    assert theirs["OPENBLAS_NUM_THREADS"] == "2" and theirs["PYTHONSAFEPATH"] == ""
    assert set(ours) - set(theirs) == {"spark.ui.enabled", "spark.local.dir"}


def test_temporary_folders_are_for_this_user_alone():
    runner = ready()
    for path in (runner.tmp, ready(f"--spark-tmp-dir={runner.tmp}/own").tmp):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o700


# -- failures are one message --------------------------------------------------------------------------------------------


def failure(run: Driver, *arguments: object, status: int = 1) -> str:
    """What a run that fails says."""
    done = run(*arguments)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    assert not os.path.exists("r/tmp") and not list(Path("cache").glob("scanlearn/leftovers/*"))
    return done.stderr.partition("error: ")[2]


def test_a_damaged_block_is_told_as_inline(table, run_wols):
    assert run_wols(*EXACT, "-r", "inline").returncode == 0
    (blocks,) = Path("cache").glob("scanlearn/packs/*/blocks.bin")
    os.truncate(blocks, 1000)
    told = failure(run_wols, *EXACT, "--run-dir", "r2")
    assert re.fullmatch(r"a reference to bytes \d+-\d+ of \S+/blocks.bin, which has 1000, in the block line '.*'\n", told)


def test_a_python_without_numpy_is_told(table, run_wols, tmp_path):
    bare = program(tmp_path / "bare", f'exec {sys.executable} -S "$@"')
    told = failure(run_wols, *EXACT, "--python-bin", bare).splitlines()
    assert told == [
        "the job failed on the runner spark: ModuleNotFoundError: No module named 'numpy'",
        "  the Python of the nodes has no numpy; name one that has with --python-bin",
        f"  the whole story is in {tmp_path}/r/run.log",
    ]


def test_a_worker_that_dies_is_replaced(table, run_wols, tmp_path):
    fragile = program(tmp_path / "fragile", f'mkdir {tmp_path}/died && exit 7\nexec {sys.executable} "$@"')
    done = run_wols(*EXACT, "--python-bin", fragile)
    assert done.returncode == 0, done.stderr
    assert Path("died").exists()


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    "master", ["moon", "local[0]", "local[2", "spark://here", "spark://:7077x", "yarn-client", "mesos://a:1"]
)
def test_what_is_no_master_is_wrong_usage(master):
    with pytest.raises(UsageError, match=r"a master is local\[N\], spark://HOST:PORT, yarn or k8s://HOST:PORT"):
        ready(f"--spark-master={master}")


def test_masters_that_are_here_have_so_many_cores():
    assert [cores_of(m) for m in ("local", "local[3]", "local[2,4]", "spark://a:1,b:2", "yarn")] == [1, 3, 2, None, None]
    assert cores_of("local[*]") == cores_of("local[*, 2]") == os.cpu_count()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["--spark-master=spark://127.0.0.1:1"],
            "no Spark master answers at spark://127.0.0.1:1 (Connection refused); is it up?",
        ),
        (["--spark-master=yarn"], "--spark-master yarn needs HDFS: set HADOOP_HOME"),
        (["--spark-tmp-dir=hdfs:///x"], "--spark-tmp-dir hdfs:///x needs the hadoop command: set HADOOP_HOME"),
        (["--spark-tmp-dir=/dev/null/x"], "--spark-tmp-dir /dev/null/x cannot be used: Not a directory"),
        (["--spark-tmp-dir=a,b"], "--spark-tmp-dir a,b: Spark needs a path of letters, digits"),
        (["--spark-submit-bin=nowhere"], "--spark-submit-bin: nowhere is no program"),
        (["--spark-deploy-mode=cluster"], "-r spark leads its jobs from this machine; leave out --spark-deploy-mode"),
    ],
)
def test_what_cannot_be_is_told_before_spark_starts(words, told, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ScanError, match=re.escape(told)):
        ready(*words)


def test_without_spark_it_is_told_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SPARK_HOME", raising=False)
    assert spark_installation.find_spark_submit().endswith("/pyspark/bin/spark-submit")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(spark_installation, "USUAL_PLACES", (str(tmp_path / "spark"),))
    with pytest.raises(ScanError, match="-r spark needs Spark: pip install pyspark, or set SPARK_HOME"):
        spark_installation.find_spark_submit()
    (tmp_path / "spark" / "bin").mkdir(parents=True)
    submit = program(tmp_path / "spark" / "bin" / "spark-submit", "")
    assert spark_installation.find_spark_submit() == str(submit)
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    with pytest.raises(ScanError, match="SPARK_HOME is .*, where there is no bin/spark-submit"):
        spark_installation.find_spark_submit()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("JAVA_HOME is not set", "Spark finds no Java; install Java 17, or set JAVA_HOME"),
        ("/x/bin/spark-class: line 71: /x/bin/java: No such file or directory", "Spark finds no Java"),
        ("java.lang.UnsupportedClassVersionError: org/apache/spark/launcher/Main", "this Spark needs a newer Java"),
        ("26/11/21 13:36:38 ERROR StandaloneSchedulerBackend: All masters are unresponsive! Giving up.", "is it up?"),
        ("java.io.FileNotFoundException: File file:/home/me/r/tmp/index/00000.txt does not exist", "do not see the folder"),
        ("java.io.IOException: Mkdirs failed to create file:/home/me/r/tmp/x/output/_temporary/0", "do not see the folder"),
        ("pyspark.errors.exceptions.base.PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python", "one of the same version"),
    ],
)
def test_what_spark_says_is_followed_by_what_to_do(table, run_wols, tmp_path, line, told):
    submit = program(tmp_path / "submit", f"echo '{line}'; exit 1")
    assert told in failure(run_wols, *EXACT, "--spark-submit-bin", submit)


# -- how far it is -------------------------------------------------------------------------------------------------------


BARS = """
[Stage 0:>                                                          (0 + 2) / 4]\\r
[Stage 0:==============>                                            (1 + 2) / 4]\\r
[Stage 0:===========================================>  (3 + 1) / 4][Stage 1:>  (0 + 0) / 1]\\r
                                                                                \\r
26/11/21 13:26:50 WARN TaskSchedulerImpl: Initial job has not accepted any resources; check your cluster UI\\n
26/11/21 13:27:05 WARN TaskSchedulerImpl: Initial job has not accepted any resources; check your cluster UI\\n
[Stage 1:>                                                          (0 + 1) / 1]\\r
26/11/21 13:27:15 ERROR Utils: the end\\n
"""


def test_the_bars_of_spark_are_told_as_tasks(tmp_path, caplog):
    runner, display = ready(), Recorder()
    runner.submit = str(program(tmp_path / "submit", f"printf '{BARS.replace(chr(10), '')}'; exit 3"))
    runner.arguments = runner.job_arguments
    logging.getLogger("mrjob").propagate = True
    caplog.set_level(logging.INFO, "mrjob")
    query = write_query(tmp_path / "query", WOLSQuery(np.zeros(1), 0.0), Design(["x"], "y"))
    with (
        runner.job_runner(MRWOLS(args=["-r", "spark", *runner.arguments, f"--query={query}", str(query)])) as running,
        runner.watching(Meter(display, "pass 1"), 4, None, running),
        pytest.raises(Exception, match="exit status 3"),
    ):
        running.run()
    told = list(dict.fromkeys(display.lines))
    assert told == [
        "pass 1: Spark starts",
        "pass 1: 0 of 4 map tasks, 2 running",
        "pass 1: 1 of 4 map tasks, 2 running",
        "pass 1: 0 of 1 reduce task, 0 running",
        "pass 1: no worker takes a task; they may be busy, or have less memory than -D spark.executor.memory=1g",
        "pass 1: 0 of 1 reduce task, 1 running",
    ]
    logged = [record.getMessage().strip() for record in caplog.records]
    assert "the end" in logged and not [line for line in logged if "Stage" in line]


CLIENT = f"""
for pipe; do :; done
n=0
while read job; do
    echo "begun: $job"
    printf "[Stage $n:>                                                   (0 + 2) / 4]\\r"
    n=$((n + 2))
    echo "{MARK} $((n / 6)) $n"
done < "$pipe"
echo "has ended" > ended
"""


def test_one_client_runs_all_jobs_and_their_stages_are_counted_from_its_first(tmp_path):
    told: list[tuple[int, ...]] = []
    application = Application(str(tmp_path))

    def run(name: str) -> tuple[list[bytes], int]:
        if not application.is_running:
            application.start([str(program(tmp_path / "client", CLIENT)), "more"], dict(os.environ))
        lines = list(application.run([name], ["a file"], lambda *tasks: told.append(tasks), lambda: None))
        return lines, application.status

    for name, status in [("one", 0), ("two", 0), ("three", 1)]:
        assert run(name) == ([b'begun: {"arguments": ["' + name.encode() + b'"], "files": ["a file"]}'], status)
    assert set(told) == {(0, 0, 2, 4)}
    application.end()
    assert not application.is_running
    # And a new one, where the last has ended.
    assert run("one")[1] == 0
    application.end()


def test_a_client_that_ends_in_the_middle_of_a_job_has_failed(tmp_path):
    application = Application(str(tmp_path))
    for status in (0, 3):
        application.start([str(program(tmp_path / "client", f"echo out of memory; exit {status}"))], dict(os.environ))
        assert list(application.run(["job"], [], lambda *tasks: None, lambda: None)) == [b"out of memory"]
        assert application.status == (status or 1) and not application.is_running


# -- nothing is left -----------------------------------------------------------------------------------------------------


def marked(mark: str) -> list[str]:
    """The command lines of the living processes with a mark in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            if mark in (folder / "environ").read_text(errors="replace"):
                found.append((folder / "cmdline").read_text().replace("\0", " "))
    return [line for line in found if line]


def begin(*arguments: object, until: str, ignoring: int | None = None) -> tuple[subprocess.Popen, str]:
    """Starts a run, and gives it with the mark of its processes when there is one of a kind."""
    mark = f"SCANLEARN_TEST={uuid.uuid4().hex}"
    process = subprocess.Popen(
        Driver("run_wols").command(*arguments),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, **dict([mark.split("=")])},
        preexec_fn=ignoring and (lambda: signal.signal(ignoring, signal.SIG_IGN)),
    )  # fmt: skip
    wait_for(lambda: any(until in line for line in marked(mark)), process)
    assert process.poll() is None, process.communicate()
    return process, mark


@pytest.mark.parametrize(
    ("number", "until"),
    [(signal.SIGINT, "SparkSubmit"), (signal.SIGINT, "pyspark.daemon"), (signal.SIGTERM, "spark/harness")],
)
def test_an_interrupted_run_leaves_nothing(table, run_wols, number, until):
    # Under nohup, where hang-ups are ignored.
    process, mark = begin(*DESCENT, "--max-iter", "2", until=until, ignoring=signal.SIGHUP)
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert marked(mark) == []
    assert re.search(r"\n(interrupted|terminated); go on with\n  python \S+ --resume r\n$", stderr)
    assert not os.path.exists("r/tmp") and not list(Path("cache").glob("scanlearn/leftovers/*"))


def test_a_killed_run_takes_its_processes_along_and_the_next_one_its_files(table, run_wols):
    process, mark = begin(*DESCENT, "--max-iter", "2", until="pyspark.daemon", ignoring=signal.SIGHUP)
    process.kill()
    process.communicate()
    wait_for(lambda: not marked(mark), seconds=20)
    assert marked(mark) == []
    assert os.path.exists("r/tmp")
    done = run_wols(*DATA, "-r", "inline", "--run-dir", "next")
    assert f"removed what a killed run left: {os.path.abspath('r/tmp')}" in done.stderr.splitlines()
    assert not os.path.exists("r/tmp") and not list(Path("cache").glob("scanlearn/leftovers/*"))


def test_a_killed_run_takes_its_executors_along(table, cluster):
    process, mark = begin(*DESCENT, "--max-iter", "2", "--spark-master", cluster.master, until="spark/harness")
    wait_for(cluster.executors, process)
    process.kill()
    process.communicate()
    wait_for(lambda: not marked(mark) and not cluster.executors(), seconds=30)
    assert (marked(mark), cluster.executors()) == ([], [])


@pytest.mark.hadoop
@pytest.mark.alone
def test_a_killed_run_takes_its_application_along(table):
    process, mark = begin(*DESCENT, "--max-iter", "2", "--spark-master", "yarn", until="spark/harness")
    wait_for(executors_on_yarn, process)
    process.kill()
    process.communicate()
    wait_for(lambda: not marked(mark) and not executors_on_yarn(), seconds=60)
    assert (marked(mark), executors_on_yarn()) == ([], [])
    said: list[str] = []
    assert sweep("cache/scanlearn/leftovers", "hadoop", said.append).n_kept == 0
    assert any("/tmp/r-" in line for line in said), said


def executors_on_yarn() -> list[str]:
    return marked("SPARK_YARN_STAGING_DIR=")

"""The fake of AWS by its own: Hadoop's rules for a step, the life of clusters, and mrjob's own jobs on it."""

from __future__ import annotations

import gzip
import importlib
import itertools
import json
import os
import subprocess
import sys
import textwrap
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from tests import node_python
from tests.conftest import ROOT
from tests.emr.arguments import NotModelled, split_command
from tests.emr.fake_aws import REGION, FakeAWS
from tests.emr.files import Files, InputFile
from tests.emr.logs import Archive
from tests.emr.node import Node, Processes
from tests.emr.shuffle import key_parts, partitioner, sort_key
from tests.emr.splits import cut, cut_by_lines, lines_of
from tests.emr.streaming import Place, StreamingStep
from tests.node_python import find_node_python

# -- lines and keys, by what a real Hadoop does ------------------------------------------------------------------------


@given(st.text("ab\n\r", max_size=60).map(str.encode), st.integers(1, 9))
def test_every_line_is_read_once_wherever_a_file_is_cut(data, n_maps):
    splits = sorted(cut([InputFile("f", len(data))], n_maps), key=lambda split: split.start)
    assert sum(split.length for split in splits) == len(data)
    assert [line for split in splits for line in lines_of(split, data)] == data.splitlines()


def test_files_are_cut_by_the_bytes_of_all():
    files = [InputFile("small", 100), InputFile("large", 300), InputFile("empty", 0), InputFile("packed.gz", 300)]
    # The largest first: the first task, and the first part of the output, need not be those of the first file.
    assert [(s.file.uri, s.start, s.length) for s in cut(files, 7)] == [
        ("packed.gz", 0, 300),
        ("small", 0, 100),
        ("large", 0, 100),
        ("large", 100, 100),
        ("large", 200, 100),
        ("empty", 0, 0),
    ]
    assert [(s.file.uri, s.start) for s in cut([InputFile("a", 2), InputFile("b", 100)], None)] == [
        ("b", 0),
        ("b", 50),
        ("a", 0),
        ("a", 1),
    ]
    assert len(cut([InputFile("a", 100)], 50, min_bytes=60)) == 2


def test_a_rest_that_is_hardly_longer_than_a_split_is_not_cut():
    assert [s.length for s in cut([InputFile("f", 109)], 2, min_bytes=100)] == [109]
    assert [s.length for s in cut([InputFile("f", 111)], 2, min_bytes=100)] == [100, 11]


def test_a_line_a_task_has_its_offset_before_it():
    splits = cut_by_lines(InputFile("f", 9), b"ab\ncd\r\nef", 1)
    assert [list(lines_of(split, b"")) for split in splits] == [[b"0\tab"], [b"3\tcd"], [b"7\tef"]]


def test_keys_go_to_the_reducers_of_a_real_hadoop():
    # Of three reducers, as Hadoop 3.4.2 chose them.
    partition = partitioner(None, {})
    for reducer, keys in enumerate([b"aa b dd e env gg", b"aaa args c cc ccc keyonly hhh", b"a bb d g hh last y"]):
        assert {partition(key, 3) for key in keys.split()} == {reducer}


def test_a_key_goes_to_the_reducer_of_its_first_field():
    name = "org.apache.hadoop.mapred.lib.KeyFieldBasedPartitioner"
    partition = partitioner(name, {"mapreduce.partition.keypartitioner.options": "-k1,1"})
    assert len({partition(b"key\t%d" % n, 7) for n in range(50)}) == 1
    assert len({partition(b"%d\tkey" % n, 7) for n in range(50)}) == 7
    with pytest.raises(KeyError):
        partitioner("org.example.Mine", {})


def test_keys_are_sorted_by_bytes_or_by_the_parts_that_are_named():
    assert sorted([b"b", "ä".encode(), b"B", b"a\t", b"a"], key=sort_key(None, {})) == [
        b"B",
        b"a",
        b"a\t",
        b"b",
        "ä".encode(),
    ]
    conf = {"mapreduce.partition.keycomparator.options": "-k2,2nr -k1,1"}
    keys = [b"a\t9", b"b\t10", b"a\t-1", b"c\t10", b"d"]
    ordered = sorted(keys, key=sort_key("org.apache.hadoop.mapred.lib.KeyFieldBasedComparator", conf))
    assert ordered == [b"b\t10", b"c\t10", b"a\t9", b"a\t-1", b"d"]


def test_parts_of_keys_are_counted_from_one():
    for options, part in [("-k2", b"cd\tef"), ("-k2,2", b"cd"), ("-k1.2,2.1", b"b\tc"), ("-k 3", b"ef"), ("-k4", None)]:
        assert key_parts(options)[0].of(b"ab\tcd\tef", b"\t") == part
    with pytest.raises(ValueError, match="-kx"):
        key_parts("-kx")


def test_a_command_is_cut_as_streaming_does():
    command = "map.py  a 'b c' --x='y z' \"q'\" '' \\'d'"
    assert split_command(command) == ["map.py", "a", "b c", "--x=", "y z", "q'", "\\", "d"]


# -- one step, without AWS ---------------------------------------------------------------------------------------------


class Streaming:
    """Runs steps on HDFS alone, each with a new output folder."""

    def __init__(self, folder: Path) -> None:
        self.node = Node(folder, find_node_python().path, {})
        self.files = Files(None, self.node.hdfs, self.node.home)
        self.n_steps = 0

    def put(self, files: dict[str, str | bytes]) -> None:
        for name, text in files.items():
            self.files.write(name, text if isinstance(text, bytes) else textwrap.dedent(text).encode())

    def __call__(self, *words: str, generic: Sequence[str] = (), input: str = "/in", output: str = "") -> StreamingStep:
        self.n_steps += 1
        self.output = output or f"hdfs:///out{self.n_steps}"
        place = Place(self.node, self.files, 1700000000000, self.n_steps, slots=2)
        step = StreamingStep([*generic, "-input", input, "-output", self.output, *words], place, Processes())
        self.status = step.run()
        return step

    def parts(self) -> list[bytes]:
        assert self.status == 0
        entries = self.files.hdfs.children(self.output)
        assert [e.name for e in entries] == ["_SUCCESS", *(f"part-{n:05d}" for n in range(len(entries) - 1))]
        return [self.files.read(entry.uri) for entry in entries[1:]]

    def text(self) -> str:
        """All parts, without the tabs of lines that are all key."""
        return b"".join(self.parts()).replace(b"\t\n", b"\n").decode()


@pytest.fixture
def streaming(tmp_path):
    return Streaming(tmp_path / "node")


MAP_ONLY = ("-numReduceTasks", "0")
ONE_TASK = ("-D", "mapreduce.job.maps=1")
ONE_ATTEMPT = (*ONE_TASK, "-D", "mapreduce.map.maxattempts=1")


def test_words_are_counted_with_a_combiner(streaming):
    streaming.put({
        "/in/a": "b a\na c\n" * 20,
        "/in/b": "c c\n" * 10,
        "/words.sh": "tr ' ' '\\n' | sed 's/$/\\t1/'",
        "/add.sh": """awk -F'\t' '{n[$1] += $2} END {for (word in n) print word "\t" n[word]}' | LC_ALL=C sort""",
    })  # fmt: skip
    commands = ["-mapper", "sh words.sh", "-combiner", "sh add.sh", "-reducer", "sh add.sh"]
    step = streaming(*commands, generic=["-files", "hdfs:///add.sh#add.sh,hdfs:///words.sh"])
    assert sorted(streaming.text().splitlines()) == ["a\t40", "b\t20", "c\t40"]
    assert sorted(a.kind for a in step.attempts) == ["m"] * 4 + ["r"] * 2
    # Each combiner has seen the words of its own task: three words, three, one and one.
    assert sum(a.input_records for a in step.attempts if a.kind == "r") == 8


def test_a_line_without_a_tab_gets_one(streaming):
    streaming.put({"/in/a": "x\ny\tz\n"})
    streaming("-mapper", "cat", *MAP_ONLY)
    assert b"".join(streaming.parts()) == b"x\t\ny\tz\n"
    streaming("-mapper", "cat", "-reducer", "sed s/^/got:/", "-numReduceTasks", "1")
    assert streaming.parts() == [b"got:x\t\ngot:y\tz\n"]


def test_a_reducer_without_input_writes_nothing(streaming):
    streaming.put({"/in/a": "x\n"})
    streaming("-mapper", "cat", "-reducer", "wc -l", generic=["-D", "mapreduce.job.reduces=3"])
    assert sorted(streaming.parts()) == [b"", b"", b"1\t\n"]


def test_two_key_fields_sort_the_values(streaming):
    streaming.put({"/in/a": "".join(f"{key}\t{value:02d}\n" for value in range(30, 0, -1) for key in "qp")})
    generic = ["-D", "stream.num.map.output.key.fields=2", "-D", "mapreduce.partition.keypartitioner.options=-k1,1"]
    by_first_field = ["-partitioner", "org.apache.hadoop.mapred.lib.KeyFieldBasedPartitioner"]
    streaming(*by_first_field, "-mapper", "cat", "-reducer", "cat", generic=generic)
    lines = b"".join(streaming.parts()).splitlines()
    for key in b"p", b"q":
        assert [line for line in lines if line[:1] == key] == [b"%s\t%02d\t" % (key, value) for value in range(1, 31)]


def test_behind_a_combiner_values_are_sorted_no_more(streaming):
    # A real Hadoop cuts the lines of a combiner as it cuts those of a reducer: at the first tab.
    streaming.put({"/in/a": "".join(f"k\t{value:02d}\n" for value in range(30))})
    words = ["-mapper", "cat", "-combiner", "cat", "-reducer", "cat", "-numReduceTasks", "1"]
    generic = ["-D", "stream.num.map.output.key.fields=2"]
    streaming(*words, generic=generic)
    unsorted = streaming.parts()[0].split()[1::2]
    streaming(*words, generic=[*generic, "-D", "stream.num.reduce.output.key.fields=2"])
    assert sorted(unsorted) == streaming.parts()[0].split()[1::2] != unsorted


def test_values_of_a_key_come_in_no_order(streaming):
    streaming.put({"/in/a": "".join(f"k\t{value}\n" for value in range(100))})
    streaming("-mapper", "cat", "-reducer", "cut -f 2", "-numReduceTasks", "1")
    values = [int(line) for line in streaming.parts()[0].split()]
    assert sorted(values) == list(range(100)) != values


@pytest.mark.parametrize(
    "words, generic, message",
    [
        (["-mapper", "cat", "-nope", "x"], [], "Unrecognized option: -nope"),
        (["-mapper", "cat", "-files", "hdfs:///in/a"], [], "Unrecognized option: -files"),
        (["-mapper", "cat", "stray"], [], "unexpected arguments"),
        (["-mapper", "cat", "-reducer"], [], "Missing argument for option: reducer"),
        (["-mapper", "cat"], ["-files", "hdfs:///nowhere#x"], "hdfs:///nowhere does not exist"),
        (["-mapper", "cat"], ["-files", "hdfs:///in/a#x,hdfs:///in/b#x"], "link name x"),
        (["-mapper", "cat", "-numReduceTasks", "many"], [], 'For input string: "many"'),
        (["-mapper", "cat", "-input", "gs://bucket/x"], [], 'No FileSystem for scheme "gs"'),
    ],
)
def test_what_hadoop_refuses_is_refused(streaming, words, generic, message):
    streaming.put({"/in/a": "x\n", "/in/b": "x\n"})
    step = streaming(*words, generic=generic)
    assert streaming.status != 0
    assert message in step.log.stderr and message in step.log.syslog
    assert not step.attempts


def test_what_is_not_modelled_says_so(streaming):
    streaming.put({"/in/a": "x\n"})
    for words in (["-inputformat", "org.example.Mine"], ["-io", "rawbytes"], ["-partitioner", "org.example.Mine"]):
        with pytest.raises(NotModelled, match=words[1]):
            streaming(*words, "-mapper", "cat")


def test_an_output_folder_must_be_new(streaming):
    streaming.put({"/in/a": "x\n", "/there/part-00000": "old\n"})
    step = streaming("-mapper", "cat", output="hdfs:///there")
    assert streaming.status == 4
    assert "already exists" in step.log.syslog
    assert streaming.files.read("/there/part-00000") == b"old\n"


def test_inputs_are_files_patterns_and_folders_without_hidden_names(streaming):
    streaming.put({"/in/a.txt": "a\n", "/in/b.csv": "b\n", "/in/_SUCCESS": "s\n", "/in/.x": "x\n", "/in2/c.txt": "c\n"})

    def read(specification):
        streaming("-mapper", "cat", *MAP_ONLY, input=specification)
        return sorted(streaming.text().split()) if streaming.status == 0 else None

    assert read("/in") == read("hdfs:///in/") == read("/in/{a.txt,b.csv}") == ["a", "b"]
    assert read("/in*/[ac].txt") == read("/in/a.txt,/in2/c.txt") == ["a", "c"]
    assert read("/in?") == ["c"]
    # Hidden, no match, not there, and a folder of folders.
    assert [read(path) for path in ("/in/_SUCCESS", "/in/*.gz", "/nowhere", "/")] == [None] * 4


def test_packed_inputs_are_read_whole(streaming):
    streaming.put({"/in/a.gz": gzip.compress(b"x\n" * 1000)})
    step = streaming("-mapper", "wc -l", *MAP_ONLY)
    assert [attempt.split.start for attempt in step.attempts] == [0]
    assert streaming.text() == "1000\n"


def test_a_task_that_is_killed_once_is_attempted_again_in_a_fresh_folder(streaming):
    script = """
        [ -e trace ] && echo "an old folder" && exit 1
        touch trace
        echo reporter:counter:mine,started,1 >&2
        echo "attempt $mapreduce_task_attempt_id" >&2
        case $mapreduce_task_attempt_id in *_0) kill -9 $$;; esac
        cat
        """
    streaming.put({"/in/a": "x\ny\n", "/once.sh": script})
    step = streaming("-mapper", "sh once.sh", *MAP_ONLY, generic=["-files", "hdfs:///once.sh"])
    assert streaming.text() == "x\ny\n"
    tries = sorted((a.number, a.attempt, a.succeeded) for a in step.attempts)
    assert tries == [(0, 0, False), (0, 1, True), (1, 0, False), (1, 1, True)]
    assert "code 137" in step.attempts[0].error
    assert step.attempts[0].stderr == f"attempt {step.attempts[0].id}\n"
    assert "started=2" in step.log.syslog  # those of the attempts that went well


def test_a_task_fails_the_job_the_fourth_time(streaming):
    streaming.put({"/in/a": "x\n"})
    step = streaming("-mapper", "false", generic=ONE_TASK)
    assert streaming.status == 1
    assert [a.attempt for a in step.attempts] == [0, 1, 2, 3]
    assert "Job not successful" in step.log.syslog
    assert not streaming.files.exists(streaming.output)
    step = streaming("-mapper", "no-such-program", generic=ONE_ATTEMPT)
    assert 'Cannot run program "no-such-program": error=2, No such file or directory' in step.attempts[0].error


def test_a_silent_task_is_ended(streaming):
    alive = "for i in 1 2 3 4 5 6 7 8; do sleep 0.25; echo reporter:status:alive >&2; done"
    streaming.put({"/in/a": "x\n", "/alive.sh": alive})
    generic = ["-files", "hdfs:///alive.sh", "-D", "mapreduce.task.timeout=1500", *ONE_ATTEMPT]
    step = streaming("-mapper", "sleep 60", generic=generic)
    assert "Timed out after 1.5 secs" in step.attempts[0].error
    assert step.attempts[0].seconds < 30
    streaming("-mapper", "sh alive.sh", generic=generic)
    assert streaming.status == 0


def test_a_mapper_that_does_not_read_a_long_input_fails(streaming):
    line = b"x" * 99 + b"\n"
    streaming.put({"/in/a": line, "/long/a": line * 10000})
    streaming("-mapper", "true", generic=ONE_ATTEMPT)
    assert streaming.status == 0
    step = streaming("-mapper", "true", generic=ONE_ATTEMPT, input="/long")
    assert streaming.status == 1
    assert "Broken pipe" in step.attempts[0].error


def test_each_shipped_file_lies_in_a_folder_of_its_own(streaming):
    streaming.put({
        "/in/a": "",
        "/main.py": "import sibling",
        "/sibling.py": "",
        "file:///home/hadoop/l.sh": "ls; cat inside/it/b; echo; [ -h main.py ] && echo a link",
    })  # fmt: skip
    with zipfile.ZipFile(streaming.node.hdfs / "many.zip", "w") as archive:
        archive.writestr("it/b", "from the archive")
    shipped = [
        "-files",
        "hdfs:///main.py,hdfs:///sibling.py,file:///home/hadoop/l.sh",
        "-archives",
        "hdfs:///many.zip#inside",
    ]
    # Python looks for modules where the script really lies, not where its link is.
    step = streaming("-mapper", "python3 main.py", generic=[*shipped, *ONE_ATTEMPT])
    assert streaming.status == 1
    assert "No module named 'sibling'" in step.attempts[0].stderr
    streaming("-mapper", "sh l.sh", *MAP_ONLY, generic=shipped)
    assert streaming.text().splitlines() == [
        "inside", "l.sh", "main.py", "sibling.py", "tmp", "from the archive", "a link"
    ]  # fmt: skip


def test_a_task_has_a_clean_environment_and_the_settings_of_the_job(streaming, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/surprise")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "surprise")
    streaming.put({"/in/a": "x\ny\n"})
    step = streaming(
        "-cmdenv", "A=1", "-cmdenv", "B=x y", "-mapper", "env", *MAP_ONLY, generic=["-D", "my.own-setting=5"]
    )  # fmt: skip
    seen = dict(line.split("=", 1) for line in streaming.parts()[1].replace(b"\t\n", b"\n").decode().splitlines())
    assert "surprise" not in " ".join(seen.values())
    assert (seen["A"], seen["B"]) == ("1", "x")  # Streaming cuts at spaces
    assert seen["my_own_setting"] == "5"
    assert seen["mapreduce_map_input_file"] == "/in/a"
    assert (seen["mapreduce_map_input_start"], seen["mapreduce_map_input_length"]) == ("2", "2")
    assert seen["mapreduce_task_attempt_id"] == "attempt_1700000000000_0001_m_000001_0"
    assert seen["HOME"].endswith("/home/hadoop")
    assert [attempt.environment for attempt in step.attempts if attempt.number == 1] == [seen]


def test_the_python_of_the_nodes_has_numpy_and_no_mrjob(streaming):
    look = "import importlib.util, numpy, sys; print(sys.version_info[:2], importlib.util.find_spec('mrjob'))"
    streaming.put({"/in/a": "x\n", "/look.py": look})
    streaming("-mapper", "python3 look.py", *MAP_ONLY, generic=["-files", "hdfs:///look.py"])
    assert set(streaming.text().splitlines()) == {f"{find_node_python().version[:2]} None"}


def test_the_newest_python_of_the_wanted_version_that_runs_is_found(monkeypatch, tmp_path):
    monkeypatch.delenv("SCANLEARN_NODE_PYTHON", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))

    def install(path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    install(tmp_path / "python3.9", "exit 127")  # as pyenv's shim does
    assert node_python._interpreter() == (tuple(sys.version_info[:3]), sys.executable)
    for last in 2, 10, 9:
        answer = f"""echo '[[3, 9, {last}], "python of 3.9.{last}"]'"""
        install(tmp_path / "versions" / f"3.9.{last}" / "bin" / "python3.9", answer)
    assert node_python._interpreter() == ((3, 9, 10), "python of 3.9.10")
    monkeypatch.setenv("SCANLEARN_NODE_PYTHON", str(tmp_path / "nowhere"))
    with pytest.raises(RuntimeError, match="nowhere, which does not run"):
        node_python._interpreter()


def test_late_logs_come_when_they_are_due_or_the_cluster_ends():
    written = []
    archive = Archive("s3://b/logs/j", lambda uri, data: written.append((uri, gzip.decompress(data))), delay=0.2)
    archive.put({"steps/s/syslog": "text"})
    assert not written
    wait_until(lambda: written)
    archive.put({"steps/t/syslog": "text"})
    archive.flush()
    assert written == [("s3://b/logs/j/steps/s/syslog.gz", b"text"), ("s3://b/logs/j/steps/t/syslog.gz", b"text")]


def wait_until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


# -- clusters ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    with FakeAWS(tmp_path_factory.mktemp("aws")) as aws:
        aws.make_bucket("logs")
        aws.make_bucket("tmp")
        aws.make_bucket("data")
        aws.s3.put_object(Bucket="data", Key="words/a.txt", Body=b"b a\na c\n" * 20)
        yield aws
        assert aws.errors == []
    assert not any(view.is_live for view in aws.clusters())


def new_cluster(aws, keep_alive=True, **more):
    groups = [
        {"InstanceRole": role, "InstanceType": "m6i.xlarge", "InstanceCount": n} for role, n in (("MASTER", 1), ("CORE", 2))
    ]
    return aws.emr.run_job_flow(
        Name="test",
        ReleaseLabel="emr-7.9.0",
        LogUri="s3://logs/",
        Instances={"KeepJobFlowAliveWhenNoSteps": keep_alive, "InstanceGroups": groups},
        JobFlowRole="EMR_EC2_DefaultRole",
        ServiceRole="EMR_DefaultRole",
        **more,
    )["JobFlowId"]


@pytest.fixture(scope="module")
def cluster_id(aws):
    return new_cluster(aws, AutoTerminationPolicy={"IdleTimeout": 3600}, Tags=[{"Key": "mine", "Value": "1"}])


def view(aws, cluster_id):
    return next(cluster for cluster in aws.clusters() if cluster.id == cluster_id)


def last_step(aws, cluster_id):
    return [step for step in aws.steps if step.cluster_id == cluster_id][-1]


def streaming_step(*words, on_failure="CONTINUE"):
    jar = {"Jar": "command-runner.jar", "Args": ["hadoop-streaming", *words]}
    return {"Name": "step", "ActionOnFailure": on_failure, "HadoopJarStep": jar}


def quick_step(name, mapper="cat", **keywords):
    inout = ["-input", "s3://data/words/", "-output", f"s3://tmp/{name}", "-mapper", mapper, "-numReduceTasks", "0"]
    return streaming_step(*inout, **keywords)


def add_steps(aws, cluster_id, *steps):
    return aws.emr.add_job_flow_steps(JobFlowId=cluster_id, Steps=list(steps))["StepIds"]


def step_state(aws, cluster_id, step_id):
    return aws.emr.describe_step(ClusterId=cluster_id, StepId=step_id)["Step"]["Status"]["State"]


def cluster_state(aws, cluster_id):
    return aws.emr.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["State"]


def log(aws, cluster_id, place):
    return gzip.decompress(aws.s3.get_object(Bucket="logs", Key=f"{cluster_id}/{place}.gz")["Body"].read()).decode()


FAILING = streaming_step("-nope")


def test_a_cluster_is_as_it_was_asked_for(aws, cluster_id):
    seen = view(aws, cluster_id)
    assert seen.request["AutoTerminationPolicy"] == seen.idle_policy == {"IdleTimeout": 3600}
    assert seen.request["Instances"]["KeepJobFlowAliveWhenNoSteps"] is True
    assert (seen.name, seen.region, seen.instances, seen.tags) == ("test", REGION, {"MASTER": 1, "CORE": 2}, {"mine": "1"})
    described = aws.emr.describe_cluster(ClusterId=cluster_id)["Cluster"]
    assert [(a["Name"], a["Version"]) for a in described["Applications"]] == [("Hadoop", "3.4.1")]
    assert aws.emr.get_auto_termination_policy(ClusterId=cluster_id)["AutoTerminationPolicy"] == {"IdleTimeout": 3600}
    wait_until(lambda: cluster_state(aws, cluster_id) == "WAITING")
    with pytest.raises(ClientError, match="60 to 604800"):
        new_cluster(aws, AutoTerminationPolicy={"IdleTimeout": 59})


def test_a_cluster_is_unknown_elsewhere(aws, cluster_id):
    assert aws.client("emr", "us-west-1").list_clusters()["Clusters"] == []
    with pytest.raises(ClientError, match="is not valid"):
        aws.client("emr", "us-west-1").describe_cluster(ClusterId=cluster_id)
    with pytest.raises(ClientError, match="is not valid"):
        aws.emr.describe_step(ClusterId=cluster_id, StepId="s-NONE")


def test_steps_run_one_after_another_and_leave_their_logs(aws, cluster_id):
    first, second = add_steps(aws, cluster_id, quick_step("q1", "tac"), quick_step("q2"))
    wait_until(lambda: step_state(aws, cluster_id, second) == "COMPLETED")
    one, two = (
        aws.emr.describe_step(ClusterId=cluster_id, StepId=s)["Step"]["Status"]["Timeline"] for s in (first, second)
    )
    assert one["StartDateTime"] <= one["EndDateTime"] <= two["StartDateTime"] <= two["EndDateTime"]
    assert aws.keys("tmp", "q1/") == ["q1/_SUCCESS", "q1/part-00000", "q1/part-00001"]
    assert "Running job: job_" in log(aws, cluster_id, f"steps/{first}/syslog")
    assert [step.state for step in aws.steps if step.cluster_id == cluster_id][:2] == ["COMPLETED", "COMPLETED"]


def test_a_transient_cluster_is_over_when_its_last_step_is(aws):
    cluster_id = new_cluster(aws, keep_alive=False)
    [step_id] = add_steps(aws, cluster_id, quick_step("q3"))
    wait_until(lambda: step_state(aws, cluster_id, step_id) == "COMPLETED")
    assert cluster_state(aws, cluster_id) == "TERMINATED"
    with pytest.raises(ClientError, match="may not be modified"):
        add_steps(aws, cluster_id, quick_step("q4"))


@pytest.mark.parametrize(
    "on_failure, second, cluster",
    [
        ("CONTINUE", "COMPLETED", "WAITING"),
        ("CANCEL_AND_WAIT", "CANCELLED", "WAITING"),
        ("TERMINATE_CLUSTER", "CANCELLED", "TERMINATED_WITH_ERRORS"),
    ],
)
def test_what_follows_a_failure_is_as_asked(aws, on_failure, second, cluster):
    steps = [{**FAILING, "ActionOnFailure": on_failure}, quick_step(f"after-{on_failure}")]
    cluster_id = new_cluster(aws, Steps=steps)
    ids = [step["Id"] for step in reversed(aws.emr.list_steps(ClusterId=cluster_id)["Steps"])]
    wait_until(lambda: step_state(aws, cluster_id, ids[1]) in ("COMPLETED", "CANCELLED"))
    wait_until(lambda: step_state(aws, cluster_id, ids[0]) == "FAILED")
    assert step_state(aws, cluster_id, ids[1]) == second
    wait_until(lambda: cluster_state(aws, cluster_id) == cluster)
    status = aws.emr.describe_step(ClusterId=cluster_id, StepId=ids[0])["Step"]["Status"]
    assert "Unrecognized option: -nope" in status["FailureDetails"]["Message"]
    assert "Unrecognized option: -nope" in log(aws, cluster_id, f"steps/{ids[0]}/stderr")
    aws.emr.terminate_job_flows(JobFlowIds=[cluster_id])


def start_a_sleeper(aws, cluster_id, name):
    """A step whose mappers write down their process and sleep; the step's id and one of the processes."""
    script = f"echo $$ > {aws.folder}/{name}; sleep 600"
    aws.s3.put_object(Bucket="data", Key="sleep.sh", Body=script.encode())
    words = quick_step(name, "sh sleep.sh")["HadoopJarStep"]["Args"][1:]
    [step_id] = add_steps(aws, cluster_id, streaming_step("-files", "s3://data/sleep.sh", *words))
    wait_until(lambda: (aws.folder / name).exists() and (aws.folder / name).read_text())
    return step_id, int((aws.folder / name).read_text())


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_terminating_a_cluster_ends_what_runs_on_it(aws):
    cluster_id = new_cluster(aws)
    running, pid = start_a_sleeper(aws, cluster_id, "asleep")
    [waiting] = add_steps(aws, cluster_id, quick_step("never"))
    assert is_running(pid)
    aws.emr.terminate_job_flows(JobFlowIds=[cluster_id])
    wait_until(lambda: cluster_state(aws, cluster_id) == "TERMINATED")
    assert step_state(aws, cluster_id, running) == step_state(aws, cluster_id, waiting) == "CANCELLED"
    wait_until(lambda: not is_running(pid))
    assert aws.keys("tmp", "never") == []


def test_a_running_step_can_be_cancelled(aws, cluster_id):
    running, pid = start_a_sleeper(aws, cluster_id, "cancelled")
    [waiting] = add_steps(aws, cluster_id, quick_step("cancelled-2"))
    answers = aws.emr.cancel_steps(ClusterId=cluster_id, StepIds=[running, waiting])["CancelStepsInfoList"]
    assert [answer["Status"] for answer in answers] == ["SUBMITTED", "SUBMITTED"]
    wait_until(lambda: step_state(aws, cluster_id, running) == "CANCELLED")
    wait_until(lambda: not is_running(pid))
    assert step_state(aws, cluster_id, waiting) == "CANCELLED"
    assert cluster_state(aws, cluster_id) == "WAITING"


def test_a_cluster_can_be_ended_before_it_has_started(aws, monkeypatch):
    monkeypatch.setattr(aws.settings, "start_seconds", 60.0)
    cluster_id = new_cluster(aws, Steps=[quick_step("never")])
    assert cluster_state(aws, cluster_id) == "STARTING"
    aws.emr.terminate_job_flows(JobFlowIds=[cluster_id])
    wait_until(lambda: cluster_state(aws, cluster_id) == "TERMINATED")
    assert view(aws, cluster_id).reason["Code"] == "USER_REQUEST"
    assert aws.emr.list_steps(ClusterId=cluster_id)["Steps"][0]["Status"]["State"] == "CANCELLED"


def test_what_the_fake_cannot_do_is_told_to_the_test(aws, cluster_id):
    spark = {"Jar": "command-runner.jar", "Args": ["spark-submit", "x.py"]}
    [step_id] = add_steps(aws, cluster_id, {"Name": "spark", "HadoopJarStep": spark, "ActionOnFailure": "CONTINUE"})
    wait_until(lambda: step_state(aws, cluster_id, step_id) == "FAILED")
    assert "not modelled: the jar command-runner.jar with ['spark-submit']" in aws.errors.pop()


def test_bootstrap_actions_run_before_the_first_step(aws):
    script = (
        "echo from S3 > ~/here\npython3 -c 'import sys; print(sys.version_info[:2])' > ~/version\naws s3 cp $1 ~/words\n"
    )
    aws.s3.put_object(Bucket="data", Key="boot.sh", Body=script.encode())
    look = {"Path": "s3://data/boot.sh", "Args": ["s3://data/words/a.txt"]}
    shell = {"Path": "file:/bin/bash", "Args": ["-c", "echo a program of the node > ~/shell"]}
    actions = [{"Name": "action", "ScriptBootstrapAction": action} for action in (look, shell)]
    cluster_id = new_cluster(aws, BootstrapActions=actions)
    wait_until(lambda: cluster_state(aws, cluster_id) == "WAITING")
    home = aws.folder / cluster_id / "home" / "hadoop"
    assert (home / "here").read_text() == "from S3\n"
    assert (home / "shell").read_text() == "a program of the node\n"
    assert (home / "version").read_text() == f"{find_node_python().version[:2]}\n"
    assert (home / "words").read_text() == "b a\na c\n" * 20
    aws.emr.terminate_job_flows(JobFlowIds=[cluster_id])


def test_a_failed_bootstrap_action_ends_the_cluster(aws):
    aws.s3.put_object(Bucket="data", Key="bad.sh", Body=b"#!/bin/sh\necho no numpy here >&2\nexit 3\n")
    bad = {"Name": "bad", "ScriptBootstrapAction": {"Path": "s3://data/bad.sh", "Args": []}}
    cluster_id = new_cluster(aws, BootstrapActions=[bad], Steps=[quick_step("never")])
    wait_until(lambda: not view(aws, cluster_id).is_live)
    seen = view(aws, cluster_id)
    assert seen.state == "TERMINATED_WITH_ERRORS"
    assert seen.reason["Code"] == "BOOTSTRAP_FAILURE"
    assert "bootstrap action 1 returned a non-zero return code" in seen.reason["Message"]
    node = seen.reason["Message"].partition("(")[2].partition(")")[0]
    assert log(aws, cluster_id, f"node/{node}/bootstrap-actions/1/stderr") == "no numpy here\n"
    assert aws.emr.list_steps(ClusterId=cluster_id)["Steps"][0]["Status"]["State"] == "CANCELLED"


def test_buckets_that_are_not_there_fail_the_step(aws, cluster_id):
    words = ["-mapper", "cat", "-input", "s3://data/words/", "-output", "s3://nowhere/x"]
    steps = add_steps(aws, cluster_id, streaming_step(*words), streaming_step(*words[:3], "s3://none/", *words[4:]))
    wait_until(lambda: step_state(aws, cluster_id, steps[1]) == "FAILED")
    assert [step_state(aws, cluster_id, step_id) for step_id in steps] == ["FAILED", "FAILED"]
    assert "NoSuchBucket: s3://nowhere" in log(aws, cluster_id, f"steps/{steps[0]}/stderr")


def test_a_bootstrap_action_that_is_not_there_ends_the_cluster(aws):
    missing = {"Name": "x", "ScriptBootstrapAction": {"Path": "s3://data/none.sh", "Args": []}}
    cluster_id = new_cluster(aws, BootstrapActions=[missing])
    wait_until(lambda: not view(aws, cluster_id).is_live)
    assert view(aws, cluster_id).reason["Message"].endswith("cannot be fetched: NoSuchKey: s3://data/none.sh")


def test_a_script_runs_as_a_step(aws, cluster_id):
    aws.s3.put_object(Bucket="data", Key="setup.sh", Body=b"#!/bin/sh\nmkdir -p /home/hadoop/$1 && echo done >&2\n")
    jar = {
        "Jar": f"s3://{REGION}.elasticmapreduce/libs/script-runner/script-runner.jar",
        "Args": ["s3://data/setup.sh", "x"],
    }
    [step_id] = add_steps(aws, cluster_id, {"Name": "setup", "HadoopJarStep": jar, "ActionOnFailure": "CONTINUE"})
    wait_until(lambda: step_state(aws, cluster_id, step_id) == "COMPLETED")
    assert log(aws, cluster_id, f"steps/{step_id}/stderr") == "done\n"
    assert (aws.folder / cluster_id / "home" / "hadoop" / "x").is_dir()


# -- jobs of mrjob -----------------------------------------------------------------------------------------------------

WORD_COUNT = """
    class Job(MRJob):
        def mapper(self, _, line):
            for word in line.split():
                yield word, 1
        def combiner(self, word, counts):
            yield word, sum(counts)
        def reducer(self, word, counts):
            self.increment_counter("words", "different")
            yield word, sum(counts)
    """
SORTED_VALUES = """
    class Job(MRJob):
        SORT_VALUES = True
        INTERNAL_PROTOCOL = BytesProtocol
        def mapper(self, _, line):
            for n, word in enumerate(line.split()):
                yield word.encode(), b"%d" % (9 - n)
        def reducer(self, word, values):
            values = [value.decode().rstrip("\\t") for value in values]
            yield word.decode(), (values == sorted(values), len(values))
    """
FROM_ZIP = """
    class Job(MRJob):
        def mapper_final(self):
            import mrjob, shipped
            yield "task", [mrjob.__file__.split("/")[-3], shipped.VALUE, sys.version_info[:2], sorted(os.environ)]
    """
FAILING_JOB = """
    class Job(MRJob):
        def mapper(self, _, line):
            if "c" in line:
                print(1 / 0)
            yield line, 1
    """
KILLED_ONCE = """
    class Job(MRJob):
        def mapper(self, _, line):
            if os.environ["mapreduce_task_attempt_id"].endswith("m_000000_0"):
                os.kill(os.getpid(), signal.SIGKILL)
            yield len(line.split()), 1
        def reducer(self, n, counts):
            yield n, sum(counts)
    """


# On the driver's machine mrjob may need what Python no longer has; the nodes have it.
HEAD = """
import contextlib, os, signal, sys
with contextlib.suppress(ImportError):
    import jobs.mrjob_compat
from mrjob.job import MRJob
from mrjob.protocol import BytesProtocol
"""
EMR = [
    "-r", "emr", "--no-conf", f"--region={REGION}", "--cloud-tmp-dir=s3://tmp/mrjob/", "--cloud-log-dir=s3://logs/",
    "--cloud-fs-sync-secs=0", "--check-cluster-every=0.05", "--release-label=emr-7.9.0", "--cleanup=NONE",
    "--iam-instance-profile=EMR_EC2_DefaultRole", "--iam-service-role=EMR_DefaultRole",
]  # fmt: skip


def write_job(folder, text):
    """A program with this class of a job."""
    script = folder / "mr_test.py"
    script.write_text(HEAD + textwrap.dedent(text) + "\nif __name__ == '__main__':\n    Job.run()\n")
    return script


@pytest.fixture
def run_job(aws, tmp_path):
    """Runs a job as a program."""

    def run(text, *switches, code=0):
        script = write_job(tmp_path, text)
        command = [sys.executable, script, *EMR, f"--local-tmp-dir={tmp_path}", *switches, "s3://data/words/"]
        done = subprocess.run(command, env=aws.environment(), capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stderr
        done.pairs = dict(map(json.loads, line.split("\t")) for line in done.stdout.splitlines())
        return done

    return run


def test_mrjob_counts_words_on_a_cluster_of_its_own(aws, run_job):
    done = run_job(WORD_COUNT)
    assert done.pairs == {"a": 40, "b": 20, "c": 20}
    seen = aws.clusters()[-1]
    assert (seen.state, seen.reason["Code"]) == ("TERMINATED", "ALL_STEPS_COMPLETED")
    assert seen.tags["__mrjob_label"] == "mr_test"
    assert [attempt.kind for attempt in aws.steps[-1].attempts] == ["m", "m", "r", "r"]
    # Read from the logs, and without a wait.
    assert "different=3" in done.stderr and "Map input records=40" in done.stderr
    job_key = aws.steps[-1].name.partition(":")[0]
    assert job_key.startswith("mr_test.") and not Path(f"/tmp/wrapper.lock.{job_key}").exists()


def test_mrjob_sorts_values_on_a_cluster_that_was_there(aws, cluster_id, run_job):
    done = run_job(SORTED_VALUES, f"--cluster-id={cluster_id}", "--no-read-logs", "--cat-output")
    assert done.pairs == {"a": [True, 40], "b": [True, 20], "c": [True, 20]}
    assert last_step(aws, cluster_id).name.startswith("mr_test.")
    assert view(aws, cluster_id).is_live


def test_a_task_has_what_was_shipped_and_nothing_else(aws, cluster_id, run_job, tmp_path):
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        archive.writestr("shipped.py", "VALUE = 'from the zip'\n")
    switches = [f"--py-files={tmp_path}/code.zip", "--cmdenv=MINE=1", "-Dmapreduce.job.maps=1"]
    done = run_job(FROM_ZIP, f"--cluster-id={cluster_id}", "--no-read-logs", *switches)
    library, value, version, names = done.pairs["task"]
    assert (library, value, tuple(version)) == ("mrjob.zip", "from the zip", find_node_python().version[:2])
    assert "MINE" in names
    assert not [name for name in names if name.startswith(("AWS", "MRJOB", "PYTEST", "VIRTUAL_ENV"))]


def test_mrjob_finds_the_traceback_of_a_failed_task(aws, run_job):
    done = run_job(FAILING_JOB, "-Dmapreduce.map.maxattempts=2", code=1)
    assert "Probable cause of failure" in done.stderr
    assert "ZeroDivisionError: division by zero" in done.stderr
    assert "while reading input from" in done.stderr and "s3://data/words/a.txt" in done.stderr
    assert aws.clusters()[-1].reason["Message"] == "Steps completed with errors"
    assert {a.attempt for a in aws.steps[-1].attempts if a.error} == {0, 1}


def test_a_killed_task_does_not_change_the_result_of_a_job_in_this_process(aws, cluster_id, monkeypatch, tmp_path):
    write_job(tmp_path, KILLED_ONCE)
    monkeypatch.syspath_prepend(tmp_path)
    aws.surround(monkeypatch)
    switches = [f"--local-tmp-dir={tmp_path}", f"--cluster-id={cluster_id}", "--no-read-logs"]
    job = importlib.import_module("mr_test").Job([*EMR, *switches, "s3://data/words/"])
    with job.make_runner() as runner:
        runner.run()
        assert dict(job.parse_output(runner.cat_output())) == {2: 40}
    [first, *others] = [a for a in last_step(aws, cluster_id).attempts if a.kind == "m" and a.number == 0]
    assert "code 137" in first.error and [a.succeeded for a in others] == [True]


# -- beside a real Hadoop ----------------------------------------------------------------------------------------------

SHOW_MAP = """
    import os, sys
    lines = sys.stdin.buffer.read().splitlines()
    show = ["A", "B", "mapreduce_map_input_start", "mapreduce_map_input_length", "mapreduce_task_ismap", "my_setting"]
    print("task", [os.environ.get(name) for name in show], sys.argv[1:], sep="\\t")
    print("all key")
    print("bare\\rreturn")
    sys.stdout.flush()
    sys.stdout.buffer.write(b"".join(line + b"\\n" for line in lines))
    """
SHOW_REDUCE = """
    import sys
    lines = sys.stdin.buffer.readlines()
    for line in lines:
        print(repr(line).replace("\\\\t", "|"))
    print("all", len(lines))
    """
COUNT_KEYS = """
    import collections, sys
    keys = collections.Counter(line.rpartition("\\t")[0] for line in sys.stdin)
    for key, n in keys.items():  # in the order in which they came
        print(key, n, sep="\\t")
    """
KEY_FIELDS = "org.apache.hadoop.mapred.lib.KeyFieldBased"
# Name -> input, generic options, options.
COMPARISONS = {
    "lines, splits, words, partitions": (
        "/in",
        ["-D", "mapreduce.job.maps=5", "-D", "mapred.reduce.tasks=3", "-D", "my.setting=a b"],
        ["-cmdenv", "A=1", "-cmdenv", "B=x y", "-mapper", "python3 map.py a 'b c' --x='y z' \"q'\" ''"],
    ),
    "parts of keys, a combiner": (
        "/in/many",
        [
            "-D", "stream.num.map.output.key.fields=2", "-D", "stream.num.reduce.output.key.fields=2",
            "-D", "mapreduce.job.reduces=2",
            "-D", f"mapreduce.job.output.key.comparator.class={KEY_FIELDS}Comparator",
            "-D", "mapreduce.partition.keycomparator.options=-k2,2nr -k1,1",
            "-D", "mapreduce.partition.keypartitioner.options=-k1,1",
        ],
        ["-partitioner", f"{KEY_FIELDS}Partitioner", "-mapper", "cat", "-combiner", "python3 count.py"],
    ),
    "no reducer, files of all kinds": (
        "/kinds", ["-D", "mapreduce.job.maps=2"], ["-numReduceTasks", "0", "-mapper", "python3 map.py"]
    ),
    "two lines a task": (
        "/in/odd",
        ["-D", "mapreduce.input.lineinputformat.linespermap=2", "-D", "mapreduce.job.reduces=1"],
        ["-inputformat", "org.apache.hadoop.mapred.lib.NLineInputFormat", "-mapper", "python3 map.py"],
    ),
}  # fmt: skip


class Hadoop:
    """The one of `make hadoop-up`, and a folder on its HDFS."""

    def __init__(self) -> None:
        self.home = Path(os.environ.get("HADOOP_HOME", ROOT / ".hadoop"))
        self.folder = f"/tmp/test-fake-aws-{os.getpid()}"

    def __call__(self, *words: str) -> bytes:
        done = subprocess.run([self.home / "bin" / "hadoop", *words], capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def stream(self, words: Sequence[str]) -> None:
        [jar] = (self.home / "share" / "hadoop" / "tools" / "lib").glob("hadoop-streaming-*.jar")
        self("jar", str(jar), *words)


@pytest.fixture(scope="module")
def hadoop(tmp_path_factory):
    random = Random(1)
    fields = [(random.choice("pqrs") * random.randint(1, 3), random.randint(-20, 120)) for _ in range(200)]
    files = {
        "in/odd": b"a 1\tx\nb\r\nc\rd\tz\n\ne\tf\tg\nlast",
        "in/many": b"".join(b"%s\t%d\tv\n" % (key.encode(), n) for key, n in fields),
        "kinds/empty": b"",
        "kinds/packed.gz": gzip.compress(b"p\nq\n"),
        "kinds/mark": "\ufeffwith a mark\n".encode(),
        "kinds/_hidden": b"hidden\n",
    }
    programs = {"map.py": SHOW_MAP, "reduce.py": SHOW_REDUCE, "count.py": COUNT_KEYS}
    files |= {name: textwrap.dedent(text).encode() for name, text in programs.items()}
    local = tmp_path_factory.mktemp("hdfs")
    for name, data in files.items():
        (local / name).parent.mkdir(exist_ok=True)
        (local / name).write_bytes(data)
    hadoop = Hadoop()
    hadoop("fs", "-put", str(local), hadoop.folder)
    yield hadoop, files
    hadoop("fs", "-rm", "-R", "-f", "-skipTrash", hadoop.folder)


def by_key(part: bytes) -> list[tuple[bytes, list[bytes]]]:
    """The keys in their order, each with its lines in none."""
    return [(key, sorted(lines)) for key, lines in itertools.groupby(part.splitlines(), lambda line: line.split(b"|")[0])]


@pytest.mark.hadoop
@pytest.mark.parametrize("name", COMPARISONS)
def test_a_step_writes_what_a_real_hadoop_writes(streaming, hadoop, name):
    real, files = hadoop
    source, generic, words = COMPARISONS[name]
    shipped = ",".join(f"hdfs://{real.folder}/{program}" for program in ("map.py", "reduce.py", "count.py"))
    generic = ["-files", shipped, *generic]
    if "-numReduceTasks" not in words:
        words = [*words, "-reducer", "python3 reduce.py"]
    streaming.put({f"{real.folder}/{file}": data for file, data in files.items()})
    streaming(*words, generic=generic, input=f"{real.folder}{source}")
    ours = streaming.parts()
    output = f"{real.folder}/{name.replace(' ', '-').replace(',', '')}"
    real.stream([*generic, "-input", f"{real.folder}{source}", "-output", output, *words])
    theirs = [real("fs", "-cat", f"{output}/part-{number:05d}") for number in range(len(ours))]
    assert list(map(by_key, ours)) == list(map(by_key, theirs))

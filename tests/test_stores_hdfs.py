"""Files on HDFS: by a stand-in for the hadoop command that says what Hadoop 3.4 said, and on that of `make hadoop-up`."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from drivers.packing.sources import find_sources, first_bytes, read_pieces
from drivers.packing.stores import hdfs
from drivers.packing.stores.source import Source
from jobs.errors import ScanError
from tests.conftest import make_table, read_passes, write_csv

TABLE = b"y,x\n1,2\n3,4\n"
URL = "hdfs:///d/t.csv"


@pytest.fixture(autouse=True)
def no_memory():
    hdfs._head.cache_clear()


class StandIn:
    """A hadoop command that says what it is told to, and writes down what it was asked."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        script = folder / "hadoop"
        script.write_text(
            f'#!/bin/sh\ncd {folder}\nprintf "%s\\n" "$*" >> calls\n'
            'for word in "$@"; do case $word in -stat | -ls | -cat) exec sh ./"$word".sh;; esac; done\n'
        )
        script.chmod(0o755)

    def answers(self, command, output="", errors="", status=0):
        """Sets the output, the errors and the exit status of `hadoop fs COMMAND`."""
        output = output if isinstance(output, bytes) else output.encode()
        (self.folder / f"{command}.out").write_bytes(output)
        (self.folder / f"{command}.err").write_text(errors)
        self.runs(command, f"cat ./{command}.err >&2; cat ./{command}.out; exit {status}")

    def runs(self, command, script):
        """Lets `hadoop fs COMMAND` be a script of the shell."""
        (self.folder / f"{command}.sh").write_text(script)

    def calls(self, command=""):
        calls = (self.folder / "calls").read_text().splitlines() if (self.folder / "calls").exists() else []
        return [call for call in calls if command in call]


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    for variable in ("HADOOP_PREFIX", "HADOOP_HOME", "HADOOP_INSTALL"):
        monkeypatch.delenv(variable, raising=False)
    made = StandIn(tmp_path / "stand-in")
    monkeypatch.setenv("PATH", str(made.folder), prepend=os.pathsep)
    return made


def listing(*entries):
    """What -stat says of files (name, size) and, where there is no size, directories."""
    lines = [f"regular file\t{size[0]}\t17000{j:05d}\t{name}" if size else f"directory\t0\t17\t{name}"
             for j, (name, *size) in enumerate(entries)]  # fmt: skip
    return "".join(f"{line}\n" for line in lines)


def source_of(data, path=URL):
    return Source(path, len(data), "1")


def text(source, size=100_000):
    return b"".join(read_pieces(source, size))


def noise(n_bytes):
    return np.random.default_rng(0).bytes(n_bytes)


# -- which files a name means --------------------------------------------------------------------------------------------


def test_a_file_is_found_by_one_call(stand_in):
    error = "stat: `hdfs:///d/t.csv/*': No such file or directory\n"
    stand_in.answers("-stat", listing(("t.csv", 12)), error, 1)
    assert find_sources([URL]) == [Source(URL, 12, "1700000000")]
    (call,) = stand_in.calls()
    assert call.endswith(f"{URL} {URL}/*")


@pytest.mark.parametrize("name", ["hdfs://host:8020/d", "hdfs://host:8020/d/", "HDFS://host:8020//d"])
def test_a_directory_is_its_files_without_hidden_ones(stand_in, name):
    inside = [(".crc", 3), ("_SUCCESS", 0), ("a b.csv", 7), ("part-0", 9), ("deeper",)]
    stand_in.answers("-stat", listing(("d",), *inside))
    found = find_sources([name])
    assert [(source.path, source.size) for source in found] == [
        ("hdfs://host:8020/d/a b.csv", 7),
        ("hdfs://host:8020/d/part-0", 9),
    ]
    assert len(stand_in.calls()) == 1


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("*", ["a", "b"]), ("?*", ["a", "b"]), ("{_a,b}*", ["_a", "a", "b"]), ("_*", ["_a", "a", "b"])],
)
def test_a_wildcard_does_not_stand_for_a_hidden_name(stand_in, pattern, expected):
    """Which names match is Hadoop's to say; here it always says these."""
    stand_in.answers("-stat", listing(("_a", 1), ("a", 1), ("b", 1), ("c",)))
    assert [source.path for source in hdfs.find(f"hdfs:///d/{pattern}")] == [f"hdfs:///d/{name}" for name in expected]
    assert len(stand_in.calls()) == 1


def test_a_pattern_of_folders_is_listed_twice(stand_in):
    stand_in.answers("-stat", listing(("t.csv", 1), ("t.csv", 2)))
    stand_in.answers("-ls", "hdfs:///2023/t.csv\nhdfs:///2024/t.csv\n")
    found = hdfs.find("hdfs:///*/t.csv")
    assert [(source.path, source.size) for source in found] == [("hdfs:///2023/t.csv", 1), ("hdfs:///2024/t.csv", 2)]
    stand_in.answers("-ls", "hdfs:///2023/t.csv\n")
    with pytest.raises(ScanError, match="files came or went while they were listed; run again when they are complete"):
        hdfs.find("hdfs:///*/t.csv")


# -- their bytes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_bytes", [1, hdfs.HEAD_BYTES - 1, hdfs.HEAD_BYTES, hdfs.HEAD_BYTES + 1, 3_000_000])
def test_the_bytes_come_back(stand_in, n_bytes):
    data = noise(n_bytes)
    stand_in.answers("-cat", data)
    with hdfs.open_stream(source_of(data)) as stream:
        pieces = list(iter(lambda: stream.read(700_000), b""))
        assert stream.read(1) == b""
    assert b"".join(pieces) == data
    assert [len(piece) for piece in pieces[:-1]] == [700_000] * (len(pieces) - 1)


def test_a_read_waits_for_all_it_asked_for(stand_in):
    """A pipe gives what is in it."""
    stand_in.runs("-cat", "for word in one two three; do printf $word; sleep 0.1; done")
    with hdfs.open_stream(source_of(b"onetwothree")) as stream:
        assert [stream.read(5), stream.read(100)] == [b"onetw", b"othree"]


def test_compressed_files_come_as_they_lie_and_are_unpacked_here(stand_in):
    data = TABLE + noise(400_000).hex().encode()
    packed = gzip.compress(data)
    stand_in.answers("-cat", packed)
    assert text(source_of(packed)) == data


def test_names_of_files_are_no_patterns(stand_in):
    stand_in.answers("-cat", TABLE)
    text(source_of(TABLE, r"hdfs:///d/a*[1]{x}?\ b.csv"))
    assert stand_in.calls("-cat")[0].endswith(r"-cat hdfs:///d/a\*\[1\]\{x\}\?\\ b.csv")


@pytest.mark.parametrize(("n_bytes", "looks", "calls"), [(1000, 1, 1), (1_000_000, 1, 2)])
def test_a_few_calls_serve_all_looks_at_the_first_bytes(stand_in, n_bytes, looks, calls):
    data = noise(n_bytes)
    stand_in.answers("-cat", data)
    source = source_of(data)
    for _ in range(3):
        assert first_bytes(source) == data[:16]
        assert next(read_pieces(source, 1 << 16)) == data[: 1 << 16]
    assert len(stand_in.calls("-cat")) == looks
    assert text(source) == data
    assert len(stand_in.calls("-cat")) == calls


def test_a_stream_that_is_closed_early_ends_its_command(stand_in):
    stand_in.runs("-cat", "echo $$ > pid; exec cat /dev/zero")
    with hdfs.open_stream(Source(URL, 1 << 40, "1")) as stream:
        assert len(stream.read(500_000)) == 500_000
        pid = int((stand_in.folder / "pid").read_text())
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_command_that_warns_much_does_not_stop_the_stream(stand_in):
    data = noise(1_000_000)
    stand_in.answers("-cat", data, "26/11/21 WARN ipc.Client: again\n" * 100_000)
    assert text(source_of(data)) == data


# -- what can be wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_bytes", [1000, 500_000])
def test_a_command_that_fails_at_the_end_is_no_end_of_file(stand_in, n_bytes):
    data = noise(n_bytes)
    reason = "Could not obtain block: BP-1-127.0.0.1-1:blk_1073741826_1002 file=/d/t.csv"
    stand_in.answers("-cat", data[: n_bytes // 2], f"26/11/21 WARN hdfs.DFSClient: no node\ncat: {reason}\n", 1)
    with pytest.raises(ScanError) as caught:
        text(source_of(data))
    assert str(caught.value) == f"{URL} cannot be read: {reason}"


def test_a_command_that_is_killed_is_no_end_of_file(stand_in):
    data = noise(500_000)
    stand_in.answers("-cat", data[:300_000])
    stand_in.runs("-cat", "cat ./-cat.out; kill -9 $$")
    with pytest.raises(ScanError, match="cannot be read: the hadoop command gave no reason"):
        text(source_of(data))


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("grown_by", [-1, 1])
def test_a_file_of_another_length_is_refused(stand_in, compress, grown_by):
    data = compress(noise(500_000))
    stand_in.answers("-cat", data)
    with pytest.raises(ScanError, match="changed while it was being read; run again when it is complete"):
        text(Source(URL, len(data) - grown_by, "1"))


def test_the_version_tells_of_a_change(stand_in):
    source = Source(URL, 12, "1700000000")
    stand_in.answers("-stat", listing(("t.csv", 12)))
    assert hdfs.version(source) == source.version
    stand_in.answers("-stat", listing(("t.csv", 13)))
    assert hdfs.version(source) != source.version
    stand_in.answers("-stat", listing(("other", 12), ("t.csv", 12)).splitlines(True)[1])
    assert hdfs.version(source) != source.version
    stand_in.answers("-stat", "", f"stat: `{URL}': No such file or directory\n", 1)
    assert hdfs.version(source) != source.version
    stand_in.answers("-stat", "", "stat: Call From vm/127.0.0.1 to localhost:1 failed: java.net.ConnectException: x\n", 1)
    with pytest.raises(ScanError, match="the cluster does not answer"):
        hdfs.version(source)


REFUSED = (
    "Call From vm/127.0.0.1 to localhost:1 failed on connection exception: java.net.ConnectException: Connection refused"
)
DENIED = 'Permission denied: user=eve, access=READ_EXECUTE, inode="/d":adam:adam:drwx------'


@pytest.mark.parametrize(
    ("errors", "sentence"),
    [
        (f"stat: `{URL}/*': No such file or directory\nstat: `{URL}': No such file or directory", f"no such file: {URL}"),
        (
            f"stat: {REFUSED}; For more details see:  http://wiki.apache.org/hadoop/ConnectionRefused",
            f"{URL}: the cluster does not answer; is it up? ({REFUSED})",
        ),
        (
            f"26/11/21 06:31:42 WARN fs.FileSystem: Failed to initialize filesystem {URL}\n"
            "-stat: java.net.UnknownHostException: data\nUsage: hadoop fs [generic options]\n\t[-cat <src>]",
            f"{URL}: there is no host of that name; hdfs:///path is a path on your own cluster",
        ),
        (
            f"stat: Incomplete HDFS URI, no host: {URL}",
            f"{URL} names no host, and Hadoop is set up for no cluster; write hdfs://host:port/path, "
            "or set HADOOP_CONF_DIR",
        ),
        (
            "stat: RPC response has a length of 1213486160 exceeds maximum data length",
            f"{URL}: what answers there is no NameNode; fs.defaultFS names its port",
        ),
        (
            f"stat: `{URL}/*': No such file or directory\nstat: {DENIED}",
            f"{URL} may not be read by this user of Hadoop ({DENIED})",
        ),
        (f"stat: {DENIED}", f"{URL} may not be read by this user of Hadoop ({DENIED})"),
        (
            "stat: DestHost:destPort nn:8020 , LocalHost:localPort vm:0. Failed on local exception: java.io.IOException: "
            "org.apache.hadoop.security.AccessControlException: Client cannot authenticate via:[TOKEN, KERBEROS]",
            f"{URL}: the cluster wants a Kerberos ticket; get one by kinit",
        ),
        (
            "ERROR: JAVA_HOME is not set",
            f"{URL}: the hadoop command finds no Java; install Java, or set JAVA_HOME (ERROR: JAVA_HOME is not set)",
        ),
        ("", f"{URL} cannot be read: the hadoop command gave no reason"),
    ],
)
def test_what_hadoop_complains_about_is_one_sentence(stand_in, errors, sentence):
    stand_in.answers("-stat", "", errors, 1)
    with pytest.raises(ScanError) as caught:
        find_sources([URL])
    assert str(caught.value) == sentence


def test_a_directory_that_cannot_be_listed_is_not_an_empty_one(stand_in):
    stand_in.answers("-stat", listing(("d",)), f"stat: {DENIED}\n", 1)
    for name in ("hdfs:///d", "hdfs:///d/*"):
        with pytest.raises(ScanError, match="may not be read by this user of Hadoop"):
            hdfs.find(name)


@pytest.mark.parametrize(
    ("name", "output", "status", "sentence"),
    [
        ("hdfs:///d/t.csv", listing(("t.csv", 0)), 1, "hdfs:///d/t.csv is empty"),
        ("hdfs:///d", listing(("d",), ("b", 0)), 0, "hdfs:///d/b is empty"),
        ("hdfs:///d", listing(("d",)), 1, "the directory hdfs:///d holds no files"),
        ("hdfs:///d", listing(("d",), ("_SUCCESS", 0)), 0, "the directory hdfs:///d holds no files"),
        ("hdfs:///d/*.csv", "", 1, "no file matches hdfs:///d/*.csv"),
        ("hdfs:///d/*", listing(("e",)), 0, "no file matches hdfs:///d/*"),
    ],
)
def test_what_holds_no_data_is_one_sentence(stand_in, name, output, status, sentence):
    stand_in.answers("-stat", output, "stat: `x': No such file or directory\n" if status else "", status)
    with pytest.raises(ScanError) as caught:
        find_sources([name])
    assert str(caught.value) == sentence


def test_files_of_no_bytes_beside_others_are_passed_over(stand_in):
    stand_in.answers("-stat", listing(("d",), ("a", 1), ("b", 0)), "", 0)
    assert [source.path for source in find_sources(["hdfs:///d"])] == ["hdfs:///d/a"]


def test_without_the_hadoop_command_the_sentence_says_so(stand_in, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ScanError) as caught:
        hdfs.find(URL)
    assert str(caught.value) == f"{URL} needs the hadoop command: set HADOOP_HOME, or put hadoop on the PATH"


def test_a_hadoop_command_that_is_none_is_one_sentence(stand_in):
    (stand_in.folder / "hadoop").write_text("#!/nowhere/sh\n")
    with pytest.raises(ScanError, match=f"^{URL}: .*/hadoop cannot be started: No such file or directory$"):
        hdfs.find(URL)


# -- on a real one -------------------------------------------------------------------------------------------------------


@pytest.fixture
def cluster(tmp_path):
    """A new folder on the running cluster, and the `hadoop fs` command."""
    home = os.environ.get("HADOOP_HOME")
    if home is None:
        pytest.fail('HADOOP_HOME is not set; make hadoop-up, then eval "$(python hadoop/cluster.py env)"')
    folder = f"/tmp/test-stores-{os.getpid()}-{time.monotonic_ns()}"

    def fs(*arguments):
        subprocess.run([f"{home}/bin/hadoop", "fs", *arguments], capture_output=True, check=True)

    fs("-mkdir", "-p", folder)
    yield folder, fs
    fs("-rm", "-r", "-skipTrash", folder)


ODD_NAMES = ["a b.csv", r"back\slash,^.csv", "w%20[x] {1,2}+#&.csv", "ä*?.csv"]


@pytest.mark.hadoop
def test_files_of_a_cluster_are_found_and_read(tmp_path, cluster, monkeypatch):
    folder, fs = cluster
    local = tmp_path / "part=1"
    (local / "deeper").mkdir(parents=True)
    for name in (*ODD_NAMES, "_SUCCESS", ".hidden", "deeper/t.csv"):
        (local / name).write_bytes(name.encode())
    large = noise(3_000_000)
    (local / "large").write_bytes(large)
    (local / "large.gz").write_bytes(gzip.compress(large))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    fs("-put", str(local), folder)
    monkeypatch.setenv("LC_ALL", "C")  # under which Java by itself knows ASCII only
    url = f"hdfs://{folder}/part=1"
    names = sorted([*ODD_NAMES, "large", "large.gz"])
    found = find_sources([url])
    assert [source.path for source in found] == [f"{url}/{name}" for name in names]
    assert [hdfs.version(source) for source in found] == [source.version for source in found]
    for source in found:
        name = source.path.removeprefix(f"{url}/")
        assert source.size == (local / name).stat().st_size
        assert text(source) == (large if name.startswith("large") else name.encode())

    def paths(name):
        return [source.path.removeprefix(f"hdfs://{folder}/") for source in find_sources([f"hdfs://{folder}/{name}"])]

    inside = [f"part=1/{name}" for name in names]
    assert paths("part=1/") == paths("part=1/*") == paths("*/*") == paths("part=[0-9]/") == inside
    assert paths("part=1/{a b,ä\\*\\?}.csv") == [f"part=1/{name}" for name in ("a b.csv", "ä*?.csv")]
    assert paths("*/_*") == ["part=1/_SUCCESS"]
    assert paths("part=?/*/t.csv") == ["part=1/deeper/t.csv"]
    assert paths("part=1/a b.csv") == ["part=1/a b.csv"]
    host = re.search(r"hdfs://[\w.:]+", Path(os.environ["HADOOP_HOME"], "conf", "core-site.xml").read_text())
    (source,) = find_sources([f"{host[0]}{folder}/part=1/l*e"])
    assert text(source) == large


@pytest.mark.hadoop
def test_a_file_of_a_cluster_that_is_written_anew_is_another_one(tmp_path, cluster):
    """Of the same size, and within the minute that a listing shows."""
    folder, fs = cluster
    (tmp_path / "t.csv").write_bytes(TABLE)
    fs("-put", str(tmp_path / "t.csv"), folder)
    (source,) = find_sources([f"hdfs://{folder}/t.csv"])
    assert hdfs.version(source) == source.version
    fs("-put", "-f", str(tmp_path / "t.csv"), folder)
    assert hdfs.version(source) != source.version
    fs("-rm", "-skipTrash", f"{folder}/t.csv")
    assert hdfs.version(source) != source.version
    with pytest.raises(ScanError, match=f"^no such file: hdfs://{folder}/t.csv$"):
        text(source)


@pytest.mark.hadoop
def test_a_model_is_fitted_to_files_of_a_cluster(tmp_path, cluster, run_wols):
    """As to the same rows in a file of this machine."""
    folder, fs = cluster
    matrix, names = make_table(30_000)
    options = ("--target", "y", "--weight", "w", "--no-report")
    assert run_wols(write_csv(tmp_path / "t.csv", matrix, names), *options, "--run-dir", "local").returncode == 0
    parts = tmp_path / "parts"
    parts.mkdir()
    for j, rows in enumerate(np.array_split(matrix, 3)):
        plain = write_csv(parts / f"part {j}.csv", rows, names)
        if j == 1:
            plain.write_bytes(gzip.compress(plain.read_bytes()))
    (parts / "_SUCCESS").touch()
    fs("-put", str(parts), folder)
    done = run_wols(f"hdfs://{folder}/parts", *options, "--run-dir", "cluster")
    assert done.returncode == 0, done.stderr
    md5s = [[entry["statistics_md5"] for entry in read_passes(run)] for run in ("cluster", "local")]
    assert md5s[0] == md5s[1]


@pytest.mark.hadoop
def test_what_a_cluster_does_not_have_is_one_sentence(cluster):
    folder, fs = cluster
    fs("-touchz", f"{folder}/empty")
    fs("-mkdir", f"{folder}/nothing")
    for name, sentence in {
        f"hdfs://{folder}/t.csv": f"no such file: hdfs://{folder}/t.csv",
        f"hdfs://{folder}/t*": f"no file matches hdfs://{folder}/t*",
        f"hdfs://{folder}/*/t*": f"no file matches hdfs://{folder}/*/t*",
        f"hdfs://{folder}/nothing": f"the directory hdfs://{folder}/nothing holds no files",
        f"hdfs://{folder}/empty": f"hdfs://{folder}/empty is empty",
        f"hdfs://{folder}": f"hdfs://{folder}/empty is empty",
    }.items():
        with pytest.raises(ScanError) as caught:
            find_sources([name])
        assert str(caught.value) == sentence
    with pytest.raises(ScanError, match="the cluster does not answer; is it up?"):
        find_sources(["hdfs://127.0.0.1:1/t.csv"])
    with pytest.raises(ScanError, match="there is no host of that name; hdfs:///path is a path on your own cluster"):
        find_sources(["hdfs://no-such-host/t.csv"])

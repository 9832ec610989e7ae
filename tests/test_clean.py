"""drivers/clean.py removes what killed runs have left, says what, and touches nothing else."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from pathlib import Path

import boto3
import pytest

from drivers import clean
from drivers.runners.leftovers import Leftovers, default_folder
from tests.conftest import ROOT, Driver
from tests.moto_aws import moto_environment, surround
from tests.test_leftovers import folder_line, killed_run, run_folder, written  # noqa: F401  (a fixture)
from tests.test_messages import outcome

CACHE = "cache/scanlearn"


@pytest.fixture(autouse=True)
def a_cache_with_packs():
    for name in ("aaaa", "bbbb", "cccc.partial"):
        os.makedirs(f"{CACHE}/packs/{name}", mode=0o700)
        Path(f"{CACHE}/packs/{name}/blocks.bin").write_bytes(b"data")
    for name in ("aaaa", "cccc"):
        Path(f"{CACHE}/packs/{name}.lock").touch()
    os.makedirs(f"{CACHE}/stdin")
    for name, days in (("old", 8), ("new", 6)):
        path = Path(f"{CACHE}/stdin/scanlearn-stdin-{name}")
        path.write_text("1,2\n")
        os.utime(path, (time.time() - days * 86400,) * 2)
    os.makedirs(f"{CACHE}/demo")
    Path(f"{CACHE}/demo/wols.csv").write_text("1,2\n")


@pytest.fixture(autouse=True)
def no_hadoop(monkeypatch):
    for name in ("HADOOP_HOME", "HADOOP_PREFIX", "HADOOP_INSTALL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


def there() -> set[str]:
    """What is in the cache, but for locks and empty folders."""
    found = [path for path in Path(CACHE).rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(CACHE)) for path in found}


PACKS = {"packs/aaaa/blocks.bin", "packs/bbbb/blocks.bin"}
OTHERS = {"stdin/scanlearn-stdin-new", "demo/wols.csv"}


def run(*arguments: str) -> tuple[int, list[str], str]:
    status, out, err = outcome(list(arguments), clean)
    return status, out.replace(os.path.abspath(CACHE), "CACHE").splitlines(), err


def hadoop_that(does: str) -> str:
    """A hadoop command that does this, and keeps what it was asked."""
    Path("hadoop").write_text(f'#!/bin/sh\necho "$@" >> {os.getcwd()}/asked\n{does}\n')
    os.chmod("hadoop", 0o755)
    return os.path.abspath("hadoop")


UNREACHABLE = """echo "rm: Call From a/1 to b:8020 failed: java.net.ConnectException: Connection refused" >&2
exit 1"""


def test_it_removes_what_is_left_and_nothing_else(run_folder):  # noqa: F811
    shutil.move(written(folder_line(run_folder)).parent, f"{CACHE}/leftovers")
    status, out, err = run("--dry-run")
    assert (status, err) == (0, "")
    things = [str(run_folder), "CACHE/packs/cccc.partial", "CACHE/stdin/scanlearn-stdin-old"]
    assert out == [*(f"is there: {thing}" for thing in things), "3 things to remove"]
    before = there()
    assert before > PACKS | OTHERS and run_folder.exists()
    status, out, err = run()
    assert (status, err) == (0, "")
    assert out == [
        f"removed what a killed run left: {run_folder}",
        "removed CACHE/packs/cccc.partial",
        "removed CACHE/stdin/scanlearn-stdin-old",
        "3 things removed",
    ]
    assert there() == PACKS | OTHERS
    assert not run_folder.exists() and run_folder.parent.exists()
    assert run()[:2] == (0, ["0 things removed"])


def test_packed_tables_are_removed_when_asked_for():
    run()
    assert there() == PACKS | OTHERS
    status, out, _ = run("--packs")
    assert (status, out) == (0, ["removed CACHE/packs/aaaa", "removed CACHE/packs/bbbb", "2 things removed"])
    assert there() == OTHERS


def test_packed_tables_stay_while_a_run_of_the_cache_goes_on(tmp_path):
    left = Leftovers(default_folder(CACHE))
    left.add("folder", path=str(tmp_path / "r" / "tmp"))
    status, out, _ = run("--packs")
    assert status == 0
    assert out[0] == "1 run of this cache goes on, so its packed tables stay"
    assert there() >= PACKS
    left.close()
    assert run("--packs")[1][-1] == "2 things removed"


def test_a_pack_that_grows_is_left_to_who_makes_it():
    with open(f"{CACHE}/packs/cccc.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run()[1] == ["removed CACHE/stdin/scanlearn-stdin-old", "1 thing removed"]
    assert "packs/cccc.partial/blocks.bin" in there()
    assert run()[1] == ["removed CACHE/packs/cccc.partial", "1 thing removed"]


def test_another_cache(tmp_path):
    os.rename(CACHE, "elsewhere")
    assert run()[1] == ["0 things removed"]
    assert run("--cache-dir", "elsewhere")[1][-1] == "2 things removed"
    assert run("--cache-dir", "nowhere")[1] == ["0 things removed"]
    assert not os.path.exists("nowhere")


def test_a_cluster_that_does_not_answer_keeps_what_it_has_until_it_is_forgotten():
    binary = hadoop_that(UNREACHABLE)
    where = {"binary": binary, "conf": "/etc/hadoop", "user": "me"}
    lines = [
        {"add": "a", "kind": "hdfs", **where, "path": "hdfs:///tmp/me/tmp/r-0123abcd"},
        {"add": "b", "kind": "hdfs", **where, "path": "hdfs:///tmp/me/tmp/r-89abcdef"},
    ]
    shutil.move(written(*lines).parent, f"{CACHE}/leftovers")
    run()
    os.remove("asked")
    status, out, err = run()
    assert (status, err) == (1, "")
    assert len(out) == 2 and out[1] == "0 things removed, 2 not"
    assert "could not be removed: hdfs:///tmp/me/tmp/r-89abcdef: the cluster does not answer; is it up?" in out[0]
    assert len(Path("asked").read_text().splitlines()) == 1
    assert run("--forget")[0] == 0
    assert run() == (0, ["0 things removed"], "")


def test_a_hadoop_command_that_is_gone_is_said():
    where = {"binary": os.path.abspath("hadoop"), "conf": "", "user": ""}
    line = {"add": "a", "kind": "application", **where, "id": "application_1_2"}
    shutil.move(written(line).parent, f"{CACHE}/leftovers")
    status, out, _ = run()
    assert status == 1
    assert f"application_1_2: there is no longer a hadoop command at '{where['binary']}'" in out[0]


def test_it_is_the_hadoop_and_the_user_of_the_killed_run_that_are_asked(monkeypatch):
    binary = hadoop_that('echo "$HADOOP_CONF_DIR $HADOOP_USER_NAME" >> asked; echo "Deleted $6"')
    monkeypatch.setenv("HADOOP_CONF_DIR", "/etc/another")
    monkeypatch.setenv("HADOOP_USER_NAME", "another")
    lines = [
        {"add": f"{i}", "kind": "hdfs", "binary": binary, "conf": conf, "user": user, "path": f"/tmp/me/tmp/r-{i:08x}"}
        for i, (conf, user) in enumerate([("", ""), ("/etc/hadoop", "me")])
    ]
    shutil.move(written(*lines).parent, f"{CACHE}/leftovers")
    assert run()[0] == 0
    asked = Path("asked").read_text().splitlines()
    assert asked[1::2] == ["/etc/hadoop me", " "]
    assert [line.split()[-1] for line in asked[::2]] == ["/tmp/me/tmp/r-00000001", "/tmp/me/tmp/r-00000000"]
    assert all("-rm -r -f -skipTrash" in line for line in asked[::2])


def test_of_what_lies_on_hdfs_only_packs_and_code_are_removed():
    listing = """case "$*" in
*" -d -C "*) echo hdfs:///me/packs; echo hdfs:///me/code ;;
*" -C "*) echo hdfs:///me/packs/21a6a5e16197ec6b9401d082-928148-71a3f7ec; echo hdfs:///me/packs/mine
    echo hdfs:///me/code/0caf464038ddae3e; echo hdfs:///me/code/main.c ;;
*-rm*) echo Deleted ;;
esac"""
    binary = hadoop_that(listing)
    arguments = ("--packs", "--hadoop-bin", binary, "--hadoop-tmp-dir", "hdfs:///me/")
    ours = ["hdfs:///me/packs/21a6a5e16197ec6b9401d082-928148-71a3f7ec", "hdfs:///me/code/0caf464038ddae3e"]
    assert run("--dry-run", *arguments)[1][-3:] == [*(f"is there: {url}" for url in ours), "6 things to remove"]
    assert "-rm" not in Path("asked").read_text()
    assert run(*arguments)[1][-3:] == [*(f"removed {url}" for url in ours), "6 things removed"]
    removed = [line.split()[-1] for line in Path("asked").read_text().splitlines() if "-rm" in line]
    assert removed == ours


@pytest.mark.parametrize("url", ["hdfs:///", "hdfs:///a/../b", "hdfs:///a/*", "hdfs://host:8020", "/"])
def test_a_place_on_hdfs_that_is_no_folder_is_not_looked_at(url):
    binary = hadoop_that("exit 1")
    status, out, _ = run("--packs", "--hadoop-bin", binary, f"--hadoop-tmp-dir={url}")
    assert status == 1 and out[0].startswith(f"not looked at: --hadoop-tmp-dir {url} is to be the URL of one folder")
    assert not os.path.exists("asked")


def test_packs_of_a_cluster_that_does_not_answer_are_said_and_the_rest_is_done():
    binary = hadoop_that(UNREACHABLE.replace("rm:", "ls:"))
    status, out, _ = run("--packs", "--hadoop-bin", binary)
    assert status == 1
    assert out[0].startswith("not looked at: hdfs:///tmp/scanlearn-") and "the cluster does not answer; is it up?" in out[0]
    assert out[-1] == "4 things removed"


def test_of_what_lies_on_s3_only_packs_and_code_are_removed(monkeypatch):
    with moto_environment() as environment:
        surround(monkeypatch, environment)
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="mine")
        kept = ["t/scanlearn/tmp/r-12345678/q", "t/scanlearn/packs/aaaa", "t/scanlearn-2/packs/aaaa/x", "t/data.csv"]
        removed = ["t/scanlearn/packs/aaaa/blocks.txt", "t/scanlearn/packs/bbbb/part-0", "t/scanlearn/code/1/jobs.zip"]
        for key in (*kept, *removed):
            s3.put_object(Bucket="mine", Key=key, Body=b"x")

        def there() -> list[str]:
            return [entry["Key"] for entry in s3.list_objects_v2(Bucket="mine")["Contents"]]

        folders = [f"s3://mine/t/scanlearn/{name}/" for name in ("code/1", "packs/aaaa", "packs/bbbb")]
        status, out, err = run("--packs", "--cloud-tmp-dir", "s3://mine/t", "--dry-run")
        assert (status, err) == (0, "") and {f"is there: {folder}" for folder in folders} < set(out)
        run("--packs")
        assert there() == sorted([*kept, *removed])
        status, out, err = run("--packs", "--cloud-tmp-dir", "s3://mine/t")
        assert (status, err) == (0, "") and {f"removed {folder}" for folder in folders} < set(out)
        assert there() == sorted(kept)
        status, out, err = run("--packs", "--cloud-tmp-dir", "s3://none/t")
        assert status == 1 and any(line.startswith("not looked at: s3://none/t/scanlearn/") for line in out), out


def test_what_cannot_be_removed_is_said(monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(clean.shutil, "rmtree", refuse)
    status, out, _ = run("--packs")
    assert status == 1
    assert sum(line.startswith("could not be removed: [Errno 13] Permission denied") for line in out) == 3
    assert out[-1] == "1 thing removed, 3 not"


def test_as_a_program():
    done = Driver("clean").apart("--packs")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.splitlines()[-1] == "4 things removed"
    done = Driver("clean").apart("all")
    assert (done.returncode, done.stdout) == (2, "")


def test_make_clean_calls_it_first():
    recipe = (ROOT / "Makefile").read_text().partition("\nclean:")[2].splitlines()
    assert recipe[1] == '\t-@test -z "$(wildcard $(VENV)/.installed-*)" || $(BIN)/python drivers/clean.py'

"""What killed runs leave outside their directories is written down and removed by the next run, and nothing else is."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from drivers.run_directory import RunDirectory
from drivers.runners import leftover_kinds
from drivers.runners import leftovers as module
from drivers.runners.hadoop.leftovers import is_ours
from drivers.runners.leftover_kinds import KINDS, Kind
from drivers.runners.leftovers import Leftovers, left_by_killed_runs, n_alive, sweep
from jobs.errors import ScanError
from tests.faulty import modes

# Writes down a folder, makes it, and is killed.
KILLED = """
import os, signal, sys
from drivers.runners.leftovers import Leftovers
left = Leftovers(sys.argv[1])
for path in sys.argv[2:]:
    left.add("folder", path=path)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def run_folder(tmp_path):
    """The temporary folder of a run directory, with data in it."""
    directory = RunDirectory.create(str(tmp_path / "r"), "wols")
    directory.write_json("options.json", {})
    directory.close()
    folder = tmp_path / "r" / "tmp"
    folder.mkdir(mode=0o700)
    (folder / "data").write_text("1,2,3\n")
    return folder


def killed_run(*paths: os.PathLike | str) -> None:
    """A run that is killed when it has written these folders down."""
    done = subprocess.run([sys.executable, "-c", KILLED, "left", *map(str, paths)], cwd=os.getcwd())
    assert done.returncode == -9


def written(*lines: dict | str) -> Path:
    """A file of a killed run, with these lines."""
    os.makedirs("left", mode=0o700, exist_ok=True)
    path = Path("left/killed.jsonl")
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def folder_line(path: os.PathLike | str, name: str = "a") -> dict:
    return {"add": name, "kind": "folder", "path": str(path)}


def swept(runner: str | None = None, **options) -> tuple[int, int, list[str]]:
    """The numbers of things removed and kept, and what was said."""
    said: list[str] = []
    done = sweep("left", runner, said.append, **options)
    return done.n_removed, done.n_kept, said


# -- what is removed ---------------------------------------------------------------------------------------------------


def test_the_folder_of_a_killed_run_is_removed_with_the_file_that_names_it(run_folder):
    killed_run(run_folder)
    assert left_by_killed_runs("left") == [str(run_folder)]
    assert swept("inline") == (1, 0, [f"removed what a killed run left: {run_folder}"])
    assert not run_folder.exists() and run_folder.parent.exists()
    assert os.listdir("left") == []
    assert swept("inline") == (0, 0, [])


def test_a_folder_of_tempfile_is_removed(tmp_path):
    folder = tempfile.mkdtemp(prefix="scanlearn-")
    killed_run(folder)
    assert swept()[0] == 1
    assert not os.path.exists(folder)


def test_what_is_gone_already_is_no_news(tmp_path, run_folder):
    killed_run(tmp_path / "nowhere" / "tmp", run_folder / "data" / "tmp")
    assert swept() == (0, 0, [])
    assert os.listdir("left") == []


def test_a_run_that_ends_leaves_no_file_and_no_folder(run_folder):
    left = Leftovers("left")
    name = left.add("folder", path=str(run_folder))
    assert modes("left") == [0o700]
    left.add("folder", path=str(run_folder.parent / "gone"))
    left.forget(name)
    left.close()
    assert os.listdir("left") == []
    assert run_folder.exists()  # it was forgotten: somebody else sees to it
    left.add("folder", path=str(run_folder))
    left.close()
    assert os.listdir("left") == [] and not run_folder.exists()
    left.close()


# -- what is not ---------------------------------------------------------------------------------------------------------


def test_a_run_that_goes_on_keeps_what_is_its(run_folder):
    left = Leftovers("left")
    left.add("folder", path=str(run_folder))
    assert swept() == (0, 0, [])
    assert n_alive("left") == 1 and left_by_killed_runs("left") == []
    assert run_folder.exists() and len(os.listdir("left")) == 1
    left.close()
    assert n_alive("left") == 0


def test_the_folder_of_a_run_that_was_resumed_elsewhere_is_its_own(run_folder):
    """With another cache, it knows nothing of the file that its first half has left in this one."""
    killed_run(run_folder)
    resumed = RunDirectory.open(str(run_folder.parent))
    run_folder.mkdir()
    assert swept() == (0, 0, [])
    assert run_folder.exists() and os.listdir("left") == []
    resumed.close()


@pytest.mark.parametrize(
    "path",
    [
        "/", "/tmp", "/etc", "tmp", "r/tmp", "{home}", "{here}", "{here}/r", "{here}/data/tmp", "{here}/r/../r/tmp",
        "{here}/r//tmp", "{here}/r/tmp/", "{here}/link/tmp", "{here}/linked/tmp", "{here}/scanlearn-12345678/x",
        "{here}/scanlearn-1234567", "{here}/scanlearn-link1234", "{here}/r/tmp/data", "",
    ],
)  # fmt: skip
def test_a_folder_that_no_run_makes_is_left_alone(tmp_path, run_folder, path):
    for name in ("data/tmp", "linked", "scanlearn-12345678/x", "scanlearn-1234567", "precious"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "data" / ".lock").touch()  # another program's
    (tmp_path / "link").symlink_to(tmp_path / "linked")
    (tmp_path / "linked" / "tmp").symlink_to(tmp_path / "precious")
    (tmp_path / "scanlearn-link1234").symlink_to(tmp_path / "precious")
    for name in (".lock", "options.json"):
        (tmp_path / "linked" / name).touch()
    before = {str(found) for found in tmp_path.rglob("*")}
    path = path.format(home=os.path.expanduser("~"), here=tmp_path)
    file = written(folder_line(path))
    n_removed, n_kept, said = swept()
    assert (n_removed, n_kept) == (0, 0)
    assert len(said) == 1 and said[0].startswith("left alone: ")
    assert {str(found) for found in tmp_path.rglob("*")} - before <= {str(tmp_path / "left")}
    assert not file.exists()


def test_a_folder_of_tempfile_of_another_user_is_left_alone(tmp_path, monkeypatch):
    folder = tmp_path / "scanlearn-12345678"
    folder.mkdir()
    written(folder_line(folder))
    monkeypatch.setattr(os, "getuid", lambda: 4242)
    assert swept()[0] == 0
    assert folder.exists()


HOME = "hdfs:///tmp/scanlearn-me"


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        (f"{HOME}/tmp/r-0123abcd", True),
        ("hdfs://host:8020/a/tmp/r-0123abcd", True),
        ("viewfs://a.b/c/d/tmp/my_run.2-0123abcd", True),
        ("/tmp/me/tmp/r-0123abcd", True),
        ("me/tmp/r-0123abcd", True),
        ("/tmp/hadoop-yarn/staging/me/.staging/job_1795266773661_0004", True),
        ("hdfs:///tmp/r-0123abcd", False),  # too near to the root
        ("hdfs://host:8020/tmp/r-0123abcd", False),
        ("hdfs:/tmp/r-0123abcd", False),
        ("/tmp/r-0123abcd", False),
        (f"{HOME}/tmp", False),
        (f"{HOME}/tmp/", False),
        (f"{HOME}/tmp/r", False),
        (f"{HOME}/tmp/r-0123abcd/", False),
        (f"{HOME}/tmp/r-0123abcd/x", False),
        (f"{HOME}/packs/r-0123abcd", False),
        (f"{HOME}/tmp/*-0123abcd", False),
        (f"{HOME}/{{tmp,x}}/r-0123abcd", False),
        (f"{HOME}/*/tmp/r-0123abcd", False),
        (f"{HOME}/../x/tmp/r-0123abcd", False),
        (f"{HOME}//tmp/r-0123abcd", False),
        (f"{HOME} /x/tmp/r-0123abcd", False),
        ("/a/.staging/job_1", False),
        ("/.staging/job_1_2", False),
        ("file:///a/b", False),
        ("-r /a/tmp/r-0123abcd", False),
        ("", False),
    ],
)
def test_a_folder_on_hdfs_is_removed_only_where_a_run_may_have_made_it(path, ours):
    assert is_ours(path) == ours
    if not ours:
        written({"add": "a", "kind": "hdfs", "binary": "/bin/false", "path": path})
        assert [text.partition(":")[0] for text in swept()[2]] == ["left alone"]


@pytest.mark.parametrize("name", ["", "application_1", "application_1_2; rm -r /", "job_1_2", "-list"])
def test_an_application_has_the_name_of_one(name):
    written({"add": "a", "kind": "application", "binary": "/bin/false", "id": name})
    assert [text.partition(":")[0] for text in swept()[2]] == ["left alone"]


# -- damaged files -----------------------------------------------------------------------------------------------------


def test_a_damaged_file_gives_what_can_be_read_of_it(run_folder):
    file = written(
        "", "no json", "[]", "5", "null", '"text"', "{}", '{"add": 1, "kind": "folder", "path": "/x"}', '{"gone": ["a"]}',
        '{"gone": "nothing"}', '{"kind": "folder"}', '{"add": "b"}', "[" * 100_000, folder_line(run_folder),
        '{"add": "z", "kind": "folder", "pa',
    )  # fmt: skip
    with open(file, "ab") as f:
        f.write(b"\xff\xfe\x00 of a disk that forgets")
    assert swept() == (1, 0, [f"removed what a killed run left: {run_folder}"])
    assert not file.exists()


def test_a_line_that_a_full_disk_has_cut_short_takes_no_other_with_it(run_folder, monkeypatch):
    left = Leftovers("left")
    left.add("folder", path="/nowhere/tmp")
    file = left._file
    assert file is not None
    file.seek(0, os.SEEK_END)
    file.write(b'\n{"add": "cut", "ki')
    left.add("folder", path=str(run_folder))
    file.close()  # as when it is killed
    assert swept() == (1, 0, [f"removed what a killed run left: {run_folder}"])


@pytest.mark.parametrize("line", [{}, {"path": 5}, {"path": None}, {"binary": "/bin/true"}])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_line_without_what_it_needs_does_no_harm(kind, line):
    written({"add": "a", "kind": kind, **line})
    n_removed, n_kept, _ = swept()
    assert (n_removed, n_kept) == (0, 0)


def test_what_a_later_version_has_written_is_kept_for_it(run_folder):
    file = written({"add": "a", "kind": "moon base", "path": "moon:/base"}, folder_line(run_folder, "b"))
    assert swept("hadoop")[:2] == (1, 1)  # a run says nothing of it
    assert swept("hadoop") == (0, 1, [])
    assert swept() == (0, 1, ["could not be removed: moon:/base: this version does not know what it is"])
    assert file.exists()
    assert swept(forget=True)[1] == 0
    assert not file.exists()


def test_other_files_of_the_folder_stay(tmp_path):
    (tmp_path / "left" / "x.jsonl").mkdir(parents=True)
    (tmp_path / "left" / "mine.txt").write_text("mine")
    assert swept() == (0, 0, [])
    assert sorted(os.listdir("left")) == ["mine.txt", "x.jsonl"]


def test_there_need_not_be_a_folder():
    assert swept() == (0, 0, [])
    assert left_by_killed_runs("left") == [] and n_alive("left") == 0


# -- what cannot be removed ----------------------------------------------------------------------------------------------


@pytest.fixture
def kinds(monkeypatch):
    """Things of two kinds on a cluster, whose removal is written down, and fails while `gone` holds their place."""
    removed, gone, tries = [], set(), []

    def remove(entry):
        tries.append(entry["path"])
        if entry.get("where") in gone:
            raise ScanError(f"{entry['where']} does not answer")
        removed.append(entry["path"])
        return entry["path"]

    monkeypatch.setattr(module, "KINDS", {"thing": Kind(remove, ("hadoop",)), "other": Kind(remove, ("emr",))})
    return removed, gone, tries


def thing(path: str, where: str = "here", kind: str = "thing") -> dict:
    return {"add": path, "kind": kind, "path": path, "where": where}


def test_what_was_made_last_goes_first(kinds):
    written(thing("folder"), thing("application"), thing("folder of the application"))
    swept()
    assert kinds[0] == ["folder of the application", "application", "folder"]


def test_a_place_that_does_not_answer_is_asked_once_and_again_the_next_time(kinds):
    removed, gone, tries = kinds
    gone.add("far")
    file = written(thing("a"), thing("b", "far"), thing("c", "far"), thing("d", "far"), thing("e"))
    assert swept("hadoop") == (
        2, 3,
        ["removed what a killed run left: e", "what a killed run left could not be removed: far does not answer",
         "removed what a killed run left: a"],
    )  # fmt: skip
    assert tries == ["e", "d", "a"]
    gone.clear()
    assert swept("hadoop")[:2] == (3, 0)
    assert removed == ["e", "a", "d", "c", "b"]  # nothing twice
    assert not file.exists()


def test_a_run_of_another_runner_leaves_what_it_cannot_reach(kinds):
    file = written(thing("a"), thing("b", kind="other"))
    assert swept("inline") == (0, 2, [])
    assert swept("emr")[:2] == (1, 1)
    assert kinds[0] == ["b"] and file.exists()
    assert swept()[:2] == (1, 0)
    assert kinds[0] == ["b", "a"] and not file.exists()


def test_what_cannot_be_removed_can_be_forgotten(kinds):
    kinds[1].add("far")
    file = written(thing("a", "far"))
    assert swept() == (0, 1, ["what a killed run left could not be removed: far does not answer"])
    assert swept(forget=True) == (0, 0, ["what a killed run left could not be removed: far does not answer"])
    assert not file.exists()


def test_a_run_that_ends_removes_what_was_not_forgotten_and_leaves_what_resists(kinds):
    removed, gone, _ = kinds
    left = Leftovers("left")
    for path, where in (("a", "here"), ("b", "far")):
        left.add("thing", path=path, where=where)
    gone.add("far")
    left.close()
    assert removed == ["a"]
    assert left_by_killed_runs("left") == ["b"]
    left.add("thing", path="c", where="here")
    left.close(kept=True)  # something has just resisted: no second wait
    assert removed == ["a"]
    gone.clear()
    assert swept()[:2] == (2, 0)


def test_a_folder_that_cannot_be_removed_is_kept_in_mind(run_folder, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    killed_run(run_folder)
    with monkeypatch.context() as here:
        here.setattr(leftover_kinds.shutil, "rmtree", refuse)
        n_removed, n_kept, (text,) = swept()
    assert (n_removed, n_kept) == (0, 1)
    assert "Permission denied" in text and str(run_folder) in text
    assert swept()[:2] == (1, 0)


# -- at the same time --------------------------------------------------------------------------------------------------


def test_two_sweeps_at_a_time_remove_each_thing_once(tmp_path, kinds):
    removed, _, _ = kinds
    os.makedirs("left")
    for i in range(50):
        Path(f"left/{i}.jsonl").write_text(json.dumps(thing(f"{i}")) + "\n")
    threads = [threading.Thread(target=swept) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(removed, key=int) == [str(i) for i in range(50)]
    assert os.listdir("left") == []


def test_a_file_that_goes_between_its_listing_and_its_lock_is_no_error(monkeypatch, run_folder):
    killed_run(run_folder)
    flock = fcntl.flock

    def late(file, operation):
        os.remove(file.name)  # another sweep was faster
        flock(file, operation)

    monkeypatch.setattr(module.fcntl, "flock", late)
    assert swept() == (0, 0, [])
    monkeypatch.undo()
    monkeypatch.chdir(run_folder.parent.parent)
    killed_run(run_folder)
    listed = module._files

    def and_gone(folder):
        found = listed(folder)
        for path in found:
            os.remove(path)
        return found

    monkeypatch.setattr(module, "_files", and_gone)
    assert swept() == (0, 0, [])


def test_a_new_file_that_is_swept_away_before_it_is_locked_is_made_again(monkeypatch, run_folder):
    flock, tries = fcntl.flock, []

    def late(file, operation):
        tries.append(file.name)
        if len(tries) == 1:
            os.remove(file.name)
        flock(file, operation)

    monkeypatch.setattr(module.fcntl, "flock", late)
    left = Leftovers("left")
    left.add("folder", path=str(run_folder))
    assert len(tries) == 2
    assert [str(Path("left") / name) for name in os.listdir("left")] == tries[1:]
    left.close()


def test_a_cache_that_is_removed_under_a_run_does_not_matter(run_folder):
    left = Leftovers("left")
    left.add("folder", path=str(run_folder))
    for name in os.listdir("left"):
        os.remove(os.path.join("left", name))
    os.rmdir("left")
    left.close()
    assert not run_folder.exists()

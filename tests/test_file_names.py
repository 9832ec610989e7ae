"""Names of files and folders that mean something to a shell, to mrjob or to a message: taken as they stand, or refused.

`give_the_plain_result` takes the switches of a runner, so a runner joins by a line in RUNNERS.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from pathlib import Path

import pytest

from drivers.run_wols import main
from tests.conftest import ROOT, make_table, read_model, write_csv

OPTIONS = ["--target", "y", "--weight", "w", "--no-report", "--quiet"]
RUNNERS = {"inline": ["-r", "inline"], "local": ["-r", "local", "--num-cores", "1"]}
# What mrjob makes of a path in its options: a name to upload under, a pattern, a variable.
MEANT_OTHERWISE = set("#*?[$")


def hostile_names() -> list[str]:
    """Names that a file can have, each of them hostile to something."""
    return [
        "a b", " a ", "é", "e\u0301", "日本", "\U0001f600", "\u202etxt", "it's", 'say "x"', "-x", "--run-dir", "a\nb",
        "a\tb", "\x1b[31m", "a#b", "#", "100%", "%s", "%(y)s", "{0}", "a,b", "$(touch hacked)", "`touch hacked`",
        ";touch hacked", "$HOME", "${HOME}", "a$b", "~", "~root", "*", "a*b", "a?b", "[ab]", "{a,b}", "!x", "a&b", "a|b",
        "<x>", "a\\b", "a\\nb", "a:b", "a=b", "@x", "^x", "file:", "s3:x", "_x", ".x", "x" * 200, "\udcff",
        "a'b\"c $(touch hacked) # %d, *\n",
    ]  # fmt: skip


def may_be_refused(name: str) -> bool:
    """Whether a run directory or a cache folder of this name need not work."""
    return bool(MEANT_OTHERWISE & set(name)) or "\udcff" in name


def as_a_test(name: str) -> str:
    return ascii(name) if len(name) < 50 else f"{len(name)} letters"


every = pytest.mark.parametrize("name", hostile_names(), ids=as_a_test)
# Where a task is a process, those that a process could take otherwise.
FEW = ["a b", "é", "it's", "a\nb", "$(touch hacked)", "`touch hacked`", ";touch hacked", "--run-dir", "[ab]", "a,b", "%s"]
every_on_runners = pytest.mark.parametrize(
    "runner, name",
    [(runner, name) for runner in RUNNERS for name in (hostile_names() if runner == "inline" else FEW)],
    ids=as_a_test,
)


def make_folder(path: Path) -> Path:
    try:
        path.mkdir()
    except OSError as error:
        pytest.skip(f"no file has this name here: {error.strerror}")
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    return write_csv(tmp_path_factory.mktemp("table") / "t.csv", *make_table(300))


@pytest.fixture(scope="module")
def plain(table) -> dict:
    """What comes of the table by plain names."""
    run_dir = table.parent / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(table.parent / "cache"))
        assert run([str(table), *OPTIONS, f"--run-dir={run_dir}", "--no-conf"])[0] == 0
    return read_model(run_dir)["parameters"]


@pytest.fixture(autouse=True)
def as_the_program(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("sys.argv", ["drivers/run_wols.py"])


def run(arguments: list[str]) -> tuple[int, str]:
    """The exit status of the driver, and what it says on standard error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(arguments)
        except SystemExit as ended:  # argparse
            status = int(ended.code or 0)
    return status, err.getvalue()


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def give_the_plain_result(arguments: list[str], run_dir: Path, plain: dict, own: list[Path], refusable: bool) -> None:
    """A run gives what plain names give, or refuses in one sentence; it writes nowhere but in folders of its own."""
    top = run_dir.parent
    before = everything(top)
    status, told = run([*arguments, *OPTIONS, f"--run-dir={run_dir}"])
    strange = {path for path in everything(top) - before if not any(path == one or one in path.parents for one in own)}
    assert strange == set()
    if status == 0:
        assert told == ""
        assert read_model(run_dir)["parameters"] == plain
        assert not (run_dir / "tmp").exists()
        return
    assert refusable, ascii(told)
    assert status == 1
    assert told.startswith("run_wols.py: error: ")
    assert told.count("\n") == 1 and told[:-1].isprintable(), ascii(told)
    assert "the job failed" not in told
    assert not (run_dir / "run.log").exists()


# -- input -----------------------------------------------------------------------------------------------------------------


def parts_of(table: Path, folder: Path) -> list[str]:
    """The table cut into files of all the hostile names."""
    header, *rows = table.read_text().splitlines(keepends=True)
    names = []
    for i, name in enumerate(hostile_names()):
        piece = rows[i :: len(hostile_names())]
        with contextlib.suppress(OSError):  # no file has this name here
            (folder / name).write_text("".join([header, *piece]))
            names.append(name)
    left = "".join([header, *(row for i, row in enumerate(rows) if hostile_names()[i % len(hostile_names())] not in names)])
    if left != header:
        (folder / "rest").write_text(left)
        names.append("rest")
    return names


def close(parameters: dict, others: dict) -> bool:
    """Equal but for the order in which rows are summed."""
    found = [parameters["intercept"], *parameters["coefficients"]]
    return found == pytest.approx([others["intercept"], *others["coefficients"]], rel=1e-11)


@pytest.mark.parametrize("how", ["by name", "by path", "--", "in a folder", "by a pattern"])
def test_input_of_any_name_is_read(how, table, plain, tmp_path, monkeypatch):
    folder = make_folder(tmp_path / "in")
    names = parts_of(table, folder)
    monkeypatch.chdir(folder)
    arguments = {
        "by name": [name if name[0] != "-" else f"./{name}" for name in names],
        "by path": [str(folder / name) for name in names],
        "--": ["--", *names],
        "in a folder": [str(folder), str(folder / "_x"), str(folder / ".x")],
        "by a pattern": [str(folder / "**"), str(folder / ".?"), str(folder / "_x")],
    }[how]
    run_dir = tmp_path / "run"
    status, told = run([*OPTIONS, f"--run-dir={run_dir}", *arguments])
    assert (status, told) == (0, "")
    model = read_model(run_dir)
    assert model["training"]["n_rows"] == 300
    assert close(model["parameters"], plain)


@every
def test_a_name_in_a_message_does_nothing_to_the_terminal(name, tmp_path):
    status, told = run([*OPTIONS, str(tmp_path / f"{name} is gone")])
    assert status == 1
    assert told.startswith("run_wols.py: error: ")
    assert told.endswith(" is gone\n")
    assert all(line.isprintable() for line in told.splitlines()), ascii(told)


def test_names_that_begin_with_a_dash_are_options_where_nothing_says_otherwise(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(table, "-x")
    status, told = run([*OPTIONS, "-x"])
    assert status == 2
    assert told.startswith("run_wols.py: error: ") and told.count("\n") == 1


# -- folders ---------------------------------------------------------------------------------------------------------------


@every_on_runners
def test_a_run_directory_of_any_name(name, runner, table, plain, tmp_path):
    top = make_folder(tmp_path / "top")
    run_dir = top / name
    give_the_plain_result([str(table), *RUNNERS[runner]], run_dir, plain, [run_dir], may_be_refused(name))


@every_on_runners
def test_a_cache_folder_of_any_name(name, runner, table, plain, tmp_path):
    top = make_folder(tmp_path / "top")
    run_dir, cache = top / "run", top / name
    arguments = [str(table), *RUNNERS[runner], f"--cache-dir={cache}"]
    give_the_plain_result(arguments, run_dir, plain, [run_dir, cache], may_be_refused(name))


@every_on_runners
def test_a_working_directory_of_any_name(name, runner, table, plain, tmp_path, monkeypatch):
    here = make_folder(tmp_path / name)
    shutil.copy(table, here)
    monkeypatch.chdir(here)
    arguments = ["t.csv", *RUNNERS[runner], "--cache-dir=cache"]
    give_the_plain_result(arguments, here / "run", plain, [here / "run", here / "cache"], may_be_refused(name))


# All at once, where a pass takes long.
ODD = '-a b\té日本 it\'s "{x}" (touch hacked)`touch hacked`;touch hacked,%s &'


@pytest.mark.parametrize(
    "runner",
    [
        pytest.param(["-r", "hadoop"], marks=pytest.mark.hadoop, id="hadoop"),
        pytest.param(["-r", "spark", "--spark-master", "local[2]"], marks=pytest.mark.slow, id="spark"),
    ],
)
def test_clusters_take_any_name(runner, table, plain, tmp_path, monkeypatch):
    here = make_folder(tmp_path / ODD)
    shutil.copy(table, here / ODD)
    monkeypatch.chdir(here)
    run_dir, cache = here / f"{ODD} run", here / f"{ODD} cache"
    give_the_plain_result([f"./{ODD}", *runner, f"--cache-dir={cache}"], run_dir, plain, [run_dir, cache], False)
    assert not list(tmp_path.rglob("hacked"))


def test_a_folder_that_is_a_pattern_does_not_take_its_neighbours_for_its_own(table, plain, tmp_path):
    """a* and ab hold a pack of the same name: the rows of both would count."""
    for name in ("ab", "a*"):
        run_dir = tmp_path / f"run of {len(name)} {name[1] == 'b'}"
        arguments = [str(table), f"--cache-dir={tmp_path / name}"]
        give_the_plain_result(arguments, run_dir, plain, [run_dir, tmp_path / name], name == "a*")


def test_the_same_as_a_program(table, plain, tmp_path, run_wols):
    here = make_folder(tmp_path / "it's a\nfolder; touch hacked")
    shutil.copy(table, here / "-r local")
    done = run_wols("--", "-r local", cwd=here, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 2 and "--target" in done.stderr
    done = run_wols(*OPTIONS, "-r", "local", "--run-dir", "run", "--", "-r local", cwd=here)
    assert (done.returncode, done.stderr) == (0, "")
    assert read_model(here / "run")["parameters"] == plain
    assert not list(tmp_path.rglob("hacked"))

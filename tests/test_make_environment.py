"""The archive of Python and numpy for nodes that lack them: small, complete, and the same wherever it is unpacked."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from drivers.runners.shipping import build_zip
from jobs.design import Design
from jobs.kernels.wols import WOLSQuery
from jobs.mr_scan import Subtree
from tests.conftest import ROOT, make_table, read_model, read_passes, write_csv
from tests.node_python import find_interpreter
from tests.registry import make_blocks, write_blocks, write_query

pytestmark = pytest.mark.skipif(not shutil.which("ldd"), reason="an archive is made on Linux")

HADOOP = ROOT / "hadoop"
# A program finds the modules beside it by its own folder.
sys.path.insert(0, str(HADOOP))
recipe = importlib.import_module("make_environment")
sys.path.remove(str(HADOOP))


def outcome(capfd, *arguments: object) -> tuple[int, str]:
    """The exit status of the program and all that it says."""
    status = recipe.main(list(map(str, arguments)))
    return status, "".join(capfd.readouterr())


@pytest.fixture(scope="module")
def source() -> str:
    """The Python of the nodes, or the one that runs where there is no 3.9."""
    return find_interpreter((3, 9)) or os.path.realpath(sys._base_executable)


@pytest.fixture(scope="module")
def archive(source, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "env.tar.gz"
    command = [sys.executable, HADOOP / "make_environment.py", "--python", source, "-o", path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert " with numpy " in done.stdout
    assert os.listdir(path.parent) == ["env.tar.gz"]
    return path


@pytest.fixture(scope="module")
def unpacked(archive, tmp_path_factory) -> Path:
    """Where a node might unpack it."""
    folder = tmp_path_factory.mktemp("a node") / "filecache" / "10" / "env.tar.gz"
    with tarfile.open(archive) as packed:
        packed.extractall(folder)
    return folder


def asked(python: object, program: str, **options) -> list:
    """The JSON that a program prints under a Python without any environment."""
    done = subprocess.run([python, "-c", f"import json\n{program}"], capture_output=True, text=True, env={}, **options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# -- what it refuses -----------------------------------------------------------------------------------------------------


def test_a_virtual_environment_is_refused_and_its_python_named(capfd, tmp_path):
    status, told = outcome(capfd, "--python", sys.executable, "-o", tmp_path / "env.tar.gz")
    if sys.prefix == sys.base_prefix:
        pytest.skip("the tests run in no virtual environment")
    assert status == 1
    base = os.path.realpath(sys.executable)
    assert told == (
        f"make_environment.py: {sys.executable} belongs to the virtual environment {sys.prefix}, which is no whole Python: "
        f"give --python {base}, from which it was made.\n"
    )


@pytest.mark.parametrize(
    "python, message",
    [
        ("nowhere/python3", "nowhere/python3 does not run: No such file or directory."),
        ("true", "is no Python."),
        ("fails", "does not run: pyenv: no such version"),
        ("old", "is Python 3.8, and the jobs need 3.9 or newer."),
    ],
)
def test_what_is_no_python_is_refused(python, message, capfd, tmp_path):
    programs = {
        "true": "exit 0",
        "fails": 'echo "pyenv: no such version" >&2; echo "some advice" >&2; exit 127',
        "old": """echo '[[3, 8], "/p", "/p", "/p/bin/python3.8", ["/p/lib"]]'""",
    }
    if python in programs:
        (tmp_path / python).write_text(f"#!/bin/sh\n{programs[python]}\n")
        (tmp_path / python).chmod(0o755)
    status, told = outcome(capfd, "--python", tmp_path / python, "-o", tmp_path / "env.tar.gz")
    assert status == 1
    assert told.startswith("make_environment.py: ") and told.endswith(f"{message}\n") and told.count("\n") == 1
    assert not (tmp_path / "env.tar.gz").exists()


@pytest.mark.parametrize(
    "output, message", [("env.zip", "only if its name ends in .tar.gz"), ("nowhere/env.tar.gz", "there is no such folder")]
)
def test_a_place_where_no_archive_can_be_is_refused_at_once(output, message, capfd, tmp_path):
    status, told = outcome(capfd, "--python", sys.executable, "-o", tmp_path / output)
    assert status == 1
    assert message in told


# -- its pieces ----------------------------------------------------------------------------------------------------------


def test_the_same_files_give_the_same_bytes(tmp_path):
    packed = []
    for name in ("one", "another, longer"):
        folder = tmp_path / name
        for path in ("bin/python3", "lib/b.py", "lib/a.py") if packed else ("lib/a.py", "bin/python3", "lib/b.py"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(path)
            os.utime(folder / path, (len(packed) * 1e9, len(packed) * 1e9))
        recipe.pack(folder, tmp_path / f"{name}.tar.gz")
        packed.append((tmp_path / f"{name}.tar.gz").read_bytes())
    assert packed[0] == packed[1]
    with tarfile.open(tmp_path / "one.tar.gz") as archive:
        assert [entry.name for entry in archive] == ["bin", "bin/python3", "lib", "lib/a.py", "lib/b.py"]


@pytest.mark.parametrize(
    "path, is_wanted",
    [
        ("json/decoder.py", True), ("json/__pycache__/decoder.pyc", False), ("test/test_json.py", False),
        ("unittest/case.py", True), ("numpy/linalg/tests/test_linalg.py", False), ("idlelib/idle.py", False),
        ("lib-dynload/_ctypes.so", True), ("lib-dynload/_tkinter.cpython-39-x86_64-linux-gnu.so", False),
        ("config-3.9-x86_64-linux-gnu/libpython3.9.a", False), ("site-packages/pip/__init__.py", False),
        ("numpy/_core/_multiarray_tests.so", True), ("contextlib.py", True),
    ],
)  # fmt: skip
def test_what_no_task_imports_is_left_out(path, is_wanted, tmp_path):
    assert recipe._is_wanted(tmp_path / path, tmp_path) == is_wanted


def test_an_archive_that_needs_this_machine_is_not_given_out(tmp_path):
    """It runs here, by what lies outside of it."""
    folder = tmp_path / "env"
    (folder / "bin").mkdir(parents=True)
    (folder / "lib").mkdir()
    (folder / "bin" / "python3").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (folder / "bin" / "python3").chmod(0o755)
    recipe.pack(folder, tmp_path / "env.tar.gz")
    with pytest.raises(recipe.RecipeError, match="would not run elsewhere: it uses /"):
        recipe.attempt(tmp_path / "env.tar.gz", tmp_path / "elsewhere")


# -- the archive ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_it_runs_elsewhere_without_an_environment_and_without_its_origin(unpacked, source, tmp_path):
    program = (
        "import numpy, os, ssl, sys, sysconfig\n"
        "maps = {line.split(None, 5)[5].strip() for line in open('/proc/self/maps') if '/' in line}\n"
        "print(json.dumps([sys.version_info[:2], numpy.__file__, sorted(maps), sys.path, sysconfig.get_path('stdlib')]))"
    )
    version, numpy_file, maps, path, stdlib = asked(unpacked / "bin" / "python3", program, cwd=tmp_path)
    assert version == asked(source, "import sys\nprint(json.dumps(sys.version_info[:2]))")
    for file in [numpy_file, stdlib, *filter(None, path)]:
        assert Path(file).is_relative_to(unpacked)
    foreign = {Path(file).name.split(".so")[0] for file in maps if ".so" in file and not file.startswith(str(unpacked))}
    assert foreign <= {"libc", "libm", "libdl", "libpthread", "librt", "libutil", "ld-linux-x86-64", "ld-linux-aarch64"}
    # By a link, as Hadoop shows it to a task, and by a relative path.
    (tmp_path / "env").symlink_to(unpacked)
    assert asked("env/bin/python3", "import numpy\nprint(json.dumps(numpy.arange(3).tolist()))", cwd=tmp_path) == [0, 1, 2]


@pytest.mark.slow
def test_it_is_small_and_compiled(archive, unpacked):
    assert archive.stat().st_size < 70e6
    folders = {path.name for path in unpacked.rglob("*") if path.is_dir()}
    assert not folders & {"test", "tests", "idlelib", "tkinter", "pip", "ensurepip"}
    assert not list(unpacked.rglob("*.a"))
    assert list((unpacked / "lib").glob("python3.*/site-packages/numpy/__pycache__/__init__.*.pyc"))
    # A file that is compiled anew would be one that a task compiles each time.
    os.utime(unpacked / "lib")
    times = {path: path.stat().st_mtime_ns for path in unpacked.rglob("*.pyc")}
    asked(unpacked / "bin" / "python3", "import numpy\nprint(json.dumps([]))")
    assert {path: path.stat().st_mtime_ns for path in unpacked.rglob("*.pyc")} == times


@pytest.mark.slow
def test_a_task_gives_what_it_gives_here(unpacked, tmp_path):
    """With nothing but the zip of a run, the script and the query."""
    rng = np.random.default_rng(0)
    blocks = make_blocks({"y": rng.normal(size=500), "x": rng.normal(size=500)}, 100)
    packed = write_blocks(tmp_path / "packed", blocks).read_bytes()
    build_zip(str(tmp_path / "jobs.zip"))
    shutil.copy(ROOT / "jobs" / "mr_wols.py", tmp_path)
    write_query(tmp_path / "q", WOLSQuery(np.zeros(1)), Design(["x"], "y"))
    found = []
    for python in (unpacked / "bin" / "python3", sys.executable):
        task = [python, "mr_wols.py", "--step-num=0", "--mapper", "--query=q"]
        environment = {"PYTHONPATH": str(tmp_path / "jobs.zip")}
        done = subprocess.run(task, input=packed, capture_output=True, cwd=tmp_path, env=environment)
        assert done.returncode == 0, done.stderr.decode()
        node = next(line for line in done.stdout.splitlines() if b"node" in line)
        found.append(Subtree.from_line(node.partition(b"|")[2]).statistics)
    assert found[0].close(found[1])


@pytest.mark.slow
@pytest.mark.hadoop
def test_nodes_compute_with_it(archive, source, run_wols, tmp_path):
    """Put on HDFS once, unpacked on a node once, whatever Python the nodes have."""
    fs = [os.path.join(os.environ["HADOOP_HOME"], "bin", "hadoop"), "fs"]
    place = f"/tmp/test-make-environment-{os.getpid()}.tar.gz"
    subprocess.run([*fs, "-put", "-f", archive, place], check=True, capture_output=True)
    write_csv(tmp_path / "d.csv", *make_table(20_000))
    options = ["d.csv", "--target", "y", "--weight", "w", "--diagnostics", "--no-report", "--quiet"]
    try:
        assert run_wols(*options, "--run-dir", "here").returncode == 0
        theirs = ["--archives", f"hdfs://{place}#env", "--python-bin", "env/bin/python3"]
        done = run_wols(*options, "--run-dir", "there", "-r", "hadoop", *theirs)
        assert done.returncode == 0, done.stderr
    finally:
        subprocess.run([*fs, "-rm", "-skipTrash", place], check=True, capture_output=True)
    here, there = read_model("here")["parameters"], read_model("there")["parameters"]
    np.testing.assert_allclose(there["coefficients"], here["coefficients"], rtol=1e-12)
    np.testing.assert_allclose(there["intercept"], here["intercept"], rtol=1e-12)
    version = ".".join(map(str, asked(source, "import sys\nprint(json.dumps(sys.version_info[:3]))")))
    assert {environment["python"] for entry in read_passes("there") for environment, _ in entry["environments"]} == {
        version
    }

"""Which room may know which: records <- kernels <- jobs <- drivers; and what travels must run where it arrives."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from jobs.design import Design
from jobs.kernels.wols import WOLSQuery
from tests.node_python import find_interpreter
from tests.registry import make_blocks, write_blocks, write_query

ROOT = Path(__file__).resolve().parents[1]
JOBS = sorted((ROOT / "jobs").rglob("*.py"))
KERNELS = sorted((ROOT / "jobs" / "kernels").glob("*.py"))
DRIVERS = sorted((ROOT / "drivers").rglob("*.py"))
PROGRAM = [*JOBS, *DRIVERS, *sorted((ROOT / "data_gen").rglob("*.py"))]

# Layers from the bottom: a module may import from its own layer and those below.
LOW = {
    "jobs",
    "jobs.errors",
    "jobs.records",
    "jobs.keys",
    "jobs.blocks",
    "jobs.tree",
    "jobs.environment",
    "jobs.mrjob_compat",
}
PURE = {
    "__future__", "abc", "collections", "collections.abc", "dataclasses", "enum", "fractions", "functools", "heapq",
    "itertools", "math", "numbers", "operator", "statistics", "typing",
}  # fmt: skip


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> set[str]:
    """The modules a file names anywhere, in functions too; `from jobs import keys` is jobs.keys."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the room"
            inside = {f"{node.module}.{alias.name}" for alias in node.names if is_module(f"{node.module}.{alias.name}")}
            found |= inside or {node.module}
    return found


def is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def layer(name: str) -> int | None:
    """0 records and what lies beside them, 1 kernels, 2 jobs, 3 drivers; None for what is not ours."""
    room = name.split(".")[0]
    if room in ("drivers", "data_gen", "bench", "tests"):
        return 3
    if room != "jobs":
        return None
    return 0 if name in LOW else 1 if name.startswith("jobs.kernels") else 2


each = pytest.mark.parametrize("path", PROGRAM, ids=name_of)


@each
def test_imports_point_down(path):
    own = layer(name_of(path))
    above = {name for name in imports_of(path) if (layer(name) or 0) > own}
    assert not above


def test_the_layers_are_what_they_say():
    """Or the test above would pass for a tree it does not see."""
    assert {name_of(path) for path in JOBS} >= LOW
    assert len(KERNELS) >= 5
    assert "jobs.keys" in imports_of(ROOT / "jobs" / "design.py")
    assert layer("jobs.mr_scan") == 2 and layer("jobs.kernels.wols") == 1 and layer("numpy") is None


@pytest.mark.parametrize("path", KERNELS, ids=name_of)
def test_a_kernel_knows_numpy_and_pure_mathematics_only(path):
    allowed = PURE | {"numpy"} | {"jobs.records", "jobs.keys", "jobs.errors", "jobs.kernels.contract"}
    names = {name if name.startswith("jobs") else name.split(".")[0] for name in imports_of(path)} - {"collections.abc"}
    assert {name for name in names if name not in allowed and not name.startswith("jobs.kernels")} == set()
    called = {
        ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
    }  # fmt: skip
    files = {"open", "print", "input", "exec", "eval", "np.load", "np.save", "np.loadtxt", "np.savetxt", "np.fromfile"}
    assert not called & files
    assert not any(name.endswith((".tofile", ".inv")) or name.startswith("np.random.") for name in called)


@pytest.mark.parametrize("path", JOBS, ids=name_of)
def test_what_travels_needs_numpy_mrjob_and_the_standard_library(path):
    rooms = {name.split(".")[0] for name in imports_of(path)}
    assert rooms <= {"jobs", "numpy", "mrjob"} | set(sys.stdlib_module_names)
    if path.parent.name == "kernels":
        assert "mrjob" not in rooms


@each
def test_no_module_hides_another(path):
    """A script's own folder is on the path, before the standard library."""
    assert path.stem not in set(sys.stdlib_module_names) - {"__init__"}
    assert path.stem not in {"numpy", "mrjob", "scipy", "sklearn", "pyarrow", "rich", "boto3", "matplotlib"}
    assert not path.stem.startswith(("util", "helper", "common", "misc"))


@pytest.mark.parametrize("path", JOBS, ids=name_of)
def test_what_travels_is_python_3_9(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    assert not [node for node in ast.walk(tree) if type(node).__name__ in ("Match", "TryStar", "TypeAlias")]
    # `X | None` is a type error on 3.9 wherever annotations are evaluated.
    lazy = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
    unions = [node for a in annotations(tree) for node in ast.walk(a) if isinstance(node, ast.BinOp)]
    assert lazy or not unions
    # dataclass() and zip() have newer keywords.
    keywords = {
        (ast.unparse(node.func), keyword.arg)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
    }
    assert not keywords & {("dataclass", "slots"), ("dataclass", "kw_only"), ("zip", "strict")}


def annotations(tree: ast.AST) -> list[ast.expr]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.returns:
            found.append(node.returns)
        elif isinstance(node, (ast.arg, ast.AnnAssign)) and node.annotation:
            found.append(node.annotation)
    return found


def test_what_travels_compiles_on_python_3_9(tmp_path):
    python = find_interpreter((3, 9))
    if python is None:
        pytest.skip("NO PYTHON 3.9 HERE: that jobs/ compiles there was checked by its syntax tree only")
    shutil.copytree(ROOT / "jobs", tmp_path / "jobs", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [python, "-m", "compileall", "-q", str(tmp_path / "jobs")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_everything_of_jobs_is_in_the_zip_and_runs_from_there(tmp_path):
    """A node has the zip and the script, and nothing else of this project."""
    from drivers.runners.shipping import build_zip

    build_zip(str(tmp_path / "jobs.zip"))
    with zipfile.ZipFile(tmp_path / "jobs.zip") as archive:
        names = set(archive.namelist())
    assert {str(path.relative_to(ROOT)) for path in JOBS} <= names
    assert not {name for name in names if name.startswith(("drivers", "tests", "data_gen", "bench"))}
    node = tmp_path / "node"
    node.mkdir()
    shutil.copy(ROOT / "jobs" / "mr_wols.py", node)
    blocks = make_blocks({"y": np.arange(5.0), "x": np.ones(5)}, 2)
    packed = write_blocks(tmp_path / "packed", blocks).read_bytes()
    write_query(node / "q", WOLSQuery(np.zeros(1)), Design(["x"], "y"))
    options = {"cwd": node, "env": {"PYTHONPATH": str(tmp_path / "jobs.zip")}, "capture_output": True, "check": True}
    where = subprocess.run([sys.executable, "-c", "import jobs, mrjob; print(jobs.__file__, mrjob.__file__)"], **options)
    assert where.stdout.decode().count("jobs.zip") == 2
    task = [sys.executable, "mr_wols.py", "--step-num=0", "--mapper", "--query=q"]
    done = subprocess.run(task, input=packed, **options)
    assert done.stdout.count(b"\n") == 3  # blocks 0-1, block 2, and the report


def test_a_job_starts_without_the_packages_of_the_driver(tmp_path):
    """Nodes have numpy; scipy, pyarrow and the rest must not be imported on the way."""
    every = ", ".join(name_of(path) for path in JOBS if path.stem.startswith("mr_"))
    heavy = ("scipy", "sklearn", "pyarrow", "rich", "matplotlib", "drivers")
    code = f"import sys; import {every}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_blas_is_told_of_one_thread_before_numpy_is_there():
    code = "import jobs, sys, os; print('numpy' in sys.modules, os.environ['OPENBLAS_NUM_THREADS'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split() == ["False", "1"]

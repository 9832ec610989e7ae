"""An archive of Python and numpy for nodes that lack them: unpacked anywhere, it runs.

    python hadoop/make_environment.py --python ~/.pyenv/versions/3.9.18/bin/python3 -o env.tar.gz
    hadoop fs -put env.tar.gz /tmp/env.tar.gz
    python drivers/run_wols.py d.csv --target y -r hadoop \\
        --archives hdfs:///tmp/env.tar.gz#env --python-bin env/bin/python3

The interpreter is copied without what no task imports, numpy is installed beside it, and the libraries that both are linked
with come along, all but the C library: the nodes need that of this machine or a newer one, and processors of its family.
The archive is tried in an empty environment before it is given out. The same content gives the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OLDEST = (3, 9)  # what the jobs are written for
# Of the standard library and of numpy.
LEFT_OUT = {
    "__pycache__", "bin", "dist-packages", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages", "test",
    "tests", "tkinter", "turtledemo",
}  # fmt: skip
LEFT_OUT_FILES = re.compile(r".*\.(a|o|exe)|(_test|_ctypes_test|_xx|xx|_tkinter|_curses|readline|nis|_g?dbm).*\.so")
LEFT_OUT_FOLDERS = re.compile(r"config-\d.*")  # what programs that embed Python are linked with
# Part of every Linux, and never to be mixed with another one's.
C_LIBRARY = re.compile(r"(ld-linux|linux-vdso|lib(c|m|dl|rt|pthread|util|resolv|nsl|crypt)\.so).*")
WRAPPER = """\
#!/bin/sh
# The interpreter with what it is linked with, wherever this folder lies.
here=${0%%/*}
export LD_LIBRARY_PATH="$here/../lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec "$here/%s" "$@"
"""
ASK = """
import json, os, sys, sysconfig
program = os.path.realpath(getattr(sys, "_base_executable", sys.executable))  # of a virtual environment, what it is of
stdlib = sorted({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})
print(json.dumps([sys.version_info[:2], sys.prefix, sys.base_prefix, program, stdlib]))
"""
# What the jobs and mrjob import, and where it all came from.
TRY = """
import bz2, csv, ctypes, hashlib, json, logging, lzma, ssl, sys, zipimport, zlib
import numpy
matrix = numpy.arange(12.0).reshape(4, 3) ** 2 + numpy.eye(4, 3)
q, r = numpy.linalg.qr(matrix)
assert abs(q @ r - matrix).max() < 1e-9
with open("/proc/self/maps") as f:
    files = {line.split(None, 5)[5].strip() for line in f if "/" in line}
print(json.dumps([sys.version.split()[0], numpy.__version__, sorted(files), sys.path]))
"""


class RecipeError(Exception):
    """A failure that the user can act on, told in one sentence."""


@dataclass
class Interpreter:
    """What is copied of a Python: its program, and the folders of its standard library, all below its prefix."""

    program: Path
    prefix: Path
    stdlib: list[Path]


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    try:
        print(make(args.python, Path(args.output), args.numpy))
    except RecipeError as error:
        print(f"make_environment.py: {error}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="make_environment.py", description="An archive of Python and numpy for nodes that lack them."
    )
    result.add_argument("--python", required=True, metavar="FILE", help="the interpreter to copy, 3.9 or newer, no venv")
    result.add_argument("-o", "--output", required=True, metavar="FILE", help="the archive to write: NAME.tar.gz")
    result.add_argument("--numpy", metavar="VERSION", help="Default: the newest for this Python")
    return result


def make(python: str, output: Path, numpy: str | None = None) -> str:
    """Writes the archive, and says what is in it.

    :raises RecipeError: an interpreter that cannot be copied, no numpy for it, or an archive that does not run
    """
    if not output.name.endswith(".tar.gz"):
        raise RecipeError(f"Hadoop unpacks {output} only if its name ends in .tar.gz.")
    if not os.access(output.parent, os.W_OK):
        raise RecipeError(f"{output} cannot be written: there is no such folder, or it is closed.")
    interpreter = examine(python)
    with tempfile.TemporaryDirectory() as scratch:
        # The path goes into no file, but bytes must not depend on its length either.
        folder = Path(scratch, "env")
        copy(interpreter, folder)
        install_numpy(interpreter, folder, numpy)
        compile_all(interpreter, folder)
        partial = output.with_name(output.name + ".partial")
        try:
            pack(folder, partial)
            shutil.rmtree(folder)
            version, numpy_version = attempt(partial, Path(scratch, "somewhere else").resolve())
            os.replace(partial, output)
        except OSError as error:
            raise RecipeError(f"{output} cannot be written: {error.strerror}.") from None
        finally:
            partial.unlink(missing_ok=True)
    return f"{output}: Python {version} with numpy {numpy_version}, {output.stat().st_size / 1e6:.0f} MB"


# -- the interpreter --------------------------------------------------------


def examine(python: str) -> Interpreter:
    """Where the parts of an interpreter lie.

    :raises RecipeError: one that does not run, is too old, or is a virtual environment
    """
    if not shutil.which("ldd"):
        raise RecipeError("an archive is made on Linux, like that of the nodes: there is no ldd here.")
    try:
        version, prefix, base_prefix, program, stdlib = json.loads(run([python, "-I", "-c", ASK], f"{python} does not run"))
    except ValueError:
        raise RecipeError(f"{python} is no Python.") from None
    if tuple(version) < OLDEST:
        raise RecipeError(f"{python} is Python {version[0]}.{version[1]}, and the jobs need 3.9 or newer.")
    if prefix != base_prefix:
        raise RecipeError(
            f"{python} belongs to the virtual environment {prefix}, which is no whole Python: give --python {program}, "
            "from which it was made."
        )
    folders = [Path(folder) for folder in stdlib]
    if not all(folder.is_relative_to(prefix) for folder in folders):
        raise RecipeError(f"the standard library of {python} lies outside its prefix {prefix}: give another Python.")
    return Interpreter(Path(program), Path(prefix), folders)


def copy(interpreter: Interpreter, folder: Path) -> None:
    """Copies the interpreter without what no task imports, and the libraries that it is linked with."""
    for source in interpreter.stdlib:
        target = folder / source.relative_to(interpreter.prefix)
        shutil.copytree(source, target, ignore=_left_out, dirs_exist_ok=True, symlinks=False)
    (folder / "bin").mkdir(exist_ok=True)
    program = folder / "bin" / interpreter.program.name
    shutil.copy(interpreter.program, program)
    # Asked of the originals, which find what lies beside them.
    modules = [path for source in interpreter.stdlib for path in source.rglob("*.so") if _is_wanted(path, source)]
    copy_libraries([interpreter.program, *modules], folder)
    wrapper = folder / "bin" / "python3"
    wrapper.unlink(missing_ok=True)
    wrapper.write_text(WRAPPER % program.name)
    wrapper.chmod(0o755)


def _left_out(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if not _is_wanted(Path(folder, name), Path(folder))}


def _is_wanted(path: Path, root: Path) -> bool:
    """Whether neither a file nor a folder between it and the root is left out."""
    *folders, name = path.relative_to(root).parts
    if any(one in LEFT_OUT or LEFT_OUT_FOLDERS.fullmatch(one) for one in [*folders, *([name] if path.is_dir() else [])]):
        return False
    return path.is_dir() or not LEFT_OUT_FILES.fullmatch(name)


def copy_libraries(linked: Iterable[Path], folder: Path) -> None:
    """Copies the libraries that programs and modules are linked with, under the names by which they are looked for."""
    library = folder / "lib"
    library.mkdir(exist_ok=True)
    told = subprocess.run(["ldd", *linked], capture_output=True, text=True).stdout
    for name, path in re.findall(r"^\s*(\S+) => (/.*) \(0x", told, re.MULTILINE):
        if not C_LIBRARY.fullmatch(name) and not Path(path).is_relative_to(folder) and not (library / name).exists():
            shutil.copy(path, library / name)


# -- numpy ------------------------------------------------------------------


def install_numpy(interpreter: Interpreter, folder: Path, version: str | None) -> None:
    """Installs numpy where the copied interpreter looks for packages.

    :raises RecipeError: without pip, without a wheel for this Python
    """
    place = "import sysconfig; print(sysconfig.get_path('platlib'))"
    site = Path(run([str(folder / "bin" / "python3"), "-IB", "-c", place], "the copied interpreter does not run").strip())
    pip = [str(interpreter.program), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    wanted = ["--only-binary=:all:", f"--target={site}", f"numpy=={version}" if version else "numpy"]
    run([*pip, *wanted], f"numpy could not be installed for {interpreter.program}")
    for path in sorted(site.rglob("*"), reverse=True):
        if not _is_wanted(path, site):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    copy_libraries(site.rglob("*.so"), folder)


def compile_all(interpreter: Interpreter, folder: Path) -> None:
    """Compiles the modules: each task would do so again, and importing numpy takes it three times as long."""
    # Checked by nothing: the times of the files change wherever the archive is unpacked.
    how = ["-q", "-q", "--invalidation-mode", "unchecked-hash", "-s", str(folder)]
    subprocess.run([interpreter.program, "-m", "compileall", *how, folder], env={**outside(), "PYTHONHASHSEED": "0"})


# -- the archive ------------------------------------------------------------


def pack(folder: Path, output: Path) -> None:
    """Writes the archive: sorted, without the times and owners that differ from one making to the next."""

    def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mtime = entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return entry

    with (
        open(output, "wb") as f,
        gzip.GzipFile("", "wb", fileobj=f, mtime=0) as z,
        tarfile.open(fileobj=z, mode="w") as archive,
    ):
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name, filter=anonymous)


def attempt(archive: Path, folder: Path) -> tuple[str, str]:
    """Unpacks the archive elsewhere and runs it with an empty environment; gives the versions of Python and numpy.

    :raises RecipeError: when it does not run, or not without what is on this machine
    """
    with tarfile.open(archive) as packed:
        packed.extractall(folder)
    answer = run([str(folder / "bin" / "python3"), "-c", TRY], "the archive does not run", env={})
    version, numpy_version, files, path = json.loads(answer)
    libraries = [file for file in files if ".so" in file and not C_LIBRARY.fullmatch(Path(file).name)]
    for file in [*libraries, *filter(None, path)]:
        if not Path(file).is_relative_to(folder):
            raise RecipeError(f"the archive would not run elsewhere: it uses {file}.")
    return version, numpy_version


# -- commands ---------------------------------------------------------------


def outside() -> dict[str, str]:
    """The environment without what would make one Python use the packages of another."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def run(command: list[str], failure: str, env: Any = None) -> str:
    """What a command prints.

    :raises RecipeError: when it fails, with the line that says why
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=outside() if env is None else env)
    except OSError as error:
        raise RecipeError(f"{failure}: {error.strerror}.") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        # What was wrong stands at the end of a traceback and of what pip says, and before the advice of others.
        raise RecipeError(f"{failure}: {lines[-1 if lines[0].startswith(('Traceback', 'ERROR')) else 0]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())

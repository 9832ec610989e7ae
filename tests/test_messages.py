"""Every row of docs/messages.md is what happens: the page gives the message and the status, the cases here the mistake."""

from __future__ import annotations

import bz2
import contextlib
import csv
import fcntl
import gzip
import io
import json
import lzma
import os
import pty
import re
import resource
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drivers import describe, evaluate, history, merge, prepare, run_wols, score, serve
from drivers.packing import cache as cache_module
from drivers.packing import chunks as chunks_module
from tests.conftest import ROOT, Driver

PAGE = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")
ROW = re.compile(r"\| (?P<wrong>.+?) \| (?P<ticks>``? ?)(?P<message>.+?) ?`+ \| (?P<status>\d) \|")
REMEDY = "correct the file, or let up to N such rows be left out with --max-bad-rows N"

GOOD = "y,x,w\n1,2,1\n2,4,1\n3,5,2\n5,7,1\n"
MANY = "y,x,w\n" + "".join(f"{i % 7},{i},{1 + i % 3}\n" for i in range(30_000))
USUAL = "t.csv --target y --weight w --no-report"
OTHER_USER = 65534

Surroundings = Callable[[pytest.MonkeyPatch], contextlib.AbstractContextManager]


@dataclass
class Case:
    """A mistake: the files there are, the arguments of a program, and what else is as it should not be.

    has_begun: the runner has been asked, so that the directory of the run stays, with its log
    """

    files: dict[str, str | bytes] = field(default_factory=lambda: {"t.csv": GOOD})
    arguments: str = USUAL
    surroundings: Surroundings = lambda monkeypatch: contextlib.nullcontext()
    has_begun: bool = False
    program: ModuleType = run_wols


def table(text: str | bytes, arguments: str = USUAL, **options) -> Case:
    return Case({"t.csv": text}, arguments, **options)


def with_options(options: str, **others) -> Case:
    return Case(**{"arguments": f"{USUAL} {options}", **others})


def file_of(name: str, data: bytes) -> Case:
    return Case({name: data}, USUAL.replace("t.csv", name))


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("t.csv", GOOD)
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        member = tarfile.TarInfo("t.csv")
        member.size = len(GOOD)
        archive.addfile(member, io.BytesIO(GOOD.encode()))
    return out.getvalue()


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


def parquet(columns: dict[str, list]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


# -- what else is as it should not be ------------------------------------------------------------------------------------


def piped(data: bytes, is_terminal: bool = False) -> Surroundings:
    """Standard input."""

    def surroundings(monkeypatch):
        stdin = io.TextIOWrapper(io.BytesIO(data))
        monkeypatch.setattr(stdin, "isatty", lambda: is_terminal)
        monkeypatch.setattr(sys, "stdin", stdin)
        return contextlib.nullcontext()

    return surroundings


def without(*variables: str, **values: str) -> Surroundings:
    """The environment without some variables, and others set."""

    def surroundings(monkeypatch):
        for name in variables:
            monkeypatch.delenv(name, raising=False)
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        return contextlib.nullcontext()

    return surroundings


@contextlib.contextmanager
def small_files(monkeypatch) -> Iterator[None]:
    """No file may grow beyond 100 KB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def piped_into_small_files(monkeypatch):
    piped(MANY.encode())(monkeypatch)
    return small_files(monkeypatch)


def no_memory(monkeypatch):
    def train(options):
        raise MemoryError

    monkeypatch.setattr(run_wols, "train", train)
    return contextlib.nullcontext()


def changing_file(monkeypatch):
    write_pack = cache_module.write_pack

    def meddled(*arguments):
        with open("t.csv", "a") as f:
            f.write("7,8,1\n")
        return write_pack(*arguments)

    monkeypatch.setattr(cache_module, "write_pack", meddled)
    return contextlib.nullcontext()


def after_a_run(change: Callable[[], None] = lambda: None, folder: str = ".") -> Surroundings:
    """A run in the directory r, begun in a folder, and what has changed since."""

    def surroundings(monkeypatch):
        here = os.getcwd()
        os.makedirs(folder, exist_ok=True)
        os.chdir(folder)
        with open("t.csv", "w") as f:
            f.write(GOOD)
        assert outcome([*shlex.split(USUAL), "--run-dir", os.path.join(here, "r")])[0] == 0
        os.chdir(here)
        change()
        return contextlib.nullcontext()

    return surroundings


def append_a_row() -> None:
    with open("t.csv", "a") as f:
        f.write("7,8,1\n")


@contextlib.contextmanager
def going_on(monkeypatch) -> Iterator[None]:
    with after_a_run()(monkeypatch), open("r/.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def closed(path: str, mode: int = 0) -> Surroundings:
    """Another user than root, to whom a path is closed; in a folder of his own, since pytest's are private too."""

    @contextlib.contextmanager
    def surroundings(monkeypatch):
        assert outcome(shlex.split(USUAL.replace("t.csv", "good.csv")))[0] == 0  # nothing is left to be imported later
        here = Path.cwd()
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(here, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("cache", "runs"))
            for inside in [folder, *Path(folder).rglob("*")]:
                os.chmod(inside, 0o777)
            os.chmod(os.path.join(folder, path), mode)
            monkeypatch.setenv("XDG_CACHE_HOME", os.path.join(folder, "cache"))
            os.chdir(folder)
            is_root = os.geteuid() == 0
            if is_root:
                os.seteuid(OTHER_USER)
            try:
                if not os.access(os.path.join(folder, "good.csv"), os.R_OK, effective_ids=True):
                    pytest.skip("temporary folders are closed to other users here")
                yield
            finally:
                if is_root:
                    os.seteuid(0)
                os.chdir(here)
                os.chmod(os.path.join(folder, path), 0o777)

    return surroundings


def commands(**scripts: str) -> Surroundings:
    """Commands in this folder, each a script of the shell."""

    def surroundings(monkeypatch):
        for name, script in scripts.items():
            Path(name).write_text(f"#!/bin/sh\n{script}\n")
            os.chmod(name, 0o755)
        return contextlib.nullcontext()

    return surroundings


def on_hadoop(says: str, options: str = "", has_begun: bool = True) -> Case:
    """A run on a Hadoop whose file system says this."""
    hadoop = f'test "$1" = version && echo Hadoop 3.4.2 && exit\necho "{says}" >&2\nexit 1'
    return with_options(
        f"-r hadoop --hadoop-bin ./hadoop {options}", surroundings=commands(hadoop=hadoop), has_begun=has_begun
    )


def on_local(script: str) -> Case:
    """A run on local whose tasks do this."""
    return with_options(f"-r local --num-cores 1 --python-bin \"sh -c '{script}'\"", has_begun=True)


def saved(**tables: tuple[str, str]) -> Surroundings:
    """A statistics file NAME.stats for each NAME.csv with these rows, saved with these options."""

    def surroundings(monkeypatch):
        for name, (rows, options) in tables.items():
            with open(f"{name}.csv", "w") as f:
                f.write(rows)
            words = f"{name}.csv --target y --save-statistics {name}.stats --no-report {options}"
            assert outcome(shlex.split(words))[0] == 0
        shutil.rmtree("runs")
        return contextlib.nullcontext()

    return surroundings


def cut_short(path: str, before: Surroundings) -> Surroundings:
    """A file of which the last half is missing."""

    def surroundings(monkeypatch):
        before(monkeypatch)
        os.truncate(path, os.path.getsize(path) // 2)
        return contextlib.nullcontext()

    return surroundings


def merging(arguments: str, **tables: tuple[str, str]) -> Case:
    return Case({}, arguments, saved(**tables), program=merge)


def two_files(options: str, others: str, other_options: str, files: str = "a.stats b.stats") -> Case:
    return merging(f"{files} -o c.stats", a=(GROUPED, options), b=(others, other_options))


def from_statistics(options: str, *saved_with: str, rows: str | None = None) -> Case:
    with_these = " ".join(saved_with) or "--features x,g --weight w"
    return Case({}, f"--from-statistics a.stats --no-report {options}", saved(a=(rows or GROUPED, with_these)))


def with_steps(options: str, rows: str | None = None, **others) -> Case:
    return table(rows or HOUSES, f"t.csv --target price --features area,garden --no-report {options}", **others)


def preparing(options: str, **others) -> Case:
    return table(HOUSES, f"t.csv --no-report {options}", program=prepare, **others)


def followed(options: str = "", rows: str | None = None, **changed) -> Case:
    """A run by a recipe that fills the area with 30, of which some fields are others."""
    files: dict[str, str | bytes] = {"t.csv": rows or HOUSES, "r.json": json.dumps({**RECIPE, **changed})}
    return Case(files, f"t.csv --recipe r.json --no-report {options}")


def of_past(options: str, rows: str | None = None) -> Case:
    return table(rows or SPENT, f"t.csv {options}", program=history)


def with_model(arguments: str, program: ModuleType, **files: str) -> Case:
    """A program that is given the model m/model.json."""

    def surroundings(monkeypatch):
        with open("train.csv", "w") as f:
            f.write(HOUSES)
        words = "train.csv --target price --features area,city --impute median --encode treatment --no-report --run-dir m"
        assert outcome(shlex.split(words))[0] == 0
        return contextlib.nullcontext()

    named = {f"{name}.csv": text for name, text in {"t": HOUSES, **files}.items()}
    return Case(dict(named), arguments, surroundings, program=program)


def judged(options: str) -> Case:
    return table(JUDGED, f"t.csv --no-report {options}", program=evaluate)


# -- the mistakes --------------------------------------------------------------------------------------------------------

DATES = "y,x,d\n" + "".join(f"{i % 7},{i},2024-02-0{1 + i % 7}\n" for i in range(120_000)) + "1,2,2024-02-30\n"
TRUTHS = "y,x\n" + "".join(f"{i % 7},{i % 2 == 0}\n" for i in range(300_000)) + "1,yes\n"
TEXTS = "y,s\n" + "".join(f"{i % 9},k{i}\n" for i in range(2500))
PRICES = "price,x,w\n1,2,1\n2,4,1\n3,4,1\n"
RESUME = {"r/options.json": "{}", "r/.lock": ""}
ZEROS = "".join(MANY.splitlines(keepends=True)[:4001]) + "\x00\x00,1,1\n"
PARQUET = parquet({"y": [1, 2, 3, 5], "x": [2, 4, 5, 7], "w": [1, 1, 2, 1]})
GROUPED = "y,x,w,g\n" + "".join(f"{i * i % 11},{i},{1 + i % 3},{'ab'[i % 2]}\n" for i in range(20))
OTHERS = "y,x,w,g\n" + "".join(f"{i * i % 7},{5 * i},{1 + i % 2},{'ab'[i % 2]}\n" for i in range(15))
NUMBERED = OTHERS.replace("a\n", "4\n").replace("b\n", "5\n")
SOME = "".join(GROUPED.splitlines(keepends=True)[:9])
WIDE = ",".join(["y", *(f"x{j}" for j in range(31))]) + "\n" + "".join(
    ",".join(str((7 * i + 3) ** j % 101) for j in range(1, 33)) + "\n" for i in range(90)
)  # fmt: skip
HOUSES = "price,area,garden,sold,city,id\n" + "".join(
    f"{3 * i + i * i % 7},{'' if i % 9 == 4 else i + 10},{'yes' if i % 3 else ''},{i % 28 + 1:02}/0{i % 9 + 1}/2024,"
    f"{'abc'[i % 3]},k{i}\n"
    for i in range(40)
)
FILLS = {"step": "impute", "columns": ["area"], "strategy": "median", "values": {"area": 30.0}}
RECIPE = {
    "format": "scanlearn-recipe", "version": 1, "roles": {"target": "price"}, "columns": ["area"],
    "texts": {"garden": ["yes"]}, "formats": {}, "steps": [FILLS], "features": ["area"],
}  # fmt: skip
SPENT = "card,when,spent,shop\n" + "".join(f"{'ab'[i % 2]},2024-01-{i + 1:02},{i * 7 % 5},s{i % 3}\n" for i in range(12))
JUDGED = "y,class,probability no,probability yes\n" + "".join(
    f"{('no', 'yes')[i % 2]},{('no', 'yes')[i >= 10]},{1 - i / 20},{i / 20}\n" for i in range(20)
)
BINARY = b"\x7fELF\x02\x01\x00\x00" * 20

CASES = {
    # the file
    "there is no such file": Case({}, "gone.csv --target y"),
    "nothing matches a pattern": Case({}, "'*.csv' --target y"),
    "an input has no name": Case({}, "'' --target y"),
    "a link that leads nowhere": Case({"link.csv": b"-> nowhere"}, "link.csv --target y"),
    "a directory without files": Case({"parts/": ""}, "parts --target y"),
    "a directory with nothing but directories": Case({"parts/1/t.csv": GOOD}, "parts --target y"),
    "an empty file": table(""),
    "a file of empty lines": table("\n\n\n"),
    "a header and nothing else": table("y,x,w\n"),
    "a file given twice": Case(arguments=f"./t.csv {USUAL}"),
    "standard input given twice": Case(arguments="- - --target y", surroundings=piped(GOOD.encode())),
    "`-` and nothing is piped": Case(arguments="- --target y", surroundings=piped(b"", is_terminal=True)),
    "an empty pipe": Case(arguments="- --target y", surroundings=piped(b"")),
    "a URL of an unknown kind": Case(arguments="ftp://host/t.csv --target y"),
    "a URL of S3 without a bucket": Case(arguments="s3:///t.csv --target y"),
    "S3 without credentials": Case(
        arguments="s3://bucket/t.csv --target y",
        surroundings=without(
            "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ENDPOINT_URL", AWS_EC2_METADATA_DISABLED="true", HOME="/nonexistent"
        ),
    ),
    "HDFS without Hadoop": Case(
        arguments="hdfs:///t.csv --target y", surroundings=without("HADOOP_HOME", "HADOOP_PREFIX", PATH="/usr/bin:/bin")
    ),
    "bytes that are no text": table(BINARY),
    "a ZIP archive": file_of("t.zip", zipped()),
    "an Excel workbook": file_of("t.xlsx", zipped()),
    "an old Excel workbook": file_of("t.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 9),
    "a file compressed by xz": file_of("t.csv.xz", lzma.compress(GOOD.encode())),
    "a tar archive, compressed": file_of("t.tar.gz", tarred()),
    "a 7-Zip archive": file_of("t.7z", b"7z\xbc\xaf\x27\x1c" * 9),
    "a RAR archive": file_of("t.rar", b"Rar!\x1a\x07" * 9),
    "an Avro file": file_of("t.avro", b"Obj\x01" * 9),
    "an ORC file": file_of("t.orc", b"ORC\x08" * 9),
    "a Feather file": file_of("t.feather", b"ARROW1\x00\x00" * 9),
    "an HDF5 file": file_of("t.h5", b"\x89HDF\r\n\x1a\n" * 9),
    "an array of numpy": file_of("t.npy", b"\x93NUMPY\x01\x00" * 9),
    "a database": file_of("t.db", b"SQLite format 3\x00" * 9),
    "a PDF document": file_of("t.pdf", b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"),
    "a web page": table("<!DOCTYPE html>\n<html><body>\n<p>please log in</p>\n</body></html>\n"),
    "a gzip file cut in half": file_of("t.csv.gz", gzip.compress(MANY.encode())[:20_000]),
    "a gzip file with a wrong byte": file_of(
        "t.csv.gz", (lambda data: data[:-9] + bytes([data[-9] ^ 255]) + data[-8:])(gzip.compress(GOOD.encode()))
    ),
    "a bzip2 file cut in half": file_of("t.csv.bz2", bz2.compress(MANY.encode())[:20_000]),
    "a Parquet file cut in half": file_of("t.parquet", PARQUET[: len(PARQUET) // 2]),
    "a Parquet file with wrong bytes": file_of("t.parquet", PARQUET[:20] + b"\xff" * 20 + PARQUET[40:]),
    "a Parquet file without rows": file_of("t.parquet", parquet({"y": [], "x": [], "w": []})),
    "another file named as Parquet": file_of("t.parquet", GOOD.encode()),
    "UTF-16 with a byte order mark": table(GOOD.encode("utf-16")),
    "UTF-32 with a byte order mark": table(GOOD.encode("utf-32")),
    "UTF-16 without a byte order mark": table(GOOD.encode("utf-16-le")),
    "Latin-1 in the header": table("y,x,w,caf\xe9\n1,2,1,1\n2,4,1,3\n".encode("latin-1")),
    "Latin-1 in a later line": table("y,x,w,s\n1,2,1,a\n2,4,1,caf\xe9\n3,5,1,c\n".encode("latin-1")),
    "another encoding than was given": table("y,x,w,s\n1,2,1,a\n2,4,1,caf\xe9\n", f"{USUAL} --encoding ascii"),
    "UTF-8 given as UTF-16": with_options("--encoding utf-16"),
    "a file that changes while it is read": Case(surroundings=changing_file),
    # the header
    "a column name twice": table("y,x,x\n1,2,3\n"),
    "a column without a name": table("y,,w\n1,2,3\n"),
    "empty lines above such a header": table("\r\n\r\ny,,w\r\n1,2,3\r\n"),
    "a title above the header": table("Sales of 2024\n\ny,x,w\n1,2,1\n2,4,1\n3,5,1\n"),
    "a header without the name of the first column": table("x,w\n1,2,1\n2,4,1\n3,5,1\n"),
    "a quote in the header that is not closed": table('y,"x,w\n1,2,1\n2,4,1\n'),
    "a header that is not the words of --columns": Case(arguments="t.csv --columns b,a,c --target b"),
    "a header and --header no": with_options("--columns y,x,w --header no"),
    "fewer names in --columns than cells": with_options("--columns y,x"),
    "more names in --columns than cells": with_options("--columns y,x,w,z"),
    "another header in the second file": Case({"a.csv": GOOD, "b.csv": "x,y,w\n1,2,3\n"}, "a.csv b.csv --target y"),
    "another delimiter in the second file": Case({"a.csv": GOOD, "b.csv": "y;x;w\n1;2;3\n"}, "a.csv b.csv --target y"),
    "a Parquet file without a column of the first": Case(
        {"a.parquet": PARQUET, "b.parquet": parquet({"y": [1], "x": [2]})}, "a.parquet b.parquet --target y"
    ),
    "a second file of another kind": Case({"a.csv": GOOD, "b.csv": BINARY}, "a.csv b.csv --target y"),
    # the rows
    "text in a column of numbers": table("y,x,w\n1,2,1\n2,abc,1\n3,4,1\n"),
    "a long text in a column of numbers": table(f"y,x,w\n1,2,1\n2,{'abc' * 50},1\n3,4,1\n"),
    "an amount of money among numbers": table("y,x,w\n1,5,1\n2,6,1\n3,$4,1\n4,1,1\n"),
    "a number with a thousands separator among numbers": table('y,x,w\n1,1,1\n2,2,1\n3,4,1\n4,"1,000",1\n'),
    "hexadecimal, or with `_` between digits": table("y,x,w\n1,2,1\n2,0x10,1\n3,1_0,1\n4,5,1\n5,7,1\n"),
    "an empty cell when `--missing-tokens` has no empty one": table(
        "y,x,w\n1,2,1\n2,,1\n3,4,1\n", f"{USUAL} --missing-tokens NA"
    ),
    "an infinity": table("y,x,w\n1,2,1\n2,inf,1\n3,4,1\n"),
    "a number beyond 1.8e308": table("y,x,w\n1,2,1\n2,1e999,1\n3,4,1\n"),
    "text in a column of true and false": table(TRUTHS, "t.csv --target y"),
    "a day that is none in a column of dates": table(DATES, "t.csv --target y"),
    "a row that is too short": table("y,x,w\n1,2,1\n2,4\n3,5,1\n"),
    "a row that is too long": table("y,x,w\n1,2,1\n2,4,1,1\n3,5,1\n"),
    "a line that is no row at all": table("y,x,w\n1,2,1\n2,4,1\n(2 rows)\n"),
    "a quote that is not closed": table('y,x,w\n1,2,1\n2,"4,1\n3,5,1\n'),
    "zero bytes in a later line": table(ZEROS),
    "JSON that is cut short": Case(
        {"t.jsonl": '{"y": 1, "x": 2}\n{"y": 2, "x": 3}\n{"y": 3, "x"'}, "t.jsonl --target y"
    ),
    "text in a column of numbers of JSON": Case(
        {"t.jsonl": '{"y": 1, "x": 2}\n{"y": 2, "x": "abc"}\n{"y": 3, "x": 5}\n'}, "t.jsonl --target y"
    ),
    "libsvm with indices that descend": Case({"t.svm": "1 1:2 2:3\n2 2:3 1:4\n4 1:2 2:5\n"}, "t.svm --target y"),
    "an infinity in Parquet": file_of("t.parquet", parquet({"y": [1.0, 2], "x": [3.0, float("inf")], "w": [1, 2]})),
    "more bad rows than are allowed": table("y,x,w\n1,2,1\na,4,1\nb,5,1\n3,7,1\n4,7,1\n", f"{USUAL} --max-bad-rows 1"),
    # the columns and their roles
    "a target that is no column": table(PRICES, "t.csv --target prise"),
    "a target in other letters": table(PRICES, "t.csv --target Price"),
    "a name like no other": table(PRICES, "t.csv --target zzz"),
    "a feature that is no column": with_options("--features x,xx"),
    "a weight that is no column": Case(arguments="t.csv --target y --weight wt"),
    "a name in --exclude that is no column": with_options("--exclude xx"),
    "a name in --text that is no column": with_options("--text xx"),
    "an --id that is no column": with_options("--id order"),
    "names, and a file without a header": table("1,2,3\n2,4,3\n3,5,4\n"),
    "the wrong --delimiter": with_options("--delimiter ';'"),
    "the target among the features": with_options("--features x,y"),
    "one column as target and weight": Case(arguments="t.csv --target y --weight y"),
    "a feature named twice": with_options("--features x,x"),
    "a missing cell": table("y,x,w\n1,2,1\n2,,1\n3,5,1\n"),
    "several missing cells": table("y,x,w\n1,2,1\n2,,1\n3,NA,1\n4,5,1\n"),
    "NaN": table("y,x,w\n1,2,1\n2,NaN,1\n3,5,1\n"),
    "a missing weight": table("y,x,w\n1,2,1\n2,4,\n3,5,1\n"),
    "a missing id": table("y,x,w\n1,2,a\n2,4,\n3,5,c\n", "t.csv --target y --features x --id w"),
    "a feature that is missing everywhere": table("y,x,w\n1,,1\n2,,1\n3,,1\n", f"{USUAL} --missing drop"),
    "a target that is missing everywhere": table("y,x,w\n,2,1\n,4,1\n,5,1\n"),
    "a weight that is missing everywhere": table("y,x,w\n1,2,\n2,4,\n3,5,\n"),
    "a feature of one value": table("y,x,w\n1,2,1\n2,2,1\n3,2,1\n"),
    "a feature of one text": table("y,x,s\n1,2,a\n2,4,a\n3,5,a\n", "t.csv --target y --features x,s"),
    "a feature of one value, elsewhere missing": table("y,x,w\n1,2,1\n2,,1\n3,2,1\n", f"{USUAL} --missing drop"),
    "a target of one value": table("y,x,w\n1,2,1\n1,4,1\n1,5,1\n"),
    "numbers with a decimal comma": table("y;x;w\n1,5;2;1\n2,5;4;1\n3,1;5;1\n"),
    "a feature of percentages": table("y,x\n1,5%\n2,7%\n3,6%\n4,9%\n5,11%\n", "t.csv --target y --features x"),
    "a feature of too many texts": table(TEXTS, "t.csv --target y --features s"),
    "a target of too many texts": table(TEXTS, "t.csv --target s --features y"),
    "a negative weight": table("y,x,w\n1,2,1\n2,4,-1\n3,5,1\n"),
    "an infinite weight": table("y,x,w\n1,2,1\n2,4,inf\n3,5,1\n"),
    "all weights zero": table("y,x,w\n1,2,0\n2,4,0\n3,5,0\n"),
    "weights of text": table("y,x,w\n1,2,heavy\n2,4,light\n3,5,light\n"),
    "weights of dates": table("y,x,w\n1,2,2024-01-31\n2,4,2024-02-01\n3,5,2024-02-02\n"),
    "weights beyond 2^53": table("y,x,w\n1,2,99999999999999999\n2,4,99999999999999998\n3,5,7\n"),
    "fewer rows than coefficients": table("y,a,b,c\n1,2,3,4\n2,1,5,6\n", "t.csv --target y"),
    "one row": table("y,x\n1,2\n", "t.csv --target y"),
    "no row that is complete and has a weight": table(
        "y,x,w\n1,,1\n2,4,0\n,5,1\n3,6,0\n", f"{USUAL} --missing drop", has_begun=True
    ),
    "no column that could be used": Case({"t.jsonl": '{"a": [1, 2]}\n{"a": [3]}\n'}, "t.jsonl --target a"),
    # the options
    "no target": Case(arguments="t.csv"),
    "an option that is none": Case(arguments="t.csv --target y --wieght w"),
    "an option like no other": with_options("--zzz"),
    "an option cut short": with_options("--learn 1"),
    "an option without its value": Case(arguments="t.csv --target"),
    "a value that begins with a minus sign": with_options("--solver gd --start -1,1"),
    "a delimiter of two characters": with_options("--delimiter ::"),
    "a quote as delimiter": with_options("--delimiter '\"'"),
    "an unknown encoding": with_options("--encoding utf-99"),
    "an encoding that is none of text": with_options("--encoding base64"),
    "an unknown format": with_options("--format xlsx"),
    "a name twice in --columns": with_options("--columns y,x,x"),
    "a negative number of rows": with_options("--max-bad-rows -1"),
    "a size with a unit": with_options("--cache-size 10G"),
    "a confidence in percent": with_options("--confidence 95"),
    "learning rate 0": with_options("--solver gd --learning-rate 0"),
    "learning rates that are not separated by commas": with_options("--solver gd --learning-rate '0.1;0.2'"),
    "--tol 0": with_options("--solver gd --tol 0"),
    # folds, clusters, counts
    "a --fold-by that is no column": with_options("--fold-by shop"),
    "a --cluster that is no column": with_options("--cluster shop"),
    "a missing cluster": table("y,x,g\n1,2,a\n2,4,\n3,5,c\n", "t.csv --target y --features x --cluster g"),
    "one cluster": table("y,x,g\n1,2,a\n2,4,a\n4,5,a\n", "t.csv --target y --features x --cluster g"),
    "one cluster among the rows that have a weight": table(
        "y,x,w,g\n1,2,1,3\n2,4,0,4\n4,5,1,3\n5,7,1,3\n", f"{USUAL} --features x --cluster g", has_begun=True
    ),
    "one value in --fold-by": table("y,x,g\n1,2,7\n2,4,7\n4,5,7\n", "t.csv --target y --features x --fold-by g --folds 2"),
    "more folds than rows": with_options("--folds 5"),
    "a fold without rows": with_options("--folds 4", has_begun=True),
    "a fold without rows by a column of few values": table(
        GROUPED, f"{USUAL} --features x --folds 5 --fold-by g", has_begun=True
    ),
    "a holdout without rows": with_options("--holdout 0.01", has_begun=True),
    "weights that are no counts": table(
        "y,x,w\n1,2,1\n2,4,1.5\n3,5,2\n", f"{USUAL} --weight-type frequency"
    ),
    "two features of one name": table(
        "y,g,g=b\n1,a,3\n2,b,4\n4,a,6\n5,b,1\n2,a,2\n", "t.csv --target y --features g,g=b"
    ),
    "--select best of features that depend on each other": table(
        "y,a,b,c\n1,2,3,5\n2,1,5,6\n4,1,1,2\n7,2,2,4\n3,5,1,6\n", "t.csv --target y --select best", has_begun=True
    ),
    "--select best of very many features": table(WIDE, "t.csv --target y --select best"),
    "--select backward from more features than rows": table(
        "y,a,b,c\n1,2,3,4\n2,1,5,6\n4,1,1,2\n", "t.csv --target y --select backward", has_begun=True
    ),
    # options that do not go together
    "--alphas without a penalty": with_options("--alphas 1"),
    "--l1-ratio of another penalty": with_options("--penalty lasso --l1-ratio 0.9"),
    "--standardize without a penalty": with_options("--standardize"),
    "--choose without a penalty": with_options("--choose 1se"),
    "--choose and one penalty": with_options("--penalty ridge --alphas 1 --choose 1se"),
    "an unknown penalty": with_options("--penalty ridgee"),
    "alphas of words": with_options("--penalty ridge --alphas 1,x"),
    "a negative alpha": with_options("--penalty ridge --alphas=-1"),
    "alphas that end with a comma": with_options("--penalty ridge --alphas 1,"),
    "an l1 ratio above 1": with_options("--penalty elastic-net --l1-ratio 2"),
    "one fold": with_options("--folds 1"),
    "no fold": with_options("--folds 0"),
    "folds that are no number": with_options("--folds five"),
    "all rows held out": with_options("--holdout 1"),
    "--select and a penalty": with_options("--select best --penalty lasso"),
    "--select and --positive": with_options("--select best --positive"),
    "an unknown way to select": with_options("--select greedy"),
    "--criterion without --select": with_options("--criterion aic"),
    "--criterion cv with two folds": with_options("--select best --criterion cv --folds 2"),
    "--refine and a penalty": with_options("--refine --penalty ridge"),
    "--refine and --positive": with_options("--refine --positive"),
    "--covariance cluster without --cluster": with_options("--covariance cluster"),
    "an unknown covariance": with_options("--covariance HC4"),
    "--no-diagnostics and a covariance of the second pass": with_options("--no-diagnostics --covariance HC3"),
    "--no-diagnostics and --cluster": with_options("--no-diagnostics --cluster x"),
    "--weight-type frequency without --weight": Case(arguments="t.csv --target y --weight-type frequency"),
    "an option of gradient descent without --solver gd": with_options("--learning-rate 0.1"),
    "an option of the exact solver with --solver gd": with_options("--solver gd --penalty ridge"),
    "--folds with --solver gd": with_options("--solver gd --folds 5"),
    # statistics files
    "--from-statistics and a table": with_options("--from-statistics a.stats", files={"t.csv": GOOD}),
    "--from-statistics and a fold of its own": from_statistics("--folds 5"),
    "--from-statistics and another weight": from_statistics("--weight w"),
    "--from-statistics and the second pass": from_statistics("--diagnostics"),
    "--from-statistics and its standard errors": from_statistics("--covariance HC3"),
    "--from-statistics and --solver gd": from_statistics("--solver gd"),
    "--save-statistics in no folder": with_options("--save-statistics nowhere/t.stats"),
    "--save-statistics in the place of a folder": with_options("--save-statistics d", files={"t.csv": GOOD, "d/": ""}),
    "--from-statistics without a name": Case({}, "--from-statistics ''"),
    "--save-statistics without a name": with_options("--save-statistics ''"),
    "no such statistics file": Case({}, "--from-statistics gone.stats"),
    "a table where a statistics file should be": Case(arguments="--from-statistics t.csv"),
    "a statistics file of which the end is missing": Case(
        {}, "--from-statistics a.stats", cut_short("a.stats", saved(a=(GROUPED, "--features x")))
    ),
    "a target that the file does not have": from_statistics("--target z"),
    "a feature that the file does not have": from_statistics("--features x,z"),
    "a name in --exclude that the file does not have": from_statistics("--exclude z"),
    "a name in --exclude that is no feature": from_statistics("--features x --exclude g"),
    "the target of the file among the features": from_statistics("--features x,y"),
    "a feature of the file named twice": from_statistics("--features x,x"),
    "a target of text that was a feature": from_statistics("--target g"),
    "a feature of text that was the target": from_statistics(
        "--target x", "--features x", rows=GROUPED.replace("y,x,w,g", "w,x,z,y")
    ),
    "a choice of penalties without folds": from_statistics("--penalty lasso"),
    "a choice by cv without folds": from_statistics("--select best --criterion cv"),
    "a choice by cv of two folds": from_statistics("--select best --criterion cv", "--features x --folds 2"),
    "no file to merge": Case({}, "-o c.stats", program=merge),
    "no place for what is merged": merging("a.stats", a=(GROUPED, "")),
    "a file to merge that is not there": merging("a.stats gone.stats -o c.stats", a=(GROUPED, "")),
    "a file to subtract that is not there": merging("a.stats -old.stats -o c.stats", a=(GROUPED, "")),
    "a table to merge": merging("a.stats a.csv -o c.stats", a=(GROUPED, "")),
    "a folder for what is merged that is not there": merging("a.stats -o nowhere/c.stats", a=(GROUPED, "")),
    "a file that is merged with itself": merging("a.stats a.stats -o c.stats", a=(GROUPED, "")),
    "two files of one table": merging("a.stats b.stats -o c.stats", a=(GROUPED, ""), b=(GROUPED, "")),
    "a file that is subtracted twice": merging("a.stats -b.stats -b.stats -o c.stats", a=(GROUPED, ""), b=(SOME, "")),
    "files of other columns": two_files("--features x", OTHERS, "--features x,w"),
    "files of other weights": two_files("--features x --weight w", OTHERS, "--features x"),
    "files of which one has a text": two_files("--features g", NUMBERED, "--features g"),
    "files of other texts of the target": merging(
        "a.stats b.stats -o c.stats", a=("y,x\nu,1\nv,2\nu,4\n", ""), b=("y,x\nu,1\nz,3\nu,4\n", "")
    ),
    "more rows to subtract than there are": two_files("--features x", OTHERS, "--features x", "b.stats -a.stats"),
    "rows to subtract that are not there": two_files("--features x", OTHERS, "--features x", "a.stats -b.stats"),
    "an option of merge.py that is none": merging("a.stats -o c.stats --weight w", a=(GROUPED, "")),
    # the rest of the options
    "an unknown solver": with_options("--solver sgd"),
    "a start of too many numbers": with_options("--solver gd --start 1,2,3"),
    "a start of words": with_options("--solver gd --start a,b"),
    "a learning rate that is too large": with_options("--solver gd --learning-rate 50", has_begun=True),
    "an unknown runner": with_options("-r moon"),
    "a run directory that holds something": Case({"t.csv": GOOD, "r/x": ""}, f"{USUAL} --run-dir r"),
    "a run directory that is a file": Case({"t.csv": GOOD, "r": "x"}, f"{USUAL} --run-dir r"),
    "a run directory with a star in its name": with_options("--run-dir 'a*b'"),
    "a cache folder with a dollar in its name": with_options("--cache-dir 'a$b'"),
    "--run-dir and --resume": with_options("--resume r --run-dir q"),
    "--resume of nothing": Case(arguments="--resume nowhere"),
    "--resume of a file": Case(arguments="--resume t.csv"),
    "--resume of a damaged run": Case(RESUME, "--resume r"),
    "--resume of a run whose folder is gone": Case(
        {}, "--resume r", after_a_run(lambda: shutil.rmtree("elsewhere"), "elsewhere")
    ),
    "--resume with another option": Case({}, "--resume r --target x", after_a_run()),
    "--resume with another input": Case({"u.csv": GOOD}, "u.csv --resume r", after_a_run()),
    "--resume after the data have changed": Case({}, "--resume r", after_a_run(append_a_row)),
    "--resume of a run that goes on": Case({}, "--resume r", going_on),
    # recipes and histories
    "a recipe that is not there": with_steps("--recipe gone.json"),
    "a table where a recipe should be": with_steps("--recipe t.csv"),
    "a recipe with a step that there is not": followed(steps=[{**FILLS, "step": "fill"}]),
    "a recipe of which a step has learned nothing": followed(steps=[{**FILLS, "values": {}}]),
    "a recipe with a feature that no step makes": followed(features=["area", "rooms"]),
    "a recipe with a role that it has not": followed(roles={"offset": "area"}),
    "a recipe and a step": followed("--impute mean"),
    "a feature that a recipe does not make": followed("--features rooms"),
    "a recipe on a table without one of its columns": followed(rows="price,city\n1,a\n2,b\n"),
    "a recipe on a table whose column holds something else": followed(rows="price,area,garden\n1,a,yes\n2,b,no\n"),
    "a recipe whose column is the target": followed("--target area"),
    "a recipe that would take the place of its table": preparing("--target price -o t.csv"),
    "a recipe without features": preparing("--target price --features price", has_begun=True),
    "a word of --impute that is none": with_steps("--impute middle"),
    "two words for all columns": with_steps("--impute mean,median"),
    "numbers filled with a text": with_steps("--impute area=constant:none"),
    "a step for a column that it is not of": with_steps("--impute median --transform garden=log"),
    "a step for dates where there are none": with_steps("--impute median --dates parts"),
    "dates written otherwise than --date-formats says": with_steps("--features area,sold --date-formats sold=%Y"),
    "the logarithm of a negative cell": with_steps(
        "--impute median --transform area=log", rows=HOUSES.replace(",12,", ",-12,")
    ),
    "a missing cell after all steps": with_steps("--scale standard", has_begun=True),
    "a step whose column has the name of another": with_steps(
        "--features 'area,area missing' --impute median --indicators", rows=HOUSES.replace("city", "area missing"),
        has_begun=True,
    ),
    "averages of a target that there is not": preparing("--features area,city --encode city=target", has_begun=True),
    "--smooth and no target encoding": with_steps("--impute median --smooth 10"),
    "powers of all columns": with_steps("--impute median --polynomial 2"),
    "a product of one column": with_steps("--impute median --interactions area"),
    "a history that says nothing of the past": of_past("--entity card --time when -o o.csv"),
    "a history of nobody": of_past("--time when --lag spent:1 -o o.csv"),
    "a history without times": of_past("--entity card --lag spent:1 -o o.csv"),
    "one column for --entity and --time": of_past("--entity card --time card --lag spent:1 -o o.csv"),
    "a history that is written nowhere": of_past("--entity card --time when --lag spent:1"),
    "a lag without a number": of_past("--entity card --time when --lag spent -o o.csv"),
    "a window of weeks": of_past("--entity card --time when --rolling-mean spent:2w -o o.csv"),
    "a lag that is too far back": of_past("--entity card --time when --lag spent:2000000 -o o.csv"),
    "a mean of texts": of_past("--entity card --time when --rolling-mean shop:2 -o o.csv"),
    "days where there are no dates": of_past("--entity card --time spent --count 2d -o o.csv"),
    "times that have no order": of_past("--entity card --time shop --lag spent:1 -o o.csv"),
    "a row without a time": of_past(
        "--entity card --time when --lag spent:1 -o o.csv", rows=SPENT.replace("a,2024-01-05", "a,")
    ),
    "a new column asked for twice": of_past("--entity card --time when --lag spent:1,1 -o o.csv"),
    "a new column that the table has": of_past(
        "--entity card --time when --lag spent:1 -o o.csv", rows=SPENT.replace("shop", "spent lag 1")
    ),
    "--since with a time that is none": of_past("--entity card --time when --lag spent:1 --since soon -o o.csv"),
    # scores, judgements, services and profiles
    "score.py without rows": with_model("m/model.json -o o.csv", score),
    "score.py without a model": with_model("gone.json t.csv -o o.csv", score),
    "score.py with a table for a model": with_model("t.csv t.csv -o o.csv", score),
    "scores that would take the place of the rows": with_model("m/model.json t.csv -o t.csv", score),
    "rows without a column that the model needs": with_model("m/model.json u.csv -o o.csv", score, u="area\n1\n2\n"),
    "rows with a text where the model needs a number": with_model(
        "m/model.json u.csv -o o.csv", score, u="area,city\n1,a\nbig,b\n"
    ),
    "--keep of a column that is not there": with_model("m/model.json t.csv --keep rooms -o o.csv", score),
    "evaluate.py without a column of predictions": table(HOUSES, "t.csv --target price", program=evaluate),
    "a class that is not there taken as positive": judged("--target y --positive perhaps"),
    "texts judged as numbers": judged("--target y --task regression --prediction 'probability yes'"),
    "one cost": judged("--target y --cost 1"),
    "a threshold that is no probability": judged("--target y --threshold 2"),
    "serve.py without its model": with_model("gone.json", serve),
    "serve.py with a table for a model": with_model("t.csv", serve),
    "serve.py with rows": with_model("m/model.json t.csv", serve),
    "a port that there is not": with_model("m/model.json --port 99999", serve),
    "intervals of 95 instead of 0.95": with_model("m/model.json --intervals --confidence 95", serve),
    "describe.py and a column that is not there": table(HOUSES, "t.csv --only rooms", program=describe),
    "a table merged as a profile": table(HOUSES, "--merge t.csv", program=describe),
    "profiles merged of which there are none": table(HOUSES, "--merge", program=describe),
    "columns chosen of profiles": table(HOUSES, "--merge t.csv --only area", program=describe),
    "a profile that would take the place of its table": table(HOUSES, "t.csv -o t.csv", program=describe),
    # the machine
    "a file that may not be read": Case({"t.csv": GOOD, "good.csv": GOOD}, USUAL, closed("t.csv")),
    "a directory that may not be read": Case({"parts/t.csv": GOOD, "good.csv": GOOD}, "parts --target y", closed("parts")),
    "a folder in which no run directory may be made": Case({"t.csv": GOOD, "good.csv": GOOD}, USUAL, closed(".", 0o555)),
    "a cache folder that may not be written": Case(
        {"t.csv": GOOD, "good.csv": GOOD, "closed/": ""}, f"{USUAL} --cache-dir closed", closed("closed", 0o555)
    ),
    "a cache folder that is a file": Case({"t.csv": GOOD, "c": ""}, f"{USUAL} --cache-dir c"),
    "the same for a table from a pipe": Case({"c": ""}, "- --target y --cache-dir c", piped(GOOD.encode())),
    "a limit on the size of files": table(MANY, surroundings=small_files),
    "a pipe that does not fit the disk": Case({}, "- --target y", piped_into_small_files),
    "too little memory": Case(surroundings=no_memory),
    "a Python for the tasks that is not there": with_options("-r local --python-bin /nowhere/python3", has_begun=True),
    "tasks that something kills, four times": on_local("kill -9 $$"),
    "tasks that fail without a word": on_local("exit 9"),
    "-r hadoop without Java": with_options(
        "-r hadoop --hadoop-bin ./hadoop",
        surroundings=commands(hadoop='echo "ERROR: JAVA_HOME is not set and could not be found." >&2; exit 1'),
        has_begun=True,
    ),
    "-r hadoop and a cluster that is down": on_hadoop(
        "ls: Call From a/1 to b:8020 failed: java.net.ConnectException: Connection refused; For more details see: http://c"
    ),
    "-r hadoop and a cluster that lets packets fall": on_hadoop("ls: Interrupted"),
    "a streaming jar that is not there": on_hadoop("", "--hadoop-streaming-jar gone.jar", has_begun=False),
    "a folder for Hadoop that is the root": on_hadoop("", "--hadoop-tmp-dir hdfs:///", has_begun=False),
    "-r hadoop without Hadoop": with_options(
        "-r hadoop",
        surroundings=without("HADOOP_HOME", "HADOOP_PREFIX", "HADOOP_INSTALL", PATH="/usr/bin:/bin"),
    ),
    "a master of Spark that is none": with_options("-r spark --spark-master moon"),
    "a master of Spark that is down": with_options("-r spark --spark-master spark://127.0.0.1:1"),
    "a job on Spark that its cluster is to lead": with_options("-r spark --spark-deploy-mode cluster"),
    "a spark-submit that is not there": with_options("-r spark --spark-submit-bin gone"),
    "-r emr without a folder on S3": with_options("-r emr"),
    "-r emr and a folder that is not on S3": with_options("-r emr --cloud-tmp-dir tmp"),
    "-r emr with a key among the options": Case(
        {"t.csv": GOOD, "my.conf": "runners: {emr: {aws_access_key_id: AKIA}}"},
        f"{USUAL} -r emr --conf-path my.conf --cloud-tmp-dir s3://b/t",
    ),
    "-r emr with a release without Python 3.9": with_options(
        "-r emr --region us-west-1 --cloud-tmp-dir s3://b/t --release-label emr-6.15.0"
    ),
}  # fmt: skip
# What cannot be had in this process.
ELSEWHERE = {"a disk that is full while packing"}


# -- the page and what happens -------------------------------------------------------------------------------------------


@dataclass
class Row:
    """A row of the page."""

    wrong: str
    message: str
    status: int

    def fits(self, message: str) -> bool:
        return re.fullmatch(re.escape(self.message).replace(re.escape("..."), ".+"), message) is not None


def rows() -> list[Row]:
    lines = [
        line for line in PAGE.splitlines() if line.startswith("|") and not line.startswith(("|---", "| what is wrong"))
    ]
    found = [ROW.fullmatch(line) for line in lines]
    assert all(found), [line for line, row in zip(lines, found) if not row]
    return [Row(row["wrong"], row["message"], int(row["status"])) for row in found if row]


def outcome(arguments: list[str], program: ModuleType = run_wols) -> tuple[int, str, str]:
    """Status, standard output and standard error of a program, run in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = program.main(arguments)
        except SystemExit as end:
            status = end.code
    return status, out.getvalue(), err.getvalue()


def put(files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir()
        elif isinstance(content, bytes) and content.startswith(b"-> "):
            path.symlink_to(content[3:].decode())
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)


def everything() -> set[str]:
    """All paths here but those of the cache."""
    return {str(path) for path in Path().rglob("*") if path.parts[0] != "cache"}


def check(row: Row, status: int, out: str, err: str, program: str = "run_wols.py") -> None:
    """One message, that of the page, and nothing else."""
    assert status == row.status, err
    assert out == ""
    assert "Traceback" not in err
    assert err.count("error:") == 1, err
    first, *others = err[err.index(f"{program}: error: ") + len(f"{program}: error: ") :].splitlines()
    assert row.fits(first), first
    assert all(line.startswith("  ") for line in others), err
    if "expected" in first and "cell" in first or ("column '" in first and " is not " in first and "--" not in first):
        assert others[-1].strip() == REMEDY


@pytest.fixture(autouse=True)
def named_as_the_program(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["drivers/run_wols.py"])


def test_the_page_and_the_cases_are_the_same():
    wrongs = [row.wrong for row in rows()]
    assert len(wrongs) == len(set(wrongs))
    assert set(wrongs) == set(CASES) | ELSEWHERE
    assert REMEDY in PAGE


@pytest.mark.parametrize("row", [row for row in rows() if row.wrong in CASES], ids=lambda row: row.wrong)
def test_a_mistake_gives_the_message_of_the_page_and_leaves_nothing(row, monkeypatch):
    case = CASES[row.wrong]
    name = f"{case.program.__name__.rpartition('.')[2]}.py"
    monkeypatch.setattr(sys, "argv", [f"drivers/{name}"])
    put(case.files)
    with case.surroundings(monkeypatch):
        here = os.getcwd()
        before = everything()
        status, out, err = outcome(shlex.split(case.arguments), case.program)
        os.chdir(here)
        left = everything() - before
        partial = [str(path) for path in Path().rglob("*.partial")]
    check(row, status, out, err, name)
    assert not partial
    if case.has_begun:
        assert any(path.endswith("run.log") for path in left)
        assert not any(path.endswith("model.json") for path in left)
    else:
        assert left == set()


PROGRAMS = [
    "there is no such file", "a gzip file cut in half", "text in a column of numbers", "more bad rows than are allowed",
    "the target among the features", "learning rate 0", "a cache folder that is a file",
]  # fmt: skip


def program(arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(Driver("run_wols").command(*shlex.split(arguments)), capture_output=True, text=True, **options)


@pytest.mark.parametrize("row", [row for row in rows() if row.wrong in PROGRAMS], ids=lambda row: row.wrong)
def test_the_same_as_a_program(row):
    case = CASES[row.wrong]
    put(case.files)
    done = program(case.arguments, stdin=subprocess.DEVNULL)
    check(row, done.returncode, done.stdout, done.stderr)
    assert not Path("runs").exists()


def row_of(wrong: str) -> Row:
    return next(row for row in rows() if row.wrong == wrong)


def test_standard_input_of_a_program():
    for wrong, stdin in [("an empty pipe", subprocess.DEVNULL), ("`-` and nothing is piped", pty.openpty()[1])]:
        done = program("- --target y", stdin=stdin)
        check(row_of(wrong), done.returncode, done.stdout, done.stderr)


def test_a_disk_that_is_full():
    unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]
    script = 'mount -t tmpfs -o size=%s tmpfs full && "$@"; status=$?; find full -name "*.partial"; exit $status'
    os.mkdir("full")
    possible = [*unshare, "sh", "-c", script % "1m", "sh", "true"]
    if not shutil.which("unshare") or subprocess.run(possible, capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    put({"t.csv": MANY})
    for size in ("40k", "708k"):  # in the middle of the blocks, and of what stands behind them
        command = Driver("run_wols").command(*shlex.split(USUAL), "--cache-dir", "full")
        done = subprocess.run([*unshare, "sh", "-c", script % size, "sh", *command], capture_output=True, text=True)
        check(row_of("a disk that is full while packing"), done.returncode, done.stdout, done.stderr)
        assert not Path("runs").exists()
    done = subprocess.run([*unshare, "sh", "-c", script % "8m", "sh", *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# -- tracebacks ----------------------------------------------------------------------------------------------------------


def test_a_traceback_is_for_those_who_ask(monkeypatch):
    put({"t.csv": "y,x\n1,2\n2,abc\n3,4\n"})
    assert "Traceback" in outcome(["t.csv", "--target", "y", "--debug"])[2]

    def train(options):
        raise ZeroDivisionError("by a mistake")

    monkeypatch.setattr(run_wols, "train", train)
    status, out, err = outcome(["t.csv", "--target", "y"])
    assert (status, out) == (1, "")
    assert err == "run_wols.py: error: an unforeseen ZeroDivisionError: by a mistake; --debug shows where it happened\n"
    assert "Traceback" in outcome(["t.csv", "--target", "y", "--debug"])[2]


# -- lines ---------------------------------------------------------------------------------------------------------------

RECORDS = [
    "s,y,x,w",
    "a,1,2,1",
    "",
    '"two{end}lines",3,4,1',
    "b,bad,5,1",
    '"{end}{end}x",6,oops,1',
    "c,7",
    "d,8,9,1",
    "e,4,6,1",
]
BAD = [[5, "y", "bad", "is not a number"], [6, "x", "oops", "is not a number"],
       [9, "", "", "this row has 2 cells where 4 columns are expected"]]  # fmt: skip
ENDS = {"LF": "\n", "CRLF": "\r\n", "CR": "\r"}
WRITTEN = {
    "t.csv": lambda text: text.encode(),
    "t.csv.gz": lambda text: gzip.compress(text.encode()),
    "t.csv.bz2": lambda text: bz2.compress(text.encode()),
    "t.csv.zst": lambda text: zstd(text.encode()),
    "utf-16.csv": lambda text: text.encode("utf-16"),
}


def written(name: str, end: str, records: list[str]) -> list[str]:
    """Writes the records; gives the arguments that read them."""
    text = "".join(record.replace("{end}", end) + end for record in records)
    Path(name).write_bytes(WRITTEN[name](text))
    return [name, *shlex.split("--target y --features x --weight w --no-report")] + (
        ["--encoding", "utf-16"] if name.startswith("utf") else []
    )


@pytest.fixture(params=[1 << 23, 24], ids=["a chunk", "many chunks"])
def chunk_bytes(request, monkeypatch):
    monkeypatch.setattr(chunks_module.chunks, "__defaults__", ("utf-8", request.param))


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.usefixtures("chunk_bytes")
def test_lines_are_those_of_the_unpacked_file(name, end):
    # The line of each bad record: the empty line counts, and so do the line ends inside of quotes.
    bad = [[6, *BAD[0][1:]], [7, *BAD[1][1:]], [10, *BAD[2][1:]]]
    arguments = written(name, ENDS[end], RECORDS)
    line, column, value, reason = bad[0]
    assert f"error: {name}, line {line}, column {column!r}: {value!r} {reason}\n  {REMEDY}\n" in outcome(arguments)[2]
    told = outcome([*arguments, "--max-bad-rows", "2"])[2]
    assert re.findall(r"line (\d+)", told) == [str(line) for line, *_ in bad]
    assert outcome([*arguments, "--max-bad-rows", "3", "--run-dir", "r"])[0] == 0
    with open("r/rejects.csv", newline="", encoding="utf-8") as f:
        assert list(csv.reader(f)) == [
            ["file", "line", "column", "value", "reason"],
            *[[name, str(line), *others] for line, *others in bad],
        ]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize(("cell", "told"), [("-4", "the weight -4 is negative"), ("", "the cell is missing")])
@pytest.mark.usefixtures("chunk_bytes")
def test_lines_of_cells_that_only_the_roles_make_wrong(name, end, cell, told):
    records = [*RECORDS, f'"f{{end}}",1,2,{cell}', "g,4,5,1"]
    done = outcome([*written(name, ENDS[end], records), "--max-bad-rows", "3"])
    assert f"error: {name}, line 13, column 'w': {told}" in done[2]

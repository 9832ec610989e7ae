"""Records are data: a hostile line gives the right value or one of our errors, at once, in little memory, and nothing else.

The fuzzers run in processes of their own, whose address space is bounded and whose audit hook sees every file that is
opened, every import and all code that is compiled while a line is read. What a line may mean is decided here by another
route than the product's: a block's bytes are cut by their header with `int.from_bytes`, a record's fields are held to
`typing.get_type_hints`.
"""

from __future__ import annotations

import ast
import base64
import copy
import json
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
import tracemalloc
import typing
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from jobs.blocks import Block, BlocksFile, block_line, read_line, reference_line
from jobs.design import Design, RowCounts
from jobs.environment import Environment
from jobs.errors import BadBlock, BadRecord, BadRow, ScanError
from jobs.kernels.count import CountQuery, CountStatistics
from jobs.kernels.folds import Folds
from jobs.kernels.wols import WOLSQuery, WOLSStatistics
from jobs.kernels.wols_gradient import WOLSGradientStatistics
from jobs.mr_count import MRCount
from jobs.mr_scan import PassAnswer, ScanQuery, Subtree, TaskReport
from jobs.mr_wols import MRWOLS
from jobs.records import Record
from jobs.text import TextFormat, TextReader
from jobs.tree import MergeTree
from tests.conftest import ROOT, Driver, make_table, write_csv
from tests.registry import ENTRIES, draw_rows, gather, make_blocks, run_job, write_blocks, write_query

JOBS = sorted((ROOT / "jobs").rglob("*.py"))
FEW, MANY = 200, 5000
# Seconds of the processor, and of the clock: on a busy machine a line waits for its turn.
WORKS_AT_MOST, HANGS_AFTER = 2.0, 30.0
MOST_BYTES = 100 << 20
# What Python and numpy are, the input, and this: an allocation of more fails whoever asks for it.
ADDRESS_SPACE_LEFT = 400 << 20

DESIGN = Design(["x1", "x2"], "y", "w")
QUERY = ScanQuery(WOLSQuery(np.zeros(2)), DESIGN)
TEXT = TextFormat(["y", "x1", "x2", "w"], max_bad_rows=3)

# -- what stands where something else should -----------------------------------------------------------------------------

COUNTS = [-1, 0, 1, 2, 5, 7, 63, 64, 10**9, 2**31, 10**18, 2**63 - 1, 2**63, 2**64, 10**30, 10**400, -(10**18)]
WORDS = [
    "", "x", "x1", "y", "NaN", "Infinity", "1", "\n", "a\nb", "\x00", "\ud800", "\u202e", "x" * 500, "O", "|O", "object",
    "<f8", "<i8", "<i4", "<f4", "<u8", "|b1", "S8", "V8", "f8,f8", "M8[s]", "os.system", "jobs.records", "__class__",
    "Leaf", "Record", "Statistics", "CountStatistics", "WOLSStatistics", "WOLSQuery", "Folds", "TaskReport", "Subtree",
    "/etc/passwd", "../../etc/passwd", "file:///etc/passwd", "$(id)", "%s%n", "{0.__class__}",
]  # fmt: skip
numbers = st.sampled_from([*COUNTS, 1.5, -0.0, 1e308, float("nan"), float("inf"), True, False, None])
scalars = numbers | st.sampled_from(WORDS)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["$record", "$array", "$dict", "$float", "shape", "fields", "x1"]), inner, max_size=3
        )
        | st.builds(lambda dtype, shape: {"$array": dtype, "shape": shape}, scalars, st.lists(numbers, max_size=4))
        | st.builds(lambda name, fields: {"$record": name, "fields": fields}, scalars, inner)
    ),
    max_leaves=5,
)


def places(tree: Any, path: tuple = ()) -> Iterator[tuple]:
    """The ways to every value in a JSON tree."""
    yield path
    for key, inner in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from places(inner, (*path, key))


def like(value: Any) -> Any:
    """Values of the type of one that is right: they come further than others."""
    if type(value) is int:
        return st.sampled_from(COUNTS)
    if type(value) is str:
        return st.sampled_from(WORDS)
    if type(value) is float:
        return st.sampled_from([0.0, -1.0, 1e308, 5e-324, float("nan"), float("inf")])
    if type(value) is list:
        return st.lists(st.sampled_from(COUNTS), min_size=len(value), max_size=len(value))
    return numbers


@st.composite
def changed(draw: Any, tree: Any) -> str:
    """A JSON text with some of its values replaced, taken away or doubled, or with a pit of brackets in it."""
    holder = [copy.deepcopy(tree)]
    for _ in range(draw(st.integers(0, 3))):
        path = (0, *draw(st.sampled_from(list(places(holder[0]))[::-1])))  # to the ends of the tree first
        around: Any = holder
        for key in path[:-1]:
            around = around[key]
        how = draw(st.sampled_from(["replace", "replace", "replace", "remove", "double"]))
        if how == "replace" or around is holder:
            around[path[-1]] = draw(like(around[path[-1]]) | values)
        elif how == "remove":
            del around[path[-1]]
        elif isinstance(around, list):
            around.append(copy.deepcopy(around[path[-1]]))
        else:
            around[f"{path[-1]} "] = copy.deepcopy(around[path[-1]])
    text = json.dumps(holder[0], separators=(",", ":"))
    if draw(st.integers(0, 9)) == 0:
        depth = draw(st.sampled_from([50, 900, 100_000]))
        opening, closing = draw(
            st.sampled_from([("[", "]"), ('{"$dict":{"a":', "}}"), ('{"$record":"Folds","fields":{"seed":', "}}")])
        )
        text = text.replace(draw(st.sampled_from(["1", "0", "null", '"y"'])), opening * depth + "1" + closing * depth, 1)
    return text


damage = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 3), st.binary(max_size=3) | st.sampled_from([b" ", b"-1", b"9" * 20, b"\t"])),
    min_size=1,
    max_size=3,
)


def damaged(line: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    """A line with bytes put in and over."""
    for where, over, data in changes:
        at = int(where * len(line))
        line = line[:at] + data + line[at + over :]
    return line


def signed(header: str, payload: bytes) -> bytes:
    """A record's line around any header, its checksum right."""
    body = f"{header.replace(' ', chr(92) + 'u0020')} {base64.b64encode(payload).decode()}"
    return f"scanlearn1 {zlib.crc32(body.encode()):08x} {body}".encode()


def block_bytes(header: str, body: bytes, size: int | None = None, magic: bytes = b"SLBLOCK1") -> bytes:
    """A block around any header, its checksum right."""
    text = header.encode()
    return struct.pack("<8sII", magic, len(text) if size is None else size, zlib.crc32(text)) + text + body


# -- what watches --------------------------------------------------------------------------------------------------------


@contextmanager
def bounded_memory() -> Iterator[None]:
    """The process gets little more address space than it has."""
    import resource

    try:
        with open("/proc/self/statm", encoding="ascii") as f:
            pages = int(f.read().split()[0])
    except OSError:  # not Linux
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGESIZE") + ADDRESS_SPACE_LEFT, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


class Watch:
    """Sees what a process does while a line is read: files, imports, code that is compiled, memory and time."""

    def __init__(self) -> None:
        self.allowed: set[str] = set()  # files
        self.seen: list[str] = []
        self.is_on = False
        self.n_read = self.n_refused = 0
        sys.addaudithook(self._hook)
        self.hangs_after = HANGS_AFTER
        for late in (signal.SIGALRM, signal.SIGPROF):
            signal.signal(late, self._late)

    def _hook(self, event: str, arguments: tuple) -> None:
        harmless = event == "builtins.id" or (event == "open" and arguments[0] in self.allowed)
        if self.is_on and not harmless:
            self.seen.append(f"{event} {arguments}"[:200])

    @contextmanager
    def _watching(self) -> Iterator[None]:
        self.is_on = True
        try:
            yield
        finally:
            self.is_on = False

    def _late(self, *_: object) -> None:
        raise AssertionError(f"a line takes more than {WORKS_AT_MOST} s of work or {self.hangs_after} s in all")

    def outcome(self, read: Callable[[], Any]) -> Any:
        """What `read` gives, None where it is refused as it should be."""
        tracemalloc.start()
        signal.setitimer(signal.ITIMER_REAL, self.hangs_after)
        signal.setitimer(signal.ITIMER_PROF, WORKS_AT_MOST)
        self.seen.clear()
        try:
            with bounded_memory(), self._watching():
                found = read()
            self.n_read += 1
        except ScanError as error:
            found = None
            self.n_refused += 1
            refused: Exception | None = error
            while refused:  # that an allocation failed is no refusal
                assert not isinstance(refused, MemoryError), refused
                refused = refused.__cause__  # type: ignore[assignment]
            assert 0 < len(str(error)) < 2000, str(error)[:2000]
            assert str(error).isprintable(), repr(error)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.setitimer(signal.ITIMER_PROF, 0)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert self.seen == [], self.seen[:5]
        assert peak < MOST_BYTES, f"{peak >> 20} MB"
        return found


# -- what is fuzzed: each gives a strategy of examples and what one is put to ----------------------------------------------

COLUMNS = {
    "y": np.array([0.5, -0.0, 3.0]),
    "x1": np.array([1, -(2**62), 5]),
    "x2": np.array([0, 1, 2], np.int32),
    "w": np.array([1.0, 2.0, 0.5]),
}
BLOCK = Block(7, 12, 3, COLUMNS)
BLOCK_BYTES = BLOCK.to_bytes()
HEADER_SIZE = int.from_bytes(BLOCK_BYTES[8:12], "little")
HEADER = json.loads(BLOCK_BYTES[16 : 16 + HEADER_SIZE])
BODY = BLOCK_BYTES[16 + HEADER_SIZE :]


def job_of(job_class: type, query: Path, *arguments: str) -> Any:
    """A job that has begun a map task."""
    job = job_class(["--no-conf", f"--query={query}", "--mapper", "--step-num=0", *arguments])
    job.mapper_init()
    return job


def block_of(data: bytes) -> tuple[dict, dict[str, tuple[str, bytes]]]:
    """A block's header, and each column's dtype and bytes, cut by the header alone."""
    size = int.from_bytes(data[8:12], "little")
    header, at = json.loads(data[16 : 16 + size]), 16 + size
    found = {}
    for name, dtype, _ in header["columns"]:
        end = at + header["rows"] * int(dtype[-1])
        found[name] = (dtype, data[at:end])
        at = end
    assert at == len(data)
    return header, found


def check_block(block: Block, data: bytes) -> None:
    header, columns = block_of(data)
    assert (block.part, block.number, block.n_rows) == (header["part"], header["number"], header["rows"])
    for name, values in block.columns.items():
        assert (values.dtype.str, values.tobytes()) == columns[name]
        assert values.shape == (block.n_rows,)


def fuzz_blocks(watch: Watch, folder: Path) -> tuple[Any, Callable]:
    """Block lines, as they are damaged and as an enemy would write them, down to the statistic."""
    jobs = [job_of(MRWOLS, write_query(folder / "q", QUERY.question, DESIGN))]
    jobs.append(job_of(MRCount, write_query(folder / "q2", CountQuery(), Design([]))))
    whole = block_line(7, 12, 3, BLOCK_BYTES)
    counts = st.sampled_from([7, 12, 3, 0, 10**17, 10**18 - 1])
    sizes = st.none() | st.sampled_from([0, 1, 2**16, 2**31, 2**32 - 1])

    def invented(header: str, body: bytes, size: int | None, part: int, number: int, n_rows: int) -> bytes:
        return block_line(part, number, n_rows, block_bytes(header, body, size))

    bodies = st.sampled_from([BODY, b"", bytes(8)]) | st.binary(max_size=40)
    lines = (
        damage.map(lambda changes: damaged(whole, changes))
        | st.builds(invented, changed(HEADER), bodies, st.none(), st.just(7), st.just(12), st.just(3))
        | st.builds(invented, changed(HEADER), bodies, sizes, counts, counts, counts)
        | st.builds(
            lambda n, dtype: block_line(7, 12, n, block_bytes(json.dumps({**HEADER, "rows": n, "columns": dtype}), b"")),
            counts,
            st.sampled_from([[], [["x1", "<f8", 0]], [["x1", "<f8", 0]] * 2]),
        )
    )

    def check(line: bytes) -> None:
        for names in (DESIGN.columns(), [], ["x1"]):
            block = watch.outcome(lambda names=names: read_line(line, names, None))
            if block is not None:
                assert list(block.columns) == names
                check_block(block, base64.b64decode(line.split(b" ")[4]))
        for job in jobs:
            job.tree = MergeTree()
            watch.outcome(lambda job=job: list(job.mapper(None, line) or ()))

    return lines, check


def fuzz_references(watch: Watch, folder: Path) -> tuple[Any, Callable]:
    """References into a file of two blocks with other bytes about them: the blocks are all that can be reached."""
    other = Block(7, 13, 3, COLUMNS).to_bytes()
    (folder / "blocks.bin").write_bytes(b"?" * 24 + BLOCK_BYTES + b"SLBLOCK1" + other)
    file = BlocksFile(str(folder / "blocks.bin"))
    size = len(BLOCK_BYTES)
    right = {reference_line(7, 12, 3, 24, size): BLOCK_BYTES, reference_line(7, 13, 3, 32 + size, size): other}
    near = st.sampled_from([0, 1, 16, 24, 25, size - 1, size, size + 1, 32 + size, file.size, file.size + 1])
    counts = near | st.sampled_from(COUNTS)
    lines = (
        st.sampled_from(sorted(right)).flatmap(lambda line: damage.map(lambda changes: damaged(line, changes)))
        | st.sampled_from(sorted(right))
        | st.builds(reference_line, st.just(7), st.sampled_from([12, 13]), st.just(3), near, near)
        | st.builds(reference_line, counts, counts, counts, counts, counts)
    )
    job = job_of(MRWOLS, write_query(folder / "q", QUERY.question, DESIGN), f"--blocks={file.path}")

    def check(line: bytes) -> None:
        block = watch.outcome(lambda: read_line(line, DESIGN.columns(), file))
        if block is not None:
            part, number, n_rows, offset, n_bytes = map(int, line.split(b" ")[1:])
            check_block(block, right[reference_line(part, number, n_rows, offset, n_bytes)])
        job.tree = MergeTree()
        watch.outcome(lambda: list(job.mapper(None, line) or ()))

    return lines, check


def sample_records() -> list[Record]:
    """A record of every kind that travels."""
    rng = np.random.default_rng(0)
    found: list[Record] = [QUERY]
    for entry in ENTRIES:
        question = entry.draw_query(rng, 2)
        statistics = gather(entry.statistics, question, draw_rows(rng, 9, 2))
        design = Design(
            ["x1", "t"], "y", "w", "i", "drop", {"t": ["a", "b"]}, {"t": np.array([0, 1])}, "i", "c", Folds(3, 0.5, 1)
        )
        found += [question, statistics, ScanQuery(question, design, TEXT), Subtree(3, 2, 5, statistics)]
        report = TaskReport(RowCounts(9, 9), 1, 0.5, Environment("3", "2", "b", "c"), statistics)
        found += [report, PassAnswer(statistics, report.counts, 1, 1, 0.5, [[report.environment, 1]])]
    return found


def pieces_of(record: Record) -> tuple[dict, bytes]:
    """The header of a record's line, and its payload."""
    _, _, header, payload = record.to_line().split(" ")
    return json.loads(header), base64.b64decode(payload)


def check_record(record: Any) -> None:
    """Every field is of its declared type, all the way down."""
    hints = typing.get_type_hints(type(record))
    for name, value in vars(record).items():
        assert is_a(value, hints[name]), (type(record).__name__, name, value)
    # And it travels on.
    assert type(record).from_line(record.to_line()).md5() == record.md5()


def is_a(value: Any, hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin is typing.Union:
        return any(is_a(value, one) for one in arguments)
    if origin is list:
        return isinstance(value, list) and all(is_a(item, arguments[0]) for item in value)
    if isinstance(value, Record):
        check_record(value)
    return isinstance(value, hint) and (hint is not int or type(value) is int)


def fuzz_records(watch: Watch, folder: Path) -> tuple[Any, Callable]:
    """Lines of all records: damaged, and with a right checksum around a header in which anything may stand."""
    records = sample_records()
    every = st.sampled_from(range(len(records)))
    payloads = [pieces_of(record) for record in records]

    def resigned(i: int) -> Any:
        header, payload = payloads[i]
        return changed(header).flatmap(
            lambda text: st.sampled_from([payload, payload, b"", payload[:-8], payload + bytes(8)]).map(
                lambda data: (signed(text, data), i, False)
            )
        )

    def spoiled(i: int) -> Any:
        return damage.map(lambda changes: (damaged(records[i].to_line().encode(), changes), i, True))

    def check(example: tuple[bytes, int, bool]) -> None:
        line, i, is_spoiled = example
        record = watch.outcome(lambda: Record.from_line(line))
        if record is None:
            return
        if is_spoiled:
            assert record.md5() == records[i].md5()
        check_record(record)

    return every.flatmap(resigned) | every.flatmap(spoiled), check


def fuzz_queries(watch: Watch, folder: Path) -> tuple[Any, Callable]:
    """Query files, down to the statistic of a good block."""
    rng = np.random.default_rng(0)
    path = write_query(folder / "hostile.query", QUERY.question, DESIGN)
    watch.allowed.add(str(path))
    designs = [DESIGN, Design(["x1", "x2"], "y", "w", categories={"x2": ["a", "b", "c"]}, levels={"x2": np.arange(3)})]
    asked = [
        (job_of(entry.job, write_query(path, question, DESIGN)), *pieces_of(ScanQuery(question, design, text)))
        for entry in ENTRIES
        for question in [entry.draw_query(rng, 2)]
        for design, text in zip(designs, (None, TEXT))
    ]
    line = block_line(7, 12, 3, BLOCK_BYTES)

    def check(example: tuple[int, str]) -> None:
        i, header = example
        job, _, payload = asked[i]
        hostile = signed(header, payload)
        path.write_bytes(hostile + b"\n")
        query = watch.outcome(lambda: ScanQuery.from_line(hostile))
        if query is not None:
            check_record(query)

        def work() -> list:
            job.mapper_init()
            return list(job.mapper(None, line) or ())

        watch.outcome(work)

    return st.integers(0, len(asked) - 1).flatmap(lambda i: st.tuples(st.just(i), changed(asked[i][1]))), check


def fuzz_reducer(watch: Watch, folder: Path) -> tuple[Any, Callable]:
    """What a reducer is fed: the lines of two tasks, of which some are another job's, another place's or an enemy's."""
    rng = np.random.default_rng(0)
    fed = []
    for entry in ENTRIES:
        question = entry.draw_query(rng, 2)
        path = write_query(folder / entry.statistics.__name__, question, DESIGN)
        watch.allowed.add(str(path))
        blocks = make_blocks({name: rng.integers(1, 5, 30).astype(float) for name in DESIGN.columns()}, 5)
        job = job_of(entry.job, path)
        lines = []
        for task in (blocks[:4], blocks[4:]):
            job.mapper_init()
            for block in task:
                assert not list(job.mapper(None, block_line(block.part, block.number, 5, block.to_bytes())) or ())
            lines += [value for _, value in job.mapper_final()]
        fed.append((job, lines))
    every = [line for _, lines in fed for line in lines]

    @st.composite
    def examples(draw: Any) -> tuple[int, list[bytes]]:
        i = draw(st.integers(0, len(fed) - 1))
        values = list(fed[i][1])
        for at in draw(st.lists(st.integers(0, len(values) - 1), max_size=2, unique=True)):
            label, _, record = values[at].partition(b"|")
            how = draw(st.sampled_from(["change", "change", "change", "damage", "double", "drop", "foreign", "label"]))
            if how == "change":
                header, payload = pieces_of(Record.from_line(record))
                values[at] = label + b"|" + signed(draw(changed(header)), payload)
            elif how == "damage":
                values[at] = damaged(values[at], draw(damage))
            elif how == "double":
                values.append(values[at])
            elif how == "foreign":
                values[at] = draw(st.sampled_from(every))
            elif how == "label":
                values[at] = draw(st.sampled_from([b"", b"|", b"task|", b"node|", b"task", record]))
            else:
                values[at] = None
        return i, [value for value in values if value is not None]

    def check(example: tuple[int, list[bytes]]) -> None:
        i, values = example
        job, good = fed[i]
        found = watch.outcome(lambda: list(job.reducer(b"scan", values)))
        if found is None:
            assert values != good
            return
        ((_, line),) = found
        answer = PassAnswer.from_line(line)
        assert type(answer.statistics) is job.statistics_class
        check_record(answer)

    return examples(), check


def fuzz_text(watch: Watch, folder: Path) -> tuple[Any, Callable]:
    """Lines of text where rows of numbers are expected."""
    cells = st.sampled_from(
        [b"1", b"-2.5", b"1e999", b"nan", b"NA", b"", b"9" * 5000, b"1_0", b"0x1p3", b'"', b'"1', b"\x00"]
    )
    rows = st.lists(cells | st.binary(max_size=4), min_size=3, max_size=5).map(b",".join)

    def check(lines: list[bytes]) -> None:
        reader = TextReader(TEXT, "split")

        def read() -> list[Block]:
            return [block for line in lines for block in reader.read(line)] + list(reader.flush())

        for block in watch.outcome(read) or ():
            assert block.n_rows + reader.n_rejected <= len(lines)
            assert {values.dtype.str for values in block.columns.values()} == {"<f8"}
            assert not any(np.isinf(values).any() for values in block.columns.values())

    return st.lists(rows | st.binary(max_size=30) | st.just(b"1,2,3,4"), max_size=5), check


FUZZERS = {
    "blocks": fuzz_blocks,
    "references": fuzz_references,
    "records": fuzz_records,
    "queries": fuzz_queries,
    "reducer": fuzz_reducer,
    "text": fuzz_text,
}


def fuzz(kind: str, n_examples: int) -> None:
    """Runs a fuzzer in this process, which has nothing else to do."""
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder, np.errstate(all="ignore"):
        examples, check = FUZZERS[kind](watch, Path(folder))
        run = settings(
            max_examples=n_examples, deadline=None, derandomize=True, database=None, phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
        )  # fmt: skip
        run(given(examples)(check))()
    print(watch.n_read, watch.n_refused)


def in_a_process_of_its_own(call: str) -> tuple[int, int]:
    """The two numbers that a call of a function of this module prints."""
    code = f"from tests.test_hostile_records import *; {call}"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=900
    )
    assert done.returncode == 0, done.stderr[-5000:]
    first, second = map(int, done.stdout.split())
    return first, second


@pytest.mark.parametrize("kind", FUZZERS)
@pytest.mark.parametrize("n_examples", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_hostile_lines_are_read_right_or_refused_and_do_nothing_else(kind, n_examples):
    n_read, n_refused = in_a_process_of_its_own(f"fuzz({kind!r}, {n_examples})")
    # A fuzzer that has come to nothing, or whose every line falls at the first fence, would be content with anything.
    assert n_read >= FEW / 25, (n_read, n_refused)
    assert n_refused >= n_examples / 10, (n_read, n_refused)


def see_misdeeds() -> None:
    """Says how many of the things that a reader must not do are seen."""

    def refuse(text: str) -> None:
        raise ScanError(text)

    def no_memory() -> None:
        try:
            bytearray(1 << 40)
        except MemoryError as error:
            raise ScanError("no memory") from error

    def work() -> None:
        while True:
            pass

    watch = Watch()
    watch.hangs_after = 3.0
    misdeeds: list[Callable[[], Any]] = [
        lambda: open(os.devnull, "rb").close(),
        lambda: eval("1"),
        lambda: __import__("wave"),
        lambda: time.sleep(6),
        work,
        lambda: bytearray(MOST_BYTES),
        no_memory,
        lambda: 1 / 0,
        lambda: refuse(""),
        lambda: refuse("two\nlines"),
    ]
    n_seen = 0
    for misdeed in misdeeds:
        try:
            watch.outcome(misdeed)
        except (AssertionError, ZeroDivisionError):
            n_seen += 1
    assert watch.outcome(lambda: 5) == 5
    assert watch.outcome(lambda: refuse("a sentence")) is None
    print(n_seen, len(misdeeds))


def test_the_watch_sees_what_it_is_there_for():
    """Or the fuzzers would pass for a reader that does what it likes."""
    seen, there = in_a_process_of_its_own("see_misdeeds()")
    assert seen == there == 10


# -- what may not even be there --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_nothing_that_travels_can_make_code_of_data(path):
    tree = ast.parse(path.read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    unsafe = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "yaml", "importlib", "runpy", "code", "subprocess"}
    allowed = {"importlib.util"} if path.stem == "mrjob_compat" else set()  # find_spec of two names that stand there
    assert not {name for name in imported - allowed if name.split(".")[0] in unsafe}
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not called & {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "np.load", "np.fromfile"}
    assert "allow_pickle" not in path.read_text()


# -- what the fuzzers found ------------------------------------------------------------------------------------------------


def block_with(columns: Any, n_rows: int = 1, body: bytes = bytes(8), **line_counts: int) -> bytes:
    counts = {"part": 0, "number": 0, "n_rows": n_rows, **line_counts}
    header = json.dumps({"part": 0, "number": 0, "rows": n_rows, "columns": columns})
    return block_line(*counts.values(), block_bytes(header, body))


def test_a_block_without_columns_has_no_more_rows_than_bytes():
    """The design step would make an array of as many."""
    with pytest.raises(BadBlock, match="claims more rows than its [0-9]+ bytes"):
        read_line(block_with([], 10**17, b""), [], None)


@pytest.mark.parametrize("name", [1, None, True, 1.5, ["x"]])
def test_a_column_is_named_by_a_text(name):
    """The message that lists the names of the columns would fail."""
    with pytest.raises(BadBlock, match="name is no text|makes no sense"):
        read_line(block_with([[name, "<f8", 0]]), ["y"], None)


def test_a_column_named_twice_is_refused():
    with pytest.raises(BadBlock, match="the column 'x' twice"):
        read_line(block_with([["x", "<f8", zlib.crc32(bytes(8))]] * 2, 1, bytes(16)), ["x"], None)


def test_the_columns_of_a_message_are_few_and_on_one_line():
    names = ["a\nScanError: all is well", "\u202e", "long" * 100, *map(str, range(1000))]
    crc = zlib.crc32(bytes(8))
    with pytest.raises(BadBlock) as caught:
        read_line(block_with([[name, "<f8", crc] for name in names], 1, bytes(8 * len(names))), ["y" * 5000], None)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


def tasks(job_class: type = MRWOLS, n_blocks: int = 6, folder: Path | None = None) -> tuple[Any, list[bytes]]:
    """A job, and what its two map tasks send to the reducer."""
    question = QUERY.question if job_class is MRWOLS else CountQuery()
    assert folder is not None
    job = job_of(job_class, write_query(folder / f"{job_class.__name__}.query", question, DESIGN))
    columns = {name: np.arange(2.0 * n_blocks) ** j + 1 for j, name in enumerate(DESIGN.columns())}
    values = []
    for start in range(0, n_blocks, 3):
        job.mapper_init()
        for block in make_blocks(columns, 2)[start : start + 3]:
            assert list(job.mapper(None, block_line(0, block.number, 2, block.to_bytes())) or ()) == []
        values += [value for _, value in job.mapper_final()]
    return job, values


@pytest.mark.parametrize(
    "part, level, index",
    [
        (0, 10**9, 1), (0, 10**18, 1), (0, 64, 0), (0, -1, 0), (0, 0, -1), (-1, 0, 0), (0, 0, 2**64), (0, 3, 2**61),
        (2**64, 0, 0),
    ],
)  # fmt: skip
def test_a_subtree_stands_where_a_block_can_stand(part, level, index, tmp_path):
    """index << level would be a number of a billion digits."""
    job, values = tasks(folder=tmp_path)
    node = next(value for value in values if value.startswith(b"node"))
    header, payload = pieces_of(Record.from_line(node.partition(b"|")[2]))
    header["fields"].update(part=part, level=level, index=index)
    hostile = b"node|" + signed(json.dumps(header, separators=(",", ":")), payload)
    with pytest.raises(BadRecord, match="at a place where no block can be"):
        list(job.reducer(b"scan", [*values, hostile]))


def subtree(statistics: Record, level: int = 1, index: int = 1) -> bytes:
    return b"node|" + Subtree(0, level, index, statistics).to_line().encode()  # type: ignore[arg-type]


def test_the_statistics_of_another_job_are_refused(tmp_path):
    job, values = tasks(folder=tmp_path)
    with pytest.raises(BadRecord, match="a CountStatistics, and none of MRWOLS"):
        list(job.reducer(b"scan", [*values, subtree(CountStatistics(5))]))
    counting, counted = tasks(MRCount, folder=tmp_path)
    with pytest.raises(BadRecord, match="a CountStatistics, and none of MRCount"):  # which sends no subtrees
        list(counting.reducer(b"scan", [*counted, subtree(CountStatistics(5))]))
    with pytest.raises(BadRecord, match="a WOLSStatistics, and none of MRCount"):
        report = TaskReport(RowCounts(), 0, 0.0, Environment("", "", "", ""), WOLSStatistics.zero(QUERY.question))
        list(counting.reducer(b"scan", [*counted, b"task|" + report.to_line().encode()]))


@pytest.mark.parametrize("shape", [(3, 3), (9, 9), (2, 9), (1, 1)])
def test_statistics_of_other_shapes_are_refused(shape, tmp_path):
    job, values = tasks(folder=tmp_path)
    other = WOLSStatistics.zero(QUERY.question)
    other.r = np.ones(shape)
    with pytest.raises(BadRecord, match="the results of the tasks are not those of one pass"):
        list(job.reducer(b"scan", [subtree(other, 1, 0), *values[1:]]))


def test_two_subtrees_at_one_place_are_refused(tmp_path):
    job, values = tasks(folder=tmp_path)
    with pytest.raises(BadBlock, match="came twice"):
        list(job.reducer(b"scan", [*values, values[0]]))


@pytest.mark.parametrize("value", [b"", b"task", b"task|", b"node", b"no label at all", b"||", b"\xff\x00"])
def test_a_line_to_the_reducer_that_is_none_is_refused(value, tmp_path):
    job, values = tasks(folder=tmp_path)
    with pytest.raises(BadRecord, match="is not a scanlearn1 record"):
        list(job.reducer(b"scan", [*values, value]))


@pytest.mark.parametrize(
    "change",
    [
        {"n_blocks": -1}, {"n_blocks": 2**63}, {"n_blocks": 10**4000}, {"counts": RowCounts(-1, 0)}, {"seconds": -1.0},
        {"counts": RowCounts(10**4299, 10**4299)}, {"seconds": float("nan")}, {"seconds": float("inf")},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_a_report_of_absurd_counts_is_refused(change):
    """Two counts of 4,300 digits have a sum that Python does not write."""
    right = {"counts": RowCounts(), "n_blocks": 0, "seconds": 0.0, "environment": Environment("", "", "", "")}
    TaskReport(**right)
    with pytest.raises(BadRecord, match="report of a task"):
        TaskReport(**{**right, **change})


@pytest.mark.parametrize("environments", [[1], [[]], [["x", 1]], [[Environment("", "", "", ""), 1.5]], ["ab"]])
def test_an_answer_says_where_its_tasks_ran(environments):
    with pytest.raises((BadRecord, TypeError)):
        PassAnswer(CountStatistics(0), RowCounts(), 0, 0, 0.0, environments)


def with_field(record: Record, name: str, value: Any) -> bytes:
    header, payload = pieces_of(record)
    header["fields"][name] = value
    return signed(json.dumps(header, separators=(",", ":")), payload)


@pytest.mark.parametrize(
    "record, name, value",
    [
        (DESIGN, "features", -1), (DESIGN, "features", "x1"), (DESIGN, "features", ["x1", 2]), (DESIGN, "target", 5),
        (DESIGN, "features", None), (DESIGN, "categories", ["x1"]), (DESIGN, "held_out", {"$dict": {}}),
        (TEXT, "columns", "y"), (TEXT, "missing_tokens", [None]), (QUERY, "question", 5), (QUERY, "question", None),
        (QUERY, "text", {"$record": "Folds", "fields": {"n_folds": 1, "holdout": 0.0, "seed": 0}}),
    ],
)  # fmt: skip
def test_a_list_a_text_or_a_record_is_what_its_field_declares(record, name, value):
    with pytest.raises(BadRecord, match=rf"\.{name} must be"):
        Record.from_line(with_field(record, name, value))


def test_an_array_of_floats_is_none_of_counts():
    """NaN would become some whole number."""
    statistics = ENTRIES[1].statistics.zero(ENTRIES[1].draw_query(np.random.default_rng(0), 2))
    header, payload = pieces_of(statistics)
    header["fields"]["n_rows"]["$array"] = "<f8"
    with pytest.raises(BadRecord, match="n_rows must be of type array of int64"):
        Record.from_line(signed(json.dumps(header, separators=(",", ":")), payload))
    with pytest.raises(BadRecord, match="n_rows must be"):
        Record.from_line(with_field(statistics, "n_rows", [1, 2]))


@pytest.mark.parametrize("shape", [[10**9, 0], [0, 10**18], [2**20 + 1, 0, 0]])
def test_an_array_without_elements_is_not_endless(shape):
    """A merge that goes from fold to fold would go on for ever."""
    header, _ = pieces_of(WOLSQuery(np.zeros(2)))
    header["fields"]["center"]["shape"] = shape
    with pytest.raises(BadRecord, match="of a size that none has"):
        Record.from_line(signed(json.dumps(header, separators=(",", ":")), b""))


@pytest.mark.parametrize("delimiter", ["", "ab", '"', "\n", "\r"])
def test_a_delimiter_is_one_character(delimiter):
    with pytest.raises(BadRecord, match="delimiter of a text is one character"):
        TextFormat(["y"], delimiter)


def test_a_readable_form_of_deep_lists_is_refused():
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(BadRecord, match="cannot be read"):
        WOLSQuery.from_json({"center": deep, "target_center": 0.0})
    with pytest.raises(BadRecord, match=r"TextFormat.columns must be of type list\[str\]"):
        TextFormat.from_json({"columns": 5, "delimiter": ",", "header": "", "missing_tokens": [], "max_bad_rows": 0})


@pytest.mark.parametrize("text", [b"a\x00b", b"\xff" * 50, b'"' * 10_000, b"," * 100_000, b"9" * 200_000, b"\r\r,\r"])
def test_hostile_text_is_a_bad_row(text):
    reader = TextReader(TextFormat(["y", "x1", "x2", "w"]), "split")
    with pytest.raises(BadRow):
        list(reader.read(text))
        list(reader.flush())


# -- through whole jobs --------------------------------------------------------------------------------------------------


def hostile_lines(n_bytes: int, first: int) -> dict[str, tuple[str, bytes]]:
    """Lines for the middle of a file of references, by name, each with its message.

    :param n_bytes: the size of the file of blocks
    :param first: that of its first block
    """
    deep = block_line(0, 3, 60, block_bytes('{"columns":' + "[" * 100_000, b""))
    return {
        "a reference outside the file": ("a reference to bytes", reference_line(0, 3, 60, n_bytes, 100)),
        "a reference far outside": ("a reference to bytes", reference_line(0, 3, 60, 10**17, 10**17)),
        "a negative offset": ("'-8' is not a count", b"scanlearn-reference 0 3 60 -8 100"),
        "a huge offset": ("is not a count", b"scanlearn-reference 0 3 60 " + b"9" * 40 + b" 1"),
        "the wrong block": ("names another block", reference_line(0, 3, 60, 0, first)),
        "deep nesting": ("header makes no sense", deep),
        "a huge block": ("more rows than", block_with([], 10**17, b"", number=3)),
        "no block": ("is no packed block", b"__import__('os').system('id')"),
    }


@pytest.mark.parametrize("name", hostile_lines(0, 0))
def test_a_hostile_line_in_the_middle_of_a_file_ends_the_pass(name, tmp_path):
    columns = {column: np.arange(500.0) ** j for j, column in enumerate(DESIGN.columns())}
    index = write_blocks(tmp_path / "index.txt", make_blocks(columns, 60), "reference")
    lines = index.read_bytes().splitlines()
    message, lines[3] = hostile_lines(os.path.getsize(f"{index}.bin"), int(lines[0].split()[-1]))[name]
    index.write_bytes(b"\n".join(lines) + b"\n")
    query = write_query(tmp_path / "q", QUERY.question, DESIGN)
    with pytest.raises(ScanError, match=re.escape(message)) as caught:
        run_job(MRWOLS, query, f"--blocks={index}.bin", index)
    assert type(caught.value) in (BadBlock, BadRecord)


@pytest.fixture
def packed_table(tmp_path, run_wols):
    """A table that has been fitted once, so that its pack lies in the cache."""
    table = write_csv(tmp_path / "t.csv", *make_table(20_000))
    assert run_wols(table, "--target", "y", "--no-report", "--quiet").returncode == 0
    (index,) = (tmp_path / "cache" / "scanlearn" / "packs").glob("*/index*")
    return table, index


@pytest.mark.parametrize("runner", ["inline", "local"])
@pytest.mark.parametrize("name", ["a reference far outside", "a negative offset", "deep nesting", "a huge block"])
def test_a_driver_tells_of_a_hostile_line_in_one_message(name, runner, packed_table, run_wols: Driver):
    table, index = packed_table
    lines = index.read_bytes().splitlines()
    message, lines[len(lines) // 2] = hostile_lines(0, 0)[name]
    index.write_bytes(b"\n".join(lines) + b"\n")
    done = run_wols(table, "--target", "y", "--no-report", "--quiet", "-r", runner)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("run_wols.py: error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("code", [3, 10**6, -2, -3, -(10**6)])
@pytest.mark.parametrize("role", [{"features": ["t"]}, {"features": [], "target": "t"}, {"features": [], "id": "t"}])
def test_a_code_without_a_text_is_refused(code, role):
    """One below zero would be counted from the end: another text."""
    levels = {"t": np.arange(3)}
    design = Design(**role, categories={} if "id" in role else {"t": ["a", "b", "c"]}, levels=levels)
    right = design.apply(Block(0, 0, 3, {"t": np.array([0, 1, 2], np.int32)}))
    assert right.counts.used == 3
    with pytest.raises(BadBlock, match="column 't' holds a code for which there is no text"):
        design.apply(Block(0, 0, 3, {"t": np.array([0, code, 2], np.int32)}))


def test_sums_of_other_shapes_are_not_repeated_to_fit():
    """numpy would add a row to every row."""
    a = WOLSGradientStatistics(1, 1.0, np.ones(1), np.ones(1), np.ones(1), np.ones((2, 1)))
    b = WOLSGradientStatistics(1, 1.0, np.ones(3), np.ones(3), np.ones(3), np.ones((2, 3)))
    with pytest.raises(BadRecord, match="of shapes"):
        a.merge(b)


@pytest.mark.parametrize("n_folds, holdout", [(0, 0.0), (-1, 0.0), (10**9, 0.0), (3, 1.0), (3, -0.1), (3, float("nan"))])
def test_folds_are_a_countable_number(n_folds, holdout):
    with pytest.raises(BadRecord):
        Folds(n_folds, holdout)

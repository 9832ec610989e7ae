"""Tables with damaged bytes: each gives the rows that Python's csv and float find in it, or one message that is true.

The oracle never sees the packer's code: it cuts the bytes with `csv`, one character a byte, counts physical lines with
`io`, and reads cells with `float`, `int` and `numpy.datetime64`. From the packer it takes only what a table leaves open:
the delimiter, whether there is a header, and what each column is read as.
"""

from __future__ import annotations

import csv
import faulthandler
import gzip
import io
import multiprocessing
import os
import random
import re
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from drivers.packing import chunks as chunks_module
from drivers.packing import pack as pack_module
from drivers.packing.cache import Pack, pack
from drivers.packing.contents import PackContents
from drivers.packing.formats import open_table
from drivers.packing.formats.options import InputOptions
from drivers.packing.kinds import TEXT_TYPE
from drivers.packing.locate import place_of_row
from drivers.packing.sources import find_sources
from drivers.run_wols import main
from jobs.blocks import BlocksFile, read_line
from jobs.design import MISSING_CODE, MISSING_INTEGER
from jobs.errors import ScanError

HANGS_AFTER = 10  # seconds
TRIES, MANY_TRIES = 300, 10_000
TRIES_A_SEED = 250
EVERY = 1 << 30  # bad rows
DELIMITERS = (",", ";", "\t", "|")
INSERTED = [
    b'"', b"\r", b"\n", b"\r\n", b",", b";", b"\t", b"|", b"\x00", b"\xff", b"\xc3\xa9", b"\xef\xbb\xbf", b"nan", b"inf",
    b"1e999", b"NA", b"true", b"2020-01-01", b"99999999999999999", b"99999999999999999999", b"+7", b" ", b'""',
    b'"a\nb"', b'"\r\n"', b"y,x,w,s\n", b'"y",x,w,s\n',
]  # fmt: skip
LAST_COLUMNS = [
    [b"red", b'"gr een"', b'"a""b"', b"NA", b"", b'"q\nr"', b"caf\xc3\xa9"],
    [b"2024-01-31", b"1969-12-31", b'"2024-02-29"', b""],
    [b"2024-01-31 10:30:00", b"2024-01-31 10:30", b""],
    [b"2024-01-31 10:30:00.25", b"2024-01-31 10:30:00", b"2024-01-31T23:59:59.999999"],
    [b"99999999999999999", b"-3", b'"99999999999999998"'],
    [b"true", b"FALSE", b'"True"', b""],
    [b"1e3", b" 7", b"-.5", b"+2", b"nan", b"  "],
]


# -- a try ---------------------------------------------------------------------------------------------------------------


@dataclass
class Try:
    """Files and how they are read; a byte is a character, unless the encoding is UTF-8."""

    files: list[bytes]
    options: InputOptions
    compressed: bool
    chunk_bytes: int
    block_bytes: int

    @property
    def encoding(self) -> str:
        return "utf-8" if self.options.encoding == "utf-8" else "latin-1"

    def write(self, folder: Path, name: str) -> list[Path]:
        """The files as they lie on disk."""
        paths = []
        for i, data in enumerate(self.files):
            if self.options.encoding == "utf-16":
                data = data.decode("latin-1").encode("utf-16")
            paths.append(folder / f"{name}-{i}.csv{'.gz' if self.compressed else ''}")
            paths[-1].write_bytes(gzip.compress(data, 1) if self.compressed else data)
        return paths


def make_try(g: random.Random) -> Try:
    """A table with up to six faults."""
    end = g.choice([b"\n", b"\r\n", b"\r"])
    delimiter = g.choice([b",", b",", b";", b"\t", b"|"])
    first = end.join([delimiter.join([b"y", b"x", b"w", b's"' if g.random() < 0.03 else b"s"]), b""])
    if g.random() < 0.1:
        first = first.replace(b"x", b'"x"')
    columns, header = None, "auto"
    if g.random() < 0.2:
        columns, header = ("y", "x", "w", "s"), "no"
        first = b""
    last = g.choice(LAST_COLUMNS)
    n_rows = g.choice([1, 3, 8, 40])
    rows = [delimiter.join([b"%d" % k, b"%d.5" % (k % 7), b'"%d"' % (k % 3), g.choice(last)]) + end for k in range(n_rows)]
    encoding = g.choice(["utf-8"] * 6 + ["latin-1", "utf-16"])
    files = []
    cut = g.randrange(len(rows) + 1) if g.random() < 0.1 else len(rows)
    for piece in (rows[:cut], rows[cut:]):
        text = b"".join([first, *piece])
        if encoding != "utf-8":
            text = text.replace(b"\xc3\xa9", b"\xe9")
        if piece:
            # The first records of several files must agree, or the table is none.
            files.append(damaged(g, text, len(first) if cut < len(rows) else 0))
    options = InputOptions(
        columns=columns,
        header=header,
        delimiter=delimiter.decode() if g.random() < 0.3 else None,
        encoding=encoding,
        missing_tokens=g.choice([InputOptions.missing_tokens] * 3 + [("NA", "red"), ("", "0"), ("-",)]),
        text=g.choice([(), (), (), ("x",), ("s", "y")]) if first or columns else (),
    )
    return Try(files, options, g.random() < 0.15, g.choice([1 << 23, 1 << 23, 16, 64, 300]), g.choice([1 << 20, 256]))


def damaged(g: random.Random, text: bytes, start: int) -> bytes:
    """The text with bytes flipped, cut, inserted and doubled behind `start`."""
    data = bytearray(text)
    for _ in range(g.randint(0, 6)):
        at = g.randrange(start, len(data) + 1) if start < len(data) else len(data)
        change = g.randrange(6)
        if change == 0:
            data[at : at + 1] = bytes([g.randrange(256)])
        elif change == 1:
            del data[at : at + g.randint(1, 40)]
        elif change == 2:
            data[at:at] = g.choice(INSERTED)
        elif change == 3:
            data[at:at] = data[: g.randint(1, 60)]
        elif change == 4:
            data[at : at + 1] = b'"'
        elif g.random() < 0.3:
            del data[at:]
    return bytes(data)


# -- the oracle ----------------------------------------------------------------------------------------------------------


@dataclass
class Record:
    """A record that is not empty: its file, the physical line on which it begins, its text and its cells."""

    file: int
    line: int
    text: str
    cells: list[str]
    is_open: bool = False  # a quote in it is not closed


def records_of(files: list[bytes], delimiter: str, encoding: str) -> list[Record]:
    """The records of the files, one character a byte."""
    found = []
    for i, data in enumerate(files):
        if encoding == "utf-8":
            data = data.removeprefix(b"\xef\xbb\xbf")
        lines = io.StringIO(data.decode("latin-1"), newline="").readlines()
        reader, start = csv.reader(lines, delimiter=delimiter), 0
        for cells in reader:
            if cells:
                text = "".join(lines[start : reader.line_num]).strip("\r\n")
                found.append(Record(i, start + 1, text, cells))
            start = reader.line_num
        # A record that takes a further line in has opened a quoted cell and not ended it.
        if found and found[-1].file == i:
            longer = list(csv.reader([*lines[:-1], lines[-1].rstrip("\r\n") + "\n", "end"], delimiter=delimiter))
            found[-1].is_open = longer[-1] != ["end"]
    return found


def without_headers(records: list[Record]) -> list[Record]:
    """The records but the first of each file, and those that are the first one of all byte for byte."""
    header = records[0].text
    first = {(i, min(r.line for r in records if r.file == i)) for i in {r.file for r in records}}
    again = "\n" not in header and "\r" not in header
    return [r for r in records if (r.file, r.line) not in first and not (again and r.text == header)]


class Bad(Exception):
    """A cell that is not of its column's type."""


NUMBER = re.compile(r"[ \t]*[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|(?i:nan))[ \t]*", re.ASCII)
DATE = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d(:\d\d(:\d\d(?P<fraction>\.\d{1,9})?)?)?)?", re.ASCII)
FRACTIONS = {"s": 0, "us": 6, "ns": 9}  # digits


def read_cell(cell: str, arrow: pa.DataType, one: Try):
    """The value of a cell, None where it is missing.

    :raises Bad: when it is none of this type
    """
    try:
        text = cell.encode("latin-1").decode(one.encoding)
    except UnicodeDecodeError:
        raise Bad from None
    tokens = one.options.missing_tokens
    if text in tokens or ("" in tokens and text.strip(" ") == "" and len(text) <= 8):
        return None
    if arrow == TEXT_TYPE:
        return text
    if arrow == pa.bool_():
        if text not in ("true", "True", "TRUE", "false", "False", "FALSE", "0", "1"):
            raise Bad
        return float(text.lower() in ("true", "1"))
    if pa.types.is_timestamp(arrow):
        try:
            found = DATE.fullmatch(text)
            if not found or len(found["fraction"] or ".") > FRACTIONS[arrow.unit] + 1:
                raise Bad
            return int(np.datetime64(text, "us").astype(np.int64)) / 86_400_000_000
        except ValueError:
            raise Bad from None
    if arrow == pa.int64():
        if not re.fullmatch(r"[ \t]*-?\d+[ \t]*", text, re.ASCII) or not -(2**63) < int(text) < 2**63:
            raise Bad
        return int(text)
    value = float(text) if NUMBER.fullmatch(text) else np.inf
    if np.isinf(value):
        raise Bad
    return None if np.isnan(value) else value


@dataclass
class Judged:
    """The records as rows and as bad records: of these file, line, and the cells that are bad by their columns."""

    places: list[tuple[int, int]]
    rows: list[list]
    bad: list[tuple[int, int, dict[str, str]]]


def judge(records: list[Record], names: list[str], types: dict[str, pa.DataType], one: Try) -> Judged:
    judged = Judged([], [], [])
    for record in records:
        if record.is_open:
            text = record.text.encode("latin-1").decode(one.encoding, "replace")
            judged.bad.append((record.file, record.line, {"": text}))
            continue
        if len(record.cells) != len(names):
            judged.bad.append((record.file, record.line, {"": ""}))
            continue
        row, bad = [], {}
        for name, arrow in types.items():
            cell = record.cells[names.index(name)]
            try:
                row.append(read_cell(cell, arrow, one))
            except Bad:
                bad[name] = cell.encode("latin-1").decode(one.encoding, "replace")
        if bad:
            judged.bad.append((record.file, record.line, bad))
        else:
            judged.places.append((record.file, record.line))
            judged.rows.append(row)
    return judged


# -- what the packer makes of it -------------------------------------------------------------------------------------------


def rows_of(made: Pack) -> list[list]:
    """The rows of a pack, None where a cell is missing."""
    blocks, names = BlocksFile(made.blocks), made.manifest.columns
    with open(made.index, "rb") as f:
        read = [read_line(line.rstrip(b"\n"), names, blocks) for line in f]
    blocks.close()
    columns = []
    for name, kind in zip(names, made.manifest.kinds):
        values = np.concatenate([block.columns[name] for block in read]).tolist()
        if kind == "text":
            values = [None if code == MISSING_CODE else made.texts[name][code] for code in values]
        elif kind == "integer":
            values = [None if value == MISSING_INTEGER else value for value in values]
        else:
            values = [None if value != value else value for value in values]
        columns.append(values)
    return [list(row) for row in zip(*columns)]


def check(one: Try, g: random.Random, folder: Path, name: str) -> str:
    """Packs the files of a try and compares; says in a word how it ended."""
    paths = one.write(folder, name)
    chunks_module.chunks.__defaults__ = ("utf-8", one.chunk_bytes)
    pack_module.BLOCK_BYTES = one.block_bytes
    cache = str(folder / "cache")

    def packed(max_bad_rows: int) -> Pack:
        return pack(sources, one.options, PackContents(max_bad_rows=max_bad_rows), cache, 0)

    if one.compressed and g.random() < 0.2:
        os.truncate(paths[0], g.randrange(1, paths[0].stat().st_size))
        with pytest.raises(ScanError):
            sources = find_sources(map(str, paths))
            packed(EVERY)
        return "cut"
    try:
        sources = find_sources(map(str, paths))
        reader = open_table(sources, one.options)
    except ScanError as error:
        return refused(one, str(error))
    records = records_of(one.files, reader.delimiter, one.encoding)
    if reader.header:
        records = without_headers(records)
    looked = reader.look(reader.names)
    try:
        made = packed(EVERY)
    except ScanError as error:
        judged = judge(records, reader.names, looked, one)
        assert not judged.rows, str(error)
        assert re.search("holds no rows that can be used$" if judged.bad else "holds no rows of data$", str(error)), str(
            error
        )
        return "no rows"
    types = made.manifest.types()
    judged = judge(records, reader.names, types, one)
    assert made.manifest.n_rows + made.manifest.n_rejected == len(records), (made.manifest.n_rows, made.manifest.n_rejected)
    assert rows_of(made) == judged.rows, (rows_of(made), judged.rows)
    check_rejects(made, judged, sources)
    for row in g.sample(range(len(judged.rows)), min(2, len(judged.rows))):
        file, line = judged.places[row]
        place = f"{sources[file].shown}, line {line}"
        assert place_of_row(made, row) == place, (row, place_of_row(made, row), place)
    allowed = g.choice([0, 0, 3])
    if len(judged.bad) <= allowed:
        return "rows"
    with pytest.raises(ScanError) as raised:
        packed(allowed)
    told = re.findall(r"^(?:  )?(\S+), line (\d+)[,:]", str(raised.value), re.MULTILINE)
    places = [(shown, int(line)) for shown, line in told]
    if types == looked:
        wanted = [(sources[i].shown, line) for i, line, _ in judged.bad[: allowed + 1][:3]]
        assert places == wanted, (str(raised.value), wanted)
    else:  # which column was read how when the first bad record came depends on what stands behind it
        both = judged.bad + judge(records, reader.names, looked, one).bad
        assert set(places) <= {(sources[i].shown, line) for i, line, _ in both}, str(raised.value)
    return "bad rows"


def check_rejects(made: Pack, judged: Judged, sources: list) -> None:
    """rejects.csv names each bad record once, in order, by a cell that is bad."""
    if not made.rejects:
        assert not judged.bad
        return
    with open(made.rejects, newline="", encoding="utf-8") as f:
        header, *listed = csv.reader(f)
    assert header == ["file", "line", "column", "value", "reason"]
    places = [(sources[i].shown, line) for i, line, _ in judged.bad]
    assert [(file, int(line)) for file, line, *_ in listed] == places, (listed, places)
    for (_, _, column, value, reason), (_, _, bad) in zip(listed, judged.bad):
        assert bad.get(column) == value, (column, value, reason, bad)
        assert reason


def refused(one: Try, message: str) -> str:
    """A table that cannot be begun; what its message says must be so, under one of the delimiters that might be taken."""
    is_utf8 = one.encoding == "utf-8"
    texts = [data.removeprefix(b"\xef\xbb\xbf") if is_utf8 else data for data in one.files]
    if re.search(r"holds no rows of data$|is empty$", message):
        assert any(not text.strip(b"\r\n") for text in texts), message
    elif "is not text: it has zero bytes" in message:
        assert any(b"\x00" in text for text in texts), message
    elif "is UTF-16 text" in message:
        assert is_utf8 and any(data[:2] in (b"\xff\xfe", b"\xfe\xff") for data in one.files), message
    elif re.search(r" has the columns .*, but .* has .*; the files of a table", message, re.DOTALL):
        assert len(one.files) > 1, message
    else:
        delimiters = [one.options.delimiter] if one.options.delimiter else DELIMITERS
        tables = [records_of(one.files[:1], delimiter, one.encoding) for delimiter in delimiters]
        assert any(is_true_of(message, records, one) for records in tables), message
    return "refused"


def is_true_of(message: str, records: list[Record], one: Try) -> bool:
    """Whether a message about the first record fits it."""
    head = records[0]
    names = [cell.encode("latin-1").decode(one.encoding, "replace").strip() for cell in head.cells]
    if found := re.match(r"there is no column '(\w+)'", message):
        return found[1] in one.options.text and (found[1] not in names or "has no header line" in message)
    found = re.search(r", line (\d+): (.*)", message, re.DOTALL)
    if not found or int(found[1]) != head.line:
        return False
    what = found[2]
    if found := re.match(r"column (\d+) has no name", what):
        return names[int(found[1]) - 1 :][:1] == [""]
    if found := re.match(r"the column name (.*?)(\.\.\.)? stands there twice", what, re.DOTALL):
        return len(set(names)) < len(names)
    if found := re.match(r"the header has (\d+) cells?, but the rows below it have (\d+);", what):
        return len(names) == int(found[1]) and int(found[2]) in [len(record.cells) for record in records[1:]]
    if found := re.match(r"this row has (\d+) cells?, and --columns names 4;", what):
        return len(names) == int(found[1]) and one.options.columns is not None
    if what.startswith("the header goes on to the end of the file"):
        return len(records) == 1 and '"' in head.text
    return what.startswith("this is not text in UTF-8") and "\ufffd" in head.text.encode("latin-1").decode(
        "utf-8", "replace"
    )


def run_whole(one: Try, folder: Path, name: str) -> str:
    """The program over a try: one message or none, and no traceback."""
    argv = [*map(str, one.write(folder, name)), "--target=y", "--weight=w", "--missing=drop", "--max-bad-rows=9"]
    argv += [f"--run-dir={folder / name}", f"--encoding={one.options.encoding}", "--no-report"]
    argv += [f"--cache-dir={folder / 'cache'}", "--cache-size=0"]
    if one.options.columns:
        argv += ["--columns=y,x,w,s", "--header=no"]
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main(argv)
    assert status in (0, 1), err.getvalue()
    assert err.getvalue().count("error: ") == (status != 0), err.getvalue()
    assert bool(out.getvalue()) == (status == 0)
    assert "Traceback" not in err.getvalue()
    return "fitted" if status == 0 else "not fitted"


def tries(seed: int, n: int, folder: str) -> dict[str, int]:
    """Makes and checks `n` tries; how many ended how."""
    g = random.Random(seed)
    ended: dict[str, int] = {}
    os.fsync = lambda handle: None  # no disk is to be pulled out here
    at = Path(folder) / str(seed)
    at.mkdir()
    for i in range(n):
        one = make_try(g)
        # A process that hangs tells where and ends, whatever it waits for.
        faulthandler.dump_traceback_later(HANGS_AFTER, exit=True)
        try:
            how = run_whole(one, at, str(i)) if i % 25 == 24 else check(one, g, at, str(i))
        except BaseException as error:
            raise AssertionError(f"seed {seed}, try {i}: {one!r}\n{type(error).__name__}: {error}") from error
        faulthandler.cancel_dump_traceback_later()
        ended[how] = ended.get(how, 0) + 1
        for path in at.glob(f"{i}-*"):
            path.unlink()
    return ended


def fuzz(seeds: range, n: int, folder: Path) -> dict[str, int]:
    """`n` tries of each seed, by as many processes as there are cores."""
    ended: dict[str, int] = {}
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        for one in pool.map(tries, seeds, [n] * len(seeds), [str(folder)] * len(seeds)):
            for how, times in one.items():
                ended[how] = ended.get(how, 0) + times
    return ended


@pytest.mark.parametrize("n_tries", [TRIES, pytest.param(MANY_TRIES, marks=pytest.mark.slow)])
def test_damaged_bytes_give_the_rows_of_csv_or_one_message(tmp_path, n_tries):
    n_seeds = max(2, n_tries // TRIES_A_SEED)
    ended = fuzz(range(n_tries, n_tries + n_seeds), n_tries // n_seeds, tmp_path)
    assert sum(ended.values()) == n_tries
    # A fuzzer that has come to nothing would be content with anything.
    assert ended["rows"] > n_tries / 5, ended
    assert ended["bad rows"] > n_tries / 5, ended
    assert ended["fitted"] > n_tries / 100, ended
    print(ended)

"""What every job does, on the inline runner and as a program: both carriers, plain text, empty input, noise, and faults."""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import inspect
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from mrjob.job import MRJob

from jobs.block_job import BlockJob
from jobs.blocks import Block
from jobs.design import Design, RowCounts
from jobs.errors import BadBlock, BadRecord, BadRow, ScanError
from jobs.kernels.glm import GLMStatistics
from jobs.kernels.wols import WOLSQuery, WOLSStatistics
from jobs.mr_pack import MRPack
from jobs.mr_scan import MRScan, PassAnswer, ScanQuery, Subtree, TaskReport
from jobs.mr_score import MRScore
from jobs.mr_wols import MRWOLS
from jobs.query_job import QueryJob, load_query
from jobs.records import Record
from jobs.text import TextFormat
from tests.registry import (
    ENTRIES,
    OTHER_JOBS,
    PACKING_JOBS,
    STATISTICS,
    gather,
    make_blocks,
    run_job,
    write_blocks,
    write_query,
)

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((ROOT / "jobs").glob("mr_*.py"))
BASES = ("mr_scan", "mr_keyed")
JOBS = [path for path in SCRIPTS if path.stem not in BASES]
every = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.job.__name__)

DESIGN = Design(["x1", "x2"], "y", "w")
TEXT = TextFormat(["y", "x1", "x2", "w"])


def make_columns(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    x1, x2 = rng.normal(size=(2, n))
    return {"y": x1 - 2 * x2 + rng.normal(size=n), "x1": x1, "x2": x2, "w": rng.gamma(1.0, size=n)}


def text_of(columns: dict[str, np.ndarray]) -> str:
    return "".join(",".join(map(repr, row)) + "\n" for row in zip(*(v.tolist() for v in columns.values())))


def question_of(entry) -> Record:
    question = entry.draw_query(np.random.default_rng(1), 2)
    if hasattr(question, "k"):
        question.k = 20
    return question


@dataclass
class Case:
    """A table of some blocks with its query, and what the kernel alone makes of it."""

    entry: object
    blocks: list[Block]
    question: Record
    query: Path

    @property
    def expected(self):
        rows = [DESIGN.apply(block) for block in self.blocks]
        return gather(self.entry.statistics, self.question, *rows)


@pytest.fixture
def case(entry, tmp_path):
    question = question_of(entry)
    blocks = make_blocks(make_columns(500), 60)
    return Case(entry, blocks, question, write_query(tmp_path / "pass.query", question, DESIGN))


# -- one pass ----------------------------------------------------------------------------------------------------------


@every
def test_a_pass_over_blocks_is_the_statistic_of_all_rows_by_either_carrier(case, tmp_path):
    whole = run_job(case.entry.job, case.query, write_blocks(tmp_path / "packed.txt", case.blocks))
    assert type(whole.statistics) is case.entry.statistics
    assert whole.statistics.close(case.expected)
    assert whole.counts == RowCounts(read=500, used=500)
    assert whole.n_blocks == 9
    assert whole.n_tasks >= 1  # the inline runner splits its input as it likes
    assert whole.task_seconds > 0
    assert [n for _, n in whole.environments] == [whole.n_tasks]
    index = write_blocks(tmp_path / "index.txt", case.blocks, "reference")
    by_reference = run_job(case.entry.job, case.query, f"--blocks={index}.bin", index)
    assert by_reference.statistics.md5() == whole.statistics.md5()
    assert by_reference.counts == whole.counts


@every
def test_the_bits_do_not_depend_on_files_tasks_or_order(case, tmp_path):
    md5s = set()
    rng = random.Random(0)
    for n_files in (1, 2, 3, 9):
        blocks = list(case.blocks)
        if n_files > 1:
            rng.shuffle(blocks)
        paths = [write_blocks(tmp_path / f"{n_files}-{i}.txt", blocks[i::n_files]) for i in range(n_files)]
        answer = run_job(case.entry.job, case.query, *paths)
        assert answer.n_tasks >= n_files
        assert (answer.n_blocks, answer.counts.used) == (9, 500)
        md5s.add(answer.statistics.md5())
    assert len(md5s) == 1


class MROrder(MRWOLS):
    """Keeps the labels in the order in which they reach the reducer."""

    labels: list = []

    def reducer(self, key, values):
        values = list(values)
        MROrder.labels[:] = [value.split(b"|")[0] for value in values]
        yield from super().reducer(key, values)


def test_the_reducer_is_fed_in_the_order_of_the_data(tmp_path):
    """So siblings meet early, and it holds few subtrees at a time."""
    blocks = make_blocks(make_columns(500), 20)
    query = write_query(tmp_path / "q", WOLSQuery(np.zeros(2)), DESIGN)
    run_job(MROrder, query, *(write_blocks(tmp_path / f"{i}", blocks[i::5]) for i in (3, 0, 4, 1, 2)))
    assert len(MROrder.labels) >= 25
    assert MROrder.labels == sorted(MROrder.labels)


@every
def test_several_parts_are_one_table(case, tmp_path):
    second = make_blocks(make_columns(130, seed=1), 60, part=7)
    paths = [write_blocks(tmp_path / name, blocks) for name, blocks in (("a", second), ("b", case.blocks))]
    answer = run_job(case.entry.job, case.query, *paths)
    case.blocks += second
    assert answer.statistics.close(case.expected)
    assert answer.counts.used == 630
    again = run_job(case.entry.job, case.query, *paths[::-1])
    assert again.statistics.md5() == answer.statistics.md5()


@every
def test_plain_text_gives_what_packed_lines_give(case, tmp_path):
    (tmp_path / "t.csv").write_text(text_of(make_columns(500)))
    query = write_query(tmp_path / "text.query", case.question, DESIGN, TEXT)
    answer = run_job(case.entry.job, query, tmp_path / "t.csv")
    assert answer.counts == RowCounts(read=500, used=500)
    if hasattr(case.question, "k"):  # the keys of plain text are others, so the sample is another
        assert answer.statistics.rows.shape == (20, 2)
        table = {tuple(row) for row in DESIGN.apply(make_blocks(make_columns(500), 500)[0]).X}
        assert all(tuple(row) in table for row in answer.statistics.rows)
    else:
        assert whole(answer.statistics).close(whole(case.expected))
    # A reader of text takes packed lines too.
    packed = run_job(case.entry.job, query, write_blocks(tmp_path / "packed.txt", case.blocks))
    assert packed.statistics.close(case.expected)


@every
@pytest.mark.parametrize("text", [None, TEXT], ids=["packed", "text"])
def test_empty_input(entry, text, tmp_path):
    (tmp_path / "empty").write_text("")
    question = question_of(entry)
    answer = run_job(entry.job, write_query(tmp_path / "q", question, DESIGN, text), tmp_path / "empty")
    assert answer.statistics.md5() == entry.statistics.zero(question).md5()
    assert (answer.counts, answer.n_blocks, answer.n_tasks) == (RowCounts(), 0, 1)


@every
def test_a_block_without_rows(case, tmp_path):
    empty = make_blocks({name: np.zeros(0) for name in DESIGN.columns()}, 1) or [
        Block(0, 0, 0, {name: np.zeros(0) for name in DESIGN.columns()})
    ]
    answer = run_job(case.entry.job, case.query, write_blocks(tmp_path / "p", empty))
    assert answer.statistics.close(case.entry.statistics.zero(case.question))
    assert (answer.counts, answer.n_blocks) == (RowCounts(), 1)


@every
@pytest.mark.parametrize("carrier", ["block", "reference", "text"])
def test_one_row(case, carrier, tmp_path):
    case.blocks = make_blocks(make_columns(1), 10)
    if carrier == "text":
        (tmp_path / "p").write_text(text_of(make_columns(1)))
        case.query = write_query(tmp_path / "q", case.question, DESIGN, TEXT)
    else:
        write_blocks(tmp_path / "p", case.blocks, carrier)
    extra = [f"--blocks={tmp_path}/p.bin"] if carrier == "reference" else []
    answer = run_job(case.entry.job, case.query, *extra, tmp_path / "p")
    assert answer.counts == RowCounts(read=1, used=1)
    left, right = answer.statistics, case.expected
    if hasattr(left, "rows"):
        np.testing.assert_array_equal(left.rows, right.rows)
    else:
        assert whole(left).close(whole(right))


def whole(statistics):
    """The folds of plain text are others, since its keys are; what all folds hold together is the same; so its places."""
    if isinstance(statistics, GLMStatistics):  # the first candidate learns from all folds, and so does its trial
        return dataclasses.replace(statistics, **{
            name: np.concatenate([value[:1], np.zeros_like(value[1:])])
            for name, value in vars(statistics).items() if isinstance(value, np.ndarray)
        })  # fmt: skip
    for name in ("influence_places", "places"):
        if hasattr(statistics, name):
            return dataclasses.replace(statistics, **{name: np.zeros_like(getattr(statistics, name))})
    return functools.reduce(lambda a, b: a.merge(b), statistics.parts()) if hasattr(statistics, "parts") else statistics


def test_rows_that_are_left_out_are_counted(tmp_path):
    columns = make_columns(100)
    columns["x1"][[3, 77]] = np.nan
    design = Design(["x1", "x2"], "y", "w", missing="drop")
    query = write_query(tmp_path / "q", WOLSQuery(np.zeros(2)), design)
    answer = run_job(MRWOLS, query, write_blocks(tmp_path / "p", make_blocks(columns, 30)))
    assert answer.counts == RowCounts(read=100, used=98, missing=2)
    assert answer.statistics.n_rows == 98
    lines = text_of(columns).replace("nan", "NA").splitlines()
    lines[10:10] = ["oops", "1,2", ""]
    (tmp_path / "t").write_text("\n".join(lines))
    text = TextFormat(["y", "x1", "x2", "w"], max_bad_rows=2)
    answer = run_job(MRWOLS, write_query(tmp_path / "q2", WOLSQuery(np.zeros(2)), design, text), tmp_path / "t")
    assert answer.counts == RowCounts(read=102, used=98, rejected=2, missing=2)


# -- as a program ------------------------------------------------------------------------------------------------------


def run_script(script: Path, *arguments: object, **options) -> subprocess.CompletedProcess:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, str(script), "--no-conf", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, env=environment, check=False, **options)


@every
def test_the_script_runs_like_any_mrjob_script(case, tmp_path):
    script = ROOT / "jobs" / f"{case.entry.job.__module__.rpartition('.')[2]}.py"
    packed = write_blocks(tmp_path / "packed.txt", case.blocks)
    done = run_script(script, "--query", case.query, packed)
    assert done.returncode == 0, done.stderr.decode()
    answer = PassAnswer.from_line(done.stdout)
    assert answer.statistics.md5() == run_job(case.entry.job, case.query, packed).statistics.md5()


def test_the_steps_of_a_script_as_hadoop_runs_them(tmp_path):
    """Mapper and reducer are programs of their own; between them lines are sorted as bytes."""
    blocks = make_blocks(make_columns(500), 60)
    query = write_query(tmp_path / "q", WOLSQuery(np.zeros(2)), DESIGN)
    script = ROOT / "jobs" / "mr_wols.py"
    lines = []
    for task in (blocks[4:], blocks[:4]):
        packed = write_blocks(tmp_path / "split", task)
        done = run_script(script, "--step-num=0", "--mapper", "--query", query, input=packed.read_bytes())
        assert done.returncode == 0, done.stderr.decode()
        lines += done.stdout.splitlines(keepends=True)
    assert len(lines) <= 2 * (4 + 1)
    done = run_script(script, "--step-num=0", "--reducer", "--query", query, input=b"".join(sorted(lines)))
    assert done.returncode == 0, done.stderr.decode()
    inline = run_job(MRWOLS, query, write_blocks(tmp_path / "all", blocks))
    assert PassAnswer.from_line(done.stdout).statistics.md5() == inline.statistics.md5()


# -- a task that talks -------------------------------------------------------------------------------------------------


@dataclass
class NoisyStatistics(WOLSStatistics):
    """Says something on every stream while it adds."""

    def add(self, rows, query):
        import warnings

        print("a stray print \u20ac")
        print("to stderr", file=sys.stderr)
        warnings.warn("a stray warning", stacklevel=1)
        np.float64(1) / np.zeros(1)
        super().add(rows, query)

    def merge(self, other):
        print("a print while merging")
        merged = super().merge(other)
        return NoisyStatistics(**vars(merged))


class MRNoisy(MRScan):
    statistics_class = NoisyStatistics


@pytest.mark.filterwarnings("ignore")
def test_prints_and_warnings_inside_a_task_do_no_harm(tmp_path):
    blocks = make_blocks(make_columns(500), 60)
    query = write_query(tmp_path / "q", WOLSQuery(np.zeros(2)), DESIGN)
    packed = write_blocks(tmp_path / "p", blocks)
    streams = sys.stdout, sys.stderr
    noisy = run_job(MRNoisy, query, packed)
    assert (sys.stdout, sys.stderr) == streams
    quiet = run_job(MRWOLS, query, packed)
    assert vars(noisy.statistics).keys() == vars(quiet.statistics).keys()
    assert noisy.statistics.r.tobytes() == quiet.statistics.r.tobytes()


def test_a_print_in_a_script_goes_to_stderr_and_the_answer_alone_to_stdout(tmp_path):
    script = tmp_path / "mr_noisy.py"
    script.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from jobs.kernels.wols import WOLSStatistics\n"
        "from jobs.mr_scan import MRScan\n"
        "class MRNoisy(MRScan):\n"
        "    statistics_class = WOLSStatistics\n"
        "    def add_block(self, block):\n"
        "        print('a stray print')\n"
        "        super().add_block(block)\n"
        "if __name__ == '__main__':\n"
        "    MRNoisy.run()\n"
    )
    query = write_query(tmp_path / "q", WOLSQuery(np.zeros(2)), DESIGN)
    packed = write_blocks(tmp_path / "p", make_blocks(make_columns(50), 60))
    done = run_script(script, "--step-num=0", "--mapper", "--query", query, input=packed.read_bytes())
    assert done.returncode == 0
    assert b"a stray print" in done.stderr
    assert all(line.startswith(b"scan\t") for line in done.stdout.splitlines())
    assert done.stdout.count(b"\n") == 2


# -- faults ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def query(tmp_path):
    return write_query(tmp_path / "q", WOLSQuery(np.zeros(2)), DESIGN)


@pytest.fixture
def blocks():
    return make_blocks(make_columns(500), 60)


def test_a_missing_block_stops_the_pass(query, blocks, tmp_path):
    with pytest.raises(BadBlock, match="block 4 of part 0 is missing"):
        run_job(MRWOLS, query, write_blocks(tmp_path / "p", blocks[:4] + blocks[5:]))


def test_a_file_given_twice_stops_the_pass(query, blocks, tmp_path):
    packed = write_blocks(tmp_path / "p", blocks)
    with pytest.raises(BadBlock, match="came twice"):
        run_job(MRWOLS, query, packed, packed)


def test_a_damaged_block_stops_the_pass(query, blocks, tmp_path):
    packed = write_blocks(tmp_path / "p", blocks)
    data = packed.read_bytes()
    packed.write_bytes(data[:3000] + b"AAAA" + data[3004:])
    with pytest.raises(BadBlock, match="damaged"):
        run_job(MRWOLS, query, packed)


def test_references_without_their_file_stop_the_pass(query, blocks, tmp_path):
    index = write_blocks(tmp_path / "p", blocks, "reference")
    with pytest.raises(BadBlock, match="--blocks"):
        run_job(MRWOLS, query, index)
    with pytest.raises(BadBlock, match="cannot be read"):
        run_job(MRWOLS, query, f"--blocks={tmp_path}/nowhere", index)


def test_text_without_a_format_stops_the_pass(query, tmp_path):
    (tmp_path / "t").write_text("\n1,2,3,4\n")
    with pytest.raises(BadRecord, match="no packed block.*1,2,3,4"):
        run_job(MRWOLS, query, tmp_path / "t")


def test_a_bad_row_or_weight_stops_the_pass(query, tmp_path):
    with pytest.raises(BadRow, match="weight 'w' is -1 in row 3 of block 1"):
        columns = make_columns(10)
        columns["w"][6] = -1
        run_job(MRWOLS, query, write_blocks(tmp_path / "p", make_blocks(columns, 4)))
    (tmp_path / "t").write_text("1,2,3,4\n1,2,x,4\n")
    with pytest.raises(BadRow, match="'x2' holds 'x'"):
        run_job(MRWOLS, write_query(tmp_path / "q2", WOLSQuery(np.zeros(2)), DESIGN, TEXT), tmp_path / "t")


def test_a_column_the_blocks_do_not_have_is_named(tmp_path, blocks):
    query = write_query(tmp_path / "q", WOLSQuery(np.zeros(1)), Design(["x9"], "y"))
    with pytest.raises(BadBlock, match="without the column 'x9'"):
        run_job(MRWOLS, query, write_blocks(tmp_path / "p", blocks))


def test_queries_that_cannot_be_read_are_named(tmp_path, blocks):
    with pytest.raises(ScanError, match="needs --query"):
        load_query(None, ScanQuery)
    with pytest.raises(ScanError, match="nowhere cannot be read"):
        load_query(str(tmp_path / "nowhere"), ScanQuery)
    (tmp_path / "other").write_text(WOLSQuery(np.zeros(1)).to_line())
    with pytest.raises(BadRecord, match="ScanQuery"):
        load_query(str(tmp_path / "other"), ScanQuery)


# -- what is emitted ---------------------------------------------------------------------------------------------------


def emitted(job_class, query, lines):
    """The records of one map task."""
    job = job_class(["--no-conf", "--query", str(query), "--mapper", "--step-num=0"])
    job.mapper_init()
    for line in lines:
        assert list(job.mapper(None, line) or ()) == []
    return [(key, *value.split(b"|", 1)) for key, value in job.mapper_final()]


@every
def test_a_task_emits_few_records_of_one_key_in_the_order_of_the_data(case, tmp_path):
    blocks = make_blocks(make_columns(500), 10)
    lines = write_blocks(tmp_path / "p", blocks[3:40]).read_bytes().splitlines()
    random.Random(1).shuffle(lines)
    output = emitted(case.entry.job, case.query, lines)
    assert {key for key, _, _ in output} == {b"scan"}
    labels = [label for _, label, _ in output]
    assert labels == sorted(labels)
    *nodes, (_, label, report) = output
    assert label == b"task"
    report = TaskReport.from_line(report)
    assert (report.n_blocks, report.counts.used) == (37, 370)
    if case.entry.statistics.order_free:
        assert nodes == []
        assert type(report.answer) is case.entry.statistics
    else:
        assert report.answer is None
        subtrees = [Subtree.from_line(record) for _, _, record in nodes]
        assert [(s.index << s.level, s.level) for s in subtrees] == [(3, 0), (4, 2), (8, 3), (16, 4), (32, 3)]
    assert all(b"\t" not in record and b"\n" not in record for _, _, record in output)


# -- the rules of a job file -------------------------------------------------------------------------------------------


def test_every_job_file_is_in_the_registry():
    jobs = {entry.job for entry in STATISTICS} | {*PACKING_JOBS, *OTHER_JOBS}
    assert {path.stem for path in JOBS} == {job.__module__.rpartition(".")[2] for job in jobs}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_job_file_has_one_job_class_and_runs_it(path):
    """The local runner and Hadoop run whatever class the file's last lines run."""
    module = importlib.import_module(f"jobs.{path.stem}")
    own = [
        c
        for _, c in inspect.getmembers(module, inspect.isclass)
        if issubclass(c, MRJob) and c.__module__ == module.__name__
    ]
    assert len(own) == 1
    tree = ast.parse(path.read_text())
    guards = [node for node in tree.body if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)]
    if path.stem in BASES:
        assert guards == []
        return
    name = "MR" + path.stem[3:].title().replace("_", "")
    for spelling in ("WOLS", "KMeans", "GMM", "GLM"):
        name = name.replace(spelling.title(), spelling)
    assert own[0].__name__ == name
    assert issubclass(own[0], QueryJob)
    assert issubclass(own[0], BlockJob) != (own[0] in PACKING_JOBS)
    assert guards == [tree.body[-1]]
    assert ast.unparse(guards[0]) == f"if __name__ == '__main__':\n    {own[0].__name__}.run()"


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_a_job_has_one_step_and_no_option_that_mrjob_takes_for_a_step(path):
    jobs = [*(entry.job for entry in STATISTICS), *PACKING_JOBS, *OTHER_JOBS]
    job_class = next(job for job in jobs if job.__module__ == f"jobs.{path.stem}")
    job = job_class(["--no-conf"])
    (step,) = job.steps()
    assert step.description()["type"] == "streaming"
    without = {"reducer"} if job_class in (MRPack, MRScore) else set()
    assert set(step.description()) == {"type", "mapper", "reducer"} - without
    plain = MRJob(["--no-conf"])
    known = {name for action in plain.arg_parser._actions for name in action.option_strings}
    ours = {name for action in job.arg_parser._actions for name in action.option_strings} - known
    assert "--query" in ours
    assert not ours & {"--mapper", "--reducer", "--combiner", "--step-num", "--spark", "--steps"}
    assert all(name.startswith("--") and name == name.lower().replace("_", "-") for name in ours)
    assert not any(name.startswith(("--mapper", "--reducer", "--combiner", "--spark", "--step")) for name in ours)

"""Statistics files: they add up and subtract like the rows they are made of."""

from __future__ import annotations

import itertools
from functools import reduce

import numpy as np
import pytest

from drivers.linear.statistics_file import LinearStatistics
from drivers.linear.statistics_sums import add, subtract
from jobs import keys
from jobs.blocks import Block
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels.folds import Folds
from jobs.kernels.wols import WOLSQuery, solve
from jobs.kernels.wols_folds import WOLSFoldsQuery, WOLSFoldsStatistics

DESIGN = Design(["a", "b"], "y", "w")


def make_table(seed: int, n: int, offset: float = 0.0, scale: float = 1.0, shift: float = 0.0) -> dict[str, np.ndarray]:
    """Rows of one law; `shift` moves the mean of a table away from that of the others."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n))
    a = a + 0.5 * b + shift
    y = 3 + a - 2 * b + rng.normal(size=n) + offset
    return {
        "a": (a + offset) * scale,
        "b": b + offset,
        "y": y,
        "w": rng.gamma(2.0, size=n),
        "id": np.arange(n) + 1e6 * seed,
    }


def join(*tables: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def file_of(table, design=DESIGN, folds=None, part=0, fingerprint=None) -> LinearStatistics:
    """As a pass over the table would save it, about the means of the table."""
    n = len(next(iter(table.values())))
    rows = design.apply(Block(part, 0, n, table))
    folds = folds or Folds()
    query = WOLSQuery(rows.X.mean(axis=0), float(rows.y.mean()))
    statistics = WOLSFoldsStatistics.zero(WOLSFoldsQuery(query, folds))
    statistics.add(rows, WOLSFoldsQuery(query, folds))
    name = fingerprint or f"{hash(table['y'].tobytes()):x}"
    return LinearStatistics.of(design, query, folds, statistics.parts(), "analytic", name)


def fit_of(file: LinearStatistics) -> np.ndarray:
    solution = solve(file.total, WOLSQuery(file.center[:-1], float(file.center[-1])))
    sigma2 = solution.residual_square_sum / (file.n_rows - len(file.columns))
    errors = np.sqrt(sigma2 * np.sum(solution.covariance_root**2, axis=1))
    return np.concatenate([[solution.intercept], solution.coefficients, errors])


def close(a: np.ndarray, b: np.ndarray, rtol: float) -> bool:
    return bool(np.all(np.abs(a - b) <= rtol * np.abs(b)))


KINDS = {"plain": {}, "offset": {"offset": 1e6}, "scaled": {"scale": 1e-8}}
every = pytest.mark.parametrize("kind", KINDS)


@every
def test_added_up_they_are_the_table_of_all_rows(kind):
    tables = [make_table(seed, n, **KINDS[kind], shift=shift) for seed, n, shift in ((1, 300, 0), (2, 40, 5), (3, 500, -2))]
    whole = fit_of(file_of(join(*tables)))
    for order in itertools.permutations(tables):
        merged = reduce(lambda a, b: add(a, b)[0], map(file_of, order))
        assert merged.n_rows == 840
        assert close(fit_of(merged), whole, 1e-9 if kind == "offset" else 1e-12)


@every
@pytest.mark.parametrize("n", [50, 300, 400])
def test_what_was_added_can_be_taken_away(kind, n):
    a, b = make_table(1, 400, **KINDS[kind]), make_table(2, n, **KINDS[kind], shift=1.0)
    rest, remarks = subtract(file_of(join(a, b)), file_of(b))
    assert close(fit_of(rest), fit_of(file_of(a)), 1e-9)
    assert rest.digits >= 9 and not remarks
    assert rest.statistics.weight_sum[0] == pytest.approx(a["w"].sum(), rel=1e-12)
    there_and_back = subtract(add(file_of(a), file_of(b))[0], file_of(b))[0]
    assert close(fit_of(there_and_back), fit_of(file_of(a)), 1e-9)
    assert there_and_back.sources == file_of(a).sources


@pytest.mark.parametrize("power", [2, 4, 6])
def test_the_loss_of_digits_is_estimated(power):
    """Take away nearly all there is in one direction."""
    a, b = make_table(1, 100), make_table(2, 1000)
    b["a"] = b["a"] * 10.0**power
    rest, remarks = subtract(file_of(join(a, b)), file_of(b))
    error = np.max(np.abs(fit_of(rest) / fit_of(file_of(a)) - 1))
    right = -np.log10(error)
    assert rest.digits <= right + 0.5
    assert rest.digits >= right - 4  # an estimate, not a bound from nowhere
    assert bool(remarks) == (rest.digits < 9)
    assert not remarks or "right digits" in remarks[0]


def test_all_rows_taken_away_leave_none():
    a = make_table(1, 50)
    rest, remarks = subtract(file_of(a), file_of(a))
    assert rest.n_rows == 0 and not rest.statistics.r.any()
    assert "about 0 right digits" in remarks[0]


def test_rows_that_are_not_there_cannot_be_taken_away():
    a, b = make_table(1, 400), make_table(2, 200, scale=100.0)
    with pytest.raises(ScanError, match="not among those"):
        subtract(file_of(a), file_of(b))
    with pytest.raises(ScanError, match="400 rows cannot be taken from 200"):
        subtract(file_of(b), file_of(a))


def test_a_table_counts_once():
    a, b = file_of(make_table(1, 50)), file_of(make_table(2, 50))
    both = add(a, b)[0]
    with pytest.raises(ScanError, match="count twice"):
        add(both, a)
    assert add(subtract(both, a)[0], a)[0].n_rows == 100


def test_a_perfect_fit_and_a_dependent_column_subtract_too():
    a, b = make_table(1, 60), make_table(2, 30)
    for table in (a, b):
        table["b"] = 2 * table["a"] + 1
        table["y"] = table["a"] * 0.5 - 3
    rest, _ = subtract(file_of(join(a, b)), file_of(b))
    solution = solve(rest.total, WOLSQuery(rest.center[:-1], float(rest.center[-1])))
    assert solution.rank == 1 and solution.dependent == [1]
    assert solution.residual_square_sum < 1e-24
    fitted = solution.intercept + np.column_stack([a["a"], a["b"]]) @ solution.coefficients
    np.testing.assert_allclose(fitted, a["y"], rtol=1e-9)


# -- columns --------------------------------------------------------------------------------------------------------------


def test_columns_may_stand_in_another_order_and_another_may_be_the_target():
    a, b = make_table(1, 100), make_table(2, 80)
    other = file_of(b, Design(["y", "a"], "b", "w"))
    merged, _ = add(file_of(a), other)
    assert merged.columns == ["a", "b", "y"]
    assert close(fit_of(merged), fit_of(file_of(join(a, b))), 1e-11)


def texts_of(table, texts, known):
    codes = np.array([known.index(text) for text in texts], np.int32)
    design = Design(["a", "city"], "y", "w", categories={"city": known}, levels={"city": np.arange(len(known))})
    return file_of({**table, "city": codes}, design)


def test_texts_that_only_one_file_knows_and_other_first_texts():
    rng = np.random.default_rng(0)
    a, b = make_table(1, 200), make_table(2, 150)
    here, there = rng.choice(["Bonn", "Cork"], 200), rng.choice(["Aachen", "Cork", "Derby"], 150)
    merged, _ = add(texts_of(a, here, ["Bonn", "Cork"]), texts_of(b, there, ["Aachen", "Cork", "Derby"]))
    together = texts_of(join(a, b), [*here, *there], ["Aachen", "Bonn", "Cork", "Derby"])
    assert merged.columns == together.columns == ["a", "city=Bonn", "city=Cork", "city=Derby", "y"]
    assert close(fit_of(merged), fit_of(together), 1e-11)
    back, _ = subtract(merged, texts_of(b, there, ["Aachen", "Cork", "Derby"]))
    assert back.columns == ["a", "city=Cork", "y"]
    assert close(fit_of(back), fit_of(texts_of(a, here, ["Bonn", "Cork"])), 1e-10)


@pytest.mark.parametrize("by", ["place", "id"])
def test_texts_that_no_row_is_left_with_are_gone_whichever_they_are(by):
    """Also where a fold has lost one that another fold has, and where but one text is left."""
    rng = np.random.default_rng(1)
    a, b = make_table(1, 90), make_table(2, 60)
    known = ["A", "B", "C", "D"]
    folds = Folds(3, seed=1)
    for left, taken in (("CD", "AB"), ("AD", "BC"), ("BC", "AD"), ("ABCD", "A"), ("B", "ACD"), ("D", "ABC"), ("AC", "D")):
        codes = [rng.choice([known.index(text) for text in texts], n) for texts, n in ((left, 90), (taken, 60))]
        tables = [{**table, "city": code} for table, code in zip((a, b), codes)]

        def made(*tables, texts=known):
            levels = np.array([texts.index(t) if t in texts else -1 for t in known])
            design = Design(["a", "city"], "y", "w", categories={"city": texts}, levels={"city": levels})
            design.id = "id" if by == "id" else None
            return file_of(join(*tables), design, folds)

        rest, remarks = subtract(made(*tables), made(tables[1]))
        alone = made(tables[0], texts=sorted(left))
        assert rest.columns == alone.columns and rest.digits > 9
        assert [remark for remark in remarks if "digits" in remark] == []
        assert close(fit_of(rest), fit_of(alone), 1e-9)
        for ours, theirs in zip(rest.statistics.parts(), alone.statistics.parts()) if by == "id" else []:
            assert ours.n_rows == theirs.n_rows
            found, expected = (
                solve(part, WOLSQuery(file.center[:-1], float(file.center[-1])))
                for part, file in ((ours, rest), (theirs, alone))
            )
            assert found.dependent == expected.dependent
            np.testing.assert_allclose(found.coefficients, expected.coefficients, rtol=1e-8, atol=1e-9)
            assert found.intercept == pytest.approx(expected.intercept, rel=1e-9)


@pytest.mark.parametrize(
    ("design", "message"),
    [
        (Design(["a", "id"], "y", "w"), "do not have the same columns: 'b', 'id' only in one"),
        (Design(["a", "b"], "y"), "do not have the same weights: 'w' (analytic) and none"),
        (
            Design(["a", "b"], "y", "w", categories={"b": ["u", "v"]}, levels={"b": np.arange(2)}),
            "column 'b' is text in one file and numbers in the other",
        ),
    ],
)
def test_files_that_do_not_match(design, message):
    table = make_table(1, 20)
    if design.categories:
        table["b"] = np.arange(20, dtype=np.int32) % 2
    with pytest.raises(ScanError) as error:
        add(file_of(make_table(2, 20)), file_of(table, design))
    assert message in str(error.value)


# -- folds ----------------------------------------------------------------------------------------------------------------


def test_folds_stay_apart():
    folds = Folds(4, 0.2, 1)
    a, b = make_table(1, 300), make_table(2, 300)
    merged, remarks = add(file_of(a, folds=folds), file_of(b, folds=folds, part=1))
    assert not remarks and merged.folds == folds
    assert len(merged.statistics.n_rows) == 5
    assert (
        merged.statistics.n_rows.tolist()
        == (file_of(a, folds=folds).statistics.n_rows + file_of(b, folds=folds, part=1).statistics.n_rows).tolist()
    )


def test_by_an_id_rows_are_taken_from_the_folds_they_are_in_else_the_folds_are_joined():
    folds, by_id = Folds(3, 0.0, 1), Design(["a", "b"], "y", "w", id="id")
    a, b = make_table(1, 300), make_table(2, 100)
    rest, remarks = subtract(file_of(join(a, b), by_id, folds), file_of(b, by_id, folds))
    assert not remarks
    for left, right in zip(rest.statistics.parts(), file_of(a, by_id, folds).statistics.parts()):
        assert left.n_rows == right.n_rows
        assert left.weight_sum == pytest.approx(right.weight_sum)
    rest, remarks = subtract(file_of(join(a, b), folds=folds), file_of(b, folds=folds))
    assert rest.folds == Folds() and "the result has none" in remarks[0]
    assert close(fit_of(rest), fit_of(file_of(a)), 1e-10)
    _, remarks = add(file_of(a, folds=folds), file_of(b, folds=Folds(5)))
    assert "differ" in remarks[0]
    assert keys.id_keys(a["id"]).shape == (300,)


# -- on disk --------------------------------------------------------------------------------------------------------------


def test_the_file_keeps_every_bit_and_a_damaged_one_is_refused(tmp_path):
    file = file_of(make_table(1, 30))
    path = str(tmp_path / "a.stats")
    file.write(path)
    assert LinearStatistics.read(path).md5() == file.md5()
    text = (tmp_path / "a.stats").read_text()
    (tmp_path / "a.stats").write_text(text[:-40] + "AAAA" + text[-36:])
    with pytest.raises(ScanError, match="is not a statistics file"):
        LinearStatistics.read(path)
    (tmp_path / "csv").write_bytes(b"a,b\n1,\xff\n")
    with pytest.raises(ScanError, match="is not a statistics file"):
        LinearStatistics.read(str(tmp_path / "csv"))
    with pytest.raises(ScanError, match="cannot be read: No such file"):
        LinearStatistics.read(str(tmp_path / "none"))
    with pytest.raises(ScanError, match="cannot be written"):
        file.write(str(tmp_path / "no" / "folder"))


def test_the_heaviest_row_is_not_known_once_it_may_be_gone():
    a, b = make_table(1, 40), make_table(2, 40)
    b["w"][0] = 100.0
    rest, _ = subtract(file_of(join(a, b)), file_of(b))
    assert np.isnan(rest.statistics.weight_max[0])
    b["w"][0] = 0.001
    a["w"][0] = 100.0
    rest, _ = subtract(file_of(join(a, b)), file_of(b))
    assert rest.statistics.weight_max[0] == 100.0

"""data_gen/gen_cards.py and gen_customers.py: the bytes, the blanks, and that the truth is what the rows tell."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from data_gen import gen_cards, gen_customers
from tests.conftest import ROOT

ROWS = 20_000


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder that holds nothing else: tmp_path may hold the surroundings of the test."""
    path = tmp_path / "out"
    path.mkdir()
    return path


def read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def payments(folder) -> tuple[dict, list[dict[str, str]]]:
    truth = gen_cards.generate(folder / "cards.csv", ROWS)
    return truth, read(folder / "cards.csv")


# -- both --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("generate", "more"),
    [
        (gen_cards.generate, {}),
        (gen_customers.generate, {"table": "segments"}),
        (gen_customers.generate, {"table": "spend"}),
    ],
    ids=["cards", "segments", "spend"],
)
def test_the_same_seed_gives_the_same_bytes_and_the_truth_stands_beside(folder, generate, more):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        truth = generate(folder / name, rows=500, seed=seed, **more)
        assert json.loads((folder / f"{name}.truth.json").read_text()) == truth
        rows = read(folder / name)
        assert len(rows) == truth["rows"] == 500 and list(rows[0]) == truth["columns"]
        blanks = {column: sum(row[column] == "" for row in rows) for column in truth["columns"]}
        assert {column: n for column, n in blanks.items() if n} == {c: n for c, n in truth["missing"].items() if n}
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes() != (folder / "c").read_bytes()


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_few_rows_and_none(folder, rows):
    gen_cards.generate(folder / "cards.csv", rows)
    assert len(read(folder / "cards.csv")) == rows
    for table in gen_customers.TABLES:
        gen_customers.generate(folder / table, table, rows)
        assert len(read(folder / table)) == rows


@pytest.mark.parametrize(
    ("program", "options", "word"),
    [
        (gen_cards, "--rows -1", "rows"),
        (gen_cards, "--seed -1", "seed"),
        (gen_cards, "--since yesterday", "since must be a date"),
        (gen_customers, "--rows 5", "table"),
        (gen_customers, "houses", "invalid choice"),
        (gen_customers, "spend --rows -1", "rows"),
        (gen_customers, "spend --seed -1", "seed"),
    ],
)
def test_a_wrong_option_is_named_in_one_sentence_and_writes_nothing(folder, capsys, program, options, word):
    with pytest.raises(SystemExit) as ended:
        program.main([*options.split(), "--out", str(folder / "data")])
    assert ended.value.code == 2 and word in capsys.readouterr().err.splitlines()[-1]
    assert not list(folder.iterdir())


def test_a_table_that_is_not_known_is_named(folder):
    with pytest.raises(ValueError, match="table must be one of segments, spend, not 'x'"):
        gen_customers.generate(folder / "data", "x")


@pytest.mark.parametrize(
    ("program", "words", "generate"),
    [
        ("gen_cards", ["--since", "2025-02-01"], lambda path: gen_cards.generate(path, 300, since="2025-02-01", seed=2)),
        ("gen_customers", ["spend"], lambda path: gen_customers.generate(path, "spend", 300, seed=2)),
    ],
)
def test_the_command_writes_what_the_function_writes(folder, program, words, generate):
    command = [sys.executable, str(ROOT / "data_gen" / f"{program}.py"), *words]
    subprocess.run([*command, "--rows", "300", "--seed", "2", "--out", str(folder / "a")], check=True)
    generate(folder / "b")
    for end in ("", ".truth.json"):
        assert (folder / f"a{end}").read_bytes() == (folder / f"b{end}").read_bytes()


# -- cards -------------------------------------------------------------------------------------------------------------


def test_parts_cut_by_date_are_the_whole(folder, payments):
    gen_cards.generate(folder / "1.csv", ROWS, until="2025-02-10")
    gen_cards.generate(folder / "2.csv", ROWS, since="2025-02-10", until="2025-03-01")
    gen_cards.generate(folder / "3.csv", ROWS, since="2025-03-01")
    parts = [(folder / f"{i}.csv").read_text().splitlines() for i in (1, 2, 3)]
    assert [parts[0][0], *parts[0][1:], *parts[1][1:], *parts[2][1:]] == (folder / "cards.csv").read_text().splitlines()
    assert parts[0][-1] < "2025-02-10" <= parts[1][1] and parts[1][-1] < "2025-03-01" <= parts[2][1]


def test_payments_are_in_the_order_of_time_and_one_in_a_hundred_is_a_fraud(payments):
    truth, rows = payments
    when = [row["when"] for row in rows]
    assert when == sorted(when) and when[0] >= "2025-01-01" and when[-1] < "2025-04-01"
    assert truth["frauds"] == sum(row["fraud"] == "yes" for row in rows) == ROWS // 100
    assert truth["cards"] == len({row["card"] for row in rows})
    assert truth["merchants"] == len({row["merchant"] for row in rows})


def test_the_minutes_are_those_since_the_last_payment_of_the_card(payments):
    _, rows = payments
    last: dict[str, datetime] = {}
    for row in rows:
        now, before = datetime.fromisoformat(row["when"]), last.get(row["card"])
        expected = "" if before is None else str((now - before) // timedelta(minutes=1))
        assert row["minutes"] == expected
        last[row["card"]] = now


def test_few_merchants_have_most_payments_and_most_merchants_have_few(payments):
    _, rows = payments
    counts = sorted(Counter(row["merchant"] for row in rows).values(), reverse=True)
    assert len(counts) > 1500 and sum(counts[:20]) > 0.25 * len(rows) and counts[len(counts) // 2] < 5
    categories = defaultdict(set)
    for row in rows:
        categories[row["merchant"]].add(row["category"])
    assert all(len(found) == 1 for found in categories.values())


def test_frauds_follow_frauds_of_the_card_are_larger_and_without_it(payments):
    _, rows = payments
    by_card = defaultdict(list)
    for row in rows:
        by_card[row["card"]].append(row)
    n_followed = 0
    for mine in by_card.values():
        frauds = [datetime.fromisoformat(row["when"]) for row in mine if row["fraud"] == "yes"]
        n_followed += sum(b - a < timedelta(hours=6) for a, b in zip(frauds, frauds[1:]))
    assert 0.4 < n_followed / (ROWS // 100) < 0.8
    logs = {"yes": [], "no": []}
    there = {"yes": [], "no": []}
    for row in rows:
        there[row["fraud"]].append(row["present"] == "yes")
        if row["amount"]:
            logs[row["fraud"]].append(np.log(float(row["amount"])))
    assert np.mean(logs["yes"]) > np.mean(logs["no"]) + 0.5
    assert np.mean(there["yes"]) < 0.25 < 0.6 < np.mean(there["no"])


# -- customers ---------------------------------------------------------------------------------------------------------


def test_segments_have_the_means_of_their_kinds(folder):
    truth = gen_customers.generate(folder / "data", "segments", ROWS)
    rows = read(folder / "data")
    assert truth["kinds"] == dict(sorted(Counter(row["kind"] for row in rows).items()))
    for kind, (share, age, spread, visits, log_spend, on_sale, letters, likes) in gen_customers.KINDS.items():
        mine = [row for row in rows if row["kind"] == kind]
        assert len(mine) / ROWS == pytest.approx(share, abs=0.015)
        ages, spends, sales = (
            np.array([float(row[name]) for row in mine if row[name]]) for name in ("age", "spend", "sale_share")
        )
        # Ages are cut to whole years.
        assert ages.mean() == pytest.approx(age - 0.5, abs=5 * spread / np.sqrt(len(ages)))
        assert np.log(spends).mean() == pytest.approx(log_spend, abs=5 * 0.45 / np.sqrt(len(spends)))
        assert sales.mean() == pytest.approx(on_sale, abs=0.02)
        assert np.mean([int(row["visits"]) for row in mine]) == pytest.approx(1 + visits, rel=0.05)
        assert np.mean([row["newsletter"] == "yes" for row in mine]) == pytest.approx(letters, abs=0.05)
        favourites = Counter(row["favourite"] for row in mine if row["favourite"])
        shares = [favourites[name] / favourites.total() for name in gen_customers.DEPARTMENTS]
        np.testing.assert_allclose(shares, likes, atol=0.04)


def test_a_regression_of_the_rows_gives_the_truth_of_spend(folder):
    truth = gen_customers.generate(folder / "data", "spend", ROWS)
    rows = read(folder / "data")
    assert len(truth["slips"]) == 5
    kept = [row for number, row in enumerate(rows, 1) if number not in truth["slips"]]
    kept = [row for row in kept if row["income"] and row["visits"] and row["channel"]]
    years = [day(row["joined"]).year for row in kept]
    X = np.column_stack([
        [np.log(float(row["income"])) for row in kept],
        [float(row["visits"]) for row in kept],
        np.array(years) - 2020.0,
        *([row["channel"] == name for row in kept] for name in ("shop", "web")),
        *([row["town"] == name for row in kept] for name in sorted({row["town"] for row in kept})),
    ]).astype(float)  # fmt: skip
    y = np.array([float(row["spend"]) for row in kept])
    weight = 1 / (X[:, 0] * 450 + X[:, 1] * 25 - 2800)  # about what the noise is divided by
    b, *_ = np.linalg.lstsq(X * weight[:, None], y * weight, rcond=None)
    cov = np.linalg.inv((X * weight[:, None]).T @ (X * weight[:, None]))
    e = (y - X @ b) * weight
    errors = np.sqrt(np.diag(cov) * (e @ e) / (len(y) - X.shape[1]))
    told = [*truth["coefficients"].values(), truth["channels"]["shop"], truth["channels"]["web"]]
    assert np.all(np.abs(b[:5] - told) < 4 * errors[:5]) and np.all(errors[:5] < [15, 1, 5, 20, 20])


def day(text: str) -> date:
    """A day, written in either way."""
    return datetime.strptime(text, "%d/%m/%Y").date() if "/" in text else date.fromisoformat(text)


def test_dates_are_written_in_two_ways_and_slips_are_ten_times_too_large(folder):
    truth = gen_customers.generate(folder / "data", "spend", 3000)
    rows = read(folder / "data")
    by_hand = [row for row in rows if "/" in row["joined"]]
    assert 0.25 < len(by_hand) / len(rows) < 0.35
    assert all(date(2018, 1, 1) <= day(row["joined"]) < date(2024, 1, 1) for row in rows)
    spend = np.array([float(row["spend"]) for row in rows])
    assert sorted(np.argsort(spend)[-5:] + 1) == truth["slips"]
    assert spend[np.array(truth["slips"]) - 1].min() > 2 * np.delete(spend, np.array(truth["slips"]) - 1).max()
    counts = Counter(row["town"] for row in rows)
    assert len(counts) > 140 and min(counts.values()) < 15 < 150 < max(counts.values())

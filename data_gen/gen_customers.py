"""Customers of a shop, two tables as a shop would export them, and the truth they were made from.

segments  customers of five kinds, which the column `kind` names (no real file has it): age, visits a year, money spent, the
          share of it on sale, favourite department, country, day of joining, newsletter; some cells are blank. Country, day
          and newsletter tell little or nothing of the kind
spend     what customers spend in a year,
              spend = a + b_1 log(income) + b_2 visits + b_3 year of joining + channel + town + noise
          with blanks, a skewed income, dates of joining that are written in two ways, 150 towns of which some are rare,
          noise that grows with what is spent, and a few rows in which somebody slipped with the decimal point

    python data_gen/gen_customers.py segments --rows 6000 --out customers.csv
    python data_gen/gen_customers.py spend --rows 6000 --out spend.csv

writes a table and its .truth.json. The same seed gives the same bytes (for one version of numpy).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from data_gen.writing import beside_its_truth, make_parser, run_generator

FIRST_DAY, N_DAYS = np.datetime64("2018-01-01"), 2190
COUNTRIES, OF_COUNTRIES = ("AT", "CH", "DE", "FR", "NL"), (0.1, 0.08, 0.6, 0.12, 0.1)
DEPARTMENTS = ("books", "clothes", "food", "garden", "sports", "toys")

# Of each kind: share, age and its spread, visits a year, the log of the money spent, share on sale, newsletter, and how
# often each department is the favourite.
KINDS = {
    "bargain": (0.22, 45.0, 11.0, 14.0, 5.4, 0.70, 0.60, (0.1, 0.5, 0.1, 0.1, 0.1, 0.1)),
    "family": (0.25, 38.0, 5.0, 30.0, 7.3, 0.35, 0.50, (0.05, 0.15, 0.25, 0.05, 0.1, 0.4)),
    "gardener": (0.18, 63.0, 6.0, 10.0, 6.8, 0.20, 0.40, (0.1, 0.05, 0.1, 0.7, 0.0, 0.05)),
    "reader": (0.20, 55.0, 12.0, 22.0, 5.7, 0.10, 0.70, (0.8, 0.05, 0.05, 0.05, 0.0, 0.05)),
    "sporty": (0.15, 26.0, 5.0, 7.0, 6.2, 0.30, 0.30, (0.05, 0.15, 0.0, 0.0, 0.8, 0.0)),
}
BLANK_OF_KINDS = {"age": 0.05, "spend": 0.02, "sale_share": 0.03, "favourite": 0.04}

N_TOWNS, N_SLIPS = 150, 5
CHANNELS = {"app": 0.0, "shop": -120.0, "web": -60.0}
INTERCEPT, OF_LOG_INCOME, OF_VISITS, OF_YEAR = 25_600.0, 450.0, 25.0, -14.0
NOISE = 0.22  # of what is expected
BLANK_OF_SPEND = {"income": 0.08, "visits": 0.03, "channel": 0.04}
SLIP = 10.0


@dataclass
class Customers:
    """columns: in the order of the file, each (rows,) texts, "" where a cell is blank; facts: what else the truth tells."""

    columns: dict[str, np.ndarray]
    facts: dict[str, Any]


def generate(path: str | os.PathLike[str], table: str, rows: int = 6000, seed: int = 0) -> dict[str, Any]:
    """Write a table to `path` and the truth to `path`.truth.json, and return the truth. Raises ValueError with one sentence
    for a wrong argument, OSError where it cannot write."""
    if table not in TABLES:
        raise ValueError(f"table must be one of {', '.join(TABLES)}, not {table!r}")
    if rows < 0:
        raise ValueError(f"rows must be 0 or more, not {rows}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed}")
    made = TABLES[table](rows, np.random.default_rng([seed, list(TABLES).index(table)]))
    truth = {
        "table": table, "columns": list(made.columns), **made.facts, "rows": rows, "seed": seed,
        "missing": {name: int((cells == "").sum()) for name, cells in made.columns.items()},
    }  # fmt: skip
    with beside_its_truth(path, truth) as data:
        data.write((",".join(made.columns) + "\n").encode())
        data.write(
            "".join(",".join(row) + "\n" for row in zip(*(cells.tolist() for cells in made.columns.values()))).encode()
        )
    return truth


def _segments(rows: int, rng: np.random.Generator) -> Customers:
    shares, ages, spreads, visits, logs, on_sale, letters, likes = (np.array(part) for part in zip(*KINDS.values()))
    kind = rng.choice(len(KINDS), rows, p=shares)
    cumulative = np.cumsum(likes, axis=1)[kind]
    favourite = (rng.random(rows)[:, None] > cumulative[:, :-1]).sum(axis=1)
    columns = {
        "customer": _texts((f"k{i:05d}" for i in range(rows)), rows),
        "age": _numbers(np.clip(rng.normal(ages[kind], spreads[kind]), 16, 95), "%d"),
        "visits": _numbers(1 + rng.poisson(visits[kind] * rng.gamma(8.0, 1 / 8, rows)), "%d"),
        "spend": _numbers(np.exp(rng.normal(logs[kind], 0.45)), "%.2f"),
        "sale_share": _numbers(rng.beta(12 * on_sale[kind], 12 * (1 - on_sale[kind])), "%.3f"),
        "favourite": np.array(DEPARTMENTS, object)[favourite],
        "country": np.array(COUNTRIES, object)[rng.choice(len(COUNTRIES), rows, p=OF_COUNTRIES)],
        "joined": _dates(rng.integers(N_DAYS, size=rows)),
        "newsletter": np.where(rng.random(rows) < letters[kind], "yes", "no").astype(object),
        "kind": np.array(list(KINDS), object)[kind],
    }
    sizes = {name: int((kind == k).sum()) for k, name in enumerate(KINDS)}
    return Customers(_blanked(columns, BLANK_OF_KINDS, rng), {"kinds": sizes})


def _spend(rows: int, rng: np.random.Generator) -> Customers:
    income = np.exp(rng.normal(10.4, 0.5, rows))
    visits = 1 + rng.poisson(20 * rng.gamma(2.0, 0.5, rows))
    joined = rng.integers(N_DAYS, size=rows)
    # The first towns have most of the customers, the last a handful.
    town = np.minimum((N_TOWNS * rng.random(rows) ** 2.2).astype(int), N_TOWNS - 1)
    of_town = np.round(np.random.default_rng(N_TOWNS).normal(0.0, 150.0, N_TOWNS))  # those of every seed
    channel = rng.choice(len(CHANNELS), rows, p=(0.4, 0.25, 0.35))
    year = (FIRST_DAY + joined).astype("datetime64[Y]").astype(int) + 1970
    expected = INTERCEPT + OF_LOG_INCOME * np.log(income) + OF_VISITS * visits + OF_YEAR * year
    expected += of_town[town] + np.array(list(CHANNELS.values()))[channel]
    spend = expected + NOISE * np.abs(expected) * rng.standard_normal(rows)
    slips = np.sort(rng.choice(rows, min(N_SLIPS, rows), replace=False))
    spend[slips] *= SLIP
    columns = {
        "customer": _texts((f"k{i:05d}" for i in range(rows)), rows),
        "income": _numbers(np.round(income, -2), "%d"),
        "visits": _numbers(visits, "%d"),
        "joined": np.where(rng.random(rows) < 0.7, _dates(joined), _dates(joined, as_written_by_hand=True)),
        "town": np.array([f"town {number:03d}" for number in range(N_TOWNS)], object)[town],
        "channel": np.array(list(CHANNELS), object)[channel],
        "spend": _numbers(spend, "%.2f"),
    }
    facts = {
        "coefficients": {"log income": OF_LOG_INCOME, "visits": OF_VISITS, "joined year": OF_YEAR},
        "channels": CHANNELS, "noise": NOISE, "slips": [int(row) + 1 for row in slips],
    }  # fmt: skip
    return Customers(_blanked(columns, BLANK_OF_SPEND, rng), facts)


Make = Callable[[int, np.random.Generator], Customers]
TABLES: dict[str, Make] = {"segments": _segments, "spend": _spend}


def _blanked(columns: dict[str, np.ndarray], shares: dict[str, float], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The columns, of which some have lost a share of their cells."""
    return {
        name: np.where(rng.random(len(cells)) < shares[name], "", cells) if name in shares else cells
        for name, cells in columns.items()
    }


def _dates(days: np.ndarray, as_written_by_hand: bool = False) -> np.ndarray:
    """2021-03-09, or 09/03/2021."""
    texts = np.datetime_as_string(FIRST_DAY + days).tolist() if len(days) else []
    if as_written_by_hand:
        texts = ["/".join(reversed(text.split("-"))) for text in texts]
    return _texts(texts, len(days))


def _numbers(values: np.ndarray, how: str) -> np.ndarray:
    return _texts((how % value for value in values.tolist()), len(values))


def _texts(texts: Any, n: int) -> np.ndarray:
    return np.fromiter(texts, dtype=object, count=n)


def main(argv: list[str] | None = None) -> int:
    parser = make_parser("Generate a table of customers of a shop, and the truth it was made from.")
    parser.add_argument("table", choices=list(TABLES))
    parser.add_argument("--rows", type=int, default=6000, help="Default: %(default)s")
    return run_generator(parser, generate, argv)


if __name__ == "__main__":
    sys.exit(main())

"""Tables made in the manner of real ones, and the truth they were made from: what people export, not what programs like.

houses   comma, CRLF, UTF-8 with a byte order mark; quoted addresses with commas, doubled quotes and line ends in them;
         1,000 postcodes, some with a leading zero; missing cells written NA, ? and as nothing
             price = a + b_1 rooms + b_2 area + b_3 year_built + b_4 sold + garden + postcode + noise
orders   semicolon, CR line ends, Latin-1 with umlauts in header and cells; order numbers beyond 2^53; dates with times;
         quoted names of customers; the header once more in the middle, as where two files were joined into one
             Betrag = a + b_1 Stück + b_2 Bestellt + Warengruppe + noise
sensors  tab, gzip, names with units; 40 channels, whose missing cells are written nan; a column that is constant, one
         without any value, some cells ERR; weights 1/var that are the inverse variances of the noise
             flow = a + sum_j b_j channel_j + noise / sqrt(1/var)

A date counts in days since 1970; a text has the difference of its effect from that of the first text in alphabetical order:
the truth is on the scale of the coefficients that a linear model gives. `table_of` gives the columns as arrays, before they
are written; each number is written so that a reader turns it back into the very same double.

The same seed gives the same bytes (for one version of numpy, and of zlib for sensors). All names are invented.

    python data_gen/gen_tables.py houses --rows 20000 --seed 0 --out houses.csv

writes houses.csv (1.5 MB) and houses.csv.truth.json.
"""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, BinaryIO

import numpy as np

from data_gen.writing import beside_its_truth, make_parser, run_generator

# Rows that are text at one time.
CHUNK_ROWS = 4096
SPELLINGS = ("NA", "", "?")  # of the missing cells of houses
N_POSTCODES = 1000
FIRST_ORDER = 2**56 + 1  # float64 holds every 16th whole number there
N_CHANNELS = 40
N_ERRORS = 7

LANES = ("Mill Lane", "Weir Street", "Orchard Road", "Chapel Hill", "Quarry Walk", "Ferry Row", "Heron Close")
NAMES = ("The Barn", "Rook's Nest", "Old Forge", "Number Nine", "Seven Elms")
TOWNS = ("Aldermoor", "Brackwell", "Cotterford", "Dunmere", "Easterby")
GROUPS = {
    "Bücher": 0.0, "Büro": 14.0, "Fahrräder": 310.0, "Gartengeräte": 62.0, "Gewürze & Öle": -6.0, "Haushalt": 21.0,
    "Kleidung": 33.0, "Möbel": 240.0, "Schmuck": 145.0, "Spielzeug": 12.0, "Süßwaren": -11.0, "Übungsgeräte": 97.0,
}  # fmt: skip
FAMILIES = ("Müller", "Groß", "Schäfer", "Özdemir", "König", "Weiß", "Lange", "Brandt")
GIVEN = ("Jürgen", "Änne", "Sören", "Ruth", "Björn", "Käthe", "Paul")
CHANNELS = (("temp", "[°C]", 60.0, 12.0), ("pressure", "[kPa]", 101.3, 4.0), ("speed", "[mm/s]", 2.5, 0.8))
FLOW, WEIGHT, CONSTANT, EMPTY = "flow [l/min]", "1/var", "gain [dB]", "spare [V]"

Format = str | Callable[[Any], str]


@dataclass
class Table:
    """A table before it is written, and what it was made from.

    columns: in the order of the file, each (rows,): numbers as float64 or int64, dates as datetime64, texts as objects;
    NaN, NaT or None where the cell is missing. slopes, effects: of the features that are numbers or dates, and of the texts
    of the others. bad_rows: the rows, counted from 0, that hold a cell which is no number.
    """

    columns: dict[str, np.ndarray]
    target: str
    features: list[str]
    intercept: float
    slopes: dict[str, float]
    noise: float
    effects: dict[str, dict[str, float]] = field(default_factory=dict)
    weight: str | None = None
    bad_rows: list[int] = field(default_factory=list)

    def truth(self) -> dict[str, Any]:
        """The coefficients under the names that a linear model gives them, and what the file holds."""
        coefficients: dict[str, float] = {}
        intercept = self.intercept
        for name in self.features:
            if name in self.slopes:
                coefficients[name] = self.slopes[name]
                continue
            effects = self.effects[name]
            texts = sorted({text for text in self.columns[name] if text is not None})
            if texts:
                intercept += effects[texts[0]]
            coefficients |= {f"{name}={text}": effects[text] - effects[texts[0]] for text in texts[1:]}
        return {
            "coefficients": list(coefficients.values()),
            "intercept": intercept,
            "noise": self.noise,
            "columns": list(self.columns),
            "features": list(coefficients),
            "target": self.target,
            "weight": self.weight,
            "missing": {name: int(is_missing(values).sum()) for name, values in self.columns.items()},
            "bad_rows": len(self.bad_rows),
        }


def generate(path: str | os.PathLike[str], table: str, rows: int = 20_000, seed: int = 0) -> dict[str, Any]:
    """Write a table to `path` and the truth to `path`.truth.json, and return the truth.

    Each file appears whole or not at all, the truth first: where there is data there is its truth. Raises ValueError with
    one sentence for a wrong argument, OSError where it cannot write.
    """
    made = table_of(table, rows, seed)
    truth = {"table": table, **made.truth(), "rows": rows, "seed": seed}
    with beside_its_truth(path, truth) as data:
        TABLES[table][1](made, data)
    return truth


def table_of(table: str, rows: int = 20_000, seed: int = 0) -> Table:
    """The columns of a table as arrays. Raises ValueError with one sentence for a wrong argument."""
    if table not in TABLES:
        raise ValueError(f"table must be one of {', '.join(TABLES)}, not {table!r}")
    if rows < 0:
        raise ValueError(f"rows must be 0 or more, not {rows}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed}")
    return TABLES[table][0](rows, np.random.default_rng([seed, list(TABLES).index(table)]))


def is_missing(values: np.ndarray) -> np.ndarray:
    """Which cells of a column are missing: (rows,)."""
    if values.dtype == object:
        return np.array([value is None for value in values], dtype=bool)
    return np.isnat(values) if values.dtype.kind == "M" else np.isnan(values)


def days(dates: np.ndarray) -> np.ndarray:
    """Dates as days since 1970, NaN where there is none: (rows,)."""
    seconds = dates.astype("datetime64[s]").astype(np.int64)
    return np.where(np.isnat(dates), np.nan, seconds / 86_400)


# -- houses ------------------------------------------------------------------------------------------------------------


def _houses(rows: int, rng: np.random.Generator) -> Table:
    numbers = np.sort(rng.choice(np.arange(1_001, 99_999), N_POSTCODES, replace=False))
    postcodes = np.array([f"{number:05d}" for number in numbers], dtype=object)
    of_postcode = np.round(rng.normal(0, 30_000, N_POSTCODES))
    postcode = rng.integers(N_POSTCODES, size=rows)
    garden = rng.integers(2, size=rows)
    rooms = rng.integers(1, 9, size=rows).astype(float)
    area = np.round(18 * rooms + rng.gamma(4, 8, size=rows), 1)
    year_built = rng.integers(1880, 2021, size=rows).astype(float)
    sold = np.datetime64("2015-01-01") + rng.integers(3_287, size=rows).astype("timedelta64[D]")
    slopes = {"rooms": 6_000.0, "area": 2_500.0, "year_built": 150.0, "sold": 12.5}
    effects = {"garden": {"no": 0.0, "yes": 18_000.0}, "postcode": dict(zip(postcodes.tolist(), of_postcode.tolist()))}
    intercept, noise = -450_000.0, 15_000.0
    price = intercept + effects["garden"]["yes"] * garden + of_postcode[postcode] + noise * rng.standard_normal(rows)
    for name, values in {"rooms": rooms, "area": area, "year_built": year_built, "sold": days(sold)}.items():
        price += slopes[name] * values
    columns = {
        "address": _addresses(rows, rng),
        "postcode": postcodes[postcode],
        "rooms": rooms,
        "area": _without(area, 0.01, np.nan, rng),
        "year_built": _without(year_built, 0.02, np.nan, rng),
        "sold": _without(sold, 0.005, np.datetime64("NaT"), rng),
        "garden": _without(np.array(["no", "yes"], dtype=object)[garden], 0.01, None, rng),
        "price": _without(np.round(price), 0.005, np.nan, rng),
    }
    return Table(columns, "price", [*slopes, *effects], intercept, slopes, noise, effects)


def _addresses(rows: int, rng: np.random.Generator) -> np.ndarray:
    """Addresses on one line or on two, a third of them with the name of the house in quotes."""
    picks = rng.integers([400, len(LANES), len(NAMES), len(TOWNS), 3, 4], size=(rows, 6)).tolist()
    addresses = np.empty(rows, dtype=object)
    for i, (number, lane, name, town, named, split) in enumerate(picks):
        house = f'"{NAMES[name]}", ' if named == 0 else ""
        addresses[i] = f"{house}{number + 1} {LANES[lane]},{' ' if split else chr(10)}{TOWNS[town]}"
    return addresses


def _without(values: np.ndarray, share: float, missing: Any, rng: np.random.Generator) -> np.ndarray:
    """A column that has lost this share of its cells."""
    return np.where(rng.random(len(values)) < share, missing, values)


def _write_houses(table: Table, file: BinaryIO) -> None:
    formats: dict[str, Format] = {"address": _quoted, "rooms": "%d", "area": "%.1f", "year_built": "%d", "price": "%d"}
    spelled = {name: cycle(SPELLINGS) for name in table.columns}
    file.write(b"\xef\xbb\xbf" + (",".join(table.columns) + "\r\n").encode())
    for chunk in _chunks(table, 0, len(table.columns["price"])):
        written = []
        for name, values in chunk.items():
            cells = _cells(values, formats.get(name, "%s"))
            written.append([next(spelled[name]) if missing else cell for cell, missing in zip(cells, is_missing(values))])
        file.write("".join(",".join(row) + "\r\n" for row in zip(*written)).encode())


# -- orders ------------------------------------------------------------------------------------------------------------


def _orders(rows: int, rng: np.random.Generator) -> Table:
    groups = np.array(list(GROUPS), dtype=object)
    group = (len(groups) * rng.random(rows) ** 1.5).astype(int)
    pieces = rng.integers(1, 13, size=rows).astype(float)
    ordered = np.datetime64("2023-01-01T00:00:00") + np.sort(rng.integers(365 * 86_400, size=rows)).astype("timedelta64[s]")
    slopes = {"Stück": 7.5, "Bestellt": 0.04}
    intercept, noise = -700.0, 9.0
    amount = intercept + slopes["Stück"] * pieces + slopes["Bestellt"] * days(ordered)
    amount += np.array(list(GROUPS.values()))[group] + noise * rng.standard_normal(rows)
    columns = {
        "Bestellnummer": FIRST_ORDER + 3 * np.arange(rows, dtype=np.int64),
        "Kunde": _customers(rows, rng),
        "Warengruppe": groups[group],
        "Bestellt": ordered,
        "Stück": pieces,
        "Betrag": np.round(amount, 2),
    }
    return Table(columns, "Betrag", [*slopes, "Warengruppe"], intercept, slopes, noise, {"Warengruppe": GROUPS})


def _customers(rows: int, rng: np.random.Generator) -> np.ndarray:
    """Names with a comma in them, and a fifth of firms, with a semicolon."""
    customers = np.empty(rows, dtype=object)
    for i, (family, given, firm) in enumerate(rng.integers([len(FAMILIES), len(GIVEN), 5], size=(rows, 3)).tolist()):
        customers[i] = f"{FAMILIES[family]}, {GIVEN[given]}" if firm else f"{FAMILIES[family]} & Söhne; Einkauf"
    return customers


def _write_orders(table: Table, file: BinaryIO) -> None:
    formats: dict[str, Format] = {"Kunde": _quoted, "Stück": "%d", "Betrag": "%.2f"}
    rows = len(table.columns["Betrag"])
    for start, stop in ((0, rows // 2), (rows // 2, rows)):
        file.write((";".join(table.columns) + "\r").encode("latin-1"))
        for chunk in _chunks(table, start, stop):
            written = [_cells(values, formats.get(name, "%s")) for name, values in chunk.items()]
            file.write("".join(";".join(row) + "\r" for row in zip(*written)).encode("latin-1"))


# -- sensors -----------------------------------------------------------------------------------------------------------


def _sensors(rows: int, rng: np.random.Generator) -> Table:
    weight = np.round(np.exp(rng.uniform(-2, 2, size=rows)), 6)
    intercept, noise = 250.0, 1.0
    flow = intercept + noise * rng.standard_normal(rows) / np.sqrt(weight)
    channels: dict[str, np.ndarray] = {}
    slopes: dict[str, float] = {}
    for j in range(N_CHANNELS):
        kind, unit, mean, spread = CHANNELS[j % len(CHANNELS)]
        name = f"{kind}{j + 1} {unit}"
        values = np.round(rng.normal(mean, spread, size=rows), 4)
        slopes[name] = round(rng.uniform(-0.5, 1), 3)
        flow += slopes[name] * values
        channels[name] = _without(values, 0.001, np.nan, rng)
    columns = {FLOW: np.round(flow, 4), **channels, CONSTANT: np.full(rows, 1.5), EMPTY: np.full(rows, np.nan)}
    bad_rows = np.sort(rng.choice(rows, min(N_ERRORS, rows), replace=False)).tolist()
    columns[WEIGHT] = weight
    return Table(columns, FLOW, list(slopes), intercept, slopes, noise, weight=WEIGHT, bad_rows=bad_rows)


def _write_sensors(table: Table, file: BinaryIO) -> None:
    formats = {WEIGHT: "%.6f"}
    rows, first = len(table.columns[FLOW]), list(table.columns).index(table.features[0])
    # Neither a time nor a name in it, so that the same rows are the same bytes.
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6) as packed:
        packed.write(("\t".join(table.columns) + "\n").encode())
        done = 0
        for chunk in _chunks(table, 0, rows):
            written = [_cells(values, formats.get(name, "%.4f")) for name, values in chunk.items()]
            for row in table.bad_rows:
                if 0 <= row - done < len(written[0]):
                    written[first + row % N_CHANNELS][row - done] = "ERR"
            packed.write("".join("\t".join(cells) + "\n" for cells in zip(*written)).encode())
            done += len(written[0])


# -- writing -----------------------------------------------------------------------------------------------------------

Make = Callable[[int, np.random.Generator], Table]
Write = Callable[[Table, BinaryIO], None]
TABLES: dict[str, tuple[Make, Write]] = {
    "houses": (_houses, _write_houses),
    "orders": (_orders, _write_orders),
    "sensors": (_sensors, _write_sensors),
}


def _chunks(table: Table, start: int, stop: int) -> Iterator[dict[str, np.ndarray]]:
    """The rows from start to stop, some thousand at a time."""
    for first in range(start, stop, CHUNK_ROWS):
        last = min(stop, first + CHUNK_ROWS)
        yield {name: values[first:last] for name, values in table.columns.items()}


def _cells(values: np.ndarray, how: Format) -> list[str]:
    """The cells of a column as text, by a format or a function; dates as YYYY-MM-DD, with a time where they have one."""
    if values.dtype.kind == "M":
        return [text.replace("T", " ") for text in np.datetime_as_string(values).tolist()]
    if callable(how):
        return [how(value) for value in values.tolist()]
    # A missing number has no whole number to be written as; what stands for it, the table says.
    if values.dtype.kind == "f" and how == "%d":
        values = np.nan_to_num(values)
    return [how % value for value in values.tolist()]


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def main(argv: list[str] | None = None) -> int:
    parser = make_parser("Generate a table in the manner of a real one, and the truth it was made from.")
    parser.add_argument("table", choices=list(TABLES))
    parser.add_argument("--rows", type=int, default=20_000, help="Default: %(default)s")
    return run_generator(parser, generate, argv)


if __name__ == "__main__":
    sys.exit(main())

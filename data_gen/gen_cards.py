"""Payments by card in the order of time, about one in a hundred a fraud, and the truth they were made from.

Each card has a usual amount and pays at a few merchants that many like and at many that few do. A fraud is an episode: from
some moment on a stranger pays with the card, once or a few times within hours, mostly without it, often abroad, often at
night, larger amounts, and rather at some merchants than at others. So what a card did before says much, and no column alone
does. Some amounts and devices are blank, and the minutes since the card's last payment are where there is none.

    python data_gen/gen_cards.py --rows 50000 --until 2025-03-01 --out cards-train.csv
    python data_gen/gen_cards.py --rows 50000 --since 2025-03-01 --out cards-test.csv

writes two parts of one table of 50,000 payments of January to March 2025, each with its .truth.json: the rows do not depend
on how they are cut. All names are invented. The same seed gives the same bytes (for one version of numpy).
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from data_gen.writing import beside_its_truth, make_parser, run_generator

START, N_DAYS = np.datetime64("2025-01-01T00:00:00"), 90
FRAUD_SHARE = 0.01
MOST_OF_AN_EPISODE = 8
N_MERCHANTS = 3000
ROWS_A_CARD = 35
BLANK = {"amount": 0.02, "device": 0.05}

# How often the hours of a day see a payment, and a stranger's.
HOURS = np.array([2, 1, 1, 1, 1, 2, 4, 7, 9, 9, 10, 11, 13, 12, 10, 10, 11, 13, 14, 12, 10, 8, 6, 4], float)
HOURS_OF_FRAUD = HOURS + 7.0 * (np.arange(24) < 6)
# A category: how many merchants of a hundred, the log of its usual amount, how often the card is there.
CATEGORIES = {
    "books": (6, 2.7, 0.5), "clothes": (12, 3.6, 0.6), "electronics": (7, 4.6, 0.4), "fuel": (7, 3.7, 0.99),
    "games": (4, 2.6, 0.05), "groceries": (24, 3.2, 0.9), "health": (6, 3.0, 0.85), "hotels": (4, 4.9, 0.3),
    "jewellery": (2, 5.0, 0.7), "restaurants": (20, 3.1, 0.95), "tickets": (4, 4.0, 0.1), "travel": (4, 5.1, 0.15),
}  # fmt: skip
COUNTRIES = {"GB": 0.84, "IE": 0.05, "FR": 0.04, "ES": 0.03, "US": 0.02, "CN": 0.01, "BR": 0.01}
COUNTRIES_OF_FRAUD = {"GB": 0.55, "IE": 0.05, "FR": 0.06, "ES": 0.06, "US": 0.12, "CN": 0.08, "BR": 0.08}
# What the customer pays with: where the card is there, mostly nothing else.
DEVICES = ("none", "android", "ios", "windows", "mac")
DEVICES_THERE, DEVICES_AWAY = (0.6, 0.2, 0.2, 0.0, 0.0), (0.0, 0.3, 0.35, 0.22, 0.13)
DEVICES_OF_FRAUD = (0.0, 0.4, 0.1, 0.45, 0.05)
PLACES = (
    "Harbour",
    "Station",
    "Castle",
    "Mill",
    "Bridge",
    "Orchard",
    "Quarry",
    "Beacon",
    "Ferry",
    "Abbey",
    "Weir",
    "Chapel",
)
COLUMNS = (
    "when", "card", "merchant", "category", "country", "amount", "device", "present", "minutes", "fraud",
)  # fmt: skip


@dataclass
class Payments:
    """Payments in the order of time, each field of shape (n,).

    when: datetime64[s]; card, merchant: numbers of theirs from 0; category, country, device: texts; present, fraud: bool;
    amount, minutes: NaN where there is none.
    """

    when: np.ndarray
    card: np.ndarray
    merchant: np.ndarray
    category: np.ndarray
    country: np.ndarray
    amount: np.ndarray
    device: np.ndarray
    present: np.ndarray
    minutes: np.ndarray
    fraud: np.ndarray


def payments_of(rows: int, seed: int = 0) -> Payments:
    """All payments of the three months. Raises ValueError with one sentence for a wrong argument."""
    if rows < 0:
        raise ValueError(f"rows must be 0 or more, not {rows}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed}")
    rng = np.random.default_rng(seed)
    n_fraud = round(FRAUD_SHARE * rows)
    n_cards = max(1, rows // ROWS_A_CARD)
    fraud = np.arange(rows) >= rows - n_fraud
    card = rng.choice(n_cards, rows, p=_shares(rng.gamma(2.0, size=n_cards)))
    second = rng.integers(N_DAYS, size=rows) * 86_400 + _hours(HOURS, rows, rng)
    second[fraud], card[fraud] = _episodes(n_fraud, n_cards, rng)
    # The first merchants have most of the payments; strangers prefer some, whatever their size.
    liked = 1.0 / np.arange(2, N_MERCHANTS + 2) ** 1.05
    risk = rng.normal(0.0, 1.5, N_MERCHANTS)
    merchant = rng.choice(N_MERCHANTS, rows, p=_shares(liked))
    merchant[fraud] = rng.choice(N_MERCHANTS, n_fraud, p=_shares(liked * np.exp(risk)))
    common, usual, there = np.array(list(CATEGORIES.values())).T
    category = rng.choice(len(CATEGORIES), N_MERCHANTS, p=_shares(common))[merchant]
    present = rng.random(rows) < np.where(fraud, 0.25, 1.0) * there[category]
    of_card = rng.normal(0.0, 0.5, n_cards)
    amount = np.exp(usual[category] + of_card[card] + rng.normal(0.0, 0.6, rows) + np.where(fraud, 0.7, 0.0))
    device = np.where(present, _drawn(DEVICES_THERE, rows, rng), _drawn(DEVICES_AWAY, rows, rng))
    device = np.where(fraud & ~present, _drawn(DEVICES_OF_FRAUD, rows, rng), device)
    country = np.where(fraud, _drawn(COUNTRIES_OF_FRAUD.values(), rows, rng), _drawn(COUNTRIES.values(), rows, rng))
    amount = np.where(rng.random(rows) < BLANK["amount"], np.nan, np.maximum(0.01, np.round(amount, 2)))
    texts = {
        "category": np.array(list(CATEGORIES), object)[category],
        "country": np.array(list(COUNTRIES), object)[country],
        "device": np.where(rng.random(rows) < BLANK["device"], "", np.array(DEVICES, object)[device]),
    }
    numbers = {"card": card, "merchant": merchant, "amount": amount, "present": present, "fraud": fraud}
    order = np.argsort(second, kind="stable")
    columns = {name: values[order] for name, values in {**numbers, **texts}.items()}
    second = second[order]
    return Payments(START + second.astype("timedelta64[s]"), minutes=_since_last(second, columns["card"]), **columns)


def generate(
    path: str | os.PathLike[str], rows: int = 50_000, since: str | None = None, until: str | None = None, seed: int = 0
) -> dict[str, Any]:
    """Write those of the payments that are at or after `since` and before `until` to `path` and the truth to
    `path`.truth.json, and return the truth. Raises ValueError with one sentence for a wrong argument, OSError where it
    cannot write."""
    made = payments_of(rows, seed)
    first, last = _moment("since", since, made.when[:1]), _moment("until", until, made.when[-1:] + 1)
    kept = np.flatnonzero((made.when >= first) & (made.when < last)) if rows else np.empty(0, int)
    truth = {
        "columns": list(COLUMNS), "target": "fraud", "rows": len(kept), "frauds": int(made.fraud[kept].sum()),
        "cards": len(np.unique(made.card[kept])), "merchants": len(np.unique(made.merchant[kept])),
        "missing": {
            "amount": int(np.isnan(made.amount[kept]).sum()), "device": int((made.device[kept] == "").sum()),
            "minutes": int(np.isnan(made.minutes[kept]).sum()),
        },
        "of_rows": rows, "since": since, "until": until, "seed": seed,
    }  # fmt: skip
    with beside_its_truth(path, truth) as data:
        data.write((",".join(COLUMNS) + "\n").encode())
        cells = [
            [text.replace("T", " ") for text in np.datetime_as_string(made.when[kept]).tolist()],
            [f"c{number:05d}" for number in made.card[kept].tolist()],
            [_merchant_name(number) for number in made.merchant[kept].tolist()],
            made.category[kept].tolist(), made.country[kept].tolist(), _numbers(made.amount[kept], "%.2f"),
            made.device[kept].tolist(), _words(made.present[kept]), _numbers(made.minutes[kept], "%d"),
            _words(made.fraud[kept]),
        ]  # fmt: skip
        data.write("".join(",".join(row) + "\n" for row in zip(*cells)).encode())
    return truth


def _episodes(n_fraud: int, n_cards: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The second and the card of each of the frauds."""
    sizes = np.minimum(rng.geometric(0.4, size=n_fraud), MOST_OF_AN_EPISODE)
    episode = np.repeat(np.arange(n_fraud), sizes)[:n_fraud]
    begin = rng.integers(N_DAYS, size=n_fraud) * 86_400 + _hours(HOURS_OF_FRAUD, n_fraud, rng)
    gaps = rng.exponential(40 * 60, size=n_fraud).astype(int)
    passed = np.cumsum(gaps)
    first = np.searchsorted(episode, episode)  # where the episode of each begins
    second = begin[episode] + passed - passed[first]
    return np.minimum(second, N_DAYS * 86_400 - 1), rng.integers(n_cards, size=n_fraud)[episode]


def _hours(often: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Seconds of a day."""
    return rng.choice(24, n, p=_shares(often)) * 3600 + rng.integers(3600, size=n)


def _drawn(shares: Any, n: int, rng: np.random.Generator) -> np.ndarray:
    values = _shares(np.array(list(shares)))
    return rng.choice(len(values), n, p=values)


def _shares(values: np.ndarray) -> np.ndarray:
    return values / values.sum()


def _since_last(second: np.ndarray, card: np.ndarray) -> np.ndarray:
    """Whole minutes since the card's last payment, NaN where there is none: of payments in the order of time."""
    order = np.argsort(card, kind="stable")
    gaps = np.diff(second[order]) // 60
    minutes = np.full(len(second), np.nan)
    minutes[order[1:]] = np.where(np.diff(card[order]) == 0, gaps, np.nan)
    return minutes


def _moment(option: str, text: str | None, otherwise: np.ndarray) -> np.datetime64:
    if text is None:
        return otherwise[0] if len(otherwise) else START
    try:
        return np.datetime64(text, "s")
    except ValueError:
        raise ValueError(f"{option} must be a date like 2025-03-01, not {text!r}") from None


def _merchant_name(number: int) -> str:
    return f"{PLACES[number % len(PLACES)]} {number:04d}"


def _numbers(values: np.ndarray, how: str) -> list[str]:
    return ["" if value != value else how % value for value in values.tolist()]


def _words(values: np.ndarray) -> list[str]:
    return ["yes" if value else "no" for value in values.tolist()]


def main(argv: list[str] | None = None) -> int:
    parser = make_parser("Generate payments by card, some of them frauds, and the truth they were made from.")
    parser.add_argument("--rows", type=int, default=50_000, help="of all three months. Default: %(default)s")
    parser.add_argument("--since", metavar="DATE", help="write the payments from then on")
    parser.add_argument("--until", metavar="DATE", help="write the payments before")
    return run_generator(parser, generate, argv)


if __name__ == "__main__":
    sys.exit(main())

"""Row keys: the known values of SplitMix64, and bits that pass for random however they are looked at."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy import stats

from jobs.keys import derive, id_keys, mix, row_keys

MASK = 2**64 - 1


def splitmix64(state: int) -> int:
    """The next output of SplitMix64 from a state, in Python's own integers (Steele, Lea and Flood 2014, fig. 16)."""
    z = (state + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def fair(counts: np.ndarray, expected: float) -> bool:
    """Whether buckets are filled neither too unevenly nor too evenly for chance."""
    p = stats.chi2.sf(np.sum((counts - expected) ** 2 / expected), counts.size - 1)
    return 1e-4 < p < 1 - 1e-4


# -- known values -------------------------------------------------------------------------------------------------------


def test_mix_is_splitmix64():
    # The first three outputs of the published generator for seed 1234567.
    state, outputs = 1234567, []
    for _ in range(3):
        outputs.append(int(mix(np.array([state], np.uint64))[0]))
        state = (state + 0x9E3779B97F4A7C15) & MASK
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]
    values = [0, 1, 2**32, 2**63, MASK, MASK - 5, 0x9E3779B97F4A7C15]
    assert mix(np.array(values, np.uint64)).tolist() == [splitmix64(value) for value in values]


@pytest.mark.parametrize("part, number", [(0, 0), (0, 1), (1, 0), (2**55 + 3, 2**40 + 1), (5, 2**18)])
def test_row_keys_are_what_the_same_steps_give_in_plain_integers(part, number):
    base = splitmix64((splitmix64(part) + number) & MASK)
    expected = [splitmix64((base + row) & MASK) for row in range(50)]
    assert row_keys(part, number, 50).tolist() == expected


def test_row_keys_never_change():
    """A sample, a fold or a start that someone has kept would change with them."""
    assert row_keys(0, 0, 3).tolist() == [2558736989570252433, 4764156602392020899, 10603934637868093999]
    assert row_keys(7, 12, 1).tolist() == [14450337405034904100]
    assert id_keys(np.array([5, -5])).tolist() == [splitmix64(5), splitmix64(-5 & MASK)]
    assert id_keys(np.array([0.5])).tolist() == [splitmix64(0x3FE0000000000000)]
    salt = int.from_bytes(hashlib.sha256(b"sample:3").digest()[:8], "little")
    assert derive(np.array([9], np.uint64), 3, "sample").tolist() == [splitmix64(9 ^ salt)]


# -- where the keys come from ------------------------------------------------------------------------------------------


def test_a_key_depends_on_the_place_alone():
    assert row_keys(3, 4, 1000)[:10].tolist() == row_keys(3, 4, 10).tolist()
    assert len(row_keys(3, 4, 0)) == 0
    assert row_keys(1, 1, 5).dtype == np.uint64


def test_no_two_places_of_a_table_share_a_key():
    keys = np.concatenate([row_keys(part, number, 500) for part in range(20) for number in range(20)])
    assert len(np.unique(keys)) == len(keys)


def test_an_id_keeps_its_key_in_any_order_and_type_of_integer():
    ids = np.array([4, -9, 2**31 - 1, 0], np.int32)
    keys = id_keys(ids)
    assert id_keys(ids.astype(np.int64)).tolist() == keys.tolist()
    assert id_keys(ids[::-1]).tolist() == keys.tolist()[::-1]
    assert len(set(keys.tolist())) == 4
    assert id_keys(np.array([-0.0])).tolist() == id_keys(np.array([0.0])).tolist()
    assert id_keys(ids.astype(float)).tolist() == keys.tolist()
    floats = np.array([0.1, 0.2, 1e300])
    assert len(set(id_keys(floats).tolist())) == 3
    assert floats.tolist() == [0.1, 0.2, 1e300]


# -- uniform and independent -------------------------------------------------------------------------------------------

SOURCES = {
    "rows": lambda: np.concatenate([row_keys(0, number, 256) for number in range(256)]),
    "parts": lambda: np.concatenate([row_keys(part, 0, 1) for part in range(65536)]),
    "blocks": lambda: np.concatenate([row_keys(0, number, 1) for number in range(65536)]),
    "ids": lambda: id_keys(np.arange(65536)),
    "even ids": lambda: id_keys(np.arange(65536) * 1024),
    "whole numbers as floats": lambda: id_keys(np.arange(65536.0)),
    "derived": lambda: derive(row_keys(0, 0, 65536), 0, "sample"),
    "seeds": lambda: np.concatenate([derive(np.array([0], np.uint64), seed, "folds") for seed in range(65536)]),
}


@pytest.mark.parametrize("source", SOURCES)
def test_keys_are_uniform(source):
    keys = SOURCES[source]()
    n = len(keys)
    assert fair(np.bincount((keys >> np.uint64(56)).astype(int), minlength=256), n / 256), "high bits"
    assert fair(np.bincount((keys & np.uint64(255)).astype(int), minlength=256), n / 256), "low bits"
    assert fair(np.bincount((keys % np.uint64(5)).astype(int), minlength=5), n / 5), "five folds"
    ones = np.array([np.count_nonzero((keys >> np.uint64(bit)) & np.uint64(1)) for bit in range(64)])
    assert np.all(np.abs(ones - n / 2) < 4.5 * np.sqrt(n) / 2), "each bit"


def pairs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How often each pair of upper four bits comes, (256,)."""
    shift = np.uint64(60)
    return np.bincount(((a >> shift) * np.uint64(16) + (b >> shift)).astype(int), minlength=256)


KEYS = row_keys(0, 0, 65536)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda: derive(KEYS, 1, "sample"), id="another seed"),
        pytest.param(lambda: derive(KEYS, 0, "folds"), id="another purpose"),
        pytest.param(lambda: derive(KEYS, 0, "sample1"), id="a longer purpose"),
        pytest.param(lambda: KEYS, id="the key itself"),
        pytest.param(lambda: np.roll(derive(KEYS, 0, "sample"), 1), id="the row before"),
        pytest.param(lambda: derive(row_keys(0, 1, 65536), 0, "sample"), id="the next block"),
        pytest.param(lambda: derive(row_keys(1, 0, 65536), 0, "sample"), id="the next part"),
    ],
)
def test_purposes_seeds_and_places_are_independent(other):
    assert fair(pairs(derive(KEYS, 0, "sample"), other()), len(KEYS) / 256)


def test_purpose_and_seed_do_not_run_together():
    assert derive(KEYS[:4], 11, "a").tolist() != derive(KEYS[:4], 1, "a1").tolist()
    assert derive(KEYS[:4], 1, "a:1").tolist() != derive(KEYS[:4], 1, "a").tolist()
    before = KEYS[:4].tolist()
    derive(KEYS[:4], 1, "a")
    assert KEYS[:4].tolist() == before

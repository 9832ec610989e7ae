"""Statistics of many keys: keys that can be read again, merging by sorted keys, and the tree that keeps the bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.errors import BadBlock, BadRecord
from jobs.kernels.count import CountStatistics
from jobs.kernels.keyed import NEVER, bucket_bounds, fold, grouped, keys_of, values_of
from jobs.kernels.wols_groups import WOLSGroupsQuery, WOLSGroupsStatistics
from jobs.keyed_tree import Entries, KeyedTree, _bit_length, joined_entries, merged_entries
from jobs.keys import mix
from jobs.tree import MergeTree
from tests.registry import make_rows

QUERY = WOLSGroupsQuery(2, 4)
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=40, deadline=None, derandomize=True)


def rows_of(rng, n, n_groups):
    rows = make_rows(rng.normal(size=(n, 2)), rng.normal(size=n), rng.gamma(1.0, size=n))
    rows.groups = rng.integers(0, n_groups, n)
    return rows


def draw_blocks(rng, n_blocks=None, n_groups=12):
    """Rows for blocks of two parts; most groups are in few of them."""
    sizes = rng.integers(0, 9, int(rng.integers(1, 14)) if n_blocks is None else n_blocks)
    first = [((0, j), rows_of(rng, int(n), n_groups)) for j, n in enumerate(sizes)]
    second = [((2**63 + 5, j), rows_of(rng, 4, n_groups)) for j in range(int(rng.integers(0, 4)))]
    return first + second


def leaf(rows):
    return WOLSGroupsStatistics.leaf(rows, QUERY)


def merged_one_key_at_a_time(blocks):
    """By the tree for whole results, with a tree for each key; another route to the same bits."""
    keys = np.unique(np.concatenate([rows.group_keys for _, rows in blocks] or [np.zeros(0, np.uint64)]))
    found = [WOLSGroupsStatistics.zero(QUERY)]
    for key in keys:
        tree = MergeTree()
        for (part, number), rows in blocks:
            tree.add(part, 0, number, leaf(rows.at(np.flatnonzero(rows.group_keys == key))))
        found.append(tree.total())
    return WOLSGroupsStatistics.concatenate(found)


def whole(trees):
    """What a reducer makes of the entries of all buckets of some tasks."""
    entries = [entries for tree in trees for _, entries in tree.buckets()]
    if not entries:
        return WOLSGroupsStatistics.zero(QUERY)
    return merged_entries(joined_entries(entries)).statistics


# -- keys ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        np.array([0, 1, -1, 2**31 - 1], np.int32),
        np.array([0, 1, -1, 2**62, -(2**62)], np.int64),
        np.array([0.0, 1.0, -1.0, 0.1, 1e300, -5e-324, 1e16, np.pi]),
    ],
)
def test_a_key_is_read_again_as_the_value_it_was_made_of(values):
    keys = keys_of(values)
    assert keys.dtype == np.uint64 and len(set(keys.tolist())) == len(values)
    np.testing.assert_array_equal(values_of(keys, values.dtype), values)


def test_every_64_bits_are_a_key_that_is_read_again():
    bits = np.random.default_rng(0).integers(0, 2**64, 10_000, dtype=np.uint64)
    np.testing.assert_array_equal(values_of(mix(bits), np.int64).view(np.uint64), bits)


def test_zero_is_one_key_whatever_its_sign():
    assert len(set(keys_of(np.array([0.0, -0.0])).tolist())) == 1


def test_each_key_is_in_one_bucket_and_buckets_are_about_even():
    keys = np.sort(keys_of(np.arange(100_000)))
    for n_buckets in (1, 3, 64):
        bounds = bucket_bounds(keys, n_buckets)
        assert bounds[0] == 0 and bounds[-1] == len(keys) and len(bounds) == n_buckets + 1
        sizes = np.diff(bounds)
        assert sizes.sum() == len(keys) and sizes.min() > 0.8 * len(keys) / n_buckets
    # Whatever other keys are there.
    some = keys[::7]
    ends = bucket_bounds(some, 3)
    for bucket in range(3):
        assert set(some[ends[bucket] : ends[bucket + 1]]) <= set(np.split(keys, bucket_bounds(keys, 3)[1:-1])[bucket])


def test_equal_keys_come_together_in_the_order_of_the_rows():
    order, begins = grouped(np.array([5, 3, 5, 9, 3, 5], np.uint64))
    assert order.tolist() == [1, 4, 0, 2, 5, 3] and begins.tolist() == [0, 2, 5]


# -- structs -------------------------------------------------------------------------------------------------------------


def test_a_merge_has_the_keys_of_both_in_ascending_order():
    rng = np.random.default_rng(3)
    a, b = leaf(rows_of(rng, 8, 12)), leaf(rows_of(rng, 9, 12))
    merged = a.merge(b)
    assert merged.keys.tolist() == sorted(set(a.keys.tolist()) | set(b.keys.tolist()))
    assert merged.n_rows.sum() == 17
    alone = [i for i, key in enumerate(merged.keys) if key not in b.keys]
    assert merged.take(alone).md5() == a.take([a.keys.tolist().index(merged.keys[i]) for i in alone]).md5()


def test_fold_merges_the_lowest_level_first():
    rows = rows_of(np.random.default_rng(1), 4, 1)
    a, b, c, d = (leaf(rows.at(np.array([i]))) for i in range(4))
    many = WOLSGroupsStatistics.concatenate([a, b, c, d])
    found = fold(WOLSGroupsStatistics.concatenate([many]), np.arange(4), np.array([1, 2, 1]))
    assert found.md5() == a.merge(b).merge(c.merge(d)).md5()
    found = fold(WOLSGroupsStatistics.concatenate([many]), np.arange(4), np.array([3, 2, NEVER]))
    assert found.take([0]).md5() == a.merge(b.merge(c)).md5() and found.take([1]).md5() == d.md5()


def test_structs_that_do_not_fit_together_are_refused():
    one = leaf(rows_of(np.random.default_rng(1), 4, 3))
    other = WOLSGroupsStatistics.zero(WOLSGroupsQuery(5, 7))
    with pytest.raises(BadRecord, match="different queries"):
        one.merge(other)
    with pytest.raises(BadRecord, match="CountStatistics"):
        one.merge(CountStatistics(1))
    with pytest.raises(BadRecord, match="weight_sum"):
        WOLSGroupsStatistics(one.keys, one.n_rows, one.weight_sum[1:], one.origin, one.offset, one.products)
    with pytest.raises(BadRecord, match="place"):
        Entries(one, np.zeros(1), np.zeros(1))


# -- the tree ------------------------------------------------------------------------------------------------------------


@few
@given(seed=seeds, n_tasks=st.integers(1, 5), least=st.sampled_from([0, 600, 10**6]), n_buckets=st.integers(1, 4))
def test_the_bits_are_those_of_a_tree_for_each_key_however_blocks_are_dealt(seed, n_tasks, least, n_buckets):
    rng = np.random.default_rng(seed)
    blocks = draw_blocks(rng)
    expected = merged_one_key_at_a_time(blocks).md5()
    n_blocks = {part: sum(p == part for (p, _), _ in blocks) for (part, _), _ in blocks}
    for known in ({}, n_blocks):
        trees = [KeyedTree(n_buckets, known, least) for _ in range(n_tasks)]
        for i in rng.permutation(len(blocks)):
            (part, number), rows = blocks[i]
            trees[int(rng.integers(n_tasks))].add(part, number, leaf(rows))
        assert whole(trees).md5() == expected


@few
@given(seed=seeds)
def test_a_task_that_has_seen_a_whole_part_has_one_entry_a_key(seed):
    rng = np.random.default_rng(seed)
    blocks = [block for block in draw_blocks(rng) if block[0][0] == 0]
    for known in ({}, {0: len(blocks)}):
        tree = KeyedTree(2, known)
        for (part, number), rows in blocks:
            tree.add(part, number, leaf(rows))
        keys = np.concatenate([entries.statistics.keys for _, entries in tree.buckets()] or [np.zeros(0)])
        assert not known or len(set(keys.tolist())) == len(keys)


def test_a_task_keeps_few_entries_of_a_key():
    rng = np.random.default_rng(2)
    tree = KeyedTree(1)
    for number in range(3, 40):
        tree.add(0, number, leaf(rows_of(rng, 30, 2)))
    ((_, entries),) = tree.buckets()
    # Blocks 3, 4-7, 8-15, 16-31 and 32-39.
    assert tree.places().tolist() == [[0, 0, 3], [0, 2, 1], [0, 3, 1], [0, 4, 1], [0, 3, 4]]
    assert len(entries) == 10


def test_entries_are_merged_while_they_come_not_only_at_the_end():
    rng = np.random.default_rng(2)
    tree = KeyedTree(1, least=100 * 8 * (6 + 6 + 5))
    for number in range(64):
        tree.add(0, number, leaf(rows_of(rng, 20, 10)))
        assert sum(map(len, tree._heap)) <= 200
    assert whole([tree]).n_rows.sum() == 64 * 20


def test_a_block_that_comes_twice_is_refused():
    rows = rows_of(np.random.default_rng(1), 4, 2)
    tree = KeyedTree()
    tree.add(0, 3, leaf(rows))
    with pytest.raises(BadBlock, match="block 3 of part 0 came twice"):
        tree.add(0, 3, leaf(rows))
    other = KeyedTree()
    other.add(0, 3, leaf(rows))
    with pytest.raises(BadBlock, match="twice"):
        whole([tree, other])


def test_the_number_of_bits_is_exact():
    rng = np.random.default_rng(0)
    ends = [0, 1, 2, 3, 2**32 - 1, 2**32, 2**53 - 1, 2**53, 2**53 + 1, 2**63, 2**64 - 1]
    values = np.array(
        ends + [int(x) >> int(s) for x, s in zip(rng.integers(0, 2**63, 500), rng.integers(0, 63, 500))], np.uint64
    )
    assert _bit_length(values).tolist() == [int(value).bit_length() for value in values]

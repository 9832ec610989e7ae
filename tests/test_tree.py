"""Merging along the fixed tree: one shape for any split and any order of arrival, shown by merges that keep it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.errors import BadBlock
from jobs.tree import MergeTree

laws = settings(max_examples=150, deadline=None, derandomize=True)


@dataclass
class Shape:
    """A result that remembers how it was merged: "(ab)" of "a" and "b"; neither associative nor commutative."""

    text: str

    def merge(self, other: Shape) -> Shape:
        return Shape(f"({self.text}{other.text})")


def one_task(leaves) -> MergeTree:
    tree: MergeTree = MergeTree()
    for part, number in leaves:
        tree.add(part, 0, number, Shape(f"<{part}.{number}>"))
    return tree


def reduce(tasks, order) -> str:
    """What the reducer makes of the open subtrees of several tasks, in an order of arrival."""
    sent = [(place, result) for task in tasks for place, result in task.nodes()]
    whole: MergeTree = MergeTree()
    for i in order(len(sent)):
        (part, level, index), result = sent[i]
        whole.add(part, level, index, result)
    return whole.total().text


def in_order(n):
    return range(n)


def canonical(part: int, start: int, stop: int) -> str:
    """The tree over blocks start..stop-1 by its definition: the largest power of two to the left."""
    n = stop - start
    if n == 1:
        return f"<{part}.{start}>"
    left = 2 ** math.ceil(math.log2(n) - 1)
    return f"({canonical(part, start, start + left)}{canonical(part, start + left, stop)})"


@pytest.mark.parametrize("n", [*range(1, 41), 64, 100, 127, 1000])
def test_the_tree_has_the_shape_of_its_definition(n):
    assert one_task((0, i) for i in range(n)).total().text == canonical(0, 0, n)


def test_parts_are_joined_in_their_order():
    tree = one_task([(9, 0), (2, 1), (2, 0), (5, 0)])
    assert tree.total().text == "(((<2.0><2.1>)<5.0>)<9.0>)"


@laws
@given(st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(1, 7), st.randoms(use_true_random=False))
def test_any_split_and_any_order_give_the_same_tree(sizes, n_tasks, random):
    leaves = [(3 * part, number) for part, n in enumerate(sizes) for number in range(n)]
    expected = one_task(leaves).total().text
    tasks = [[] for _ in range(n_tasks)]
    for leaf in leaves:  # not even runs of blocks: any block may be in any task
        random.choice(tasks).append(leaf)
    for task in tasks:
        random.shuffle(task)
    assert reduce([one_task(task) for task in tasks], lambda n: random.sample(range(n), n)) == expected


@laws
@given(st.integers(1, 60), st.lists(st.integers(0, 60), max_size=5))
def test_runs_of_blocks_as_tasks_give_the_same_tree(n, cuts):
    edges = sorted({0, n, *(cut for cut in cuts if cut < n)})
    tasks = [one_task((0, i) for i in range(a, b)) for a, b in zip(edges, edges[1:])]
    for order in (in_order, lambda m: range(m - 1, -1, -1)):
        assert reduce(tasks, order) == canonical(0, 0, n)


@laws
@given(st.integers(0, 10**12), st.integers(1, 3000))
def test_a_task_sends_few_subtrees(start, n):
    sent = list(one_task((0, i) for i in range(start, start + n)).nodes())
    assert len(sent) <= 2 * math.log2(n + 1) + 1
    places = [(index << level, level) for (_, level, index), _ in sent]
    assert places == sorted(places)
    covered = [block for begin, level in places for block in range(begin, begin + 2**level)]
    assert covered == list(range(start, start + n))


def test_the_reducer_holds_few_subtrees_when_fed_in_order():
    tree: MergeTree = MergeTree()
    most = 0
    for i in range(5000):
        tree.add(0, 0, i, Shape(""))
        most = max(most, len(list(tree.nodes())))
    assert most <= math.log2(5000) + 1


def test_nothing_gives_no_total():
    assert MergeTree().total() is None
    assert list(MergeTree().nodes()) == []


@pytest.mark.parametrize("n", [2, 3, 8, 13])
def test_a_missing_block_is_named(n):
    for gone in range(n - 1):  # the last one of a part leaves no gap: the rows are counted beside
        tree = one_task((4, i) for i in range(n) if i != gone)
        with pytest.raises(BadBlock, match=rf"block {gone} of part 4 is missing"):
            tree.total()


@pytest.mark.parametrize("n", [1, 2, 3, 8, 13])
def test_a_doubled_block_is_named(n):
    for twice in range(n):
        for leaves in ([*range(n), twice], [twice, *range(n)], [twice, twice, *(i for i in range(n) if i != twice)]):
            with pytest.raises(BadBlock, match=r"block \d+ of part 4 came twice") as caught:
                one_task((4, i) for i in leaves).total()
            named = int(str(caught.value).split()[1])
            assert named <= twice  # or the first block of the subtree that came twice


def test_a_part_that_came_twice_is_named():
    tasks = [one_task((0, i) for i in range(6)) for _ in range(2)]
    with pytest.raises(BadBlock, match="came twice; give each packed file once"):
        reduce(tasks, in_order)


@laws
@given(st.integers(1, 24), st.data())
def test_every_set_of_blocks_but_the_whole_is_refused(n, data):
    times = data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    times[-1] = max(times[-1], 1)
    leaves = [i for i, count in enumerate(times) for _ in range(count)]
    leaves = data.draw(st.permutations(leaves))
    if times == [1] * n:
        assert one_task((0, i) for i in leaves).total().text == canonical(0, 0, n)
    else:
        with pytest.raises(BadBlock):
            one_task((0, i) for i in leaves).total()

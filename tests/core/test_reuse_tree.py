"""The tree of prompts that were sent: how far a request goes along it, what it holds, what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.prompts import Prompt, prompt, system
from thriftgate.core.hazards import BINS, Gaps, KeptGaps
from thriftgate.core.reuse_tree import BRANCHES_MAX, ENDS_KEPT, PATH_WEIGHT, UNUSED_S, Node, Path, Tree

T = 1_000_000.0


def node(at: int, *, shared: bool = False) -> Node:
    return Node(at, base=at - 1, shared=shared, now_s=T)


def take(tree: Tree, sent: Prompt) -> Path:
    return tree.extend(tree.way(sent.prefix.chain), sent.prefix.chain)


def take_all(tree: Tree, texts: Sequence[str]) -> None:
    for text in texts:
        take(tree, prompt(*text))


# --- how far a request goes -----------------------------------------------------------------------------------------------


def test_of_an_empty_tree_nothing_is_known() -> None:
    way = Tree(10).way(prompt("a", "b").prefix.chain)
    assert (way.path, way.known, way.nodes) == (None, -1, [])


def test_a_request_that_continues_stays_on_its_path() -> None:
    tree = Tree(10)
    first = take(tree, prompt("a", "b"))
    assert tree.way(prompt("a", "b", "c").prefix.chain).known == 1
    assert take(tree, prompt("a", "b", "c")) is first
    assert first.last == 2
    assert tree.way(prompt("a", "b", "c", "d").prefix.chain).path is first


def test_a_request_that_leaves_before_the_end_gets_a_path_of_its_own() -> None:
    tree = Tree(10)
    first = take(tree, prompt("a", "b", "c"))
    second = take(tree, prompt("a", "b", "d"))
    assert second is not first
    assert second.last == 2
    assert tree.way(prompt("a", "b", "c").prefix.chain).path is first
    assert tree.way(prompt("a", "b", "d").prefix.chain).path is second
    assert tree.way(prompt("a", "x").prefix.chain).known == 0


def test_the_same_words_behind_others_are_another_prefix() -> None:
    tree = Tree(10)
    take_all(tree, ["ab"])
    assert tree.way(prompt("b").prefix.chain).known == -1
    assert tree.way(prompt(system("a"), "b").prefix.chain).known == -1


def test_the_way_collects_the_nodes_up_to_where_it_leaves() -> None:
    tree = Tree(20)
    first = take(tree, prompt(*"abcd"))
    nodes = [node(at, shared=at < 2) for at in (3, 0, 1)]
    for one in nodes:
        first.add(one)
    assert tree.way(prompt(*"abcd").prefix.chain).nodes == [nodes[1], nodes[2], nodes[0]]
    assert tree.way(prompt(*"abX").prefix.chain).nodes == nodes[1:]
    assert tree.way(prompt(*"aX").prefix.chain).nodes == nodes[1:2]


def test_a_new_path_has_the_shared_nodes_before_it() -> None:
    tree = Tree(20)
    first = take(tree, prompt(*"abcd"))
    shared, end = node(0, shared=True), node(1)
    for one in (shared, end):
        first.add(one)
    second = take(tree, prompt(*"abXY"))
    assert second.nodes == [shared]
    mine = node(3)
    second.add(mine)
    assert tree.way(prompt(*"abXYZ").prefix.chain).nodes == [shared, mine]
    assert tree.way(prompt(*"abcd").prefix.chain).nodes == [shared, end]


def test_old_ends_are_forgotten_and_shared_nodes_are_not() -> None:
    path = Path([])
    for at in range(6):
        path.add(node(at, shared=at in (0, 2)))
    path.forget()
    assert [one.at for one in path.nodes] == [0, 2, 4, 5]
    assert sum(not one.shared for one in path.nodes) == ENDS_KEPT


def test_of_too_many_branches_those_used_longest_ago_are_forgotten() -> None:
    path = Path([])
    for at in range(BRANCHES_MAX + 3):
        one = node(at, shared=True)
        one.last_s = T + (100 if at == 0 else at)
        path.add(one)
    path.add(node(99))
    path.forget()
    assert [one.at for one in path.nodes] == [0, *range(4, BRANCHES_MAX + 3), 99]


TEXTS = st.lists(st.text("abc", min_size=1, max_size=6), min_size=1, max_size=12)


@given(TEXTS, st.text("abc", min_size=1, max_size=7))
def test_the_longest_common_prefix_is_found(texts: list[str], text: str) -> None:
    tree = Tree(1_000)
    take_all(tree, texts)
    common = max(_common(text, other) for other in texts)
    way = tree.way(prompt(*text).prefix.chain)
    assert way.known == common - 1
    assert (way.path is None) is (common == 0)


def _common(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


# --- bounded --------------------------------------------------------------------------------------------------------------


def test_it_holds_no_more_boundaries_than_it_may_and_the_newest_among_them() -> None:
    tree = Tree(100)
    for number in range(1_000):
        take(tree, prompt(f"{number}", "b", "c"))
        assert len(tree) <= 100
    assert tree.way(prompt("999", "b", "c").prefix.chain).known == 2
    assert tree.way(prompt("990", "b", "c").prefix.chain).known == 2
    assert tree.way(prompt("950", "b", "c").prefix.chain).known == -1


def test_a_path_weighs_more_than_its_boundaries() -> None:
    tree = Tree(100)
    for number in range(1_000):
        take(tree, prompt(f"{number}"))
    assert len(tree) <= 100 / (1 + PATH_WEIGHT) + 2


def test_what_was_not_used_for_long_goes_however_much_room_there_is() -> None:
    tree = Tree(1_000)
    old, used = prompt("a", "b"), prompt("x", "y")
    take(tree, old)
    tree.pass_time(T)
    take(tree, used)
    tree.pass_time(T + UNUSED_S - 1)
    assert tree.way(used.prefix.chain).known == tree.way(old.prefix.chain).known == 1
    tree.pass_time(T + UNUSED_S)
    assert tree.way(used.prefix.chain).known == 1
    tree.pass_time(T + 2 * UNUSED_S)
    assert tree.way(old.prefix.chain).known == -1
    assert tree.way(used.prefix.chain).known == 1
    tree.pass_time(T - 1_000)  # a clock that is put back
    assert tree.way(used.prefix.chain).known == 1


def test_what_is_used_stays() -> None:
    tree = Tree(20)
    mine, asked = node(0, shared=True), prompt("a")
    take(tree, asked).add(mine)
    for number in range(100):
        take(tree, prompt(f"{number}"))
        tree.used(asked.prefix.chain[0])
    assert tree.way(asked.prefix.chain).nodes == [mine]


# --- kept -----------------------------------------------------------------------------------------------------------------


@given(TEXTS)
def test_a_restored_tree_knows_the_same_ways(texts: list[str]) -> None:
    tree, again = Tree(1_000), Tree(1_000)
    for text in texts:
        sent = prompt(*text)
        path = take(tree, sent)
        at = len(text) - 1
        if all(one.at != at for one in tree.way(sent.prefix.chain).nodes):
            path.add(node(at, shared=at == 0))
    again.restore(tree.kept(1_000))
    assert len(again) == len(tree)
    for text in texts:
        for asked in (prompt(*text, "more"), prompt(*text[:2], "other")):
            before, after = tree.way(asked.prefix.chain), again.way(asked.prefix.chain)
            assert after.known == before.known
            assert [(one.at, one.base, one.shared) for one in after.nodes] == [
                (one.at, one.base, one.shared) for one in before.nodes
            ]


def test_a_restored_node_has_its_history() -> None:
    tree, again = Tree(10), Tree(10)
    mine = Node(0, base=-1, shared=True, now_s=T)
    mine.touches, mine.parted = 5, 3
    mine.gaps = Gaps.restored(KeptGaps(T, (2.0,) * BINS, (1.0,) * BINS))
    take(tree, prompt("a")).add(mine)
    again.restore(tree.kept(10))
    (found,) = again.way(prompt("a", "b").prefix.chain).nodes
    assert (found.base, found.touches, found.parted, found.last_s) == (-1, 5, 3, T)
    assert found.gaps is not None
    assert found.gaps.kept() == mine.gaps.kept()


def test_a_restored_conversation_goes_on_where_it_was() -> None:
    tree, again = Tree(20), Tree(20)
    take_all(tree, ["abc", "abd"])
    again.restore(tree.kept(20))
    for text in ("abc", "abd"):
        before = again.way(prompt(*text).prefix.chain).path
        assert take(again, prompt(*text, "more")) is before


def test_of_a_large_tree_the_most_recent_part_is_kept() -> None:
    tree, again = Tree(1_000), Tree(1_000)
    take_all(tree, [f"{number:03}" for number in range(200)])
    again.restore(tree.kept(30))
    assert len(again) == 30
    assert again.way(prompt(*"199").prefix.chain).known == 2
    assert again.way(prompt(*"000").prefix.chain).known < 1


def test_a_conversation_that_parted_at_every_turn_can_be_kept() -> None:
    """A client that puts the time of day behind each question leaves its earlier path with every request."""
    tree, again = Tree(10_000), Tree(10_000)
    said = [f"turn {number}" for number in range(1_050)]
    for number in range(1, len(said)):
        take(tree, prompt(*said[:number], f"it is {number} o'clock"))
    again.restore(tree.kept(10_000))
    assert again.way(prompt(*said[:1_000]).prefix.chain).known == 999


@pytest.mark.parametrize(
    "data", [b"", b"\x00", msgspec.msgpack.encode([1, 2]), msgspec.msgpack.encode([[], [[1, [0], []]]])]
)
def test_anything_else_is_refused(data: bytes) -> None:
    tree = Tree(10)
    with pytest.raises(ValueError, match=r"\w"):
        tree.restore(data)
    assert len(tree) == 0

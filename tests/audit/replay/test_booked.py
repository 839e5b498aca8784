"""Prompts from a gateway's books: what a bill says of single boundaries is taken over exactly."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from thriftgate.audit.records import PromptBlock
from thriftgate.audit.replay.booked import Booked, rising
from thriftgate.core.cache import Breakpoint
from thriftgate.core.usage import Tokens


def blocks(names: str, placed: dict[int, str] | None = None, size: int = 1_000) -> list[PromptBlock]:
    placed = placed or {}
    return [
        PromptBlock(
            names[: at + 1].encode().rjust(16, b"\0"), 0, index=at, placed=placed.get(at, ""), tokens=size, upper=size
        )
        for at in range(len(names))
    ]


def test_the_ends_of_what_was_written_and_read_are_those_of_the_bill() -> None:
    booked = Booked()
    first, placed = booked.known(blocks("ab", {1: "5m"}), Tokens(input=7, write_5m=2_300), 0.0, 1.0)
    assert placed == (Breakpoint(1, "5m"),)
    assert first.cumulative == (1_150, 2_300)  # the seven behind it belong to no block
    second, _ = booked.known(blocks("abcd", {3: "5m"}), Tokens(input=7, write_5m=1_900, read=2_300), 60.0, 61.0)
    assert second.cumulative == (1_150, 2_300, 3_250, 4_200)


def test_hour_and_five_minutes_part_where_the_bill_says() -> None:
    known, _ = Booked().known(blocks("abc", {0: "1h", 2: "5m"}), Tokens(write_1h=1_700, write_5m=1_000), 0.0, 1.0)
    assert known.cumulative == (1_700, 2_200, 2_700)


def test_an_uncached_prompt_is_only_stretched() -> None:
    known, placed = Booked().known(blocks("abcd"), Tokens(input=2_000), 0.0, 1.0)
    assert known.cumulative == (500, 1_000, 1_500, 2_000)
    assert placed == ()


def test_what_the_planner_saw_is_kept_beside() -> None:
    told = [PromptBlock(b"x" * 16, 0, "system", tokens=90, upper=120, framing=11, mark="1h", item=2)]
    known, _ = Booked().known(told, Tokens(input=130), 0.0, 1.0)
    part = known.prefix.blocks[0].part
    assert (part.tokens, part.upper, part.mark, known.framing, known.prefix.marks_count) == (90, 120, "1h", (11,), 1)
    assert (known.prefix.blocks[0].section, known.prefix.blocks[0].item) == ("system", 2)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 10_000)), min_size=1, max_size=8, unique_by=lambda one: one[0]))
def test_anchors_that_contradict_a_later_one_are_left_out(anchors: list[tuple[int, int]]) -> None:
    kept = rising(sorted(anchors))
    assert kept[-1] == max(anchors)
    assert all(one[0] < two[0] and one[1] <= two[1] for one, two in pairwise(kept))


def test_a_bill_of_nothing_is_borne() -> None:
    known, _ = Booked().known(blocks("ab", size=0), Tokens(input=0), 0.0, 1.0)
    assert known.cumulative == (0, 0)

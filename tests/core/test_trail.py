"""What the books keep of a prompt: digests that lead back to the whole chain, call by call."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.blocks import Block, Part
from thriftgate.core.cache import Breakpoint
from thriftgate.core.prefix import Prefix
from thriftgate.core.trail import LOOKED_BACK, SECTIONS, TrailBlock, Trails, read_trail, walk


def prefix(names: str, marks: dict[int, str] | None = None) -> Prefix:
    """A prompt of one-letter blocks; two that begin alike share digests."""
    marks = marks or {}
    blocks = [
        Block(Part("text", name.encode(), 10, 12, marks.get(at)), "system" if at == 0 else "messages", at)  # type: ignore[arg-type]
        for at, name in enumerate(names)
    ]
    chain = tuple(names[: at + 1].encode().rjust(16, b"\0")[-16:] for at in range(len(names)))
    return Prefix(tuple(blocks), chain, marks_count=len(marks))


@given(st.lists(st.text("ab", min_size=1, max_size=12), min_size=1, max_size=12))
def test_trails_lead_back_to_every_prompt(prompts: list[str]) -> None:
    trails = Trails()
    walked: dict[str, tuple[TrailBlock, ...]] = {}
    for number, names in enumerate(prompts):
        one = prefix(names)
        trail = read_trail(trails.of(str(number), one, (), ()))
        blocks = walk(trail, walked.get(trail.parent))
        assert blocks is not None
        walked[str(number)] = blocks
        assert tuple(block.digest for block in blocks) == one.chain
        assert [SECTIONS[block.section] for block in blocks] == [block.section for block in one.blocks]


def test_a_conversation_costs_what_is_new_in_it() -> None:
    trails = Trails()
    trails.of("first", prefix("abcdefgh"), (5, 0, 0, 0, 0, 0, 0, 0), ())
    data = trails.of("second", prefix("abcdefghij"), (5, *[0] * 9), [Breakpoint(9, "1h")])
    trail = read_trail(data)
    assert (trail.parent, trail.shared, len(trail.blocks)) == ("first", 8, 2)
    assert trail.placed == [(9, "1h")]
    assert len(data) < 100


def test_breakpoints_are_those_of_the_call_itself() -> None:
    trails = Trails()
    trails.of("first", prefix("ab", {1: "5m"}), (), [Breakpoint(1, "5m")])
    trail = read_trail(trails.of("second", prefix("abcd", {3: "1h"}), (), [Breakpoint(3, "1h")]))
    assert (trail.marks, trail.placed, trail.marks_count) == ([(3, "1h")], [(3, "1h")], 1)


def test_what_lies_too_far_back_is_told_anew() -> None:
    trails = Trails()
    trails.of("first", prefix("a"), (), ())
    near = read_trail(trails.of("near", prefix("a" + "b" * (LOOKED_BACK - 1)), (), ()))
    far = read_trail(trails.of("far", prefix("a" + "c" * LOOKED_BACK), (), ()))
    assert (near.parent, near.shared) == ("first", 1)
    assert (far.parent, len(far.blocks)) == ("", LOOKED_BACK + 1)


def test_a_parent_that_is_missing_or_another_leads_nowhere() -> None:
    trails = Trails()
    trails.of("first", prefix("abc"), (), ())
    trail = read_trail(trails.of("second", prefix("abcd"), (), ()))
    assert walk(trail, None) is None
    assert walk(trail, ()) is None


def test_an_empty_prompt_has_no_trail_and_garbage_is_refused() -> None:
    assert Trails().of("none", Prefix((), ()), (), ()) == b""
    with pytest.raises(msgspec.DecodeError):
        read_trail(b"\xc1")

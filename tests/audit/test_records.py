"""Records: counts that can be believed, buckets that add up."""

from __future__ import annotations

import msgspec
import pytest

from thriftgate.audit.records import COUNT_MAX, DEPTHS, PromptBlock, Record, checked, deepest
from thriftgate.core.errors import InputError
from thriftgate.core.usage import Tokens


def test_writes_of_untold_life_are_taken_as_asked() -> None:
    record = Record(
        source="s", position=1, at_us=1, model="m", input=1, write_5m=2, write_1h=3, write_unsplit=4, read=5, output=6
    )
    assert record.prompt_tokens == 15
    assert record.tokens() == Tokens(1, 6, 3, 5, 6)
    assert record.tokens("1h") == Tokens(1, 2, 7, 5, 6)


@pytest.mark.parametrize(("count", "tokens"), [(None, 0), (7, 7), ("7", 7), (7.0, 7), ("7.0", 7), (COUNT_MAX, COUNT_MAX)])
def test_counts_in_every_spelling(count: object, tokens: int) -> None:
    assert checked(count, "x") == tokens


@pytest.mark.parametrize("count", [-1, 1.5, "1.5", "many", True, [], COUNT_MAX + 1, float("inf"), float("nan"), ""])
def test_what_can_be_no_count(count: object) -> None:
    with pytest.raises(InputError, match="tokens_in"):
        checked(count, "tokens_in")


def test_depths_are_in_order() -> None:
    assert deepest([]) == "day"
    assert deepest(["call", "day"]) == "call"
    assert deepest(["prefix", "body", "call"]) == "body"
    assert DEPTHS[0] == "day"


def test_prompts_go_through_json_and_back() -> None:
    blocks = (PromptBlock(b"\0" * 16, 5, "system", mark="1h"), PromptBlock(b"\xff" * 16, 9, tokens=4, placed="5m"))
    record = Record(source="s", position=1, at_us=1, model="m", prompt=blocks)
    assert msgspec.json.decode(msgspec.json.encode(record), type=Record) == record

"""Arms, and the calls that put items to them."""

from __future__ import annotations

import msgspec
import pytest

from tests.quality.evaluating import item
from thriftgate.core.errors import InputError
from thriftgate.pricing.load import load_models
from thriftgate.quality.arms import Arm, arms_of


def test_models_and_efforts() -> None:
    arms = arms_of("claude-haiku-4-5, claude-opus-5-5@low", load_models())
    assert arms == [Arm("claude-haiku-4-5"), Arm("claude-opus-5-5", "low")]
    assert [arm.name for arm in arms] == ["claude-haiku-4-5", "claude-opus-5-5@low"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "name models separated by commas"),
        ("claude-haiku-4-5,", "name models separated by commas"),
        ("claude-haiku-9", "'claude-haiku-9' is not known"),
        ("claude-haiku-4-5@low", "has no effort 'low'; it takes none"),
        ("claude-opus-5-5@least", "it takes low, medium, high, xhigh, max"),
        ("claude-opus-5-5@", "has no effort ''"),
        ("claude-opus-5-5,claude-opus-5-5", "named twice"),
    ],
)
def test_what_cannot_be_named(text: str, words: str) -> None:
    with pytest.raises(InputError) as told:
        arms_of(text, load_models())
    assert words in str(told.value)


def test_the_effort_joins_what_the_request_says_of_its_output() -> None:
    request = {"max_tokens": 9, "output_config": {"format": {"type": "x"}, "effort": "high"}, "messages": []}
    body = msgspec.json.decode(Arm("claude-opus-5-5", "low").body(item(request=request)))
    assert body["output_config"] == {"format": {"type": "x"}, "effort": "low"}
    assert msgspec.json.decode(Arm("claude-opus-5-5").body(item(request=request))) == {"model": "claude-opus-5-5"} | request
    one = item()
    assert Arm("claude-opus-5-5").body(one) == Arm("claude-opus-5-5").body(one)

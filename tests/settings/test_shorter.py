"""What makes prompts and answers shorter: the careful choice where nothing is said."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from thriftgate.settings.shorter import CompressSettings, ContextSettings, GuardSettings


def test_nothing_is_lost_unless_somebody_says_so() -> None:
    compress, context = CompressSettings(), ContextSettings()
    assert not (compress.drop_nulls)
    assert not (compress.fillers)
    assert not (context.image_edge)


def test_a_loop_is_warned_of_and_a_ceiling_stops() -> None:
    guard = GuardSettings()
    assert (guard.on_loop, guard.on_limit) == ("warn", "stop")
    assert not guard.call_usd


@pytest.mark.parametrize("key", ["select_tokens", "tool_result_tokens"])
def test_a_budget_that_leaves_nothing_is_refused(key: str) -> None:
    with pytest.raises(ValidationError):
        ContextSettings.model_validate({key: 5})

"""Budgets as they are written and told."""

from __future__ import annotations

import pytest

from tests.core.control.test_budgets import BUDGET, DOLLAR
from thriftgate.core.control.budget_words import pace_pico, parse_stages, stage_text, standing_document
from thriftgate.core.control.budgets import Stage, Standing
from thriftgate.core.control.windows import NEVER_US
from thriftgate.core.errors import InputError

TEXTS = ("50", "80:no_fast", "85:cheaper:claude-haiku-4-5", "95:batch", "100:refuse")


def test_stages_come_back_as_they_were_written() -> None:
    stages = parse_stages(TEXTS)
    assert stages[0] == Stage(50, "warn")
    assert stages[2] == Stage(85, "cheaper", "claude-haiku-4-5")
    assert tuple(map(stage_text, stages)) == TEXTS


@pytest.mark.parametrize("text", ["", "x", "-5", "50%", "50:dance", "٣"])
def test_what_is_no_stage(text: str) -> None:
    with pytest.raises(InputError, match="write a percentage"):
        parse_stages([text])


def test_a_standing_is_told_exactly() -> None:
    one = Standing(BUDGET, "", 4 * DOLLAR + 1, DOLLAR, 0, since_us=0, until_us=100)
    told = standing_document(one, 50)
    assert (told["spent_usd"], told["held_usd"], told["left_usd"]) == ("4.000000000001", "1", "4.999999999999")
    assert (told["pace_usd"], told["until"]) == ("8.000000000002", "1970-01-01T00:00:00.000Z")


def test_a_pace_needs_some_time_and_an_end() -> None:
    assert pace_pico(Standing(BUDGET, "", DOLLAR, 0, 0, 0, 1000), 9) is None
    assert pace_pico(Standing(BUDGET, "", DOLLAR, 0, 0, 0, 1000), 10) == 100 * DOLLAR
    assert pace_pico(Standing(BUDGET, "", DOLLAR, 0, 0, 0, NEVER_US), 10**15) is None

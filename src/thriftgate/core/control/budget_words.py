"""Budgets as they are written and told: on the command line, over the API, on pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from thriftgate.core.control.budgets import Act, Budget, Stage, Standing
from thriftgate.core.control.windows import NEVER_US
from thriftgate.core.errors import InputError
from thriftgate.core.moments import text_from_micros
from thriftgate.core.money import usd_from_pico

_ACTS = get_args(Act)


def parse_stages(texts: Sequence[str]) -> tuple[Stage, ...]:
    """From `80`, `90:no_fast`, `80:cheaper:claude-haiku-4-5`, `95:batch` or `100:refuse`. Raises InputError."""
    return tuple(_stage(text) for text in texts)


def stage_text(stage: Stage) -> str:
    """As `parse_stages` reads it."""
    return ":".join(str(part) for part in (stage.percent, stage.act if stage.act != "warn" else "", stage.model) if part)


def budget_document(budget: Budget) -> dict[str, Any]:
    """A budget by itself."""
    return {
        "id": budget.id,
        "name": budget.name,
        "limit_usd": usd_from_pico(budget.limit_pico),
        "scope": list(budget.scope),
        "window": budget.window,
        "zone": budget.zone,
        "hard": budget.hard,
        "stages": [stage_text(one) for one in budget.stages],
        "created": text_from_micros(budget.created_us),
        "ended": text_from_micros(budget.ended_us) if budget.ended_us else None,
    }


def standing_document(standing: Standing, now_us: int) -> dict[str, Any]:
    """How a budget stands. `pace_usd` is what will be spent by the end of its window if it goes on as it did, once a
    hundredth of the window is over; `null` where there is none to tell."""
    stage = standing.stage
    pace = pace_pico(standing, now_us)
    ends = standing.until_us < NEVER_US
    return budget_document(standing.budget) | {
        "member": standing.member,
        "spent_usd": usd_from_pico(standing.spent_pico),
        "held_usd": usd_from_pico(standing.held_pico),
        "in_doubt_usd": usd_from_pico(standing.doubt_pico),
        "left_usd": usd_from_pico(standing.left_pico),
        "percent": round(standing.percent, 2),
        "stage": stage_text(stage) if stage is not None else None,
        "since": text_from_micros(standing.since_us) if ends else None,
        "until": text_from_micros(standing.until_us) if ends else None,
        "pace_usd": usd_from_pico(pace) if pace is not None else None,
    }


def pace_pico(standing: Standing, now_us: int) -> int | None:
    """What will be spent by the end of the window if it goes on as it did (pico-USD); None in its first hundredth, and where
    it has no end, or a moving one."""
    length, passed = standing.until_us - standing.since_us, now_us - standing.since_us
    if standing.until_us >= NEVER_US or standing.budget.window.startswith("rolling") or passed * 100 < length:
        return None
    return standing.spent_pico * length // passed


def _stage(text: str) -> Stage:
    percent, _, rest = text.strip().partition(":")
    act, _, model = rest.partition(":")
    act = act or "warn"
    if not percent.isascii() or not percent.isdigit() or act not in _ACTS:
        raise InputError(
            f"stage {text!r}: write a percentage, and what happens then, such as 80 or 80:cheaper:MODEL; "
            f"one of {', '.join(_ACTS)}"
        )
    return Stage(int(percent[:6]), next(one for one in _ACTS if one == act), model)

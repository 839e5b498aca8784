"""Who a call is for, and what it can be counted under."""

from __future__ import annotations

from msgspec import Struct

LINES = ("fable", "mythos", "opus", "sonnet", "haiku")
"""The lines of models, from the dearest (platform.claude.com/docs/en/about-claude/models/overview, 2026-10)."""


class Whose(Struct, frozen=True):
    """Who pays, beside the key: its user, team and organisation by their ids, and the tags that the caller or the key put
    on the call. Empty where nobody is named."""

    user_id: str = ""
    team: str = ""
    org: str = ""
    tags: tuple[str, ...] = ()


NOBODY = Whose()


def tier_of(model: str) -> str:
    """The line that a model is of, by its id: "opus" of claude-opus-5-5 and of claude-3-opus-20240229; "" where it is of
    none that is known."""
    words = model.lower().replace(".", "-").replace("/", "-").split("-")
    return next((line for line in LINES if line in words), "")

"""Who a call is for, and what it can be counted under."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from thriftgate.core.errors import InputError

KINDS = ("org", "team", "user", "key", "tag", "task", "model", "tier", "provider")
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


class Payer(Struct, frozen=True):
    """Whom a call is booked to: the name of its key in the books ("": of the key that it is sent with), and whose it is."""

    key: str = ""
    whose: Whose = NOBODY


def tier_of(model: str) -> str:
    """The line that a model is of, by its id: "opus" of claude-opus-5-5 and of claude-3-opus-20240229; "" where it is of
    none that is known."""
    words = model.lower().replace(".", "-").replace("/", "-").split("-")
    return next((line for line in LINES if line in words), "")


def scopes_of(key: str, whose: Whose, *, model: str, provider: str, task: str) -> frozenset[str]:
    """All that a call counts under, as `kind=value`."""
    named = {
        "org": whose.org,
        "team": whose.team,
        "user": whose.user_id,
        "key": key,
        "task": task,
        "model": model,
        "tier": tier_of(model),
        "provider": provider,
    }
    return frozenset([f"{kind}={value}" for kind, value in named.items() if value] + [f"tag={tag}" for tag in whose.tags])


def member_of(scope: Sequence[str], scopes: frozenset[str]) -> str | None:
    """Which member of a budget or a limit with that scope a call counts under that has these scopes: "" where it is one for
    all, such as "key=key_1" of `key=*`; None where the call does not count."""
    members: list[str] = []
    for condition in scope:
        if condition.endswith("=*"):
            # Several only of tags: the first by name.
            found = min((one for one in scopes if one.startswith(condition[:-1])), default="")
            if not found:
                return None
            members.append(found)
        elif condition not in scopes:
            return None
    return ",".join(members)


def check_scope(where: str, scope: Sequence[str]) -> None:
    """Raises InputError for a condition that no call can have; `where` says whose it is."""
    for condition in scope:
        kind, equals, value = condition.partition("=")
        if kind not in KINDS or not equals or not value:
            raise InputError(f"{where}: scope {condition!r} is not of the form kind=value; kinds: {', '.join(KINDS)}")

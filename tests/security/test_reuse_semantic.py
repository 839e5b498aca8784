"""Answers to similar questions are never somebody else's: a seeded crowd that asks the same few things in many words, under
every kind of identity. What each caller sent is written down here; each answer given again names the call that it was made
for, and that must have been one of a caller who may share, about the same prompt. Nothing of the gateway's own reckoning is
used to judge.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any, NamedTuple

import msgspec
import pytest

from tests.engine.reusing.alike import SEMANTIC, asked, desk
from tests.engine.reusing.stage import settled
from tests.fixtures import HEADERS, call_of, message, read_all, told
from thriftgate.core.control.whose import Whose
from thriftgate.core.semantic.scope import Asked
from thriftgate.engine.engine import Engine

CALLS = 1_000
SHARES = ("key", "team", "user")
RULES = tuple({"task": f"desk {share}", "share": share} for share in SHARES)
TABLES: dict[str, Any] = {"reuse": {"rules": RULES, "semantic": ({"task": "desk*", "max_error": 0.2, "fill": 50},)}}


class Actor(NamedTuple):
    """Who calls: a virtual key of a team, or a client with a key of its own."""

    key: str
    team: str
    credential: str


CROWD = (
    Actor("key_1", "team_1", ""),
    Actor("key_2", "team_1", ""),
    Actor("key_3", "team_2", ""),
    Actor("", "", "sk-own-1"),
    Actor("", "", "key_1"),  # a client whose own key has the name of another's
    Actor("", "", "team_1"),
)


class Sent(NamedTuple):
    """What a caller has sent, but for the words."""

    actor: Actor
    share: str
    tenant: str
    user: str
    prompt: str


def may_share(mine: Sent, theirs: Sent) -> bool:
    """By the words of the guide."""
    if (mine.share, mine.tenant, mine.prompt) != (theirs.share, theirs.tenant, theirs.prompt):
        return False
    if mine.actor == theirs.actor:
        return mine.share != "user" or mine.user == theirs.user
    return mine.share == "team" and bool(mine.actor.team) and mine.actor.team == theirs.actor.team


def drawn(draw: random.Random) -> Sent:
    """Mostly the plain kind, so that there is much to give to the wrong one."""
    share = draw.choice((*("team",) * 6, "key", "user"))
    actor = draw.choice(CROWD[:2] if draw.random() < 0.7 else CROWD)
    tenant = draw.choice(("acme", "globex")) if draw.random() < 0.1 else ""
    prompt = "be brief" if draw.random() < 0.1 else ""
    return Sent(actor, share, tenant, draw.choice(("", "u1")) if share == "user" else "", prompt)


async def play(engine: Engine, calls: int, seed: int) -> tuple[dict[str, Sent], dict[str, str]]:
    """So many calls; what was sent, and which call each reused answer was made for."""
    draw = random.Random(seed)
    sent: dict[str, Sent] = {}
    reused: dict[str, str] = {}
    for at in range(calls):
        one = drawn(draw)
        text, _ = asked(draw, at // 8)
        body = message(text) | ({"system": one.prompt} if one.prompt else {})
        if one.user:
            body["metadata"] = {"user_id": one.user}
        headers = (
            HEADERS | {"thriftgate-task": f"desk {one.share}"} | ({"thriftgate-tenant": one.tenant} if one.tenant else {})
        )
        members = {"key": one.actor.key, "credential": one.actor.credential, "whose": Whose(team=one.actor.team)}
        reply = await engine.messages(call_of(msgspec.json.encode(body), headers=headers, **members))
        await read_all(reply)
        await settled(engine)
        name = told(reply.headers, "thriftgate-request-id")
        sent[name] = one
        if told(reply.headers, "thriftgate-plan") == SEMANTIC:
            reused[name] = told(reply.headers, "thriftgate-reused-call")
    return sent, reused


async def test_no_answer_is_ever_somebody_elses() -> None:
    async with desk(policy={"levers": (SEMANTIC,)}, **TABLES) as (engine, _):
        sent, reused = await play(engine, CALLS, seed=1)
        crossed = [(sent[mine], sent[theirs]) for mine, theirs in reused.items() if not may_share(sent[mine], sent[theirs])]
        assert crossed == []
        assert len(reused) > CALLS / 10  # and there was much to give to the wrong one
        between = Counter(sent[mine].share for mine, theirs in reused.items() if sent[mine].actor != sent[theirs].actor)
        assert set(between) == {"team"}
        assert not await engine.ledger.unbalanced()


@pytest.mark.parametrize("spoilt", ["tenant", "prompt"])
async def test_the_suite_notices_a_scope_that_leaves_something_out(spoilt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from thriftgate.core.semantic.scope import asked_of

    def careless(request: Any, tenant: bytes, setting: bytes, **members: Any) -> Any:
        if spoilt == "tenant":
            tenant = b""
        found = asked_of(request, tenant, setting, **members)
        return found if spoilt == "tenant" or isinstance(found, str) else Asked(tenant, found.text)

    monkeypatch.setattr("thriftgate.engine.reusing.semantic.asked_of", careless)
    monkeypatch.setattr("thriftgate.engine.reusing.semantic.compare_digest", lambda *_: True)
    async with desk(policy={"levers": (SEMANTIC,)}, **TABLES) as (engine, _):
        sent, reused = await play(engine, 700, seed=2)
        assert any(not may_share(sent[mine], sent[theirs]) for mine, theirs in reused.items())

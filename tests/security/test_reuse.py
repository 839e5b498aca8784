"""An earlier answer must never be somebody else's: a seeded crowd of tenants over the real gateway on a real socket, with
every trick there is. What each caller sent is written down here; each reused answer tells which call it was made for, and
that call must have been one that this caller may share, about the very same thing. Nothing of the gateway's own reckoning is
used to judge. Twenty thousand calls with HYPOTHESIS_PROFILE=deep.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec
import pytest

from tests.fixtures import books, message
from tests.gateway.keyed import Got, Stage, at_tenants, now_us, staged
from thriftgate.core.money import usd_from_pico
from thriftgate.ledger.entries import SAVED, UPSTREAM
from thriftgate.ledger.issuing import HOST, Issuer
from thriftgate.ledger.tenants import Key
from thriftgate.wire.whole_message import message_of

EXACT = "reuse.exact"
CALLS, AT_ONCE = 20_000 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 1_200, 40
SHARES = ("user", "key", "team", "org")
RULES = [{"task": share, "share": share} for share in SHARES]
TABLES: dict[str, Any] = {"policy": {"levers": (EXACT,)}, "reuse": {"rules": RULES}, "access": {"mode": "open"}}

# Texts that look alike, or would run together in a careless key.
TEXTS = ("a", "a ", "A", "a\u0000", "\u0430", "e\u0301", "\u00e9", "a\u200b", 'a"}],"x":[{"', "a\\u0000", "", "a\n\na", "aa")
SPLITS: tuple[tuple[str, ...], ...] = (("ab", "c"), ("a", "bc"), ("abc",), ("a", "b", "c"), ("", "abc"))


class Actor(NamedTuple):
    """Who calls, and with whom it may share: by the rules' own words."""

    name: str
    headers: dict[str, str]
    team: str = ""
    org: str = ""
    may_act: bool = False


class Sent(NamedTuple):
    """What a caller has sent. `about` is all that an answer can depend on."""

    actor: Actor
    share: str
    tenant: str
    user: str
    about: bytes


def may_share(mine: Sent, theirs: Sent) -> bool:
    """Whether an answer to their call may be given to mine."""
    if (mine.about, mine.share, mine.tenant) != (theirs.about, theirs.share, theirs.tenant):
        return False
    one, other = mine.actor, theirs.actor
    if one.name == other.name:
        return mine.share != "user" or mine.user == theirs.user
    if mine.share == "team":
        return bool(one.team) and one.team == other.team
    return mine.share == "org" and bool(one.org) and one.org == other.org


async def actors(stage: Stage) -> list[Actor]:
    """Two organisations, three teams, keys of them and of none; clients that pass keys of their own through, some of them
    named like others; and one that shows two keys."""
    found: list[Actor] = []
    async with at_tenants(stage.ledger) as tenants:
        issuer = Issuer(tenants, HOST, now_us)
        orgs = [await issuer.add_org(name) for name in ("north", "south")]
        teams = [await issuer.add_team(name, orgs[at // 2].name) for at, name in enumerate(("n1", "n2", "s1"))]
    for at, team in enumerate((0, 0, 1, 2, 2)):
        scopes: dict[str, Any] = {"scopes": ("call", "act-as")} if at % 2 else {}
        _, secret = await stage.issue(f"k{at}", team=teams[team].name, **scopes)
        found.append(Actor(f"k{at}", {"x_api_key": secret}, teams[team].id, teams[team].org, bool(at % 2)))
    alone, secret = await stage.issue("alone")
    found.append(Actor("alone", {"authorization": f"Bearer {secret}"}))
    both = {"x_api_key": "sk-ant-own-1", "authorization": f"Bearer {secret}"}
    found.append(Actor("alone", both))  # the same key, shown beside another
    named = ("sk-ant-own-1", "sk-ant-own-2", alone.id, teams[0].id, orgs[0].id, "none")
    return found + [Actor(f"client {text}", {"x_api_key": text}, may_act=True) for text in named]


def a_call(random: Random, crowd: list[Actor]) -> tuple[Sent, dict[str, Any], dict[str, str]]:
    """Somebody sends something: what is noted of it, its body and its headers."""
    actor = random.choice(crowd)
    share, tenant = random.choice(SHARES), random.choice(("", "", "", "", "", "acme", "globex", actor.team or "x"))
    user = random.choice(("", "u1", "u2")) if actor.may_act else ""
    metadata = random.choice((None, None, "m1", "m2"))
    pieces = random.choice(SPLITS) if random.random() < 0.3 else (random.choice(random.choice((TEXTS, TEXTS[:3]))),)
    blocks: list[dict[str, Any]] = [{"type": "text", "text": f"{piece}?"} for piece in pieces]
    about: dict[str, Any] = {"max_tokens": 200 + (random.random() < 0.1), "messages": [{"role": "user", "content": blocks}]}
    if random.random() < 0.1:
        about["stop_sequences"] = ["###"]
    version = "2026-10-21" if random.random() < 0.1 else "2023-06-01"
    beta = "context-1m-2025-08-07" if random.random() < 0.1 else ""
    noted = Sent(actor, share, tenant, f"{user}/{metadata}", msgspec.json.encode((about, version, beta)))
    body = message() | msgspec.json.decode(msgspec.json.encode(about)) | {"stream": random.random() < 0.4}
    if metadata:
        body["metadata"] = {"user_id": metadata}
    if random.random() < 0.3:
        body["messages"][0]["content"][0]["cache_control"] = {"type": "ephemeral"}
    headers = {**actor.headers, "thriftgate_task": share, "anthropic_version": version}
    told = {"thriftgate_tenant": tenant, "thriftgate_user": user, "anthropic_beta": beta}
    headers |= {name: value for name, value in told.items() if value}
    return noted, body, headers | tricks(random)


def tricks(random: Random) -> dict[str, str]:
    """Headers that somebody may think make him another."""
    each = {"x_forwarded_user": "k0", "x_tenant": "north", "cookie": "key=k0", "thriftgate_tags": "key=k0, team=n1"}
    found = {name: value for name, value in each.items() if random.random() < 0.05}
    return found | ({"thriftgate_reuse": "refresh"} if random.random() < 0.03 else {})


class Told(NamedTuple):
    """How it went: of each answered call what was sent, and of which earlier one the answer was."""

    sent: dict[str, Sent]
    reused: dict[str, str]
    messages: dict[str, str]

    def crossed(self) -> list[tuple[Sent, Sent]]:
        """Answers that were somebody else's, or to something else."""
        pairs = [(self.sent[mine], self.sent[theirs]) for mine, theirs in self.reused.items()]
        return [pair for pair in pairs if not may_share(*pair)]


async def play(stage: Stage, crowd: list[Actor], calls: int, seed: int) -> Told:
    """So many calls, many at once; bursts of the very same among them."""
    random, told = Random(seed), Told({}, {}, {})

    async def one(noted: Sent, body: dict[str, Any], headers: dict[str, str]) -> None:
        got = await stage.call(body, **headers)
        assert got.status == 200, got
        name = got.headers["thriftgate-request-id"]
        told.sent[name] = noted
        told.messages[name] = message_id(got)
        if got.headers["thriftgate-plan"] == EXACT:
            told.reused[name] = got.headers["thriftgate-reused-call"]

    waiting: list[Any] = []
    while calls > 0:
        drawn = a_call(random, crowd)
        waiting += [one(*drawn) for _ in range(random.choice((1, 1, 1, 6)))]
        if len(waiting) >= AT_ONCE:
            calls -= len(waiting)
            random.shuffle(waiting)
            await asyncio.gather(*waiting)
            waiting = []
    return told


def message_id(got: Got) -> str:
    streamed = got.headers["content-type"].startswith("text/event-stream")
    return str(msgspec.json.decode(message_of(got.body) if streamed else got.body)["id"])


async def test_no_answer_is_ever_somebody_elses(tmp_path: Path) -> None:
    async with staged(tmp_path, **TABLES) as stage:
        crowd = await actors(stage)
        told = await play(stage, crowd, CALLS, seed=1)
        assert told.crossed() == []
        assert len(told.reused) > CALLS / 4  # and there was much to give to the wrong one
        assert all(told.messages[mine] == told.messages[theirs] for mine, theirs in told.reused.items())
        others = [(told.sent[mine], told.sent[theirs]) for mine, theirs in told.reused.items()]
        shared = Counter(mine.share for mine, theirs in others if mine.actor.name != theirs.actor.name)
        assert set(shared) == {"team", "org"}
        revoked = crowd[0]
        async with at_tenants(stage.ledger) as tenants:
            issuer = Issuer(tenants, HOST, now_us)
            await issuer.revoke(await issuer.find(Key, revoked.name))
        again = [noted for noted in told.sent.values() if noted.actor.name == revoked.name][:20]
        for noted in again:
            about, version, _ = msgspec.json.decode(noted.about)
            got = await stage.call(
                message() | about, thriftgate_task=noted.share, anthropic_version=version, **revoked.headers
            )
            assert got.status in (401, 429)  # not even an answer that was its own; after a few it is slowed
        await check_books(stage, told)


async def check_books(stage: Stage, told: Told) -> None:
    """What the books say is what the simulator has billed; every reused answer is an entry of its own."""
    async with books(stage.ledger) as ledger:
        assert not await ledger.unbalanced()
        assert not await ledger.open_holds()
        booked = [one for one in await ledger.entries(limit=100_000) if one.status == 200]
    assert {one.id for one in booked} == set(told.sent)
    paid = [one for one in booked if one.id not in told.reused]
    assert all(one.posted(UPSTREAM) < 0 for one in paid)
    for one in booked:
        if one.id in told.reused:
            assert (one.posted(UPSTREAM), one.posted(SAVED + EXACT)) == (0, -one.posted("baseline"))
            assert told.reused[one.id] in one.decisions[0].reason
    bill = stage.upstream.inner.bill
    assert len(bill.calls) == len(paid)
    total = sum(-one.posted(UPSTREAM) for one in paid)
    assert Decimal(usd_from_pico(total)) == Decimal(bill.summary()["total_usd"])


@pytest.mark.parametrize("spoilt", ["tenant", "body", "setting"])
async def test_the_suite_notices_a_key_that_leaves_something_out(
    spoilt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same: Any = (b"t" * 32, "") if spoilt == "tenant" else b"s" * 32
    monkeypatch.setattr(f"thriftgate.engine.reusing.asking.{spoilt}_digest", lambda *_, **__: same)
    async with staged(tmp_path, **TABLES) as stage:
        told = await play(stage, (await actors(stage))[:2], 300, seed=2)
        assert told.crossed()

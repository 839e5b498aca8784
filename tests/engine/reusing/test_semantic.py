"""The tier at work on the simulator: shadow first, then answers; its books, its restart, its alarm."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tests.engine.reusing.alike import FRAMES, SEMANTIC, SUBJECTS, TASK, Day, asked, desk, right, say
from tests.engine.reusing.stage import entries, question
from tests.fixtures import HEADERS, TestClock, message, told
from thriftgate.core.plan import Skip
from thriftgate.core.semantic.stages import Terms
from thriftgate.engine.engine import Engine
from thriftgate.engine.reusing.comparing import Words
from thriftgate.engine.reusing.encoders import Lexical
from thriftgate.engine.reusing.file import cleared
from thriftgate.engine.reusing.semantic import PLACE, Row, Semantic
from thriftgate.engine.reusing.tier import Tier
from thriftgate.ledger.entries import SAVED, UPSTREAM


def tier_of(engine: Engine) -> Semantic:
    found: list[Tier] = [tier for tier in engine.reusing._tiers if tier.lever == SEMANTIC]
    assert isinstance(found[0], Semantic)
    return found[0]


async def test_shadow_first_then_answers_within_the_bound_and_the_books_balance() -> None:
    async with desk() as (engine, provider):
        day = Day(engine)
        reply = await day.until_served()
        assert provider.came == day.calls - 1  # until then every call was made
        await day.ask(150)
        assert day.served > 75
        assert day.wrong <= 0.2 * day.served
        audits = tier_of(engine).scopes.popitem()[1].stages.tally.audits
        booked = await entries(engine)
        reused = [one for one in booked if one.posted(SAVED + SEMANTIC)]
        assert len(reused) == day.served
        assert provider.came == day.calls - day.served
        assert 0 < audits < day.served
        for one in reused:
            assert one.balance() == one.posted(UPSTREAM) == 0
            assert one.posted("baseline") == -one.posted(SAVED + SEMANTIC) > 0
            (why,) = [decision.reason for decision in one.decisions if decision.lever == SEMANTIC]
            assert "alike: score" in why
            assert "certified is what is above" in why
        original = told(reply.headers, "thriftgate-reused-call")
        assert original in reused[0].note
        assert {one.id for one in booked} >= {original}
        assert not await engine.ledger.unbalanced()


async def test_explained_on_calls_that_were_made() -> None:
    async with desk() as (engine, _):
        for _ in range(2):
            await say(engine, random.Random(1).choice(FRAMES).format("x y z"), headers=HEADERS)
        await say(engine, "tell me about x y z")
        why = [[one.reason for one in entry.decisions if one.lever == SEMANTIC] for entry in await entries(engine)]
        assert "no row of [[reuse.rules]] names this call" in why[0][0]
        assert why[-1] == ["no certificate yet"]
        other = message(messages=[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])
        other["messages"] += [{"role": "user", "content": "c"}]
        await say(engine, "", messages=other["messages"])
        assert "not a single question" in str((await entries(engine))[-1].decisions)


async def test_another_number_another_name_and_a_not_are_never_answered() -> None:
    async with desk() as (engine, provider):
        day = Day(engine)
        await day.until_served()
        before = provider.came
        for words in ("3 parking spaces near the garage", "parking spaces near the Hilton garage", "no visitor parking"):
            for frame in FRAMES:
                await say(engine, frame.format(words))
        assert provider.came == before + 3 * len(FRAMES)


async def test_other_tenants_learn_and_get_nothing() -> None:
    async with desk() as (engine, provider):
        await Day(engine).until_served()
        before, other = provider.came, TASK | {"x-api-key": "sk-ant-sim-other-1"}
        draw = random.Random(5)
        for at in range(60):
            reply, _ = await say(engine, asked(draw, at)[0], headers=other)
            assert told(reply.headers, "thriftgate-plan") != SEMANTIC
        assert provider.came == before + 60
        assert len(tier_of(engine).scopes) == 2


async def test_wishes_of_the_caller() -> None:
    async with desk() as (engine, provider):
        day = Day(engine)
        await day.until_served()
        text = "hello, " + SUBJECTS["hours"][0] + " ? please please"
        before = provider.came
        for wish in ("off", "refresh"):
            await say(engine, text, headers=TASK | {"thriftgate-reuse": wish})
        assert provider.came == before + 2


def turned() -> tuple[Callable[[str], str], dict[str, bool]]:
    """Answers that can be turned into others."""
    state = {"now": False}
    return lambda text: right(text) + (" (new)" if state["now"] else ""), state


async def test_on_alarm_it_stops_answering_and_tells() -> None:
    answer, state = turned()
    async with desk(answer, {"audit": 0.5}) as (engine, provider):
        day = Day(engine)
        await day.until_served()
        state["now"] = True
        scope = next(iter(tier_of(engine).scopes.values()))
        era = scope.stages.era
        while scope.stages.era == era:
            await day.ask()
            assert day.calls < 1_500
        served, came = day.served, provider.came
        await day.ask(40)
        assert (day.served, provider.came) == (served, came + 40)
        assert scope.stages.tally.audits_wrong > 0


async def test_an_audit_that_is_answered_with_something_else_counts_as_wrong() -> None:
    state = {"refuses": False}

    def answer(text: str) -> str:
        return "refuse=cyber" if state["refuses"] else right(text)

    async with desk(answer, {"audit": 1.0}) as (engine, _):
        day = Day(engine)
        scope = None
        while scope is None or not scope.stages.answers:
            await day.ask()
            scope = next(iter(tier_of(engine).scopes.values()))
        state["refuses"] = True
        before = scope.stages.tally.audits_wrong
        while scope.stages.tally.audits_wrong == before:
            await say(engine, asked(day.draw, day.calls)[0])
            day.calls += 1
            assert day.calls < 1_500


async def test_all_of_it_survives_a_restart_sealed(tmp_path: Path) -> None:
    ledger = {"path": str(tmp_path / "books.db")}
    tables: dict[str, Any] = {"ledger": ledger, "reuse": {"path": str(tmp_path / "answers.db")}}
    async with desk(**tables) as (engine, _):
        day = Day(engine)
        await day.until_served()
        stages = next(iter(tier_of(engine).scopes.values())).stages
        certificate, items, tally = stages.certified[0].certificate, len(stages.shelf), stages.tally
        await engine._keeper.keep()
        kept = await engine.ledger.kept(PLACE)
        assert kept
        assert not any(words.encode() in kept for words in (*SUBJECTS, "parking spaces"))
    async with desk(seed=2, **tables) as (engine, provider):
        stages = next(iter(tier_of(engine).scopes.values())).stages
        assert stages.certified[0].certificate == certificate
        assert len(stages.shelf) == items
        assert stages.tally == tally
        again = Day(engine, seed=9)
        again.calls = 400
        await again.ask(40)
        assert again.served > 10
        assert provider.came == 40 - again.served
        cleared(str(tmp_path / "answers.db"))
        served = again.served
        await again.ask(30)
        assert again.served == served  # what was cleared by hand is gone from the gateway that runs
    async with desk(**tables) as (engine, _):
        day = Day(engine, seed=11)
        await day.ask(20)
        assert day.served == 0


async def test_without_a_file_nothing_is_written_down() -> None:
    async with desk() as (engine, _):
        await Day(engine).ask(10)
        await engine._keeper.keep()
        assert await engine.ledger.kept(PLACE) == b""


async def test_streams_and_thinking() -> None:
    async with desk() as (engine, _):
        day = Day(engine)
        await day.until_served()
        for at in range(200):
            text, _ = asked(day.draw, 300 + at)
            reply = await day.engine.messages(_streamed(text))
            if told(reply.headers, "thriftgate-plan") == SEMANTIC:
                assert reply.body is not None
                assert reply.body.startswith(b"event: message_start")
                break
            while await reply.read():
                pass
            await reply.leave()
        else:
            raise AssertionError


def _streamed(text: str) -> Any:
    from tests.fixtures import call_of

    return call_of(message(text, stream=True), headers=TASK)


async def test_asked_by_itself() -> None:
    row = Row("fp:*", Terms(0.1), Lexical(), Words(), 1.0, all_turns=False)
    tier = Semantic([row], scopes_max=2, draw=lambda: 0.5)
    assert await tier.look(question(task="other"), 0.0) == Skip("no row of [[reuse.semantic]] names its task")
    for tenant in (b"a" * 32, b"b" * 32, b"c" * 32):
        await tier.look(question(tenant=tenant), 0.0)
    assert [scope.tenant[:1] for scope in tier.scopes.values()] == [b"b", b"c"]
    await tier.forget(b"b" * 32)
    assert [scope.tenant[:1] for scope in tier.scopes.values()] == [b"c"]
    await tier.unfit(question(digest=b"x" * 32))  # nobody has looked: nothing to learn
    assert tier.kept() == b""
    await tier.close()


async def test_age_is_that_of_the_rule() -> None:
    async with desk(reuse={"rules": ({"task": "desk", "ttl_s": 100},)}) as (engine, _):
        day = Day(engine)
        await day.until_served()
        assert isinstance(engine.clock, TestClock)
        engine.clock.advance(101)
        served = day.served
        await day.ask(20)
        assert day.served < served + 20
        scope = next(iter(tier_of(engine).scopes.values()))
        assert any(item.born_s > 100 for item in scope.stages.shelf.items)
        assert msgspec.msgpack.decode(scope.stages.shelf.items[0].answer)

"""Answers that are looked at first: cut ones are asked for again, broken ones repaired, and every call is in the books."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec
import pytest

from tests.engine.asking import BOUND, OLD, PLAIN, SCHEMA, Json, answer_of, booked, executed, tables, text_of
from tests.fixtures import call_of, engine_on, message, read_all, simulator, told
from tests.scripted import MESSAGE, Provider, Say, say_error
from thriftgate.core.money import usd_from_pico
from thriftgate.engine import again
from thriftgate.ledger.entries import BASELINE, UPSTREAM
from thriftgate.simulator import SimClock

CAP, FORM, BREVITY, PREFILL = "output.cap", "output.schema", "output.brevity", "output.prefill"
JULY = 1_782_907_200.0  # 2026-07-01: a model without structured outputs is still served
UNHELD = "claude-opus-4-1"
RUNAWAY = "[[sim: long=80,0.3,1]]"  # this call runs on to its limit, and the one after it does not


def body(text: str, **members: Any) -> Json:
    return {"model": PLAIN, "max_tokens": 2_000, "messages": [{"role": "user", "content": text}], **members}


def labels(*more: str) -> str:
    """A schema whose complaint tells the simulator what to say to it: it names the labels that there are."""
    label = {"type": "string", "enum": ["spam", *more]}
    return msgspec.json.encode(SCHEMA | {"properties": {"label": label}}).decode()


RIGHT = labels('[[sim: say={"label":"spam"}]]')
STILL_WRONG = labels('[[sim: say={"label":"?"}]]')
WRONG = 'Which? [[sim: say={"label":"maybe"}]]'


def in_july() -> Any:
    return simulator(clock=SimClock.frozen(JULY))


# --- a cap ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("caching", [(), ("cache.breakpoints",)])
async def test_a_cut_answer_is_asked_for_again_at_the_full_limit(caching: tuple[str, ...]) -> None:
    run = await executed([body(RUNAWAY)], **tables((*caching, CAP), {"cap": 300}))
    cut, whole = run.entries
    assert [msgspec.json.decode(sent)["max_tokens"] for sent in run.bodies] == [300, 2_000]
    assert run.bodies[1] == msgspec.json.encode(body(RUNAWAY))
    assert (cut.stop_reason, cut.endpoint, cut.usage.total.output) == ("max_tokens", "again", 300)
    assert cut.posted(BASELINE) == 0
    assert cut.posted(f"saved:{CAP}") == -cut.posted(UPSTREAM) > 0
    assert (whole.stop_reason, whole.endpoint) == ("end_turn", "anthropic.messages")
    assert whole.posted(BASELINE) == -whole.posted(UPSTREAM)
    (answer,), (headers,) = run.answers, run.headers
    assert answer["stop_reason"] == "end_turn"
    assert answer["usage"]["output_tokens"] == whole.usage.total.output < 300
    assert told(headers, "thriftgate-request-id") == whole.id
    assert CAP in told(headers, "thriftgate-plan").split(",")
    assert -run.saved(CAP) == -cut.posted(UPSTREAM)
    reasons = {one.lever: one.reason for one in whole.decisions}
    assert reasons[CAP] == "asked again at the full limit: the answer was cut at 300 tokens"


async def test_an_answer_below_the_cap_costs_and_saves_nothing() -> None:
    plain = await executed([body("[[sim: out=40]]")])
    run = await executed([body("[[sim: out=40]]")], **tables((CAP,), {"cap": 300}))
    assert run.billed == plain.billed
    assert run.saved(CAP) == 0
    assert run.texts() == plain.texts()


async def test_one_that_is_long_on_purpose_is_had_whole() -> None:
    run = await executed([body("[[sim: out=700]]")], **tables((CAP,), {"cap": 300}))
    assert [entry.usage.total.output for entry in run.entries] == [300, 700]
    assert run.answers[0]["usage"]["output_tokens"] == 700


async def test_the_clients_own_limit_cuts_as_ever() -> None:
    run = await executed([body("[[sim: out=700]]", max_tokens=350)], **tables((CAP,), {"cap": 300}))
    assert run.answers[0]["stop_reason"] == "max_tokens"
    assert run.answers[0]["usage"]["output_tokens"] == 350
    assert len(run.entries) == 2


async def test_a_stream_is_never_capped() -> None:
    sent = body("[[sim: out=700]]", stream=True)
    run = await executed([sent], **tables((CAP,), {"cap": 300}))
    assert run.bodies == [msgspec.json.encode(sent)]
    assert run.answers[0]["usage"]["output_tokens"] == 700


async def test_the_repeat_too_has_to_fit_the_schema() -> None:
    """Cut, asked for again, wrong, repaired."""
    text = "[[sim: say=" + '{"label":"' + "maybe so, " * 60 + '"}]]'
    rows = tables((CAP, FORM), {"cap": 60, "schema": RIGHT, "repair": True})
    run = await executed([body(text)], **rows)
    assert [entry.endpoint for entry in run.entries] == ["again", "anthropic.messages", "again"]
    assert run.texts() == ['{"label":"spam"}']


# --- a schema ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [BOUND, PLAIN, OLD])
async def test_a_wrong_answer_is_repaired_once(model: str) -> None:
    run = await executed([body(WRONG, model=model)], **tables((FORM,), {"schema": RIGHT, "repair": True}))
    first, repair = run.entries
    assert run.texts() == ['{"label":"spam"}']
    assert "thriftgate-warning" not in dict(_decoded(run.headers[0]))
    sent = msgspec.json.decode(run.bodies[1])
    assert sent["messages"][0] == {"role": "user", "content": WRONG}
    assert "is not one of" in sent["messages"][2]["content"]
    assert sent["output_config"] == msgspec.json.decode(run.bodies[0])["output_config"]
    assert (first.endpoint, repair.endpoint, repair.parent) == ("anthropic.messages", "again", first.id)
    assert repair.posted(BASELINE) == 0
    assert repair.posted(f"saved:{FORM}") == -repair.posted(UPSTREAM) > 0


async def test_an_answer_that_fits_is_left_alone() -> None:
    run = await executed([body('[[sim: say={"label":"spam"}]]')], **tables((FORM,), {"schema": RIGHT, "repair": True}))
    assert len(run.entries) == 1
    assert run.texts() == ['{"label":"spam"}']


@pytest.mark.parametrize("model", [BOUND, UNHELD])
async def test_a_second_failure_is_told_in_a_header(model: str) -> None:
    run = await executed([body(WRONG, model=model)], in_july() if model == UNHELD else None, **_form(STILL_WRONG))
    assert run.texts() == ['{"label":"?"}']
    assert "breaks its schema as well" in told(run.headers[0], "thriftgate-warning")
    assert len(run.entries) == 2


async def test_a_model_that_cannot_be_held_is_told_and_repaired() -> None:
    run = await executed([body(WRONG, model=UNHELD, system="You sort.")], in_july(), **_form(RIGHT))
    sent = [msgspec.json.decode(one) for one in run.bodies]
    assert RIGHT in sent[0]["system"][1]["text"]
    assert sent[1]["system"] == sent[0]["system"]
    assert "output_config" not in sent[0]
    assert run.texts() == ['{"label":"spam"}']


@pytest.mark.parametrize("said", ['```json\n{"label":"spam"}\n```', '```\n{"label":"spam"}```\n'])
async def test_the_client_of_such_a_model_gets_json_without_a_fence(said: str) -> None:
    run = await executed([body(f"[[sim: say={said}]]", model=UNHELD)], in_july(), **_form(RIGHT))
    assert len(run.entries) == 1
    assert run.texts() == ['{"label":"spam"}']


async def test_a_repaired_answer_has_no_fence_either() -> None:
    schema = labels('[[sim: say=```json {"label":"spam"} ```]]')  # no line break could be quoted: so this one stays wrong
    run = await executed([body(WRONG, model=UNHELD)], in_july(), **_form(schema))
    assert "breaks its schema as well" in told(run.headers[0], "thriftgate-warning")


async def test_a_prefilled_answer_is_repaired_whole() -> None:
    app = in_july()
    rows = tables((FORM, PREFILL), {"schema": RIGHT, "repair": True, "prefill": '{"label":'})
    fits = await executed([body('[[sim: say="spam"}]]', model=UNHELD)], app, **rows)
    assert fits.texts() == ['{"label":"spam"}']
    assert len(fits.entries) == 1
    run = await executed([body('[[sim: say="maybe"}]]', model=UNHELD)], app, **rows)
    assert run.texts() == ['{"label":"spam"}']
    roles = [one["role"] for one in msgspec.json.decode(run.bodies[1])["messages"]]
    assert roles == ["user", "assistant", "user"]


@pytest.mark.parametrize("order", ["refuse=cyber", "stop=max_tokens", "tool=look input={}"])
async def test_what_is_no_answer_is_not_repaired(order: str) -> None:
    tool = {"name": "look", "input_schema": {"type": "object"}}
    run = await executed([body(f"[[sim: {order}]]", tools=[tool])], **_form(RIGHT))
    assert len(run.entries) == 1


async def test_without_repair_nothing_is_looked_at() -> None:
    run = await executed([body(WRONG)], **tables((FORM,), {"schema": RIGHT}))
    assert run.texts() == ['{"label":"maybe"}']
    assert len(run.entries) == 1


def _form(schema: str) -> dict[str, Any]:
    return tables((FORM,), {"schema": schema, "repair": True})


def _decoded(headers: tuple[tuple[bytes, bytes], ...]) -> list[tuple[str, str]]:
    return [(name.decode(), value.decode()) for name, value in headers]


# --- what goes wrong --------------------------------------------------------------------------------------------------

GARBAGE = Say([b'{"type":"mess'])
FAILURES = {
    "overloaded": say_error(529, "overloaded_error"),
    "limited": say_error(429, "rate_limit_error"),
    "garbage": GARBAGE,
    "reset": Say([ConnectionResetError("reset")]),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("row", [{"cap": 50, "brevity": "line"}, {"schema": RIGHT, "repair": True}])
async def test_an_attempt_without_an_answer_is_followed_by_an_ordinary_call(failure: str, row: Json) -> None:
    provider = Provider(FAILURES[failure], Say())
    async with engine_on(provider, **tables((CAP, FORM, BREVITY), row)) as engine:
        reply = await engine.messages(call_of(message(max_tokens=900)))
        assert text_of(await answer_of(reply)) == "scripted"
        lost, kept = await booked(engine)
        first, second = [msgspec.json.decode(sent) for sent in provider.bodies]
        assert second == first | {"max_tokens": 900}  # still asked for in few words, or in JSON
        account = f"saved:{CAP if 'cap' in row else FORM}"
        billed = failure in ("garbage", "reset")
        assert (lost.posted(account) > 0) == billed
        assert lost.posted(BASELINE) == 0
        assert (lost.endpoint, lost.usage_source) == ("again", "estimated" if billed else "none")
        assert kept.outcome == "answered"
        why = next(one.reason for one in kept.decisions if one.lever == CAP) if "cap" in row else ""
        assert why in ("", f"{lost.id} brought no answer")


async def test_a_repair_that_fails_leaves_the_answer_as_it_was() -> None:
    wrong = MESSAGE.replace(b"scripted", b"{}", 1).replace(b"msg_{}", b"msg_1")
    provider = Provider(Say([wrong]), say_error(529, "overloaded_error"))
    async with engine_on(provider, **_form(RIGHT)) as engine:
        reply = await engine.messages(call_of(message()))
        assert reply.body == wrong
        assert "could not be repaired" in told(reply.headers, "thriftgate-warning")
        assert [entry.outcome for entry in await booked(engine)] == ["answered", "failed"]
        paid = -(await booked(engine))[0].posted(UPSTREAM)
        assert told(reply.headers, "thriftgate-cost-usd") == usd_from_pico(paid)


async def test_an_answer_that_cannot_be_examined_is_given_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> str:
        raise LookupError("a bug")

    monkeypatch.setattr(again, "check", broken)
    provider = Provider()
    async with engine_on(provider, **_form(RIGHT)) as engine:
        assert await read_all(await engine.messages(call_of(message()))) == MESSAGE
        assert len(await booked(engine)) == 1


@pytest.mark.parametrize("row", [{"cap": 50}, {"schema": RIGHT, "repair": True}])
async def test_a_client_that_leaves_is_billed_all_the_same(row: Json) -> None:
    provider = Provider(Say([asyncio.Event()]))
    async with engine_on(provider, **tables((CAP, FORM), row)) as engine:
        asking = asyncio.ensure_future(engine.messages(call_of(message())))
        await provider.asked.wait()
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        (entry,) = await booked(engine)
        assert (entry.outcome, entry.usage_source) == ("left", "estimated")
    assert provider.gone == 1


# --- which answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "members", "looked"),
    [
        ({"cap": 50}, {}, True),
        ({"cap": 50}, {"stream": True}, False),
        ({"cap": 500}, {}, False),
        ({"schema": RIGHT, "repair": True}, {}, True),
        ({"schema": RIGHT, "repair": True}, {"stream": True}, False),
        ({"schema": RIGHT}, {}, False),
        ({"brevity": "line"}, {}, False),
        ({"cap": 50, "until": "json"}, {}, True),  # output.early_stop is off
    ],
)
async def test_only_answers_that_something_hangs_on_are_looked_at(row: Json, members: Json, looked: bool) -> None:
    provider = Provider(say_error(529, "overloaded_error"))
    async with engine_on(provider, upstream={"attempts_max": 1}, **tables((CAP, FORM, BREVITY), row)) as engine:
        await engine.messages(call_of(message(**members)))
        assert len(await booked(engine)) == 1 + looked

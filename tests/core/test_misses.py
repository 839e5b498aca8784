"""Every cause of a miss, provoked on the simulator through the engine: the cause, the place, and what it cost.

What a miss cost is held against the simulator's own bill: the same calls without what caused the miss are cheaper by as
much. The clients mark for themselves and no lever acts, so that all entries are known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, get_args

import msgspec
import pytest

from tests.fixtures import HEADERS, MODEL, call_of, engine_on, message, simulator
from tests.scripted import MESSAGE, Provider, Say
from thriftgate.core.misses import UNAVOIDABLE, Cause, Miss
from thriftgate.ledger.entries import UPSTREAM, Entry
from thriftgate.simulator import SimClock, Simulator
from thriftgate.simulator.config import CacheRules, Latency

MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
TOOLS = [
    {"name": f"tool_{n}", "description": f"does the work of number {n} " * 60, "input_schema": {"type": "object"}}
    for n in range(4)
]
FAST = HEADERS | {"anthropic-beta": "fast-mode-2026-02-01"}
HANDBOOK = "Answer from the handbook, and only from there. " * 300
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
CITED = {
    "type": "document",
    "source": {"type": "text", "media_type": "text/plain", "data": "It is so. "},
    "citations": {"enabled": True},
}
SCHEMA = {"type": "json_schema", "schema": {"type": "object", "properties": {}, "additionalProperties": False}}

Step = dict[str, Any] | float | list[dict[str, Any]] | Callable[[Simulator], None]


def text(words: str, mark: dict[str, str] | None = None) -> dict[str, Any]:
    return {"type": "text", "text": words} | ({"cache_control": mark} if mark else {})


def turns(n: int, mark: dict[str, str] | None = MARK) -> list[dict[str, Any]]:
    """A conversation of n answered questions and one more, marked at its end."""
    said: list[dict[str, Any]] = []
    for at in range(n):
        said.append({"role": "user", "content": [text(f"question number {at} " * 60)]})
        said.append({"role": "assistant", "content": [text(f"answer number {at} " * 60)]})
    return [*said, {"role": "user", "content": [text(f"question number {n} " * 60, mark)]}]


def body(n: int = 2, **members: Any) -> dict[str, Any]:
    """Turn n of an agent's conversation that marks its system prompt and its end."""
    return message(**{"tools": TOOLS, "system": [text(HANDBOOK, MARK)], "messages": turns(n)} | members)


async def settled(*steps: Step, app: Simulator | None = None) -> list[Entry]:
    """The entries of these calls; a number is a wait in seconds, a list is sent at once, a function acts on the provider."""
    app = app or simulator()
    assert isinstance(app.config.clock, SimClock)
    async with engine_on(app, policy={"levers": []}, cache={"fanout_wait_s": 0}) as engine:
        for step in steps:
            if isinstance(step, int | float):
                app.config.clock.advance(step)
            elif callable(step):
                step(app)
            else:
                calls = step if isinstance(step, list) else [step]
                replies = await asyncio.gather(*(engine.messages(call_of(one, headers=FAST)) for one in calls))
                assert [reply.status for reply in replies] == [200] * len(calls), replies
        return sorted(await engine.ledger.entries(), key=lambda entry: entry.id)


async def last_miss(*steps: Step, app: Simulator | None = None) -> Miss | None:
    return (await settled(*steps, app=app))[-1].miss


def paid(entry: Entry) -> int:
    return -entry.posted(UPSTREAM)


def changed_tool(at: int) -> list[dict[str, Any]]:
    return [
        tool | {"description": f"does the play of number {n} " * 60} if n == at else tool for n, tool in enumerate(TOOLS)
    ]


def edited(n: int) -> list[dict[str, Any]]:
    """The conversation with its first answer written anew."""
    first, _, *rest = turns(n)
    return [first, {"role": "assistant", "content": [text("answer number 9 " * 60)]}, *rest]


def with_first(block: dict[str, Any]) -> list[dict[str, Any]]:
    *before, last = turns(3)
    return [*before, last | {"content": [block, *last["content"]]}]


def drop_cache(app: Simulator) -> None:
    app.service.cache.clear()


@pytest.mark.parametrize(
    ("cause", "steps", "without"),
    [
        ("expired", (body(2), 360, body(3)), (body(2), 10, body(3))),
        ("evicted", (body(2), 10, drop_cache, body(3)), (body(2), 10, body(3))),
        ("prefix_changed", (body(2), 10, body(3, tools=changed_tool(2))), (body(2, tools=changed_tool(2)), 10) * 2),
        ("prefix_changed", (body(2), 10, body(3, messages=edited(3))), (body(2, messages=edited(2)), 10) * 2),
        ("model_changed", (body(2), 10, body(3, model="claude-opus-4-7")), (body(2, model="claude-opus-4-7"), 10) * 2),
        ("speed_changed", (body(2), 10, body(3, speed="fast")), (body(2, speed="fast"), 10) * 2),
        ("tool_choice_changed", (body(2), 10, body(3, tool_choice={"type": "none"})), ()),
        ("thinking_changed", (body(2), 10, body(3, thinking={"type": "adaptive"})), ()),
        ("effort_changed", (body(2), 10, body(3, output_config={"effort": "low"})), ()),
        ("format_changed", (body(2), 10, body(3, output_config={"format": SCHEMA})), ()),
        ("images_changed", (body(2), 10, body(3, messages=with_first(IMAGE))), ()),
        ("citations_changed", (body(2), 10, body(3, messages=with_first(CITED))), ()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_a_miss_cost_is_what_the_call_costs_less_without_it(
    cause: Cause, steps: tuple[Step, ...], without: tuple[Step, ...]
) -> None:
    asked = steps[-1]
    assert isinstance(asked, dict)
    if not without:  # the setting that changed, held from the start
        start = {name: value for name, value in asked.items() if name != "messages"}
        first = body(2) | start
        if asked["messages"] != turns(3):
            first["messages"] = [*with_first(IMAGE if cause == "images_changed" else CITED)[-1:], *turns(1)[1:]]
            asked = asked | {"messages": [*first["messages"], *turns(3)[3:]]}
        without = (first, 10, asked)
    elif len(without) == 4:
        without = (*without[:2], asked)
    missed = (await settled(*steps))[-1]
    assert missed.miss is not None
    assert missed.miss.cause == cause
    assert missed.miss.avoidable == (cause not in UNAVOIDABLE)
    served = (await settled(*without))[-1]
    lost = served.usage.total.read - missed.usage.total.read
    if cause not in ("images_changed", "citations_changed"):  # there the two conversations differ in more
        within = 0.01 if cause in ("expired", "evicted") else 0.08  # token counts of single blocks are estimates
        assert missed.miss.tokens == pytest.approx(lost, rel=within)
        assert missed.miss.pico == pytest.approx(paid(missed) - paid(served), rel=within)
    else:
        assert missed.miss.tokens > 1_000


async def test_an_expired_prefix_by_hand() -> None:
    first, again = await settled(body(2), 360, body(2))
    assert (again.usage.total.read, again.usage.total.write_5m) == (0, first.usage.total.write_5m)
    assert again.miss is not None
    assert (again.miss.cause, again.miss.gap_s, again.miss.avoidable) == ("expired", 360.0, True)
    assert again.miss.tokens == again.usage.total.prompt
    # Opus 4.8: $6.25 written, $5 plain, $0.50 read per million
    tokens = again.usage.total
    assert again.miss.pico == tokens.write_5m * 5_750_000 + tokens.input * 4_500_000
    assert again.miss.detail == "last used 360 s before; its 5m entry had expired"


async def test_after_more_than_an_hour_nothing_would_have_helped() -> None:
    miss = await last_miss(body(2), 4_000, body(2))
    assert miss is not None
    assert (miss.cause, miss.avoidable) == ("expired", False)


async def test_the_first_call_is_cold_and_a_served_one_no_miss() -> None:
    first, second, third = await settled(body(2), 10, body(2), 10, body(3))
    assert first.miss is not None
    assert (first.miss.cause, first.miss.avoidable) == ("cold", False)
    assert first.miss.tokens == first.usage.total.prompt
    assert first.miss.pico == first.usage.total.write_5m * 5_750_000 + first.usage.total.input * 4_500_000
    assert (second.miss, third.miss) == (None, None)


async def test_a_short_question_is_no_miss_the_first_time_and_under_the_minimum_the_second() -> None:
    first, second = await settled(message("word " * 300), 10, message("word " * 300))
    assert first.miss is None
    assert second.miss is not None
    assert (second.miss.cause, second.miss.avoidable) == ("below_minimum", False)
    assert second.miss.tokens == second.usage.total.input
    assert second.miss.pico == second.usage.total.input * 4_500_000
    assert second.miss.detail.endswith(f"under the 1,024 that {MODEL} caches")


async def test_a_breakpoint_that_stands_too_early_is_under_the_minimum() -> None:
    early = message(system=[text("Be brief.", MARK), text(HANDBOOK)], messages=turns(1))
    late = message(system=[text("Be brief."), text(HANDBOOK)], messages=[*turns(1, None)])
    marked_before = message(system=[text("Be brief."), text(HANDBOOK)], messages=turns(1))
    miss = await last_miss(marked_before, 10, early | {"messages": late["messages"]})
    assert miss is not None
    assert miss.cause == "below_minimum"


async def test_more_than_twenty_new_blocks_are_out_of_look_back() -> None:
    answer = {"role": "assistant", "content": [text(f"point {n} of many " * 10) for n in range(24)]}
    longer = [*turns(2, None), answer, {"role": "user", "content": [text("and now", MARK)]}]
    plain = [text(HANDBOOK)]
    first, second = await settled(body(2, system=plain), 10, body(2, system=plain, messages=longer))
    assert second.usage.total.read == 0
    assert second.miss is not None
    assert second.miss.cause == "look_back"
    assert second.miss.tokens == first.usage.total.prompt
    assert second.miss.pico == second.miss.tokens * 5_750_000
    assert "25 blocks behind it" in second.miss.detail


@pytest.mark.parametrize("wait_s", [0.0, 0.4])
async def test_parallel_calls_cannot_read_what_is_not_there_yet(wait_s: float) -> None:
    app = simulator(latency=Latency(first_byte_s=wait_s))
    first, *others = await settled([body(2), body(2), body(2)], app=app)
    assert first.miss is not None
    assert first.miss.cause == "cold"
    for entry in others:
        assert entry.miss is not None
        assert (entry.miss.cause, entry.miss.avoidable) == ("concurrency", True)
        assert entry.miss.tokens == entry.usage.total.prompt
        assert entry.miss.pico == first.miss.pico


async def test_a_call_behind_one_that_failed_is_cold() -> None:
    answer = msgspec.json.decode(MESSAGE)
    answer["usage"] = {"input_tokens": 10, "cache_creation_input_tokens": 5_000, "output_tokens": 5}
    async with engine_on(
        Provider(Say([b'{"type": "error"}'], status=400), Say([msgspec.json.encode(answer)])), policy={"levers": []}
    ) as engine:
        for _ in range(2):
            await engine.messages(call_of(body(1)))
        failed, answered = await engine.ledger.entries()
    assert failed.miss is None
    assert answered.miss is not None
    assert answered.miss.cause == "cold"


async def test_what_nobody_marked() -> None:
    bare: dict[str, Any] = {"system": HANDBOOK, "tools": TOOLS}
    first, second = await settled(message(messages=turns(1, None), **bare), 10, message(messages=turns(2, None), **bare))
    assert second.miss is not None
    assert (second.miss.cause, second.miss.tokens) == ("not_marked", first.usage.total.prompt)
    assert second.miss.pico == second.miss.tokens * 4_500_000


async def test_a_shared_head_that_only_tails_were_marked_behind() -> None:
    bare: dict[str, Any] = {"system": HANDBOOK, "tools": TOOLS}
    other = [{"role": "user", "content": [text("Something else entirely?", MARK)]}]
    miss = await last_miss(message(messages=turns(0), **bare), 10, message(messages=other, **bare))
    assert miss is not None
    assert miss.cause == "not_marked"
    assert "up to system" in miss.detail


async def test_a_request_that_stops_marking_does_not_read() -> None:
    miss = await last_miss(body(2), 10, message(tools=TOOLS, system=HANDBOOK, messages=turns(3, None)))
    assert miss is not None
    assert (miss.cause, miss.detail) == ("not_marked", "it was cached, but this request has no breakpoint")


async def test_an_hour_that_was_asked_for_and_not_granted() -> None:
    app = simulator(rules=CacheRules(grant_1h=False))
    asked = message("And?", system=[text(HANDBOOK, HOUR)])
    miss = await last_miss(asked, 600, asked, app=app)
    assert miss is not None
    assert (miss.cause, miss.gap_s, miss.avoidable) == ("hour_not_granted", 600.0, False)


# --- where it changed --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("later", "at", "where"),
    [
        (body(3, tools=changed_tool(2)), 2, "tools[2]"),
        (body(3, tools=[*TOOLS, TOOLS[0] | {"name": "added"}]), 4, "tools[4]"),
        (body(3, tools=TOOLS[1:]), 0, "tools[0]"),
        (body(3, system=[text(HANDBOOK + " Today is Tuesday.", MARK)]), 4, "system[0]"),
        (body(3, messages=edited(3)), 6, "messages[1].content[0]"),
    ],
)
async def test_the_block_that_changed_is_named(later: dict[str, Any], at: int, where: str) -> None:
    miss = await last_miss(body(2), 10, later)
    assert miss is not None
    assert (miss.cause, miss.at_block) == ("prefix_changed", at)
    assert miss.detail.startswith(f"{where} (block {at}) changed: ")
    assert miss.detail.endswith(f"{miss.digest} now")
    assert len(miss.digest) == 8
    assert int(miss.digest, 16) >= 0


async def test_a_date_in_the_system_prompt_is_found_across_conversations() -> None:
    first, second = await settled(
        message("hello", system=[text("Today is Monday. " + HANDBOOK, MARK)]),
        10,
        message("good day", system=[text("Today is Tuesday. " + HANDBOOK, MARK)]),
    )
    assert second.miss is not None
    assert (second.miss.cause, second.miss.at_block) == ("prefix_changed", 0)
    assert second.miss.tokens == pytest.approx(second.usage.total.write_5m, rel=0.01)
    assert second.miss.tokens <= second.usage.total.prompt
    assert first.miss is not None
    assert first.miss.cause == "cold"


async def test_two_applications_of_one_key_are_not_taken_for_one() -> None:
    other = "You write poems about the sea, and nothing else whatsoever. " * 400
    miss = await last_miss(message("a", system=[text(HANDBOOK, MARK)]), 10, message("b", system=[text(other, MARK)]))
    assert miss is not None
    assert miss.cause == "cold"


async def test_a_change_after_the_entry_had_expired_is_not_what_it_cost() -> None:
    miss = await last_miss(body(2), 400, body(3, tools=changed_tool(1)))
    assert miss is not None
    assert (miss.cause, miss.at_block) == ("expired", None)


async def test_a_last_question_asked_anew_is_no_change() -> None:
    anew = [*turns(2)[:-1], {"role": "user", "content": [text("Or rather this?", MARK)]}]
    entries = await settled(body(1), 10, body(2), 10, body(2, messages=anew))
    assert entries[-1].miss is None or entries[-1].miss.cause == "not_marked"


# --- the provider's word ------------------------------------------------------------------------------------------------


async def test_the_providers_own_diagnosis_is_taken_over() -> None:
    app = simulator()
    headers = HEADERS | {"anthropic-beta": "cache-diagnosis-2026-04-07"}
    async with engine_on(app, policy={"levers": []}) as engine:
        reply = await engine.messages(call_of(body(2, diagnostics={"previous_message_id": None}), headers=headers))
        assert reply.body is not None
        asked = {"previous_message_id": msgspec.json.decode(reply.body)["id"]}
        for stream in (False, True):
            later = body(3, tools=changed_tool(2 + stream), diagnostics=asked, stream=stream)
            reply = await engine.messages(call_of(later, headers=headers))
            while await reply.read():
                pass
        entries = await engine.ledger.entries()
    for entry in entries[1:]:
        assert entry.miss is not None
        assert entry.miss.cause == "prefix_changed"
        assert entry.miss.detail.endswith("(told by the provider as well: tools_changed)")


@pytest.mark.parametrize(
    ("reason", "cause", "tokens"),
    [
        ("messages_changed", "prefix_changed", 3_000),
        ("model_changed", "model_changed", 3_000),
        ("unavailable", "cold", 5_010),
    ],
)
async def test_what_the_provider_knows_better(reason: str, cause: Cause, tokens: int) -> None:
    answer = msgspec.json.decode(MESSAGE)
    answer["usage"] = {"input_tokens": 10, "cache_creation_input_tokens": 5_000, "output_tokens": 5}
    answer["diagnostics"] = {"cache_miss_reason": {"type": reason, "cache_missed_input_tokens": 3_000}}
    async with engine_on(Provider(Say([msgspec.json.encode(answer)])), policy={"levers": []}) as engine:
        await engine.messages(call_of(body(1)))
        (entry,) = await engine.ledger.entries()
    assert entry.miss is not None
    assert (entry.miss.cause, entry.miss.tokens) == (cause, tokens)
    if tokens == 3_000:
        assert entry.miss.pico == 3_000 * 5_750_000
        assert entry.miss.detail == f"{reason}, told by the provider"


def test_every_cause_is_either_avoidable_or_not() -> None:
    assert set(get_args(Cause)) >= UNAVOIDABLE


def causes_of(entries: Sequence[Entry]) -> list[str]:
    return [entry.miss.cause if entry.miss is not None else "" for entry in entries]


async def test_long_traffic_with_everything_marked_and_in_time_misses_nothing_but_the_first() -> None:
    steps: list[Step] = []
    for n in range(12):
        steps += [body(n), 20.0]
    assert causes_of(await settled(*steps)) == ["cold", *[""] * 11]


# --- any traffic -------------------------------------------------------------------------------------------------------


def some_request(random: Random) -> dict[str, Any]:
    """A turn of one of two conversations, with whatever may change between two requests changed now and then."""
    often = random.random() < 0.6
    members: dict[str, Any] = {
        "messages": turns(random.randrange(4), random.choice([MARK, MARK, None])),
        "system": [text(random.choice(["", "", "Today is Monday. "]) + HANDBOOK, random.choice([MARK, HOUR, None]))],
    }
    if not often:
        members |= random.choice(
            [
                {"tools": changed_tool(random.randrange(4))},
                {"tools": TOOLS[:2]},
                {"tool_choice": {"type": "none"}},
                {"thinking": {"type": "adaptive"}},
                {"model": "claude-opus-4-7"},
                {"messages": edited(3)},
                {"messages": with_first(IMAGE)},
                {"system": "Be brief.", "tools": None, "messages": turns(0)},
            ]
        )
    if members["system"] != "Be brief." and members["system"][0].get("cache_control") is None:
        members["system"] = HANDBOOK
    return {name: value for name, value in body(1, **members).items() if value is not None}


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_is_sent_a_miss_is_part_of_the_prompt_and_of_the_bill(seed: int) -> None:
    random = Random(seed)
    steps: list[Step] = []
    for _ in range(40):
        steps += [some_request(random), random.choice([1.0, 20.0, 20.0, 200.0, 400.0, 4_000.0])]
        if random.random() < 0.05:
            steps.append(drop_cache)
    entries = await settled(*steps)
    for entry in entries:
        tokens = entry.usage.total
        if entry.miss is None:
            continue
        assert 0 < entry.miss.tokens <= tokens.prompt - tokens.read
        assert 0 < entry.miss.pico < paid(entry)
        assert not entry.miss.avoidable or entry.miss.cause not in UNAVOIDABLE
        assert (entry.miss.digest != "") == (entry.miss.at_block is not None)
    assert len(set(causes_of(entries))) >= 5
    assert sum(cause == "cold" for cause in causes_of(entries)) <= 8

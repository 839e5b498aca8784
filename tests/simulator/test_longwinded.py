"""Answers of realistic length: their distribution, runaways, brevity, effort; and that nothing else changed."""

from __future__ import annotations

from math import log
from statistics import mean, median, pstdev
from typing import Any

import pytest

from thriftgate.simulator.longwinded import Long, drawn_from, heeded, read_long, runs_away, spoken

from .support import ask, body, simulator

LONG = Long(400, 0.8, 0.02)


def lengths(long: Long, count: int = 4_000, **more: Any) -> list[int]:
    told: dict[str, Any] = {"asked": "", "effort": "high", "max_tokens": 10**9} | more
    return [spoken(long, ("seed", at), 1, **told).text for at in range(count)]


@pytest.mark.parametrize(
    ("value", "long"),
    [
        ("400", Long(400)),
        ("400,0.8", Long(400, 0.8)),
        ("400,0.8,0.02", LONG),
        ("0", None),
        ("400,0.8,2", None),
        ("400,nan", None),
        ("400,,1", None),
        ("many", None),
        ("1,1,0,1", None),
    ],
)
def test_what_the_mark_says(value: str, long: Long | None) -> None:
    assert read_long(value) == long


def test_lengths_are_log_normal() -> None:
    found = lengths(Long(400, 0.8))
    assert median(found) == pytest.approx(400, rel=0.06)
    assert pstdev([log(one) for one in found]) == pytest.approx(0.8, rel=0.05)


def test_most_of_a_length_is_the_prompts_own() -> None:
    told: dict[str, Any] = {"asked": "", "effort": "high", "max_tokens": 10**9}
    pairs = [[spoken(Long(400, 1.0), (at,), number, **told).text for number in (1, 2)] for at in range(2_000)]
    apart = [(log(first) - log(second)) ** 2 for first, second in pairs]
    assert mean(apart) == pytest.approx(2 * 0.2, rel=0.1)


def test_runaways_go_on_to_any_limit_and_the_call_after_one_does_not() -> None:
    assert sum(one > 10**9 for one in lengths(LONG)) / 4_000 == pytest.approx(0.02, abs=0.006)
    first = [at for at in range(4_000) if runs_away(0.02, ("seed", at), 1)]
    assert not any(runs_away(0.02, ("seed", at), 2) for at in first)
    assert [runs_away(1.0, (), number) for number in (1, 2, 3)] == [True, False, True]
    assert not runs_away(0.0, (), 1)


@pytest.mark.parametrize(
    ("words", "limit"),
    [
        ("Answer in at most 50 words.", 67.5),
        ("No more than 2 sentences!", 60),
        ("Answer in one sentence, unless another form is asked for.", 30),
        ("Answer in one short paragraph, unless another form is asked for.", 90),
        ("Give the answer alone, on a single line.", 25),
        ("Give the answer alone, as the single word that is asked for.", 4),
        ("Reply with the label only.", 4),
        ("Return only the number.", 4),
        ("In one word: at most 50 words of reasons?", 4),
    ],
)
def test_limits_are_kept_to_more_or_less(words: str, limit: float) -> None:
    assert heeded(1_000.0, words, 0.0) == pytest.approx(0.7 * limit)
    assert heeded(1_000.0, words, 1.0) == pytest.approx(1.05 * limit)
    assert heeded(2.0, words, 0.5) == 2.0


@pytest.mark.parametrize(
    "words", ["Be brief.", "Please answer briefly", "be concise: no preamble", "Keep your answer short."]
)
def test_brevity_halves(words: str) -> None:
    assert heeded(1_000.0, words, 0.5) == 500.0


@pytest.mark.parametrize("words", ["", "Tell me about words and lines.", "The label is on the box.", "a brief history"])
def test_other_words_ask_for_nothing(words: str) -> None:
    assert heeded(1_000.0, words, 0.5) == 1_000.0


def test_a_runaway_heeds_nothing() -> None:
    assert lengths(Long(400, 0.8, 1.0), 1, asked="Be brief. At most 5 words.") == [10**9 + 1]


async def told(app: Any, text: str, **members: Any) -> Any:
    reply = await ask(app, body(**({"max_tokens": 5_000, "messages": [{"role": "user", "content": text}]} | members)))
    assert reply.status == 200, reply.raw
    return reply.json()


async def test_a_runaway_is_cut_at_any_cap_and_its_repeat_ends() -> None:
    app, text = simulator(), "why? [[sim: long=100,0.5,1]]"
    cut = await told(app, text, max_tokens=300)
    assert (cut["stop_reason"], cut["usage"]["output_tokens"]) == ("max_tokens", 300)
    again = await told(app, text)
    assert again["stop_reason"] == "end_turn"
    assert 1 < again["usage"]["output_tokens"] < 1_000
    app.reset()
    assert (await told(app, text))["usage"]["output_tokens"] == 5_000


async def test_a_cap_makes_no_answer_shorter_and_brevity_does() -> None:
    text = "why? [[sim: long=400,0.5]]"
    plain = await told(simulator(), text)
    tokens = plain["usage"]["output_tokens"]
    assert (await told(simulator(), text, max_tokens=tokens))["content"] == plain["content"]
    assert (await told(simulator(), text, max_tokens=tokens - 1))["stop_reason"] == "max_tokens"
    for members in ({"system": "Be brief."}, {"system": [{"type": "text", "text": "You answer briefly."}]}):
        assert (await told(simulator(), text, **members))["usage"]["output_tokens"] == pytest.approx(tokens / 2, abs=1)
    behind = await told(simulator(), f"{text} Keep it short.")
    assert behind["usage"]["output_tokens"] == pytest.approx(tokens / 2, abs=1)
    other = await told(simulator(), f"{text} And why not?")
    assert other["usage"]["output_tokens"] == tokens


async def test_effort_scales_answers_and_thinking() -> None:
    spent = {}
    for effort in ("low", "medium", "high"):
        asked: dict[str, Any] = {"model": "claude-opus-5-5", "output_config": {"effort": effort}, "max_tokens": 60_000}
        spent[effort] = [
            (await told(simulator(), f"question {at} [[sim: long=300,0.5]]", **asked))["usage"] for at in range(20)
        ]
    totals = {effort: sum(one["output_tokens"] for one in many) for effort, many in spent.items()}
    thought = {
        effort: sum(one["output_tokens_details"]["thinking_tokens"] for one in many) for effort, many in spent.items()
    }
    assert thought["low"] < thought["medium"] < thought["high"]
    assert 0.33 <= 1 - totals["low"] / totals["high"] <= 0.55
    assert 0.1 <= 1 - totals["medium"] / totals["high"] <= 0.3


async def test_stop_sequences_and_calls_of_tools_work_as_ever() -> None:
    text = "why? [[sim: long=400,0.1]]"
    whole = (await told(simulator(), text))["content"][0]["text"]
    assert " meaning" not in whole
    stopped = await told(simulator(), text, stop_sequences=["nothing"])
    assert (stopped["stop_reason"], stopped["stop_sequence"]) == ("stop_sequence", "nothing")
    assert stopped["content"][0]["text"] == whole[: whole.index("nothing")]
    assert stopped["usage"]["output_tokens"] < 20
    tool = {"name": "get_weather", "input_schema": {"type": "object", "properties": {}}}
    forced = await told(simulator(), text, tools=[tool], tool_choice={"type": "any"})
    assert forced["stop_reason"] == "tool_use"


async def test_a_structured_output_can_be_made_invalid() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
    wanted = {"format": {"type": "json_schema", "schema": schema}}
    said = await told(simulator(), '[[sim: say={"a": "no number"}]]', output_config=wanted)
    assert said["content"][0]["text"] == '{"a": "no number"}'


def test_draws_depend_on_nothing_behind_the_mark() -> None:
    assert drawn_from("a [[sim: think=2 long=9]] b [[sim: stop=x]]") == "a [[sim: think=2 long=9]]"
    assert drawn_from("a b") == "a b"

"""What an evaluation tells of an answer is what a cascade would have of it."""

from __future__ import annotations

from math import log1p
from pathlib import Path
from typing import Any

import pytest

from tests.core.planning import request_of
from tests.core.routing.artefacts import artefact_of, cascade_of
from tests.engine.routes import Wire, ask, certified, routing_on
from tests.fixtures import simulator
from tests.quality.evaluating import AT_ONCE, arms, item, on_stage, said
from tests.quality.test_evaluation import done
from thriftgate.core.routing.confidence import Confidence
from thriftgate.pricing.load import load_models
from thriftgate.quality.answers import Answers, key_of
from thriftgate.quality.evaluation import Wanted
from thriftgate.quality.items import ToolCall
from thriftgate.quality.signals import all_signals, content_of
from thriftgate.simulator import SimClock

SCHEMA = {"type": "object", "required": ["n"]}
CHEAP, SECOND, STRONG, VERIFIER = "claude-haiku-4-5", "claude-sonnet-4-6", "claude-opus-4-8", "claude-haiku-5-5"
SUM = {"role": "user", "content": "Compute 17 * 3. Reply with the number only."}
JSON_SUM = {"role": "user", "content": "Compute 19 + 4. Reply with the number only."}
LOOK = {"name": "look", "input_schema": {"type": "object", "required": ["city"]}}
ASKED: dict[str, dict[str, Any]] = {
    "a sum": {"messages": [SUM], "system": "Count."},
    "cut off": {"messages": [{"role": "user", "content": "A tale. [[sim: out=50 stop=max_tokens]]"}]},
    "a schema": {"messages": [JSON_SUM], "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    "a tool": {"messages": [{"role": "user", "content": "Look. [[sim: tool=look]]"}], "tools": [LOOK]},
    "a conversation": {
        "messages": [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hi."}, SUM],
    },
}


def test_everything_that_can_be_told() -> None:
    request = request_of(output_config={"format": {"schema": SCHEMA}})
    answer = said('{"n": 1}', output_tokens=7)
    others = {"b": said('{"n":1}'), "c": said("no")}
    found = all_signals(answer, request, [said('{"n": 2}'), said('{"n": 1}'), answer], others, 0.7)
    assert found == {
        "ok": 1.0,
        "truncated": 0.0,
        "refused": 0.0,
        "log_tokens": round(log1p(7), 6),
        "schema_valid": 1.0,
        "agreement:b": 1.0,
        "agreement:c": 0.0,
        "self_agrees": 0.666667,
        "verifier": 0.7,
    }


def test_what_was_recorded_tells_little() -> None:
    assert all_signals(said("x", stop_reason=""), request_of()) == {}


def test_an_answer_as_blocks() -> None:
    assert content_of(said("a", calls=(ToolCall("look", {"x": 1}),))) == [
        {"type": "text", "text": "a"},
        {"type": "tool_use", "name": "look", "input": {"x": 1}},
    ]


@pytest.mark.parametrize("name", ASKED)
async def test_a_cascade_finds_the_signals_that_the_evaluation_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The same prompt, evaluated and then tried: the same figures, and the verifier is asked in the same bytes."""
    request = {"max_tokens": 200, **ASKED[name]}
    one = item("51", request=request, judge="exact", task="easy")
    every = arms(f"{CHEAP},{SECOND},{STRONG}")
    async with on_stage(tmp_path, simulator(clock=SimClock.frozen(), batches=AT_ONCE)) as (engine, _):
        wanted = Wanted([one], every, repeats=3, verifier=load_models()[VERIFIER])
        evaluated = await done(engine, tmp_path, wanted)
    written = evaluated.lines[0].outcomes[CHEAP].signals

    seen: list[dict[str, float]] = []
    plainly = Confidence.of

    def overheard(self: Confidence, signals: dict[str, float]) -> float:
        seen.append(signals)
        return plainly(self, signals)

    monkeypatch.setattr(Confidence, "of", overheard)
    cascade = cascade_of(0.9, samples=3, second=SECOND, verifier=VERIFIER)
    app = simulator()
    wire = Wire(app)
    routing = certified(tmp_path, artefact_of(cascade=cascade, cheap=CHEAP, strong=STRONG))
    async with routing_on(app, wire, routing=routing) as engine:
        status, _ = await ask(engine, {"model": STRONG, "stream": True, **request}, {"thriftgate-task": "easy"})
    assert status == 200
    (found,) = seen
    assert {name: round(value, 6) for name, value in found.items()} == written
    assert {"ok", "truncated", "refused", "log_tokens", "self_agrees", f"agreement:{SECOND}"} <= set(found)
    assert ("verifier" in found, "schema_valid" in found, "tools_valid" in found) == (
        True,
        name == "a schema",
        name == "a tool",
    )
    asked = next(body for body in wire.bodies if b"How likely" in body)
    with Answers(tmp_path / "answers.db") as answers:
        assert answers.find([key_of(asked, 0)])

"""What a cascade asks of others to judge a try: a verifier, further samples, a second model. Each is booked as its cost."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from tests.engine.routes import CHEAP, STRONG, Wire, ask, assert_billed, bytes_of, routing_on
from tests.engine.test_cascade import EASY, ERROR, KEPT, Tries, assert_against_the_lever, says, tries
from tests.fixtures import message, simulator
from tests.scripted import Say
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts

__all__ = ["tries"]  # a fixture


@pytest.mark.parametrize("verifier", [CHEAP, "claude-haiku-5-5", "claude-opus-5-5"])
async def test_a_verifier_is_asked_and_booked(tries: Tries, verifier: str) -> None:
    app = simulator()
    wire = Wire(app)
    async with routing_on(app, wire, routing=tries(verifier=verifier)) as engine:
        status, _ = await ask(engine, message(KEPT), EASY)
        entries = await assert_billed(engine, app)
    assert (status, wire.models) == (200, [CHEAP, verifier])
    assert "How likely is this answer right?" in msgspec.json.decode(wire.bodies[1])["messages"][0]["content"]
    (tried,) = [entry for entry in entries if entry.endpoint == "anthropic.messages"]
    (asked,) = [entry for entry in entries if entry.endpoint == "cascade"]
    await assert_against_the_lever(engine, asked)
    assert asked.parent == tried.id
    assert asked.decisions[0].reason == "a verifier's score"
    assert asked.outcome == "answered"


async def test_a_verifier_that_fails_is_a_signal_that_is_missing(tries: Tries) -> None:
    class Silent(Wire):
        async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
            if len(self.bodies) == 1:
                self.bodies.append(bytes_of(outgoing))
                return await says(Say([ERROR], 529), outgoing)
            return await super().send(outgoing, timeouts)

    app = simulator()
    wire = Silent(app)
    async with routing_on(app, wire, routing=tries(verifier="claude-haiku-5-5")) as engine:
        status, _ = await ask(engine, message(KEPT), EASY)
        entries = await assert_billed(engine, app)
    assert (status, wire.models) == (200, [CHEAP, "claude-haiku-5-5"])
    assert sorted(entry.outcome for entry in entries) == ["answered", "failed"]


async def test_other_samples_are_asked_and_booked(tries: Tries) -> None:
    """Three answers that say the same: agreement is whole."""
    app = simulator()
    wire = Wire(app)
    async with routing_on(app, wire, routing=tries(samples=3, signal="self_agrees")) as engine:
        status, answer = await ask(engine, message("[[sim: say=forty-two]]"), EASY)
        entries = await assert_billed(engine, app)
    assert (status, wire.models) == (200, [CHEAP] * 3)
    assert answer["model"] == CHEAP
    assert len(set(wire.bodies)) == 1
    kept = next(entry for entry in entries if entry.endpoint == "anthropic.messages")
    for entry in entries:
        if entry is not kept:
            await assert_against_the_lever(engine, entry)
            assert (entry.parent, entry.decisions[0].reason) == (kept.id, "another sample")


@pytest.mark.parametrize("second", ["claude-sonnet-4-6", "claude-sonnet-5-5@low"])
@pytest.mark.parametrize("kept", [True, False])
async def test_a_second_model_is_asked_and_booked(tries: Tries, second: str, kept: bool) -> None:
    model, _, effort = second.partition("@")

    class Contrary(Wire):
        """The second model says something else."""

        async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
            if not kept and len(self.bodies) == 1:
                outgoing = replace(outgoing, body=bytes_of(outgoing).replace(b"forty-two", b"forty-three"))
            return await super().send(outgoing, timeouts)

    app = simulator()
    wire = Contrary(app)
    async with routing_on(app, wire, routing=tries(second=second, signal=f"agreement:{second}")) as engine:
        status, _ = await ask(engine, message("[[sim: say=forty-two]]", stream=True), EASY)
        entries = await assert_billed(engine, app)
    assert (status, wire.models) == (200, [CHEAP, model] if kept else [CHEAP, model, STRONG])
    sent = msgspec.json.decode(wire.bodies[1])
    assert ("stream" in sent, sent.get("output_config", {}).get("effort", "")) == (False, effort)
    (asked,) = [entry for entry in entries if entry.model == model]
    await assert_against_the_lever(engine, asked)
    assert asked.decisions[0].reason == "a second model's answer"


async def test_a_second_model_that_cannot_serve_the_call_is_a_signal_that_is_missing(tries: Tries) -> None:
    app = simulator()
    wire = Wire(app)
    async with routing_on(app, wire, routing=tries(second="claude-3-haiku-20240307")) as engine:
        status, _ = await ask(engine, message(KEPT, max_tokens=5_000), EASY)  # more than it writes
        await assert_billed(engine, app)
    assert (status, wire.models) == (200, [CHEAP])

"""Conversations that nobody remembers, on models that bind thinking to its prefix: none of them is broken."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.engine.test_reducing import BOUND, JSON, ON, Scene, _text, scene
from thriftgate.core.errors import Unreachable
from thriftgate.core.generations import Generations
from thriftgate.core.reduction.steps import Step
from thriftgate.engine.call import Call, WholeReply
from thriftgate.engine.conversations import Sent
from thriftgate.engine.doubts import Doubts
from thriftgate.wire import DIALECTS

THINK = "[[sim: think=40]] "


async def begin(one: Scene) -> None:
    await one.say(f"{THINK}```json\n{JSON}\n```", model=BOUND, max_tokens=2_000)
    assert JSON not in _text(one.sent()["messages"][0])


def forget(one: Scene) -> None:
    """As if the process had been killed before anything was kept."""
    one.engine._preparer._rooms.reducer.conversations._sent = Generations(100)


async def test_one_that_was_shortened_goes_on_so() -> None:
    async with scene(policy=ON) as one:
        await begin(one)
        forget(one)
        entry = await one.say(f"{THINK}and?", model=BOUND, max_tokens=2_000)
        assert JSON not in _text(one.sent()["messages"][0])
        assert entry.outcome == "answered"
        assert one.sent()["messages"][1]["content"][0]["type"] == "thinking"


async def test_one_that_was_not_goes_on_as_it_is() -> None:
    async with scene(policy=ON) as one:
        policy, preparer = one.engine.policy, one.engine._preparer
        off = replace(policy.recipe, rewrites=())
        preparer._policy = replace(policy, levers=("cache.breakpoints",), recipe=off)
        await one.say(f"{THINK}```json\n{JSON}\n```", model=BOUND, max_tokens=2_000)
        preparer._policy = policy
        await one.say(f"{THINK}and\n```json\n{JSON}\n```", model=BOUND, max_tokens=2_000)
        messages = one.sent()["messages"]
        assert JSON in _text(messages[0])
        assert JSON not in _text(messages[2])


async def test_one_that_no_recipe_fits_loses_its_thinking_and_goes_on() -> None:
    async with scene(policy=ON) as one:
        await begin(one)
        reducer = one.engine._preparer._rooms.reducer
        digest, sent = next(iter(reducer.conversations._sent.recent(1)))
        window = Step("window", 0, 2, bare=True)  # a note in front of it all, of which nobody will know
        reducer.conversations.note(digest, replace(sent, step=window))
        await one.say(f"{THINK}and?", model=BOUND, max_tokens=2_000)
        assert "left out here" in str(one.sent()["messages"][0])
        forget(one)
        entry = await one.say(f"{THINK}go on", model=BOUND, max_tokens=2_000)
        assert entry.outcome == "answered"
        assert "'thinking'" not in str(one.sent()["messages"])
        entry = await one.say(f"{THINK}and on", model=BOUND, max_tokens=2_000)
        assert "'thinking'" in str(one.sent()["messages"])  # what was written since is bound to what was sent


CALL = Call("POST", "/v1/messages", "", (), b'{"model":"m","max_tokens":1,"messages":[]}', DIALECTS[0])
REQUEST = DIALECTS[0].parse(CALL.body)


@pytest.mark.parametrize(
    ("status", "body", "fits"),
    [
        (200, b'{"input_tokens": 3}', True),
        (400, b'{"error": {"message": "Invalid `signature` in `thinking` block"}}', False),
        (400, b'{"error": {"message": "model: not found"}}', True),
        (529, b"{}", True),
    ],
)
async def test_what_counting_says(status: int, body: bytes, fits: bool) -> None:
    async def forward(call: Call) -> WholeReply:
        assert call.path == "/count"
        return WholeReply(status, (), body)

    assert await Doubts(forward, lambda _: "/count").fits(CALL, REQUEST) is fits


async def test_what_cannot_be_asked_is_taken_to_fit() -> None:
    async def fails(call: Call) -> WholeReply:
        raise Unreachable("no")

    assert await Doubts(fails, lambda _: "/count").fits(CALL, REQUEST)
    assert await Doubts(fails, lambda _: "").fits(CALL, REQUEST)
    assert Sent("x").step is None


async def test_what_was_asked_of_answers_from_the_beginning_is_no_doubt() -> None:
    """A directive stands in the system prompt: the question is whether the prompt with it is taken."""
    asked = {"tasks": [{"brevity": "brief"}]}
    async with scene(policy={"levers": [*ON["levers"], "output.brevity"]}, output=asked) as one:
        policy, preparer = one.engine.policy, one.engine._preparer
        off = replace(policy.recipe, rewrites=())
        preparer._policy = replace(policy, levers=("cache.breakpoints", "output.brevity"), recipe=off)
        await one.say(f"{THINK}hello", model=BOUND, max_tokens=2_000)
        preparer._policy = policy
        await one.say(f"{THINK}```json\n{JSON}\n```", model=BOUND, max_tokens=2_000)
        messages = one.sent()["messages"]
        assert "thinking" in [block["type"] for block in messages[1]["content"]]
        assert JSON not in _text(messages[2])

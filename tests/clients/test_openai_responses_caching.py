"""A conversation on the official `openai` SDK's `responses`, grown turn by turn: its beginning never changes, and is read
from the cache on every turn."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import openai
import pytest

from tests.clients.observed import MARK, Observed, observed
from tests.clients.stack import KEY
from tests.clients.test_openai_responses import WEATHER
from tests.fixtures import TestClock

RULES = " ".join(f"House rule {at}: be brief and kind." for at in range(300))
TURNS = 6


class Talk:
    """An agent with tools; its items go back as they came."""

    def __init__(self, client: openai.OpenAI, clock: TestClock, model: str) -> None:
        self.cached: list[int] = []
        self._client, self._clock, self._model = client, clock, model
        self._items: list[Any] = [{"role": "developer", "content": RULES}]

    def turn(self, number: int, streams: bool) -> str:
        orders = f'[[sim: tool=get_weather input={{"city":"City {number}"}}]] [[sim: think=20]] [[sim: say=done]]'
        self._items.append({"role": "user", "content": f"Step {number} {orders}"})
        while True:
            self._clock.advance(10)
            response = self._answer(streams)
            assert response.usage is not None
            self.cached.append(response.usage.input_tokens_details.cached_tokens)
            self._items += [item.to_dict() for item in response.output]
            calls = [item for item in response.output if item.type == "function_call"]
            if not calls:
                return str(response.output_text)
            self._items += [
                {"type": "function_call_output", "call_id": call.call_id, "output": "rain " * 50} for call in calls
            ]

    def _answer(self, streams: bool) -> Any:
        asked: dict[str, Any] = {"model": self._model, "input": self._items, "tools": [WEATHER], "instructions": "Be brief."}
        asked["reasoning"] = {"effort": "low", "summary": "auto"}
        if not streams:
            return self._client.responses.create(**asked)
        with self._client.responses.stream(**asked) as stream:
            return stream.get_final_response()


def blocks(seen: Observed) -> list[list[tuple[str, bytes]]]:
    """Of each call all blocks that the provider got, with their role, byte for byte but for breakpoints."""
    found = []
    for exchange in seen.left():
        made = msgspec.json.decode(MARK.sub(b"", exchange.body), type=dict[str, msgspec.Raw])
        listed = [(name, bytes(block)) for name in ("tools", "system") for block in _list(made[name])]
        for turn in msgspec.json.decode(made["messages"], type=list[dict[str, msgspec.Raw]]):
            listed += [(str(msgspec.json.decode(turn["role"])), bytes(block)) for block in _list(turn["content"])]
        found.append(listed)
    return found


def _list(raw: msgspec.Raw) -> list[msgspec.Raw]:
    return msgspec.json.decode(raw, type=list[msgspec.Raw])


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-haiku-5-5"])
def test_every_turn_reads_what_the_turn_before_wrote(model: str, tmp_path: Path) -> None:
    """On models that bind thinking to its prefix and refuse it behind any other."""
    with observed(tmp_path) as seen, openai.OpenAI(base_url=f"{seen.url}/v1", api_key=KEY, max_retries=0) as client:
        talk = Talk(client, seen.clock, model)
        for number in range(TURNS):
            assert talk.turn(number, streams=bool(number % 2)) == "done"
    assert talk.cached[0] == 0
    assert all(earlier < later for earlier, later in pairwise(talk.cached)), talk.cached
    calls = blocks(seen)
    assert len(calls) == 2 * TURNS
    for earlier, later in pairwise(calls):
        assert later[: len(earlier)] == earlier
    assert any(b'"thinking"' in block for _, block in calls[-1])

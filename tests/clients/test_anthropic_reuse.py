"""The official `anthropic` SDK reading answers that are given again: whole, streamed, by its helpers; and its usage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.fixtures import KEY, serving, settings_of, simulator
from thriftgate.gateway.app import Gateway
from thriftgate.simulator import Simulator

MODEL = "claude-opus-4-8"
TOOL: Any = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
THINKS: Any = {"type": "adaptive"}
ASKED: dict[str, dict[str, Any]] = {
    "text": {"messages": [{"role": "user", "content": "Say it [[sim: say=Grüße\n„an alle“ 🙂]]"}]},
    "long": {"messages": [{"role": "user", "content": "Tell me all [[sim: out=300]]"}]},
    "thinking": {"messages": [{"role": "user", "content": "Think [[sim: think=40 out=30]]"}], "thinking": THINKS},
    "tool": {"messages": [{"role": "user", "content": "Weather? [[sim: tool=get_weather]]"}], "tools": [TOOL]},
}


@pytest.fixture(scope="module")
def sim() -> Simulator:
    return simulator()


@pytest.fixture(scope="module")
def client(sim: Simulator) -> Iterator[anthropic.Anthropic]:
    with serving(sim) as upstream:
        settings = settings_of(
            upstream={"url": upstream},
            policy={"levers": ("reuse.exact",)},
            reuse={"rules": ({"may_tool_use": True},)},
        )
        with serving(Gateway(settings)) as url, anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0) as made:
            yield made


def said(message: Any) -> Any:
    """All but the usage; the helper of streams adds a member of its own to texts."""
    document = message.to_dict()
    blocks = [{name: value for name, value in block.items() if name != "parsed_output"} for block in document["content"]]
    return {name: value for name, value in document.items() if name != "usage"} | {"content": blocks}


@pytest.mark.parametrize("first", ["stream", "whole"])
@pytest.mark.parametrize("asked", ASKED)
def test_every_face_reads_the_same(asked: str, first: str, client: anthropic.Anthropic, sim: Simulator) -> None:
    call: dict[str, Any] = {"model": MODEL, "max_tokens": 900 if first == "stream" else 901, **ASKED[asked]}
    before = len(sim.bill.calls)
    if first == "stream":
        with client.messages.stream(**call) as stream:
            one = stream.get_final_message()
    else:
        one = client.messages.create(**call)
    assert one.usage.output_tokens > 0
    raw = client.messages.with_raw_response.create(**call)
    assert raw.headers["thriftgate-plan"] == "reuse.exact"
    whole = raw.parse()
    with client.messages.stream(**call) as stream:
        events = [event.type for event in stream]
        helped = stream.get_final_message()
    kinds = [event.type for event in client.messages.create(**call, stream=True)]
    assert len(sim.bill.calls) == before + 1
    for again in (whole, helped):
        assert said(again) == said(one)
        usage = again.usage
        used = (usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens)
        assert used == (0, 0, 0, 0)
    assert kinds[0] == events[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == len(one.content)


def test_only_if_cached_raises_and_is_not_tried_again(client: anthropic.Anthropic, sim: Simulator) -> None:
    before = len(sim.bill.calls)
    told = client.with_options(max_retries=3)
    with pytest.raises(anthropic.InternalServerError) as raised:
        told.messages.create(
            model=MODEL,
            max_tokens=10,
            messages=[{"role": "user", "content": "never asked"}],
            extra_headers={"thriftgate-reuse": "only-if-cached"},
        )
    assert raised.value.status_code == 504
    assert raised.value.response.headers["thriftgate-error"] == "nothing_kept"
    assert len(sim.bill.calls) == before

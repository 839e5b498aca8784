"""The official SDK against the simulator on a loopback port."""

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
import uvicorn

from thriftgate.simulator import Faults, SimClock, Simulator

from .support import simulator

MODEL = "claude-opus-5-5"
TOOL: Any = {
    "name": "get_weather",
    "description": "Tells the weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Simulator, str]]:
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    app = simulator(accuracy_shift=1.0)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))

    def run() -> None:
        asyncio.run(server.serve(sockets=[listener]))

    thread = threading.Thread(target=run)
    thread.start()
    yield app, f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    listener.close()


@pytest.fixture
def app(served: tuple[Simulator, str]) -> Simulator:
    served[0].reset()
    served[0].faults = Faults()
    return served[0]


@pytest.fixture
def client(served: tuple[Simulator, str]) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key="sk-ant-sim-sdk-1", base_url=served[1], max_retries=0) as made:
        yield made


def test_create_and_cache(app: Simulator, client: anthropic.Anthropic) -> None:
    system: Any = [{"type": "text", "text": "rules " * 1000, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    first, second = (
        client.messages.create(
            model=MODEL, max_tokens=500, system=system, messages=[{"role": "user", "content": "Compute 3 + 4."}]
        )
        for _ in range(2)
    )
    assert first.content[-1].type == "text"
    assert first.content[-1].text == "7"
    assert first.usage.cache_creation is not None
    assert first.usage.cache_creation.ephemeral_1h_input_tokens == second.usage.cache_read_input_tokens
    assert second.usage.cache_read_input_tokens
    assert len(app.bill.calls) == 2


def test_stream(app: Simulator, client: anthropic.Anthropic) -> None:
    with client.messages.stream(
        model=MODEL,
        max_tokens=500,
        messages=[{"role": "user", "content": "[[sim: think=30]] [[sim: say=Hello from afar.]]"}],
    ) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert text == "Hello from afar."
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.usage.output_tokens == app.bill.calls[0].usage.output
    assert message.usage.output_tokens_details is not None
    assert message.usage.output_tokens_details.thinking_tokens == 30


def test_tool_loop(app: Simulator, client: anthropic.Anthropic) -> None:
    messages: list[Any] = [{"role": "user", "content": "What is the weather in Paris? [[sim: tool=get_weather]]"}]
    reply = client.messages.create(model=MODEL, max_tokens=900, tools=[TOOL], messages=messages)
    assert reply.stop_reason == "tool_use"
    call = reply.content[-1]
    assert call.type == "tool_use"
    assert call.input == {"city": "Paris"}
    messages += [
        {"role": "assistant", "content": reply.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}]},
    ]
    assert client.messages.create(model=MODEL, max_tokens=900, tools=[TOOL], messages=messages).stop_reason == "end_turn"
    assert len(app.bill.calls) == 2


def test_count_tokens_and_models(client: anthropic.Anthropic) -> None:
    counted = client.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": "hello"}])
    assert counted.input_tokens > 10
    ids = [model.id for model in client.models.list(limit=5)]
    assert MODEL in ids
    assert len(ids) > 10
    model = client.models.retrieve(MODEL)
    assert model.capabilities is not None
    assert model.capabilities.thinking.types.adaptive.supported


def test_batches(app: Simulator, client: anthropic.Anthropic) -> None:
    params: Any = {"model": MODEL, "max_tokens": 300, "messages": [{"role": "user", "content": "Compute 2 + 2."}]}
    made = client.messages.batches.create(requests=[{"custom_id": "a", "params": params}])
    clock = app.config.clock
    assert isinstance(clock, SimClock)
    clock.advance(86_400)
    assert client.messages.batches.retrieve(made.id).request_counts.succeeded == 1
    [result] = list(client.messages.batches.results(made.id))
    assert result.result.type == "succeeded"
    assert result.result.message.usage.service_tier == "batch"
    assert [batch.id for batch in client.messages.batches.list()] == [made.id]
    assert client.messages.batches.delete(made.id).id == made.id


def test_errors_map_to_the_sdks_classes(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="claude-nothing"):
        client.messages.create(model="claude-nothing", max_tokens=5, messages=[{"role": "user", "content": "x"}])
    with pytest.raises(anthropic.BadRequestError):
        client.messages.create(model=MODEL, max_tokens=5, messages=[])


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("rate_limit", anthropic.RateLimitError),
        ("overloaded", anthropic.InternalServerError),
        ("reset_before_headers", anthropic.APIConnectionError),
        ("wrong_length", anthropic.APIConnectionError),
    ],
)
def test_faults_on_the_wire(app: Simulator, client: anthropic.Anthropic, fault: str, problem: type[Exception]) -> None:
    app.faults = Faults.parse({fault: 1})
    with pytest.raises(problem):
        client.messages.create(model=MODEL, max_tokens=50, messages=[{"role": "user", "content": "x"}])


def test_batch_faults_on_the_wire(app: Simulator, client: anthropic.Anthropic) -> None:
    params: Any = {"model": MODEL, "max_tokens": 300, "messages": [{"role": "user", "content": "Compute 2 + 2."}]}
    app.faults = Faults(batch_post_lost=1)
    with pytest.raises(anthropic.APIConnectionError):
        client.messages.batches.create(requests=[{"custom_id": "a", "params": params}])
    app.faults = Faults(batch_results_cut=1)
    [made] = client.messages.batches.list()
    clock = app.config.clock
    assert isinstance(clock, SimClock)
    clock.advance(86_400)
    with pytest.raises(Exception, match=r"(?i)closed|reset|incomplete|disconnect|peer|payload"):
        list(client.messages.batches.results(made.id))
    app.faults = Faults()
    assert [result.custom_id for result in client.messages.batches.results(made.id)] == ["a"]


def test_a_stream_that_is_reset(app: Simulator, client: anthropic.Anthropic) -> None:
    app.faults = Faults(reset_mid_stream=1)
    stream = client.messages.create(
        model=MODEL, max_tokens=500, stream=True, messages=[{"role": "user", "content": "[[sim: out=200]]"}]
    )
    with pytest.raises(Exception, match=r"(?i)closed|reset|incomplete|disconnect|peer"):
        list(stream)
    assert [call.outcome for call in app.bill.calls] == ["cut"]


async def test_async_parallel_calls(app: Simulator, served: tuple[Simulator, str]) -> None:
    async with anthropic.AsyncAnthropic(api_key="sk-ant-sim-sdk-1", base_url=served[1], max_retries=0) as client:
        replies = await asyncio.gather(
            *(
                client.messages.create(
                    model=MODEL, max_tokens=300, messages=[{"role": "user", "content": f"Compute {n} + 1."}]
                )
                for n in range(8)
            )
        )
    assert [reply.content[-1].text for reply in replies if reply.content[-1].type == "text"] == [
        str(n + 1) for n in range(8)
    ]
    assert len(app.bill.calls) == 8

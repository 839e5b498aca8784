"""The official `anthropic` SDK through the gateway against the simulator: every face it has, and the books after each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.types import MessageParam, ToolParam

from tests.clients.stack import KEY, Stack, paid_usd

HAIKU, SONNET, OPUS = "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"
WEATHER: ToolParam = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
def client(stack: Stack) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=stack.url, api_key=KEY, max_retries=0) as made:
        yield made


def ask(text: str) -> list[MessageParam]:
    return [{"role": "user", "content": text}]


def long_text(subject: str) -> str:
    """About 6,000 tokens: over every model's minimum."""
    return " ".join(f"Rule {at} of {subject}: answer politely, briefly and to the point." for at in range(450))


def text_of(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def test_sync(client: anthropic.Anthropic) -> None:
    message = client.messages.create(model=HAIKU, max_tokens=100, messages=ask("Hello [[sim: say=Good morning]]"))
    assert text_of(message) == "Good morning"
    assert message.stop_reason == "end_turn"
    assert message.usage.input_tokens > 0


def test_what_a_reply_tells_about_its_cost(client: anthropic.Anthropic, stack: Stack) -> None:
    raw = client.messages.with_raw_response.create(model=HAIKU, max_tokens=100, messages=ask("What does this cost?"))
    message = raw.parse()
    entry = next(entry for entry in stack.books().entries if entry.message_id == message.id)
    assert raw.headers["thriftgate-request-id"] == entry.id
    assert Decimal(raw.headers["thriftgate-cost-usd"]) == paid_usd(entry) > 0
    assert Decimal(raw.headers["thriftgate-saved-usd"]) == 0
    assert raw.headers["request-id"] == entry.upstream_request_id
    assert stack.thriftgate("explain", entry.id)["plan"]


async def test_async_many_at_once(stack: Stack) -> None:
    async with anthropic.AsyncAnthropic(base_url=stack.url, api_key=KEY, max_retries=0) as client:
        calls = (
            client.messages.create(model=HAIKU, max_tokens=50, messages=ask(f"Number {at} [[sim: say=answer {at}]]"))
            for at in range(12)
        )
        messages = await asyncio.gather(*calls)
    assert [text_of(message) for message in messages] == [f"answer {at}" for at in range(12)]


def test_stream_of_raw_events(client: anthropic.Anthropic) -> None:
    events = list(client.messages.create(model=HAIKU, max_tokens=300, messages=ask("Stream this"), stream=True))
    kinds = [event.type for event in events]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") >= 1


def test_stream_helper(client: anthropic.Anthropic) -> None:
    with client.messages.stream(model=SONNET, max_tokens=400, messages=ask("Tell me [[sim: say=a short story]]")) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()
    assert "".join(pieces) == text_of(message) == "a short story"
    assert message.usage.output_tokens > 0


async def test_async_stream_helper(stack: Stack) -> None:
    async with (
        anthropic.AsyncAnthropic(base_url=stack.url, auth_token=KEY, api_key=None, max_retries=0) as client,
        client.messages.stream(model=OPUS, max_tokens=400, messages=ask("And again [[sim: think=30]]")) as stream,
    ):
        async for _ in stream:
            pass
        message = await stream.get_final_message()
    assert message.content[0].type == "thinking"
    assert text_of(message)


def test_a_stream_left_in_the_middle_is_booked(client: anthropic.Anthropic, stack: Stack) -> None:
    before = len(stack.books().entries)
    with client.messages.stream(model=HAIKU, max_tokens=4000, messages=ask("A long one [[sim: out=3000]]")) as stream:
        next(iter(stream))
    entries = stack.books().entries
    assert len(entries) == before + 1
    assert entries[-1].stream


def test_tool_loop(client: anthropic.Anthropic) -> None:
    """Thinking model, two parallel calls, then their results: signed blocks must come back as they were."""
    text = (
        'Weather? [[sim: tool=get_weather input={"city":"Oslo"}]] [[sim: tool=get_weather input={"city":"Rome"} think=40]]'
    )
    messages = ask(text)
    rounds = 0
    while True:
        message = client.messages.create(model=OPUS, max_tokens=1000, tools=[WEATHER], messages=messages)
        messages.append({"role": "assistant", "content": message.content})
        calls = [block for block in message.content if block.type == "tool_use"]
        if not calls:
            break
        rounds += 1
        assert {call.name for call in calls} == {"get_weather"}
        assert [call.input for call in calls] == [{"city": "Oslo"}, {"city": "Rome"}]
        results: list[Any] = [{"type": "tool_result", "tool_use_id": call.id, "content": "12 °C, rain"} for call in calls]
        messages.append({"role": "user", "content": results})
    assert rounds == 1
    assert message.stop_reason == "end_turn"


def test_tool_runner(client: anthropic.Anthropic) -> None:
    asked: list[str] = []

    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """The weather in a city.

        Args:
            city: Name of the city.
        """
        asked.append(city)
        return "12 °C, rain"

    text = 'Weather? [[sim: tool=get_weather input={"city":"Bergen"} times=2]]'
    runner = client.beta.messages.tool_runner(
        model=SONNET, max_tokens=500, tools=[get_weather], messages=[{"role": "user", "content": text}]
    )
    assert runner.until_done().stop_reason == "end_turn"
    assert asked == ["Bergen", "Bergen"]


def test_count_tokens(client: anthropic.Anthropic) -> None:
    counted = client.messages.count_tokens(model=HAIKU, messages=ask("How long is this?"), tools=[WEATHER])
    message = client.messages.create(
        model=HAIKU, max_tokens=50, messages=ask("How long is this?"), tools=[WEATHER], system=[]
    )
    assert counted.input_tokens == message.usage.input_tokens


def test_models(client: anthropic.Anthropic) -> None:
    listed = {model.id for model in client.models.list(limit=100)}
    assert {HAIKU, SONNET, OPUS} <= listed
    assert client.models.retrieve(OPUS).display_name == "Claude Opus 5.5"


def probe(client: anthropic.Anthropic, system: list[dict[str, Any]]) -> list[tuple[bool, bool]]:
    """Whether each of three identical calls wrote to and read from the cache."""
    seen = []
    for _ in range(3):
        usage = client.messages.create(
            model=OPUS,
            max_tokens=100,
            system=system,  # type: ignore[arg-type]
            messages=ask("The same question"),
        ).usage
        seen.append(((usage.cache_creation_input_tokens or 0) > 0, (usage.cache_read_input_tokens or 0) > 0))
    return seen


def test_three_identical_calls_that_the_client_marks(client: anthropic.Anthropic, stack: Stack) -> None:
    system = [{"type": "text", "text": long_text("the house"), "cache_control": {"type": "ephemeral"}}]
    assert probe(client, system) == [(True, False), (False, True), (False, True)]
    for entry in stack.books().entries[-3:]:
        assert entry.posted("baseline") + entry.posted("upstream") == 0
        (reason,) = (one.reason for one in entry.decisions if one.lever == "cache.breakpoints")
        assert reason == "the client's own breakpoints are as good"


def test_three_identical_calls_that_thriftgate_marks(client: anthropic.Anthropic, stack: Stack) -> None:
    first, second, third = probe(client, [{"type": "text", "text": long_text("the garden")}])
    assert first == (True, False)
    assert second[1], "what the first wrote is read; the question, which now is known to come again, may be written"
    assert third == (False, True)
    write, *reads = stack.books().entries[-3:]
    assert write.posted("saved:cache.breakpoints") > 0, "a write costs a quarter more"
    assert all(read.posted("saved:cache.breakpoints") < 0 for read in reads)
    report = stack.thriftgate("report")
    assert Decimal(report["levers"]["cache.breakpoints"]) > 0
    assert Decimal(report["paid_usd"]) < Decimal(report["baseline_usd"])
    assert report["open_holds"] == 0


def test_the_providers_own_error(client: anthropic.Anthropic, stack: Stack) -> None:
    """What only the provider can judge comes back as it said it."""
    body = {"model": OPUS, "max_tokens": 50, "messages": ask("Hi"), "temperature": 0.3}
    with pytest.raises(anthropic.BadRequestError) as through:
        client.post("/v1/messages", body=body, cast_to=object)
    with (
        anthropic.Anthropic(base_url=stack.simulator.url, api_key=KEY, max_retries=0) as direct,
        pytest.raises(anthropic.BadRequestError) as straight,
    ):
        direct.post("/v1/messages", body=body, cast_to=object)
    assert "temperature" in through.value.message
    assert _without_request_id(through.value) == _without_request_id(straight.value)


def _without_request_id(error: anthropic.BadRequestError) -> str:
    return error.response.text.replace(error.response.headers["request-id"], "")


def test_our_own_errors(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError) as unknown:
        client.messages.create(model="claude-unheard-of-9", max_tokens=50, messages=ask("Hi"))
    assert unknown.value.response.headers["thriftgate-error"] == "unpriced"
    with pytest.raises(anthropic.BadRequestError, match="over the limit") as dear:
        client.messages.create(
            model=OPUS, max_tokens=9000, messages=ask("Hi"), extra_headers={"thriftgate-max-cost-usd": "0.0001"}
        )
    assert dear.value.response.headers["thriftgate-error"] == "refused"
    with pytest.raises(anthropic.RequestTooLargeError):
        client.messages.create(model=OPUS, max_tokens=50, messages=ask("x" * (32 * 1024 * 1024)))


def test_no_credentials(stack: Stack) -> None:
    def drop(request: httpx2.Request) -> None:
        request.headers.pop("authorization", None)
        request.headers.pop("x-api-key", None)

    transport = anthropic.DefaultHttpxClient(event_hooks={"request": [drop]})
    with (
        anthropic.Anthropic(base_url=stack.url, api_key=KEY, max_retries=0, http_client=transport) as client,
        pytest.raises(anthropic.AuthenticationError),
    ):
        client.messages.create(model=HAIKU, max_tokens=50, messages=ask("Hi"))


def test_not_found(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("claude-unheard-of-9")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("rate_limit", anthropic.RateLimitError),
        ("overloaded", anthropic.OverloadedError),
        ("internal_error", anthropic.InternalServerError),
        ("reset_before_headers", anthropic.InternalServerError),
    ],
)
def test_errors_keep_their_class(
    client: anthropic.Anthropic, stack: Stack, fault: str, error: type[anthropic.APIStatusError]
) -> None:
    stack.faults(**{fault: 1.0})
    with pytest.raises(error) as raised:
        client.messages.create(
            model=HAIKU,
            max_tokens=50,
            messages=ask("Hi"),
            extra_headers={"x-stainless-retry-count": "0", "thriftgate-queue-s": "0"},
        )
    if fault == "rate_limit":
        assert raised.value.response.headers["retry-after"] == "7"


def test_an_error_in_the_middle_of_a_stream(client: anthropic.Anthropic, stack: Stack) -> None:
    stack.faults(error_event=1.0)
    with (
        pytest.raises(anthropic.APIStatusError),
        client.messages.stream(model=HAIKU, max_tokens=300, messages=ask("Break")) as stream,
    ):
        stream.until_done()


def test_the_client_retries_by_itself(stack: Stack) -> None:
    """It says so in its headers, so the gateway does not retry as well: two entries, one of them free."""
    before = len(stack.books().entries)
    answers: list[int] = []

    def seen(response: httpx2.Response) -> None:
        answers.append(response.status_code)
        stack.faults()

    stack.faults(overloaded=1.0)
    transport = anthropic.DefaultHttpxClient(event_hooks={"response": [seen]})
    with anthropic.Anthropic(base_url=stack.url, api_key=KEY, max_retries=2, http_client=transport) as client:
        message = client.messages.create(model=HAIKU, max_tokens=50, messages=ask("Again [[sim: say=at last]]"))
    assert text_of(message) == "at last"
    assert answers == [529, 200]
    failed, answered = stack.books().entries[before:]
    assert (failed.outcome, failed.resolution, failed.attempts) == ("failed", "void", 1)
    assert (answered.outcome, answered.resolution, answered.usage_source) == ("answered", "post", "exact")

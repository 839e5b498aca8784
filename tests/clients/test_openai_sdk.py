"""The official `openai` SDK through the gateway against the simulator: every face it has, and the books after each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, cast

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionFunctionToolParam, ChatCompletionMessageParam
from pydantic import BaseModel

from tests.clients.stack import KEY, Stack, paid_usd

HAIKU, SONNET, OPUS, PLAIN = "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-opus-4-8"
WEATHER: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
Messages = list[ChatCompletionMessageParam]


class Weather(BaseModel):
    """What a parsed answer holds."""

    city: str
    degrees: int


@pytest.fixture
def client(stack: Stack) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{stack.url}/v1", api_key=KEY, max_retries=0) as made:
        yield made


def ask(text: str) -> Messages:
    return [{"role": "user", "content": text}]


def test_sync(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(model=HAIKU, messages=ask("Hello [[sim: say=Good morning]]"))
    (choice,) = completion.choices
    assert choice.message.content == "Good morning"
    assert choice.finish_reason == "stop"
    assert completion.model == HAIKU
    assert completion.usage is not None
    assert completion.usage.prompt_tokens > 0


def test_what_a_reply_tells_about_its_cost(client: openai.OpenAI, stack: Stack) -> None:
    raw = client.chat.completions.with_raw_response.create(model=PLAIN, messages=ask("What does this cost?"), seed=7)
    completion = raw.parse()
    entry = next(entry for entry in stack.books().entries if entry.message_id == completion.id)
    assert entry.endpoint == "openai.chat"
    assert entry.balance() == 0
    assert raw.headers["thriftgate-request-id"] == entry.id
    assert Decimal(raw.headers["thriftgate-cost-usd"]) == paid_usd(entry) > 0
    assert raw.headers["thriftgate-not-carried"] == "seed"
    assert completion._request_id == entry.upstream_request_id
    assert stack.thriftgate("explain", entry.id)["endpoint"] == "openai.chat"


async def test_async_many_at_once(stack: Stack) -> None:
    async with openai.AsyncOpenAI(base_url=f"{stack.url}/v1", api_key=KEY, max_retries=0) as client:
        calls = (
            client.chat.completions.create(model=HAIKU, messages=ask(f"Number {at} [[sim: say=answer {at}]]"))
            for at in range(12)
        )
        completions = await asyncio.gather(*calls)
    assert [one.choices[0].message.content for one in completions] == [f"answer {at}" for at in range(12)]


def test_stream_of_chunks(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model=PLAIN,
            messages=ask("Tell me [[sim: say=a short story]]"),
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == "a short story"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1] == "stop"


async def test_async_stream_helper_puts_thinking_together(stack: Stack) -> None:
    text = "And? [[sim: think=30]] [[sim: say=so]]"
    async with (
        openai.AsyncOpenAI(base_url=f"{stack.url}/v1", api_key=KEY, max_retries=0) as client,
        client.chat.completions.stream(model=OPUS, messages=ask(text)) as stream,
    ):
        async for _ in stream:
            pass
        message = (await stream.get_final_completion()).choices[0].message
    told = message.model_dump()
    assert message.content == "so"
    assert told["reasoning_content"].startswith("Simulated thinking")
    assert [block["type"] for block in told["thinking_blocks"]] == ["thinking"]


def test_a_stream_left_in_the_middle_is_booked(client: openai.OpenAI, stack: Stack) -> None:
    before = len(stack.books().entries)
    with client.chat.completions.create(model=HAIKU, messages=ask("A long one [[sim: out=3000]]"), stream=True) as stream:
        next(iter(stream))
    entries = stack.books().entries
    assert len(entries) == before + 1
    assert entries[-1].stream


@pytest.mark.parametrize("streams", [False, True])
def test_tool_loop(client: openai.OpenAI, streams: bool) -> None:
    """A model that binds its thinking to the prompt, two parallel calls, then their results: what is sent back as it came
    keeps its signatures good."""
    text = (
        'Weather? [[sim: tool=get_weather input={"city":"Oslo"}]] '
        '[[sim: tool=get_weather input={"city":"Rome"} times=2 think=40]]'
    )
    messages: list[Any] = ask(text)
    rounds, thoughts = 0, 0
    while True:
        if streams:
            with client.chat.completions.stream(model=OPUS, messages=messages, tools=[WEATHER]) as stream:
                completion: ChatCompletion = stream.get_final_completion()
        else:
            completion = client.chat.completions.create(model=OPUS, messages=messages, tools=[WEATHER])
        message = completion.choices[0].message
        thoughts += "thinking_blocks" in message.model_dump()
        messages.append(message.model_dump(exclude_none=True) if streams else message)
        if not message.tool_calls:
            break
        rounds += 1
        assert completion.choices[0].finish_reason == "tool_calls"
        functions = [call.function for call in message.tool_calls if call.type == "function"]
        assert [function.arguments for function in functions] == ['{"city":"Oslo"}', '{"city":"Rome"}']
        messages += [{"role": "tool", "tool_call_id": call.id, "content": "12 °C, rain"} for call in message.tool_calls]
    assert (rounds, thoughts > 1) == (2, True)
    assert completion.choices[0].finish_reason == "stop"


def test_thinking_that_was_changed_is_refused(client: openai.OpenAI) -> None:
    """What is sent back in `thinking_blocks` really reaches the provider, which checks it."""
    text = 'Weather? [[sim: tool=get_weather input={"city":"Oslo"} think=40]]'
    message = client.chat.completions.create(model=OPUS, messages=ask(text), tools=[WEATHER]).choices[0].message
    turn = message.model_dump(exclude_none=True)
    turn["thinking_blocks"][0]["thinking"] += " changed"
    calls = message.tool_calls or []
    results: list[Any] = [{"role": "tool", "tool_call_id": call.id, "content": "rain"} for call in calls]
    messages: Any = [*ask(text), turn, *results]
    with pytest.raises(openai.BadRequestError, match=r"signature|cannot be modified"):
        client.chat.completions.create(model=OPUS, messages=messages, tools=[WEATHER])


def test_parsed_answers(client: openai.OpenAI) -> None:
    completion = client.chat.completions.parse(model=OPUS, messages=ask("The weather in Oslo?"), response_format=Weather)
    assert isinstance(completion.choices[0].message.parsed, Weather)


def test_parsed_tools(client: openai.OpenAI) -> None:
    tool = openai.pydantic_function_tool(Weather)
    text = 'Tell [[sim: tool=Weather input={"city":"Oslo","degrees":3}]]'
    completion = client.chat.completions.parse(model=SONNET, messages=ask(text), tools=[tool])
    (call,) = completion.choices[0].message.tool_calls or []
    assert call.function.parsed_arguments == Weather(city="Oslo", degrees=3)


def test_how_answers_end(client: openai.OpenAI) -> None:
    def told(text: str, **members: Any) -> tuple[str, str | None]:
        completion = client.chat.completions.create(model=PLAIN, messages=ask(text), **members)
        return completion.choices[0].finish_reason, completion.choices[0].message.refusal

    assert told("Long [[sim: out=300]]", max_completion_tokens=20) == ("length", None)
    finish, refusal = told("No [[sim: refuse=bio]]")
    assert finish == "content_filter"
    assert refusal
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(
            model=PLAIN, messages=ask("Long [[sim: out=300]]"), max_completion_tokens=20, response_format=Weather
        )


@pytest.mark.parametrize(
    ("members", "raised", "code"),
    [
        ({"model": "gpt-4o"}, openai.NotFoundError, "model_not_found"),
        ({"n": 3}, openai.BadRequestError, None),
        ({"messages": [{"role": "tool", "tool_call_id": "x", "content": "y"}]}, openai.BadRequestError, None),
    ],
)
def test_errors_are_the_sdks_own(
    client: openai.OpenAI, members: dict[str, Any], raised: type[openai.APIStatusError], code: str | None
) -> None:
    asked: dict[str, Any] = {"model": PLAIN, "messages": ask("hello")} | members
    with pytest.raises(raised) as found:
        client.chat.completions.create(**asked)
    assert found.value.code == code
    assert cast("Any", found.value.body)["message"] in str(found.value)


def test_errors_of_the_provider_are_too(client: openai.OpenAI, stack: Stack) -> None:
    for fault, raised in (("rate_limit_bare", openai.RateLimitError), ("overloaded", openai.InternalServerError)):
        stack.faults(**{fault: 1.0})
        with pytest.raises(raised):
            client.chat.completions.create(model=PLAIN, messages=ask("hello"))
    stack.faults(error_event=1.0)
    with (
        pytest.raises(openai.APIError),
        client.chat.completions.create(model=PLAIN, messages=ask("hello [[sim: out=200]]"), stream=True) as stream,
    ):
        list(stream)
    stack.faults(cut_stream=1.0)
    with (
        pytest.raises(openai.APIError, match="broke off"),
        client.chat.completions.create(model=PLAIN, messages=ask("hello [[sim: out=200]]"), stream=True) as stream,
    ):
        list(stream)


def test_models(client: openai.OpenAI) -> None:
    listed = {model.id: model for model in client.models.list()}
    assert {HAIKU, SONNET, OPUS} <= set(listed)
    assert client.models.retrieve(OPUS) == listed[OPUS]
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4o")


@pytest.mark.parametrize("model", [OPUS, SONNET, PLAIN])
def test_a_conversation_reads_its_cache_on_every_turn_after_the_first(client: openai.OpenAI, model: str) -> None:
    rules = " ".join(f"Rule {at} of {model}: answer politely, briefly and to the point." for at in range(450))
    messages: list[Any] = [{"role": "system", "content": rules}]
    read = []
    for turn in range(5):
        messages.append({"role": "user", "content": f"Question {turn}? [[sim: think=20]]"})
        completion = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER])
        messages.append(completion.choices[0].message)
        assert completion.usage is not None
        assert completion.usage.prompt_tokens_details is not None
        read.append(completion.usage.prompt_tokens_details.cached_tokens or 0)
    assert read[0] == 0
    assert all(read[1:]), read
    assert read[1:] == sorted(read[1:])

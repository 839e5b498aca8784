"""The official `openai` SDK's `responses` through the gateway against the simulator: every face it has, and the books after
each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, cast

import openai
import pydantic
import pytest
from openai.types.responses import FunctionToolParam, Response, ResponseInputParam

from tests.clients.stack import KEY, Stack, paid_usd

HAIKU, SONNET, OPUS = "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"
WEATHER: FunctionToolParam = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


class Forecast(pydantic.BaseModel):
    city: str
    degrees: int
    rain: bool


@pytest.fixture
def client(stack: Stack) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{stack.url}/v1", api_key=KEY, max_retries=0) as made:
        yield made


def last_entry(stack: Stack) -> Any:
    return stack.books().entries[-1]


def test_sync(client: openai.OpenAI, stack: Stack) -> None:
    response = client.responses.create(model=HAIKU, input="Hello [[sim: say=Good morning]]", metadata={"a": "b"})
    assert response.output_text == "Good morning"
    assert response.status == "completed"
    assert (response.metadata, response.tools, response.id[:5]) == ({"a": "b"}, [], "resp_")
    usage = response.usage
    assert usage is not None
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens > 0
    entry = last_entry(stack)
    assert (entry.endpoint, entry.message_id) == ("openai.responses", response.id.replace("resp_", "msg_"))


def test_what_a_reply_tells_about_its_cost_and_its_losses(client: openai.OpenAI, stack: Stack) -> None:
    raw = client.responses.with_raw_response.create(model=HAIKU, input="What does this cost?", store=True, temperature=0.3)
    entry = last_entry(stack)
    assert raw.headers["thriftgate-request-id"] == entry.id
    assert Decimal(raw.headers["thriftgate-cost-usd"]) == paid_usd(entry) > 0
    assert raw.headers["thriftgate-not-carried"] == f"temperature (not taken by {HAIKU}); store"
    assert raw.parse().model_dump()["store"] is False


async def test_async_many_at_once(stack: Stack) -> None:
    async with openai.AsyncOpenAI(base_url=f"{stack.url}/v1", api_key=KEY, max_retries=0) as client:
        calls = (client.responses.create(model=HAIKU, input=f"Number {at} [[sim: say=answer {at}]]") for at in range(12))
        responses = await asyncio.gather(*calls)
    assert [response.output_text for response in responses] == [f"answer {at}" for at in range(12)]


def test_stream_of_raw_events(client: openai.OpenAI) -> None:
    events = list(client.responses.create(model=HAIKU, input="Stream this [[sim: think=0]]", stream=True))
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_stream_helper(client: openai.OpenAI) -> None:
    with client.responses.stream(model=SONNET, input="Tell me [[sim: say=a short story]]") as stream:
        pieces = [event.delta for event in stream if event.type == "response.output_text.delta"]
        response = stream.get_final_response()
    assert "".join(pieces) == response.output_text == "a short story"


async def test_async_stream_helper_with_reasoning(stack: Stack) -> None:
    async with (
        openai.AsyncOpenAI(base_url=f"{stack.url}/v1", api_key=KEY, max_retries=0) as client,
        client.responses.stream(
            model=OPUS, input="And again [[sim: think=30]]", reasoning={"effort": "high", "summary": "auto"}
        ) as stream,
    ):
        told = [event.delta async for event in stream if event.type == "response.reasoning_summary_text.delta"]
        response = await stream.get_final_response()
    reasoning = response.output[0]
    assert reasoning.type == "reasoning"
    assert "".join(told) == reasoning.summary[0].text != ""
    assert response.usage is not None
    assert response.usage.output_tokens_details.reasoning_tokens == 30


def test_parsed(client: openai.OpenAI) -> None:
    response = client.responses.parse(model=OPUS, input="The weather in Paris?", text_format=Forecast)
    assert isinstance(response.output_parsed, Forecast)


def test_parsed_stream(client: openai.OpenAI) -> None:
    with client.responses.stream(model=OPUS, input="The weather in Bern?", text_format=Forecast) as stream:
        assert isinstance(stream.get_final_response().output_parsed, Forecast)


@pytest.mark.parametrize("model", [OPUS, SONNET, HAIKU])
@pytest.mark.parametrize("streams", [False, True])
def test_a_loop_of_tools_with_thinking(client: openai.OpenAI, model: str, streams: bool) -> None:
    """On models that bind thinking to its prefix: what came out goes back as it was, or the provider would refuse it."""
    orders = "".join(f'[[sim: tool=get_weather input={{"city":"{city}"}}]]' for city in ("Paris", "Bern"))
    asked: ResponseInputParam = [
        {"role": "user", "content": f"Weather? {orders} [[sim: times=3 think=20]] [[sim: say=mild]]"}
    ]
    for _ in range(3):
        response = answered(client, streams, model=model, input=asked, tools=[WEATHER])
        calls = [item for item in response.output if item.type == "function_call"]
        assert [call.arguments.replace(" ", "") for call in calls] == ['{"city":"Paris"}', '{"city":"Bern"}']
        assert response.output[0].type == "reasoning"
        asked += [cast("Any", item.to_dict()) for item in response.output]
        asked += [{"type": "function_call_output", "call_id": call.call_id, "output": "15 degrees"} for call in calls]
    assert answered(client, streams, model=model, input=asked, tools=[WEATHER]).output_text == "mild"


def answered(client: openai.OpenAI, streams: bool, **asked: Any) -> Response:
    if streams:
        with client.responses.stream(**asked) as stream:
            return stream.get_final_response()
    response: Response = client.responses.create(**asked)
    return response


def test_a_search_and_what_follows(client: openai.OpenAI) -> None:
    asked: ResponseInputParam = [{"role": "user", "content": "News? [[sim: search=weather]]"}]
    options: dict[str, Any] = {"model": SONNET, "tools": [{"type": "web_search"}]}
    response = client.responses.create(input=asked, include=["web_search_call.action.sources"], **options)
    (search,) = [item for item in response.output if item.type == "web_search_call"]
    assert (search.status, search.action.type) == ("completed", "search")
    assert response.model_dump()["tool_usage"]["web_search"] == {"num_requests": 1}
    asked += [cast("Any", item.to_dict()) for item in response.output]
    again = client.responses.with_raw_response.create(
        input=[*asked, {"role": "user", "content": "[[sim: say=ok]]"}], **options
    )
    assert "thriftgate-not-carried" not in again.headers
    assert again.parse().output_text == "ok"


def test_an_answer_that_is_cut(client: openai.OpenAI) -> None:
    response = client.responses.create(model=HAIKU, input="Go on [[sim: out=300 think=0]]", max_output_tokens=20)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.output[-1].model_dump()["status"] == "incomplete"


def test_how_long_a_prompt_is(client: openai.OpenAI) -> None:
    asked: Any = {"model": HAIKU, "input": "How long? [[sim: think=0]]", "instructions": "Be brief.", "tools": [WEATHER]}
    counted = client.responses.input_tokens.count(**asked)
    usage = client.responses.create(**asked).usage
    assert usage is not None
    assert counted.input_tokens == usage.input_tokens > 0
    with pytest.raises(openai.BadRequestError, match="input: Field required"):
        client.responses.input_tokens.count(model=HAIKU)


def test_a_refusal(client: openai.OpenAI) -> None:
    (item,) = client.responses.create(model=OPUS, input="[[sim: refuse=bio]]").output
    assert item.type == "message"
    assert item.content[-1].type == "refusal"


def test_our_own_errors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match=r"openai\.models"):
        client.responses.create(model="gpt-unheard-of", input="Hi")
    with pytest.raises(openai.BadRequestError, match=r"previous_response_id: .*whole conversation"):
        client.responses.create(model=HAIKU, input="Hi", previous_response_id="resp_1")
    with pytest.raises(openai.BadRequestError, match=r"tools\[0\]\.type: 'file_search'"):
        client.responses.create(model=HAIKU, input="Hi", tools=[{"type": "file_search", "vector_store_ids": []}])


def test_an_error_in_the_middle_of_a_stream(client: openai.OpenAI, stack: Stack) -> None:
    stack.faults(error_event=1.0)
    with client.responses.stream(model=HAIKU, input="Break") as stream:
        events = list(stream)
    last = events[-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert (last.response.error.code, last.response.error.message) == ("server_error", "Overloaded")


def test_a_connection_that_breaks_in_the_middle_of_a_stream(client: openai.OpenAI, stack: Stack) -> None:
    stack.faults(cut_stream=1.0)
    events = list(client.responses.create(model=HAIKU, input="Break [[sim: out=300]]", stream=True))
    assert events[-1].type == "response.failed"
    assert last_entry(stack).outcome == "cut"


def test_a_client_that_leaves(client: openai.OpenAI, stack: Stack) -> None:
    stream = client.responses.create(model=HAIKU, input="Leave [[sim: out=300]]", stream=True)
    next(iter(stream))
    stream.close()
    assert last_entry(stack).endpoint == "openai.responses"


# Last: after a 429 the gateway lets calls wait for as long as the provider says.
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("rate_limit", openai.RateLimitError),
        ("overloaded", openai.InternalServerError),
        ("internal_error", openai.InternalServerError),
    ],
)
def test_errors_keep_their_class(
    client: openai.OpenAI, stack: Stack, fault: str, error: type[openai.APIStatusError]
) -> None:
    stack.faults(**{fault: 1.0})
    with pytest.raises(error) as raised:
        client.responses.create(
            model=HAIKU, input="Hi", extra_headers={"x-stainless-retry-count": "0", "thriftgate-queue-s": "0"}
        )
    assert isinstance(raised.value.body, dict)
    assert raised.value.body["message"]

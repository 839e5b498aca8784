"""The official SDK with thriftgate in it, against the simulator: every face it has, and the books after each."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pydantic
import pytest
from anthropic.lib.credentials import AccessToken
from anthropic.types import ToolParam

from tests.client.stand import HAIKU, KEY, OPUS, OTHER, PLAIN, SONNET, Stand, ask, standing, text_of
from tests.clients.stack import fetch, paid_usd
from tests.fixtures import until
from thriftgate import AsyncClient, Client, cost_limit, task, wrap
from thriftgate.client import engine_thread
from thriftgate.core.errors import ConfigError, NotThere
from thriftgate.settings import load

WEATHER: ToolParam = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


# --- every face --------------------------------------------------------------------------------------------------------


def test_create_and_what_it_cost(stand: Stand) -> None:
    client = stand.client()
    with task("triage"):
        message = client.messages.create(model=HAIKU, max_tokens=100, messages=ask("Hello [[sim: say=Good morning]]"))
    assert text_of(message) == "Good morning"
    cost = client.cost_of(message)
    (entry,) = stand.entries()
    assert (cost.request_id, cost.task, cost.cost_usd) == (entry.id, "triage", paid_usd(entry))
    assert cost.cost_usd > 0
    assert cost.saved_usd == 0
    assert {decision.lever for decision in cost.plan} > {"cache.breakpoints", "count.guard"}
    told = client.explain(cost.request_id)
    assert (told["message_id"], told["task"], Decimal(told["cost_usd"])) == (message.id, "triage", cost.cost_usd)
    with pytest.raises(NotThere, match="no call 'tg_0'"):
        client.explain("tg_0")
    with pytest.raises(NotThere, match="msg_0 is not among"):
        client.cost_of(message.model_copy(update={"id": "msg_0"}))


def test_the_levers_are_at_work(stand: Stand) -> None:
    client = stand.client()
    system = " ".join(f"Rule {at}: answer politely, briefly and to the point." for at in range(450))
    messages = [client.messages.create(model=OPUS, max_tokens=50, system=system, messages=ask("Why?")) for _ in range(3)]
    assert messages[2].usage.cache_read_input_tokens
    assert sum(client.cost_of(message).saved_usd for message in messages) > 0


async def test_async_many_at_once(stand: Stand) -> None:
    async with stand.async_client() as client:
        asked = (client.messages.create(model=PLAIN, max_tokens=50, messages=ask(f"[[sim: say={at}]]")) for at in range(20))
        messages = await asyncio.gather(*asked)
        assert [text_of(message) for message in messages] == [str(at) for at in range(20)]
        costs = [client.cost_of(message) for message in messages]
        assert len({cost.request_id for cost in costs}) == 20
        assert (await client.explain(costs[0].request_id))["message_id"] == messages[0].id


def test_streams(stand: Stand) -> None:
    client = stand.client()
    events = list(client.messages.create(model=HAIKU, max_tokens=300, messages=ask("Stream this"), stream=True))
    assert (events[0].type, events[-1].type) == ("message_start", "message_stop")
    with client.messages.stream(model=PLAIN, max_tokens=400, messages=ask("[[sim: say=a short story]]")) as stream:
        pieces = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert pieces == text_of(message) == "a short story"
    assert client.cost_of(message).cost_usd > 0


async def test_async_streams(stand: Stand) -> None:
    async with stand.async_client(api_key=None, auth_token=KEY) as client:
        face = client.messages.stream(model=OPUS, max_tokens=400, messages=ask("And again [[sim: think=30]]"))
        async with face as stream:
            async for _ in stream:
                pass
            message = await stream.get_final_message()
        assert message.content[0].type == "thinking"
        assert client.cost_of(message).cost_usd > 0
        made = await client.messages.create(model=PLAIN, max_tokens=90, messages=ask("[[sim: say=so]]"), stream=True)
        assert [event.type async for event in made][-1] == "message_stop"


def test_tools(stand: Stand) -> None:
    """Thinking model, two parallel calls, then their results: signed blocks must come back as they were."""
    client, messages = stand.client(), ask(
        'Weather? [[sim: tool=get_weather input={"city":"Oslo"}]] [[sim: tool=get_weather input={"city":"Rome"} think=40]]'
    )  # fmt: skip
    first = client.messages.create(model=OPUS, max_tokens=1000, tools=[WEATHER], messages=messages)
    calls = [block for block in first.content if block.type == "tool_use"]
    assert [call.input for call in calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    results: list[Any] = [{"type": "tool_result", "tool_use_id": call.id, "content": "12 °C, rain"} for call in calls]
    messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
    assert client.messages.create(model=OPUS, max_tokens=999, tools=[WEATHER], messages=messages).stop_reason == "end_turn"


def test_tool_runner_and_the_beta_face(stand: Stand) -> None:
    asked: list[str] = []

    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """The weather in a city.

        Args:
            city: Name of the city.
        """
        asked.append(city)
        return "12 °C, rain"

    client = stand.client()
    runner = client.beta.messages.tool_runner(
        model=SONNET,
        max_tokens=500,
        tools=[get_weather],
        messages=[{"role": "user", "content": 'Weather? [[sim: tool=get_weather input={"city":"Bergen"} times=2]]'}],
    )
    last = runner.until_done()
    assert (last.stop_reason, asked) == ("end_turn", ["Bergen", "Bergen"])
    assert client.cost_of(last).cost_usd > 0
    beta = ["context-management-2025-06-27"]
    client.beta.messages.create(model=PLAIN, max_tokens=50, messages=[{"role": "user", "content": "Hi"}], betas=beta)


class City(pydantic.BaseModel):
    name: str
    people: int


def test_parsed_outputs(stand: Stand) -> None:
    client = stand.client()
    parsed = client.messages.parse(model=SONNET, max_tokens=300, messages=ask("A city?"), output_format=City)
    assert isinstance(parsed.parsed_output, City)
    assert client.cost_of(parsed).cost_usd > 0


def test_raw_and_streaming_responses(stand: Stand) -> None:
    client = stand.client()
    raw = client.messages.with_raw_response.create(model=PLAIN, max_tokens=50, messages=ask("[[sim: say=raw]]"))
    message = raw.parse()
    assert Decimal(raw.headers["thriftgate-cost-usd"]) == client.cost_of(message).cost_usd
    assert raw.headers["request-id"] == stand.entries()[0].upstream_request_id == message._request_id
    with client.messages.with_streaming_response.create(model=PLAIN, max_tokens=50, messages=ask("Hi")) as streamed:
        assert b'"type":"message"' in b"".join(streamed.iter_bytes())


def test_counting_and_what_is_passed_on(stand: Stand) -> None:
    client = stand.client()
    counted = client.messages.count_tokens(model=PLAIN, messages=ask("How long is this?"))
    message = client.messages.create(model=PLAIN, max_tokens=50, messages=ask("How long is this?"))
    assert counted.input_tokens == message.usage.input_tokens
    assert PLAIN in {model.id for model in client.models.list(limit=100)}
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("claude-unheard-of-9")


def test_batches(stand: Stand) -> None:
    client = stand.client()
    requests: list[Any] = [
        {"custom_id": f"n-{at}", "params": {"model": HAIKU, "max_tokens": 100, "messages": ask(f"What about {at}?")}}
        for at in range(3)
    ]
    faces: list[Any] = [client.messages.batches, client.beta.messages.batches]
    for face in faces:
        made = face.create(requests=requests)
        assert made.results_url is None
        fetch(f"{stand.url}/_sim/clock", {"advance_s": 7200})
        batch = face.retrieve(made.id)
        assert (batch.processing_status, batch.results_url.startswith(stand.url)) == ("ended", True)
        results = list(face.results(made.id))
        assert sorted(one.custom_id for one in results) == ["n-0", "n-1", "n-2"]
        costs = [client.cost_of(one) for one in results]
        assert {cost.mode for cost in costs} == {"batch"}
        billed = [Decimal(call["cost_usd"]) for call in stand.bill()["calls"] if call["batch_id"] == made.id]
        assert sum(cost.cost_usd for cost in costs) == sum(billed)
        assert made.id in [one.id for one in face.list()]


# --- streams that nobody reads to the end --------------------------------------------------------------------------------


def left_in_the_middle(client: Client) -> None:
    with client.messages.stream(model=PLAIN, max_tokens=4000, messages=ask("A long one [[sim: out=3000]]")) as stream:
        next(iter(stream))


def left_half_read(client: Client) -> None:
    for _ in client.messages.create(model=PLAIN, max_tokens=4000, messages=ask("[[sim: out=3000]]"), stream=True):
        break


def never_read(client: Client) -> None:
    client.messages.create(model=PLAIN, max_tokens=4000, messages=ask("[[sim: out=3000]]"), stream=True)


@pytest.mark.parametrize("leave", [left_in_the_middle, left_half_read, never_read])
async def test_a_stream_that_is_left_is_settled(stand: Stand, leave: Any) -> None:
    client = stand.client()
    await asyncio.to_thread(leave, client)
    gc.collect()
    (thread,) = engine_thread.ENGINES._threads

    async def settled() -> bool:
        return not thread.engine.ledger.counters.open_holds

    await until(settled)
    assert sum(thread.engine.ledger.counters.calls.values()) == 1


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Stand]:
    """A provider that takes half a second."""
    with standing(tmp_path, sleep=asyncio.sleep) as stand:
        stand.faults(latency=1.0, latency_s=0.5)
        yield stand
        stand.close()
        stand.check()


async def test_an_async_call_that_is_cancelled_is_settled(slow: Stand) -> None:
    async with slow.async_client() as client:
        call = asyncio.ensure_future(client.messages.create(model=PLAIN, max_tokens=50, messages=ask("Never mind")))
        await asyncio.sleep(0.3)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    (entry,) = await asyncio.to_thread(slow.entries)
    assert entry.usage_source == "exact"


# --- errors --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("rate_limit", anthropic.RateLimitError),
        ("overloaded", anthropic.OverloadedError),
        ("internal_error", anthropic.InternalServerError),
        ("reset_before_headers", anthropic.APIConnectionError),
    ],
)
def test_errors_keep_their_class(stand: Stand, fault: str, error: type[anthropic.APIError]) -> None:
    stand.faults(**{fault: 1.0})
    client = stand.client()
    with pytest.raises(error) as raised:
        client.messages.create(model=PLAIN, max_tokens=50, messages=ask("Hi"), extra_headers={"thriftgate-queue-s": "0"})
    if fault == "rate_limit":
        assert isinstance(raised.value, anthropic.APIStatusError)
        assert raised.value.response.headers["retry-after"] == "7"


def test_a_provider_that_cannot_be_reached(tmp_path: Path) -> None:
    with Client(base_url="http://127.0.0.1:9", api_key=KEY, max_retries=0, ledger=tmp_path / "books.db") as client:
        with pytest.raises(anthropic.APIConnectionError) as raised:
            client.messages.create(model=PLAIN, max_tokens=50, messages=ask("Hi"))
        assert isinstance(raised.value.__cause__, httpx2.ConnectError)
        assert "cannot reach http://127.0.0.1:9" in str(raised.value.__cause__)


async def test_a_timeout_is_the_sdks_own(slow: Stand) -> None:
    client = slow.client(timeout=0.1)
    with pytest.raises(anthropic.APITimeoutError):
        client.messages.create(model=PLAIN, max_tokens=50, messages=ask("Slowly"))
    async with slow.async_client(timeout=0.1) as other:
        with pytest.raises(anthropic.APITimeoutError):
            await other.messages.create(model=PLAIN, max_tokens=50, messages=ask("Slowly"))


def test_an_error_in_the_middle_of_a_stream(stand: Stand) -> None:
    client = stand.client()
    for fault, error in (("error_event", anthropic.APIStatusError), ("reset_mid_stream", httpx2.RemoteProtocolError)):
        stand.faults(**{fault: 1.0})
        with (
            pytest.raises(error),
            client.messages.stream(model=PLAIN, max_tokens=300, messages=ask("Break [[sim: out=200]]")) as stream,
        ):
            stream.until_done()


def test_our_own_errors(stand: Stand) -> None:
    client = stand.client(max_retries=2)
    with pytest.raises(anthropic.BadRequestError) as unknown:
        client.messages.create(model="claude-unheard-of-9", max_tokens=50, messages=ask("Hi"))
    assert unknown.value.response.headers["thriftgate-error"] == "unpriced"
    assert unknown.value.response.headers["x-should-retry"] == "false"
    limit = {"thriftgate-max-cost-usd": "0.0001"}
    with pytest.raises(anthropic.BadRequestError, match="over the limit"):
        client.messages.create(model=OPUS, max_tokens=9000, messages=ask("Hi"), extra_headers=limit)
    with pytest.raises(anthropic.PaymentRequiredError, match="cost_limit") as spent, cost_limit("0.0001"):
        client.messages.create(model=OPUS, max_tokens=9000, messages=ask("Hi"))
    assert spent.value.response.headers["x-should-retry"] == "false"
    assert [entry.outcome for entry in stand.entries()] == ["refused"] * 3


def test_the_sdk_retries_by_itself(stand: Stand) -> None:
    answers: list[int] = []

    def seen(response: httpx2.Response) -> None:
        answers.append(response.status_code)
        stand.faults()

    stand.faults(overloaded=1.0)
    client = stand.client(max_retries=2, http_client=anthropic.DefaultHttpxClient(event_hooks={"response": [seen]}))
    assert text_of(client.messages.create(model=PLAIN, max_tokens=50, messages=ask("[[sim: say=at last]]"))) == "at last"
    assert answers == [529, 200]
    assert [(entry.outcome, entry.attempts) for entry in stand.entries()] == [("failed", 1), ("answered", 1)]


def test_books_that_cannot_be_opened(stand: Stand, tmp_path: Path) -> None:
    (tmp_path / "folder.db").mkdir()
    client = stand.client(ledger=tmp_path / "folder.db", max_retries=2)
    with pytest.raises(anthropic.InternalServerError, match="cannot open the ledger") as raised:
        client.messages.create(model=PLAIN, max_tokens=50, messages=ask("Hi"))
    assert raised.value.response.headers["x-should-retry"] == "false"
    stand.client().messages.create(model=PLAIN, max_tokens=5, messages=ask("Hi"))


# --- making, copying, wrapping -------------------------------------------------------------------------------------------


def test_copies_have_their_own_key_and_the_same_engine(stand: Stand) -> None:
    client = stand.client()
    other = client.with_options(api_key=OTHER, timeout=20)
    assert isinstance(other, Client)
    for one in (client, other, client.copy(max_retries=1)):
        one.messages.create(model=PLAIN, max_tokens=50, messages=ask("Hi"))
    first, second, third = (entry.key for entry in stand.entries())
    assert first == third != second
    assert len(engine_thread.ENGINES._threads) == 1
    assert KEY not in str(stand.entries())


def test_credentials_that_are_looked_up_last_in_copies(stand: Stand) -> None:
    class Tokens:
        def __call__(self, *, force_refresh: bool = False) -> AccessToken:
            return AccessToken(token=KEY, expires_at=None)

    client = stand.client(api_key=None, credentials=Tokens())
    wrapped = wrap(anthropic.Anthropic(base_url=stand.url, credentials=Tokens()), ledger=stand.ledger)
    stand.clients.append(wrapped)
    for one in (client, client.with_options(timeout=20), wrapped, wrapped.with_options(timeout=20)):
        one.messages.create(model=PLAIN, max_tokens=50, messages=ask("Hi"))
    assert len({entry.key for entry in stand.entries()}) == 1


def test_wrap(stand: Stand) -> None:
    plain = anthropic.Anthropic(base_url=stand.url, api_key=KEY, default_headers={"x-own": "1"}, max_retries=0)
    client = wrap(plain, ledger=stand.ledger)
    stand.clients.append(client)
    assert isinstance(client, Client)
    assert type(plain) is anthropic.Anthropic
    assert client.default_headers["x-own"] == "1"
    message = client.messages.create(model=PLAIN, max_tokens=50, messages=ask("Hi"))
    assert client.cost_of(message).cost_usd > 0


async def test_wrap_async(stand: Stand) -> None:
    async with wrap(anthropic.AsyncAnthropic(base_url=stand.url, api_key=KEY), ledger=stand.ledger) as client:
        assert isinstance(client, AsyncClient)
        message = await client.with_options(timeout=20).messages.create(model=PLAIN, max_tokens=50, messages=ask("Hi"))
        assert client.cost_of(message).cost_usd > 0


def test_what_is_not_wrapped(stand: Stand) -> None:
    bedrock = anthropic.AnthropicBedrock(aws_access_key="a", aws_secret_key="b", aws_region="us-east-1")
    with pytest.raises(ConfigError, match=r"AnthropicBedrock signs its calls for another provider.*\[\[targets\]\]"):
        wrap(bedrock)  # type: ignore[call-overload]
    vertex = anthropic.AsyncAnthropicVertex(project_id="p", region="us-east5", access_token="t")
    with pytest.raises(ConfigError, match="AsyncAnthropicVertex"):
        wrap(vertex)  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match="in it already"):
        wrap(stand.client())
    with pytest.raises(ConfigError, match="a str is neither"):
        wrap("client")  # type: ignore[call-overload]


def levers_on(client: Client) -> set[str]:
    """Those that are not off."""
    cost = client.cost_of(client.messages.create(model=PLAIN, max_tokens=50, messages=ask("Hi")))
    return {one.lever for one in cost.plan if one.reason != "off in the policy"}


def test_settings(stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "thriftgate.toml"
    file.write_text('[policy]\nlevers = ["cache.breakpoints"]\n[server]\nhost = "0.0.0.0"\n', encoding="utf-8")
    monkeypatch.setenv("THRIFTGATE_CONFIG", str(file))
    monkeypatch.setenv("THRIFTGATE_UPSTREAM__API_KEY", "sk-ant-of-the-gateway")
    assert levers_on(stand.client()) == {"cache.breakpoints"}
    stand.close()
    assert levers_on(stand.client(overrides={"policy.levers": ["count.guard"]})) == {"count.guard"}
    with pytest.raises(ConfigError, match="did you mean 'levers'"):
        Client(api_key=KEY, overrides={"policy.lever": []})


def test_targets_say_where_calls_go(stand: Stand, tmp_path: Path) -> None:
    file = tmp_path / "thriftgate.toml"
    target = f'[[targets]]\nname = "there"\nprovider = "anthropic"\nurl = "{stand.url}"\nkey = "{OTHER}"\n'
    file.write_text(target, encoding="utf-8")
    client = stand.client(base_url="http://127.0.0.1:9", settings=file)
    client.messages.create(model=PLAIN, max_tokens=50, messages=ask("Hi"))
    (entry,) = stand.entries()
    assert entry.upstream == "there"


def test_settings_that_are_parsed_and_books_in_memory(tmp_path: Path) -> None:
    parsed = load(None, environ={}, flags={"ledger.path": ":memory:", "policy.levers": []})
    with standing(tmp_path) as stand:
        assert levers_on(stand.client(settings=parsed, ledger=None)) == set()
        with pytest.raises(ConfigError, match="stand as they are"):
            stand.client(settings=parsed)
        assert not stand.ledger.exists()

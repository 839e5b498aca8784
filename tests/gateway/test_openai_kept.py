"""Responses that are kept: for whom, for how long, how much; and conversations that go on from one, by the official SDK."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import openai
import pytest

from tests.clients.observed import Observed, observed
from tests.clients.stack import KEY
from tests.clients.test_openai_responses import WEATHER
from tests.fixtures import settings_of
from thriftgate.core.errors import NotThere
from thriftgate.gateway.openai_kept import KeptResponses, Recalled, open_kept

OPUS = "claude-opus-5-5"
HOUR_S = 3_600.0


def response(*names: str) -> bytes:
    return msgspec.json.encode({"output": [{"id": name, "type": "message"} for name in names]})


def test_an_owner_finds_what_is_kept_and_nobody_else_does() -> None:
    kept = KeptResponses(HOUR_S, 10_000)
    kept.keep("one", "resp_1", response("msg_1"), (b'{"role":"user"}',), 0.0)
    assert Recalled(kept, "one", 1.0).items("resp_1") == (b'{"role":"user"}', b'{"id":"msg_1","type":"message"}')
    assert Recalled(kept, "one", 1.0).item("msg_1") == b'{"id":"msg_1","type":"message"}'
    for recall, name in ((kept.find, "resp_1"), (kept.find_item, "msg_1"), (kept.forget, "resp_1")):
        with pytest.raises(NotThere) as others:
            recall("other", name, 1.0)
        with pytest.raises(NotThere) as nobodys:
            recall("one", name[:-1] + "7", 1.0)
        assert str(others.value).replace("_1", "_7") == str(nobodys.value)


def test_what_is_forgotten() -> None:
    kept = KeptResponses(HOUR_S, 10_000)
    kept.keep("one", "resp_1", response("msg_1"), (), 0.0)
    kept.keep("one", "resp_2", response("msg_2"), (), 10.0)
    kept.forget("one", "resp_2", 20.0)
    kept.find("one", "resp_1", HOUR_S - 1)
    for name in ("resp_1", "resp_2"):
        with pytest.raises(NotThere):
            kept.find("one", name, HOUR_S)
    with pytest.raises(NotThere):
        kept.find_item("one", "msg_1", HOUR_S)


def test_the_oldest_go_first_where_there_is_no_room() -> None:
    kept = KeptResponses(HOUR_S, 1_000)
    for number in range(10):
        kept.keep("one", f"resp_{number}", response(), (b"x" * 300,), float(number))
    found = []
    for number in range(10):
        try:
            kept.find("one", f"resp_{number}", 10.0)
            found.append(number)
        except NotThere:
            continue
    assert found == [7, 8, 9]
    kept.keep("one", "resp_big", response(), (b"x" * 2_000,), 11.0)
    with pytest.raises(NotThere):
        kept.find("one", "resp_big", 11.0)


def test_nothing_is_kept_unless_the_settings_say_so() -> None:
    assert open_kept(settings_of()) is None
    assert open_kept(settings_of(openai={"responses_kept_h": 0.5})) is not None


# --- over the wire ------


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[Observed]:
    with observed(tmp_path, openai={"responses_kept_h": 1.0}) as running:
        yield running


def client_of(seen: Observed, key: str = KEY) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{seen.url}/v1", api_key=key, max_retries=0)


@pytest.mark.parametrize("streams", [False, True])
def test_a_conversation_goes_on_from_a_response(seen: Observed, streams: bool) -> None:
    """With its tools and its thinking, and nothing sent twice; what reaches the provider only grows."""
    asked: Any = "Weather? [[sim: tool=get_weather]] [[sim: think=20]] [[sim: say=mild]]"
    options: dict[str, Any] = {"model": OPUS, "tools": [WEATHER], "instructions": "Be brief."}
    with client_of(seen) as client:
        first = answered(client, streams, input=asked, **options)
        assert first.model_dump()["store"] is True
        (call,) = [item for item in first.output if item.type == "function_call"]
        result: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "15"}]
        second = answered(client, streams, input=result, previous_response_id=first.id, **options)
        assert (second.output_text, second.previous_response_id) == ("mild", first.id)
        more: Any = [{"role": "user", "content": "[[sim: say=ok]]"}]
        assert answered(client, streams, input=more, previous_response_id=second.id, **options).output_text == "ok"
    bodies = [msgspec.json.decode(exchange.body)["messages"] for exchange in seen.left()]
    assert [len(one) for one in bodies] == [1, 3, 5]
    assert unmarked(bodies[2][:3]) == unmarked(bodies[1])


def unmarked(messages: Any) -> Any:
    """Without breakpoints, which go to where they are worth most; exact counts of tokens place other ones than estimates."""
    for block in (block for one in messages if isinstance(one["content"], list) for block in one["content"]):
        block.pop("cache_control", None)
    return messages


def test_an_item_is_referred_to(seen: Observed) -> None:
    with client_of(seen) as client:
        first = client.responses.create(model=OPUS, input="Hi [[sim: say=Hello]] [[sim: think=9]]")
        asked: Any = [
            {"role": "user", "content": "Hi"},
            *({"type": "item_reference", "id": item.id} for item in first.output),
            {"role": "user", "content": "Go on"},
        ]
        client.responses.create(model=OPUS, input=asked[:1] + asked[2:])
        with pytest.raises(openai.NotFoundError, match="no item"):
            client.responses.create(model=OPUS, input=[{"type": "item_reference", "id": "msg_unheard_of"}])
    said = msgspec.json.decode(seen.left()[-1].body)["messages"]
    assert [one["role"] for one in said] == ["user", "assistant", "user"]
    assert said[1]["content"] == [{"type": "text", "text": "Hello"}]


def answered(client: openai.OpenAI, streams: bool, **asked: Any) -> Any:
    if not streams:
        return client.responses.create(**asked)
    with client.responses.stream(**asked) as stream:
        return stream.get_final_response()


def test_a_response_is_there_until_its_time_is_over(seen: Observed) -> None:
    with client_of(seen) as client, client_of(seen, "sk-ant-sim-test-0001") as other:
        made = client.responses.create(model=OPUS, input="Hi", metadata={"a": "b"})
        assert client.responses.retrieve(made.id).to_dict() == made.to_dict()
        for stranger in (other.responses.retrieve, other.responses.delete, other.responses.input_items.list):
            with pytest.raises(openai.NotFoundError):
                stranger(made.id)
        with pytest.raises(openai.NotFoundError):
            other.responses.create(model=OPUS, input="Go on", previous_response_id=made.id)
        client.responses.delete(made.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(made.id)
        again = client.responses.create(model=OPUS, input="Hi")
        seen.clock.advance(HOUR_S)
        with pytest.raises(openai.NotFoundError, match="not for so long"):
            client.responses.create(model=OPUS, input="Go on", previous_response_id=again.id)


def test_the_items_that_a_response_answered(seen: Observed) -> None:
    with client_of(seen) as client:
        asked: Any = [{"role": "user", "content": f"{at}"} for at in range(5)]
        made = client.responses.create(model=OPUS, input=asked)
        texts = [item.to_dict()["content"] for item in client.responses.input_items.list(made.id, limit=2)]
        assert texts == [[{"type": "input_text", "text": f"{at}"}] for at in (4, 3, 2, 1, 0)]
        page = client.responses.input_items.list(made.id, order="asc", limit=2)
        assert [item.to_dict()["id"] for item in page.data] == [f"in_{made.id[5:]}_{at}" for at in (0, 1)]
        assert page.has_more
        with pytest.raises(openai.BadRequestError, match="limit"):
            client.responses.input_items.list(made.id, limit=1_000)
        with pytest.raises(openai.NotFoundError, match="after"):
            client.responses.input_items.list(made.id, after="nowhere")
        with pytest.raises(openai.NotFoundError):
            client.responses.cancel(made.id)
        with pytest.raises(openai.BadRequestError, match="not streamed again"):
            client.responses.retrieve(made.id, stream=True)


def test_what_a_client_does_not_want_kept_is_not(seen: Observed) -> None:
    with client_of(seen) as client:
        made = client.responses.create(model=OPUS, input="Hi", store=False)
        assert made.model_dump()["store"] is False
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(made.id)

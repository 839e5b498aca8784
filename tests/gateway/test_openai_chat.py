"""OpenAI's chat completions through the gateway: keys, budgets, deadlines, and what the headers tell."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.batch.queueing import CALLER, ask
from tests.core.routing.artefacts import artefact_of, cascade_of
from tests.engine.routes import ALL, CHEAP, STRONG, certified
from tests.fixtures import KEY, books, until
from tests.gateway.deferring import HELD, WAITS, Setup, deferring
from tests.gateway.keyed import Got, Stage, staged
from tests.wire.openai.completions import heard, request, user
from thriftgate.gateway import deferral
from thriftgate.ledger.entries import Entry

PATH = "/v1/chat/completions"
BEARER = f"Bearer {KEY}"


async def chat(stage: Stage, body: Any = None, **headers: str) -> Got:
    """One chat completion, as OpenAI's clients send it."""
    return await stage.ask("POST", PATH, request() if body is None else body, **{"authorization": BEARER, **headers})


async def entries(stage: Stage) -> list[Entry]:
    async with books(stage.ledger) as ledger:
        assert not await ledger.unbalanced()
        assert not await ledger.open_holds()
        return list(await ledger.entries())


def error(got: Got) -> tuple[int, str, str | None]:
    """Status, type and code of an error in OpenAI's shape."""
    told = got.document["error"]
    assert "type" not in got.document
    return got.status, told["type"], told["code"]


async def test_one_balanced_entry_a_call(tmp_path: Path) -> None:
    async with staged(tmp_path, own="") as stage:
        whole = await chat(stage, openai_organization="org", openai_beta="x")
        streamed = await chat(stage, request(stream=True, stream_options={"include_usage": True}))
        assert (whole.status, streamed.status) == (200, 200)
        assert streamed.headers["content-type"].startswith("text/event-stream")
        ids = [whole.document["id"], heard(streamed.body)["id"]]
        found = await entries(stage)
        assert [(one.endpoint, one.message_id, one.stream) for one in found] == [
            ("openai.chat", ids[0], False),
            ("openai.chat", ids[1], True),
        ]
        assert all(one.balance() == 0 for one in found)
        assert heard(streamed.body)["usage"]["completion_tokens"] == found[1].usage.total.output
        for seen in stage.upstream.seen:
            assert seen["anthropic-version"] == "2023-06-01"
            assert seen["authorization"] == BEARER
            assert not [name for name in seen if name.startswith(("openai-", "thriftgate-"))]


async def test_virtual_keys(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        key, secret = await stage.issue("app", models=("claude-opus-*",))
        assert error(await chat(stage))[::2] == (401, "invalid_api_key")
        answered = await chat(stage, authorization=f"Bearer {secret}")
        assert answered.status == 200
        refused = await chat(stage, request(model="claude-haiku-5-5"), authorization=f"Bearer {secret}")
        assert error(refused) == (403, "permission_error", None)
        (entry,) = await entries(stage)
        assert entry.key == key.id
        assert stage.upstream.seen[0]["x-api-key"] == KEY
        assert "authorization" not in stage.upstream.seen[0]


async def test_budgets_and_limits_of_a_call(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        _, boss = await stage.issue("boss", role="admin")
        _, secret = await stage.issue("app")
        await stage.admin("POST", "/budgets", boss, {"name": "app", "limit_usd": "0.01", "scope": ["key=app"]})
        short = request(max_completion_tokens=100)
        answered = await chat(stage, short, authorization=f"Bearer {secret}")
        assert (answered.status, answered.headers["thriftgate-budget"][:10]) == (200, 'name="app"')
        spent = await chat(stage, request(max_completion_tokens=1000), authorization=f"Bearer {secret}")
        assert error(spent) == (402, "billing_error", "insufficient_quota")
        dear = await chat(stage, short, authorization=f"Bearer {secret}", thriftgate_max_cost_usd="0.000001")
        assert error(dear)[0] == 400
        assert dear.headers["thriftgate-error"]
        assert [one.outcome for one in await entries(stage)] == ["answered", "refused", "refused"]


async def test_what_is_not_carried_is_told_or_refused(tmp_path: Path) -> None:
    body = request(user("x"), seed=1, temperature=0.5)
    async with staged(tmp_path / "a") as stage:
        told = await chat(stage, body)
        assert (told.status, told.headers["thriftgate-not-carried"]) == (
            200,
            "temperature (not taken by claude-opus-4-8); seed",
        )
        assert "thriftgate-not-carried" not in (await chat(stage)).headers
    async with staged(tmp_path / "b", openai={"not_carried": "refuse"}) as stage:
        refused = await chat(stage, body)
        assert error(refused)[:2] == (400, "invalid_request_error")
        assert "temperature" in refused.document["error"]["message"]
        assert not stage.upstream.seen
        assert (await chat(stage)).status == 200


async def test_models_that_the_settings_map(tmp_path: Path) -> None:
    async with staged(tmp_path, openai={"models": {"gpt-*": "claude-haiku-5-5"}, "max_tokens": 60}) as stage:
        answered = await chat(stage, request(user("Long [[sim: out=300]]"), model="gpt-5-mini"))
        assert answered.document["model"] == "claude-haiku-5-5"
        assert answered.document["choices"][0]["finish_reason"] == "length"
        assert error(await chat(stage, request(model="o7"))) == (404, "not_found_error", "model_not_found")


async def test_garbage_is_told_in_openais_shape(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        for body in (b"", b"{", b"[]", b"\xff", b'{"model":"claude-opus-4-8"}', b'{"messages":[]}'):
            assert error(await chat(stage, body))[:2] == (400, "invalid_request_error")
        assert not await entries(stage)


@pytest.mark.parametrize(("text", "served"), [("[[sim: out=30]]", CHEAP), ("[[sim: out=30 stop=max_tokens]]", STRONG)])
async def test_a_cascade_answers_in_the_clients_words(text: str, served: str, tmp_path: Path) -> None:
    """Levers see a Messages call, whoever asked; what they answer with is told like any other answer."""
    artefact = artefact_of(cascade=cascade_of(0.9), cheap=CHEAP, strong=STRONG, expires_s=9e9)
    routing = certified(tmp_path, artefact)
    async with staged(tmp_path, policy={"levers": ALL}, routing=routing) as stage:
        for streams in (False, True):
            got = await chat(
                stage, request(user(text), model=STRONG, stream=streams, max_tokens=200), thriftgate_task="easy"
            )
            assert got.status == 200
            completion = heard(got.body) if streams else got.document
            assert completion["model"] == served
            assert completion["choices"][0]["message"]["content"]
        assert {one.endpoint for one in await entries(stage) if not one.parent} >= {"openai.chat"}


# --- calls that can wait -------------------------------------------------------------------------------------------------


def waiting(number: int, **members: Any) -> dict[str, Any]:
    """A completion that no other call has, of the model that the stage knows."""
    asked = ask(number)
    return {"model": asked["model"], "messages": asked["messages"], "max_tokens": asked["max_tokens"]} | members


async def post(gateway: Setup, body: dict[str, Any], headers: Mapping[str, str]) -> Any:
    return await gateway.ask(body, {"authorization": f"Bearer {CALLER}", **headers}, path=PATH)


@pytest.fixture
def quick_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferral, "HEARTBEAT_S", 0.02)


@pytest.mark.usefixtures("quick_beats")
async def test_a_connection_that_is_held_is_answered_as_a_completion(tmp_path: Path) -> None:
    async with deferring(tmp_path) as gateway:
        got = await post(gateway, waiting(1, seed=7), HELD)
        completion = msgspec.json.decode(got.body)
        assert completion["object"] == "chat.completion"
        assert completion["created"] > 0
        assert completion["choices"][0]["message"]["content"]
        assert got.headers["thriftgate-not-carried"] == "seed"
        streamed = await post(gateway, waiting(2, stream=True, stream_options={"include_usage": True}), HELD)
        assert streamed.headers["content-type"].startswith("text/event-stream")
        assert heard(streamed.body)["usage"]["prompt_tokens"] > 0
        async with books(gateway.stage.settings.ledger.path) as ledger:
            assert {one.mode for one in await ledger.entries()} == {"batch"}
            assert not await ledger.unbalanced()


async def test_a_ticket_is_answered_as_a_completion(tmp_path: Path) -> None:
    """Whoever asks for it: the job knows in what it was asked. The same prompt asked for as Messages is another job."""
    async with deferring(tmp_path) as gateway:
        got = await post(gateway, waiting(1), WAITS)
        assert got.status == 202
        plain = await gateway.ticket(ask(2))
        document = await gateway.in_status(got.document["id"], "answered")
        assert document["http_status"] == 200
        assert document["answer"]["object"] == "chat.completion"
        assert (await gateway.in_status(plain, "answered"))["answer"]["type"] == "message"
        sent = [row.headers for row in await gateway.stage.batches()]
        assert sent
        assert not any(b"thriftgate" in headers for headers in sent)


async def test_a_call_that_is_better_made_at_once_says_why(tmp_path: Path) -> None:
    async with deferring(tmp_path) as gateway:
        got = await post(gateway, waiting(1), {"thriftgate-deadline": "1s"})
        assert got.headers["thriftgate-deferred"].startswith("no; ")
        assert msgspec.json.decode(got.body)["object"] == "chat.completion"

        async def is_booked() -> bool:
            async with books(gateway.stage.settings.ledger.path) as ledger:
                return [one.endpoint for one in await ledger.entries()] == ["openai.chat"]

        await until(is_booked)

"""The fake of Azure: whom it gives tokens, what it takes, what it says otherwise."""

from typing import Any

import pytest

from tests.simulator.support import MODEL, Answer, body, call, simulator
from thriftgate.simulator import Faults, Simulator
from thriftgate.simulator.clouds.azure import Deployment

FORM = "application/x-www-form-urlencoded"
BASE = "/services.ai.azure/res/anthropic/v1/messages"
KEY = {"x-api-key": "sim-key", "anthropic-version": "2023-06-01"}


async def token(app: Simulator, **members: str) -> Answer:
    form = {
        "grant_type": "client_credentials",
        "scope": "https%3A%2F%2Fai.azure.com%2F.default",
        "client_id": "app",
        "client_secret": "sim-1",
    } | members
    raw = "&".join(f"{name}={value}" for name, value in form.items()).encode()
    return await call(app, "POST", "/login.microsoftonline/t/oauth2/v2.0/token", raw, headers={"content-type": FORM})


async def ask(app: Simulator, document: Any = None, path: str = BASE, **headers: str) -> Answer:
    own = KEY if not headers else {name.replace("_", "-"): value for name, value in headers.items()}
    return await call(app, "POST", path, body() if document is None else document, headers=own)


async def test_an_application_is_given_a_token() -> None:
    app = simulator()
    given = (await token(app)).json()
    assert (given["token_type"], given["expires_in"]) == ("Bearer", 3599)
    bearer = {"authorization": f"Bearer {given['access_token']}", "anthropic_version": "2023-06-01"}
    assert (await ask(app, **bearer)).status == 200
    app.config.clock.advance(3_600)  # type: ignore[attr-defined]
    assert (await ask(app, **bearer)).status == 401


@pytest.mark.parametrize(
    ("members", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"scope": "email"}, 400, "invalid_request"),
        ({"client_id": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "invalid_request"),
    ],
)
async def test_another_is_not(members: dict[str, str], status: int, error: str) -> None:
    refused = await token(simulator(), **members)
    assert (refused.status, refused.json()["error"]) == (status, error)


async def test_messages_streams_and_counts() -> None:
    app = simulator()
    app.azure.deployments["mine"] = Deployment(MODEL, data_zone=True)
    assert (await ask(app)).json()["model"] == MODEL
    assert (await ask(app, body(stream=True, model="mine"))).events()[-1]["type"] == "message_stop"
    assert (await ask(app, body(model=f"{MODEL}-datazone"))).status == 200
    assert (await ask(app, path=f"{BASE}/count_tokens")).json()["input_tokens"] > 0
    assert [one.modifiers.names() for one in app.bill.calls] == [[], ["regional"], ["regional"]]
    assert {one.organization for one in app.bill.calls} == {"res"}


async def test_what_azure_says_is_said_in_azures_shape() -> None:
    app = simulator()
    version = "2023-06-01"
    replies = [
        await ask(app, anthropic_version=version),
        await ask(app, x_api_key="sk-other", anthropic_version=version),
        await ask(app, body(model="nobody-made-this")),
        await ask(app, path="/services.ai.azure/res/anthropic/v1/models"),
        await ask(app, path="/services.ai.azure/res"),
    ]
    app.faults = Faults.parse({"rate_limit": 1.0, "retry_after_s": 3})
    limited = await ask(app)
    assert [(reply.status, reply.json()["error"]["code"]) for reply in (*replies, limited)] == [
        (401, "401"),
        (401, "401"),
        (404, "DeploymentNotFound"),
        (404, "404"),
        (404, "404"),
        (429, "RateLimitReached"),
    ]
    assert limited.headers["retry-after"] == "3"
    assert app.bill.calls == []


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"inference_geo": "us"}, "inference_geo"),
        ({"speed": "fast"}, "speed"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"x-unknown": 1}, "x-unknown"),
    ],
)
async def test_what_claude_would_say_is_said_in_claudes_shape(members: dict[str, Any], says: str) -> None:
    reply = await ask(simulator(), body(**members))
    assert (reply.status, reply.json()["error"]["type"]) == (400, "invalid_request_error")
    assert says in reply.json()["error"]["message"]

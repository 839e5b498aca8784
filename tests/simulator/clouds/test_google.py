"""The fake of Google Cloud: whom it gives tokens, what it takes, what it says otherwise."""

import base64
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.providers.clouds import account
from tests.simulator.support import MODEL, Answer, body, call, simulator
from thriftgate.simulator import Faults, Simulator
from thriftgate.simulator.clouds.google import AUDIENCE, SCOPE

FILE, KNOWN = account()
FORM = "application/x-www-form-urlencoded"
BASE = "/aiplatform/v1/projects/p-1/locations/{}/publishers/anthropic/models/{}:{}"


def part(document: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(document)).decode().rstrip("=")


def statement(app: Simulator, *, alg: str = "RS256", **claims: Any) -> str:
    now = int(app.now())
    said = {"iss": FILE["client_email"], "aud": AUDIENCE, "scope": SCOPE, "iat": now, "exp": now + 3600} | claims
    signed = f"{part({'alg': alg, 'typ': 'JWT'})}.{part(said)}"
    key: Any = load_pem_private_key(FILE["private_key"].encode(), None)
    signature = base64.urlsafe_b64encode(key.sign(signed.encode(), PKCS1v15(), SHA256())).decode().rstrip("=")
    return f"{signed}.{signature}"


async def token(app: Simulator, assertion: str) -> Answer:
    app.google.accounts[FILE["client_email"]] = KNOWN
    form = f"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}"
    return await call(app, "POST", "/oauth2.googleapis/token", form.encode(), headers={"content-type": FORM})


def asking(app: Simulator, project: str = "p-1") -> dict[str, str]:
    return {"authorization": f"Bearer {app.google.tokens.give(project, app.now())}"}


def vertex_body(**members: Any) -> dict[str, Any]:
    document = body(anthropic_version="vertex-2023-10-16")
    del document["model"]
    return document | members


async def predict(
    app: Simulator, document: Any, *, model: str = MODEL, region: str = "global", method: str = "rawPredict", **headers: str
) -> Answer:
    told = asking(app) | {name.replace("_", "-"): value for name, value in headers.items()}
    return await call(app, "POST", BASE.format(region, model, method), document, headers=told)


async def test_a_signed_statement_is_worth_a_token() -> None:
    app = simulator()
    given = (await token(app, statement(app))).json()
    assert (given["token_type"], given["expires_in"]) == ("Bearer", 3599)
    assert app.google.tokens.owner({"authorization": f"Bearer {given['access_token']}"}, app.now()) == "p-1"


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "nobody@nowhere"},
        {"aud": "https://evil.example"},
        {"scope": "email"},
        {"iat": 0, "exp": 3600},
        {"exp": 2**40},
        {"alg": "HS256"},
    ],
)
async def test_another_statement_is_not(claims: dict[str, Any]) -> None:
    app = simulator()
    refused = await token(app, statement(app, **claims))
    assert (refused.status, refused.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize("damage", ["cut", "signature", "empty", "words"])
async def test_nor_is_one_that_was_tampered_with(damage: str) -> None:
    app = simulator()
    good = statement(app)
    header, claims, signature = good.split(".")
    other = part({"iss": FILE["client_email"], "aud": AUDIENCE, "scope": SCOPE, "iat": 1, "exp": 2})
    wrong = {"cut": good[:-10], "signature": f"{header}.{other}.{signature}", "empty": "", "words": "a.b.c"}[damage]
    assert claims
    assert (await token(app, wrong)).json()["error_description"] == "Invalid JWT Signature."


async def test_refresh_tokens() -> None:
    app = simulator()
    app.google.logins["r-1"] = "p-1"
    headers = {"content-type": FORM}
    for form, status in (
        (b"refresh_token=r-1&client_id=c", 200),
        (b"refresh_token=r-2&client_id=c", 400),
        (b"refresh_token=r-1", 400),
    ):
        raw = b"grant_type=refresh_token&" + form
        reply = await call(app, "POST", "/oauth2.googleapis/token", raw, headers=headers)
        assert reply.status == status


async def test_a_key_to_try_it_with() -> None:
    app = simulator()
    key = (await call(app, "GET", "/oauth2.googleapis/service-account.json", headers={"host": "127.0.0.1:9"})).json()
    assert (key["type"], key["token_uri"]) == ("service_account", "http://127.0.0.1:9/oauth2.googleapis/token")
    assert key["client_email"] in app.google.accounts


async def test_messages_streams_and_counts() -> None:
    app = simulator()
    assert (await predict(app, vertex_body())).json()["model"] == MODEL
    streamed = await predict(app, vertex_body(stream=True), method="streamRawPredict")
    assert streamed.events()[-1]["type"] == "message_stop"
    counted = await predict(app, vertex_body() | {"model": MODEL}, model="count-tokens")
    assert counted.json()["input_tokens"] > 0
    dated = await predict(app, vertex_body(), model="claude-haiku-4-5@20251001")
    assert dated.json()["model"] == "claude-haiku-4-5-20251001"
    assert [one.modifiers.names() for one in app.bill.calls] == [[], [], []]
    await predict(app, vertex_body(), region="us-east5")
    assert app.bill.calls[-1].modifiers.names() == ["regional"]


@pytest.mark.parametrize(
    ("members", "more", "says"),
    [
        ({"anthropic_version": "2023-06-01"}, {}, "anthropic_version"),
        ({"model": MODEL}, {}, "model: Extra inputs"),
        ({"inference_geo": "us"}, {}, "inference_geo"),
        ({"speed": "fast"}, {"model": "claude-opus-5-5"}, "speed"),
        ({"speed": "fast"}, {"model": "claude-fable-5-2", "region": "us-east5"}, "speed"),
        ({"stream": True}, {}, "stream"),
        ({}, {"method": "streamRawPredict"}, "stream"),
        ({}, {"anthropic_beta": "prompt-caching-scope-2026-01-05"}, "Unexpected value(s) `prompt-caching-scope"),
        ({"max_tokens": -1}, {}, "max_tokens"),
    ],
)
async def test_what_claude_would_say_is_said_in_claudes_shape(
    members: dict[str, Any], more: dict[str, str], says: str
) -> None:
    reply = await predict(simulator(), vertex_body(**members), **more)
    error = reply.json()
    assert (reply.status, error["type"], error["error"]["type"]) == (400, "error", "invalid_request_error")
    assert says in error["error"]["message"]


async def test_what_google_says_is_said_in_googles_shape() -> None:
    app = simulator()
    path = BASE.format("global", MODEL, "rawPredict")
    nobody = await call(app, "POST", path, vertex_body(), headers={})
    other = await call(app, "POST", path, vertex_body(), headers=asking(app, "p-2"))
    late = asking(app)
    app.config.clock.advance(3_600)  # type: ignore[attr-defined]
    ended = await call(app, "POST", path, vertex_body(), headers=late)
    unknown = await predict(app, vertex_body(), model="claude-nowhere")
    plain_date = await predict(app, vertex_body(), model="claude-haiku-4-5-20251001")
    nowhere = await call(app, "GET", "/aiplatform/v1/x", headers=asking(app))
    app.faults = Faults.parse({"rate_limit": 1.0, "retry_after_s": 3})
    limited = await predict(app, vertex_body())
    streamed = await predict(app, vertex_body(stream=True), method="streamRawPredict")
    replies = (nobody, other, ended, unknown, plain_date, nowhere, limited)
    assert [(reply.status, reply.json()["error"]["status"]) for reply in replies] == [
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (401, "UNAUTHENTICATED"),
        (404, "NOT_FOUND"),
        (404, "NOT_FOUND"),
        (404, "NOT_FOUND"),
        (429, "RESOURCE_EXHAUSTED"),
    ]
    assert ended.json()["error"]["details"][0]["reason"] == "ACCESS_TOKEN_EXPIRED"
    assert limited.json()["error"]["details"] == [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3s"}]
    assert streamed.json()[0]["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert app.bill.calls == []


async def test_the_whole_api_under_another_address() -> None:
    app = simulator()
    base = "/claude.googleapis/v1/projects/p-1/locations/global/workspaces/w-1/invoke"
    headers = asking(app) | {"anthropic-version": "2023-06-01"}
    listed = await call(app, "GET", f"{base}/v1/models", headers=headers)
    assert listed.json()["data"]
    answered = await call(app, "POST", f"{base}/v1/messages", body(), headers=headers)
    assert answered.headers["anthropic-workspace-id"] == "wrkspc_simulated_w_1"
    assert [(one.organization, one.workspace, one.modifiers.names()) for one in app.bill.calls] == [("p_1", "w_1", [])]
    wrong = await call(app, "POST", f"{base}/v1/messages", body(model="claude-nowhere"), headers=headers)
    assert (wrong.status, wrong.json()["error"]["type"]) == (404, "not_found_error")
    assert (await call(app, "GET", f"{base}/v1/models", headers={})).status == 401

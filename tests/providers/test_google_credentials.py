"""Google's credentials, held against google-auth: its signer, its reading of keys, its verification of what we sign."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import google.auth.jwt
import msgspec
import pytest
import requests
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.oauth2 import service_account

from tests.fixtures import TestClock, serving, simulator
from tests.providers.clouds import TOKEN_URL, Answers, account, answer, knowing
from thriftgate.core.errors import ConfigError, Unreachable
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.google_credentials import (
    SCOPE,
    AmbientSource,
    GoogleKey,
    KeySource,
    ambient_file,
    assertion,
    google_source,
    parsed_key,
    token_request,
)
from thriftgate.providers.http1_transport import Http1Transport
from thriftgate.providers.transport import Timeouts
from thriftgate.simulator import Simulator

FILE, KNOWN = account()
SIGNED_IN: Any = service_account.Credentials.from_service_account_info
DECODED: Any = google.auth.jwt._unverified_decode
VERIFIED: Any = google.auth.jwt.decode
LOGIN = {"type": "authorized_user", "client_id": "c", "client_secret": "s3cret-of-it", "refresh_token": "r3fresh-token"}
NOW_S = 1_795_000_000.0


def text(**members: Any) -> str:
    return msgspec.json.encode(FILE | members).decode()


def told() -> GoogleKey:
    return parsed_key(text(), "x")


def test_what_is_signed_is_what_google_auth_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = SIGNED_IN(FILE, scopes=[SCOPE])
    ours = assertion(told(), NOW_S, "x")
    signed = ours.encode().rpartition(b".")[0]
    assert DECODED(ours)[3] == credentials.signer.sign(signed)  # RS256 has one signature only
    monkeypatch.setattr("google.auth._helpers.utcnow", lambda: datetime.fromtimestamp(NOW_S, UTC))
    theirs = credentials._make_authorization_grant_assertion()
    mine, yours = DECODED(ours), DECODED(theirs)
    assert mine[0] == yours[0]
    assert set(mine[1]) == set(yours[1])
    same = ("iss", "aud", "scope")
    assert [mine[1][name] for name in same] == [yours[1][name] for name in same]
    assert mine[1]["exp"] - mine[1]["iat"] == yours[1]["exp"] - yours[1]["iat"]
    assert mine[1]["iat"] == int(NOW_S)


def test_google_auth_verifies_what_we_sign() -> None:
    public = KNOWN.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = assertion(told(), time.time(), "x")
    claims = VERIFIED(signed, certs=public, audience="https://oauth2.googleapis.com/token")
    assert claims["iss"] == FILE["client_email"]


def test_google_auth_asks_as_we_do() -> None:
    """The whole request of `google.oauth2.service_account`, against the endpoint that gives us our tokens."""
    app = simulator(clock=time.time)
    with serving(app) as url:
        here = {**FILE, "token_uri": f"{url}/oauth2.googleapis/token"}
        knowing(app)
        asked: list[tuple[str, str, bytes]] = []

        def request(url: str, method: str = "GET", body: bytes | None = None, **rest: Any) -> Any:
            asked.append((url, method, body or b""))
            found = requests.request(method, url, data=body, headers=rest.get("headers"), timeout=10)
            return type("Answer", (), {"status": found.status_code, "headers": found.headers, "data": found.content})()

        theirs = SIGNED_IN(here, scopes=[SCOPE])
        theirs.refresh(request)
        assert theirs.token.startswith("ya29.sim-")
        ours = token_request(parsed_key(msgspec.json.encode(here).decode(), "x"), app.now(), "x")
        assert (ours[0], "POST") == asked[0][:2]
        form = {name: values[0] for name, values in parse_qs(asked[0][2].decode()).items()}
        assert form | {"assertion": ""} == ours[1] | {"assertion": ""}


async def fetched(source: KeySource | AmbientSource, app: Simulator) -> str:
    return (await source.fetch(AsgiTransport(app), Timeouts(), TestClock(app.config.clock))).value  # type: ignore[arg-type]


async def test_a_service_account_is_given_a_token() -> None:
    app = simulator()
    source = google_source(knowing(app))
    assert source.project == "p-1"
    value = await fetched(source, app)
    assert app.google.tokens.owner({"authorization": f"Bearer {value}"}, app.now()) == "p-1"


async def test_a_key_in_a_file_is_read_anew_for_each_token(tmp_path: Path) -> None:
    app = simulator()
    path = tmp_path / "key.json"
    path.write_text(knowing(app))
    source = google_source(str(path))
    await fetched(source, app)
    path.write_text(text(client_email="somebody@else"))
    with pytest.raises(Unreachable, match="invalid_grant: Invalid JWT Signature"):
        await fetched(source, app)
    path.unlink()
    with pytest.raises(
        Unreachable, match=r"credentials: .*key.json cannot be read: FileNotFoundError; the call was not sent"
    ):
        await fetched(source, app)


async def test_a_login_is_refreshed_and_names_the_project_its_calls_count_for() -> None:
    app = simulator()
    app.google.logins["r3fresh-token"] = "p-2"
    login = LOGIN | {"token_uri": TOKEN_URL, "quota_project_id": "q-1"}
    token = await google_source(msgspec.json.encode(login).decode()).fetch(
        AsgiTransport(app),
        Timeouts(),
        TestClock(app.config.clock),  # type: ignore[arg-type]
    )
    assert token.headers == ((b"x-goog-user-project", b"q-1"),)
    assert app.google.tokens.owner({"authorization": f"Bearer {token.value}"}, app.now()) == "p-2"


@pytest.mark.parametrize(
    ("credentials", "why"),
    [
        ("{", "no JSON of Google credentials"),
        ("{}", "of the kind ''"),
        (text(type="external_account"), "of the kind 'external_account'.*thriftgate\\[google\\]"),
        (text(private_key=""), "lacks private_key"),
        (text(client_email=""), "lacks client_email"),
        (text(private_key="-----BEGIN PRIVATE KEY-----\nc3NlY3JldA==\n-----END PRIVATE KEY-----\n"), "is no RSA key"),
        (text(token_uri="http://169.254.169.254/token"), "token_uri: .* must be https"),
        (text(token_uri="gopher://x"), "token_uri: .* is not an http"),
        (msgspec.json.encode(LOGIN | {"refresh_token": ""}).decode(), "lacks refresh_token"),
        ("/nowhere/key.json", "cannot be read: FileNotFoundError"),
    ],
)
def test_what_cannot_be_used_is_said_at_once_and_not_repeated(credentials: str, why: str) -> None:
    with pytest.raises(ConfigError, match=f"^credentials: .*{why}") as caught:
        google_source(credentials)
    assert "c3NlY3JldA" not in str(caught.value)


def test_a_key_is_never_printed() -> None:
    assert "PRIVATE" not in repr(told())


async def test_without_any_credentials_it_is_said_what_there_could_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(Unreachable, match=r"gcloud auth application-default login.*the call was not sent"):
        await AmbientSource({"HOME": str(tmp_path)}).fetch(Answers(), Timeouts(), TestClock())


async def test_what_the_machine_has_is_found_in_its_order(tmp_path: Path) -> None:
    app = simulator()
    named, kept = tmp_path / "named.json", tmp_path / ".config" / "gcloud" / "application_default_credentials.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(knowing(app))
    named.write_text(text(client_email="somebody@else"))
    assert ambient_file({}) is None
    assert ambient_file({"HOME": str(tmp_path)}) == kept
    assert ambient_file({"CLOUDSDK_CONFIG": str(kept.parent)}) == kept
    assert ambient_file({"HOME": str(tmp_path), "GOOGLE_APPLICATION_CREDENTIALS": str(named)}) == named
    assert (await fetched(AmbientSource({"HOME": str(tmp_path)}), app)).startswith("ya29.")
    with pytest.raises(Unreachable, match="invalid_grant"):
        await fetched(AmbientSource({"GOOGLE_APPLICATION_CREDENTIALS": str(named)}), app)
    named.write_text("no json")
    with pytest.raises(Unreachable, match=r"named.json: holds no JSON.*the call was not sent"):
        await fetched(AmbientSource({"GOOGLE_APPLICATION_CREDENTIALS": str(named)}), app)


BY_CHAIN = """
import asyncio
from thriftgate.clock import SystemClock
from thriftgate.providers.google_credentials import AmbientSource
from thriftgate.providers.transport import Timeouts
token = asyncio.run(AmbientSource().fetch(None, Timeouts(), SystemClock()))
print(token.value, token.until_s > SystemClock().now_s() + 1000)
"""


def test_other_kinds_of_credentials_are_google_auths(tmp_path: Path) -> None:
    """A metadata server, as on a machine of Google's: a program of its own asks, as google-auth looks at its environment."""

    async def metadata(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        document: Any = {"access_token": "from-metadata", "expires_in": 3000, "token_type": "Bearer"}
        if path.endswith("/project-id"):
            document = "p-9"
        elif path.endswith(("/universe-domain", "/universe_domain")):
            document = "googleapis.com"
        elif not path.endswith("/token"):
            document = {"email": "machine@p-9", "scopes": [SCOPE], "aliases": ["default"]}
        body = document.encode() if isinstance(document, str) else msgspec.json.encode(document)
        kind = b"text/plain" if isinstance(document, str) else b"application/json"
        headers = [(b"metadata-flavor", b"Google"), (b"content-type", kind), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    with serving(metadata) as url:
        host = url.removeprefix("http://")
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("GOOGLE", "GCE", "CLOUDSDK"))}
        environ |= {"HOME": str(tmp_path), "GCE_METADATA_HOST": host, "GCE_METADATA_IP": host, "NO_GCE_CHECK": ""}
        command = [sys.executable, "-c", BY_CHAIN]
        done = subprocess.run(command, check=False, env=environ, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["from-metadata", "True"], done.stderr


async def test_over_a_real_socket() -> None:
    app = simulator()
    key = knowing(app)
    with serving(app) as url:
        source = google_source(
            msgspec.json.encode(msgspec.json.decode(key) | {"token_uri": f"{url}/oauth2.googleapis/token"}).decode()
        )
        transport = Http1Transport()
        try:
            token = await source.fetch(transport, Timeouts(), TestClock(app.config.clock))  # type: ignore[arg-type]
        finally:
            await transport.close()
    assert token.value.startswith("ya29.sim-")


async def test_a_wrong_clock_is_told() -> None:
    app = simulator()
    key = knowing(app)
    clock = TestClock()
    clock.advance(86_400)
    with pytest.raises(Unreachable, match="reasonable timeframe"):
        await google_source(key).fetch(AsgiTransport(app), Timeouts(), clock)
    wire = Answers(answer({"access_token": "t", "expires_in": 10}))
    await google_source(key).fetch(wire, Timeouts(), clock)
    assert wire.sent[0].url == TOKEN_URL

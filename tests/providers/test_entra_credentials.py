"""An application of Entra's is given tokens."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest
from msgspec.structs import replace

from tests.fixtures import TestClock, simulator
from tests.providers.clouds import Answers, answer
from thriftgate.core.errors import ConfigError, Unreachable
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.entra_credentials import EntraSource
from thriftgate.providers.transport import Timeouts

APPLICATION = Endpoint(tenant="contoso.example", client_id="app-1", client_secret="sim-of-the-app")
HERE = replace(APPLICATION, authority="http://127.0.0.1/login.microsoftonline")


async def test_what_is_asked_and_where() -> None:
    wire = Answers(answer({"access_token": "t", "expires_in": 3599}))
    await EntraSource(APPLICATION).fetch(wire, Timeouts(), TestClock())
    (sent,) = wire.sent
    assert sent.url == "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token"
    assert isinstance(sent.body, bytes)
    assert parse_qs(sent.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["app-1"],
        "client_secret": ["sim-of-the-app"],
        "scope": ["https://ai.azure.com/.default"],
    }


async def test_a_token_is_given_or_it_is_said_why_not() -> None:
    app = simulator()
    clock = TestClock(app.config.clock)  # type: ignore[arg-type]
    token = await EntraSource(HERE).fetch(AsgiTransport(app), Timeouts(), clock)
    assert app.azure.tokens.owner({"authorization": f"Bearer {token.value}"}, app.now()) == "app-1"
    assert token.until_s == clock.now_s() + 3599
    with pytest.raises(Unreachable, match="401 invalid_client: AADSTS7000215") as caught:
        await EntraSource(replace(HERE, client_secret="another-one")).fetch(AsgiTransport(app), Timeouts(), clock)
    assert "another-one" not in str(caught.value)


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"tenant": ""}, "^tenant: name it"),
        ({"client_id": ""}, "^client_id: name it"),
        ({"client_secret": ""}, "^client_secret: name it"),
        ({"tenant": "a/../b"}, "^tenant: is the id"),
        ({"authority": "http://login.evil.example"}, "^authority: .* must be https"),
    ],
)
def test_an_application_must_be_named_whole(members: dict[str, str], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        EntraSource(replace(APPLICATION, **members))

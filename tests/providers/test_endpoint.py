"""An endpoint holds secrets, and never shows them."""

from __future__ import annotations

from thriftgate.providers.endpoint import Endpoint


def test_it_is_not_printed() -> None:
    secrets = {"key", "access_key_id", "secret_access_key", "session_token", "credentials"}
    endpoint = Endpoint(url="https://there.example", **{name: f"secret-{name}" for name in secrets})  # type: ignore[arg-type]
    assert repr(endpoint) == str(endpoint) == "Endpoint('https://there.example')"

"""Keys are named, never shown."""

from __future__ import annotations

from thriftgate.providers.keys import ProviderKey


def test_the_secret_does_not_show() -> None:
    key = ProviderKey("main", "sk-ant-secret", 2.0, "other")
    assert repr(key) == str(key) == f"{key}" == "ProviderKey('main')"

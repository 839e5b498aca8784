"""Whose call it is."""

from __future__ import annotations

import pytest

from thriftgate.gateway.credentials import credential_of, virtual_key_of
from thriftgate.providers.transport import Headers


@pytest.mark.parametrize(
    ("headers", "credential"),
    [
        ((), ""),
        (((b"x-api-key", b"sk-1"),), "sk-1"),
        (((b"authorization", b"Bearer sk-1"),), "sk-1"),
        (((b"authorization", b"bearer sk-1"),), "sk-1"),
        (((b"authorization", b"BEARER  sk-1 "),), "sk-1"),
        (((b"authorization", b"sk-1"),), "sk-1"),
        (((b"authorization", b"Basic dXNlcg=="),), "Basic dXNlcg=="),
        (((b"authorization", b"Bearer sk-2"), (b"x-api-key", b"sk-1")), "sk-1"),
        (((b"x-api-key", b"sk-1"), (b"authorization", b"Bearer sk-2")), "sk-1"),
        (((b"x-api-key", b""), (b"authorization", b"Bearer sk-2")), "sk-2"),
        (((b"x-api-key", b" sk-1\t"),), "sk-1"),
        (((b"x-api-key", b"sk-1"), (b"x-api-key", b"sk-2")), "sk-1"),
        (((b"authorization", b"Bearer sk-1"), (b"authorization", b"Bearer sk-2")), "sk-1"),
        (((b"x-api-key", b"\xe9"),), "é"),
        (((b"x-api-keys", b"sk-1"),), ""),
    ],
)
def test_of_two_headers_the_api_uses_the_first(headers: Headers, credential: str) -> None:
    assert credential_of(headers) == credential


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ((), ""),
        (((b"x-api-key", b"sk-1"),), ""),
        (((b"x-api-key", b"tg-1"),), "tg-1"),
        (((b"x-api-key", b" tg-1 "),), "tg-1"),
        (((b"authorization", b"Bearer tg-1"),), "tg-1"),
        (((b"authorization", b"bearer  tg-1"),), "tg-1"),
        (((b"authorization", b"tg-1"),), "tg-1"),
        (((b"x-api-key", b"sk-1"), (b"authorization", b"Bearer tg-1")), "tg-1"),
        (((b"authorization", b"Bearer sk-1"), (b"x-api-key", b"tg-1")), "tg-1"),
        (((b"x-api-key", b"sk-1"), (b"x-api-key", b"tg-1")), "tg-1"),
        (((b"x-api-key", b"tg-1"), (b"x-api-key", b"tg-2")), "tg-1"),
        (((b"x-other", b"tg-1"),), ""),
        (((b"authorization", b"Basic tg-1"),), ""),
    ],
)
def test_a_virtual_key_is_found_wherever_it_stands(headers: Headers, key: str) -> None:
    assert virtual_key_of(headers) == key

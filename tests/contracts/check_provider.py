"""What every provider must do: a pure `prepare` that keeps what is the client's and drops what is not the provider's.

Each check is handed the provider's class.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from thriftgate.core.errors import ConfigError
from thriftgate.providers.provider import Provider
from thriftgate.providers.transport import FileBody, Headers, Outgoing

Check = Callable[[type[Provider]], None]
URL = "https://provider.example"
BODY = b'{"model":"m","x-unknown":[1,2]}'
CLIENT: Headers = (
    (b"anthropic-version", b"2023-06-01"),
    (b"anthropic-beta", b"one-2026-01-01,two-2026-02-02"),
    (b"anthropic-beta", b"three-2026-03-03"),
    (b"x-stainless-retry-count", b"0"),
    (b"x-nobody-knows", b"\xe4\xff kept as it is"),
    (b"user-agent", b"client/1.0"),
    (b"content-type", b"application/json"),
)
HOP_BY_HOP = (
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te", b"trailer",
    b"transfer-encoding", b"upgrade", b"host", b"content-length", b"expect", b"accept-encoding",
)  # fmt: skip


def prepared(provider: Provider, *, headers: Headers = CLIENT, query: str = "", body: bytes | FileBody = BODY) -> Outgoing:
    return provider.prepare("POST", "/v1/messages", query, headers, body)


def values(outgoing: Outgoing, name: bytes) -> list[bytes]:
    return [value for key, value in outgoing.headers if key == name]


def it_has_a_name_that_a_ledger_can_keep(kind: type[Provider]) -> None:
    assert kind(URL).name.isidentifier()
    assert kind(URL).name == kind("http://elsewhere.example", "key").name


def prepare_is_pure(kind: type[Provider]) -> None:
    one, two = kind(URL, "key"), kind(URL, "key")
    first = prepared(one)
    assert prepared(one) == first == prepared(two)
    assert prepared(one, headers=(), body=b"") != first
    assert prepared(one) == first


def the_body_is_the_same_object(kind: type[Provider]) -> None:
    assert prepared(kind(URL)).body is BODY


def a_file_is_passed_on_unread(kind: type[Provider]) -> None:
    body = FileBody(Path("there is no such file"), 10)
    outgoing = prepared(kind(URL), body=body)
    assert outgoing.body is body
    assert outgoing.headers == prepared(kind(URL)).headers


def unknown_headers_pass_in_order(kind: type[Provider]) -> None:
    kept = [header for header in prepared(kind(URL)).headers if header in CLIENT]
    assert kept == list(CLIENT)


def hop_by_hop_headers_and_ours_stay_here(kind: type[Provider]) -> None:
    ours = (b"thriftgate-max-cost-usd", b"thriftgate-anything")
    dropped = tuple((name, b"x") for name in (*HOP_BY_HOP, *ours))
    outgoing = prepared(kind(URL), headers=(*CLIENT, *dropped))
    assert outgoing.headers == prepared(kind(URL)).headers
    assert not [name for name, value in outgoing.headers if value == b"x"]


def answers_are_wanted_uncompressed(kind: type[Provider]) -> None:
    asked = (*CLIENT, (b"accept-encoding", b"gzip, br"))
    assert values(prepared(kind(URL), headers=asked), b"accept-encoding") == [b"identity"]


def header_names_are_lower_case(kind: type[Provider]) -> None:
    assert all(name == name.lower() for name, _ in prepared(kind(URL, "key")).headers)


def the_query_and_a_path_prefix_are_kept(kind: type[Provider]) -> None:
    assert prepared(kind(URL), query="beta=true&x=%2F").url == f"{URL}/v1/messages?beta=true&x=%2F"
    assert prepared(kind(f"{URL}/")).url == f"{URL}/v1/messages"
    assert prepared(kind(f"{URL}:8443/a/prefix/")).url == f"{URL}:8443/a/prefix/v1/messages"


def own_credentials_replace_the_clients(kind: type[Provider]) -> None:
    theirs = ((b"x-api-key", b"sk-client"), (b"authorization", b"Bearer sk-client"))
    replaced = prepared(kind(URL, "sk-own"), headers=(*CLIENT, *theirs))
    assert not [value for _, value in replaced.headers if b"sk-client" in value]
    assert [value for _, value in replaced.headers if b"sk-own" in value]


def without_own_credentials_the_clients_pass(kind: type[Provider]) -> None:
    for theirs in ((b"x-api-key", b"sk-client"), (b"authorization", b"Bearer sk-client")):
        assert theirs in prepared(kind(URL), headers=(*CLIENT, theirs)).headers


def what_is_no_origin_is_refused(kind: type[Provider]) -> None:
    wrong = (
        "", "provider.example", "ftp://provider.example", "https://", "http://:80", "https://h:port", "https://h:99999",
        "https://h/?query=1", "https://h/#part", "https://h/a b", "https://h\r\nx: y", "http://[::1", "https://h:0",
    )  # fmt: skip
    for url in wrong:
        with pytest.raises(ConfigError, match="is not an http:// or https:// URL"):
            kind(url)
    for url in ("http://localhost", "https://h:443/v", "http://[::1]:8080", "http://127.0.0.1:1"):
        assert prepared(kind(url)).url.startswith(url)


def a_key_that_cannot_be_a_header_is_refused(kind: type[Provider]) -> None:
    with pytest.raises(ConfigError, match=r"upstream\.api_key") as caught:
        kind(URL, "sk-secret\n")
    assert "sk-secret" not in str(caught.value)


CHECKS: tuple[Check, ...] = (
    it_has_a_name_that_a_ledger_can_keep,
    prepare_is_pure,
    the_body_is_the_same_object,
    a_file_is_passed_on_unread,
    unknown_headers_pass_in_order,
    hop_by_hop_headers_and_ours_stay_here,
    answers_are_wanted_uncompressed,
    header_names_are_lower_case,
    the_query_and_a_path_prefix_are_kept,
    own_credentials_replace_the_clients,
    without_own_credentials_the_clients_pass,
    what_is_no_origin_is_refused,
    a_key_that_cannot_be_a_header_is_refused,
)

"""What every provider must do: a pure `prepare` that keeps what is the client's and drops what is not the provider's.

Each check is handed the provider's class. `CHECKS` are for all; `SAME_WIRE` for those that take the client's own path,
headers and body; `CLIENTS_OWN` for those that clients' own credentials are for, `FOREIGN` for those to whom they mean
nothing; `MESSAGES_WIRE` for those that are sent Messages, `CHAT_WIRE` for those that speak chat completions. What an
endpoint of each needs beside its address stands in `NEEDS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from thriftgate.core.errors import ConfigError
from thriftgate.core.request import parse_request
from thriftgate.providers import PROVIDERS
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.provider import BETAS_DROPPED, Provider, objection, objection_of
from thriftgate.providers.transport import FileBody, Headers, Outgoing
from thriftgate.wire.openai_out.servers import SERVERS

NEEDS: dict[str, dict[str, Any]] = {
    "anthropic": {},
    "aws_platform": {"region": "us-east-1", "workspace": "wrkspc_1"},
    "bedrock": {"region": "us-east-1"},
    "bedrock_legacy": {"region": "us-east-1"},
    "vertex": {"project": "p-1"},
    "google_cloud": {"project": "p-1", "workspace": "wrkspc_1"},
    "foundry": {"project": "resource", "tenant": "t.example", "client_id": "app", "client_secret": "app-secret"},
    **{server.name: {} for server in SERVERS},
}
"""By provider: what its endpoints need beside an address and a key."""

Check = Callable[[type[Provider]], None]
URL = "https://provider.example"
BODY = b'{"model":"m","x-unknown":[1,2]}'
MESSAGES = b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hello"}],"x-unknown":null}'
WHOLE_BODY = (
    b'{"model":"claude-opus-5-5","max_tokens":10,"temperature":1.0e0,"x-unknown":[1, 2],'
    b'"messages":[{"role":"user","content":"\\u00e4"}]}'
)
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


def endpoint_of(kind: type[Provider], url: str = URL, key: str = "sk-own") -> Endpoint:
    names = {name for name, one in PROVIDERS.items() if one is kind}
    return Endpoint(url=url, key=key, **NEEDS[names.pop()])


def without_finish(outgoing: Outgoing) -> Outgoing:
    return replace(outgoing, finish=None)


def prepared(provider: Provider, *, headers: Headers = CLIENT, query: str = "", body: bytes | FileBody = BODY) -> Outgoing:
    return without_finish(provider.prepare("POST", "/v1/messages", query, headers, body))


def values(outgoing: Outgoing, name: bytes) -> list[bytes]:
    return [value for key, value in outgoing.headers if key == name]


def it_has_a_name_that_a_ledger_can_keep(kind: type[Provider]) -> None:
    assert kind(endpoint_of(kind, URL, "")).name.isidentifier()
    assert kind(endpoint_of(kind, URL, "")).name == kind(endpoint_of(kind, "http://elsewhere.example", "key")).name


def it_says_where_its_traits_are_documented(kind: type[Provider]) -> None:
    traits = kind(endpoint_of(kind)).traits
    assert re.search(r"[a-z]+[.][a-z]+/.*20[0-9]{2}-[0-9]{2}", traits.source)
    assert traits.ttls or not traits.marks
    assert bool(kind(endpoint_of(kind)).count_path) == traits.counts


def it_serves_claude_or_says_that_it_does_not(kind: type[Provider]) -> None:
    provider = kind(endpoint_of(kind))
    assert bool(provider.model_id("claude-sonnet-5-5")) == provider.traits.claude
    renamed = kind(replace(endpoint_of(kind), models={"claude-sonnet-5-5": "mine"}))
    assert renamed.model_id("claude-sonnet-5-5") == "mine"


def prepare_is_pure(kind: type[Provider]) -> None:
    one, two = kind(endpoint_of(kind, URL, "key")), kind(endpoint_of(kind, URL, "key"))
    first = prepared(one)
    assert prepared(one) == first == prepared(two)
    assert prepared(one, headers=(), body=b"") != first
    assert prepared(one) == first


def the_body_is_the_same_object(kind: type[Provider]) -> None:
    assert prepared(kind(endpoint_of(kind, URL, ""))).body is BODY


def a_file_is_passed_on_unread(kind: type[Provider]) -> None:
    body = FileBody(Path("there is no such file"), 10)
    outgoing = prepared(kind(endpoint_of(kind, URL, "")), body=body)
    assert outgoing.body is body
    assert outgoing.headers == prepared(kind(endpoint_of(kind, URL, ""))).headers


def unknown_headers_pass_in_order(kind: type[Provider]) -> None:
    kept = [header for header in prepared(kind(endpoint_of(kind, URL, ""))).headers if header in CLIENT]
    assert kept == list(CLIENT)


def hop_by_hop_headers_and_ours_stay_here(kind: type[Provider]) -> None:
    ours = (b"thriftgate-max-cost-usd", b"thriftgate-anything")
    dropped = tuple((name, b"x") for name in (*HOP_BY_HOP, *ours))
    outgoing = prepared(kind(endpoint_of(kind, URL, "")), headers=(*CLIENT, *dropped))
    assert outgoing.headers == prepared(kind(endpoint_of(kind, URL, ""))).headers
    assert not [name for name, value in outgoing.headers if value == b"x"]


def answers_are_wanted_uncompressed(kind: type[Provider]) -> None:
    asked = (*CLIENT, (b"accept-encoding", b"gzip, br"))
    assert values(prepared(kind(endpoint_of(kind, URL, "")), headers=asked), b"accept-encoding") == [b"identity"]


def header_names_are_lower_case(kind: type[Provider]) -> None:
    assert all(name == name.lower() for name, _ in prepared(kind(endpoint_of(kind, URL, "key"))).headers)


def the_query_and_a_path_prefix_are_kept(kind: type[Provider]) -> None:
    assert prepared(kind(endpoint_of(kind, URL, "")), query="beta=true&x=%2F").url == f"{URL}/v1/messages?beta=true&x=%2F"
    assert prepared(kind(endpoint_of(kind, f"{URL}/", ""))).url == f"{URL}/v1/messages"
    assert prepared(kind(endpoint_of(kind, f"{URL}:8443/a/prefix/", ""))).url == f"{URL}:8443/a/prefix/v1/messages"


def own_credentials_replace_the_clients(kind: type[Provider]) -> None:
    theirs = ((b"x-api-key", b"sk-client"), (b"authorization", b"Bearer sk-client"))
    replaced = prepared(kind(endpoint_of(kind, URL, "sk-own")), headers=(*CLIENT, *theirs))
    assert not [value for _, value in replaced.headers if b"sk-client" in value]
    assert [value for _, value in replaced.headers if b"sk-own" in value]


def without_own_credentials_the_clients_pass(kind: type[Provider]) -> None:
    for theirs in ((b"x-api-key", b"sk-client"), (b"authorization", b"Bearer sk-client")):
        assert theirs in prepared(kind(endpoint_of(kind, URL, "")), headers=(*CLIENT, theirs)).headers


def what_is_no_origin_is_refused(kind: type[Provider]) -> None:
    wrong = (
        "provider.example", "ftp://provider.example", "https://", "http://:80", "https://h:port", "https://h:99999",
        "https://h/?query=1", "https://h/#part", "https://h/a b", "https://h\r\nx: y", "http://[::1", "https://h:0",
    )  # fmt: skip
    for url in wrong:
        with pytest.raises(ConfigError, match="is not an http:// or https:// URL"):
            kind(endpoint_of(kind, url, ""))
    for url in ("http://localhost", "https://h:443/v", "http://[::1]:8080", "http://127.0.0.1:1"):
        assert prepared(kind(endpoint_of(kind, url, ""))).url.startswith(url)


def a_key_that_cannot_be_a_header_is_refused(kind: type[Provider]) -> None:
    with pytest.raises(ConfigError, match=r"upstream\.api_key") as caught:
        kind(endpoint_of(kind, URL, "sk-secret\n"))
    assert "sk-secret" not in str(caught.value)


def what_is_asked_for_is_carried_or_objected_to(kind: type[Provider]) -> None:
    """A beta is in the request that is sent, or is dropped by the declared table, or the call is not taken."""
    provider = kind(endpoint_of(kind))
    request = parse_request(WHOLE_BODY)
    unknown = (
        "nobody-knows-2030-01-01",
        "computer-use-2025-11-24",
        "files-api-2025-04-14",
        "interleaved-thinking-2025-05-14",
    )
    for beta in (*BETAS_DROPPED, *unknown):
        headers = ((b"anthropic-beta", beta.encode()),)
        outgoing = prepared(provider, headers=headers, body=WHOLE_BODY)
        carried = beta.encode() in b"".join((*values(outgoing, b"anthropic-beta"), outgoing.body))  # type: ignore[arg-type]
        declared = beta in BETAS_DROPPED or beta in provider.traits.betas_needless
        assert carried or objection(request, headers, provider.traits) or declared, beta


def what_the_client_wrote_stands_in_the_body(kind: type[Provider]) -> None:
    """Unknown members, spellings of numbers and the order of the rest are the client's."""
    body = prepared(kind(endpoint_of(kind)), body=WHOLE_BODY).body
    assert isinstance(body, bytes)
    assert WHOLE_BODY[WHOLE_BODY.index(b'"max_tokens"') : -1] in body


def secrets_are_not_shown(kind: type[Provider]) -> None:
    whole = replace(
        endpoint_of(kind, URL, ""),
        access_key_id="AKIA",
        secret_access_key="hush",
        session_token="hush",
        client_secret="hush",
    )
    assert "hush" not in repr(kind(whole).prepare("POST", "/v1/messages", "", CLIENT, BODY))
    assert "hush" not in repr(whole)


def the_clients_credentials_stay_here(kind: type[Provider]) -> None:
    for theirs in ((b"x-api-key", b"sk-client"), (b"authorization", b"Bearer sk-client")):
        outgoing = prepared(kind(endpoint_of(kind, URL, "")), headers=(*CLIENT, theirs))
        assert not [value for _, value in outgoing.headers if b"sk-client" in value]


CHECKS: tuple[Check, ...] = (
    it_has_a_name_that_a_ledger_can_keep,
    it_says_where_its_traits_are_documented,
    it_serves_claude_or_says_that_it_does_not,
    prepare_is_pure,
    hop_by_hop_headers_and_ours_stay_here,
    answers_are_wanted_uncompressed,
    header_names_are_lower_case,
    own_credentials_replace_the_clients,
    what_is_no_origin_is_refused,
    a_key_that_cannot_be_a_header_is_refused,
    what_is_asked_for_is_carried_or_objected_to,
    secrets_are_not_shown,
)
MESSAGES_WIRE: tuple[Check, ...] = (what_the_client_wrote_stands_in_the_body,)
FOREIGN: tuple[Check, ...] = (the_clients_credentials_stay_here,)
SAME_WIRE: tuple[Check, ...] = (
    the_body_is_the_same_object,
    a_file_is_passed_on_unread,
    unknown_headers_pass_in_order,
    the_query_and_a_path_prefix_are_kept,
)
CLIENTS_OWN: tuple[Check, ...] = (without_own_credentials_the_clients_pass,)


def a_call_is_told_in_chat_completions(kind: type[Provider]) -> None:
    provider = kind(replace(endpoint_of(kind), models={"m": "theirs"}))
    outgoing = provider.prepare("POST", "/v1/messages", "beta=true", CLIENT, MESSAGES)
    assert isinstance(outgoing.body, bytes)
    assert outgoing.url == f"{URL}/v1/chat/completions"
    assert msgspec.json.decode(outgoing.body)["model"] == "theirs"
    assert msgspec.json.decode(outgoing.body)["messages"] == [{"role": "user", "content": "hello"}]
    assert outgoing.finish is not None
    assert not outgoing.body.count(b"x-unknown")


def the_base_may_hold_the_version(kind: type[Provider]) -> None:
    provider = kind(endpoint_of(kind, f"{URL}/compatible/v1/"))
    assert provider.prepare("POST", "/v1/messages", "", (), MESSAGES).url == f"{URL}/compatible/v1/chat/completions"
    assert provider.prepare("GET", "/v1/models", "x=1", (), b"").url == f"{URL}/compatible/v1/models?x=1"


def nothing_of_the_clients_for_claude_leaves(kind: type[Provider]) -> None:
    theirs = ((b"x-api-key", b"sk-client"), (b"authorization", b"Bearer sk-client"), (b"cookie", b"secret"))
    for key in ("", "sk-own"):
        provider = kind(endpoint_of(kind, URL, key))
        names = {name for name, _ in provider.prepare("POST", "/v1/messages", "", (*CLIENT, *theirs), MESSAGES).headers}
        assert not [name for name in names if name.startswith((b"anthropic-", b"x-stainless")) or name == b"cookie"]
        sent = provider.prepare("POST", "/v1/messages", "", (*CLIENT, *theirs), MESSAGES)
        assert not [value for _, value in sent.headers if b"sk-client" in value]


def what_cannot_be_carried_is_an_objection(kind: type[Provider]) -> None:
    provider = kind(endpoint_of(kind))
    plain = parse_request(MESSAGES)
    assert objection_of(provider, plain, ()) == ""
    document = MESSAGES.replace(b'"hello"', b'[{"type":"document","source":{"type":"text","data":"x"}}]')
    assert "document" in objection_of(provider, parse_request(document), ())
    for beta, is_lost in ((b"computer-use-2025-11-24", True), (b"claude-code-20250219", False)):
        assert bool(objection_of(provider, plain, ((b"anthropic-beta", beta),))) is is_lost


CHAT_WIRE: tuple[Check, ...] = (
    a_call_is_told_in_chat_completions,
    the_base_may_hold_the_version,
    nothing_of_the_clients_for_claude_leaves,
    what_cannot_be_carried_is_an_objection,
)

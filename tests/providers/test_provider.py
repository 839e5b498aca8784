"""The provider contract over every provider there is, and what traits mean for models and calls."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.contracts.check_provider import (
    CHAT_WIRE,
    CHECKS,
    CLIENTS_OWN,
    FOREIGN,
    MESSAGES_WIRE,
    NEEDS,
    SAME_WIRE,
    Check,
    endpoint_of,
)
from thriftgate.core.models import NEVER_CACHED, Capabilities
from thriftgate.core.request import parse_request
from thriftgate.pricing.load import load_models
from thriftgate.providers import PROVIDERS
from thriftgate.providers.provider import Provider, Traits, betas_heard, fitted, objection
from thriftgate.providers.transport import Headers
from thriftgate.wire.openai_out.servers import SERVERS

WHOLE = Traits("x", batches=True, fast=True, geo=True)
CHATS = [server.name for server in SERVERS]
SAME_WIRE_PROVIDERS = ("anthropic", "google_cloud")
FOR_CLIENTS_KEYS = ("anthropic",)
FOREIGN_PROVIDERS = ("aws_platform", "bedrock", "bedrock_legacy", "vertex", "google_cloud", "foundry", *CHATS)
DEAF = replace(WHOLE, betas=False)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", PROVIDERS.values(), ids=list(PROVIDERS))
def test_contract(kind: type[Provider], check: Check) -> None:
    check(kind)


@pytest.mark.parametrize("check", MESSAGES_WIRE, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", [name for name in PROVIDERS if name not in CHATS])
def test_contract_of_those_that_are_sent_messages(name: str, check: Check) -> None:
    check(PROVIDERS[name])


@pytest.mark.parametrize("check", SAME_WIRE, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", SAME_WIRE_PROVIDERS)
def test_contract_of_those_that_take_calls_as_they_are(name: str, check: Check) -> None:
    check(PROVIDERS[name])


@pytest.mark.parametrize("check", CHAT_WIRE, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", CHATS)
def test_contract_of_those_that_speak_chat_completions(name: str, check: Check) -> None:
    check(PROVIDERS[name])


@pytest.mark.parametrize("check", CLIENTS_OWN, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", FOR_CLIENTS_KEYS)
def test_contract_of_those_that_clients_keys_are_for(name: str, check: Check) -> None:
    check(PROVIDERS[name])


@pytest.mark.parametrize("check", FOREIGN, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", FOREIGN_PROVIDERS)
def test_contract_of_those_with_credentials_of_their_own(name: str, check: Check) -> None:
    check(PROVIDERS[name])


def test_providers_are_listed_under_their_own_names() -> None:
    assert set(NEEDS) == set(PROVIDERS)
    assert {name: kind(endpoint_of(kind)).name for name, kind in PROVIDERS.items()} == {name: name for name in PROVIDERS}


def test_a_model_can_do_at_a_provider_what_both_can() -> None:
    model = load_models()["claude-opus-5-5"]
    assert fitted(model, WHOLE) == model
    assert fitted(model, replace(WHOLE, batches=False, fast=False, geo=False)) == replace(
        model, batch=False, fast=False, geo=False
    )
    assert not fitted(model, replace(WHOLE, fast_models=("claude-fable-5-2",))).fast
    assert fitted(model, replace(WHOLE, marks=False)).cache_min_tokens == NEVER_CACHED
    assert not fitted(Capabilities(id="m", source="s", checked="2026-11-01"), WHOLE).batch


@pytest.mark.parametrize(
    ("members", "headers", "traits", "why"),
    [
        ("", (), WHOLE, ""),
        (',"speed":"fast"', (), replace(WHOLE, fast=False), "fast mode"),
        (',"speed":"fast"', (), replace(WHOLE, fast_models=("other",)), "fast mode (speed) for m"),
        (',"inference_geo":"us"', (), replace(WHOLE, geo=False), "inference_geo"),
        (',"cache_control":{"type":"ephemeral"}', (), replace(WHOLE, automatic=False), "cache_control"),
        ("", ((b"anthropic-beta", b"one"),), DEAF, "the beta one"),
        ("", ((b"anthropic-beta", b"claude-code-20250219, two"),), replace(DEAF, betas_heard={"one"}), "the beta two"),
        (',"container":"c"', (), replace(WHOLE, refuses=("container",)), "container"),
        (',"tools":[{"name":"a"},{"type":"web_search_1"}]', (), replace(WHOLE, tools_refused=("web_",)), "web_search_1"),
        ("", (), replace(WHOLE, body_bytes_max=10), "MiB"),
    ],
)
def test_what_a_provider_cannot_take_is_said(members: str, headers: Headers, traits: Traits, why: str) -> None:
    request = parse_request(b'{"model":"m","max_tokens":1,"messages":[]%b}' % members.encode())
    assert (why in objection(request, headers, traits)) is True
    assert objection(request, headers, WHOLE) == ""


@pytest.mark.parametrize(
    ("members", "headers", "traits"),
    [
        ("", ((b"anthropic-beta", b"claude-code-20250219,pdfs-2024-09-25"),), DEAF),
        ("", ((b"anthropic-beta", b"one"), (b"anthropic-beta", b" one,")), replace(DEAF, betas_heard={"one"})),
        (',"speed":"fast"', (), replace(WHOLE, fast_models=("m",))),
        (',"container":null', (), replace(WHOLE, refuses=("container",))),
        (',"tools":[{"name":"a","input_schema":{"type":"object"}}]', (), replace(WHOLE, tools_refused=("web_",))),
        (',"tools":{"type":1}', (), replace(WHOLE, tools_refused=("web_",))),
    ],
)
def test_what_says_nothing_is_no_objection(members: str, headers: Headers, traits: Traits) -> None:
    request = parse_request(b'{"model":"m","max_tokens":1,"messages":[]%b}' % members.encode())
    assert objection(request, headers, traits) == ""
    assert betas_heard(headers, traits) == (("one",) if traits.betas_heard else ())

"""LiteLLM: an inclusive input, its own cache apart from prompt caching, its costs as claims."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.audit.importers.reading import head_of, lines, one, read
from thriftgate.audit.importers.litellm import LiteLLM
from thriftgate.audit.records import API_ERROR, CACHED_ANSWER, MALFORMED, NO_USAGE, OTHER_PROVIDER
from thriftgate.audit.sources import Head

IT = LiteLLM()
USAGE = {"prompt_tokens": 88, "completion_tokens": 7, "cache_read_input_tokens": 49, "cache_creation_input_tokens": 36}


def row(**more: Any) -> dict[str, Any]:
    return {
        "request_id": "chatcmpl-1",
        "call_type": "acompletion",
        "spend": 0.5,
        "prompt_tokens": 88,
        "completion_tokens": 7,
        "startTime": "2026-11-01T10:00:00Z",
        "model": "claude-sonnet-5",
        "custom_llm_provider": "anthropic",
        "metadata": {"usage_object": USAGE},
        **more,
    }


def test_it_knows_its_own_files_and_no_others() -> None:
    assert IT.sniff(head_of(row()))
    assert IT.sniff(head_of({"data": [row()], "total": 1}))
    assert IT.sniff(head_of({"id": "1", "call_type": "completion", "response_cost": 1, "startTime": 1.0}))
    assert IT.sniff(Head("f", b"request_id,call_type,api_key,spend,startTime\n"))
    assert not IT.sniff(head_of({"request_id": "1", "request_created_at": "x", "response_status": 200}))
    assert not IT.sniff(Head("f", b""))


def test_the_cached_part_is_taken_out_of_the_input(tmp_path: Path) -> None:
    told = one(IT, tmp_path, row())
    assert (told.input, told.read, told.write_unsplit, told.prompt_tokens) == (3, 49, 36, 88)
    assert told.reported_pico == 500_000_000_000


def test_without_a_usage_object_other_places_tell(tmp_path: Path) -> None:
    extra = {"additional_usage_values": {"cache_read_input_tokens": 49, "cache_creation_input_tokens": 36}}
    assert one(IT, tmp_path, row(metadata=extra)).input == 3
    stored = {"id": "x", "usage": {**USAGE, "prompt_tokens_details": {"cached_tokens": 49}}}
    assert one(IT, tmp_path, row(metadata=None, response=stored)).input == 3
    bare = one(IT, tmp_path, row(metadata="{}"))
    assert (bare.input, bare.read, bare.cache_untold) == (88, 0, True)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"cache_hit": True}, CACHED_ANSWER),
        ({"cache_hit": "true"}, CACHED_ANSWER),
        ({"status": "failure"}, API_ERROR),
        ({"metadata": {"status": "failure"}}, API_ERROR),
        ({"custom_llm_provider": "openrouter"}, OTHER_PROVIDER),
        ({"custom_llm_provider": None, "model": "github_copilot/claude-sonnet-5"}, OTHER_PROVIDER),
        ({"model": "gpt-5.6-luna"}, OTHER_PROVIDER),
        ({"metadata": {}, "prompt_tokens": 0, "completion_tokens": 0}, NO_USAGE),
        ({"metadata": {"usage_object": {**USAGE, "prompt_tokens": 30}}}, MALFORMED),
        ({"startTime": "soon"}, MALFORMED),
        ({"startTime": None}, MALFORMED),
        ({"prompt_tokens": -1}, MALFORMED),
        ({"metadata": "{"}, MALFORMED),
    ],
)
def test_what_is_no_billed_call_is_counted_by_reason(tmp_path: Path, more: dict[str, Any], reason: str) -> None:
    assert read(IT, tmp_path, lines(row(**more))) == ([], {reason: 1})


@pytest.mark.parametrize("hit", [None, False, "False", "None", ""])
def test_a_miss_of_its_own_cache_is_a_call(tmp_path: Path, hit: object) -> None:
    assert one(IT, tmp_path, row(cache_hit=hit)).output == 7


@pytest.mark.parametrize(
    ("provider", "model", "platform"),
    [
        ("bedrock", "us.anthropic.claude-sonnet-5-v1:0", "bedrock"),
        ("vertex_ai", "claude-sonnet-5@20260901", "vertex"),
        (None, "anthropic/claude-sonnet-5", "api"),
        (None, "claude-sonnet-5", ""),
    ],
)
def test_platform_and_model_as_written(tmp_path: Path, provider: str | None, model: str, platform: str) -> None:
    told = one(IT, tmp_path, row(custom_llm_provider=provider, model=model))
    assert (told.model, told.platform) == (model, platform)


def test_stored_messages_become_a_request_only_for_chats(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    assert one(IT, tmp_path, row(messages=messages, proxy_server_request="{}")).body
    assert not one(IT, tmp_path, row(messages=messages, call_type="aresponses")).body
    tools = {"messages": messages, "tools": [{"type": "function", "function": {}}]}
    assert not one(IT, tmp_path, row(messages=messages, proxy_server_request=tools)).body

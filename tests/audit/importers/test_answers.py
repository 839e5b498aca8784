"""Both dialects of usage come out disjoint, and contradictions are refused."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Raw

from thriftgate.audit.importers.answers import (
    NO_ANSWER,
    AnswerUsage,
    Buckets,
    answer_in,
    claimed_pico,
    identity,
    platform_of,
    uncached,
    writes,
)
from thriftgate.core.errors import InputError


def buckets(**usage: object) -> Buckets | None:
    return msgspec.convert(usage, AnswerUsage).buckets()


def test_anthropics_own_counts_are_taken_as_they_are() -> None:
    split = {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20}
    own = {"input_tokens": 3, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 36, "output_tokens": 5}
    assert buckets(**own, cache_creation=split) == Buckets(input=3, read=100, write_5m=16, write_1h=20, output=5)
    assert buckets(**own) == Buckets(input=3, read=100, write_unsplit=36, output=5)


def test_an_inclusive_input_gives_up_its_cached_part() -> None:
    details = {"cached_tokens": 100, "cache_creation_tokens": 30}
    told = buckets(prompt_tokens=133, completion_tokens=5, total_tokens=138, prompt_tokens_details=details)
    assert told == Buckets(input=3, read=100, write_unsplit=30, output=5)


def test_the_total_gives_away_an_input_without_its_cached_part() -> None:
    told = buckets(prompt_tokens=300, completion_tokens=5, total_tokens=405, cache_read_input_tokens=100)
    assert told == Buckets(input=300, read=100, output=5)
    told = buckets(prompt_tokens=300, completion_tokens=5, total_tokens=305, cache_read_input_tokens=100)
    assert told == Buckets(input=200, read=100, output=5)


def test_more_cached_than_there_is_input_is_refused() -> None:
    with pytest.raises(InputError, match="exceed"):
        buckets(prompt_tokens=30, completion_tokens=5, cache_read_input_tokens=41)
    assert uncached(41, 41, 5, None) == 0


def test_nothing_counted_is_none_and_zeros_are_empty() -> None:
    assert buckets(service_tier="standard") is None
    zeros = buckets(input_tokens=0, output_tokens=0)
    assert zeros is not None
    assert zeros.empty
    assert not Buckets(write_1h=1).empty


def test_terms_and_parts_are_kept() -> None:
    told = buckets(
        prompt_tokens=3,
        completion_tokens=5,
        completion_tokens_details={"reasoning_tokens": 9},
        service_tier="batch",
        inference_geo="us",
        server_tool_use={"web_search_requests": 2},
        iterations=[{"type": "compaction", "input_tokens": 180, "output_tokens": 7}],
    )
    assert told is not None
    assert (told.mode, told.geo, told.web_searches, told.thinking) == ("batch", "us", 2, 5)
    assert [(one.kind, one.tokens.input, one.tokens.output) for one in told.iterations] == [("compaction", 180, 7)]


@pytest.mark.parametrize(
    ("total", "split", "expected"),
    [(9, None, (0, 0, 9)), (9, (6, 3), (6, 3, 0)), (9, (0, 0), (9, 0, 0)), (9, (1, 3), (6, 3, 0)), (0, (6, 3), (6, 3, 0))],
)
def test_writes_that_a_split_leaves_over_live_five_minutes(
    total: int, split: tuple[int, int] | None, expected: tuple[int, int, int]
) -> None:
    assert writes(total, split) == expected


def test_claims_are_rounded_to_the_pico_dollar_and_nonsense_is_no_claim() -> None:
    assert claimed_pico(0.0213) == 21_300_000_000
    assert claimed_pico("2.85e-05") == 28_500_000
    assert claimed_pico(1.86, cents=True) == 18_600_000_000
    assert claimed_pico("0.0000000000006") == 1
    assert [claimed_pico(cost) for cost in (None, "", "free", "nan", float("inf"), "1e99")] == [None] * 6


def test_who_served_a_call() -> None:
    assert [platform_of(name) for name in ("ANTHROPIC", "vertex-ai", "amazon_bedrock", "azure_ai", None, "openrouter")] == [
        "api",
        "vertex",
        "bedrock",
        "foundry",
        "",
        "gateway",
    ]


def test_the_providers_id_stands_alone() -> None:
    assert identity("msg_1", "row") == ("msg_1", "")
    assert identity(None, "msg_2") == ("msg_2", "")
    assert identity("chatcmpl-1", "row") == ("", "row")
    assert identity(None, None) == ("", "")


def test_answers_are_found_in_objects_in_text_and_in_bodies() -> None:
    own = b'{"id":"msg_1","stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":1}}'
    for raw in (own, msgspec.json.encode(own.decode()), b'{"status":200,"body":' + own + b"}"):
        found = answer_in(Raw(raw))
        assert (found.id, found.stop) == ("msg_1", "end_turn")
        assert found.usage is not None
    assert answer_in(Raw(b'{"choices":[{"finish_reason":"length"}],"usage":null}')).stop == "max_tokens"


@pytest.mark.parametrize("raw", [b"", b"null", b"[1]", b'"event: x"', b'{"id":7}', b'{"usage":{"input_tokens":-1}}', b'"{"'])
def test_what_is_no_answer_tells_nothing(raw: bytes) -> None:
    assert answer_in(Raw(raw)) == NO_ANSWER

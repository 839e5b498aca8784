"""Portkey: counts from the stored answer, in either dialect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.audit.importers.reading import head_of, lines, one, read
from thriftgate.audit.importers.portkey import Portkey
from thriftgate.audit.records import API_ERROR, CACHED_ANSWER, MALFORMED, NO_USAGE, OTHER_PROVIDER

IT = Portkey()
OWN = {"input_tokens": 3, "cache_read_input_tokens": 49, "output_tokens": 7}


def row(usage: object = None, **more: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "created_at": "2026-11-01T10:00:00Z",
        "ai_org": "anthropic",
        "ai_model": "claude-sonnet-5",
        "response": {"usage": usage},
        "req_units": 52,
        "res_units": 7,
        **more,
    }


def test_it_knows_its_own_files_and_no_others() -> None:
    assert IT.sniff(head_of(row()))
    assert IT.sniff(head_of({"ai_model": "x", "request.body": {}, "response.body": {}}))
    assert not IT.sniff(head_of({"request": {}, "response": {}}))
    assert not IT.sniff(head_of({"ai_model": "x", "id": "1"}))


@pytest.mark.parametrize(
    ("usage", "plain", "cached"),
    [
        (OWN, 3, 49),
        (
            {
                "prompt_tokens": 52,
                "completion_tokens": 7,
                "total_tokens": 59,
                "prompt_tokens_details": {"cached_tokens": 49},
            },
            3,
            49,
        ),
        ({"prompt_tokens": 52, "completion_tokens": 7, "total_tokens": 108, "cache_read_input_tokens": 49}, 52, 49),
    ],
)
def test_each_dialect_comes_out_disjoint(tmp_path: Path, usage: dict[str, Any], plain: int, cached: int) -> None:
    told = one(IT, tmp_path, row(usage))
    assert (told.input, told.read, told.output, told.cache_untold) == (plain, cached, 7, False)


def test_units_stand_in_for_an_answer_that_was_not_exported(tmp_path: Path) -> None:
    told = one(IT, tmp_path, row(response=None))
    assert (told.input, told.output, told.cache_untold) == (52, 7, True)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"cache_status": "HIT"}, CACHED_ANSWER),
        ({"cache_status": "SEMANTIC HIT"}, CACHED_ANSWER),
        ({"is_success": False}, API_ERROR),
        ({"is_success": 0}, API_ERROR),
        ({"is_success": "0"}, API_ERROR),
        ({"response_status_code": 429}, API_ERROR),
        ({"ai_model": "gpt-5.6-luna"}, OTHER_PROVIDER),
        ({"req_units": 0, "res_units": 0}, NO_USAGE),
        ({"usage": {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}}}, MALFORMED),
        ({"created_at": "Sunday"}, MALFORMED),
    ],
)
def test_what_is_no_billed_call_is_counted_by_reason(tmp_path: Path, more: dict[str, Any], reason: str) -> None:
    assert read(IT, tmp_path, lines(row(**more))) == ([], {reason: 1})


@pytest.mark.parametrize("success", [True, 1, "1", None])
def test_success_in_any_dress_is_a_call(tmp_path: Path, success: object) -> None:
    assert one(IT, tmp_path, row(OWN, is_success=success, cache_status="MISS")).input == 3


def test_cost_is_taken_for_cents_of_dollars(tmp_path: Path) -> None:
    assert one(IT, tmp_path, row(OWN, cost=1.86)).reported_pico == 18_600_000_000
    assert one(IT, tmp_path, row(OWN, cost=1.86, cost_currency="EUR")).reported_pico is None
    assert any("cents" in sentence for sentence in IT.cannot_know)

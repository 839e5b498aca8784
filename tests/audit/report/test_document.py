"""The audit as JSON: the contract's keys, and every figure exact."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.audit.report.samples import ALL, DAY_DEPTH, EMPTY, GAPS, HOSTILE, RICH
from thriftgate.audit.findings import Findings
from thriftgate.audit.report.document import document
from thriftgate.core.money import pico_from_usd

CONTRACT = {
    "calls", "duplicates", "skipped", "first", "last", "cost_usd", "low_usd", "high_usd", "by_model", "policies", "misses",
    "actions",
}  # fmt: skip


def decoded(found: Findings) -> dict[str, Any]:
    """As a reader of `--json` has it."""
    told = msgspec.json.decode(msgspec.json.encode(document(found)))
    assert isinstance(told, dict)
    return told


def test_the_contract() -> None:
    told = decoded(RICH)
    assert told.keys() >= CONTRACT
    assert told["by_model"][0].keys() >= {"model", "calls", "cost_usd", "low_usd", "high_usd", "tokens"}
    assert told["by_model"][0]["tokens"].keys() == {"input", "write_5m", "write_1h", "read", "output"}
    assert told["policies"][0].keys() >= {"name", "cost_usd", "saved_usd", "levers"}
    assert told["misses"][0].keys() >= {"cause", "calls", "cost_usd"}
    assert told["actions"][0].keys() >= {"text", "saved_usd_month", "low_usd", "high_usd", "config"}
    assert told["skipped"] == {"not_a_call": 90_411, "synthetic": 12, "malformed": 3, "other_provider": 44}
    assert (told["first"], told["last"]) == ("2026-08-02T00:00:00.000Z", "2026-09-30T23:59:59.999Z")


def test_every_field_of_the_findings_is_told() -> None:
    renamed = {"cost": "cost_usd", "baseline_pico": "baseline_usd", "reported_pico": "reported_usd", "kinds": "tokens"}
    renamed |= {"first_us": "first", "last_us": "last"}
    assert {renamed.get(field, field) for field in Findings.__struct_fields__} <= document(RICH).keys()


def test_money_is_exact() -> None:
    told = decoded(RICH)
    assert pico_from_usd(told["cost_usd"]) == RICH.cost.pico
    assert [pico_from_usd(one["saved_low_usd"]) for one in told["policies"]] == [one.saved.low for one in RICH.policies]
    assert [pico_from_usd(one["low_usd"]) for one in told["actions"]] == [one.month.low for one in RICH.actions]
    assert [pico_from_usd(one["cost_usd"]) for one in told["days"]] == [one.pico for one in RICH.days]


def test_sums_agree_to_the_last_digit() -> None:
    told = decoded(RICH)
    assert sum(Decimal(one["cost_usd"]) for one in told["by_model"]) == Decimal(told["cost_usd"])
    assert sum(Decimal(one["cost_usd"]) for one in told["days"]) == Decimal(told["cost_usd"])
    assert sum(map(Decimal, told["costs"].values())) == Decimal(told["cost_usd"])
    for one in told["policies"]:
        if one["levers"]:
            assert sum(map(Decimal, one["levers"].values())) == Decimal(one["saved_usd"])


def test_money_stands_in_strings_under_keys_that_say_so() -> None:
    for path, value in walk(decoded(RICH)):
        last = path[-1]
        money = last.endswith("_usd") or last == "saved_usd_month" or path[-2:-1] == ("levers",)
        if money and value is not None and last not in {"id", "judged", "needs", "reason"}:
            assert isinstance(value, str), path
            pico_from_usd(value)
        assert "pico" not in last


def walk(value: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from walk(inner, *path, key)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner, *path)
    else:
        yield path, value


def test_nothing_found() -> None:
    told = decoded(EMPTY)
    assert (told["first"], told["last"], told["replay"], told["reported_usd"]) == (None, None, None, None)
    assert (told["calls"], told["cost_usd"], told["by_model"]) == (0, "0", [])


def test_an_open_gap_has_no_end() -> None:
    assert [one["until_s"] for one in decoded(RICH)["gaps"]] == [*(gap.until_s for gap in GAPS[:-1]), None]


def test_sums_of_days() -> None:
    told = decoded(DAY_DEPTH)
    assert (told["depth"], told["misses"], told["gaps"]) == ("day", [], [])
    assert not any(lever["judged"] for lever in told["levers"])


def test_names_are_told_as_they_are_but_for_what_json_cannot_hold() -> None:
    told = decoded(HOSTILE)
    assert told["by_model"][0]["model"] == HOSTILE.by_model[0].name
    assert told["by_session"][0]["session"] == "a\x1b[31m\u202eb?"


@pytest.mark.parametrize("name", ALL)
def test_any_findings_make_a_document(name: str) -> None:
    assert decoded(ALL[name])["calls"] == ALL[name].calls

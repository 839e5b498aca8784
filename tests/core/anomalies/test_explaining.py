"""One trouble is told once."""

from __future__ import annotations

from msgspec.structs import replace

from thriftgate.core.anomalies.explaining import Told, in_order, is_explained, shared
from thriftgate.core.anomalies.finding import Finding

LOOP = Finding("loop", "key", "a", "t", "m", 0.0, 60.0, 100, 10, 100, 1_000)
SPEND = replace(LOOP, kind="spend", task="")
TIER = replace(LOOP, kind="tier_switch", level="task")
COST = replace(LOOP, kind="unit_cost", level="task")
WHOLE = Finding("spend", "all", "", "", "", 0.0, 60.0, 100, 10, 100, 1_500)
MODEL = replace(WHOLE, kind="errors", level="model", model="m")
ERRORS = replace(LOOP, kind="errors")


def told(*findings: Finding) -> list[Told]:
    return [Told(each, 1, each.excess_pico_per_h) for each in findings]


def test_nothing_explains_nothing() -> None:
    assert not is_explained(LOOP, [])


def test_a_loop_explains_all_else_of_its_key_and_nothing_of_another() -> None:
    for other in (SPEND, TIER, ERRORS, replace(TIER, task="other")):
        assert is_explained(other, told(LOOP))
        assert not is_explained(replace(other, key="b"), told(LOOP))


def test_a_tier_switch_explains_what_calls_cost_and_what_the_key_spends() -> None:
    assert is_explained(COST, told(TIER))
    assert is_explained(SPEND, told(TIER))
    assert not is_explained(replace(COST, task="other"), told(TIER))
    assert not is_explained(ERRORS, told(TIER))
    assert not is_explained(replace(SPEND, kind="pace"), told(TIER))


def test_errors_explain_retries() -> None:
    assert is_explained(replace(SPEND, kind="pace"), told(ERRORS))


def test_keys_explain_the_installation_where_they_come_to_enough() -> None:
    assert is_explained(WHOLE, told(LOOP))
    assert not is_explained(replace(WHOLE, excess_pico_per_h=9_000), told(LOOP))
    assert is_explained(replace(WHOLE, excess_pico_per_h=4_000), told(LOOP, replace(LOOP, key="b")))
    assert not is_explained(replace(MODEL, model="other"), told(LOOP))


def test_the_model_explains_its_keys_but_not_one_that_is_most_of_it() -> None:
    assert is_explained(replace(ERRORS, excess_pico_per_h=100), told(MODEL))
    assert not is_explained(ERRORS, told(MODEL))
    assert not is_explained(replace(LOOP, excess_pico_per_h=100), told(MODEL))


def test_trouble_of_many_keys_at_once_is_their_models() -> None:
    keys = [replace(ERRORS, key=key) for key in "abc"]
    assert shared([*keys, MODEL]) == [MODEL]
    assert shared(keys) == keys
    assert shared([*keys[:2], MODEL]) == [*keys[:2], MODEL]
    assert shared([*keys, replace(MODEL, model="other")]) == [*keys, replace(MODEL, model="other")]


def test_what_explains_comes_first() -> None:
    assert in_order([WHOLE, SPEND, COST, TIER, LOOP]) == [LOOP, SPEND, TIER, COST, WHOLE]

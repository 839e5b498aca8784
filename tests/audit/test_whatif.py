"""Other terms for the same calls, worked out by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.audit.tables import BOOK, DAY, HAIKU, MODELS, NOON_US, OLD_HAIKU, OLD_OPUS, OPUS, call, table
from thriftgate.audit.accounts import account
from thriftgate.audit.findings import Money, PolicyResult
from thriftgate.audit.moments import DAY_US, micros
from thriftgate.audit.records import Record
from thriftgate.audit.whatif import BATCH, FAST, GEO, MIGRATE, newest, what_ifs
from thriftgate.core.prices import Terms, day_from_iso
from thriftgate.core.usage import Iteration, Tokens

MTOK = 1_000_000
MOVE_HAIKU = f"{MIGRATE}:{OLD_HAIKU}->{HAIKU}"
OLD_SONNET, SONNET = "claude-sonnet-4-5-20250929", "claude-sonnet-5-5"
MOVE_SONNET = f"{MIGRATE}:{OLD_SONNET}->{SONNET}"
MOVE_OPUS = f"{MIGRATE}:{OLD_OPUS}->{OPUS}"


def asked(*records: Record) -> dict[str, PolicyResult]:
    with table(records) as calls:
        cost = account(calls, BOOK).total.cost
        found = what_ifs(calls, cost, BOOK, MODELS)
    for one in found:
        assert one.cost.low <= one.cost.pico <= one.cost.high
        assert one.saved.low <= one.saved.pico <= one.saved.high
        assert one.cost.pico + one.saved.pico == cost.pico
        assert not one.safe
    return {one.name: one for one in found}


def test_single_calls_cost_half_in_a_batch() -> None:
    rates = BOOK.rates(Terms(OPUS, DAY), 1)
    found = asked(
        call(1, input=MTOK),
        call(2, input=MTOK, session="once"),
        call(3, input=MTOK, session="talk"),
        call(4, input=MTOK, session="talk"),
        call(5, input=MTOK, agent="sub"),
        call(6, input=MTOK, mode="batch"),
        call(7, input=MTOK, model="claude-nobody-9"),
        call(8, input=MTOK, model="claude-3-opus-20240229"),  # has no batch price
    )[BATCH]
    assert (found.calls, found.saved) == (2, Money(rates.input, 0, rates.input))
    assert found.cost.high - found.cost.pico == rates.input


def test_nothing_to_batch() -> None:
    assert BATCH not in asked(call(1, input=5, session="s"), call(2, input=5, session="s"))
    assert BATCH not in asked(call(1, input=5, span_us=DAY_US))


@pytest.mark.parametrize("terms", [{"geo": "us"}, {"geo": "regional"}, {"model": f"us.anthropic.{OPUS}"}])
def test_a_geography_costs_a_tenth(terms: dict[str, str]) -> None:
    rates = BOOK.rates(Terms(OPUS, DAY), 1)
    found = asked(call(1, input=MTOK, session="s", **terms), call(2, input=MTOK, session="s"))
    saved = rates.input // 10
    assert (found[GEO].calls, found[GEO].saved) == (1, Money(saved, saved, saved))
    assert FAST not in found


@pytest.mark.parametrize("geo", ["", "global", "not_available", "mars"])
def test_no_geography_no_surcharge(geo: str) -> None:
    assert GEO not in asked(call(1, input=MTOK, geo=geo))


def test_fast_mode_at_standard_speed() -> None:
    fast, plain = (BOOK.rates(Terms(OPUS, DAY, mode), 1) for mode in ("fast", "standard"))
    found = asked(call(1, input=MTOK, mode="fast", session="s"), call(2, output=MTOK, mode="fast", session="s"))[FAST]
    saved = fast.input + fast.output - plain.input - plain.output
    assert (found.calls, found.saved) == (2, Money(saved, saved, saved))


def test_a_newer_tokenizer_makes_more_tokens() -> None:
    """Sonnet 4.5 and 5.5 do not count alike: 1.3 times the tokens, 1.1 to 1.5."""
    old, new = (BOOK.rates(Terms(model, DAY), 1) for model in (OLD_SONNET, SONNET))
    found = asked(call(1, model=OLD_SONNET, input=100_000, output=100_000, session="s"))[MOVE_SONNET]
    was, base = (old.input + old.output) // 10, (new.input + new.output) // 10
    assert found.saved == Money(*(was - base * factor // 10 for factor in (13, 15, 11)))
    assert "1.30 times" in found.note
    assert found.calls == 1


def test_recounted_text_says_how_many() -> None:
    old, new = (BOOK.rates(Terms(model, DAY), 1) for model in (OLD_OPUS, OPUS))
    text = {"model": OLD_OPUS, "session": "s"}
    found = asked(
        call(1, input=MTOK, old_tokens=1_000, new_tokens=1_250, **text),
        call(2, input=MTOK, old_tokens=3_000, new_tokens=3_350, **text),
        call(3, input=2 * MTOK, **text),
    )[MOVE_OPUS]
    factor = Fraction(4_600, 4_000)
    expected = [4 * old.input - 4 * new.input * factor * ends / 20 for ends in (20, 21, 19)]
    assert found.saved == Money(*map(int, expected))
    assert "1.15 times the tokens there, recounted" in found.note


def test_the_same_tokenizer_leaves_no_doubt() -> None:
    day = {"at_us": micros("2026-11-10"), "session": "s"}
    found = asked(call(1, model="claude-opus-4-7", input=MTOK, **day))
    (one,) = (found[name] for name in found if name.startswith(MIGRATE))
    assert one.saved.low == one.saved.pico == one.saved.high > 0


def test_a_length_step_of_the_newer_model_is_judged_on_each_call() -> None:
    """Haiku 5.5 costs five times as much above 100,000 tokens, which 80,000 of Haiku 4.5 may become."""
    cost = {model: BOOK.rates(Terms(model, DAY), 1).input // MTOK for model in (OLD_HAIKU, HAIKU)}
    sizes = (1_000, 70_000, 80_000, 95_000, 150_000)
    calls = [call(at, model=OLD_HAIKU, input=size, session="s") for at, size in enumerate(sizes)]
    many = [call(at, model=OLD_HAIKU, input=1_000, session="s") for at in range(10, 200)]
    found = asked(*calls, *many)[MOVE_HAIKU]
    was = cost[OLD_HAIKU] * (sum(sizes) + 190_000)

    def then(tenths: int) -> int:
        scaled = [size * tenths // 10 for size in (*sizes, *[1_000] * 190)]
        return sum(size * cost[HAIKU] * (5 if size > 100_000 else 1) for size in scaled)

    assert found.saved == Money(was - then(13), was - then(15), was - then(11))


def test_a_model_that_comes_out_dearer_is_not_proposed() -> None:
    """Opus 5.5 costs four fifths of what 4.5 does, for about 1.3 times the tokens."""
    assert asked(call(1, model=OLD_OPUS, input=MTOK, session="s")).keys() == {BATCH}


def test_sums_can_be_moved_but_not_batched() -> None:
    found = asked(call(1, model=OLD_HAIKU, input=10 * MTOK, calls=1_000, span_us=DAY_US))
    assert list(found) == [MOVE_HAIKU]
    assert found[MOVE_HAIKU].calls == 1_000


def test_free_refusals_stay_free() -> None:
    refused = call(1, at_us=micros("2026-09-20"), model=OLD_SONNET, input=MTOK, stop_reason="refusal", stop_category="bio")
    answered = call(2, model=OLD_SONNET, input=MTOK)
    both, one = (asked(*calls)[MOVE_SONNET] for calls in ((refused, answered), (answered,)))
    assert (both.saved, both.calls) == (one.saved, 1)


def test_the_newest_of_a_line_on_a_day() -> None:
    assert newest(OLD_OPUS, MODELS, DAY) == OPUS
    assert newest("claude-opus-4-5", MODELS, DAY) == OPUS  # an alias
    assert newest(OPUS, MODELS, DAY) is None
    assert newest("claude-nobody-9", MODELS, DAY) is None
    assert newest("claude-3-5-haiku-20241022", MODELS, day_from_iso("2026-10-06")) == OLD_HAIKU
    assert newest("claude-3-5-haiku-20241022", MODELS, day_from_iso("2026-10-07")) == HAIKU
    assert newest(OLD_OPUS, MODELS, day_from_iso("2025-11-02")) is None


def test_no_retired_model_is_ever_proposed() -> None:
    for row in MODELS.rows:
        for day in range(day_from_iso("2024-03-01"), DAY + 60, 11):
            target = newest(row.id, MODELS, day)
            assert target is None or not MODELS[target].is_retired(day)
            assert target != row.id


def test_unknown_models_have_no_other_terms() -> None:
    assert asked(call(1, model="claude-nobody-9", input=MTOK, geo="us", mode="fast")) == {}


def test_an_empty_table() -> None:
    with table([]) as calls:
        assert what_ifs(calls, Money(), BOOK, MODELS) == ()


def test_calls_billed_by_iteration_are_left_as_they_are() -> None:
    steps = (Iteration("message", Tokens(MTOK)),)
    assert asked(call(1, at_us=NOON_US, model=OLD_OPUS, input=MTOK, geo="regional", iterations=steps)) == {}

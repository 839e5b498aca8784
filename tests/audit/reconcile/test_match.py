"""Faults planted in a provider's reports are found, named and counted to the last digit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.audit.reconcile.scenes import (
    FIRST,
    HAIKU,
    KINDS,
    OPUS,
    SONNET,
    Fault,
    billed_under,
    call,
    day_of,
    honest,
    month,
    provider,
    reconciled,
)
from thriftgate.audit.moments import DAY_US
from thriftgate.audit.records import Record

CENT = 10**10


def causes(document: dict[str, Any]) -> dict[str, Decimal]:
    """Slug and amount of each cause; checks that all sums close."""
    found = {one["cause"]: Decimal(one["usd"]) for one in document["causes"]}
    difference = Decimal(document["billed_usd"]) - Decimal(document["ours_usd"])
    assert Decimal(document["difference_usd"]) == difference
    assert sum(found.values(), Decimal(document["unexplained_usd"])) == difference
    assert sum(Decimal(one["usd"]) for one in document["unexplained"]) == Decimal(document["unexplained_usd"])
    for name in ("ours_usd", "billed_usd", "difference_usd", "unexplained_usd"):
        assert sum(Decimal(one[name]) for one in document["rows"]) == Decimal(document[name])
        assert sum(Decimal(one[name]) for one in document["days"]) == Decimal(document[name])
    return found


def run(fault: Fault, ours: list[Record] | None = None, *, usage: bool = False, billed: list[Record] | None = None) -> Any:
    """A document of `ours`, and what the provider makes of `billed` (the same calls)."""
    ours = ours if ours is not None else month()
    made = provider(billed if billed is not None else ours, fault)
    return reconciled(ours, made.cost_records(), made.usage_records() if usage else ())


def surcharge(ours: list[Record], fault: Fault, billed: list[Record] | None = None) -> Decimal:
    """What a fault adds to the bill, by the provider's own sums."""
    faulty = sum(provider(billed if billed is not None else ours, fault).charges.values())
    return Decimal(faulty - sum(provider(ours).charges.values())) / 10**12


def only(fault: Fault, cause: str, ours: list[Record] | None = None, **members: Any) -> dict[str, Any]:
    """The fault has one cause, with the whole amount, and nothing is left."""
    ours = ours if ours is not None else month()
    document: dict[str, Any] = run(fault, ours, **members)
    assert causes(document) == {cause: surcharge(ours, fault, members.get("billed"))}
    assert document["reconciled"]
    assert not document["unexplained"]
    return document


def on(day: str = FIRST, **wanted: Any) -> Any:
    """Calls of a day with these members."""
    return lambda one: (
        one.at_us // DAY_US == day_of(day) and all(getattr(one, name) == value for name, value in wanted.items())
    )


@pytest.mark.parametrize("usage", [False, True])
def test_no_fault_is_no_difference(usage: bool) -> None:
    document = run(honest, usage=usage)
    assert causes(document) == {}
    assert document["difference_usd"] == "0"
    assert Decimal(document["ours_usd"]) > 0
    assert {one["cause"] for one in document["rows"]} == {""}
    assert document["reconciled"]


# --- the eight -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("usage", [False, True])
@pytest.mark.parametrize("label", [False, True])
@pytest.mark.parametrize("part", [False, True])
def test_geo(usage: bool, label: bool, part: bool) -> None:
    wanted = on(model=OPUS, geo="global", mode="standard", **({"workspace": "wrkspc_b"} if part else {}))
    document = only(billed_under(wanted, label=label, geo="us"), "geo", usage=usage)
    assert "us" in document["causes"][0]["text"]
    assert {one["cause"] for one in document["rows"]} == {"", "geo"}


def test_geo_of_some_calls_only() -> None:
    fault = billed_under(lambda one: one.position in (1, 7), geo="us")
    only(fault, "geo", usage=True)
    only(fault, "geo")  # no whole number of tokens makes up for a tenth of a price
    only(billed_under(lambda one: one.position in (1, 7), label=True, geo="us"), "geo")


def test_the_log_says_us_and_the_bill_does_not() -> None:
    assert causes(run(billed_under(on(geo="us"), geo="global")))["geo"] < 0


@pytest.mark.parametrize("usage", [False, True])
@pytest.mark.parametrize("label", [False, True])
def test_fast(usage: bool, label: bool) -> None:
    wanted = on(model=OPUS, geo="global", mode="standard", workspace="wrkspc_a")
    only(billed_under(wanted, label=label, mode="fast"), "fast", usage=usage)


def test_fast_for_some_calls_needs_a_usage_report() -> None:
    fault = billed_under(lambda one: one.position == 1, mode="fast")
    only(fault, "fast", usage=True)
    assert set(causes(run(fault))) == {"missing_calls"}


def test_fast_calls_in_a_report_that_does_not_tell_the_speed() -> None:
    ours = [call(1, mode="fast"), call(2)]
    hidden = [replace(one, mode="standard") for one in ours]
    made = provider(hidden, billed_under(lambda one: one.position == 1, mode="fast"))
    assert causes(reconciled(ours, made.cost_records())) == {}


@pytest.mark.parametrize("usage", [False, True])
@pytest.mark.parametrize("label", [False, True])
def test_batch(usage: bool, label: bool) -> None:
    assert (
        causes(only(billed_under(on(model=SONNET, mode="batch"), label=label, mode="standard"), "batch", usage=usage))[
            "batch"
        ]
        > 0
    )
    wanted = on(model=SONNET, mode="standard", geo="global", workspace="wrkspc_a")
    assert causes(only(billed_under(wanted, label=label, mode="batch"), "batch", usage=usage))["batch"] < 0


@pytest.mark.parametrize("usage", [False, True])
@pytest.mark.parametrize(
    ("day", "price_day"), [("2026-10-07", "2026-10-06"), ("2026-10-06", "2026-10-07"), ("2026-10-20", "2026-10-06")]
)
def test_price_change(usage: bool, day: str, price_day: str) -> None:
    ours = [call(seed, day, model=SONNET) for seed in range(1, 6)] + [call(9, day)]
    document = only(billed_under(on(day, model=SONNET), day=day_of(price_day)), "price_change", ours, usage=usage)
    assert {one["token_type"] for one in document["rows"] if one["cause"]} == {"read"}
    assert price_day in document["causes"][0]["text"]


@pytest.mark.parametrize("usage", [False, True])
def test_a_price_that_changed_inside_a_day(usage: bool) -> None:
    ours = [call(seed, "2026-10-07", model=SONNET) for seed in range(1, 20)]
    noon = (day_of("2026-10-07") * 2 + 1) * DAY_US // 2
    fault = billed_under(lambda one: one.at_us < noon, day=day_of("2026-10-06"))
    document = only(fault, "price_change", ours, usage=usage)
    assert "%" in document["causes"][0]["text"]


@pytest.mark.parametrize("usage", [False, True])
@pytest.mark.parametrize(("length", "prompt"), [(90_000, 100_001), (120_000, 100_000)])
def test_long_context_of_all_calls(usage: bool, length: int, prompt: int) -> None:
    ours = [call(seed, model=HAIKU, read=length + seed) for seed in range(1, 6)] + [call(9)]
    only(billed_under(on(model=HAIKU), prompt=prompt), "long_context", ours, usage=usage)


@pytest.mark.parametrize("usage", [False, True])
def test_long_context_of_some_calls(usage: bool) -> None:
    ours = [call(seed, model=HAIKU, read=70_000 + 9_000 * seed) for seed in range(1, 8)]
    fault = billed_under(lambda one: one.prompt_tokens > 90_000, prompt=200_000)
    document = only(fault, "long_context", ours, usage=usage)
    assert "upper price step" in document["causes"][0]["text"]


def test_long_context_of_an_old_model() -> None:
    ours = [call(seed, "2026-03-01", model="claude-sonnet-4-6", read=150_000) for seed in range(1, 4)]
    only(billed_under(on("2026-03-01"), prompt=200_001), "long_context", ours)


@pytest.mark.parametrize("usage", [False, True])
@pytest.mark.parametrize(("category", "billed"), [("cyber", True), ("", True), ("bio", False)])
def test_refusals(usage: bool, category: str, billed: bool) -> None:
    refused = [call(90 + n, stop_reason="refusal", stop_category=category, output=0) for n in range(3)]
    other = [call(99, stop_reason="refusal", stop_category="general_harms", output=0)]

    def fault(record: Record, bill: Any) -> Any:
        from dataclasses import replace as changed

        return changed(bill, billed=billed) if record in refused else bill

    document = only(fault, "refusals", [*month(), *refused, *other], usage=usage)
    assert (category or "no category") in document["causes"][0]["text"]


@pytest.mark.parametrize("usage", [False, True])
def test_missing_calls(usage: bool) -> None:
    everything = month()
    ours = [one for one in everything if one.position not in (1, 2, 8, 20)]
    document = only(honest, "missing_calls", ours, billed=everything, usage=usage)
    assert document["causes"][0]["rows"] == len([one for one in document["rows"] if one["cause"]])


@pytest.mark.parametrize("usage", [False, True])
def test_a_model_that_the_log_does_not_hold(usage: bool) -> None:
    everything = [*month(), call(300, "2026-11-03", model="claude-opus-4-8", write_5m=0, read=0)]
    only(honest, "missing_calls", everything[:-1], billed=everything, usage=usage)


@pytest.mark.parametrize("usage", [False, True])
def test_extra(usage: bool) -> None:
    everything = month()
    document = only(honest, "extra", everything, billed=everything[:-18] + everything[-16:], usage=usage)
    assert document["causes"][0]["usd"].startswith("-")


@pytest.mark.parametrize("usage", [False, True])
@pytest.mark.parametrize(("output", "read"), [(2_000, 0), (100, 0), (700, 3_000)])
def test_disconnect_estimates(usage: bool, output: int, read: int) -> None:
    real = [*month(), call(200, output=output, max_tokens=4_000, read=9_000 - read, input=1_000 + read)]
    ours = [*real[:-1], call(200, output=700, max_tokens=4_000, read=9_000, input=1_000, estimated=True)]
    document = only(honest, "disconnect_estimates", ours, billed=real, usage=usage)
    assert "estimated" in document["causes"][0]["text"]


def test_an_estimate_that_was_not_billed_at_all() -> None:
    ours = [*month(), call(200, estimated=True)]
    assert set(causes(run(honest, ours, billed=ours[:-1]))) == {"disconnect_estimates"}


def test_more_than_the_estimates_allow_is_missing() -> None:
    ours = [*month(), call(200, max_tokens=4_000, estimated=True)]
    more = [*ours, *(call(seed, read=400_000) for seed in (301, 302))]
    assert set(causes(run(honest, ours, billed=more))) == {"missing_calls"}


# --- several, and others -------------------------------------------------------------------------------------------------


def test_all_at_once() -> None:
    """Eight faults on eight days."""
    days = [f"2026-11-{number:02}" for number in range(2, 9)]
    ours = [call(seed, days[seed % 7]) for seed in range(1, 43)]
    ours += [call(100 + n, days[3], model=HAIKU, read=60_000) for n in range(3)]
    ours += [call(110 + n, "2026-10-07", model=SONNET) for n in range(4)]
    ours += [call(120, days[4], stop_reason="refusal", stop_category="cyber", output=0)]
    ours += [call(121, days[5], output=300, max_tokens=2_000, estimated=True)]
    real = [replace(one, output=800) if one.estimated else one for one in ours] + [call(130, days[6]), call(131, days[6])]
    faults = (
        billed_under(on(days[0]), geo="us"),
        billed_under(on(days[1]), mode="fast"),
        billed_under(on(days[2]), mode="batch"),
        billed_under(on(days[3], model=HAIKU), prompt=100_001),
        billed_under(on("2026-10-07"), day=day_of("2026-10-06")),
    )

    def fault(record: Record, bill: Any) -> Any:
        from dataclasses import replace as changed

        for one in faults:
            bill = one(record, bill)
        return changed(bill, billed=True)

    for usage in (False, True):
        document = run(fault, ours, billed=real, usage=usage)
        assert set(causes(document)) == {
            "geo", "fast", "batch", "long_context", "price_change", "refusals", "disconnect_estimates", "missing_calls",
        }  # fmt: skip
        assert document["reconciled"]
        for cause, slot in (("geo", 0), ("fast", 1), ("batch", 2), ("long_context", 3)):
            one_day = [one for one in ours if one.at_us // DAY_US == day_of(days[slot])]
            assert causes(document)[cause] == surcharge(one_day, faults[slot])


def test_two_terms_at_once_are_told_apart() -> None:
    ours = [call(seed) for seed in range(1, 5)]
    found = causes(run(billed_under(on(), mode="fast", geo="us"), ours))
    fast = surcharge(ours, billed_under(on(), mode="fast"))
    assert found == {"fast": fast, "geo": surcharge(ours, billed_under(on(), mode="fast", geo="us")) - fast}
    assert causes(run(billed_under(on(), label=True, mode="fast", geo="us"), ours)) == found


def test_missing_calls_on_top_of_another_geography() -> None:
    everything = [call(seed) for seed in range(1, 6)]
    for usage in (False, True):
        document = run(billed_under(on(), geo="us"), everything[:-1], billed=everything, usage=usage)
        assert set(causes(document)) == {"missing_calls", "geo"}
        assert document["reconciled"]


def test_doubled_tokens_are_not_fast_where_the_usage_report_says_so() -> None:
    ours = [call(1)]
    assert set(causes(run(honest, ours, billed=[*ours, replace(ours[0], position=2)], usage=True))) == {"missing_calls"}


def test_a_contract() -> None:
    def contract(record: Record, bill: Any) -> Any:
        from dataclasses import replace as changed

        bill = billed_under(on("2026-11-03", model=OPUS, mode="standard", geo="global"), geo="us")(record, bill)
        return changed(bill, share=(17, 20))

    ours = month()
    document = run(contract, ours)
    assert set(causes(document)) == {"discount", "geo"}
    assert document["reconciled"]
    assert causes(document)["discount"] == Decimal(document["ours_usd"]) * Decimal("-0.15")
    assert "0.85 of the list price" in next(one["text"] for one in document["causes"] if one["cause"] == "discount")


def test_rounding() -> None:
    ours = month(calls=8)
    document = reconciled(ours, provider(ours).cost_records(grain=CENT))
    assert set(causes(document)) == {"rounding"}
    assert document["reconciled"]


def test_rounded_reports_still_tell_a_geography() -> None:
    ours = [replace(one, read=one.read * 1_000, output=one.output * 1_000) for one in month()]
    fault = billed_under(on(model=OPUS, geo="global", mode="standard"), geo="us")
    document = reconciled(ours, provider(ours, fault).cost_records(grain=CENT))
    assert set(causes(document)) == {"geo", "rounding"}
    assert abs(causes(document)["geo"] - surcharge(ours, fault)) < Decimal("0.2")


def test_caching_that_the_log_does_not_tell() -> None:
    real = [call(seed) for seed in range(1, 4)]
    unsplit = [replace(one, write_5m=0, write_1h=0, write_unsplit=one.write_5m + one.write_1h) for one in real]
    assert set(causes(run(honest, unsplit, billed=real))) == {"cache_untold"}
    untold = [replace(one, input=one.prompt_tokens, write_5m=0, write_1h=0, read=0, cache_untold=True) for one in real]
    assert set(causes(run(honest, untold, billed=real))) == {"cache_untold"}


def test_charges_that_no_log_holds() -> None:
    ours = month()
    cost = provider(ours).cost_records()
    for kind, pico in (
        ("code_execution", 123_000_000_000),
        ("session_usage", 80_000_000_000),
        ("web_search", 30_000_000_000),
    ):
        cost.append(replace(cost[0], model="", mode="standard", geo="", token_type=kind, bill_pico=pico))
    found = causes(reconciled(ours, cost))
    assert found == {"code_execution": Decimal("0.123"), "session_usage": Decimal("0.08"), "web_search": Decimal("0.03")}


def test_searches_of_calls_that_are_missing() -> None:
    everything = [call(1, web_searches=2), call(2, web_searches=3)]
    assert set(causes(run(honest, everything[:1], billed=everything))) == {"missing_calls"}
    assert causes(run(honest, everything)) == {}


def test_what_fits_nothing_is_left_and_said() -> None:
    ours = month()
    cost = provider(ours).cost_records()
    at = next(number for number, one in enumerate(cost) if one.token_type == "output")
    cost[at] = replace(cost[at], bill_pico=(cost[at].bill_pico or 0) + 1_230_000_000_000)
    document = reconciled(ours, cost)
    assert causes(document) == {}
    assert not document["reconciled"]
    assert document["unexplained_usd"] == "1.23"
    (left,) = document["unexplained"]
    assert (left["token_type"], left["usd"]) == ("output", "1.23")
    assert "a million tokens, ours $" in left["text"]
    assert [one["cause"] for one in document["rows"] if one["cause"]] == ["unknown"]


def test_errors_that_cancel_out_are_not_reconciled() -> None:
    ours = month()
    cost = provider(ours).cost_records()
    outputs = [number for number, one in enumerate(cost) if one.token_type == "output"][:2]
    for at, pico in zip(outputs, (3 * 10**12, -3), strict=True):
        cost[at] = replace(cost[at], bill_pico=(cost[at].bill_pico or 0) + pico)
    cost[outputs[1]] = replace(cost[outputs[1]], bill_pico=(cost[outputs[1]].bill_pico or 0) - 3 * 10**12 + 3)
    document = reconciled(ours, cost)
    assert document["unexplained_usd"] == "0"
    assert not document["reconciled"]


def test_a_report_without_any_dimension() -> None:
    ours = month()
    fault = billed_under(on(), geo="us")
    cost = [replace(one, model="", token_type="", geo="", mode="standard") for one in provider(ours).cost_records()]
    assert causes(reconciled(ours, cost)) == {}
    plain = [one for one in ours if one.geo == "global"]
    cost = [replace(one, model="", token_type="", geo="", mode="standard") for one in provider(plain, fault).cost_records()]
    assert set(causes(reconciled(plain, cost))) == {"geo"}


@settings(max_examples=60)
@given(
    amounts=st.lists(st.integers(-(10**12), 10**12), min_size=12, max_size=12),
    grain=st.sampled_from([1, 10**6, CENT]),
    usage=st.booleans(),
    dropped=st.sets(st.integers(1, 18)),
)
def test_causes_and_what_is_left_sum_to_the_difference(
    amounts: list[int], grain: int, usage: bool, dropped: set[int]
) -> None:
    everything = [*month(days=1), call(40, estimated=True), call(41, stop_reason="refusal", output=0)]
    made = provider(everything)
    cost = made.cost_records(grain)
    for at, pico in enumerate(amounts):
        cost[at * 3] = replace(cost[at * 3], bill_pico=(cost[at * 3].bill_pico or 0) + pico)
    ours = [one for one in everything if one.position not in dropped]
    causes(reconciled(ours, cost, made.usage_records() if usage else ()))


@settings(max_examples=30)
@given(position=st.integers(1, 54), name=st.sampled_from(KINDS))
def test_a_row_that_the_report_lost(position: int, name: str) -> None:
    ours = month()
    lost = next(one for one in ours if one.position == position)
    cost = [
        one
        for one in provider(ours).cost_records()
        if (one.model, one.at_us // DAY_US, one.token_type) != (lost.model, lost.at_us // DAY_US, name)
    ]
    document = reconciled(ours, cost, tolerance_pico=0)
    assert causes(document) == {}
    assert not document["reconciled"]
    assert {one["token_type"] for one in document["unexplained"]} == {name}

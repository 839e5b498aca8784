"""All detectors together: what is planted is found and named, once; nothing else is; a restart changes nothing; bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from random import Random

import msgspec
import pytest
from msgspec.structs import replace

from thriftgate.core.anomalies.call import Call
from thriftgate.core.anomalies.finding import Finding
from thriftgate.core.anomalies.watch import Limits, Watch
from thriftgate.core.money import PICO_PER_USD

DAY_S = 86_400.0
BEGIN_S = 1_767_571_200.0  # a Monday
DAYS = 5
INCIDENT_S = BEGIN_S + DAYS * DAY_S + 3 * 3_600
KEYS = ("office", "shop", "night")
RATE = 15_000_000


def priced(call: Call) -> Call:
    rate = call.rate_pico / 5
    pico = int(rate * (call.plain + 1.25 * call.write + 0.1 * call.read) + call.rate_pico * call.output)
    return replace(call, cost_pico=0 if call.ended == "error" else pico)


def usual(seed: int, since_s: float, until_s: float) -> Iterator[Call]:
    """Two keys with answers and prompts of heavy-tailed length, one of them with two tasks, and a job at night."""
    random, at_s, number = Random(seed), since_s, 0
    while (at_s := at_s + random.expovariate(1 / 25)) < until_s:
        number += 1
        night = at_s % DAY_S < 1_200
        key = "night" if night and random.random() < 0.9 else random.choice(KEYS[:2])
        task = "t" if key != "shop" or random.random() < 0.5 else "u"
        yield priced(
            Call(
                at_s, key, task, "sonnet", 0, RATE, read=2_000 if random.random() < 0.9 else 0,
                plain=int(random.lognormvariate(6.5, 0.7)), output=int(random.lognormvariate(6, 0.8)),
                ended="error" if random.random() < 0.01 else "ok", run=str(number // 3),
            )
        )  # fmt: skip


@cache
def past() -> bytes:
    """What is known after some days without an incident, in which nothing is found."""
    watch = Watch(Limits(floor_pico_per_h=PICO_PER_USD // 10))
    assert told(watch, usual(1, BEGIN_S, INCIDENT_S)) == []
    return watch.kept()


def told(watch: Watch, calls: Iterable[Call]) -> list[Finding]:
    return [finding for call in calls for finding in watch.see(call)]


def after() -> Watch:
    watch = Watch(Limits(floor_pico_per_h=PICO_PER_USD // 10))
    watch.restore(past())
    return watch


def incident(change: Callable[[Call], Call], hours: float = 2.0) -> list[Call]:
    calls = usual(2, INCIDENT_S, INCIDENT_S + hours * 3_600)
    return [priced(change(call)) if call.key == "office" else call for call in calls]


PLANTED: dict[str, Callable[[Call], Call]] = {
    "tier_switch": lambda call: replace(call, model="fable", rate_pico=4 * RATE),
    "long_prompt": lambda call: replace(call, plain=call.plain + 12_000),
    "cache_collapse": lambda call: replace(call, read=0, write=call.read * 8),
    "output_drift": lambda call: replace(call, output=5 * call.output),
    "errors": lambda call: replace(call, ended="error"),
}


@pytest.mark.parametrize("kind", [kind for kind in PLANTED if kind != "cache_collapse"])
def test_each_incident_is_found_once_and_named(kind: str) -> None:
    (finding,) = told(after(), incident(PLANTED[kind]))
    assert (finding.kind, finding.key) == (kind, "office")
    assert finding.found_s - INCIDENT_S < 25 * 60
    assert INCIDENT_S - 600 < finding.since_s < finding.found_s
    assert finding.after > finding.before
    assert finding.excess_pico_per_h > PICO_PER_USD // 10


def test_a_cache_that_reads_nothing_any_more() -> None:
    """… where nearly all of the prompt used to be read."""

    def cached(call: Call) -> Call:
        return priced(replace(call, read=30_000, plain=100))

    def collapsed(call: Call) -> Call:
        return priced(replace(call, read=0, write=30_000, plain=100))

    watch = Watch()
    assert told(watch, map(cached, usual(1, BEGIN_S, BEGIN_S + 2 * DAY_S))) == []
    found = told(watch, map(collapsed, usual(2, BEGIN_S + 2 * DAY_S, BEGIN_S + 2.1 * DAY_S)))
    assert {finding.kind for finding in found} == {"cache_collapse"}
    assert len({finding.signature for finding in found}) == len(found)
    assert {finding.key for finding in found} == {"office", "shop"}


def loop(calls: int, run: str, key: str = "office") -> list[Call]:
    made = Call(0.0, key, "t", "sonnet", 0, RATE, read=20_000, plain=50, output=80, run=run)
    return [priced(replace(made, settled_s=INCIDENT_S + 3 * number)) for number in range(calls)]


@pytest.mark.parametrize("run", ["runaway", ""])
def test_a_runaway_loop(run: str) -> None:
    both = sorted([*incident(lambda call: call), *loop(1_500, run)], key=lambda call: call.settled_s)
    (finding,) = told(after(), both)
    assert finding.kind in ({"loop", "pace"} if run else {"pace"})
    assert finding.key == "office"
    assert finding.found_s - INCIDENT_S < 15 * 60


def test_trivial_money_is_not_told() -> None:
    watch = Watch(Limits(floor_pico_per_h=1_000 * PICO_PER_USD))
    watch.restore(past())
    for change in PLANTED.values():
        assert told(watch, incident(change, 0.5)) == []


def test_money_has_no_unit() -> None:
    """A hundred times dearer, all of it, the floor too: the same findings."""

    def times(call: Call) -> Call:
        return replace(call, cost_pico=100 * call.cost_pico)

    one, other = Watch(Limits(floor_pico_per_h=PICO_PER_USD // 10)), Watch(Limits(floor_pico_per_h=10 * PICO_PER_USD))
    calls = [*usual(1, INCIDENT_S - 2 * DAY_S, INCIDENT_S), *incident(PLANTED["output_drift"])]
    small, large = told(one, calls), told(other, map(times, calls))
    assert [(each.kind, each.found_s) for each in small] == [(each.kind, each.found_s) for each in large] != []
    assert large[0].excess_pico_per_h == pytest.approx(100 * small[0].excess_pico_per_h, rel=0.01)


def test_a_restart_in_the_middle_changes_nothing() -> None:
    calls = sorted([*incident(PLANTED["tier_switch"]), *loop(900, "r", "shop")], key=lambda call: call.settled_s)
    whole, found, watch = told(after(), calls), [], after()
    assert whole
    for start in range(0, len(calls), 37):
        found += told(watch, calls[start : start + 37])
        again = Watch(Limits(floor_pico_per_h=PICO_PER_USD // 10))
        again.restore(watch.kept())
        watch = again
    assert found == whole


def test_what_cannot_be_read_is_a_value_error() -> None:
    for data in (b"", b"\xc1", msgspec.msgpack.encode([1, 2])):
        with pytest.raises((ValueError, msgspec.MsgspecError)):
            Watch().restore(data)


def test_an_error_of_all_is_told_of_the_model_not_of_each_key() -> None:
    keys = [f"k{number}" for number in range(12)]
    random, watch = Random(1), Watch(Limits(floor_pico_per_h=PICO_PER_USD // 10))
    found: list[Finding] = []
    for number in range(4 * 24 * 60):
        for key in random.sample(keys, 4):
            failing = number > 4 * 24 * 60 - 40
            call = Call(BEGIN_S + 60 * number, key, "t", "m", 0, RATE, plain=2_000, output=500)
            found += watch.see(priced(replace(call, ended="error" if failing and random.random() < 0.9 else "ok")))
    assert found
    assert {finding.kind for finding in found} == {"errors"}
    assert any(finding.level in ("model", "all") for finding in found)
    assert len(found) < len(keys) / 2


def test_refused_calls_are_left_out_and_quiet_minutes_end_by_the_clock() -> None:
    watch = after()
    calls = incident(PLANTED["tier_switch"], 1.0)
    assert told(watch, [replace(call, ended="refused") for call in calls]) == []
    watch = after()
    found: list[Finding] = []
    for call in calls:
        assert not watch.see(call)
        found += watch.tick(call.settled_s + 60)
    assert [finding.kind for finding in found] == ["tier_switch"]
    assert watch.tick(0.0) == ()


def test_ten_thousand_keys_are_not_remembered_for_ever() -> None:
    limits = Limits(series_max=400, keys_max=200, kept_max=100)
    watch = Watch(limits)
    for number in range(10_000):
        watch.see(Call(BEGIN_S + number, f"key-{number}", "t", f"m{number}", 10**9, RATE, plain=9, output=9, run="r"))
    assert len(watch._series) <= 400
    assert len(watch._paces) <= 200
    assert len(watch.kept()) < 500_000

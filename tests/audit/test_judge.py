"""From replays to results, on sums made by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.audit.findings import Money, Replayed
from thriftgate.audit.judge import misses, replayed, results
from thriftgate.audit.prompts import REWRITES
from thriftgate.audit.replay.plan import Replays
from thriftgate.audit.replay.policies import AS_IS, CACHE, KEEPALIVE, NO_CACHE, PINGS, Candidate
from thriftgate.audit.replay.run import GROUPS, Done, MissTally, Tally
from thriftgate.core.plan import Policy

OURS = Candidate("all", "levers", "all of them")
THEIRS = Candidate("auto-5m", "client", "a client", client="auto-5m")
COST = Money(2_000, 1_900, 2_300)


def tally(name: str, pico: int, groups: list[int] | None = None, **levers: int) -> Tally:
    held = groups or [pico // GROUPS] * (GROUPS - 1) + [pico - pico // GROUPS * (GROUPS - 1)]
    return Tally(
        name, calls=10, pico=pico, groups=held, levers={name.replace("_", "."): pico for name, pico in levers.items()}
    )


def done(observed: int, as_is: int, *tallies: Tally, misses: dict[str, MissTally] | None = None) -> Done:
    return Done(
        tally("observed", observed),
        tally(AS_IS, as_is),
        tally(NO_CACHE, 3 * as_is),
        {one.name: one for one in tallies},
        misses or {},  # type: ignore[arg-type]
        differing=3,
    )


def test_a_policy_costs_the_bill_less_what_it_saved_on_the_replay() -> None:
    run = done(1_000, 1_100, tally("all", 880), tally("auto-5m", 1_210))
    found = {one.name: one for one in results(Replays(run, run, sampled=False), [OURS, THEIRS], COST, untold=False)}
    assert list(found) == [AS_IS, NO_CACHE, "all", "auto-5m"]
    assert (found[AS_IS].cost, found[AS_IS].saved) == (COST, Money())
    # the replay is off by 100 in 1,100, and so may be a saving of 220: by 20
    assert found["all"].saved == Money(220, 200, 240)
    assert found["all"].cost == Money(1_780, 1_660, 2_100)
    assert found["auto-5m"].saved == Money(-110, -120, -100)
    assert found[NO_CACHE].saved.pico == -2_200
    assert found["auto-5m"].levers == {}


def test_a_replay_that_gives_the_bill_leaves_no_doubt() -> None:
    run = done(1_100, 1_100, tally("all", 880))
    found = results(Replays(run, run, sampled=False), [OURS], COST, untold=False)[-1]
    assert found.saved == Money(220, 220, 220)


amounts = st.integers(0, 10**6)


@given(amounts, amounts, amounts, amounts, st.tuples(st.integers(-(10**6), 10**6), st.booleans()))
def test_intervals_are_in_order_and_levers_sum(
    observed: int, as_is: int, policy: int, part: int, more: tuple[int, bool]
) -> None:
    booked, sampled = more
    run = done(observed, as_is, tally("all", policy, cache_breakpoints=booked, count_guard=7))
    sample = done(part, as_is // 2, tally("auto-5m", policy // 3), tally("alone", policy // 2, cache_breakpoints=booked))
    alone = Candidate("alone", "lever", "one")
    replays = Replays(run, sample, sampled=sampled)
    for one in results(replays, [OURS, THEIRS, alone], COST, untold=False):
        assert one.cost.low <= one.cost.pico <= one.cost.high
        assert one.saved.low <= one.saved.pico <= one.saved.high
        assert one.cost.pico + one.saved.pico == COST.pico
        if one.family in ("lever", "levers"):
            assert sum(one.levers.values()) == one.saved.pico


def test_what_the_books_of_the_levers_leave_over_is_caching() -> None:
    run = done(1_000, 1_000, tally("all", 700, cache_breakpoints=250, count_guard=10))
    found = results(Replays(run, run, sampled=False), [OURS], COST, untold=False)[-1]
    assert found.levers == {CACHE: 290, "count.guard": 10}


def test_a_sample_is_scaled_to_what_could_be_replayed() -> None:
    """A tenth of what was replayed. What could not be replayed at all, half of the bill here, saves nothing."""
    whole = done(1_000, 1_000, tally("all", 900))
    sample = done(100, 100, tally("auto-5m", 80, [5] * GROUPS))
    found = results(Replays(whole, sample, sampled=True), [OURS, THEIRS], COST, untold=False)
    assert (found[-2].saved.pico, found[-1].saved.pico) == (100, 200)
    assert found[-1].note == "from a sample of 10 calls"
    assert found[-2].note == ""


def test_a_sample_has_a_wider_interval_the_more_its_groups_differ() -> None:
    def width(groups: list[int]) -> int:
        whole = done(1_600_000, 1_600_000, tally("all", 900))
        sample = done(160_000, 160_000, tally("auto-5m", sum(groups), groups))
        saved = results(Replays(whole, sample, sampled=True), [OURS, THEIRS], COST, untold=False)[-1].saved
        assert saved.high - saved.pico == saved.pico - saved.low
        return saved.high - saved.pico

    same = [8_000] * GROUPS
    uneven = [7_000, 9_000] * (GROUPS // 2)
    assert width(same) == 0
    # 16 groups off by 1,000 each: the sum is off by 1,000 × √(16 × 16 / 15); twice that, ten times the sample
    assert width(uneven) == pytest.approx(2 * 10 * 1_000 * (16 * 16 / 15) ** 0.5, rel=1e-3)


def test_what_went_wrong_is_said() -> None:
    bad = tally("all", 900)
    bad.rejected, bad.failed = 1_200, 3
    run = done(1_000, 1_000, bad)
    found = results(Replays(run, run, sampled=False), [OURS], COST, untold=True)
    assert found[-1].note.startswith("1,200 requests would have been refused")
    assert "3 calls could not be planned" in found[-1].note
    assert "does not tell what was cached" in found[0].note


def test_nothing_replayed() -> None:
    empty = Done(Tally("o"), Tally("a"), Tally("p"), {"all": Tally("all"), "auto-5m": Tally("auto-5m")}, {})
    for sampled in (False, True):
        for one in results(Replays(empty, empty, sampled=sampled), [OURS, THEIRS], COST, untold=False):
            assert (one.cost, one.saved) == (COST, Money())
        assert misses(Replays(empty, empty, sampled=sampled)) == ()


def test_how_well_the_replay_gives_the_bill() -> None:
    assert replayed(done(1_000, 1_100)) == Replayed(10, 1_000, 1_100, 3)


def test_misses_come_dearest_first_and_are_scaled() -> None:
    found = {"expired": MissTally(2, 300, 40, 30, "e"), "cold": MissTally(5, 600, 90, 0, "c")}
    whole, sample = done(1_000, 1_000), done(250, 240, misses=found)
    rows = misses(Replays(whole, sample, sampled=True))
    assert [(row.cause, row.calls, row.tokens, row.pico, row.avoidable_pico) for row in rows] == [
        ("cold", 20, 2_400, 360, 0), ("expired", 8, 1_200, 160, 120),
    ]  # fmt: skip
    assert [row.pico for row in misses(Replays(sample, sample, sampled=False))] == [90, 40]


# --- levers that are held against the same without them -------------------------------------------------------------------

ADDING = Candidate("pings", "lever", "p", Policy(), pings=PINGS, adds=KEEPALIVE, beside="alone")
ALONE = Candidate("alone", "lever", "a", Policy())


@given(amounts, amounts, amounts, amounts, st.booleans())
def test_the_share_of_a_lever_is_the_difference(as_is: int, alone: int, pinged: int, booked: int, sampled: bool) -> None:
    run = done(as_is, as_is, tally("alone", alone), tally("pings", pinged, cache_breakpoints=booked, count_guard=0))
    sample = done(as_is // 2, as_is // 2, tally("alone", alone // 2), tally("pings", pinged // 2))
    one = results(Replays(run, sample if sampled else run, sampled=sampled), [ADDING], COST, untold=False)[-1]
    assert sum(one.levers.values()) == one.saved.pico == as_is - pinged
    if not sampled:
        assert one.levers[KEEPALIVE] == alone - pinged
        assert one.levers[CACHE] == as_is - alone
    elif as_is // 2:
        assert one.levers[KEEPALIVE] == (alone // 2 - pinged // 2) * as_is // (as_is // 2)


def test_without_the_other_there_is_no_share() -> None:
    run = done(1_000, 1_000, tally("pings", 700))
    one = results(Replays(run, run, sampled=False), [ADDING, ALONE], COST, untold=False)[-1]
    assert (one.name, one.levers) == ("pings", {CACHE: 300})  # and what was not replayed is left out


def test_pings_and_rewritten_prompts_are_told() -> None:
    pinged, rewritten = tally("pings", 700), tally("rewriting", 800)
    pinged.pings, pinged.pings_pico, rewritten.rewritten = 1_234, 5 * 10**12, 4
    run = done(1_000, 1_000, pinged, rewritten)
    rewriting = Candidate("rewriting", "lever", "r", Policy(stabilise=REWRITES), safe=False)
    found = results(Replays(run, run, sampled=False), [ADDING, rewriting], COST, untold=False)
    assert found[-2].note == "pings: 1,234, for $5.00, which is in the cost"
    assert (found[-1].note, found[-1].safe) == ("4 of 10 prompts change", False)

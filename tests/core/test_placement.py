"""Where breakpoints go, and for how long: thresholds by hand, one rule of the cache at a time, one mode at a time.

That no legal choice is better, whatever is expected and live, is shown in tests/laws/test_placement_laws.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import pytest

from tests.core.prompts import Piece, Prompt, prompt, prompt_of, system
from thriftgate.core.cache import Breakpoint, CacheRules, Resident, forecast
from thriftgate.core.hazards import BINS, FIVE_MINUTES, ONE_HOUR
from thriftgate.core.placement import CacheMode, Placement, Ratios, place, ratios_of
from thriftgate.core.prices import Rates
from thriftgate.core.request import Ttl
from thriftgate.core.reuse import Outlook, Prospect

NOW = 1_000_000.0
RULES = CacheRules()
SONNET, OPUS, FABLE = Ratios(read=0.1), Ratios(read=0.05), Ratios(read=0.025)
ALL_RATIOS = pytest.mark.parametrize("ratios", [SONNET, OPUS, FABLE], ids=["0.1", "0.05", "0.025"])
HINT = 0.002  # how far on each side of a threshold is looked


def curve_of(p5: float, p1: float) -> tuple[float, ...]:
    """Rising evenly to `p5` at five minutes and `p1` at an hour, and no more."""
    middle = ONE_HOUR - FIVE_MINUTES
    early = [p5 * (at + 1) / (FIVE_MINUTES + 1) for at in range(FIVE_MINUTES + 1)]
    late = [p5 + (p1 - p5) * (at + 1) / middle for at in range(middle)]
    return (*early, *late, *[p1] * (BINS - ONE_HOUR - 1))


def outlook_of(*expected: tuple[int, float, float], again: tuple[float, float] = (0.0, 0.0)) -> Outlook:
    """Chances within five minutes and an hour, by block."""
    prospects = [Prospect(at, curve_of(p5, p1), 0.5) for at, p5, p1 in expected]
    return Outlook(tuple(prospects), *again)


def live(asked: Prompt, *entries: tuple[int, Ttl], left_s: float = 200) -> dict[bytes, Resident]:
    return {asked.prefix.chain[at]: Resident(ttl, NOW - 60, NOW + left_s) for at, ttl in entries}


def chosen(
    asked: Prompt,
    outlook: Outlook,
    residency: Mapping[bytes, Resident] | None = None,
    *,
    ratios: Ratios = SONNET,
    minimum: int = 1_000,
    rules: CacheRules = RULES,
    client: Sequence[tuple[int, Ttl]] = (),
    mode: CacheMode = "full",
) -> Placement:
    return place(
        asked.prefix,
        asked.cumulative,
        outlook,
        residency or {},
        now_s=NOW,
        ratios=ratios,
        minimum=minimum,
        rules=rules,
        client=[Breakpoint(at, ttl) for at, ttl in client],
        mode=mode,
    )


def ttl_at(placement: Placement, at: int) -> Ttl | None:
    return dict(placement.marks).get(at)


# --- thresholds -----------------------------------------------------------------------------------------------------------

ONE = prompt(Piece("all", 10_000))


@ALL_RATIOS
@pytest.mark.parametrize("more", [HINT, -HINT])
def test_a_write_pays_where_the_next_use_would_write_itself(ratios: Ratios, more: float) -> None:
    """p5 > (w5 - 1) / (w5 - r): 21.7 %, 20.8 %, 20.4 %."""
    p5 = 0.25 / (1.25 - ratios.read) + more
    placement = chosen(ONE, outlook_of((0, p5, p5), again=(1, 1)), ratios=ratios)
    assert placement.marks == ((Breakpoint(0, "5m"),) if more > 0 else ())


@ALL_RATIOS
@pytest.mark.parametrize("more", [HINT, -HINT])
def test_a_write_pays_where_the_next_use_is_the_last(ratios: Ratios, more: float) -> None:
    """p5 > (w5 - 1) / (1 - r): 27.8 %, 26.3 %, 25.6 %."""
    p5 = 0.25 / (1 - ratios.read) + more
    placement = chosen(ONE, outlook_of((0, p5, p5), again=(0, 0)), ratios=ratios)
    assert placement.marks == ((Breakpoint(0, "5m"),) if more > 0 else ())


@ALL_RATIOS
@pytest.mark.parametrize("more", [HINT, -HINT])
def test_an_hour_pays_where_nobody_comes_within_five_minutes(ratios: Ratios, more: float) -> None:
    """p1 > (w1 - 1) / (w1 - r): 52.6 %, 51.3 %, 50.6 %."""
    p1 = 1 / (2 - ratios.read) + more
    placement = chosen(ONE, outlook_of((0, 0.0, p1), again=(0, 1)), ratios=ratios)
    assert placement.marks == ((Breakpoint(0, "1h"),) if more > 0 else ())


@ALL_RATIOS
@pytest.mark.parametrize("growth", [100, 500, 1_000, 2_000])
@pytest.mark.parametrize("more", [HINT, -HINT])
def test_the_late_upgrade(ratios: Ratios, growth: int, more: float) -> None:
    """p1 - p5 > (w1 - w5) / (w5 - r) * g / P, where the g new tokens themselves are kept for the hour as well: of P + g. The
    request after the next is the last one, so that a hit is worth 1 - r to the new tokens, in both lives, and a prefix that
    has lapsed is written anew."""
    asked = prompt_of([Piece("so far", 10_000), Piece("new", growth)])
    lapse = 0.75 * growth / (10_000 * (1.25 - ratios.read) + growth * (1 - ratios.read)) + more
    placement = chosen(asked, outlook_of((1, 0.9, 0.9 + lapse)), live(asked, (0, "5m")), ratios=ratios)
    assert ttl_at(placement, 1) == ("1h" if more > 0 else "5m")


def test_the_late_upgrade_comes_earlier_in_a_conversation_that_goes_on() -> None:
    """One upgrade counts for several turns, up to the best distance between two (the economic order quantity)."""
    asked = prompt_of([Piece("so far", 10_000), Piece("new", 1_000)])
    outlook = outlook_of((1, 0.92, 0.95), again=(0.92, 0.95))
    once = outlook_of((1, 0.92, 0.95), again=(0.0, 0.0))
    assert ttl_at(chosen(asked, outlook, live(asked, (0, "5m"))), 1) == "1h"
    assert ttl_at(chosen(asked, once, live(asked, (0, "5m"))), 1) == "5m"


def test_the_expected_saving_by_hand() -> None:
    """4,000 tokens for an hour, 2,000 for five minutes, 1,000 not at all. A hit is worth 0.9 where nobody comes back within
    five minutes after it, and 1.9 where somebody surely does within the hour."""
    asked = prompt_of([Piece("a", 4_000), Piece("b", 2_000), Piece("c", 1_000)])
    expected = (Prospect(0, curve_of(0.1, 1.0), 0.0), Prospect(1, curve_of(0.5, 0.5), 0.0), Prospect(2, curve_of(0.1, 0.1)))
    placement = chosen(asked, Outlook(expected, 0.0, 1.0))
    assert placement.marks == (Breakpoint(0, "1h"), Breakpoint(1, "5m"))
    assert placement.gain == pytest.approx(4_000 * (1.0 * 1.9 - 1) + 2_000 * (0.5 * 0.9 - 0.25))
    assert placement.live_tokens == 0


def test_ratios_of_a_rate_card() -> None:
    rates = Rates(input=5_000, write_5m=6_250, write_1h=10_000, read=250, output=25_000)
    assert ratios_of(rates) == Ratios(1.25, 2.0, 0.05)
    assert ratios_of(Rates(input=0, write_5m=0, write_1h=0, read=0, output=0)) == Ratios()
    assert Ratios().rewrite == pytest.approx(float(Decimal("1.15")))


# --- what the cache can hold ----------------------------------------------------------------------------------------------

SURE = (0.9, 0.9)


def test_under_the_minimum_nothing() -> None:
    asked = prompt_of([Piece("a", 600), Piece("b", 399)])
    assert chosen(asked, outlook_of((0, 1, 1), (1, 1, 1))).marks == ()
    assert chosen(asked, outlook_of((0, 1, 1), (1, 1, 1)), minimum=999).marks == (Breakpoint(1, "5m"),)


def test_places_under_the_minimum_are_left_out() -> None:
    asked = prompt_of([Piece("a", 999), Piece("b", 999)])
    assert chosen(asked, outlook_of((0, 1, 1), (1, *SURE))).marks == (Breakpoint(1, "5m"),)


def test_nothing_is_expected_nothing_is_marked() -> None:
    assert chosen(ONE, Outlook()) == Placement((), 0.0, 0)


def test_four_at_most_the_likeliest_and_longest_among_what_is_left() -> None:
    asked = prompt(*"abcdefgh")
    outlook = outlook_of(*[(at, {3: 1.0, 4: 0.7}.get(at, 0.9), 1.0) for at in range(8)])
    placement = chosen(asked, outlook)
    assert [mark.at for mark in placement.marks] == [3, 5, 6, 7]


def test_what_is_live_is_read_though_nothing_is_worth_a_write() -> None:
    asked = prompt(*"abc")
    placement = chosen(asked, outlook_of((2, 0.0, 0.0)), live(asked, (1, "5m")), rules=CacheRules(free_insert=False))
    assert placement == Placement((Breakpoint(1, "5m"),), 0.0, 2_000)


def test_what_has_lapsed_is_not_live() -> None:
    asked = prompt(*"abc")
    assert chosen(asked, outlook_of((2, 0.0, 0.0)), live(asked, (1, "5m"), left_s=0)) == Placement((), 0.0, 0)


def test_what_another_request_is_writing_is_not_written_again() -> None:
    asked = prompt(system("head", 10_000), Piece("q", 100))
    pending = {asked.prefix.chain[0]: Resident("5m", NOW + 2, NOW + 300)}
    expected = outlook_of((0, *SURE), (1, 0.0, 0.0))
    assert chosen(asked, expected).marks == (Breakpoint(0, "5m"),)
    assert chosen(asked, expected, pending).marks == ()
    assert chosen(asked, outlook_of((1, *SURE)), {asked.prefix.chain[1]: pending[asked.prefix.chain[0]]}).marks == ()


def test_what_is_pending_is_not_written_for_an_hour_either() -> None:
    expected = outlook_of((0, 0.0, 1.0), again=(0.0, 1.0))
    assert chosen(ONE, expected).marks == (Breakpoint(0, "1h"),)
    assert chosen(ONE, expected, {ONE.prefix.chain[0]: Resident("5m", NOW + 2, NOW + 300)}).marks == ()


def test_a_slot_is_not_spent_where_nobody_leaves() -> None:
    """The end of an earlier turn: the conversation goes on behind it."""
    asked = prompt(*"abc")
    outlook = Outlook((Prospect(1, curve_of(*SURE), 0.0), Prospect(2, curve_of(*SURE))))
    assert chosen(asked, outlook).marks == (Breakpoint(2, "5m"),)


def test_much_new_behind_what_is_pending_is_written_with_it() -> None:
    asked = prompt(Piece("head", 1_000), Piece("document", 20_000))
    pending = {asked.prefix.chain[0]: Resident("5m", NOW + 2, NOW + 300)}
    assert ttl_at(chosen(asked, outlook_of((0, *SURE), (1, *SURE)), pending), 1) == "5m"


# --- look-back ------------------------------------------------------------------------------------------------------------


def grown(blocks: int, kind: str = "text") -> Prompt:
    return prompt_of([Piece("so far", 10_000), *[Piece(f"{at}", 100, kind=kind) for at in range(blocks)]])


@pytest.mark.parametrize(("blocks", "marks"), [(19, [19]), (20, [0, 20]), (40, [0, 40])])
def test_growth_beyond_twenty_positions_marks_what_is_live_as_well(blocks: int, marks: list[int]) -> None:
    asked = grown(blocks)
    residency = live(asked, (0, "5m"))
    placement = chosen(asked, outlook_of((blocks, *SURE)), residency)
    assert [mark.at for mark in placement.marks] == marks
    assert _read(asked, placement, residency) == 10_000


def _read(asked: Prompt, placement: Placement, residency: Mapping[bytes, Resident], rules: CacheRules = RULES) -> int:
    outcome = forecast(
        asked.prefix,
        asked.cumulative,
        placement.marks,
        residency,
        now_s=NOW,
        usable_s=NOW + 1,
        cache_min_tokens=1_000,
        rules=rules,
    )
    return outcome.tokens.read


@pytest.mark.parametrize("collapse", [True, False])
def test_parallel_tool_calls_are_one_position(collapse: bool) -> None:
    """Twelve calls and their twelve results: two positions, or 24 where runs count in full."""
    calls = [Piece(f"call {at}", 50, kind="tool_use") for at in range(12)]
    results = [Piece(f"result {at}", 50, kind="tool_result") for at in range(12)]
    asked = prompt_of([Piece("so far", 10_000), *calls, *results])
    rules, residency = CacheRules(collapse_runs=collapse), live(asked, (0, "5m"))
    placement = chosen(asked, outlook_of((24, *SURE)), residency, rules=rules)
    assert [mark.at for mark in placement.marks] == ([24] if collapse else [0, 24])
    assert _read(asked, placement, residency, rules) == 10_000


# --- what an hour can be had for ------------------------------------------------------------------------------------------


def test_an_hour_inside_what_is_read_is_free() -> None:
    asked = prompt(*"abcd")
    outlook = outlook_of((3, 0.5, 0.9))
    placement = chosen(asked, outlook, live(asked, (2, "5m")), ratios=Ratios(write_1h=9))
    assert ttl_at(placement, 1) == "1h"
    assert ttl_at(placement, 3) == "5m"


@pytest.mark.parametrize("rules", [CacheRules(free_insert=False), CacheRules(late_upgrade=False)])
def test_where_it_is_not_free_it_is_left(rules: CacheRules) -> None:
    asked = prompt(*"abcd")
    placement = chosen(asked, outlook_of((3, 0.5, 0.9)), live(asked, (2, "5m")), ratios=Ratios(write_1h=9), rules=rules)
    assert {mark.ttl for mark in placement.marks} == {"5m"}


def test_the_free_hour_stands_where_no_entry_is_and_above_the_minimum() -> None:
    asked = prompt(*"abcde")
    outlook, dear = outlook_of((4, 0.5, 0.9)), Ratios(write_1h=9)
    assert ttl_at(chosen(asked, outlook, live(asked, (2, "5m"), (3, "5m")), ratios=dear), 1) == "1h"
    high = chosen(asked, outlook, live(asked, (3, "5m")), ratios=dear, minimum=4_000)
    assert {mark.ttl for mark in high.marks} == {"5m"}


def test_with_a_free_hour_near_the_end_no_other_is_paid_for() -> None:
    """Only what is beyond the free one would lapse: 1,000 tokens, too few for the upgrade of another 1,000."""
    asked = prompt(*[f"{at}" for at in range(30)])
    outlook, residency = outlook_of((29, 0.7, 0.9)), live(asked, (28, "5m"))
    assert ttl_at(chosen(asked, outlook, residency), 29) == "5m"
    assert ttl_at(chosen(asked, outlook, residency), 27) == "1h"
    assert ttl_at(chosen(asked, outlook, residency, rules=CacheRules(free_insert=False)), 29) == "1h"


def test_the_free_hour_may_stand_where_an_entry_has_lapsed_but_not_where_no_breakpoint_may() -> None:
    thought = Piece("thought", kind="thinking", markable=False)
    asked = prompt("a", "b", thought, "d", "e")
    outlook, residency = outlook_of((4, 0.5, 0.9)), live(asked, (3, "5m"))
    lapsed = live(asked, (1, "1h"), left_s=-1)
    for held in (residency, residency | lapsed):
        placement = chosen(asked, outlook, held, ratios=Ratios(write_1h=9))
        assert dict(placement.marks) == {1: "1h", 4: "5m"}


def test_a_live_hour_entry_is_marked_for_an_hour_and_renewed() -> None:
    asked = prompt(*"abcd")
    placement = chosen(asked, outlook_of((3, *SURE)), live(asked, (0, "1h"), (2, "5m")), rules=CacheRules(free_insert=False))
    assert (ttl_at(placement, 0), ttl_at(placement, 3)) == ("1h", "5m")


def test_where_nothing_renews_the_hour_entry_it_protects_as_long_as_it_lives() -> None:
    asked = prompt_of([Piece("so far", 20_000), Piece("since", 1_000), Piece("new", 500)])
    rules = CacheRules(refresh="hit_only", free_insert=False)
    outlook = outlook_of((2, 0.8, 0.95))
    entries = live(asked, (1, "5m"))
    for left_s, ttl in ((3_500.0, "5m"), (310.0, "1h")):
        held = entries | live(asked, (0, "1h"), left_s=left_s)
        assert ttl_at(chosen(asked, outlook, held, rules=rules), 2) == ttl


def test_without_the_late_upgrade_the_class_is_chosen_at_the_first_write() -> None:
    asked = prompt_of([Piece("so far", 10_000), Piece("new", 100)])
    rules = CacheRules(late_upgrade=False)
    outlook = outlook_of((0, 0.3, 0.99), (1, 0.3, 0.99))
    assert {mark.ttl for mark in chosen(asked, outlook, live(asked, (0, "5m")), rules=rules).marks} == {"5m"}
    assert ttl_at(chosen(asked, outlook, live(asked, (0, "1h")), rules=rules), 0) == "1h"
    assert ttl_at(chosen(asked, outlook_of((1, 0.05, 0.99), again=(0.05, 0.99)), rules=rules), 1) == "1h"


def test_without_the_late_upgrade_all_turns_to_come_speak_for_the_hour() -> None:
    """N (p1 - p5) > (w1 - w5) / (w5 - r) = 0.652, with N = 1 / (1 - p1) requests to come: 3 for the long conversation."""
    rules, long = CacheRules(late_upgrade=False), (0.92, 0.98)
    assert ttl_at(chosen(ONE, outlook_of((0, *long), again=long), rules=rules), 0) == "1h"
    assert ttl_at(chosen(ONE, outlook_of((0, *long), again=(0.0, 0.0)), rules=rules), 0) == "5m"
    assert ttl_at(chosen(ONE, outlook_of((0, *long), again=long)), 0) == "5m", "it can be had later, and for less"


def test_where_no_hour_is_granted_none_is_asked_for() -> None:
    asked = prompt(*"abcd")
    rules = CacheRules(hour_granted=False)
    outlook = outlook_of((3, 0.3, 1.0), again=(0.3, 1.0))
    for residency in ({}, live(asked, (2, "5m"))):
        placement = chosen(asked, outlook, residency, rules=rules)
        assert placement.marks
        assert {mark.ttl for mark in placement.marks} == {"5m"}


# --- what the client set --------------------------------------------------------------------------------------------------

FIVE = prompt(*"abcde")
LATER = outlook_of((0, 0.2, 0.99), (4, 0.2, 0.99), again=(0.2, 0.99))
NEVER = outlook_of((0, 0.0, 0.0), (4, 0.0, 0.0))


def test_observe_leaves_all_as_it_is() -> None:
    clients: list[list[tuple[int, Ttl]]] = [[], [(1, "5m"), (4, "5m")], [(1, "1h"), (4, "5m")]]
    for client in clients:
        placement = chosen(FIVE, LATER, client=client, mode="observe")
        assert placement == Placement(tuple(Breakpoint(at, ttl) for at, ttl in client), 0.0, 0)


def test_ttl_only_lengthens_and_keeps_the_places() -> None:
    client: list[tuple[int, Ttl]] = [(1, "5m"), (3, "5m")]
    assert chosen(FIVE, LATER, client=client, mode="ttl-only").marks == (Breakpoint(1, "1h"), Breakpoint(3, "1h"))
    assert chosen(FIVE, NEVER, client=client, mode="ttl-only").marks == (Breakpoint(1, "5m"), Breakpoint(3, "5m"))


def test_ttl_only_takes_the_free_hour_at_the_clients_places_alone() -> None:
    outlook, dear, residency = outlook_of((4, 0.5, 0.9)), Ratios(write_1h=9), live(FIVE, (3, "5m"))
    inside = chosen(FIVE, outlook, residency, ratios=dear, client=[(1, "5m"), (4, "5m")], mode="ttl-only")
    assert dict(inside.marks) == {1: "1h", 4: "5m"}
    outside = chosen(FIVE, outlook, residency, ratios=dear, client=[(3, "5m"), (4, "5m")], mode="ttl-only")
    assert dict(outside.marks) == {3: "5m", 4: "5m"}
    added = chosen(FIVE, outlook, residency, ratios=dear, client=[(3, "5m"), (4, "5m")], mode="add")
    assert dict(added.marks) == {2: "1h", 3: "5m", 4: "5m"}


@pytest.mark.parametrize("mode", ["ttl-only", "add"])
def test_an_hour_of_the_client_is_never_shortened(mode: CacheMode) -> None:
    client: list[tuple[int, Ttl]] = [(1, "1h"), (3, "5m")]
    for rules in (CacheRules(), CacheRules(hour_granted=False), CacheRules(late_upgrade=False)):
        for residency in ({}, live(FIVE, (3, "5m")), live(FIVE, (0, "5m"))):
            placement = chosen(FIVE, NEVER, residency, client=client, mode=mode, rules=rules)
            assert ttl_at(placement, 1) == "1h"


def test_add_keeps_the_clients_and_fills_up_to_four() -> None:
    outlook = outlook_of((0, *SURE), (2, *SURE), (4, *SURE))
    placement = chosen(FIVE, outlook, client=[(1, "5m"), (3, "5m")], mode="add")
    assert [mark.at for mark in placement.marks] == [1, 2, 3, 4]
    assert {mark.ttl for mark in placement.marks} == {"5m"}


def test_add_beside_a_mark_under_the_minimum_places_nothing_where_nothing_is_expected() -> None:
    asked = prompt_of([Piece("rules", 10), Piece("a", 2_000), Piece("thought", kind="thinking", markable=False)])
    assert chosen(asked, outlook_of((1, 0.0, 0.0)), client=[(0, "5m")], mode="add").marks == (Breakpoint(0, "5m"),)
    worth_it = chosen(asked, outlook_of((1, *SURE)), client=[(0, "5m")], mode="add")
    assert worth_it.marks == (Breakpoint(0, "5m"), Breakpoint(1, "5m"))


def test_add_marks_what_the_client_cannot_reach() -> None:
    """The page asks for it: a breakpoint every twenty positions."""
    asked = grown(40)
    residency = live(asked, (0, "5m"))
    placement = chosen(asked, outlook_of((40, *SURE)), residency, client=[(40, "5m")], mode="add")
    assert {0, 40} <= {mark.at for mark in placement.marks}
    assert _read(asked, placement, residency) == 10_000


@pytest.mark.parametrize("mode", ["ttl-only", "add"])
@pytest.mark.parametrize("count", [3, 4])
def test_of_a_client_with_no_slot_to_spare_no_more_than_four(mode: CacheMode, count: int) -> None:
    asked = prompt(*"abcdefgh")
    client: list[tuple[int, Ttl]] = [(at, "5m") for at in (1, 3, 5, 6)[4 - count :]]
    outlook = outlook_of((0, 0.2, 0.99), (2, 0.2, 0.99), (4, 0.2, 0.99), (7, *SURE), again=(0.9, 0.99))
    for residency in ({}, live(asked, (4, "5m")), live(asked, (4, "1h")), live(asked, (0, "1h"), (5, "5m"))):
        placement = chosen(asked, outlook, residency, client=client, mode=mode)
        assert len(placement.marks) <= 4
        assert {at for at, _ in client} <= {mark.at for mark in placement.marks}


def test_full_moves_shortens_and_drops() -> None:
    client: list[tuple[int, Ttl]] = [(1, "1h"), (3, "1h")]
    assert chosen(FIVE, outlook_of((4, *SURE)), client=client).marks == (Breakpoint(4, "5m"),)
    assert chosen(FIVE, NEVER, client=client).marks == ()


@pytest.mark.parametrize("mode", ["ttl-only", "add", "full"])
def test_without_any_of_the_client_all_modes_place_anew(mode: CacheMode) -> None:
    assert chosen(FIVE, LATER, mode=mode) == chosen(FIVE, LATER)
    assert chosen(FIVE, LATER).marks


def test_a_client_under_the_minimum_keeps_its_places() -> None:
    assert chosen(FIVE, LATER, client=[(0, "5m")], mode="ttl-only", minimum=9_000).marks == (Breakpoint(0, "5m"),)

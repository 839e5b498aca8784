"""When the brake bites, when it lets go, and that its shadow is the provider's cache with the client's breakpoints."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.prompts import Prompt, prompt, prompt_of, system
from thriftgate.core.brake import CALLS_MIN, HALF_LIFE_S, SPAN_MIN_S, Brake, in_billed_tokens, prompt_cost
from thriftgate.core.cache import Breakpoint, CacheRules, Resident, forecast
from thriftgate.core.placement import Ratios
from thriftgate.core.request import Ttl
from thriftgate.core.usage import Tokens

T = 1_000_000.0
APP, OTHER = b"app", b"other"
RATIOS = Ratios()
RULES = CacheRules()


def book(brake: Brake, ours: float, *, calls: int, since_s: float = T, every_s: float = 10.0, app: bytes = APP) -> float:
    """So many calls whose shadow costs 100 each. Returns when the last one was."""
    for number in range(calls):
        brake.book(app, ours, 100.0, 100.0, since_s + every_s * number)
    return since_s + every_s * (calls - 1)


# --- when it bites --------------------------------------------------------------------------------------------------------


def test_an_unknown_application_is_not_braked() -> None:
    assert not Brake().holds(APP)


@pytest.mark.parametrize(("ours", "holds"), [(101.9, False), (102.0, False), (102.1, True), (130.0, True), (50.0, False)])
def test_it_bites_at_an_excess_of_two_percent(ours: float, holds: bool) -> None:
    brake = Brake()
    book(brake, ours, calls=400)
    assert bool(brake.holds(APP)) is holds
    assert not brake.holds(OTHER)


def test_it_bites_at_the_two_hundredth_call_and_says_so_once() -> None:
    """A few later, since those of half an hour ago count a little less already."""
    brake = Brake()
    changes = [brake.book(APP, 150.0, 100.0, 100.0, T + 10 * number) for number in range(250)]
    assert sum(changes) == 1
    assert CALLS_MIN <= changes.index(True) + 1 <= CALLS_MIN + 4
    assert brake.holds(APP)


def test_it_waits_for_half_an_hour() -> None:
    brake = Brake()
    end = book(brake, 150.0, calls=1_000, every_s=1.0)
    assert not brake.holds(APP)
    assert not brake.book(APP, 150.0, 100.0, 100.0, T + SPAN_MIN_S - 1)
    assert brake.book(APP, 150.0, 100.0, 100.0, T + SPAN_MIN_S)
    assert end < T + SPAN_MIN_S


def test_an_investment_that_is_read_later_is_none_of_its_business() -> None:
    """Ten dear calls in front of each hundred cheap ones: an excess at first, and none over the sum."""
    brake = Brake()
    for number in range(2_000):
        brake.book(APP, 190.0 if number % 100 < 10 else 80.0, 100.0, 100.0, T + 10 * number)
        assert not brake.holds(APP)


# --- when it lets go ------------------------------------------------------------------------------------------------------


def test_it_lets_go_once_the_excess_is_diluted_to_one_percent() -> None:
    """400 calls at 4 % over are diluted to 1 % by 1,200 at what their shadow costs, and those weigh a little more."""
    brake = Brake()
    now_s = book(brake, 104.0, calls=400, every_s=5.0)
    assert brake.holds(APP)
    changes = [brake.book(APP, 100.0, 100.0, 100.0, now_s) for _ in range(1_300)]
    assert sum(changes) == 1
    assert 1_150 <= changes.index(True) + 1 <= 1_200
    assert not brake.holds(APP)


def test_after_it_let_go_it_takes_two_percent_again() -> None:
    brake = Brake()
    now_s = book(brake, 104.0, calls=400)
    now_s = book(brake, 100.0, calls=1_300, since_s=now_s, every_s=0.1)
    assert not brake.holds(APP)
    now_s = book(brake, 102.5, calls=800, since_s=now_s, every_s=0.1)  # 1,600 + 2,000 of 250,000: 1.4 %
    assert not brake.holds(APP)
    book(brake, 110.0, calls=400, since_s=now_s, every_s=0.1)
    assert brake.holds(APP)


def test_old_calls_count_less() -> None:
    """A day later the dear calls count half: as many cheap ones outweigh them twice."""
    dear, cheap = 110.0, 95.0
    quick, slow = Brake(), Brake()
    for brake, pause_s in ((quick, 0.0), (slow, HALF_LIFE_S)):
        now_s = book(brake, dear, calls=600)
        book(brake, cheap, calls=600, since_s=now_s + pause_s, every_s=0.1)
    assert quick.holds(APP)
    assert not slow.holds(APP)


def test_where_hardly_any_call_is_left_it_lets_go() -> None:
    brake = Brake()
    now_s = book(brake, 150.0, calls=300)
    assert brake.holds(APP)
    brake.book(APP, 150.0, 100.0, 100.0, now_s + 3 * HALF_LIFE_S)
    assert not brake.holds(APP)


# --- the shadow -----------------------------------------------------------------------------------------------------------


def shadow(brake: Brake, asked: Prompt, client: list[tuple[int, Ttl]], now_s: float, rules: CacheRules = RULES) -> float:
    tokens = brake.shadow(
        asked.prefix,
        asked.cumulative,
        [Breakpoint(at, ttl) for at, ttl in client],
        now_s=now_s,
        usable_s=now_s + 2,
        minimum=1_000,
        rules=rules,
    )
    return prompt_cost(tokens, RATIOS)


def test_a_client_without_breakpoints_pays_the_plain_price() -> None:
    assert shadow(Brake(), prompt("a", "b"), [], T) == 2_000


def test_a_shadow_is_written_read_and_lost() -> None:
    brake, asked = Brake(), prompt(system("head"), "a")
    assert shadow(brake, asked, [(0, "5m")], T) == 1_250 + 1_000
    assert shadow(brake, asked, [(0, "5m")], T + 1) == 1_250 + 1_000, "the first answer has not begun"
    assert shadow(brake, asked, [(0, "5m")], T + 100) == pytest.approx(100 + 1_000)
    assert shadow(brake, prompt(system("head"), "b"), [(0, "1h")], T + 399) == pytest.approx(100 + 1_000)
    assert shadow(brake, asked, [(0, "1h")], T + 700) == 2_000 + 1_000


def test_the_price_of_a_prompt() -> None:
    tokens = Tokens(input=100, write_5m=1_000, write_1h=10_000, read=100_000, output=7)
    assert prompt_cost(tokens, RATIOS) == pytest.approx(100 + 1_250 + 20_000 + 10_000)
    assert prompt_cost(tokens, Ratios(read=0.025)) == pytest.approx(100 + 1_250 + 20_000 + 2_500)


CALLS = st.lists(
    st.tuples(
        st.lists(st.sampled_from("abc"), min_size=1, max_size=4),
        st.sets(st.integers(0, 3), max_size=3),
        st.integers(0, 3),
        st.sampled_from((0.0, 1.0, 100.0, 299.0, 301.0, 3_601.0)),
    ),
    min_size=1,
    max_size=15,
)


@given(CALLS, st.booleans())
def test_the_shadow_is_the_cache_model_with_the_clients_breakpoints(
    calls: list[tuple[list[str], set[int], int, float]], late_upgrade: bool
) -> None:
    brake, rules, now_s = Brake(), CacheRules(late_upgrade=late_upgrade), T
    held: dict[bytes, Resident] = {}
    for names, spots, hours, gap_s in calls:
        now_s += gap_s
        asked = prompt(*names)
        ats = sorted(at for at in spots if at < len(names))
        client: list[tuple[int, Ttl]] = [(at, "1h" if n < hours else "5m") for n, at in enumerate(ats)]
        expected = forecast(
            asked.prefix,
            asked.cumulative,
            [Breakpoint(at, ttl) for at, ttl in client],
            held,
            now_s=now_s,
            usable_s=now_s + 2,
            cache_min_tokens=1_000,
            rules=rules,
        )
        held |= expected.entries
        assert shadow(brake, asked, client, now_s, rules) == pytest.approx(prompt_cost(expected.tokens, RATIOS))


# --- bounded, kept --------------------------------------------------------------------------------------------------------


def test_accounts_and_shadows_are_bounded() -> None:
    brake = Brake(apps_max=10, shadows_max=20)
    for number in range(1_000):
        brake.book(b"%d" % number, 1.0, 1.0, 1.0, T)
        shadow(brake, prompt(f"{number}"), [(0, "1h")], T)
    assert len(msgspec.msgpack.decode(brake.kept())[0]) <= 10
    assert shadow(brake, prompt("999"), [(0, "1h")], T + 10) == pytest.approx(100)
    assert shadow(brake, prompt("500"), [(0, "1h")], T + 10) == 2_000


def test_a_restart_changes_nothing_for_the_accounts() -> None:
    brake, again = Brake(), Brake()
    now_s = book(brake, 104.0, calls=400)
    book(brake, 90.0, calls=199, app=OTHER)
    again.restore(brake.kept())
    assert (again.holds(APP), again.holds(OTHER)) == ("client", "")
    assert again.kept() == brake.kept()
    for one in (brake, again):
        book(one, 100.0, calls=1_100, since_s=now_s, every_s=0.1)
    assert brake.holds(APP)
    assert again.holds(APP)
    changes = [brake.book(APP, 100.0, 100.0, 100.0, now_s + 120) for _ in range(200)]
    assert [again.book(APP, 100.0, 100.0, 100.0, now_s + 120) for _ in range(200)] == changes
    assert sum(changes) == 1


def test_the_most_recent_accounts_survive_the_next_ones() -> None:
    """Restored into a bounded map, the latest must be the last to go."""
    brake, again = Brake(apps_max=10), Brake(apps_max=10)
    for number in range(10):
        book(brake, 150.0, calls=400, app=b"%d" % number)
    again.restore(brake.kept())
    again.book(b"new", 1.0, 1.0, 1.0, T)
    assert again.holds(b"9")


@pytest.mark.parametrize("data", [b"", b"\x91", msgspec.msgpack.encode({"a": 1}), msgspec.msgpack.encode([[b"a", [1.0]]])])
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        Brake().restore(data)


def test_a_prompt_of_no_tokens_costs_nothing() -> None:
    assert shadow(Brake(), prompt_of([system("empty", 0)]), [(0, "5m")], T) == 0


BILLS = st.builds(Tokens, *[st.integers(0, 5_000)] * 4)


@given(BILLS, BILLS, BILLS)
def test_a_shadow_is_told_in_tokens_as_the_provider_counts(shadow: Tokens, expected: Tokens, billed: Tokens) -> None:
    told = in_billed_tokens(shadow, expected, billed)
    assert told.prompt == billed.prompt
    assert in_billed_tokens(expected, expected, expected) == expected


def test_what_both_forecasts_share_is_taken_from_the_bill() -> None:
    """Estimated 8,000 + 400 + 10, counted 7,507 + 313 + 7: the client would have written for five minutes what we did for an
    hour, and after a lapse all of it."""
    expected, billed = Tokens(input=10, write_1h=400, read=8_000), Tokens(input=7, write_1h=313, read=7_507)
    in_time, lapsed = Tokens(input=10, write_5m=400, read=8_000), Tokens(input=10, write_5m=8_400)
    assert in_billed_tokens(in_time, expected, billed) == Tokens(input=7, write_5m=313, read=7_507)
    assert in_billed_tokens(lapsed, expected, billed) == Tokens(input=7, write_5m=7_820)


# --- young applications, and mode full -----------------------------------------------------------------------------------


def test_applications_too_young_to_be_judged_are_judged_together() -> None:
    """Each user has a system prompt of his own: none of them ever makes two hundred calls."""
    brake = Brake()
    for number in range(300):
        brake.book(b"user %d" % number, 110.0, 100.0, 100.0, T + 10 * number)
    assert brake.holds(b"the next one") == "client"


def test_one_that_has_grown_up_stands_for_itself() -> None:
    brake = Brake()
    book(brake, 130.0, calls=400)
    assert brake.holds(APP) == "client"
    assert brake.holds(b"the next one") == ""


@pytest.mark.parametrize(("may_drop", "verdict"), [(False, ""), (True, "none")])
def test_where_they_may_be_taken_away_no_breakpoints_at_all_are_an_alternative(may_drop: bool, verdict: str) -> None:
    """The client's own cost 120, ours 110, none 100."""
    brake = Brake(may_drop=may_drop)
    for number in range(400):
        brake.book(APP, 110.0, 120.0, 100.0, T + 10 * number)
    assert brake.holds(APP) == verdict


def test_shadows_survive_a_restart() -> None:
    brake, again = Brake(), Brake()
    shadow(brake, prompt("a"), [(0, "1h")], T)
    again.restore(brake.kept())
    assert shadow(again, prompt("a"), [(0, "1h")], T + 10) == pytest.approx(100)

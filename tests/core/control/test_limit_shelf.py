"""The limits of one process: all of a call's or none, for each member, in bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.core.control.test_limits import limit
from thriftgate.core.control.limit_shelf import Caller, Shelf
from thriftgate.core.control.limits import Limit, Needs
from thriftgate.core.control.whose import Whose

ONE = Needs(requests=1, concurrency=1)


def caller(key: str = "k", *tags: str, model: str = "claude-opus-5-5") -> Caller:
    return Caller(key, Whose(tags=tags), model, "anthropic", "")


def shelf_of(*limits: Limit, buckets_max: int = 100) -> Shelf:
    shelf = Shelf(buckets_max)
    shelf.lay(limits)
    return shelf


def takes(shelf: Shelf, who: Caller, needs: Needs = ONE, now_us: int = 0) -> bool:
    return shelf.take(shelf.buckets(who, now_us), needs, now_us) is None


def test_each_member_has_its_own() -> None:
    shelf = shelf_of(Limit("a", "a", "requests", 1, scope=("key=*", "tier=opus")))
    assert [takes(shelf, caller(key)) for key in ("k1", "k1", "k2", "k2")] == [True, False, True, False]
    assert takes(shelf, caller("k1", model="claude-haiku-4-5"))  # it does not count
    assert [one.member for one in shelf.buckets(caller("k1"), 0)] == ["key=k1"]


@given(
    st.lists(
        st.tuples(st.sampled_from(["k1", "k2"]), st.sampled_from([(), ("x",)]), st.integers(1, 4), st.booleans()),
        max_size=60,
    )
)
def test_all_are_taken_or_none(calls: list[tuple[str, tuple[str, ...], int, bool]]) -> None:
    """Against a plain count: nothing is free again, the clock stands."""
    rules = (
        Limit("a", "a", "requests", 9),
        Limit("k", "k", "input_tokens", 12, scope=("key=*",)),
        Limit("x", "x", "concurrency", 2, scope=("tag=x",)),
    )
    shelf = shelf_of(*rules)
    requests, tokens, at_once = 0, {"k1": 0, "k2": 0}, 0
    for key, tags, units, ends in calls:
        fits = requests < 9 and tokens[key] + units <= 12 and (not tags or at_once < 2)
        needs = Needs(requests=1, input_tokens=units, tokens=units, concurrency=1)
        buckets = shelf.buckets(caller(key, *tags), 0)
        assert (shelf.take(buckets, needs, 0) is None) == fits
        if not fits:
            continue
        requests, tokens[key], at_once = requests + 1, tokens[key] + units, at_once + bool(tags)
        if ends:
            shelf.put(buckets, needs._replace(concurrency=0), needs, 0)
            at_once -= bool(tags)


def test_members_that_callers_make_up_do_not_fill_the_memory() -> None:
    shelf = shelf_of(Limit("a", "a", "requests", 2, scope=("tag=*",)), buckets_max=100)
    for number in range(1000):
        assert takes(shelf, caller("k", f"t{number}"))
        assert takes(shelf, caller("k", "used")) == (number < 2)  # who is used is not forgotten
    assert len(shelf) <= 100


def test_calls_under_way_are_never_forgotten_and_leave_nothing() -> None:
    shelf = shelf_of(Limit("a", "a", "concurrency", 1, scope=("tag=*",)), buckets_max=10)
    assert all(takes(shelf, caller("k", f"t{number}")) for number in range(1000))
    assert not any(takes(shelf, caller("k", f"t{number}")) for number in range(1000))
    assert len(shelf) == 1000
    for number in range(1000):
        shelf.put(shelf.buckets(caller("k", f"t{number}"), 0), Needs(), ONE, 0)
    assert all(takes(shelf, caller("k", f"u{number}")) for number in range(1001))
    assert len(shelf) <= 1002


def test_what_was_used_stays_used_when_a_limit_is_changed() -> None:
    shelf = shelf_of(limit(amount=6))
    assert all(takes(shelf, caller()) for _ in range(6))
    shelf.lay([limit(amount=12)])
    assert [takes(shelf, caller()) for _ in range(7)] == [True] * 6 + [False]
    shelf.lay([])
    assert takes(shelf, caller())

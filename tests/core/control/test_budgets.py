"""What a budget says of calls and of itself."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from thriftgate.core.control.budgets import Budget, Stage, Standing, checked, may_fit_later, room_for
from thriftgate.core.errors import InputError

DOLLAR = 10**12
BUDGET = Budget("bud_1", "search", 10 * DOLLAR)
SCOPES = frozenset({"team=search", "key=k1", "model=m", "tag=a", "tag=b"})


def standing(spent: float = 0, held: float = 0, doubt: float = 0, **members: object) -> Standing:
    return Standing(
        replace(BUDGET, **members), "", int(spent * DOLLAR), int(held * DOLLAR), int(doubt * DOLLAR), since_us=0, until_us=1
    )


@pytest.mark.parametrize(
    ("scope", "member"),
    [
        ((), ""),
        (("team=search",), ""),
        (("team=search", "model=m"), ""),
        (("team=sales",), None),
        (("key=*",), "key=k1"),
        (("key=*", "model=*"), "key=k1,model=m"),
        (("user=*",), None),
        (("tag=*",), "tag=a"),
        (("tag=b",), ""),
    ],
)
def test_which_calls_count(scope: tuple[str, ...], member: str | None) -> None:
    assert replace(BUDGET, scope=scope).member(SCOPES) == member


def test_room_is_what_is_neither_spent_nor_held_nor_in_doubt() -> None:
    one = standing(spent=4, held=3, doubt=1)
    assert one.left_pico == 2 * DOLLAR
    assert room_for(one, 2 * DOLLAR) == ""
    assert room_for(one, 2 * DOLLAR + 1).startswith(
        "budget search: $4 of $10 is spent, $3 is held by calls under way, $1 is in doubt; this call could cost up to $2.0"
    )
    assert may_fit_later(one, 5 * DOLLAR)
    assert not may_fit_later(one, 5 * DOLLAR + 1)
    assert room_for(standing(spent=40, hard=False), DOLLAR) == ""


def test_stages_are_reached_by_what_is_spent_or_in_doubt() -> None:
    stages = (
        Stage(50),
        Stage(80, "cheaper", "small"),
        Stage(90, "cheaper", "tiny"),
        Stage(95, "batch"),
        Stage(100, "refuse"),
    )
    for spent, top, acts in (
        (4.9, None, ()),
        (5, stages[0], ()),
        (8, stages[1], (stages[1],)),
        (9.5, stages[3], (stages[2], stages[3])),
        (20, stages[4], (stages[2], stages[3], stages[4])),
    ):
        one = standing(spent=spent - 1, doubt=1, held=50, stages=stages)
        assert (one.stage, one.acts) == (top, acts)
    assert standing(spent=5).percent == 50


def test_a_budget_is_put_in_order() -> None:
    found = checked(
        replace(BUDGET, name=" a ", scope=("team=x", "key=*", "team=x"), stages=(Stage(90), Stage(50), Stage(90))),
        zones=("UTC",),
        models=(),
    )
    assert (found.name, found.scope, found.stages) == ("a", ("key=*", "team=x"), (Stage(50), Stage(90)))


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"name": " "}, "printable"),
        ({"name": "a\nb"}, "printable"),
        ({"limit_pico": 0}, "above zero"),
        ({"window": "year"}, "window"),
        ({"zone": "Mars"}, "no time zone 'Mars'"),
        ({"scope": ("team",)}, "kind=value"),
        ({"scope": ("colour=red",)}, "kinds: org"),
        ({"stages": (Stage(0),)}, "1 to 1000 percent"),
        ({"stages": (Stage(5, "cheaper"),)}, "names a model"),
        ({"stages": (Stage(5, "warn", "m"),)}, "names a model"),
        ({"stages": (Stage(5, "cheaper", "x"),)}, "capability table"),
    ],
)
def test_what_is_no_budget(members: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        checked(replace(BUDGET, **members), zones=("UTC",), models=("m",))

"""What is asked, and how the URL says it."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from thriftgate.audit.replay.policies import PINGS
from thriftgate.core.errors import InputError
from thriftgate.core.plan import Policy
from thriftgate.dashboard.whatif.wish import CACHING, Wish, wish_of

NOW = Policy(cache_mode="add")


@pytest.mark.parametrize(
    "wish",
    [
        Wish(),
        Wish(caching="full", pings=True, batch=60, discount=5, calls=250),
        Wish(move=40, model="claude-opus-5-5", to="claude-haiku-5-5"),
    ],
)
def test_there_and_back(wish: Wish) -> None:
    assert wish_of(dict(parse_qsl(wish.query()))) == wish


@pytest.mark.parametrize(
    "query",
    [{"caching": "magic"}, {"batch": "101"}, {"batch": "-1"}, {"batch": "½"}, {"discount": "61"}, {"calls": "0"},
     {"calls": "5001"}],
)  # fmt: skip
def test_what_cannot_be_asked(query: dict[str, str]) -> None:
    with pytest.raises(InputError):
        wish_of(query)


def test_what_asks_nothing() -> None:
    assert not Wish().asks
    assert not Wish(calls=250, move=50, model="a").asks, "to nowhere"
    assert Wish(batch=5).asks
    assert Wish(move=50, model="a", to="b").moves


def test_candidates() -> None:
    assert Wish().candidate(NOW).policy is NOW
    assert Wish(pings=True).candidate(NOW).pings == PINGS
    assert Wish(caching="habit-1h").candidate(NOW).client == "habit-1h"
    for caching in CACHING.keys() - {"now", "habit-5m", "habit-1h"}:
        candidate = Wish(caching=caching).candidate(NOW)
        assert candidate.policy is not None
        assert candidate.policy.levers == (() if caching in ("none", "client") else ("cache.breakpoints",))

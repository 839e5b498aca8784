"""Silences, and the conditions that they and rules are made of."""

from __future__ import annotations

import pytest

from thriftgate.core.alerting.alert import MATCHERS, Sighting, Silence, checked_conditions, rank
from thriftgate.core.errors import InputError

SEEN = Sighting("s", "loop", "a loop", "critical", "my rule", ("key=key_1", "tag=blue", "tag=night", "team=search"))


@pytest.mark.parametrize(
    ("matchers", "covered"),
    [
        (("team=search",), True),
        (("team=sea*",), True),
        (("team=search", "key=key_1"), True),
        (("team=search", "key=key_2"), False),
        (("tag=night",), True),
        (("tag=day",), False),
        (("kind=loop",), True),
        (("rule=my rule",), True),
        (("severity=critical",), True),
        (("severity=info",), False),
        (("user=*",), False),
    ],
)
def test_a_silence_covers_what_meets_all_of_it(matchers: tuple[str, ...], covered: bool) -> None:
    silence = Silence(1, matchers, until_us=100, made_us=0, by="me", why="known")
    assert silence.covers(SEEN, 99) is covered
    assert not silence.covers(SEEN, 100), "it is over"


def test_conditions_are_put_in_order() -> None:
    assert checked_conditions(("team=b", "key=a=1", "team=b"), MATCHERS, "x") == ("key=a=1", "team=b")


@pytest.mark.parametrize("wrong", ["team", "team=", "colour=red", "=x", "team=a\nb", "team=" + "x" * 201])
def test_conditions_that_are_none(wrong: str) -> None:
    with pytest.raises(InputError, match=r"silence: .* is not of the form name=value"):
        checked_conditions((wrong,), MATCHERS, "silence")


def test_severities_have_an_order() -> None:
    assert rank("info") < rank("warning") < rank("critical")

"""What is told over the life of an alert, and what is not."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from thriftgate.core.alerting.alert import Alert, Sighting, Why
from thriftgate.core.alerting.life import Habits, sighted, unsighted, wait_us

MINUTE, HOUR = 60_000_000, 3_600_000_000
START = 1_795_262_400_000_000
HABITS = Habits(worse_factor=2.0, again_us=24 * HOUR, resolve_us=15 * MINUTE, flap_us=6 * HOUR)


def sighting(**members: Any) -> Sighting:
    values: dict[str, Any] = {"signature": "s", "kind": "loop", "sentence": "a loop", "level": 1.0}
    return Sighting(**values | members)


class Life:
    """One alert, and what was told of it when."""

    def __init__(self) -> None:
        self.alert: Alert | None = None
        self.told: list[tuple[int, Why]] = []

    def see(self, at_us: int, *, silenced: bool = False, **members: Any) -> Why | None:
        known = self.alert
        if known is not None and known.state == "resolved" and known.closed_us < START + at_us - HABITS.flap_us:
            known = None  # as the books have it: an old one is left alone
        self.alert, why = sighted(known, sighting(**members), HABITS, START + at_us, silenced=silenced)
        return self._note(at_us, why)

    def look(self, at_us: int, *, silenced: bool = False) -> Why | None:
        assert self.alert is not None
        over = unsighted(self.alert, HABITS, START + at_us, silenced=silenced)
        if over is None:
            return None
        self.alert = over[0]
        return self._note(at_us, over[1])

    def _note(self, at_us: int, why: Why | None) -> Why | None:
        if why is not None:
            self.told.append((at_us, why))
        return why

    def state(self) -> str:
        return self.now.state

    @property
    def now(self) -> Alert:
        assert self.alert is not None
        return self.alert


def test_it_is_told_once_and_once_that_it_is_over() -> None:
    life = Life()
    for minute in range(30):
        life.see(minute * MINUTE)
        assert life.look(minute * MINUTE) is None
    assert life.look(29 * MINUTE + 15 * MINUTE - 1) is None
    assert life.look(44 * MINUTE) == "resolved"
    assert life.look(60 * MINUTE) is None
    assert [why for _, why in life.told] == ["opened", "resolved"]
    assert (life.now.state, life.now.count, life.now.closed_us) == ("resolved", 30, START + 44 * MINUTE)
    assert (life.now.opened_us, life.now.since_us) == (START, START)


def test_it_is_told_again_when_it_is_twice_as_bad_or_of_higher_severity() -> None:
    life = Life()
    assert life.see(0, level=1.5) == "opened"
    assert life.see(1, level=2.9) is None
    assert life.see(2, level=3.0) == "worse"
    assert life.see(3, level=5.9) is None
    assert life.see(4, level=1.0) is None
    assert life.see(5, level=4.0) is None, "worse than what was told, that is 3.0"
    assert life.see(6, severity="critical") == "worse"
    assert life.see(7, severity="critical") is None


def test_what_still_stands_is_told_after_a_quiet_time() -> None:
    life = Life()
    life.see(0)
    assert life.see(24 * HOUR - 1) is None
    assert life.see(24 * HOUR) == "again"
    assert life.see(24 * HOUR + 1) is None


def test_acknowledged_it_is_told_when_it_gets_worse_and_when_it_is_over() -> None:
    life = Life()
    life.see(0)
    life.alert = replace(life.now, state="acknowledged", by="ada")
    assert life.see(48 * HOUR) is None
    assert life.now.state == "acknowledged"
    assert life.see(49 * HOUR, level=2.0) == "worse"
    assert life.look(60 * HOUR) == "resolved"
    assert life.see(61 * HOUR) == "opened", "what comes back has been acknowledged by nobody"
    assert (life.now.state, life.now.by) == ("open", "")


def test_silenced_from_the_first_it_is_told_once_the_silence_ends() -> None:
    life = Life()
    assert life.see(0, silenced=True) is None
    assert life.state() == "silenced"
    assert life.see(HOUR, silenced=True, level=100.0) is None
    assert life.see(2 * HOUR) == "opened"
    assert life.state() == "open"


def test_silenced_it_ends_without_a_word() -> None:
    life = Life()
    life.see(0, silenced=True)
    assert life.look(HOUR, silenced=True) is None
    assert life.now.state == "resolved"
    life = Life()
    life.see(0)
    life.see(1, silenced=True)
    assert life.look(HOUR, silenced=True) is None
    assert [why for _, why in life.told] == ["opened"]


def test_it_lasts_as_long_as_it_is_known_to() -> None:
    life = Life()
    life.see(0, until_us=START + 10 * HOUR)
    assert life.look(10 * HOUR - 1) is None
    assert life.look(10 * HOUR) == "resolved"


def test_flapping_is_told_ever_less() -> None:
    """Ten hours of twenty minutes on, twenty minutes off: thirty messages undamped."""
    life = Life()
    for minute in range(600):
        if minute // 20 % 2 == 0:
            life.see(minute * MINUTE)
        elif life.now.state != "resolved":
            life.look(minute * MINUTE)
    assert [why for _, why in life.told] == ["opened", "resolved", "opened"]
    assert life.now.flaps == 1
    assert wait_us(life.now, HABITS) == 30 * MINUTE


def test_how_long_it_must_stay_away_is_bounded() -> None:
    life = Life()
    at = 0
    for _ in range(20):
        life.see(at)
        at += wait_us(life.now, HABITS)
        assert life.look(at) == "resolved"
        at += MINUTE
    assert wait_us(life.now, HABITS) == 16 * 15 * MINUTE


def test_what_comes_back_much_later_is_another_alert() -> None:
    life = Life()
    life.see(0)
    life.look(HOUR)
    assert life.see(HOUR + HABITS.flap_us + 1) == "opened"
    assert (life.now.flaps, life.now.count) == (0, 1)


def test_a_clock_that_was_put_back_silences_nothing_for_long() -> None:
    life = Life()
    life.see(365 * 24 * HOUR)
    assert life.see(0) is None
    assert life.now.seen_us == START
    assert life.look(15 * MINUTE) == "resolved"
    life = Life()
    life.see(365 * 24 * HOUR)
    life.see(0)
    assert life.see(24 * HOUR) == "again"


def test_texts_are_bounded() -> None:
    life = Life()
    life.see(0, sentence="x" * 10_000, evidence=("y" * 10_000,) * 100, labels=tuple(f"tag={n}" for n in range(1000)))
    assert (len(life.now.sentence), len(life.now.evidence), len(life.now.evidence[0])) == (500, 8, 500)
    assert len(life.now.labels) == 12


@given(st.lists(st.tuples(st.integers(1, 3 * HOUR), st.booleans(), st.booleans(), st.floats(0.1, 100)), max_size=60))
def test_nothing_is_told_twice_in_a_row_without_cause(steps: list[tuple[int, bool, bool, float]]) -> None:
    """Over any life: it opens before it resolves, and between two messages of the same kind there was a cause."""
    life, at, last_level = Life(), 0, 0.0
    for gap, present, silenced, level in steps:
        at += gap
        before = life.alert
        why = life.see(at, silenced=silenced, level=level) if present else None
        if not present and life.alert is not None:
            why = life.look(at, silenced=silenced)
        if silenced:
            assert why is None
        if why == "opened":
            assert before is None or before.state in ("resolved", "silenced")
        if why == "worse":
            assert level >= 2 * last_level
        if why == "resolved":
            assert before is not None
            assert before.state != "resolved"
            assert before.told_us
        if why in ("opened", "worse", "again"):
            last_level = level

"""Who is alive, as told by numbers that count up."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.postgres_books import fresh_books
from thriftgate.ledger import heartbeats
from thriftgate.ledger.heartbeats import BEAT_S, DEAD_S, FORGOTTEN_S, Heartbeats
from thriftgate.ledger.postgres import PostgresConnection, connected


class Watch:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def __call__(self) -> float:
        return self.at_s


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Heartbeats]:
    """Processes that beat only when told."""
    monkeypatch.setattr(heartbeats, "BEAT_S", 3600.0)
    url = fresh_books()

    def begun(token: str, watch: Watch) -> Heartbeats:
        return Heartbeats(token, lambda: connected(url), watch)

    return begun


def quiet(beats: Heartbeats) -> None:
    """End it as a killed process ends."""
    beats._closing.set()
    beats._thread.join()
    assert isinstance(beats._line, PostgresConnection)
    beats._line.close()


def test_a_process_that_beats_is_alive_and_one_that_stopped_is_dead_after_a_while(begin: Callable[..., Heartbeats]) -> None:
    watch = Watch()
    mine, other = begin("mine", watch), begin("other", watch)
    mine.beat()
    assert mine.is_alive("mine")
    assert mine.is_alive("other")
    for _ in range(10):
        watch.at_s += BEAT_S
        other.beat()
        mine.beat()
        assert mine.is_alive("other")
    quiet(other)
    for _ in range(int(DEAD_S / BEAT_S) - 1):
        watch.at_s += BEAT_S
        mine.beat()
        assert mine.is_alive("other")
    watch.at_s += BEAT_S
    mine.beat()
    assert not mine.is_alive("other")
    mine.close()


def test_one_that_began_since_the_last_look_is_not_dead(begin: Callable[..., Heartbeats]) -> None:
    """Its calls must not be taken for those of a killed process."""
    mine = begin("mine", Watch())
    other = begin("other", Watch())
    for name in ("other", "nobody"):
        assert mine.is_alive(name)
        assert mine.in_doubt(name)
    mine.beat()
    assert mine.is_alive("other")
    assert not mine.is_alive("nobody")
    assert not mine.in_doubt("nobody")
    other.close()
    mine.beat()
    assert not mine.is_alive("other")
    mine.close()


def test_what_was_never_seen_to_beat_is_in_doubt_until_it_was_watched(begin: Callable[..., Heartbeats]) -> None:
    watch = Watch()
    living, killed = begin("living", watch), begin("killed", watch)
    quiet(killed)
    mine = begin("mine", watch)  # as of a process that was killed and is started again
    assert mine.is_alive("living")
    assert mine.is_alive("killed")
    assert mine.in_doubt("living")
    assert mine.in_doubt("killed")
    assert not mine.in_doubt("mine")
    living.beat()
    watch.at_s += DEAD_S
    mine.beat()
    assert mine.is_alive("living")
    assert not mine.in_doubt("living")
    assert not mine.is_alive("killed")
    assert not mine.in_doubt("killed")
    living.close()
    mine.close()


def test_one_that_ended_well_is_gone_at_once(begin: Callable[..., Heartbeats]) -> None:
    watch = Watch()
    mine, other = begin("mine", watch), begin("other", watch)
    mine.beat()
    assert mine.is_alive("other")
    other.close()
    mine.beat()
    assert not mine.is_alive("other")
    assert not mine.is_alive("")
    mine.close()


def test_time_in_which_nobody_could_watch_kills_nobody(begin: Callable[..., Heartbeats]) -> None:
    watch = Watch()
    mine, other = begin("mine", watch), begin("other", watch)
    mine.beat()
    mine._looked_s = None  # as after a beat that failed
    watch.at_s += 10 * DEAD_S
    mine.beat()
    assert mine.is_alive("other")
    watch.at_s += DEAD_S
    mine.beat()
    assert not mine.is_alive("other")
    quiet(other)
    mine.close()


def test_the_long_dead_are_forgotten(begin: Callable[..., Heartbeats]) -> None:
    watch = Watch()
    mine, other = begin("mine", watch), begin("other", watch)
    quiet(other)
    mine.beat()
    watch.at_s += FORGOTTEN_S + 1
    mine.beat()
    mine.beat()
    assert "other" not in mine._seen
    mine.close()

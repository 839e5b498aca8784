"""Loops by their signature."""

from __future__ import annotations

from random import Random

import msgspec

from thriftgate.core.anomalies.call import Call
from thriftgate.core.anomalies.streaks import ALIKE_LEAST, CALLS_LEAST, PAUSE_S, RUNS_MAX, KeptStreaks, Streaks


def calls(run: str, prompts: list[int], *, at_s: float = 0.0, every_s: float = 5.0, key: str = "k") -> list[Call]:
    return [Call(at_s + n * every_s, key, "t", "m", 10, plain=prompt, run=run) for n, prompt in enumerate(prompts)]


def first(streaks: Streaks, made: list[Call]) -> int | None:
    """After how many calls it is a loop."""
    return next((number for number, call in enumerate(made, 1) if streaks.see(call)), None)


def test_the_same_prompt_again_and_again() -> None:
    assert first(Streaks(), calls("r", [20_000 + n for n in range(500)])) == ALIKE_LEAST


def test_a_prompt_that_grows_needs_longer() -> None:
    assert first(Streaks(), calls("r", [9_000 + 300 * n for n in range(500)])) == CALLS_LEAST


def test_a_pause_or_a_shorter_prompt_begins_anew() -> None:
    streaks = Streaks()
    for part in range(40):
        assert first(streaks, calls("r", [9_000] * 30, at_s=part * (30 * 5 + PAUSE_S + 1))) is None
    compacted = [9_000 + 900 * (n % 80) for n in range(2_000)]
    assert first(Streaks(), calls("r", compacted)) is None


def test_a_key_is_held_against_its_own_past() -> None:
    streaks, random = Streaks(), Random(1)
    for session in range(15):
        growing = [9_000 + 700 * n + random.randrange(600) for n in range(240)]
        assert first(streaks, calls(f"s{session}", growing, at_s=session * 1e5)) is None
        streaks.see(calls(f"s{session}", [10], at_s=session * 1e5 + 9e4)[0])
    assert streaks.longest("k") == 240
    assert first(streaks, calls("loop", [9_000 + 700 * n for n in range(900)], at_s=2e6)) == 480
    assert streaks.longest("unknown") == 240
    streaks.turn()
    assert streaks.longest("k") == 240
    streaks.turn()
    assert streaks.longest("k") == 0


def test_it_goes_on_where_it_was_put_down_and_stays_bounded() -> None:
    made = calls("r", [5_000] * ALIKE_LEAST)
    streaks, again = Streaks(), Streaks()
    assert first(streaks, made[:40]) is None
    data = msgspec.msgpack.encode(streaks.kept(100))
    again.restore(msgspec.msgpack.decode(data, type=KeptStreaks))
    assert first(again, made[40:]) == 20
    for number in range(2 * RUNS_MAX):
        streaks.see(calls(str(number), [1])[0])
    assert len(streaks.kept(10**6).runs) <= RUNS_MAX
    assert streaks.at(("k", "t", "r")) is None

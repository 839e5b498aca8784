"""What single bills tell. That whole worlds are told apart is shown in tests/laws against the simulator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.core.planning import prefix_of, request_of
from thriftgate.core.beliefs import Beliefs, minimum
from thriftgate.core.cache import Breakpoint, Resident
from thriftgate.core.evidence import Evidence, Lesson, Worlds
from thriftgate.core.prefix import Prefix
from thriftgate.core.request import Ttl
from thriftgate.core.usage import Tokens

NOW = 10_000.0
MODEL = "claude-x"


def prompt(*names: str) -> Prefix:
    content: list[dict[str, Any]] = [{"type": "text", "text": name} for name in names]
    return prefix_of(request_of(messages=[{"role": "user", "content": content}]))


THREE = prompt("a", "b", "c")


def entry(ttl: Ttl, *, age_s: float) -> Resident:
    start = NOW - age_s
    return Resident(ttl, start, start + (3_600 if ttl == "1h" else 300))


def learned(
    worlds: Worlds,
    marks: Sequence[tuple[int, Ttl]],
    billed: Tokens,
    residency: dict[bytes, Resident] | None = None,
    *,
    beliefs: Beliefs | None = None,
    now_s: float = NOW,
    prefix: Prefix = THREE,
    minimum_tokens: int = 1_024,
    split: bool = True,
) -> Lesson:
    """A prompt of 10,000 tokens a block."""
    evidence = Evidence(
        prefix=prefix,
        cumulative=[10_000 * (at + 1) for at in range(len(prefix.blocks))],
        breakpoints=[Breakpoint(at, ttl) for at, ttl in marks],
        residency=residency or {},
        billed=billed,
        now_s=now_s,
        usable_s=now_s,
        cache_min_tokens=minimum_tokens,
        split=split,
    )
    return worlds.learn(evidence, beliefs or Beliefs(), MODEL)


def test_without_a_breakpoint_nothing_is_learned() -> None:
    assert learned(Worlds(), [], Tokens(input=30_000)) == Lesson(Beliefs(), (), {}, ())


def test_a_bill_as_forecast_says_what_is_held_now() -> None:
    lesson = learned(Worlds(), [(2, "5m")], Tokens(write_5m=30_000))
    assert set(lesson.entries) == {THREE.chain[2]}
    assert (lesson.gone, lesson.warnings) == ((), ())


def test_evicted_entries_go_and_what_was_written_instead_is_held() -> None:
    held = {THREE.chain[0]: entry("1h", age_s=100), THREE.chain[1]: entry("1h", age_s=100)}
    lesson = learned(Worlds(), [(0, "1h"), (2, "1h")], Tokens(read=10_000, write_1h=20_000), held)
    assert lesson.gone == (THREE.chain[1],)
    assert set(lesson.entries) == {THREE.chain[0], THREE.chain[2]}
    assert lesson.beliefs.assumes("late_upgrade")
    nothing = learned(Worlds(), [(0, "1h"), (2, "1h")], Tokens(write_1h=30_000), held)
    assert set(nothing.gone) == set(held)


def test_an_entry_of_somebody_else_is_held_from_now_on() -> None:
    lesson = learned(Worlds(), [(2, "5m")], Tokens(read=20_000, write_5m=10_000))
    assert set(lesson.entries) == {THREE.chain[1], THREE.chain[2]}
    assert lesson.entries[THREE.chain[1]].expires_s == NOW + 300


def test_where_others_write_too_a_deep_read_is_no_proof() -> None:
    """A 5m entry with an hour marker on it is read after ten minutes: proof that it was upgraded, but for others."""

    def upgraded(worlds: Worlds) -> Lesson:
        held = {THREE.chain[2]: entry("5m", age_s=30)}
        first = learned(worlds, [(2, "1h")], Tokens(read=30_000), held)
        held |= first.entries
        return learned(worlds, [(2, "1h")], Tokens(read=30_000), held, beliefs=first.beliefs, now_s=NOW + 600)

    assert upgraded(Worlds()).beliefs.assumes("in_place_upgrade")
    worlds, other = Worlds(), prompt("x", "y")
    learned(worlds, [(1, "5m")], Tokens(write_5m=20_000), prefix=other)
    learned(worlds, [(1, "5m")], Tokens(read=20_000), prefix=other, now_s=NOW + 1_000)  # long expired, and yet there
    assert not upgraded(worlds).beliefs.assumes("in_place_upgrade")


def test_an_hour_that_is_billed_as_five_minutes() -> None:
    lesson = learned(Worlds(), [(2, "1h")], Tokens(write_5m=30_000))
    assert lesson.beliefs.hour_granted.verdict == "fails"
    assert lesson.entries[THREE.chain[2]].expires_s == NOW + 300
    assert "five-minute" in lesson.warnings[0]
    unsplit = learned(Worlds(), [(2, "1h")], Tokens(write_5m=30_000), split=False)
    assert unsplit.beliefs == Beliefs()
    assert learned(Worlds(), [(2, "1h")], Tokens(write_1h=30_000)).beliefs.hour_granted.verdict == "holds"


def test_nothing_cached_at_all_raises_the_minimum_unless_the_estimate_is_too_near() -> None:
    worlds, beliefs = Worlds(), Beliefs()
    for _ in range(2):
        beliefs = learned(worlds, [(0, "5m")], Tokens(input=30_000), beliefs=beliefs, minimum_tokens=8_192).beliefs
    assert minimum(beliefs, 8_192) == 10_001
    near = Beliefs()
    for _ in range(3):
        near = learned(worlds, [(0, "5m")], Tokens(input=30_000), beliefs=near, minimum_tokens=9_800).beliefs
    assert near == Beliefs()


def test_a_bill_that_is_far_from_any_boundary_teaches_nothing() -> None:
    held = {THREE.chain[1]: entry("1h", age_s=100)}
    lesson = learned(Worlds(), [(2, "1h")], Tokens(read=15_000, write_1h=15_000), held)
    assert lesson.beliefs.late_upgrade == Beliefs().late_upgrade
    assert lesson.warnings == ()

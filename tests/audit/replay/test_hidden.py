"""Who must have written what a later call reads."""

from __future__ import annotations

from thriftgate.audit.replay.hidden import RECENT_MAX, STEPS_KEPT, Step, hidden_marks

SCOPE = ("acme", "claude-opus-4-8")


def step(call: int, thread: str, at_s: float, read: int, cached: int, *, hour: int = 0) -> Step:
    return Step(call, SCOPE, (thread, "", "False") if thread else (), at_s, read, max(hour, read), cached)


def test_a_compacted_conversation_reads_its_own_head() -> None:
    steps = [step(0, "a", 0, 0, 25_000), step(1, "a", 60, 25_000, 90_000), step(2, "a", 120, 20_000, 24_000)]
    assert hidden_marks(steps) == {0: [20_000]}


def test_what_was_written_anew_was_marked_anew() -> None:
    steps = [step(0, "a", 0, 0, 25_000), step(1, "a", 900, 0, 60_000), step(2, "a", 960, 20_000, 24_000)]
    assert hidden_marks(steps) == {1: [20_000]}


def test_what_a_bill_shows_is_not_hidden() -> None:
    steps = [
        step(0, "a", 0, 0, 25_000, hour=20_000),
        step(1, "b", 60, 20_000, 31_000),
        step(2, "a", 90, 25_000, 40_000),
    ]
    assert hidden_marks(steps) == {}


def test_a_new_conversation_reads_the_head_of_another() -> None:
    steps = [step(0, "a", 0, 0, 25_000), step(1, "b", 60, 20_000, 31_000), step(2, "c", 200, 20_000, 22_000)]
    assert hidden_marks(steps) == {0: [20_000]}


def test_the_same_session_comes_first() -> None:
    agent = Step(2, SCOPE, ("s", "agent-2", "False"), 20.0, 6_000, 6_000, 9_000)
    steps = [Step(0, SCOPE, ("s", "agent-1", "False"), 0.0, 0, 0, 8_000), step(1, "t", 10, 0, 25_000), agent]
    assert hidden_marks(steps) == {0: [6_000]}


def test_nobody_wrote_what_has_expired_or_is_too_short_or_elsewhere() -> None:
    reader = step(9, "b", 400, 20_000, 31_000)
    assert hidden_marks([step(0, "a", 0, 0, 25_000), reader]) == {}
    assert hidden_marks([step(0, "a", 0, 0, 25_000, hour=25_000), reader]) == {0: [20_000]}
    assert hidden_marks([step(0, "a", 300, 0, 15_000), reader]) == {}
    assert hidden_marks([step(0, "a", 300, 0, 25_000)._replace(scope=("rival", "m")), reader]) == {}


def test_who_read_nothing_while_it_was_live_has_another_head() -> None:
    steps = [
        step(0, "a", 0, 0, 25_000),
        step(1, "b", 60, 20_000, 31_000),  # so a has marked 20,000
        step(2, "c", 70, 0, 40_000),  # and c does not begin like that
        step(3, "d", 380, 20_000, 22_000),
    ]
    assert hidden_marks(steps) == {0: [20_000]}


def test_calls_without_a_session() -> None:
    steps = [step(0, "", 0, 0, 25_000), step(1, "", 60, 20_000, 31_000), step(2, "", 70, 31_000, 33_000)]
    assert hidden_marks(steps) == {0: [20_000]}


def test_calls_that_cache_nothing_are_passed_over() -> None:
    assert hidden_marks([step(0, "a", 0, 0, 0), step(1, "b", 9, 0, 0)]) == {}


def test_long_conversations_keep_their_beginning() -> None:
    calls = 5 * STEPS_KEPT
    steps = [step(at, "a", 10.0 * at, 25_000 + 100 * at if at else 0, 25_100 + 100 * at) for at in range(calls)]
    assert hidden_marks([*steps, step(calls, "a", 10.0 * calls, 20_000, 21_000)]) == {0: [20_000]}


def test_busy_workspaces_are_searched_only_so_far() -> None:
    begun = [step(at, f"s{at}", at / 10, 0, 25_000 if at == 0 else 15_000) for at in range(RECENT_MAX + 1)]
    reader = step(999, "late", 100, 20_000, 31_000)
    assert hidden_marks([*begun[:RECENT_MAX], reader]) == {0: [20_000]}
    assert hidden_marks([*begun, reader]) == {}

"""The account of a conversation: what it has cost, how it grows, what leaving out has brought."""

from __future__ import annotations

import msgspec
import pytest

from thriftgate.engine.talks import PATIENCE_TURNS, PATIENCE_TURNS_MAX, Talk, Talks


def test_the_latest_request_counts() -> None:
    talks = Talks()
    talks.note(b"one", Talk(b"one", turns=1))
    talks.note(b"three", Talk(b"one", turns=2))
    assert talks.before([b"one", b"two", b"three", b"four"]).turns == 2
    assert talks.before([b"one", b"two", b"other"]).turns == 1
    assert talks.before([b"new"]) == Talk(b"new")
    assert talks.knows(b"three")
    assert not talks.knows(b"two")


def test_a_request_is_not_its_own_past() -> None:
    """Many conversations begin with the same words."""
    talks = Talks()
    for _ in range(3):
        talk = talks.before([b"hello"])
        assert talk == Talk(b"hello")
        talks.note(b"hello", talk.went_on(10, 100, 0))


def test_the_second_way_on_is_a_conversation_of_its_own() -> None:
    talks = Talks()
    talks.note(b"hello", Talk(b"hello").went_on(10, 100, 0))
    assert [talks.before([b"hello", way]).name for way in (b"a", b"b", b"a")] == [b"hello", b"b", b"hello"]
    assert talks.before([b"hello", b"b"]).spent_pico == 100


def test_turns_add_up() -> None:
    talk = Talk(b"one").went_on(1_000, 50, 0).went_on(1_700, 30, -5).went_on(900, 20, 8)
    assert (talk.turns, talk.tokens, talk.gained, talk.grew) == (3, 900, 700, 1)  # shorter: something was left out
    assert (talk.spent_pico, talk.regret_pico) == (100, 3)


def test_a_summary_is_paid_for_by_leaving_out() -> None:
    talk = Talk(b"one", turns=9, spent_pico=1_000, regret_pico=-70).summed_up(40, well=True)
    assert (talk.spent_pico, talk.regret_pico, talk.turns, talk.failed) == (1_040, -30, 9, 0)


def test_patience_grows_with_each_failure_and_ends_with_a_success() -> None:
    talk, waits = Talk(b"one", turns=9), []
    for _ in range(8):
        talk = talk.summed_up(5, well=False)
        waits.append(talk.patient_until - talk.turns - 2)
    assert waits[:4] == [PATIENCE_TURNS, 2 * PATIENCE_TURNS, 4 * PATIENCE_TURNS, 8 * PATIENCE_TURNS]
    assert waits[-1] == PATIENCE_TURNS_MAX
    assert talk.regret_pico == talk.spent_pico == 40
    assert talk.went_on(9, 9, 0).failed == 8
    well = talk.summed_up(5, well=True)
    assert (well.failed, well.patient_until) == (0, 0)


def test_accounts_survive_a_restart() -> None:
    talks = Talks()
    talks.note(b"one", Talk(b"one", 3, 900, 700, 1, 100, 3, 1, 9))
    again = Talks()
    again.restore(talks.kept())
    assert again.before([b"one", b"two"]) == Talk(b"one", 3, 900, 700, 1, 100, 3, 1, 9)
    with pytest.raises(msgspec.MsgspecError):
        again.restore(b"\xc1")


def test_an_account_of_an_older_version_is_read() -> None:
    again = Talks()
    old = {"name": b"one", "turns": 2, "tokens": 1, "gained": 0, "grew": 0, "spent_pico": 5, "regret_pico": 0}
    again.restore(msgspec.msgpack.encode([(b"one", old)]))
    assert again.before([b"one", b"two"]) == Talk(b"one", 2, 1, spent_pico=5)

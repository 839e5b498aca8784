"""Many rules, many members."""

from __future__ import annotations

from datetime import UTC

from tests.core.alerting.test_metrics import seen
from thriftgate.core.alerting import board as board_module
from thriftgate.core.alerting.board import MEMBERS_MAX, Board
from thriftgate.core.alerting.rules import HOUR_US, Rule

ZONES = {"UTC": UTC}
NOW = 1_795_262_400_000_000


def test_each_member_is_judged_by_itself() -> None:
    board = Board([Rule("each", above=10.0, by="key"), Rule("all", above=10.0)], ZONES)
    for key, pico in (("a", 11), ("b", 9), ("b", 1)):
        board.take(seen(at_us=NOW, labels=frozenset({f"key={key}"}), paid_pico=pico))
    assert [(rule.name, member, verdict.met) for rule, member, verdict in board.verdicts(NOW)] == [
        ("each", "key=a", True), ("each", "key=b", False), ("all", "", True),
    ]  # fmt: skip


def test_members_are_bounded_and_the_silent_ones_go_first() -> None:
    board = Board([Rule("each", above=10.0, by="key")], ZONES)
    for number in range(MEMBERS_MAX + 50):
        board.take(seen(at_us=NOW + number, labels=frozenset({f"key={number}"}), paid_pico=11))
    members = {member for _, member, _ in board.verdicts(NOW)}
    assert members == {f"key={number}" for number in range(50, MEMBERS_MAX + 50)}
    assert board_module.MEMBERS_MAX == MEMBERS_MAX


def test_calls_may_be_taken_while_it_judges() -> None:
    board = Board([Rule("each", above=10.0, by="key")], ZONES)
    board.take(seen(at_us=NOW, labels=frozenset({"key=a"}), paid_pico=11))
    for number, _ in enumerate(board.verdicts(NOW)):
        board.take(seen(at_us=NOW, labels=frozenset({f"key={number}"}), paid_pico=11))
    assert len(list(board.verdicts(NOW))) == 2


def test_how_far_back_it_looks() -> None:
    assert Board([], ZONES).looks_back_us == 0
    rules = [Rule("a", above=1.0), Rule("b", above=1.0, over_us=24 * HOUR_US)]
    assert Board(rules, ZONES).looks_back_us == 24 * HOUR_US

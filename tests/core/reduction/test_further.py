import random
from bisect import bisect_right

import msgspec
import pytest

from thriftgate.core.reduction.further import GROWS_FIRST_GUESS, SILENCE_S, STARTS, Further, growth

APP, OTHER = b"app", b"other"


def at_least(further: Further, turn: int, more: int) -> float:
    """The chance of so many more turns after this one."""
    hazards, alive = further.hazards(APP), 1.0
    for number in range(turn, turn + more):
        alive *= 1.0 - hazards[bisect_right(STARTS, number) - 1]
    return alive


def talk(further: Further, app: bytes, name: bytes, turns: int, began_s: float) -> None:
    for turn in range(1, turns + 1):
        further.turn(app, name, turn, began_s + turn)


def taught(app: bytes, lengths: list[int]) -> Further:
    """Conversations of these lengths, a day apart."""
    further = Further()
    for number, turns in enumerate(lengths):
        talk(further, app, str(number).encode(), turns, number * 100.0)
    further.pass_time(len(lengths) * 100.0 + 2 * SILENCE_S)
    return further


def test_before_anything_is_known_long_conversations_go_on() -> None:
    expected = [Further().expected(APP, turn) for turn in (1, 2, 5, 10, 30, 100)]
    assert expected == sorted(expected)
    assert 5 < expected[0] < 10
    assert expected[-1] == pytest.approx(49.0)


def test_the_chance_of_so_many_more_turns() -> None:
    further = Further()
    assert at_least(further, 1, 0) == 1.0
    assert at_least(further, 1, 1) == pytest.approx(2 / 3)
    chances = [at_least(further, 3, more) for more in range(400)]
    assert chances == sorted(chances, reverse=True)
    assert sum(chances[1:]) == pytest.approx(further.expected(APP, 3), rel=0.01)


def test_the_expected_turns_are_the_sum_of_the_chances_from_any_turn() -> None:
    further = taught(APP, [1, 2, 4, 9, 30, 200] * 20)
    for turn in (1, 4, 7, 60, 143, 500):
        total = sum(at_least(further, turn, more) for more in range(1, 600))
        assert further.expected(APP, turn) == pytest.approx(total, rel=0.02)


def test_what_conversations_do_is_learned() -> None:
    assert taught(APP, [1] * 200).expected(APP, 1) < 0.5
    assert taught(APP, [30] * 200).expected(APP, 1) == pytest.approx(29, rel=0.35)


def test_an_application_is_first_taken_for_what_the_others_are() -> None:
    further = taught(OTHER, [1] * 200)
    assert further.expected(APP, 1) < 1.0
    for number in range(100):
        talk(further, APP, b"long %d" % number, 40, 1e6 + number)
    further.pass_time(1e6 + 200 + SILENCE_S)
    assert further.expected(APP, 1) > 5 * further.expected(OTHER, 1)


def test_survival_is_learned_from_random_lengths() -> None:
    rng = random.Random(1)
    lengths = [1 + int(rng.expovariate(1 / 12)) for _ in range(3_000)]
    further = taught(APP, lengths)
    for turn in (1, 5, 20):
        left = [length - turn for length in lengths if length >= turn]
        assert further.expected(APP, turn) == pytest.approx(sum(left) / len(left), rel=0.15)


def test_an_outcome_counts_when_the_silence_is_over() -> None:
    further = Further()
    before = further.expected(APP, 1)
    further.turn(APP, b"a", 1, 0.0)
    further.turn(APP, b"a", 2, 10.0)
    further.pass_time(SILENCE_S - 1)
    assert further.expected(APP, 1) == before
    further.pass_time(SILENCE_S)
    longer = at_least(further, 1, 1)
    assert longer > at_least(Further(), 1, 1)
    further.pass_time(SILENCE_S + 10)
    assert at_least(further, 1, 1) == longer
    assert at_least(further, 2, 1) < at_least(Further(), 2, 1)


def test_what_was_learned_can_be_kept_and_added_up() -> None:
    one, two = taught(APP, [1] * 50), taught(APP, [20] * 50)
    fresh = Further()
    fresh.restore(one.kept())
    assert fresh.expected(APP, 1) == pytest.approx(one.expected(APP, 1))
    fresh.restore(two.kept())
    assert one.expected(APP, 1) < fresh.expected(APP, 1) < two.expected(APP, 1)


def test_nothing_else_is_taken_in() -> None:
    further = taught(APP, [3] * 10)
    before = further.kept()
    wrong = msgspec.msgpack.encode([(APP, (0.0, [1.0], [0.0]))])
    for data in (b"", b"\x01", wrong):
        with pytest.raises(ValueError):  # noqa: PT011  msgspec's errors are such
            further.restore(data)
    assert further.kept() == before


def test_old_traffic_counts_less() -> None:
    further = taught(APP, [1] * 100)
    short = further.expected(APP, 1)
    talk(further, APP, b"later", 2, 40 * 86_400.0)
    further.pass_time(42 * 86_400.0)
    assert further.expected(APP, 1) > 3 * short


def test_growth_is_learned_and_first_guessed() -> None:
    assert growth(0, 0) == GROWS_FIRST_GUESS
    assert growth(100 * 300, 100) == pytest.approx(300, rel=0.25)


def test_ranges_begin_with_the_first_turn() -> None:
    assert STARTS[0] == 1
    assert Further().expected(APP, 1_000) > 0

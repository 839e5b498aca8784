from math import sqrt

import pytest

from thriftgate.core.reduction.waiting import Rest, chance, cycle, waiting

FOREVER = 1.0 - 1e-6
# Tools and system, summary, kept, growth, and the best number of turns at a read price of 0.1, 0.05 and 0.025 of the input.
KINDS = (
    (3_000, 500, 1_200, 450, (15, 21, 29)),
    (4_000, 700, 6_000, 3_000, (9, 13, 18)),
    (15_000, 2_000, 4_000, 700, (24, 33, 45)),
    (15_000, 2_000, 8_000, 2_700, (14, 19, 26)),
)


@pytest.mark.parametrize(("head", "summary", "tail", "grows", "turns"), KINDS)
def test_without_an_end_in_sight_the_cycle_is_the_square_root_rule(
    head: int, summary: int, tail: int, grows: int, turns: tuple[int, ...]
) -> None:
    for read, best in zip((0.1, 0.05, 0.025), turns, strict=True):
        loss = read * (head + summary + tail) + 5 * summary + 1.25 * (summary + tail)
        assert abs(sqrt(2 * loss / (read * grows)) - best) < 0.5
        assert cycle(Rest(FOREVER, read * grows, loss))[1] == best


@pytest.mark.parametrize(("further", "threshold"), [(10, 49_000), (20, 42_000), (50, 39_000)])
def test_the_threshold_of_a_coding_agent_falls_with_the_turns_expected(further: int, threshold: int) -> None:
    """Value iteration gave these for (15,000, 2,000, 4,000, 700) at 0.1."""
    rest = Rest(chance(further), 70.0, 10_000 + 1.25 * 6_000 + 1_500)
    after, _ = cycle(rest)

    def cuts(tokens: int) -> bool:
        return rest.loss + after < waiting(0.1 * (tokens - 21_000), rest, after)[0]

    found = next(tokens for tokens in range(21_000, 100_000, 100) if cuts(tokens))
    assert found == pytest.approx(threshold, rel=0.06)


def brute(rest: Rest, turns: int) -> float:
    """The sum itself, of a conversation that is cut every so many turns."""
    total, lives, since = 0.0, 1.0, 0
    for _ in range(20_000):
        lives *= rest.again
        since += 1
        total += lives * since * rest.grows
        if since == turns:
            total, since = total + lives * rest.loss, 0
    return total


def test_the_closed_form_is_the_sum() -> None:
    for rest in (Rest(0.9, 70.0, 1_000.0), Rest(0.99, 7.0, 19_000.0), Rest(0.5, 100.0, 10.0)):
        cost, turns = cycle(rest)
        assert cost == pytest.approx(brute(rest, turns))
        assert cost <= min(brute(rest, max(1, turns - 1)), brute(rest, turns + 1)) * (1 + 1e-9)


def test_waiting_is_the_sum_at_the_best_turn() -> None:
    rest = Rest(0.95, 70.0, 5_000.0)
    after, _ = cycle(rest)

    def cut_in(turns: int) -> float:
        sent = sum(rest.again**at * (200.0 + at * rest.grows) for at in range(1, turns + 1))
        return sent + rest.again**turns * (rest.loss + after)

    cost, turns = waiting(200.0, rest, after)
    assert cost == pytest.approx(cut_in(turns))
    assert cost <= min(cut_in(at) for at in range(1, 200)) * (1 + 1e-9)


def test_who_expects_no_turn_waits_for_nothing() -> None:
    assert waiting(1_000.0, Rest(chance(0.0), 70.0, 100.0), 0.0) == (0.0, 0)
    assert cycle(Rest(0.0, 70.0, 100.0))[0] == 0.0
    assert chance(-1.0) == 0.0


def test_a_prompt_that_does_not_grow_is_cut_now_or_never() -> None:
    rest = Rest(0.9, 0.0, 1_000.0)
    assert cycle(rest)[0] == 0.0
    cost, turns = waiting(200.0, rest, 0.0)
    assert turns == 1
    assert cost == pytest.approx(0.9 * 1_200.0)
    cost, turns = waiting(50.0, rest, 0.0)
    assert turns == 0
    assert cost == pytest.approx(0.9 * 50.0 / 0.1)


def test_a_cut_that_costs_too_much_is_never_made() -> None:
    rest = Rest(0.5, 1.0, 1e9)
    after, _ = cycle(rest)
    cost, turns = waiting(10.0, rest, after)
    assert turns == 0
    assert cost == pytest.approx(0.5 * (10.0 / 0.5 + 1.0 / 0.25))

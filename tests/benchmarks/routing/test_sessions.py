"""The conversations of the benchmark: their exact optimum, the ways to serve them, the short form of the whole."""

from __future__ import annotations

from itertools import product

import msgspec
import pytest
from benchmarks.routing.session_cells import grid, studied, today
from benchmarks.routing.session_world import TURNS_MAX, Cell, Costs, Exact, Law, Pair, Session
from benchmarks.routing.session_world import sessions as drawn

from benchmarks.routing import session_play as play
from benchmarks.routing import session_tries, sessions

WIDE, _, CLOSE = studied()
AGENT = Cell(WIDE, 300, 30.0, 8.0, 20_000)


def test_the_grid_is_whole() -> None:
    cells = grid()
    assert len(cells) == 7 * 2 * 3 * 2 * 5
    assert {cell.pair.name for cell in cells} >= {"opus-5-5 > haiku-5-5", "5/25 > 1/5"}
    assert list(today()[-1].ratios) == pytest.approx([1.0, 1 / 1.3])


@pytest.mark.parametrize("law", ["exponential", "even", "heavy"])
def test_gaps_follow_their_law(law: Law) -> None:
    cell = Cell(WIDE, 3600, 120.0, 8.0, 3_000, law=law)
    chances = cell.gaps()
    assert float(chances.sum()) == pytest.approx(1.0)
    assert len(chances) == cell.life + 1
    assert float(chances[-1]) == pytest.approx(1 - cell.within(3600.0), abs=0.01)
    assert cell.within(600.0) >= cell.within(60.0)


def test_conversations_have_the_lengths_and_easy_turns_of_the_cell() -> None:
    found = drawn(AGENT, 2_000, 1)
    assert found == drawn(AGENT, 2_000, 1) != drawn(AGENT, 2_000, 2)
    turns = [len(one.easy) for one in found]
    assert sum(turns) / 2_000 == pytest.approx(8.0, rel=0.03)
    assert sum(map(sum, (one.easy for one in found))) / sum(turns) == pytest.approx(0.6, abs=0.001)
    assert all(len(one.gaps) == len(one.easy) - 1 for one in found)
    assert {len(one.easy) for one in drawn(Cell(WIDE, 300, 30.0, 1.0, 3_000), 10, 1)} == {1}


def test_no_plan_beats_the_optimum() -> None:
    """Every sequence of choices for the first six of turns that are all easy and come at even gaps: nothing is left to
    chance but the end, so the optimum is the best of them, and what follows."""
    cell = Cell(CLOSE, 300, 150.0, 2.0, 4_000, easy=1.0, law="even")
    costs = Costs(cell)
    prices = {}
    for plan in product((False, True), repeat=6):
        costs_so_far = [
            play.cost(cell, costs, Session([True] * turns, [10] * (turns - 1)), lambda now, plan=plan: plan[now.turn])  # type: ignore[misc]
            for turns in range(1, 7)
        ]
        prices[plan] = sum(cost / 2**turns for turns, cost in enumerate(costs_so_far, 1))
    first_six = min(prices.values())
    rest = max(costs.at(model, TURNS_MAX - 1, None) for model in (0, 1)) * 6 / 2**6
    assert first_six < Exact(cell, costs).value < first_six + prices[(True,) * 6] / 2**6 + rest
    assert len({round(price) for price in prices.values()}) > 32


def test_the_optimum_is_what_its_choices_cost() -> None:
    costs = Costs(AGENT)
    best = Exact(AGENT, costs)
    found = drawn(AGENT, 3_000, 1)
    for way, value in (
        (play.exact(best), best.value),
        (play.naive, Exact(AGENT, costs, "naive").value),
        (play.myopic(costs), Exact(AGENT, costs, "myopic").value),
        (play.always_strong, costs.always_strong(AGENT)),
    ):
        assert sum(play.cost(AGENT, costs, one, way) for one in found) / 3_000 == pytest.approx(value, rel=0.02)


def test_the_figures_of_the_study_are_met() -> None:
    """Section 5.10: at gaps of half a minute, eight turns, 3,000 and 20,000 tokens, naive saves 33 and 26 %."""
    for prefix, saved in ((3_000, 33), (20_000, 26)):
        cell = Cell(WIDE, 300, 30.0, 8.0, prefix)
        costs = Costs(cell)
        assert 100 * (1 - Exact(cell, costs, "naive").value / costs.always_strong(cell)) == pytest.approx(saved, abs=1.5)


@pytest.mark.parametrize("pair", [WIDE, CLOSE])
@pytest.mark.parametrize(("gap_s", "prefix"), [(30.0, 20_000), (120.0, 80_000), (480.0, 3_000)])
def test_ours_is_near_the_optimum(pair: Pair, gap_s: float, prefix: int) -> None:
    scored = sessions.score(Cell(pair, 300, gap_s, 8.0, prefix), 60, 1)
    assert scored.off < 3.0
    assert scored.below < 1.0
    assert scored.ours > -1.0


def test_tries_by_rule_never_cost_more() -> None:
    cells = [Cell(pair, 300, 120.0, 8.0, 80_000) for pair in (WIDE, CLOSE)]
    found = list(session_tries.in_conversations(cells, 100, 1))
    assert max(one.ours for one in found) <= 1.01 < max(one.always for one in found)
    alone = list(session_tries.alone(1, 40))
    assert max(one.by_rule for one in alone) <= 1.01
    assert min(one.by_rule for one in alone) < 0.2
    assert max(one.always for one in alone) > 1.5


def test_the_short_form_of_the_whole() -> None:
    cells = [AGENT, Cell(today()[0], 300, 120.0, 2.0, 96_000)]
    figures = sessions.measure(splits=20, cells=cells)
    text = sessions.table(figures)
    assert "5/25 > 1/5" in text
    assert "15,333" in text
    judged = sessions.goals(figures)
    assert {goal.must for goal in judged} == {True, False}
    assert not [goal for goal in judged if goal.must and not goal.passed and "decision" not in goal.name]
    document = msgspec.json.decode(msgspec.json.encode(sessions.document(figures)))
    assert [one["prefix"] for one in document["cells"]] == [20_000, 96_000]
    assert len(document["misled"]) == len(sessions.BELIEFS)


def test_conversations_are_bounded() -> None:
    assert max(len(one.easy) for one in drawn(Cell(WIDE, 300, 30.0, 30.0, 3_000), 500, 1)) == TURNS_MAX

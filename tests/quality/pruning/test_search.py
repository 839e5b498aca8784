"""What a search leaves out, tries, and gives up."""

from __future__ import annotations

from pathlib import Path

from tests.fixtures import simulator
from tests.quality.evaluating import AT_ONCE
from tests.quality.pruning.pruning import LIVING, PROMPT, means_on, ticket_cases
from thriftgate.quality.pruning.search import FIRST, Search
from thriftgate.quality.pruning.sections import sections_of, shown, without
from thriftgate.quality.pruning.trials import Means, Trials
from thriftgate.simulator import SimClock
from thriftgate.simulator.faults import Faults


def search(folder: Path, means: Means, *, prompt: str = PROMPT, count: int = 40, reserve_pico: int = 0) -> Search:
    cases = ticket_cases(folder, count)
    trials = Trials(prompt, cases, means)
    return Search(prompt, sections_of(prompt), trials, cases, margin=0.1, reserve_pico=reserve_pico)


async def test_what_is_dead_goes_and_what_bears_the_load_stays(tmp_path: Path) -> None:
    async with means_on(tmp_path) as (means, _):
        found = await search(tmp_path, means).run()
    assert without(PROMPT, sections_of(PROMPT), found.removed) == f"# Desk\n\n## Task\n\n{LIVING}\n"
    effects = {shown(PROMPT, one): effect for one, effect in found.effects.items()}
    assert effects["Reply with the category only."].change < -0.5
    assert effects["Reply with the category only."].why == "its removal lowers the score"
    dead = next(one for name, one in effects.items() if name.startswith("## Tone"))
    assert (dead.change, dead.why) == (0.0, "the score is kept without it")
    assert (found.stopped, found.chance) == ("", 0.0)


async def test_what_harms_is_dropped_after_a_few_cases(tmp_path: Path) -> None:
    async with means_on(tmp_path) as (means, provider):
        found = await search(tmp_path, means).run()
        asked = list(provider.bill.calls)
    assert len(asked) < found.tried * 40 * 0.7
    harmful = [one for one in found.effects.values() if one.change < -0.5]
    assert harmful
    assert all(one.cases == FIRST for one in harmful)


async def test_an_empty_purse_ends_it_with_the_best_so_far(tmp_path: Path) -> None:
    removed: list[int] = []
    for budget in (5 * 10**8, 10**9, 4 * 10**9, 10**12):
        async with means_on(tmp_path / str(budget), budget_pico=budget) as (means, _):
            found = await search(tmp_path, means).run()
            assert means.sender.paid_pico <= budget
        assert bool(found.stopped) == (budget < 10**12)
        assert not found.stopped or any(one.why == "not tried" for one in found.effects.values())
        removed.append(len(without(PROMPT, sections_of(PROMPT), found.removed)))
    assert removed == sorted(removed, reverse=True)
    assert removed[0] == len(PROMPT)


async def test_what_is_set_aside_is_not_touched(tmp_path: Path) -> None:
    async with means_on(tmp_path, budget_pico=4 * 10**9) as (means, _):
        found = await search(tmp_path, means, reserve_pico=3 * 10**9).run()
        assert found.stopped
        assert means.sender.paid_pico <= 10**9


async def test_answers_that_show_nothing_are_told(tmp_path: Path) -> None:
    async with means_on(tmp_path / "a") as (means, _):
        found = await search(tmp_path, means, prompt="Be kind.\n\nBe brief.").run()
        assert "gets no case right" in found.stopped
        assert found.removed == set()
    provider = simulator(clock=SimClock.frozen(), batches=AT_ONCE, faults=Faults(batch_item_error=0.9))
    async with means_on(tmp_path / "b", provider, now=False) as (means, _):
        found = await search(tmp_path, means).run()
        assert "of its answers could not be judged" in found.stopped


async def test_a_model_that_varies_does_not_hide_what_is_dead(tmp_path: Path) -> None:
    provider = simulator(clock=SimClock.frozen(), batches=AT_ONCE, variety=0.3)
    async with means_on(tmp_path, provider) as (means, _):
        found = await search(tmp_path, means, count=100).run()
    after = without(PROMPT, sections_of(PROMPT), found.removed)
    assert found.chance > 0
    assert LIVING in after
    assert "Be brief" not in after

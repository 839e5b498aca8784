"""Prompts are asked, graded, priced, and never paid for twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.fixtures import simulator
from tests.quality.evaluating import AT_ONCE
from tests.quality.pruning.pruning import LIVING, PROMPT, means_on, ticket_cases
from thriftgate.batch.work import Stopped
from thriftgate.core.errors import InputError
from thriftgate.core.money import pico_from_usd
from thriftgate.quality.items import Item
from thriftgate.quality.pruning.trials import Trial, Trials, check_cases
from thriftgate.simulator import SimClock


def of(prompt: str, cases: list[Item]) -> list[Trial]:
    return [Trial(prompt, case) for case in cases]


async def all_of(trials: Trials, several: list[list[Trial]]) -> None:
    for one in several:
        await trials.grades(one)


@pytest.mark.parametrize("now", [True, False])
async def test_the_prompt_decides_the_grades_and_nothing_is_paid_twice(tmp_path: Path, now: bool) -> None:
    cases = ticket_cases(tmp_path, 20)
    async with means_on(tmp_path, now=now) as (means, provider):
        trials = Trials(PROMPT, cases, means)
        good = await trials.grades(of(PROMPT, cases))
        bad = await trials.grades(of("Be kind.", cases))
        none = await trials.grades(of("", cases[:2]))
        again = await trials.grades(of(PROMPT, cases))
        other = Trials(PROMPT, cases, means)
        assert await other.grades(of(PROMPT, cases)) == good == again
        assert len(provider.bill.calls) == 42
        assert (trials.calls, trials.cached, other.calls, other.cached) == (42, 0, 0, 20)
        assert means.sender.paid_pico == pico_from_usd(sum((call.cost for call in provider.bill.calls), start=0))
    assert sum(one or 0 for one in good) >= 15
    assert set(bad) | set(none) == {0.0}


async def test_chance_is_what_repeats_differ_by(tmp_path: Path) -> None:
    cases = ticket_cases(tmp_path, 40)
    async with means_on(tmp_path / "a") as (means, _):
        assert await Trials(PROMPT, cases, means).chance(cases) == 0.0
    provider = simulator(clock=SimClock.frozen(), batches=AT_ONCE, variety=1.0)
    async with means_on(tmp_path / "b", provider) as (means, _):
        assert 0.02 < await Trials(PROMPT, cases, means).chance(cases) < 0.25


async def test_the_budget_is_a_hard_limit(tmp_path: Path) -> None:
    cases = ticket_cases(tmp_path, 40)
    for now in (True, False):
        async with means_on(tmp_path / str(now), budget_pico=3 * 10**9, now=now) as (means, provider):
            trials = Trials(PROMPT, cases, means)
            with pytest.raises(Stopped, match=r"that are left for them|than allowed"):
                await trials.grades([one for at in range(9) for one in of(f"{at}. {PROMPT}", cases)])
            with pytest.raises(Stopped, match=r"that are left for them|than allowed"):
                await all_of(trials, [of(f"{at}. {PROMPT}", cases) for at in range(40)])
            spent = pico_from_usd(sum((call.cost for call in provider.bill.calls), start=0))
            assert spent == means.sender.paid_pico <= 3 * 10**9
            assert spent > 10**9 or not now
            with pytest.raises(Stopped):
                await trials.grades(of("new", cases), reserve_pico=3 * 10**9)


async def test_what_is_set_aside_is_enough(tmp_path: Path) -> None:
    cases = ticket_cases(tmp_path, 30)
    async with means_on(tmp_path) as (means, _):
        trials = Trials(PROMPT, cases, means)
        reserve = trials.reserve_pico(cases)
        assert trials.first_estimate(cases).calls == 30
        await trials.grades(of(PROMPT, cases))
        assert trials.first_estimate(cases).calls == 0
        assert trials.reserve_pico(cases) < reserve
        await trials.grades(of(LIVING, cases))
        assert means.sender.paid_pico < reserve


async def test_a_judge_of_pairs_compares_with_the_original(tmp_path: Path) -> None:
    cases = [replace(one, recorded={"claude-haiku-5-5": "x"}) for one in ticket_cases(tmp_path, 12, judge=None)]
    async with means_on(tmp_path, rule="llm:claude-opus-4-8") as (means, provider):
        trials = Trials(PROMPT, cases, means)
        assert trials.reserve_pico(cases) > Trials(PROMPT, cases[:6], means).reserve_pico(cases[:6])
        assert await trials.grades(of(PROMPT, cases)) == [0.5] * 12
        assert len(provider.bill.calls) == 12
        assert await trials.grades(of(LIVING, cases)) == [0.5] * 12  # the same answers
        await trials.grades(of("Be kind.", cases))
        assert {call.model for call in provider.bill.calls} == {"claude-haiku-5-5", "claude-opus-4-8"}
        assert await trials.chance(cases) == 0.0


def test_a_system_prompt_of_a_case_must_hold_the_prompt(tmp_path: Path) -> None:
    (case, *_) = ticket_cases(tmp_path, 2)
    check_cases(PROMPT, [replace(case, request={**case.request, "system": f"Hi.\n{PROMPT}\nBye."})])
    check_cases(PROMPT, [replace(case, request={**case.request, "system": [{"type": "text", "text": PROMPT}]})])
    with pytest.raises(InputError, match="line 1: has a system prompt of its own"):
        check_cases(PROMPT, [replace(case, request={**case.request, "system": "Another one."})])


async def test_what_stands_around_the_prompt_stays(tmp_path: Path) -> None:
    cases = [replace(one, request={**one.request, "system": f"{LIVING}\n{PROMPT}\n"}) for one in ticket_cases(tmp_path, 10)]
    async with means_on(tmp_path) as (means, _):
        trials = Trials(PROMPT, cases, means)
        assert await trials.grades(of("", cases)) == await trials.grades(of(PROMPT, cases))

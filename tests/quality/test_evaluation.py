"""Evaluations against the simulator, whose task sets have known right answers."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.fixtures import KEY, simulator
from tests.quality.evaluating import AT_ONCE, CHEAP, STRONG, arms, item, on_stage, task_lines, write_lines
from thriftgate.batch.work import Options, Stopped
from thriftgate.core.errors import InputError
from thriftgate.core.money import pico_from_usd
from thriftgate.engine.engine import Engine
from thriftgate.pricing.load import load_models
from thriftgate.quality.answers import Answers
from thriftgate.quality.asks import Estimate, Pricer
from thriftgate.quality.batching import Batcher
from thriftgate.quality.calling import Caller
from thriftgate.quality.datasets import read_set
from thriftgate.quality.evaluation import Evaluated, Evaluation, Wanted
from thriftgate.quality.items import Item
from thriftgate.quality.judges import Bench
from thriftgate.quality.rules import Rule, rule_of
from thriftgate.quality.summary import arm_summaries, judging
from thriftgate.simulator import SimClock, Simulator
from thriftgate.simulator.faults import Faults


def tasks(folder: Path, count: int, **members: Any) -> list[Item]:
    return read_set(write_lines(folder / "set.jsonl", task_lines(count, **members)))


async def evaluated(
    engine: Engine, folder: Path, wanted: Wanted, *, now: bool = False, rule: str = "", agree: bool = True
) -> Evaluated | Estimate:
    """One run, as the command makes it."""
    pricer = Pricer(engine, KEY, now=now)
    sender = (
        Caller(engine, KEY, parallel=4, worst_pico=pricer.worst_pico)
        if now
        else Batcher(engine, KEY, folder / "work", Options())
    )
    default: Rule | None = rule_of(rule) if rule else None
    with closing(Bench(default, load_models())) as bench, Answers(folder / "answers.db") as answers:
        return await Evaluation(wanted, bench, pricer, sender, answers).run(lambda _: agree)


async def done(engine: Engine, folder: Path, wanted: Wanted, **members: Any) -> Evaluated:
    found = await evaluated(engine, folder, wanted, **members)
    assert isinstance(found, Evaluated)
    return found


def billed(provider: Simulator) -> int:
    return pico_from_usd(sum((call.cost for call in provider.bill.calls), start=0))


async def test_the_stronger_model_is_found_to_be_better(tmp_path: Path) -> None:
    items = tasks(tmp_path, 12)
    async with on_stage(tmp_path) as (engine, provider):
        found = await done(engine, tmp_path, Wanted(items, arms()))
        assert found.paid_pico == billed(provider)
    assert (found.asked, found.cached, found.grades, len(found.lines)) == (120, 0, 120, 60)
    assert (found.failed, found.ungraded, found.fell_short, found.judging_pico) == ({}, {}, "", 0)
    cheap, strong = arm_summaries(found.lines)
    assert cheap.quality.value < 0.85
    assert strong.quality.value > 0.9
    assert 4 < strong.cost_pico / cheap.cost_pico < 10
    first = found.lines[0]
    assert (first.id, first.around.task, first.text.startswith("Compute")) == ("arithmetic-0", "arithmetic", True)


async def test_a_second_run_asks_nothing_and_says_the_same(tmp_path: Path) -> None:
    items = tasks(tmp_path, 2)
    async with on_stage(tmp_path) as (engine, provider):
        first = await done(engine, tmp_path, Wanted(items, arms()))
        again = await done(engine, tmp_path, Wanted(items, arms()), agree=False)  # nothing to agree to
        more = await done(engine, tmp_path, Wanted(items, arms(f"{CHEAP},claude-sonnet-4-6,{STRONG}")))
        assert len(provider.bill.calls) == 30
    assert (again.asked, again.cached, again.paid_pico) == (0, 20, 0)
    assert [one.outcomes for one in again.lines] == [one.outcomes for one in first.lines]
    assert (more.asked, more.cached) == (10, 20)


async def test_nothing_is_sent_before_the_price_is_agreed_to(tmp_path: Path) -> None:
    async with on_stage(tmp_path) as (engine, provider):
        estimate = await evaluated(engine, tmp_path, Wanted(tasks(tmp_path, 2), arms()), agree=False)
        assert isinstance(estimate, Estimate)
        assert (estimate.calls, provider.bill.calls) == (20, [])
        found = await done(engine, tmp_path, Wanted(tasks(tmp_path, 2), arms()))
    assert found.paid_pico <= estimate.worst_pico
    assert found.estimate == estimate


async def test_at_once_there_are_latencies_and_repeats_are_calls_of_their_own(tmp_path: Path) -> None:
    clock = SimClock.frozen()
    async with on_stage(tmp_path, simulator(clock=clock, variety=1.0)) as (engine, provider):
        found = await done(engine, tmp_path, Wanted(tasks(tmp_path, 3), arms(CHEAP), repeats=3), now=True)
        assert len(provider.bill.calls) == 45
    outcomes = [one.outcomes[CHEAP] for one in found.lines]
    assert all(one.repeats == 3 and one.mode == "standard" for one in outcomes)
    assert any(0 < (one.quality or 0) < 1 for one in outcomes)
    assert any(one.signals["self_agrees"] < 1 for one in outcomes)
    assert all(one.signals_pico == pytest.approx(2 * one.pico, rel=0.3) for one in outcomes)
    assert {one.first for one in outcomes} == {0.0, 1.0}


async def test_a_model_that_judges_is_priced_asked_in_both_orders_and_kept(tmp_path: Path) -> None:
    items = [replace(one, human={CHEAP: 0.5}) for one in tasks(tmp_path, 6, judge=False)]
    async with on_stage(tmp_path) as (engine, provider):
        plain = await evaluated(engine, tmp_path, Wanted(items, arms()), rule="exact", agree=False)
        priced = await evaluated(engine, tmp_path, Wanted(items, arms()), rule="llm:claude-opus-4-8", agree=False)
        assert isinstance(plain, Estimate)
        assert isinstance(priced, Estimate)
        assert (priced.calls - plain.calls, priced.pico - plain.pico) == (60, priced.judging_pico)
        found = await done(engine, tmp_path, Wanted(items, arms()), rule="llm:claude-opus-4-8")
        assert found.paid_pico == billed(provider)
        calls = len(provider.bill.calls)
        again = await done(engine, tmp_path, Wanted(items, arms()), rule="llm:claude-opus-4-8")
        assert len(provider.bill.calls) == calls
    assert 0 < found.judging_pico < found.paid_pico
    assert again.paid_pico == 0
    cheap, strong = arm_summaries(found.lines)
    assert strong.quality.value == 0.5  # it is what the others are compared with
    assert cheap.quality.value < 0.5
    judges = judging(found.lines)
    assert judges.pairs == sum(bool(one.outcomes[CHEAP].verdicts) for one in found.lines) > 3
    assert judges.paid_pico == pytest.approx(found.judging_pico, abs=60)
    assert judges.human_answers == 30


async def test_judges_are_priced_for_answers_that_are_known_too(tmp_path: Path) -> None:
    items = tasks(tmp_path, 2, judge=False)
    async with on_stage(tmp_path) as (engine, _):
        await done(engine, tmp_path, Wanted(items, arms()), rule="exact")
        estimate = await evaluated(engine, tmp_path, Wanted(items, arms()), rule="llm:claude-opus-4-8", agree=False)
    assert isinstance(estimate, Estimate)
    assert 0 < estimate.judging_pico == estimate.pico


async def test_a_judge_that_gives_no_verdict_grades_nothing(tmp_path: Path) -> None:
    items = tasks(tmp_path, 4, judge=False)
    async with on_stage(tmp_path) as (engine, provider):
        await done(engine, tmp_path, Wanted(items, arms()), rule="exact")
        provider.faults = Faults(batch_item_error=1.0)
        found = await done(engine, tmp_path, Wanted(items, arms()), rule="llm:claude-opus-4-8")
        assert found.ungraded == {"claude-opus-4-8 gave no verdict": sum(found.ungraded.values())}
        assert found.ungraded
        assert "gave no verdict" in found.fell_short
        provider.faults = Faults()
        mended = await done(engine, tmp_path, Wanted(items, arms()), rule="llm:claude-opus-4-8")
    assert (mended.ungraded, mended.fell_short) == ({}, "")


async def test_a_verifier_is_priced_asked_and_kept(tmp_path: Path) -> None:
    models = load_models()
    items, every = tasks(tmp_path, 30), arms(f"{CHEAP},claude-sonnet-4-6,{STRONG}")
    plain, wanted = Wanted(items, every), Wanted(items, every, verifier=models["claude-haiku-5-5"])
    async with on_stage(tmp_path) as (engine, provider):
        without = await evaluated(engine, tmp_path, plain, agree=False)
        priced = await evaluated(engine, tmp_path, wanted, agree=False)
        assert isinstance(without, Estimate)
        assert isinstance(priced, Estimate)
        assert (priced.calls - without.calls, priced.pico - without.pico) == (300, priced.verifying_pico)
        found = await done(engine, tmp_path, wanted)
        assert found.paid_pico == billed(provider) < priced.worst_pico
        asked = [call for call in provider.bill.calls if call.model == "claude-haiku-5-5"]
        again = await done(engine, tmp_path, wanted, agree=False)  # nothing to agree to
        known = await evaluated(engine, tmp_path, replace_verifier(wanted, STRONG), agree=False)
        assert isinstance(known, Estimate)
    assert 150 <= len(asked) == known.calls <= 300  # answers that are the same take one call
    assert known.verifying_pico == known.pico > 0
    assert (found.unverified, found.judging_pico) == ({}, 0)
    assert 0 < found.verifying_pico < found.paid_pico
    assert (again.paid_pico, [one.outcomes for one in again.lines]) == (0, [one.outcomes for one in found.lines])
    cheap = [one.outcomes[CHEAP] for one in found.lines]
    assert all(one.signals_pico > 0 for one in cheap)
    right, wrong = ([one.signals["verifier"] for one in cheap if one.quality == grade] for grade in (1.0, 0.0))
    beaten = sum((one > other) + (one == other) / 2 for one in right for other in wrong) / len(right) / len(wrong)
    assert 0.65 < beaten < 0.95  # the simulator's own figure is an area under the curve of 0.80
    assert "verifier" not in found.lines[0].outcomes[STRONG].signals


def replace_verifier(wanted: Wanted, model: str) -> Wanted:
    return replace(wanted, verifier=load_models()[model])


async def test_a_verifier_that_fails_leaves_its_signal_out(tmp_path: Path) -> None:
    wanted = Wanted(tasks(tmp_path, 2), arms())
    async with on_stage(tmp_path) as (engine, provider):
        await done(engine, tmp_path, wanted)
        provider.faults = Faults(batch_item_error=1.0)
        found = await done(engine, tmp_path, replace_verifier(wanted, "claude-haiku-5-5"))
        assert sum(found.unverified.values()) == 10
        assert found.fell_short == ""
        provider.faults = Faults()
        mended = await done(engine, tmp_path, replace_verifier(wanted, "claude-haiku-5-5"))
    assert not any("verifier" in line.outcomes[CHEAP].signals for line in found.lines)
    assert all("verifier" in line.outcomes[CHEAP].signals for line in mended.lines)


async def test_the_verifiers_calls_keep_to_the_limit(tmp_path: Path) -> None:
    async with on_stage(tmp_path) as (engine, provider):
        wanted = Wanted(tasks(tmp_path, 2), arms())
        paid = (await done(engine, tmp_path, wanted, now=True)).paid_pico
        limited = replace(replace_verifier(wanted, STRONG), limit_pico=10**8)
        with pytest.raises(Stopped, match="a higher --max-cost goes on"):
            await evaluated(engine, tmp_path, limited, now=True)
        assert billed(provider) - paid <= 10**8


async def test_recorded_answers_are_judged_not_asked(tmp_path: Path) -> None:
    known = [item("4", prompt=f"2+2, take {at}?", id=str(at), judge="numeric", recorded={CHEAP: "4"}) for at in range(3)]
    async with on_stage(tmp_path) as (engine, provider):
        found = await done(engine, tmp_path, Wanted(known, arms()))
        assert len(provider.bill.calls) == 3
    assert (found.asked, found.recorded, found.grades) == (3, 3, 6)
    outcome = found.lines[0].outcomes[CHEAP]
    assert (outcome.quality, outcome.mode, outcome.paid_usd) == (1.0, "recorded", "0")
    assert outcome.pico > 0
    assert outcome.signals == {}  # how it ended and how long it was is not known


async def test_a_run_with_too_few_grades_says_so(tmp_path: Path) -> None:
    provider = simulator(clock=SimClock.frozen(), batches=AT_ONCE, faults=Faults(batch_item_error=0.9))
    async with on_stage(tmp_path, provider) as (engine, _):
        found = await done(engine, tmp_path, Wanted(tasks(tmp_path, 4), arms(CHEAP)))
        assert sum(found.failed.values()) == sum(found.ungraded.values()) > 2
        assert "could not be judged, more than 10%" in found.fell_short
        assert "no answer: " in found.fell_short
        provider.faults = Faults()
        mended = await done(engine, tmp_path, Wanted(tasks(tmp_path, 4), arms(CHEAP)))
    missing = [one for one in found.lines if one.outcomes[CHEAP].quality is None]
    assert len(missing) == sum(found.ungraded.values()) == mended.asked
    assert mended.fell_short == ""


async def test_the_rival_of_a_judge_must_be_there(tmp_path: Path) -> None:
    rule = {"kind": "llm", "model": STRONG, "against": "nobody"}
    async with on_stage(tmp_path) as (engine, _):
        with pytest.raises(InputError, match="line 1: judge llm: against 'nobody', which is none of claude-haiku"):
            await evaluated(engine, tmp_path, Wanted([item(judge=rule)], arms()))

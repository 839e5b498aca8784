"""The experiments against simulators that answer each open question either way."""

from __future__ import annotations

import asyncio
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fixtures import books, serving, settings_of
from thriftgate.cli.experiments import EXPERIMENTS, Result, believed
from thriftgate.cli.trial import MEMORY, Done, Trial, chosen, cost_limit_pico, run_trial, store
from thriftgate.core.belief_book import BeliefBook
from thriftgate.core.errors import InputError
from thriftgate.core.money import usd_from_pico
from thriftgate.pricing.load import load_book, load_models
from thriftgate.simulator import BatchRules, CacheRules, SimClock, Simulator, SimulatorConfig

MODELS = load_models()
KEY = "sk-ant-sim-doctor-1"


class RemoteClock:
    """The clock of a simulator in another thread or process, moved over HTTP instead of waited for."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/_sim/clock"
        self._now_s = self._ask(None)

    def _ask(self, order: dict[str, float] | None) -> float:
        raw = None if order is None else msgspec.json.encode(order)
        with urllib.request.urlopen(urllib.request.Request(self._url, raw), timeout=20) as reply:
            return float(msgspec.json.decode(reply.read())["now"])

    def now_s(self) -> float:
        return self._now_s

    def monotonic_s(self) -> float:
        return self._now_s

    async def sleep(self, seconds: float) -> None:
        self._now_s = await asyncio.to_thread(self._ask, {"advance_s": seconds})


def simulated(rules: CacheRules | None = None, **members: Any) -> Simulator:
    return Simulator(
        SimulatorConfig(seed=1, clock=SimClock.frozen(), tokenizer="estimate", rules=rules or CacheRules(), **members)
    )


def tried(app: Any, *only: str, model: str = "claude-haiku-5-5", ledger: str = ":memory:") -> dict[str, Done]:
    trial = Trial(chosen(only), MODELS[model], KEY)
    said: list[str] = []
    with serving(app) as url:
        settings = settings_of(upstream={"url": url}, ledger={"path": ledger})
        ran = asyncio.run(run_trial(settings, trial, RemoteClock(url), said.append))
    assert len(said) >= len(ran)
    return {done.experiment.id: done for done in ran}


def outcomes(ran: dict[str, Done]) -> dict[str, str]:
    return {name: done.result.outcome for name, done in ran.items()}


DOCUMENTED = {
    "V1": "holds",
    "V2": "holds",
    "V3": "holds",
    "V4": "fails",
    "V5": "holds",
    "V6": "holds",
    "V7": "holds",
    "V8": "holds",
}


def test_the_documented_world(tmp_path: Path) -> None:
    simulator = simulated()
    path = tmp_path / "ledger.db"
    ran = tried(simulator, ledger=str(path))
    assert outcomes(ran) == DOCUMENTED, {name: done.result.detail for name, done in ran.items()}
    found = believed([done.result for done in ran.values()], 1.0)
    assert {topic: found.of(topic).verdict for topic in ("late_upgrade", "refresh_ancestors", "hour_granted")} == {
        "late_upgrade": "holds",
        "refresh_ancestors": "fails",
        "hour_granted": "holds",
    }

    async def booked() -> int:
        async with books(path) as ledger:
            assert not await ledger.unbalanced()
            return (await ledger.report()).paid_pico

    total = sum(done.cost_pico for done in ran.values())
    assert total == asyncio.run(booked())
    assert usd_from_pico(total) == str(simulator.bill.total.normalize())
    trial = Trial(EXPERIMENTS, MODELS["claude-haiku-5-5"], KEY)
    assert total < cost_limit_pico(trial, load_book(), simulator.now()) < 5 * total


OTHER_WORLDS: list[tuple[CacheRules, str, str, str, str]] = [
    (CacheRules(late_upgrade=False), "V1", "fails", "late_upgrade", "fails"),
    (CacheRules(grant_1h=False), "V1", "unclear", "hour_granted", "fails"),
    (CacheRules(refresh="hit_only"), "V2", "fails", "refresh_marked", "fails"),
    (CacheRules(refresh="ancestors"), "V2", "holds", "refresh_ancestors", "holds"),
    (CacheRules(free_insert=False), "V3", "fails", "free_insert", "fails"),
    (CacheRules(in_place_upgrade=True), "V4", "holds", "in_place_upgrade", "holds"),
]


@pytest.mark.parametrize(("rules", "name", "outcome", "topic", "verdict"), OTHER_WORLDS)
def test_other_worlds(rules: CacheRules, name: str, outcome: str, topic: Any, verdict: str) -> None:
    ran = tried(simulated(rules))
    assert ran[name].result.outcome == outcome, ran[name].result.detail
    assert believed([ran[name].result], 1.0).of(topic).verdict == verdict
    rest = {other: told for other, told in outcomes(ran).items() if other != name}
    assert rest == {other: told for other, told in DOCUMENTED.items() if other != name}


def test_an_entry_that_is_readable_late() -> None:
    result = tried(simulated(CacheRules(readable_after_s=3.0)), "V7")["V7"].result
    assert result.outcome == "fails"
    assert result.readable is not None
    assert (result.readable.above, result.readable.within) == pytest.approx((2.0, 4.0))


class Apart:
    """A provider whose batches have caches of their own: they run in another workspace."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path", "").startswith("/v1/messages/batches"):
            other = [(name, b"sk-ant-sim-batches-1" if name == b"x-api-key" else value) for name, value in scope["headers"]]
            scope = {**scope, "headers": other}
        await self._simulator(scope, receive, send)


def test_batches_with_a_cache_of_their_own() -> None:
    done = tried(Apart(simulated()), "V6")["V6"]
    assert done.result.outcome == "fails", done.result.detail
    assert done.result.beliefs == {"batch_shares": False}


def test_a_batch_that_never_ends() -> None:
    done = tried(simulated(batches=BatchRules(stuck_share=1.0)), "V6", "V3")
    assert outcomes(done) == {"V3": "holds", "V6": "unclear"}


def test_a_model_with_a_long_minimum_and_no_adaptive_thinking() -> None:
    done = tried(simulated(), "V1,V5", model="claude-haiku-4-5")
    assert outcomes(done) == {"V1": "holds", "V5": "holds"}


def test_nothing_is_cached_below_the_real_minimum() -> None:
    done = tried(simulated(CacheRules(min_tokens=20_000)), "V1", "V3")
    assert outcomes(done) == {"V1": "unclear", "V3": "unclear"}
    assert "not cached at all" in done["V1"].result.detail


def test_a_provider_that_is_not_there() -> None:
    trial = Trial(chosen(["V3"]), MODELS["claude-haiku-5-5"], KEY)
    with serving(simulated()) as url:
        clock = RemoteClock(url)
        settings = settings_of(upstream={"url": "http://127.0.0.1:9"})
        (done,) = asyncio.run(run_trial(settings, trial, clock, lambda _: None))
    assert done.result.outcome == "unclear"
    assert "refused" in done.result.detail
    assert done.cost_pico == 0


def test_which_experiments() -> None:
    assert [one.id for one in chosen(["v3, V1"])] == ["V1", "V3"]
    assert len(chosen([])) == 8
    with pytest.raises(InputError, match="no experiment V9"):
        chosen(["V9"])


def test_other_calls_keep_clear_of_the_end_of_a_life() -> None:
    """V8 has two seconds to either side."""
    trial = Trial(EXPERIMENTS, MODELS["claude-haiku-5-5"], KEY)
    schedule = trial.schedule()
    assert trial.seconds < 15 * 60
    (expiry,) = (at for at, one in enumerate(EXPERIMENTS) if one.id == "V8")
    for second, at, _ in schedule:
        if at == expiry:
            assert all(other == at or abs(second - moment) >= 4 for moment, other, _ in schedule)


async def test_what_was_found_is_stored_beside_what_was_believed() -> None:
    first = believed([Result("fails", "", {"late_upgrade": False})], 5.0)
    later = believed([Result("holds", "", {"late_upgrade": True, "free_insert": True})], 9.0)
    book = BeliefBook()
    async with books(":memory:") as ledger:
        await store(first, "anthropic", "claude-a", ledger)
        await store(later, "anthropic", "claude-a", ledger)
        await store(first, "anthropic", "claude-b", ledger)
        book.restore(await ledger.kept(MEMORY) or b"")
    assert book.of("anthropic", "claude-a").late_upgrade.verdict == "holds"
    assert book.of("anthropic", "claude-a").free_insert.told == "experiment"
    assert not book.rules("anthropic", "claude-b").late_upgrade


async def test_what_nobody_can_read_is_replaced() -> None:
    book = BeliefBook()
    async with books(":memory:") as ledger:
        await ledger.keep(MEMORY, b"no beliefs")
        await store(believed([Result("fails", "", {"free_insert": False})], 5.0), "anthropic", "claude-a", ledger)
        book.restore(await ledger.kept(MEMORY) or b"")
    assert not book.rules("anthropic", "claude-a").free_insert

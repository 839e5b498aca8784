"""The watch: rules over calls as they are settled, over restarts and clocks that jump; nothing it does hurts a call."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.alerts.receiving import Sheet, sighting
from tests.cli.entries import entry_of
from tests.fixtures import TestClock, until
from thriftgate.alerts import watch as watch_module
from thriftgate.alerts.courier import Courier, Manners
from thriftgate.alerts.recall import recall
from thriftgate.alerts.watch import Detector, Watch, Watching
from thriftgate.core.alerting.alert import Sighting
from thriftgate.core.alerting.board import Board
from thriftgate.core.alerting.life import Habits
from thriftgate.core.alerting.rules import HOUR_US, Rule
from thriftgate.core.errors import LedgerError
from thriftgate.engine.tasks import Tasks
from thriftgate.ledger.entries import Entry, balanced
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_alerts import SqlAlerts

USD = 10**12
DEAR = Rule("dear", above=2.0 * USD, over_us=HOUR_US, by="key")


class Stand:
    """A ledger in a file, a clock, and a watch in as many lives as it takes. Its turns are taken by hand."""

    def __init__(self, path: Path, clock: TestClock, rules: tuple[Rule, ...], detectors: Iterable[Detector]) -> None:
        self.clock = clock
        self.ledger = SqlLedger.open(path)
        self.book = SqlAlerts(self.ledger)
        self.sheet = Sheet()
        self.tasks = Tasks()
        courier = Courier("ops", self.sheet, self.book, clock, Manners(gather_s=0.0))
        self.courier = courier
        self.recalls: list[int] = []

        async def remember(board: Board, until_us: int) -> None:
            self.recalls.append(until_us)
            await recall(self.ledger, board, until_us)

        self.watch = Watch(
            self.book,
            Watching(rules, Habits(), lambda *_: ("ops",), 0.01),
            [courier],
            clock=clock,
            tasks=self.tasks,
            recall=remember,
            detectors=tuple(detectors),
        )
        self.ledger.heard.append(self.watch.hear)

    @property
    def now_us(self) -> int:
        return int(self.clock.now_s() * 1e6)

    async def call(self, usd: float, key: str = "key_a", *, ago_us: int = 0) -> None:
        self.calls = getattr(self, "calls", 0) + 1
        at, pico = self.now_us - ago_us, int(usd * USD)
        one = entry_of(id=f"tg_{at}_{self.calls}", opened_us=at, settled_us=at, key=key, postings=balanced(pico, pico, {}))
        await self.ledger.settle(one)

    async def recalled(self) -> None:
        if self.watch._recalled is not None:
            await self.watch._recalled

    async def turn(self, seconds: float = 0.0) -> list[str]:
        """Time passes, everything takes its turn; what was told since the turn before."""
        self.clock.advance(seconds)
        before = len(self.sheet.sent)
        await self.watch.tick()
        await self.recalled()
        await self.watch.drain()
        await self.watch.tick()
        await self.courier.send_due()
        return [text.subject for _, text in self.sheet.sent[before:]]

    async def close(self) -> None:
        await self.watch.close()
        await self.ledger.close()


Opening = Callable[..., Stand]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opening]:
    clock = TestClock()
    stands: list[Stand] = []

    def open_(*rules: Rule, detectors: Iterable[Detector] = ()) -> Stand:
        stands.append(Stand(tmp_path / "books.db", clock, rules, detectors))
        return stands[-1]

    yield open_
    for stand in stands:
        with contextlib.suppress(LedgerError):
            await stand.close()


async def test_a_rule_is_met_told_and_over(opened: Opening) -> None:
    stand = opened(DEAR)
    assert await stand.turn() == []
    await stand.call(1.5)
    await stand.call(1.9, "key_b")
    assert await stand.turn(30) == []
    await stand.call(1.0)
    assert await stand.turn(30) == ["[warning] spent: $2.50 within 1 h, above $2.00 (key=key_a)"]
    assert await stand.turn(30) == []
    await stand.call(3.0)
    assert await stand.turn(30) == ["[warning] worse: spent: $5.50 within 1 h, above $2.00 (key=key_a)"]
    told = [line for minute in range(90) for line in await stand.turn(60)]
    assert len(told) == 1
    assert told[0].startswith("[warning] resolved: ")


async def test_a_new_life_knows_the_calls_of_the_old_one_and_tells_nothing_twice(opened: Opening) -> None:
    stand = opened(DEAR)
    await stand.turn()
    await stand.call(2.5)
    await stand.call(1.5, "key_b")
    assert len(await stand.turn(30)) == 1
    await stand.close()
    stand = opened(DEAR)
    assert await stand.turn(30) == []
    await stand.call(0.6, "key_b")
    assert await stand.turn(30) == ["[warning] spent: $2.10 within 1 h, above $2.00 (key=key_b)"]
    assert [one.count for one in await stand.book.alerts()] != []


async def test_no_call_is_counted_twice_by_recall(opened: Opening) -> None:
    """Calls settled while earlier ones are recalled are heard, and are in the books too."""
    stand = opened(DEAR)
    await stand.call(0.9)
    stand.clock.advance(1)
    await stand.watch.tick()
    await stand.call(0.9)
    assert await stand.turn() == []
    ((_, _, verdict),) = stand.watch._board.verdicts(stand.now_us)
    assert verdict.value == pytest.approx(1.8 * USD)


async def test_nothing_is_resolved_in_the_first_quarter_of_an_hour(opened: Opening) -> None:
    """A gateway that was down for long does not know yet what is over."""
    stand = opened()
    stand.watch.sight(sighting("from before"))
    await stand.turn()
    await stand.close()
    stand = opened()
    assert await stand.turn(600) == []
    assert await stand.turn(600) == ["[warning] resolved: about from before"]


async def test_a_clock_that_jumps_resolves_nothing(opened: Opening, capsys: pytest.CaptureFixture[str]) -> None:
    class Jumping(TestClock):
        running = 0.0

        def monotonic_s(self) -> float:
            return self.running

    stand = opened()
    clock = Jumping(stand.clock.time)
    stand.watch._clock = clock
    stand.watch._ticked_s = (clock.now_s(), 0.0)
    stand.watch._settles_at_s = 0.0
    stand.watch.sight(sighting("loop"))
    await stand.turn()
    assert await stand.turn(86_400) == []
    assert '"the clock was set"' in capsys.readouterr().err
    clock.running += 899
    assert await stand.turn(899) == []
    clock.running += 2
    assert await stand.turn(2) == ["[warning] resolved: about loop"]
    assert await stand.turn(-30 * 86_400) == []
    stand.watch.sight(sighting("loop"))
    assert await stand.turn() == ["[warning] about loop"], "back in time, the other one is not over long ago"


async def test_rules_made_at_run_time_hold_from_the_next_look(opened: Opening) -> None:
    stand = opened(DEAR)
    await stand.turn()
    await stand.call(1.0)
    assert await stand.turn(30) == []
    await stand.book.put_rule(Rule("small", above=0.5 * USD), "ada", stand.now_us)
    await stand.book.put_rule(Rule("dear", above=0.1 * USD), "ada", stand.now_us)
    assert await stand.turn(30) == ["[warning] spent: $1.00 within 1 h, above $0.5000"], (
        "recalled, and no rule of the settings is changed"
    )
    assert len(stand.recalls) == 2
    await stand.book.remove_rule("small")
    await stand.turn(30)
    assert [rule.name for rule in stand.watch._board.rules] == ["dear"]


async def test_nothing_is_judged_before_earlier_calls_are_known(opened: Opening) -> None:
    quiet = Rule("quiet", of="calls", below=3.0, calls_min=0, over_us=HOUR_US)
    stand = opened(quiet)
    for _ in range(3):
        await stand.call(1.0, ago_us=1)
    stand.watch._heard.clear()
    await stand.watch.tick()
    assert not await stand.book.alerts()
    assert await stand.turn() == []
    assert not await stand.book.alerts()


async def test_what_cannot_be_recalled_is_asked_for_again(opened: Opening) -> None:
    stand = opened(DEAR)
    asked = 0
    real = stand.watch._recall

    async def failing(board: Board, until_us: int) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise LedgerError("cannot read")
        await real(board, until_us)

    stand.watch._recall = failing
    await stand.call(2.5, ago_us=1)
    stand.watch._heard.clear()
    await stand.watch.tick()
    with pytest.raises(LedgerError):
        await stand.recalled()
    await stand.watch.tick()
    assert len(await stand.turn(30)) == 1
    assert asked == 2


class Odd:
    """A detector that finds what it is told to, or breaks."""

    def __init__(self, *, breaks: bool = False) -> None:
        self.breaks = breaks

    def see(self, entry: Entry) -> list[Sighting]:
        if self.breaks:
            raise ValueError(entry.key)
        return [sighting(f"odd {entry.key}")]

    def tick(self, now_s: float) -> list[Sighting]:
        if self.breaks:
            raise ValueError(now_s)
        return []


async def test_detectors_are_asked_and_one_that_breaks_hurts_nobody(
    opened: Opening, capsys: pytest.CaptureFixture[str]
) -> None:
    stand = opened(DEAR, detectors=(Odd(breaks=True), Odd()))
    await stand.turn()
    await stand.call(2.5)
    assert set(await stand.turn(30)) == {
        "[warning] about odd key_a",
        "[warning] spent: $2.50 within 1 h, above $2.00 (key=key_a)",
    }
    assert '"detector failed"' in capsys.readouterr().err


async def test_what_is_too_much_is_lost_to_the_alerts_alone(
    opened: Opening, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watch_module, "QUEUE_MAX", 10)
    stand = opened(DEAR)
    for _ in range(15):
        await stand.call(0.1)
    assert len(await stand.ledger.entries()) == 15
    await stand.watch.drain()
    assert '"lost": 5' in capsys.readouterr().err


async def test_ten_thousand_findings_in_a_burst_are_one_digest(opened: Opening) -> None:
    stand = opened()
    for n in range(10_000):
        stand.watch.sight(sighting(str(n)))
    told = await stand.turn()
    assert told == ["2,001 alerts: 2,001 warning"]


async def test_it_runs_by_itself_and_closes_at_once(opened: Opening) -> None:
    stand = opened(DEAR)
    stand.watch.start()
    await asyncio.sleep(0.05)
    await stand.call(2.5)

    async def told() -> bool:
        return bool(stand.sheet.sent)

    await until(told)
    stand.watch.sight(sighting("at the end"))
    async with asyncio.timeout(1):
        await stand.watch.close()
    assert "at the end" in [one.signature for one in await stand.book.alerts()]


async def test_a_book_in_trouble_ends_nothing(opened: Opening, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(watch_module, "_TROUBLE_S", 0.01)
    stand = opened()
    real, failures = stand.book.rules, 3

    async def failing() -> Any:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise LedgerError("no space left")
        return await real()

    stand.book.rules = failing  # type: ignore[method-assign]
    stand.watch.start()
    stand.watch.sight(sighting("in spite of it"))

    async def told() -> bool:
        return bool(stand.sheet.sent) and failures < 0

    await until(told)
    assert '"alerts in trouble"' in capsys.readouterr().err

"""Where the client's tests are played: the simulator on a socket, books in a file, the real SDK; no gateway anywhere."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from anthropic.types import MessageParam

from tests.clients.stack import Books, check_books, fetch, read_books
from tests.fixtures import serving, simulator
from thriftgate import AsyncClient, Client
from thriftgate.ledger.entries import Entry
from thriftgate.simulator import SimClock
from thriftgate.simulator.config import BatchRules

KEY, OTHER = "sk-ant-sim-client-0000", "sk-ant-sim-client-1111"
HAIKU, SONNET, OPUS = "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"
PLAIN = "claude-opus-4-8"  # thinks only when asked
QUICK = 200.0  # so many times faster than the machine's clock
START_S = 1_795_262_400.0


@dataclass
class Stand:
    """One simulator and one ledger file. Clients are closed at the end, and the books held to the simulator's bill."""

    url: str
    folder: Path
    clients: list[Client] = field(default_factory=list)

    @property
    def ledger(self) -> Path:
        return self.folder / "books.db"

    def options(self, **options: Any) -> dict[str, Any]:
        """What a client here is made with."""
        return {"base_url": self.url, "api_key": KEY, "max_retries": 0, "ledger": self.ledger} | options

    def client(self, **options: Any) -> Client:
        made = Client(**self.options(**options))
        self.clients.append(made)
        return made

    def async_client(self, **options: Any) -> AsyncClient:
        """To be closed by whoever made it."""
        return AsyncClient(**self.options(**options))

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.clients.clear()

    def faults(self, **chances: float) -> None:
        fetch(f"{self.url}/_sim/faults", chances)

    def bill(self) -> Any:
        return fetch(f"{self.url}/_sim/bill")

    def books(self) -> Books:
        return asyncio.run(read_books(self.ledger))

    def entries(self) -> list[Entry]:
        return self.books().entries

    def check(self) -> None:
        """All is settled, and as the simulator has billed it."""
        check_books(self.books(), self.bill())


@contextlib.contextmanager
def standing(folder: Path, **members: Any) -> Iterator[Stand]:
    with serving(simulator(**members)) as url:
        stand = Stand(url, folder)
        try:
            yield stand
        finally:
            stand.close()


class QuickClock:
    """The machine's clock, running faster, for every thread alike."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def now_s(self) -> float:
        return START_S + self.monotonic_s()

    def monotonic_s(self) -> float:
        return (time.perf_counter() - self._began) * QUICK

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / QUICK)


@contextlib.contextmanager
def waiting(folder: Path, monkeypatch: pytest.MonkeyPatch, **members: Any) -> Iterator[Stand]:
    """The same in quick time: batches end within minutes of it."""
    clock = QuickClock()
    monkeypatch.setattr("thriftgate.engine.build.SystemClock", lambda: clock)
    rules = BatchRules(duration_s=(20.0, 40.0), **members)
    with standing(folder, clock=SimClock(clock.now_s), sleep=clock.sleep, batches=rules) as stand:
        yield stand


def ask(text: str) -> list[MessageParam]:
    return [{"role": "user", "content": text}]


def text_of(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")

"""The gateway in front of the simulator, as two processes, the way a user runs them."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.request import Request, urlopen

import msgspec

from thriftgate.core.money import usd_from_pico
from thriftgate.ledger.entries import UPSTREAM, Entry, Hold
from thriftgate.ledger.sql import SqlLedger

KEY = "sk-ant-sim-test-0000"
START_S = 20.0
STOP_S = 15.0


class Process:
    """`python -m thriftgate VERB …`, up once it has told its address."""

    def __init__(self, folder: Path, verb: str, *options: str) -> None:
        self.log = folder / f"{verb}.log"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("THRIFTGATE_")}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "thriftgate", verb, *options],
                cwd=folder,
                env=kept,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.url = self._told_url()

    def _told_url(self) -> str:
        limit = time.monotonic() + START_S
        while time.monotonic() < limit and self._process.poll() is None:
            told = re.search(r"http://127\.0\.0\.1:\d+", self.log.read_text(encoding="utf-8"))
            if told is not None:
                return told.group()
            time.sleep(0.02)
        self._process.kill()
        self._process.wait()
        raise AssertionError(f"it did not start:\n{self.log.read_text(encoding='utf-8')}")

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it politely. It must end by itself, without a traceback and without a key in its log."""
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(STOP_S)
        finally:
            self._process.kill()
            self._process.wait()
        log = self.log.read_text(encoding="utf-8")
        assert code in (0, -signal.SIGTERM), log
        assert "Traceback" not in log, log
        assert KEY not in log, log


class Books(NamedTuple):
    """What the ledger file holds at one moment."""

    entries: list[Entry]
    holds: list[Hold]
    unbalanced: list[str]


class Stack:
    """Simulator, gateway, ledger file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = folder / "books.db"
        self.simulator = Process(folder, "simulate", "--port", "0")
        try:
            self.serve()
        except BaseException:
            self.simulator.stop()
            raise

    def serve(self) -> None:
        """Start a gateway on the books; the one before must have ended."""
        self.gateway = Process(
            self.folder, "serve", "--port", "0", "--upstream", self.simulator.url, "--ledger", str(self.ledger)
        )
        self.url = self.gateway.url
        fetch(f"{self.url}/readyz")

    def stop(self) -> None:
        """The gateway first: it may still be settling."""
        try:
            self.gateway.stop()
        finally:
            self.simulator.stop()

    def faults(self, **chances: float) -> None:
        """Replace the simulator's faults; without arguments nothing goes wrong."""
        fetch(f"{self.simulator.url}/_sim/faults", chances)

    def bill(self) -> dict[str, Any]:
        """The simulator's own account of every call: the truth."""
        bill: dict[str, Any] = fetch(f"{self.simulator.url}/_sim/bill")
        return bill

    def books(self, settled_s: float = 5.0) -> Books:
        """What is booked, once no hold is open any more or the time is up."""
        limit = time.monotonic() + settled_s
        while True:
            books = asyncio.run(read_books(self.ledger))
            if not books.holds or time.monotonic() > limit:
                return books
            time.sleep(0.05)

    def thriftgate(self, verb: str, *options: str) -> Any:
        """The JSON document of a verb that reads the ledger."""
        done = subprocess.run(
            [sys.executable, "-m", "thriftgate", verb, *options, "--ledger", str(self.ledger), "--json"],
            cwd=self.folder,
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return msgspec.json.decode(done.stdout)

    def check_books(self) -> Books:
        """The books against the simulator's bill: see `check_books`."""
        books = self.books()
        check_books(books, self.bill())
        return books


def check_books(books: Books, bill: dict[str, Any]) -> None:
    """Every billed call is booked once, every entry balances, every hold is resolved; where the provider had its final
    word the amount is right to the last digit, and elsewhere the entry says that it is an estimate."""
    assert not books.holds
    assert not books.unbalanced
    assert len({entry.id for entry in books.entries}) == len(books.entries)
    told = [entry for entry in books.entries if entry.message_id]
    billed = {call["message_id"]: Decimal(call["cost_usd"]) for call in bill["calls"]}
    assert sorted(entry.message_id for entry in told) == sorted(billed)
    for entry in told:
        if entry.usage_source == "exact":
            assert paid_usd(entry) == billed[entry.message_id], entry
        else:
            assert entry.usage_source == "estimated", entry
            assert entry.outcome in ("cut", "left"), entry


def paid_usd(entry: Entry) -> Decimal:
    return Decimal(usd_from_pico(-entry.posted(UPSTREAM)))


async def read_books(path: Path) -> Books:
    """All that a ledger file holds now."""
    ledger = SqlLedger.open(path)
    try:
        holds = list(await ledger.open_holds())  # first: what is settled from here on is among the entries
        return Books(list(await ledger.entries(limit=100_000)), holds, list(await ledger.unbalanced()))
    finally:
        await ledger.close()


def fetch(url: str, document: object = None) -> Any:
    """GET, or POST of a document; the JSON that comes back."""
    body = None if document is None else msgspec.json.encode(document)
    try:
        with urlopen(Request(url, data=body), timeout=10) as reply:
            return msgspec.json.decode(reply.read())
    except URLError as error:
        raise AssertionError(f"{url}: {error}") from None

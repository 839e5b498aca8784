"""`thriftgate warm` against the simulator behind a socket, directly and through a gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.conftest import Run
from tests.fixtures import KEY, MODEL, assert_sound, books, message, serving, settings_of, simulator
from thriftgate.gateway.app import Gateway
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry
from thriftgate.simulator import SimClock, Simulator

HEAD = "word " * 12_000
BODY = message(system=HEAD, stream=True)


@pytest.fixture
def app() -> Simulator:
    return simulator(clock=SimClock.real())


@pytest.fixture
def upstream(app: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    with serving(app) as url:
        monkeypatch.setenv("THRIFTGATE_UPSTREAM__URL", url)
        monkeypatch.setenv("THRIFTGATE_LEDGER__PATH", str(tmp_path / "books.db"))
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        yield url


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "request.json"
    path.write_bytes(msgspec.json.encode(BODY))
    return str(path)


def entries_of(path: Path) -> list[Entry]:
    async def read() -> list[Entry]:
        async with books(path / "books.db") as ledger:
            await assert_sound(ledger)
            return list(await ledger.entries())

    return asyncio.run(read())


def test_it_writes_the_prefix_and_says_so(run: Run, app: Simulator, upstream: str, file: str, tmp_path: Path) -> None:
    done = run("warm", file, "--json")
    assert done.code == 0, done.err
    document = done.json()
    (billed,) = app.bill.calls
    (warmed,) = document["requests"]
    assert warmed["written_1h_tokens"] == billed.usage.write_1h > 10_000
    assert (warmed["error"], warmed["model"], warmed["request"]) == ("", MODEL, file)
    assert billed.outcome == "prewarm"
    (entry,) = entries_of(tmp_path)
    paid = -entry.posted(UPSTREAM)
    assert paid == int(billed.cost * 10**12)
    assert (entry.posted(BASELINE), entry.posted("saved:cache.prewarm")) == (0, paid)
    assert (entry.endpoint, entry.id, entry.outcome) == ("warm", warmed["id"], "answered")
    assert document["cost_usd"] == warmed["cost_usd"]
    again = run("warm", file, "--json").json()["requests"][0]
    assert again["read_tokens"] == warmed["written_1h_tokens"]


def test_the_call_it_was_for_reads_it(run: Run, app: Simulator, upstream: str, file: str) -> None:
    """Through the gateway, which then knows that the prefix is cached."""
    gateway = Gateway(settings_of(upstream={"url": upstream}))
    with serving(gateway) as url:
        warmed = run("warm", file, "--gateway", url, "--json").json()["requests"][0]
        assert warmed["error"] == ""
        assert warmed["written_1h_tokens"] > 10_000
        assert float(warmed["cost_usd"]) > 0
        assert warmed["id"].startswith("tg_")
        run("warm", file, "--gateway", url, "--ttl", "5m")
    assert [call.usage.read > 10_000 for call in app.bill.calls] == [False, True]


def test_a_table_for_people(run: Run, upstream: str, file: str) -> None:
    done = run("warm", file, "--ttl", "5m")
    assert done.code == 0
    assert "cached" in done.out
    assert "1 to warm: about $" in done.err


def test_lines_and_several_files(run: Run, app: Simulator, upstream: str, file: str, tmp_path: Path) -> None:
    lines = tmp_path / "requests.jsonl"
    lines.write_bytes(b"\n\n".join(msgspec.json.encode(message(system=f"{n} {HEAD}")) for n in range(2)) + b"\n")
    done = run("warm", file, str(lines), "--json")
    assert done.code == 0, done.err
    assert [one["request"] for one in done.json()["requests"]] == [file, f"{lines}:1", f"{lines}:3"]
    assert len(app.bill.calls) == 3


def test_above_the_limit_it_wants_to_be_told(run: Run, app: Simulator, upstream: str, file: str) -> None:
    done = run("warm", file, "--max-cost", "0.0001")
    assert done.code == 1
    assert "--yes agrees" in done.err
    assert not app.bill.calls
    assert run("warm", file, "--max-cost", "0.0001", "--yes").code == 0
    assert len(app.bill.calls) == 1


def test_again_and_again(run: Run, app: Simulator, upstream: str, file: str) -> None:
    done = run("warm", file, "--every", "1s", "--rounds", "2", "--json")
    assert done.code == 0
    rounds = [msgspec.json.decode(line) for line in done.out.splitlines()]
    assert [one["requests"][0]["read_tokens"] > 10_000 for one in rounds] == [False, True]


def test_what_the_provider_refuses_is_told(run: Run, upstream: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_bytes(msgspec.json.encode(message(system=HEAD, temperature=7)))
    done = run("warm", str(file), "--json")
    assert done.code == 1
    assert "answered 400" in done.json()["requests"][0]["error"]
    assert done.json()["cost_usd"] == "0"


def test_an_upstream_that_is_not_there(run: Run, file: str, tmp_path: Path) -> None:
    books_at = str(tmp_path / "b.db")
    done = run("warm", file, "--json", "--upstream", "http://127.0.0.1:9", "--ledger", books_at)
    assert done.code == 1
    assert done.json()["requests"][0]["error"]
    assert run("warm", file, "--json", "--gateway", "http://127.0.0.1:9").code == 1


@pytest.mark.parametrize(
    ("body", "arguments", "words"),
    [
        (BODY, ("--at", "25:00"), "--at"),
        (BODY, ("--every", "5 minutes"), "--every"),
        (BODY, ("--every", "5m", "--at", "10:00"), "choose one"),
        (message(thinking={"type": "enabled", "budget_tokens": 1024}), (), "thinking has a budget"),
        (message() | {"messages": []}, (), "nothing that could be cached"),
        ({"model": MODEL}, (), "messages: Field required"),
        ([1], (), "JSON object"),
    ],
)
def test_bad_usage(run: Run, tmp_path: Path, body: Any, arguments: tuple[str, ...], words: str) -> None:
    file = tmp_path / "request.json"
    file.write_bytes(msgspec.json.encode(body))
    done = run("warm", str(file), *arguments)
    assert done.code == 2
    assert words in done.err


def test_files_without_a_request(run: Run, tmp_path: Path) -> None:
    assert run("warm", "nowhere.json").code == 2
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(b"\n")
    assert run("warm", str(empty)).code == 2

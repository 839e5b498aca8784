"""`thriftgate cache doctor`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from tests.cli.conftest import Run
from tests.fixtures import HEADERS, call_of, engine_on, simulator
from tests.fixtures import books as books_at

RULES = "Sort the parcels by their urgency and answer in one word. " * 100
TOOLS = [{"name": f"tool_{n}", "description": RULES, "input_schema": {"type": "object"}} for n in range(4)]


def body(**members: Any) -> dict[str, Any]:
    return {"model": "claude-opus-4-8", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]} | members


def jsonl(lines: Iterable[Any]) -> bytes:
    return b"\n".join(msgspec.json.encode(line) for line in lines)


DATED = [body(system=f"Now: 2026-11-21T10:{at:02d}:00Z\n{RULES}") for at in range(10)]


def test_a_date_in_front(run: Run) -> None:
    done = run("cache", "doctor", "-", "--json", stdin=jsonl(DATED))
    assert done.code == 0
    document = done.json()
    assert (document["requests"], document["unreadable"]) == (10, {})
    (app,) = document["apps"]
    (found,) = app["breaks"]
    assert (found["cause"], found["where"], found["count"], found["switch"]) == ("date", "system.0", 9, "split_volatile")
    assert found["pattern"] == "ISO date and time"
    assert found["offset_chars"] == len("Now: 2026-11-21T10:0")
    assert "last system block" in found["fix"]
    assert found["tokens_lost"] == pytest.approx(0.9 * app["tokens"], rel=0.02)
    assert app["tokens_shared"] == 0
    assert app["tokens_shared_stabilised"] == pytest.approx(0.9 * app["tokens"], rel=0.05)
    assert (app["changed"], app["left_alone"]) == (10, {})


def test_tools_and_documents_that_are_shuffled(run: Run) -> None:
    random = Random(5)
    lines = []
    for _ in range(12):
        tools = random.sample(TOOLS, len(TOOLS))
        lines.append({"key": "desk", "request": body(system=RULES, tools=tools)})
        documents = [{"type": "document", "source": {"type": "text", "data": f"{n} {RULES}"}} for n in range(3)]
        content = [*random.sample(documents, 3), {"type": "text", "text": "which?"}]
        lines.append({"key": "shelf", "params": body(system=RULES, messages=[{"role": "user", "content": content}])})
    apps = {app["key"]: app for app in run("cache", "doctor", "-", "--json", stdin=jsonl(lines)).json()["apps"]}
    assert [one["switch"] for one in apps["desk"]["breaks"]] == ["order_tools"]
    assert [one["switch"] for one in apps["shelf"]["breaks"]] == ["order_documents"]
    for app in apps.values():
        assert app["requests"] == 12
        assert app["tokens_shared"] < app["tokens_shared_stabilised"]
        assert app["tokens_shared_stabilised"] == pytest.approx(app["tokens"] * 11 / 12, rel=0.02)


def test_what_it_would_leave_alone(run: Run) -> None:
    lines = [one | {"model": "claude-opus-5-5"} for one in DATED]
    (app,) = run("cache", "doctor", "-", "--json", stdin=jsonl(lines)).json()["apps"]
    assert app["breaks"][0]["count"] == 9
    assert app["changed"] == 0
    ((reason, count),) = app["left_alone"].items()
    assert "binds thinking" in reason
    assert count == 10


def test_for_people(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_bytes(jsonl(DATED) + b"\n\n{broken\n{broken}\n[1]\n" + jsonl([{"model": "claude-opus-4-8"}]))
    done = run("cache", "doctor", str(file))
    assert done.code == 0
    assert "claude-opus-4-8: 10 requests" in done.out
    assert "split_volatile" in done.out
    assert "-> date: Put dates and times behind everything that stays" in done.out
    assert "with cache.stabilise and all its switches" in done.out
    told = done.err.splitlines()
    assert "2 lines left out: the request body is not valid JSON: JSON is malformed: object keys must be strings" in told
    assert "1 line left out: the request body must be a JSON object" in told
    assert "1 line left out: messages: Field required" in told
    assert "parcels" not in done.out + done.err
    assert "2026" not in done.out + done.err


def test_a_request_that_has_no_prompt_is_counted(run: Run) -> None:
    lines = [*DATED[:2], body(messages=3)]
    document = run("cache", "doctor", "-", "--json", stdin=jsonl(lines)).json()
    assert document["requests"] == 2
    assert sum(document["unreadable"].values()) == 1


@pytest.mark.parametrize(
    ("stdin", "file", "words"),
    [
        (b"", "-", "standard input holds no request body, one a line: it is empty"),
        (b"{broken", "-", "holds no request body, one a line: the request body is not valid JSON"),
        (b"", "no/such/file.jsonl", "cannot read no/such/file.jsonl: No such file"),
        (b"", "--wrong", "unknown option --wrong"),
    ],
)
def test_bad_input(run: Run, stdin: bytes, file: str, words: str) -> None:
    done = run("cache", "doctor", file, "--json", stdin=stdin)
    assert (done.code, done.out) == (2, "")
    assert words in " ".join(done.err.split())


# --- of a gateway ------------------------------------------------------------------------------------------------------


async def served(path: Path) -> None:
    """Twelve calls through an engine, two of three under its main key with a date in front."""
    async with engine_on(simulator(), ledger={"path": str(path)}) as engine:
        for at in range(12):
            headers = HEADERS | {"x-api-key": f"sk-ant-sim-{at % 3 // 2}"}
            system = RULES if at % 3 == 2 else f"Now: 2026-11-21T10:{at:02d}:00Z\n{RULES}"
            await engine.messages(call_of(body(system=system), headers=headers))


def test_what_a_gateway_saw(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    asyncio.run(served(path))
    document = run("cache", "doctor", "--ledger", str(path), "--json").json()
    assert (document["requests"], document["unreadable"]) == (12, {})
    dated, plain = document["apps"]
    assert dated["key"].startswith("key_")
    assert dated["key"] != plain["key"]
    assert (dated["requests"], plain["requests"], plain["breaks"]) == (8, 4, [])
    assert dated["since"] == "2026-11-21T12:00:00.000Z"
    (found,) = dated["breaks"]
    assert (found["cause"], found["where"], found["switch"]) == ("date", "system.0", "split_volatile")
    assert found["count"] + dated["unanalysed"] == 7
    assert found["tokens_lost"] > 0
    assert found["last"] == "2026-11-21T12:00:00.000Z"
    assert [dated[name] for name in ("tokens", "tokens_shared", "tokens_shared_stabilised", "changed")] == [None] * 4
    recorded = run("cache", "doctor", "-", "--json", stdin=jsonl(DATED)).json()["apps"][0]
    assert recorded.keys() == dated.keys()
    assert recorded["breaks"][0].keys() == found.keys()
    assert (recorded["since"], recorded["breaks"][0]["last"]) == (None, None)


def test_what_a_gateway_saw_for_people(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    path = tmp_path / "ledger.db"
    asyncio.run(served(path))
    config = tmp_path / "thriftgate.toml"
    config.write_text(f'[ledger]\npath = "{path}"\n', encoding="utf-8")
    done = run("cache", "doctor", "--config", str(config))
    assert done.code == 0
    assert "claude-opus-4-8: 8 requests since 2026-11-21T12:00:00.000Z" in done.out
    assert "split_volatile  2026-11-21" in done.out
    assert "-> date: Put dates and times behind everything that stays" in done.out
    assert "2 more that differed were not looked into, to save time." in done.out
    assert "Nothing breaks its prefix." in done.out
    assert "Tokens are estimates" in done.out
    assert "parcels" not in done.out + done.err
    assert "11-21T10:" not in done.out + done.err


def test_a_ledger_without_a_report(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"

    async def keep(data: bytes | None) -> None:
        async with books_at(path) as ledger:
            if data is not None:
                await ledger.keep("stability", data)

    asyncio.run(keep(None))
    done = run("cache", "doctor", "--ledger", str(path), "--json")
    assert (done.code, done.json()) == (0, {"requests": 0, "unreadable": {}, "apps": []})
    assert "holds nothing about prefixes yet" in run("cache", "doctor", "--ledger", str(path)).err
    asyncio.run(keep(b"rubbish"))
    done = run("cache", "doctor", "--ledger", str(path))
    assert done.code != 0
    assert "this is no kept report" in " ".join(done.err.split())


def test_a_file_and_a_ledger(run: Run, tmp_path: Path) -> None:
    done = run("cache", "doctor", "-", "--ledger", str(tmp_path / "ledger.db"), stdin=jsonl(DATED))
    assert (done.code, done.out) == (2, "")
    assert "name one of them" in done.err
    done = run("cache", "doctor", "--ledger", str(tmp_path / "none.db"))
    assert done.code == 2
    assert "there is no ledger at" in " ".join(done.err.split())

"""`thriftgate cache doctor`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from tests.cli.conftest import Run

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

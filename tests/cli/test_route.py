"""`thriftgate route`: its verbs on the command line. What they find out: test_route_explain.py, test_route_tasks.py."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.cli.conftest import MODEL, Books, Run

CHEAP = "claude-haiku-5-5"
BODY = msgspec.json.encode(
    {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "Sort this: my parcel is late."}]}
)
RULES = f"""
[policy]
levers = ["cache.breakpoints", "count.guard", "route.rules"]

[[routing.rules]]
name = "tickets of one customer"
task = "tickets"
tenant = "acme"
to = "{CHEAP}"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Settings with a rule; and no ledger in sight."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "thriftgate.toml"
    path.write_text(RULES)
    return str(path)


def test_another_model_would_serve_it(run: Run, config: str) -> None:
    told = ("--task", "tickets", "--tenant", "acme", "--config", config)
    done = run("route", "explain", "-", *told, "--json", stdin=BODY)
    assert (done.code, done.err) == (0, "")
    assert (done.json()["asked"], done.json()["served"], done.json()["task"]) == (MODEL, CHEAP, "tickets")
    shown = run("route", "explain", "-", *told, stdin=BODY)
    assert shown.code == 0
    for words in ("asked for", MODEL, "served by", CHEAP, "tickets", "$"):
        assert words in shown.out
    assert "route.rules: applied" in shown.err
    assert "tickets of one customer" in shown.err


def test_the_model_that_was_asked_for_would(run: Run, config: str, tmp_path: Path) -> None:
    file = tmp_path / "body.json"
    file.write_bytes(BODY)
    done = run("route", "explain", str(file), "--task", "tickets", "--config", config)
    assert done.code == 1
    assert "route.rules: skipped: no rule fits task tickets" in done.err


@pytest.mark.parametrize(
    ("stdin", "arguments", "words"),
    [
        (b"", ("none.json",), "cannot read none.json: No such file"),
        (b"[]", ("-",), "thriftgate: "),
        (b"{", ("-",), "thriftgate: "),
        (b'{"messages": []}', ("-",), "model"),
        (BODY, ("-", "--ledgr", "x"), "--ledgr"),
        (BODY, ("--wrong",), "unknown option --wrong"),
        (BODY, (), "requires an argument"),
    ],
)
def test_bad_usage(run: Run, config: str, stdin: bytes, arguments: tuple[str, ...], words: str) -> None:
    done = run("route", "explain", *arguments, "--config", config, stdin=stdin)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert "Traceback" not in done.err


def test_a_model_without_a_price(run: Run, config: str) -> None:
    done = run("route", "explain", "-", "--config", config, stdin=BODY.replace(MODEL.encode(), b"claude-nobody-1"))
    assert (done.code, done.out) == (1, "")
    assert "claude-nobody-1" in done.err


def test_tasks(run: Run, books: Books) -> None:
    (task,) = run("route", "tasks", "--ledger", books.path, "--json").json()["tasks"]
    assert (task["asked"], task["served"], task["calls"]) == (MODEL, MODEL, 3)
    done = run("route", "tasks", "--ledger", books.path, "--since", "2026-11-21T12:00:20Z")
    assert done.code == 0
    assert task["task"] in done.out
    assert run("route", "tasks", "--ledger", "none.db").code == 2
    assert run("route", "tasks", "--ledger", books.path, "--since", "soon").code == 2

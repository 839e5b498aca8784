"""`thriftgate compare` at two simulators behind sockets."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.fixtures import serving, simulator
from tests.quality.evaluating import CHEAP, STRONG, task_lines, write_lines
from thriftgate.quality.results import read_results
from thriftgate.simulator import SimClock, Simulator


@pytest.fixture
def apps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Simulator]:
    monkeypatch.chdir(tmp_path)
    return [simulator(clock=SimClock.real(), seed=seed) for seed in (1, 2)]


def settings(*urls: str) -> str:
    rows = "".join(
        f"[[targets]]\nname = 'at{at}'\nprovider = 'anthropic'\nurl = '{url}'\nkey = 'sk-ant-sim-at{at}.main-1'\n"
        f"price_factor = '{at}'\n"
        for at, url in enumerate(urls, 1)
    )
    Path("thriftgate.toml").write_text(f"[ledger]\npath = 'books.db'\n{rows}")
    return "thriftgate.toml"


def test_each_target_is_asked_the_same_and_nobody_else(run: Run, apps: list[Simulator]) -> None:
    items = str(write_lines(Path("set.jsonl"), task_lines(1)))
    with serving(apps[0]) as one, serving(apps[1]) as two:
        config = settings(one, two)
        arguments = ("compare", items, "--models", f"{CHEAP},{STRONG}", "--config", config)
        done = run(*arguments, "--json")
        assert done.code == 0, done.err
        document = done.json()
        calls = 2 * document["items"]
        assert [len(app.bill.calls) for app in apps] == [calls, calls]
        again = run(*arguments, "--json").json()
        assert [len(app.bill.calls) for app in apps] == [calls, calls]  # answers are kept
        people = run(*arguments, "--targets", "at2")
    assert document["state"] == "done"
    assert [(at["target"], at["provider"], at["asked"]) for at in document["targets"]] == [
        ("at1", "anthropic", calls),
        ("at2", "anthropic", calls),
    ]
    assert [Decimal(at["cost_usd"]) for at in document["targets"]] == [at * apps[at - 1].bill.total for at in (1, 2)]
    assert Decimal(document["cost_usd"]) == sum(Decimal(at["cost_usd"]) for at in document["targets"])
    assert [arm["arm"] for arm in document["targets"][0]["arms"]] == [CHEAP, STRONG]
    assert all(arm["latency_ms_p50"] for arm in document["targets"][0]["arms"])
    assert len(read_results(Path("set.at2.results.jsonl"))) == document["items"]
    assert again["cost_usd"] == "0"
    assert "at2 (anthropic)" in people.out
    assert "at1" not in people.out


def test_it_is_refused_before_anything_is_sent(run: Run, apps: list[Simulator]) -> None:
    items = str(write_lines(Path("set.jsonl"), task_lines(1)))
    with serving(apps[0]) as one:
        config = settings(one)
        dear = run("compare", items, "--models", CHEAP, "--config", config, "--max-cost", "0.000001", "--json")
        wrong = run("compare", items, "--models", CHEAP, "--config", config, "--targets", "at9")
    assert (dear.code, dear.json()["state"], len(apps[0].bill.calls)) == (1, "refused", 0)
    assert wrong.code == 2
    assert "there is no target 'at9'; at1" in wrong.err


def test_without_targets_there_is_nothing_to_compare(run: Run, apps: list[Simulator]) -> None:
    items = str(write_lines(Path("set.jsonl"), task_lines(1)))
    done = run("compare", items, "--models", CHEAP, "--ledger", "books.db")
    assert done.code == 2
    assert "there are no targets to compare" in done.err

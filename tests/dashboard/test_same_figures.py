"""Every figure of a page is that of the API and of the command line, to the pico-dollar."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.conftest import Run, run
from tests.dashboard.conftest import asked_of, document_of
from thriftgate.core.moments import text_from_micros
from thriftgate.core.money import pico_from_usd
from thriftgate.dashboard.app import _html
from thriftgate.dashboard.asked import Sources
from thriftgate.dashboard.pages import PAGES

__all__ = ["run"]

SPANS = ("24h", "7d", "all")


def since(asked: Any) -> list[str]:
    told = asked.look.told_us[0]
    return ["--since", text_from_micros(told)] if told else []


def amounts(html: str) -> set[str]:
    """The exact amounts that a page holds."""
    return set(re.findall(r'<data class="usd" value="([^"]*)"', html))


@pytest.mark.parametrize("span", SPANS)
async def test_overview(span: str, sources: Sources, ledger: Path, run: Run) -> None:
    asked = asked_of(sources, span=span, zone="Europe/Zurich")
    page = await document_of("overview", asked)
    html = await _html(PAGES["overview"], asked)
    told = _in_a_thread(run, "savings", "--json", "--ledger", str(ledger), *since(asked))
    for name in ("calls", "baseline_usd", "paid_usd", "saved_usd", "gross_usd", "net_usd", "own_usd", "levers"):
        assert page[name] == told[name], name
    for by in ("model", "key"):
        assert page[f"by_{by}"] == told[f"by_{by}"]
    for name in ("baseline_usd", "paid_usd", "saved_usd"):
        assert sum(pico_from_usd(step[name]) for step in page["over_time"]["steps"]) == pico_from_usd(told[name])
    assert {told["net_usd"], told["paid_usd"], told["baseline_usd"], *told["levers"].values()} <= amounts(html)
    by_task = {row["task"]: row for row in _in_a_thread(
        run, "report", "--by", "task", "--json", "--ledger", str(ledger), *since(asked))["rows"]}  # fmt: skip
    for row in page["by_task"]:
        assert {name: by_task[row["task"]][name] for name in row} == row


@pytest.mark.parametrize("span", SPANS)
async def test_cache(span: str, sources: Sources, ledger: Path, run: Run) -> None:
    asked = asked_of(sources, span=span)
    page = await document_of("cache", asked)
    told = _in_a_thread(run, "cache", "report", "--json", "--ledger", str(ledger), *since(asked))
    assert page["report"] == told
    assert sum(step["prompt_tokens"] for step in page["over_time"]["steps"]) == told["prompt_tokens"]
    assert {told["missed_usd"], told["avoidable_usd"]} <= amounts(await _html(PAGES["cache"], asked))


async def test_narrowed_figures_add_up(sources: Sources) -> None:
    whole = await document_of("overview", asked_of(sources, span="all"))
    keys = [await document_of("overview", asked_of(sources, span="all", key=one["key"])) for one in whole["by_key"]]
    assert sum(pico_from_usd(one["paid_usd"]) for one in keys) == pico_from_usd(whole["paid_usd"])
    cached = await document_of("cache", asked_of(sources, span="all", key="key_ci"))
    all_of_it = await document_of("cache", asked_of(sources, span="all"))
    mine = next(one for one in all_of_it["report"]["by_key"] if one["key"] == "key_ci")
    assert (cached["report"]["read_tokens"], cached["report"]["missed_usd"]) == (mine["read_tokens"], mine["missed_usd"])
    assert cached["report"]["saved_usd"] is None, "not told of some calls alone"


async def test_one_call(sources: Sources, ledger: Path, run: Run) -> None:
    live = await document_of("live", asked_of(sources))
    entry = next(one for one in live["recent"] if one["saved_usd"] != "0")
    asked = asked_of(sources, rest=entry["id"])
    page = await document_of("calls", asked)
    assert page == _in_a_thread(run, "explain", entry["id"], "--json", "--ledger", str(ledger))
    assert (page["cost_usd"], page["saved_usd"]) == (entry["cost_usd"], entry["saved_usd"])
    assert {page["cost_usd"], page["baseline_usd"], page["saved_usd"]} <= amounts(await _html(PAGES["calls"], asked))


@pytest.mark.parametrize(
    ("slug", "verb"),
    [("batches", ("batch", "list")), ("budgets", ("budget", "list")), ("alerts", ("alerts", "list"))],
)
async def test_other_pages(slug: str, verb: tuple[str, str], sources: Sources, ledger: Path, run: Run) -> None:
    page = msgspec.json.decode(msgspec.json.encode(await document_of(slug, asked_of(sources))))
    told = _in_a_thread(run, *verb, "--json", "--ledger", str(ledger))
    for one in (*page.get("budgets", ()), *told.get("budgets", ())):
        one.pop("pace_usd"), one.pop("spent_usd"), one.pop("percent"), one.pop("left_usd")
    assert page == told


async def test_quality(sources: Sources, ledger: Path, run: Run) -> None:
    asked = asked_of(sources, span="30d")
    page = await document_of("quality", asked)
    told = _in_a_thread(run, "route", "tasks", "--json", "--ledger", str(ledger), *since(asked))
    assert page["tasks"] == told["tasks"]
    assert (page["holdout"], page["trial"], page["audits"]) == ({}, {}, [])


def _in_a_thread(run: Run, *arguments: str) -> Any:
    """A verb has a loop of its own, and this thread has one already."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(run, *arguments).result()
    assert done.code in (0, 1), done.err
    return done.json()

"""The families of the metrics page: what they say, and that their number is bounded whatever the labels hold."""

from __future__ import annotations

import time

import pytest

from tests.cli.entries import entry_of
from tests.telemetry.pages import families, samples, value
from thriftgate.core.control.whose import Whose
from thriftgate.core.misses import Miss
from thriftgate.engine.governing import GovernorView, PlaceView
from thriftgate.ledger.entries import Counters, balanced
from thriftgate.telemetry.page import MetricsPage, page_text
from thriftgate.telemetry.standings import BudgetStanding, QueueStanding, Standings, Verdicts
from thriftgate.telemetry.tallies import Tallies

GOVERNOR = GovernorView(3, 7, 1.5, 1, {"rate": 4}, (PlaceView("one", "opus-4", 3, 2.0, {"requests": 0.5}),))


OPENMETRICS = "application/openmetrics-text; version=1.0.0"
HOSTILE = (
    '"} 1\nthriftgate_calls_total{x="',
    "back\\slash\\",
    "new\nline",
    "\x00\x1b[31m",
    "\u202etfel",
    "é" * 500,
    "# HELP x",
)


NOBODY_ASKED = Standings()


def page_of(asked: Standings = NOBODY_ASKED, *, counters: Counters | None = None, places: int = 50) -> str:
    made = MetricsPage(counters or Counters(), Tallies(places), asked, places=places)
    return page_text(made.families(), "")[1].decode()


def test_a_lever_that_cost_more_than_it_saved_is_negative() -> None:
    counters = Counters()
    counters.saved_pico["cache.breakpoints"] = -1_500_000
    assert value(samples(page_of(counters=counters)), "saved_usd", lever="cache.breakpoints") == -0.0000015


def test_every_family_is_told() -> None:
    """Without a meaning and a type nobody knows what a number is."""
    found = families(page_of(Standings(queue=lambda: QueueStanding(7, 2), governor=lambda: (GOVERNOR, 1))))
    for family in found.values():
        assert family.documentation.endswith("."), family.name
        assert family.type in ("counter", "gauge", "histogram")
        assert family.name.startswith("thriftgate_")


def test_how_things_stand() -> None:
    asked = Standings(
        queue=lambda: QueueStanding(7, 2),
        governor=lambda: (GOVERNOR, 1),
        budgets=lambda: [
            BudgetStanding("shop", ("team",), 40 * 10**12, 10 * 10**12, 100 * 10**12),
            BudgetStanding("key_0123456789ab", ("key",), 9 * 10**12, 0, 10 * 10**12),
            BudgetStanding("none left", ("tag", "task"), 0, 0, 0),
        ],
        targets=lambda: {"overload": 3},
        alerts=lambda: {"forecast": 2},
        quality=lambda: {"tickets": Verdicts(90, 5, 2, 3)},
        dropped=lambda: {"calls": 4},
    )
    page = page_of(asked)
    found = samples(page)
    assert (value(found, "queue_jobs"), value(found, "queue_batches")) == (7, 2)
    assert (value(found, "governor_waiting"), value(found, "governor_paused")) == (3, 1)
    shop = {"scope": "team", "budget": "shop"}
    assert value(found, "budget_spent_usd", **shop) == 40
    assert value(found, "budget_held_usd", **shop) == 10
    assert value(found, "budget_limit_usd", **shop) == 100
    assert value(found, "budget_used_share", **shop) == 0.5
    assert value(found, "budget_used_share", scope="tag+task", budget="none left") == 1
    assert value(found, "budget_fullest_share", scope="key") == 0.9
    assert value(found, "budgets", scope="key") == 1
    assert "key_" not in page, "a budget on a key is counted, not named"
    assert value(found, "alerts_firing", rule="forecast") == 2
    assert value(found, "targets_left_alone", why="overload") == 3
    assert value(found, "task_audits_total", task="tickets", verdict="strong_better") == 3
    assert value(found, "telemetry_dropped_total", signal="calls") == 4


def test_what_nobody_knows_has_no_lines() -> None:
    page = page_of()
    for name in ("queue_jobs", "governor_waiting", "governor_paused", "budget_spent_usd{"):
        assert f"thriftgate_{name}" not in page


@pytest.mark.parametrize("accept", ["", OPENMETRICS, "text/plain; version=1.0.0; escaping=allow-utf-8"])
def test_bounded_whatever_comes(accept: str) -> None:
    """10,000 keys, 5,000 teams, tasks and models, many of them written to break the page."""
    tallies, counters, places = Tallies(50), Counters(), 50
    calls = 10_000
    for at in range(calls):
        name = f"{HOSTILE[at % len(HOSTILE)][:40]}{at % 5_000}{HOSTILE[at % len(HOSTILE)]}"
        miss = Miss("cold", 1, 1, "") if at % 3 else None
        entry = entry_of(
            id=f"tg_{at}",
            key=f"key_{at:012x}",
            task=name,
            whose=Whose(name, name, name, (name,)),
            model=(name, f"m-{at}")[at % 2],
            miss=miss,
        )
        tallies.hear(entry)
        counters.count(entry)
    asked = Standings(
        budgets=lambda: [BudgetStanding(f"{HOSTILE[at % 7]}{at}", ("team",), at, 0, 5_000) for at in range(5_000)],
        alerts=lambda: {f"{HOSTILE[at % 7]}{at}": at for at in range(5_000)},
        quality=lambda: {f"{HOSTILE[at % 7]}{at}": Verdicts(at, 0, 0, 0) for at in range(5_000)},
    )
    made = MetricsPage(counters, tallies, asked, places=places)
    began = time.perf_counter()
    told = made.families()
    collected = time.perf_counter()
    _, page = page_text(told, accept)
    took = time.perf_counter() - began
    text = page.decode()
    found = samples(text, openmetrics=accept == OPENMETRICS)
    per_name = 2 * (14 + 3) + 9 + 8  # histograms; outcomes and kinds of tokens; counters of a group
    assert len(found) < 4 * (places + 2) * per_name
    print(f"{len(found)} series, {len(page)} bytes, collected in {collected - began:.4f} s, page in {took:.4f} s")
    assert took < 2.0, "measured 0.03 to 0.08 s"
    for label in ("model", "team", "task"):
        shown = {(name, dict(labels)[label]) for name, labels in found if label in dict(labels)}
        for family in {name for name, _ in shown}:
            names = {name for of, name in shown if of == family}
            assert len(names) <= places + 2, family
            assert "other" in names, family
    assert value(found, "calls_total", outcome="answered") == calls, "no label could add a line to a family of ours"
    assert sum(v for (name, _), v in found.items() if name == "thriftgate_team_calls_total") == calls
    assert "key_" not in text
    assert "tg_" not in text


def test_sums_agree_where_nobody_lost_a_place() -> None:
    tallies, counters = Tallies(5), Counters()
    for at in range(9):
        entry = entry_of(id=str(at), task=f"t{at % 3}", postings=balanced(10**9 + at, 10**8, {"x": 9 * 10**8 + at}))
        tallies.hear(entry)
        counters.count(entry)
    made = MetricsPage(counters, tallies, Standings(), places=5)
    found = samples(page_text(made.families(), "")[1].decode())
    for name in ("baseline_usd_total", "paid_usd_total"):
        by_task = sum(v for (family, _), v in found.items() if family == f"thriftgate_task_{name}")
        assert by_task == pytest.approx(value(found, name), abs=1e-15)

"""From the settings to the router's tables, and what is wrong with them in words."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.core.planning import MODELS
from tests.core.routing.artefacts import SECRET, artefact_of
from tests.fixtures import engine_on, settings_of, simulator
from thriftgate.core.errors import ConfigError
from thriftgate.core.routing.artefact import signed
from thriftgate.core.routing.experiment import Experiment
from thriftgate.core.routing.rules import Rule, usual_split
from thriftgate.engine.routes import RoutingTable
from thriftgate.engine.routing_table import routing_table
from thriftgate.settings import RuleRow, TaskRow


def table(**tables: dict[str, Any]) -> RoutingTable:
    return routing_table(settings_of(**tables), MODELS, SECRET)


def test_without_settings_it_only_looks() -> None:
    found = table()
    assert found == RoutingTable(observe=True)
    assert table(routing={"observe": False}) == RoutingTable(observe=False)


def test_rules_in_order_and_the_ready_made_ones_behind_them() -> None:
    rows = (
        RuleRow(name="mail", to="claude-haiku-5-5", task="mail*", schema=True, spent_usd=Decimal("1.5"), effort="low"),
        RuleRow(to="claude-haiku-4-5"),
    )
    found = table(routing={"rules": rows, "usual_split": True}).rules
    assert found == (
        Rule("mail", "claude-haiku-5-5", "low", task="mail*", schema=True, spent_pico=1_500_000_000_000),
        Rule("rule 2", "claude-haiku-4-5"),
        *usual_split(),
    )


def test_every_condition_of_a_row_reaches_the_rule() -> None:
    row = RuleRow(
        name="n", to="claude-haiku-5-5", effort="low", task="t", kind="code", asked="a", key="k", tenant="e", tokens_min=1,
        tokens_max=2, turns_max=3, tools=True, images=False, schema=True, spent_usd=Decimal("0.000000000004"),
    )  # fmt: skip
    (rule,) = table(routing={"rules": (row,)}).rules
    assert rule == Rule("n", "claude-haiku-5-5", "low", "t", "code", "a", "k", "e", 1, 2, 3, True, False, True, 4)


def test_names_of_tasks() -> None:
    rows = (TaskRow(name="mail", system="sort.*letters"), TaskRow(name="b", fingerprint="fp:1", key="key_1"))
    by_system, by_print = table(routing={"tasks": rows}).tasks
    assert by_system.fits("fp:9", "key_9", "You sort all letters")
    assert not by_system.fits("fp:9", "key_9", "You burn letters")
    assert by_print.fits("fp:1", "key_1", "")
    assert not by_print.fits("fp:1", "key_2", "")
    assert not by_print.fits("fp:2", "key_1", "")


def test_the_experiment() -> None:
    found = table(experiment={"holdout": 0.1, "share": 0.5, "levers": ("route.rules",), "name": "n"}).experiment
    assert found == Experiment(0.1, 0.5, ("route.rules",), "n")


def test_artefacts_are_read_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(signed(artefact_of(), SECRET))
    (found,) = table(routing={"artefacts": (str(path),)}).artefacts
    assert found.id == "cal-1"
    with pytest.raises(ConfigError, match="its signature does not fit"):
        routing_table(settings_of(routing={"artefacts": (str(path),)}), MODELS, b"other")


async def test_an_engine_signs_and_reads_with_the_secret_of_its_settings(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(signed(artefact_of(), SECRET))
    routing = {"artefacts": (str(path),), "secret": SECRET.decode()}
    async with engine_on(simulator(), routing=routing) as engine:
        assert [one.id for one in engine.router.table.artefacts] == ["cal-1"]
    with pytest.raises(ConfigError, match="its signature does not fit"):
        async with engine_on(simulator(), routing=routing | {"secret": ""}):
            pass


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"routing\.rules\[1\]\.to: claude-nobody is not in the capability table"):
        table(routing={"rules": (RuleRow(to="claude-haiku-5-5"), RuleRow(to="claude-nobody"))})
    with pytest.raises(ConfigError, match=r"routing\.artefacts: cannot read .*nowhere\.json: No such file"):
        table(routing={"artefacts": (str(tmp_path / "nowhere.json"),)})
    one, two, odd = (tmp_path / name for name in ("1.json", "2.json", "3.json"))
    one.write_bytes(signed(artefact_of(), SECRET))
    two.write_bytes(signed(artefact_of(id="cal-2", strong="claude-opus-4-8@high"), SECRET))
    odd.write_bytes(signed(artefact_of(cheap="claude-nobody", price_ratio=0.2), SECRET))
    with pytest.raises(ConfigError, match=r"2\.json and another are both for calls to claude-opus-4-8: one promise a model"):
        table(routing={"artefacts": (str(one), str(two))})
    with pytest.raises(ConfigError, match=r"3\.json names claude-nobody, which is not in the capability table"):
        table(routing={"artefacts": (str(odd),)})

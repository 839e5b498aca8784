"""The dashboard, the alert rules and the scrape example: they can be loaded, and what they ask for is there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from tests.ops.exposed import exposed
from tests.ops.promql import check
from thriftgate.settings import Settings

OPS = Path(__file__).parents[2] / "ops"
DASHBOARD = OPS / "grafana" / "thriftgate.json"
ALERTS = OPS / "prometheus" / "alerts.yml"
SCRAPE = OPS / "prometheus" / "prometheus.yml"
ROW, COLUMNS = "row", 24

# --- what Grafana reads of a dashboard: schemaVersion 39, grafana.com/docs/grafana/latest/dashboards/build-dashboards
# /view-dashboard-json-model, 2026-10


class GridPos(Struct, forbid_unknown_fields=True):
    x: Annotated[int, Meta(ge=0, lt=COLUMNS)]
    y: Annotated[int, Meta(ge=0)]
    w: Annotated[int, Meta(ge=1, le=COLUMNS)]
    h: Annotated[int, Meta(ge=1)]


class Source(Struct, forbid_unknown_fields=True):
    type: Literal["prometheus"]
    uid: Literal["${datasource}"]


class Target(Struct, forbid_unknown_fields=True):
    refId: Annotated[str, Meta(pattern="^[A-Z]$")]  # noqa: N815  Grafana's name
    datasource: Source
    expr: Annotated[str, Meta(min_length=1)]
    legendFormat: str  # noqa: N815  Grafana's name
    format: Literal["table", "time_series"] = "time_series"
    instant: bool = False


class Panel(Struct, forbid_unknown_fields=True):
    id: Annotated[int, Meta(ge=1)]
    type: Literal["row", "stat", "timeseries", "bargauge", "table"]
    title: Annotated[str, Meta(min_length=1)]
    gridPos: GridPos  # noqa: N815  Grafana's name
    description: str = ""
    datasource: Source | None = None
    targets: list[Target] = []
    fieldConfig: dict[str, Any] = {}  # noqa: N815  Grafana's name
    options: dict[str, Any] = {}
    transformations: list[dict[str, Any]] = []
    collapsed: bool = False
    panels: list[Any] = []


class Variable(Struct):
    name: str
    type: Literal["datasource"]
    query: Literal["prometheus"]


class Templating(Struct):
    variables: list[Variable] = msgspec.field(name="list")


class Dashboard(Struct, forbid_unknown_fields=True):
    uid: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,40}$")]
    title: str
    description: str
    tags: list[str]
    editable: bool
    graphTooltip: Literal[0, 1, 2]  # noqa: N815  Grafana's name
    schemaVersion: Annotated[int, Meta(ge=36)]  # noqa: N815  Grafana's name
    version: int
    refresh: str
    time: dict[str, str]
    timezone: str
    annotations: dict[str, Any]
    links: list[Any]
    templating: Templating
    panels: list[Panel]


@pytest.fixture(scope="module")
def dashboard() -> Dashboard:
    return msgspec.json.decode(DASHBOARD.read_bytes(), type=Dashboard)


def test_panels_have_their_place(dashboard: Dashboard) -> None:
    ids = [panel.id for panel in dashboard.panels]
    assert len(ids) == len(set(ids))
    for panel in dashboard.panels:
        assert panel.gridPos.x + panel.gridPos.w <= COLUMNS, panel.title
    for one, other in combinations(dashboard.panels, 2):
        a, b = one.gridPos, other.gridPos
        apart = a.x + a.w <= b.x or b.x + b.w <= a.x or a.y + a.h <= b.y or b.y + b.h <= a.y
        assert apart, f"{one.title} lies over {other.title}"
    assert [variable.name for variable in dashboard.templating.variables] == ["datasource"]


def test_every_panel_asks_for_what_is_there(dashboard: Dashboard) -> None:
    page = exposed()
    for panel in dashboard.panels:
        if panel.type == ROW:
            assert not panel.targets
            continue
        assert panel.targets, panel.title
        refs = [target.refId for target in panel.targets]
        assert len(refs) == len(set(refs)), panel.title
        for target in panel.targets:
            metrics = check(target.expr, page)
            labels = set().union(*(page[metric] for metric in metrics))
            assert set(re.findall(r"\{\{\s*(\w+)\s*\}\}", target.legendFormat)) <= labels, panel.title


def test_it_shows_what_one_wants_to_see(dashboard: Dashboard) -> None:
    page = exposed()
    shown = {metric for panel in dashboard.panels for target in panel.targets for metric in check(target.expr, page)}
    unseen = {name.removesuffix("_bucket") for name in page} - {name.removesuffix("_bucket") for name in shown}
    told_elsewhere = {"up", "thriftgate_cache_hit_share", "thriftgate_budgets"}
    details = re.compile(r"_(?:sum|count|created)$|_model_|_(?:spent|held|limit)_usd$|team_|missed_tokens|task_baseline")
    assert {name for name in unseen - told_elsewhere if not details.search(name)} == set()
    side_by_side = next(panel for panel in dashboard.panels if panel.type == "table" and "task" in panel.title)
    asked = " ".join(target.expr for target in side_by_side.targets)
    for part in ("task_paid_usd", "task_answered_calls", "task_latency_seconds", "task_audits"):
        assert f"thriftgate_{part}" in asked


# --- rules -------------------------------------------------------------------------------------------------------------


def rules() -> Iterator[Mapping[str, Any]]:
    """The files are JSON, which YAML includes: one reads them without a library of its own."""
    for group in msgspec.json.decode(ALERTS.read_bytes())["groups"]:
        assert set(group) == {"name", "rules"}
        yield from group["rules"]


def test_every_rule_asks_for_what_is_there() -> None:
    page, names = exposed(), set()
    for rule in rules():
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"Thriftgate[A-Za-z]+", rule["alert"])
        assert rule["alert"] not in names
        names.add(rule["alert"])
        metrics = check(rule["expr"], page)
        assert re.fullmatch(r"\d+[smh]", rule["for"])
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}
        told = " ".join(rule["annotations"].values())
        labels = set().union(*(page[metric] for metric in metrics)) | {"instance", "job"}
        assert set(re.findall(r"\$labels\.(\w+)", told)) <= labels, rule["alert"]
    assert len(names) >= 12


def test_rules_name_verbs_and_settings_that_exist() -> None:
    from thriftgate.cli import VERBS

    verbs = {verb for verb, _ in VERBS}
    for rule in rules():
        for said in re.findall(r"`([^`]+)`", rule["annotations"]["description"]):
            if said.startswith("thriftgate "):
                assert said.split()[1] in verbs, said
            elif not said.startswith("thriftgate_"):
                table, key = said.split(".")
                assert key in getattr(Settings(), table).model_fields_set | set(
                    type(getattr(Settings(), table)).model_fields
                )


def test_the_scrape_finds_the_page() -> None:
    found = msgspec.json.decode(SCRAPE.read_bytes())
    (job,) = found["scrape_configs"]
    server = Settings().server
    assert job["metrics_path"] == "/thriftgate/metrics"
    assert job["static_configs"] == [{"targets": [f"{server.host}:{server.port}"]}]
    assert found["rule_files"] == [ALERTS.name]
    assert job["job_name"] == "thriftgate", "ThriftgateDown asks for it"

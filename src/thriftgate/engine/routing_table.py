"""The tables of the settings as the router reads them."""

from __future__ import annotations

import re
from pathlib import Path

from thriftgate.core.errors import ConfigError
from thriftgate.core.models import ModelTable
from thriftgate.core.money import pico_from_usd
from thriftgate.core.routing.artefact import Artefact, read_artefact, split_arm
from thriftgate.core.routing.experiment import Experiment
from thriftgate.core.routing.rules import Rule, usual_split
from thriftgate.engine.routes import RoutingTable, TaskName
from thriftgate.settings import RuleRow, Settings


def routing_table(settings: Settings, models: ModelTable, secret: bytes) -> RoutingTable:
    """Rules, tasks, artefacts, the experiment. Reads the files of the artefacts. Raises ConfigError naming what is wrong."""
    routing, experiment = settings.routing, settings.experiment
    rules = tuple(_rule(row, at, models) for at, row in enumerate(routing.rules))
    return RoutingTable(
        rules=(*rules, *(usual_split() if routing.usual_split else ())),
        tasks=tuple(
            TaskName(
                row.name,
                row.fingerprint,
                row.key,
                re.compile(row.system) if row.system else None,
                re.compile(row.metadata) if row.metadata else None,
            )
            for row in routing.tasks
        ),
        artefacts=_artefacts(routing.artefacts, models, secret),
        experiment=Experiment(experiment.holdout, experiment.share, experiment.levers, experiment.name),
        observe=routing.observe,
    )


def _rule(row: RuleRow, at: int, models: ModelTable) -> Rule:
    if row.to not in models:
        raise ConfigError(f"routing.rules[{at}].to: {row.to} is not in the capability table (see docs/reference/models.md)")
    return Rule(
        name=row.name or f"rule {at + 1}",
        to=row.to,
        effort=row.effort,
        task=row.task,
        kind=row.kind,
        asked=row.asked,
        key=row.key,
        tenant=row.tenant,
        tokens_min=row.tokens_min,
        tokens_max=row.tokens_max,
        turns_max=row.turns_max,
        tools=row.tools,
        images=row.images,
        schema=row.schema_,
        spent_pico=pico_from_usd(row.spent_usd),
    )


def _artefacts(paths: tuple[str, ...], models: ModelTable, secret: bytes) -> tuple[Artefact, ...]:
    found: dict[str, Artefact] = {}
    for path in paths:
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise ConfigError(f"routing.artefacts: cannot read {path}: {error.strerror}") from None
        artefact = read_artefact(data, secret, path)
        strong = models[split_arm(artefact.strong)[0]].id
        if strong in found:
            raise ConfigError(f"routing.artefacts: {path} and another are both for calls to {strong}: one promise a model")
        for arm in (artefact.strong, artefact.cheap):
            if split_arm(arm)[0] not in models:
                raise ConfigError(
                    f"routing.artefacts: {path} names {split_arm(arm)[0]}, which is not in the capability table"
                )
        found[strong] = artefact
    return tuple(found.values())

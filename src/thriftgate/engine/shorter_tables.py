"""The tables of the settings that make prompts and answers shorter, as the engine reads them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from thriftgate.core.agents.limits import GuardLimits
from thriftgate.core.agents.loops import LoopLimits
from thriftgate.core.errors import ConfigError
from thriftgate.core.models import ModelTable
from thriftgate.core.money import pico_from_usd
from thriftgate.core.output.rules import OutputRule, trouble_with, usual_table
from thriftgate.core.reduction.recipe import HistoryPolicy, Recipe
from thriftgate.core.reduction.rewrites import REWRITES
from thriftgate.engine.history import OWN
from thriftgate.engine.shaping import OutputTable
from thriftgate.settings import OutputTaskRow, Settings

NEEDS = {"context.select": "bm25s", "compress.markup": "html_to_markdown", "context.images": "PIL"}
"""Levers that need a package of the extra `context`."""


def recipe_of(settings: Settings) -> Recipe:
    """What may be taken out of prompts, as the tables `[policy]`, `[compress]` and `[context]` say. Raises ConfigError where
    a package is missing."""
    named = {*settings.policy.levers, *settings.experiment.levers}
    for lever, package in NEEDS.items():
        if lever in named and find_spec(package) is None:
            raise ConfigError(f"policy.levers: {lever} needs a package that is not there: pip install 'thriftgate[context]'")
    compress, context = settings.compress, settings.context
    return Recipe(
        rewrites=tuple(lever for lever in REWRITES if lever in named),
        json_drop_nulls=compress.drop_nulls,
        table_form=compress.tables,
        text_fillers=compress.fillers,
        select_tokens=context.select_tokens,
        tool_result_tokens=context.tool_result_tokens,
        tools=tuple((row.name, row.tokens) for row in context.tools),
        image_edge=context.image_edge,
    )


def check_summarisers(settings: Settings, models: ModelTable) -> None:
    """Raises ConfigError for a summariser that is not known."""
    for name in settings.context.summarisers:
        if name != OWN and name not in models:
            raise ConfigError(f"context.summarisers: {name} is not in the capability table (see docs/reference/models.md)")


def history_policy(settings: Settings) -> HistoryPolicy:
    """How the older part of conversations may be left out."""
    context = settings.context
    return HistoryPolicy(
        context.keep_messages,
        context.summary_tokens,
        context.summarisers,
        clears=context.clear_old_results,
        by_provider=context.compact_by == "provider",
    )


def guard_limits(settings: Settings) -> GuardLimits:
    """The `[guard]` table."""
    table, loops = settings.guard, settings.guard.loops
    looked_for = LoopLimits(loops.repeats, loops.cycles, loops.often, loops.window, loops.stalled, loops.polls)
    return GuardLimits(
        call_tokens=table.call_tokens,
        call_pico=pico_from_usd(table.call_usd),
        conversation_tokens=table.conversation_tokens,
        conversation_pico=pico_from_usd(table.conversation_usd),
        run_tokens=table.run_tokens,
        run_pico=pico_from_usd(table.run_usd),
        steps=table.steps,
        loops=looked_for if table.look_for_loops else None,
        on_limit=table.on_limit,
        on_loop=table.on_loop,
    )


def output_table(settings: Settings) -> OutputTable:
    """The `[output]` table. Reads the files of schemas. Raises ConfigError naming what is wrong."""
    table = settings.output
    rules = tuple(_rule(row, at) for at, row in enumerate(table.tasks))
    return OutputTable((*rules, *(usual_table() if table.usual_table else ())), table.cap_rate)


def _rule(row: OutputTaskRow, at: int) -> OutputRule:
    rule = OutputRule(
        name=row.name or f"row {at + 1}",
        task=row.task,
        kind=row.kind,
        key=row.key,
        cap=row.cap,
        stop=row.stop,
        brevity=row.brevity,
        effort=row.effort,
        thinking=row.thinking,
        until=row.until,
        prefill=row.prefill,
        schema=_schema(row.schema_, at),
        strict_tools=row.strict_tools,
        repair=row.repair,
    )
    wrong = trouble_with(rule)
    if wrong:
        raise ConfigError(f"output.tasks[{at}].{wrong}")
    return rule


def _schema(text: str, at: int) -> bytes:
    if not text.startswith("@"):
        return text.encode()
    try:
        return Path(text[1:]).read_bytes()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"output.tasks[{at}].schema: {text[1:]!r} cannot be read: {why}") from None

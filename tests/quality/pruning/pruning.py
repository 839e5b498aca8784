"""What the tests of pruning share: a prompt with a dead and a living half, cases for it, and what trials are made with."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.fixtures import KEY
from tests.quality.evaluating import on_stage, write_lines
from thriftgate.batch.work import Options
from thriftgate.pricing.load import load_models
from thriftgate.quality.answers import Answers
from thriftgate.quality.arms import arms_of
from thriftgate.quality.asks import Pricer
from thriftgate.quality.batching import Batcher
from thriftgate.quality.calling import Caller
from thriftgate.quality.datasets import read_set
from thriftgate.quality.items import Item
from thriftgate.quality.judges import Bench
from thriftgate.quality.pruning.trials import Means, Metered
from thriftgate.quality.rules import rule_of
from thriftgate.simulator import Simulator
from thriftgate.simulator.tasks import TASK_SETS

LIVING = "Give the category of this support ticket: billing, shipping, technical, account. Reply with the category only."
PROMPT = f"# Desk\n\nThe shop is old. Its chairs are good.\n\n## Task\n\n{LIVING}\n\n## Tone\n\nBe kind. Be brief.\n"


def ticket_lines(count: int = 60, *, judge: str | None = "exact") -> list[dict[str, Any]]:
    """Cases that are no more than a ticket: what to do with it stands in the prompt."""
    (tickets,) = (one for one in TASK_SETS if one.name == "ticket")
    return [
        {"id": f"t{at}", "prompt": one.prompt[one.prompt.index("Ticket:") :], "expected": one.expected, "max_tokens": 60}
        | ({"judge": judge} if judge else {})
        for at, one in enumerate(tickets.items(count))
    ]


def ticket_cases(folder: Path, count: int = 60, *, judge: str | None = "exact") -> list[Item]:
    return read_set(write_lines(folder / "cases.jsonl", ticket_lines(count, judge=judge)))


@contextlib.asynccontextmanager
async def means_on(
    folder: Path, provider: Simulator | None = None, *, rule: str = "", budget_pico: int = 10**12, now: bool = True
) -> AsyncIterator[tuple[Means, Simulator]]:
    """What trials are made with, on a stage."""
    async with on_stage(folder, provider) as (engine, simulator):
        pricer = Pricer(engine, KEY, now=now)
        caller = Caller(engine, KEY, parallel=4, worst_pico=pricer.worst_pico)
        sender = Metered(caller if now else Batcher(engine, KEY, folder / "work", Options()))
        (arm,) = arms_of("claude-haiku-5-5", load_models())
        default = rule_of(rule) if rule else None
        with contextlib.closing(Bench(default, load_models())) as bench, Answers(folder / "answers.db") as answers:
            yield Means(arm, bench, pricer, sender, answers, budget_pico, now), simulator

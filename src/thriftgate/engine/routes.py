"""What routing goes by: the tables, the artefacts, what was learned of tasks and of conversations."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct

from thriftgate.core.generations import Generations
from thriftgate.core.request import Request
from thriftgate.core.routing.artefact import Artefact, Cascade, split_arm
from thriftgate.core.routing.experiment import Experiment, drawn
from thriftgate.core.routing.rules import Rule
from thriftgate.core.routing.switching import Move
from thriftgate.core.routing.task import conversation_of
from thriftgate.engine.snapshot import Knowledge
from thriftgate.engine.spending import Spending
from thriftgate.engine.standing import Standings

TASKS = 2_000
TRIES_FIRST = 20  # of a task, before it is judged whether tries of it pay
TRY_AGAIN = 50  # one in so many calls is tried all the same
TRY_WEIGHT = 0.02
JUDGING_WEIGHT = 0.1

Weigh = Callable[[int, float, int], Move]
"""Whether a try pays, by what judging costs (pico-USD), the share of tries that are kept, and how many there were."""


class TaskName(NamedTuple):
    """What calls of a kind are called. Empty conditions hold for every call; `system` is searched in the system prompt,
    `metadata` in the JSON of the call's metadata."""

    name: str
    fingerprint: str = ""
    key: str = ""
    system: re.Pattern[str] | None = None
    metadata: re.Pattern[str] | None = None

    def fits(self, fingerprint: str, key: str, instructions: str, metadata: str = "") -> bool:
        return (
            self.fingerprint in ("", fingerprint)
            and self.key in ("", key)
            and (self.system is None or self.system.search(instructions) is not None)
            and (self.metadata is None or self.metadata.search(metadata) is not None)
        )


class RoutingTable(Struct, frozen=True):
    """All that says how calls are routed. With `observe` every call is told its task, for the books, even if nothing is
    routed."""

    rules: tuple[Rule, ...] = ()
    tasks: tuple[TaskName, ...] = ()
    artefacts: tuple[Artefact, ...] = ()
    experiment: Experiment = Experiment()
    observe: bool = True


NO_ROUTING = RoutingTable(observe=False)


class Routes:
    """One per engine. `suspended` names artefacts that the watch has taken out of service, `pinned` tasks of them,
    each with the evidence."""

    def __init__(self, table: RoutingTable, knowledge: Knowledge, salt: bytes) -> None:
        self.table = table
        self.knowledge = knowledge
        self.suspended: dict[str, str] = {}
        self.pinned: dict[str, dict[str, str]] = {}
        self.spending = Spending()
        self.standings = Standings()
        self._salt = salt
        self._judging_pico = 0.0
        self._tries: Generations[str, tuple[int, float]] = Generations(TASKS)
        self._passed: Generations[str, int] = Generations(TASKS)
        self._artefacts = {knowledge.models[split_arm(one.strong)[0]].id: one for one in table.artefacts}

    def certified(self, certificate: str) -> Artefact | None:
        """The artefact of that id."""
        return next((one for one in self.table.artefacts if one.id == certificate), None)

    def by_lot(self, artefact: Artefact, request: Request, key: str) -> bool:
        """Whether this conversation is of the share that may go to the cheap arm: the same at each of its turns."""
        if artefact.share >= 1:
            return True
        return drawn(self._salt, artefact.id.encode(), conversation_of(request, key)) < artefact.share

    def tried(self, task: str, *, kept: bool) -> None:
        """A try of that task was judged: where hardly any is kept, the next ones are not made."""
        tries, share = self._tries.get(task) or (0, 1.0)
        tries += 1
        self._tries[task] = (tries, share + max(TRY_WEIGHT, 1 / tries) * (kept - share))

    def judged(self, pico: int) -> None:
        """One call that helped to judge a try has cost so much."""
        self._judging_pico += JUDGING_WEIGHT * (pico - self._judging_pico) if self._judging_pico else pico

    def worth_a_try(self, task: str, cascade: Cascade, weigh: Weigh) -> str:
        """Why a try of this task is expected to cost more than it saves; "" where it is worth it. Now and then one is made
        all the same: tasks change."""
        tries, share = self._tries.get(task) or (0, 1.0)
        if tries < TRIES_FIRST:
            return ""
        calls = cascade.samples - 1 + bool(cascade.verifier) + bool(cascade.second)
        move = weigh(round(calls * self._judging_pico), share, min(tries, round(1 / TRY_WEIGHT)))
        if move.go:
            return ""
        self._passed[task] = passed = (self._passed.get(task) or 0) + 1
        return "" if passed % TRY_AGAIN == 0 else move.reason

    def artefact_for(self, model: str) -> Artefact | None:
        """The artefact of which this is the strong model."""
        return self._artefacts.get(self.knowledge.models[model].id)

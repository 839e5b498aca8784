"""Which model serves a call: the tables, what was learned of tasks, and the way of a call through them.

The decision itself stands in `route_decision.py`, what is remembered of conversations in `standing.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple
from zlib import crc32

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.generations import Generations
from thriftgate.core.plan import Policy
from thriftgate.core.request import Request
from thriftgate.core.rewrite import Rewritten
from thriftgate.core.routing.artefact import Artefact, Cascade, split_arm
from thriftgate.core.routing.choice import Route
from thriftgate.core.routing.experiment import Experiment, arm_of, drawn
from thriftgate.core.routing.rules import Rule
from thriftgate.core.routing.switching import Move
from thriftgate.core.routing.task import conversation_of, fingerprint, system_text
from thriftgate.engine.call import Call
from thriftgate.engine.route_decision import CASCADE, LEARNED, LEVERS, RULES, Decision
from thriftgate.engine.snapshot import Knowledge
from thriftgate.engine.spending import Spending
from thriftgate.engine.standing import Standings
from thriftgate.logs import log, where_raised
from thriftgate.providers.transport import Headers, header

TASK_HEADER, ROUTE_HEADER = b"thriftgate-task", b"thriftgate-route"
FINGERPRINTS = 2_000
TRIES_FIRST = 20  # of a task, before it is judged whether tries of it pay
TRY_AGAIN = 50  # one in so many calls is tried all the same
TRY_WEIGHT = 0.02
JUDGING_WEIGHT = 0.1

Weigh = Callable[[int, float, int], Move]
"""Whether a try pays, by what judging costs (pico-USD), the share of tries that are kept, and how many there were."""


class TaskName(NamedTuple):
    """What calls of a kind are called. Empty conditions hold for every call; `system` is searched in the system prompt."""

    name: str
    fingerprint: str = ""
    key: str = ""
    system: re.Pattern[str] | None = None

    def fits(self, fingerprint: str, key: str, instructions: str) -> bool:
        return (
            self.fingerprint in ("", fingerprint)
            and self.key in ("", key)
            and (self.system is None or self.system.search(instructions) is not None)
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


class Router:
    """One per engine. `suspended` names artefacts that the watch has taken out of service, `pinned` tasks of them,
    each with the evidence."""

    def __init__(self, table: RoutingTable, knowledge: Knowledge, salt: bytes) -> None:
        self.table = table
        self.suspended: dict[str, str] = {}
        self.pinned: dict[str, dict[str, str]] = {}
        self.spending = Spending()
        self.knowledge = knowledge
        self._salt = salt
        self.standings = Standings()
        self._fingerprints: Generations[tuple[int, int, int, int], str] = Generations(FINGERPRINTS)
        self._tries: Generations[str, tuple[int, float]] = Generations(FINGERPRINTS)
        self._judging_pico = 0.0
        self._passed: Generations[str, int] = Generations(FINGERPRINTS)
        self._artefacts = {knowledge.models[split_arm(one.strong)[0]].id: one for one in table.artefacts}

    def enrol(self, request: Request, key: str, policy: Policy) -> tuple[Policy, Route]:
        """The side of the experiment that this conversation is on, and what may be done on it."""
        experiment = self.table.experiment
        if not experiment.on:
            return policy, Route()
        try:
            conversation = conversation_of(request, key)
            arm, propensity = arm_of(experiment, self._salt, conversation)
        except Exception as error:  # noqa: BLE001  law 4: the call goes on, outside the experiment
            log.error("not enrolled", error=type(error).__name__, at=where_raised(error))
            return policy, Route()
        levers = experiment.levers_on(arm, policy.levers)
        stabilise = () if arm == "holdout" else policy.stabilise
        return replace(policy, levers=levers, stabilise=stabilise), Route(
            arm=arm, propensity=propensity, conversation=conversation.hex()[:16]
        )

    def task_of(self, request: Request, key: str, headers: Headers) -> str:
        """The caller's own word for the task, the name that a row of the table gives it, or its fingerprint."""
        told = header(headers, TASK_HEADER)
        if told:
            return told[:100]
        print_ = self._fingerprint(request)
        if self.table.tasks:
            instructions = system_text(request)
            for name in self.table.tasks:
                if name.fits(print_, key, instructions):
                    return name.name
        return print_

    def route(self, rewritten: Rewritten, call: Call, key: str, policy: Policy, now_s: float) -> Rewritten:
        """The call as the chosen model is to get it. Whatever fails, the call goes to the model that was asked for."""
        if not self.table.observe and not self.active(policy):
            return rewritten
        request, route = rewritten.request, rewritten.route or Route()
        try:
            route = replace(route, task=self.task_of(request, key, call.headers))
            stays = call.unrouted or ("the caller wants it" if header(call.headers, ROUTE_HEADER) == "off" else "")
            if stays or not self.active(policy):
                return replace(rewritten, route=replace(route, asides=dict.fromkeys(LEVERS, stays) if stays else {}))
            return Decision(self, rewritten, route, call, key=key, policy=policy, now_s=now_s).made()
        except Exception as error:  # noqa: BLE001  law 4: savings fail open
            asides = dict.fromkeys(LEVERS, f"failed with {type(error).__name__}: {error}")
            return replace(rewritten, route=replace(route, choice=None, asides=asides))

    def active(self, policy: Policy) -> bool:
        """Whether any lever of routing is on, and has something to go by."""
        return (RULES in policy.levers and bool(self.table.rules)) or (
            bool(self._artefacts) and (LEARNED in policy.levers or CASCADE in policy.levers)
        )

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

    def _fingerprint(self, request: Request) -> str:
        system, tools, config = request.raw("system"), request.raw("tools"), request.raw("output_config")
        if not (system or tools or config):
            return fingerprint(request)
        mark = (crc32(system[:16_384]), crc32(tools), crc32(config), len(system))
        known = self._fingerprints.get(mark)
        if known is None:
            known = self._fingerprints[mark] = fingerprint(request)
        return known

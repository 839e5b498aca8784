"""Which model serves a call: the tables, what was learned of tasks, and the way of a call through them.

The decision itself stands in `route_decision.py`, what is remembered of conversations in `standing.py`.
"""

from __future__ import annotations

from zlib import crc32

from msgspec.structs import replace

from thriftgate.core.generations import Generations
from thriftgate.core.plan import Policy
from thriftgate.core.request import Request
from thriftgate.core.rewrite import Rewritten
from thriftgate.core.routing.choice import Route
from thriftgate.core.routing.experiment import arm_of
from thriftgate.core.routing.rules import Rule
from thriftgate.core.routing.task import conversation_of, fingerprint, system_text
from thriftgate.engine.call import Call
from thriftgate.engine.route_decision import CASCADE, LEARNED, LEVERS, RULES, Decision
from thriftgate.engine.routes import Routes, RoutingTable
from thriftgate.engine.snapshot import Knowledge
from thriftgate.logs import log, where_raised
from thriftgate.providers.transport import Headers, header

TASK_HEADER, ROUTE_HEADER = b"thriftgate-task", b"thriftgate-route"
FINGERPRINTS = 2_000


class Router(Routes):
    """The way of a call through the tables. One per engine."""

    def __init__(self, table: RoutingTable, knowledge: Knowledge, salt: bytes) -> None:
        super().__init__(table, knowledge, salt)
        self._fingerprints: Generations[tuple[int, int, int, int], str] = Generations(FINGERPRINTS)

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
            metadata = request.raw("metadata").decode(errors="replace")
            for name in self.table.tasks:
                if name.fits(print_, key, instructions, metadata):
                    return name.name
        return print_

    def route(
        self, rewritten: Rewritten, call: Call, key: str, policy: Policy, now_s: float, *, first: Rule | None = None
    ) -> Rewritten:
        """The call as the chosen model is to get it; `first` is a rule that goes before those of the table. Whatever fails,
        the call goes to the model that was asked for."""
        active = first is not None or self.active(policy)
        if not self.table.observe and not active:
            return rewritten
        request, route = rewritten.request, rewritten.route or Route()
        try:
            route = replace(route, task=self.task_of(request, key, call.headers))
            stays = call.unrouted or ("the caller wants it" if header(call.headers, ROUTE_HEADER) == "off" else "")
            if stays or not active:
                return replace(rewritten, route=replace(route, asides=dict.fromkeys(LEVERS, stays) if stays else {}))
            return Decision(self, rewritten, route, call, key=key, policy=policy, now_s=now_s, first=first).made()
        except Exception as error:  # noqa: BLE001  law 4: savings fail open
            asides = dict.fromkeys(LEVERS, f"failed with {type(error).__name__}: {error}")
            return replace(rewritten, route=replace(route, choice=None, asides=asides))

    def active(self, policy: Policy) -> bool:
        """Whether any lever of routing is on, and has something to go by."""
        return (RULES in policy.levers and bool(self.table.rules)) or (
            bool(self._artefacts) and (LEARNED in policy.levers or CASCADE in policy.levers)
        )

    def _fingerprint(self, request: Request) -> str:
        system, tools, config = request.raw("system"), request.raw("tools"), request.raw("output_config")
        if not (system or tools or config):
            return fingerprint(request)
        mark = (crc32(system[:16_384]), crc32(tools), crc32(config), len(system))
        known = self._fingerprints.get(mark)
        if known is None:
            known = self._fingerprints[mark] = fingerprint(request)
        return known

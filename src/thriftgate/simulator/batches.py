"""Message batches with their oddities: asynchronous validation, frozen counts, shuffled results, no idempotency.

Source: platform.claude.com/docs/en/build-with-claude/batch-processing and api/messages/batches, 2026-10. A batch takes
a seeded time; its items start spread over it, in an order of their own, and are answered (with the cache of that
moment) once the clock has passed their start. Half price; only succeeded items are billed.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

import msgspec

from thriftgate.simulator.bill import Bill, BilledCall
from thriftgate.simulator.catalog import page
from thriftgate.simulator.clock import rfc3339
from thriftgate.simulator.config import SimulatorConfig
from thriftgate.simulator.draws import shuffled, unit
from thriftgate.simulator.errors import ApiError, invalid, not_found, rate_limited
from thriftgate.simulator.identity import Caller, Ids
from thriftgate.simulator.messages import MessageService

DAY_S = 86_400
KEPT_S = 29 * DAY_S
CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
COUNTS = ("processing", "succeeded", "errored", "canceled", "expired")
NOT_IN_BATCH = ("stream", "speed", "store", "previous_thread_event_id", "cache_hint", "context_hint", "fallbacks")
"""members that make an item end as errored (batch-processing page, what cannot be batched)"""


@dataclass(slots=True)
class Job:
    """One item of a batch and, once it ran, its result."""

    custom_id: str
    params: object
    start_at: float
    result: dict[str, Any] | None = None


@dataclass(slots=True)
class Batch:
    """One batch. Times are Unix seconds; `done_at` is when the last item will have run, `waiting`
    holds the items that have not, the next one last."""

    id: str
    caller: Caller
    version: str
    betas: frozenset[str]
    created_at: float
    done_at: float
    jobs: list[Job] = field(default_factory=list)
    waiting: list[Job] = field(default_factory=list)
    cancel_at: float | None = None
    ended_at: float | None = None

    @property
    def expires_at(self) -> float:
        """24 hours after creation."""
        return self.created_at + DAY_S

    @property
    def status(self) -> str:
        """in_progress, canceling or ended."""
        if self.ended_at is not None:
            return "ended"
        return "in_progress" if self.cancel_at is None else "canceling"


class Batches:
    """All batches of one simulator. `run_due` must be called before anything else looks at the caches."""

    def __init__(self, config: SimulatorConfig, service: MessageService, bill: Bill, ids: Ids) -> None:
        self.config = config
        self._service = service
        self._bill = bill
        self._ids = ids
        self._known: dict[str, Batch] = {}
        self._created = 0

    def known(self) -> dict[str, Batch]:
        """All batches by id, oldest first."""
        return dict(self._known)

    def clear(self) -> None:
        """Forgets every batch."""
        self._known.clear()

    def create(
        self, raw: object, caller: Caller, *, version: str, betas: frozenset[str], now: float, queue: int | None
    ) -> Batch:
        """Accepts a batch. Only the frame is checked now: the items' `params` are validated when they run."""
        requests = raw.get("requests") if isinstance(raw, dict) else None
        if not isinstance(requests, list) or not requests:
            raise invalid("requests: Field required" if requests is None else "requests: at least one request is required")
        if len(requests) > self.config.batches.max_requests:
            raise ApiError("request_too_large", f"requests: {len(requests)} > {self.config.batches.max_requests} maximum")
        seen: set[str] = set()
        for index, entry in enumerate(requests):
            _check_frame(index, entry, seen)
        waiting = sum(len(batch.jobs) for batch in self._of(caller, everywhere=True) if batch.status != "ended")
        if queue is not None and waiting + len(requests) > queue:
            raise rate_limited(
                f"This batch would exceed your organization's limit of {queue} queued requests (simulated).", None
            )
        self._created += 1
        batch = self._schedule(requests, Batch(self._ids.make("msgbatch"), caller, version, betas, now, now))
        self._known[batch.id] = batch
        return batch

    def _schedule(self, requests: list[dict[str, Any]], batch: Batch) -> Batch:
        rules, now, chance = self.config.batches, batch.created_at, ("batch", self.config.seed, self._created)
        shortest, longest = rules.duration_s
        duration = math.exp(math.log(shortest) + unit(*chance) * (math.log(longest) - math.log(shortest)))
        batch.done_at = now + duration
        order = shuffled(range(len(requests)), *chance, "order")
        start_at = {index: now + 0.95 * duration * (rank + 0.5) / len(order) for rank, index in enumerate(order)}
        for index, entry in enumerate(requests):
            stuck = unit(*chance, "stuck", index) < rules.stuck_share
            start = math.inf if stuck else start_at[index]
            batch.jobs.append(Job(entry["custom_id"], entry["params"], start))
            if stuck:
                batch.done_at = math.inf
        batch.waiting = sorted(batch.jobs, key=lambda job: -job.start_at)
        return batch

    def run_due(self, now: float) -> None:
        """Runs every item whose time has come, in order of time, and ends the batches that are through."""
        due: list[tuple[float, int, Job, Batch]] = []
        live = [batch for batch in self._known.values() if batch.ended_at is None]
        for batch in live:
            until = min(now, batch.expires_at, math.inf if batch.cancel_at is None else batch.cancel_at)
            while batch.waiting and batch.waiting[-1].start_at <= until:
                job = batch.waiting.pop()
                due.append((job.start_at, len(due), job, batch))
        for _, _, job, batch in sorted(due, key=lambda entry: entry[:2]):
            job.result = self._run(job, batch)
        for batch in live:
            self._end(batch, now)

    def _run(self, job: Job, batch: Batch) -> dict[str, Any]:
        service, at = self._service, job.start_at
        try:
            _check_params(job.params)
            call = service.prepare(job.params, batch.caller, version=batch.version, betas=batch.betas, now=at, batch=True)
        except ApiError as problem:
            return {"type": "errored", "error": problem.document(self._ids.make("req"))}
        reply = service.answer(call, at, at + self.config.batches.readable_s)
        self._bill.add(
            BilledCall(
                request_id=self._ids.make("req"),
                message_id=reply.message["id"],
                model=call.model.id,
                organization=batch.caller.organization,
                workspace=batch.caller.workspace,
                at=at,
                usage=reply.usage,
                steps=reply.steps,
                modifiers=call.modifiers,
                outcome=reply.outcome,
                cost=self._bill.price(reply.steps, at, call.modifiers),
                batch_id=batch.id,
                custom_id=job.custom_id,
            )
        )
        return {"type": "succeeded", "message": reply.message}

    def _end(self, batch: Batch, now: float) -> None:
        """A canceled batch ends two seconds after the request (assumed), an unfinished one after 24 h."""
        if batch.ended_at is not None:
            return
        stop = batch.expires_at if batch.cancel_at is None else min(batch.cancel_at + 2.0, batch.expires_at)
        ends = min(batch.done_at, stop)
        if now < ends:
            return
        for job in batch.jobs:
            if job.result is None:
                job.result = {"type": "canceled" if batch.cancel_at is not None else "expired"}
        batch.ended_at = ends

    def get(self, batch_id: str, caller: Caller) -> Batch:
        """A batch of the caller's workspace, or 404."""
        batch = self._known.get(batch_id)
        if batch is None or (batch.caller.organization, batch.caller.workspace) != (caller.organization, caller.workspace):
            raise not_found(f"Message batch not found: {batch_id}")
        return batch

    def listing(self, caller: Caller, query: dict[str, str], origin: str) -> dict[str, Any]:
        """A page, newest first."""
        newest = self._of(caller)[::-1]  # kept in order of creation
        return page([self.describe(batch, origin) for batch in newest], query)

    def cancel(self, batch_id: str, caller: Caller, now: float) -> Batch:
        """Starts cancelling; items that already ran keep their results. An ended batch is a 400 (assumed)."""
        batch = self.get(batch_id, caller)
        if batch.ended_at is not None:
            raise invalid(f"Batch {batch_id} has already ended and cannot be canceled.")
        if batch.cancel_at is None:
            batch.cancel_at = now
        return batch

    def delete(self, batch_id: str, caller: Caller) -> dict[str, Any]:
        """Only an ended batch can be deleted."""
        batch = self.get(batch_id, caller)
        if batch.ended_at is None:
            raise invalid(f"Batch {batch_id} cannot be deleted while it is processing. Cancel it first.")
        del self._known[batch_id]
        return {"id": batch_id, "type": "message_batch_deleted"}

    def results(self, batch_id: str, caller: Caller, now: float) -> bytes:
        """The JSONL, in no useful order; 404 before the end and 29 days after creation (wordings assumed)."""
        batch = self.get(batch_id, caller)
        if batch.ended_at is None:
            raise not_found(f"Batch {batch_id} has no results yet: processing has not ended.")
        if now >= batch.created_at + KEPT_S:
            raise not_found(f"Results of batch {batch_id} are no longer available.")
        lines = [
            msgspec.json.encode({"custom_id": job.custom_id, "result": job.result})
            for job in shuffled(batch.jobs, "results", self.config.seed, batch.id)
        ]
        return b"".join(line + b"\n" for line in lines)

    def describe(self, batch: Batch, origin: str) -> dict[str, Any]:
        """The MessageBatch object. Counts stay all in `processing` until the whole batch has ended."""
        counts = dict.fromkeys(COUNTS, 0)
        for job in batch.jobs:
            counts[job.result["type"] if batch.ended_at is not None and job.result is not None else "processing"] += 1
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": batch.status,
            "request_counts": counts,
            "created_at": rfc3339(batch.created_at),
            "expires_at": rfc3339(batch.expires_at),
            "ended_at": _maybe(batch.ended_at),
            "cancel_initiated_at": _maybe(batch.cancel_at),
            "archived_at": None,
            "results_url": f"{origin}/v1/messages/batches/{batch.id}/results" if batch.ended_at is not None else None,
        }

    def _of(self, caller: Caller, *, everywhere: bool = False) -> list[Batch]:
        return [
            batch
            for batch in self._known.values()
            if batch.caller.organization == caller.organization
            and (everywhere or batch.caller.workspace == caller.workspace)
        ]


def _check_frame(index: int, entry: object, seen: set[str]) -> None:
    if not isinstance(entry, dict) or "params" not in entry or "custom_id" not in entry:
        raise invalid(f"requests.{index}: custom_id and params are required")
    name = entry["custom_id"]
    if not isinstance(name, str) or not CUSTOM_ID.fullmatch(name):
        raise invalid(f"requests.{index}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
    if name in seen:
        raise invalid(f"requests.{index}.custom_id: custom_id must be unique; found duplicate: {name}")
    seen.add(name)


def _check_params(params: object) -> None:
    for name in NOT_IN_BATCH:
        if isinstance(params, dict) and params.get(name):
            raise invalid(f"{name}: not supported in message batches")


def _maybe(moment: float | None) -> str | None:
    return None if moment is None else rfc3339(moment)

"""Message batches with their oddities: asynchronous validation, frozen counts, shuffled results, no idempotency.

Source: platform.claude.com/docs/en/build-with-claude/batch-processing and api/messages/batches, 2026-10. When an item
starts is decided by `schedule`; it is answered (with the cache of that moment) once the clock has passed its start. Half
price; only succeeded items are billed. A waiting item is its bytes, a finished one its line of the results.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from thriftgate.simulator.batch import NEVER, Batch, Items
from thriftgate.simulator.bill import Bill, BilledCall
from thriftgate.simulator.catalog import page
from thriftgate.simulator.clock import rfc3339
from thriftgate.simulator.config import SimulatorConfig
from thriftgate.simulator.draws import shuffled
from thriftgate.simulator.errors import ApiError, internal, invalid, not_found, overloaded, rate_limited
from thriftgate.simulator.faults import Faults
from thriftgate.simulator.frames import read_frames
from thriftgate.simulator.http import decode
from thriftgate.simulator.identity import Caller, Ids
from thriftgate.simulator.messages import MessageService
from thriftgate.simulator.pages import Pages
from thriftgate.simulator.schedule import make_schedule

KEPT_S = 29 * 86_400
NOT_IN_BATCH = ("stream", "speed", "store", "previous_thread_event_id", "cache_hint", "context_hint", "fallbacks")
"""members that make an item end as errored (batch-processing page, what cannot be batched)"""


class Batches:
    """All batches of one simulator. `run_due` must be called before anything else looks at the caches. New batches are
    processed by `rules`; `faults` tells those in force."""

    def __init__(
        self, config: SimulatorConfig, service: MessageService, bill: Bill, ids: Ids, faults: Callable[[], Faults]
    ) -> None:
        self.rules = config.batches
        self._seed = config.seed
        self._service = service
        self._bill = bill
        self._ids = ids
        self._faults = faults
        self._known: dict[str, Batch] = {}
        self._due: list[tuple[float, int, str]] = []
        self._queued: Counter[str] = Counter()
        self._created = 0

    def known(self) -> dict[str, Batch]:
        """All batches by id, oldest first."""
        return dict(self._known)

    def clear(self) -> None:
        """Forgets every batch."""
        self._known.clear()
        self._due.clear()
        self._queued.clear()

    def create(
        self, raw: bytes, caller: Caller, *, version: str, betas: frozenset[str], now: float, queue: int | None
    ) -> Batch:
        """Accepts a batch. Only the frame is checked now: the items' `params` are validated when they run."""
        rules = self.rules
        names, params = read_frames(raw, rules.max_requests)
        if queue is not None and self._queued[caller.organization] + len(names) > queue:
            raise rate_limited(
                f"This batch would exceed your organization's limit of {queue} queued requests (simulated).", None
            )
        self._created += 1
        number, size = self._created, len(names)
        chance = ("batch", self._seed, number)
        schedule = make_schedule(rules, size, now, chance, self._faults().slowness(number))
        items = Items(names, params, [b""] * size, schedule)
        batch = Batch(self._ids.make("msgbatch"), number, caller, version, betas, rules, now, size, items)
        self._known[batch.id] = batch
        self._queued[caller.organization] += size
        self._watch(batch)
        return batch

    def _watch(self, batch: Batch) -> None:
        """Puts a batch on the list of what is due; entries that no longer hold are passed over."""
        due = batch.ends_at
        if batch.items is not None and batch.items.next_at <= batch.last_start:
            due = min(due, batch.items.next_at)
        heapq.heappush(self._due, (due, batch.number, batch.id))

    def run_due(self, now: float) -> None:
        """Runs every item whose time has come, in order of time, and ends the batches that are through."""
        while self._due and self._due[0][0] <= now:
            batch = self._known.get(heapq.heappop(self._due)[2])
            if batch is not None and batch.items is not None:
                self._advance(batch, batch.items, now)

    def _advance(self, batch: Batch, items: Items, now: float) -> None:
        """Runs items of one batch until another batch's turn comes or nothing more is due."""
        until = min(now, batch.last_start)
        other = self._due[0][:2] if self._due else (NEVER, 0)
        while (at := items.next_at) <= until and (at, batch.number) <= other:
            index = items.schedule.order[items.started]
            items.started += 1
            items.lines[index] = self._run(batch, items, index, at)
        if items.next_at > until and batch.ends_at <= now:
            self._end(batch, items)
        else:
            self._watch(batch)

    def _run(self, batch: Batch, items: Items, index: int, at: float) -> bytes:
        """Answers and bills one item; its line of the results."""
        params, items.params[index] = items.params[index], b""
        name = items.names[index]
        try:
            result = {"type": "succeeded", "message": self._answer(batch, name, index, params, at)}
        except ApiError as problem:
            result = {"type": "errored", "error": problem.document(self._ids.make("req"))}
        return _line(batch, name, result)

    def _answer(self, batch: Batch, name: str, index: int, params: bytes, at: float) -> dict[str, Any]:
        service, rules = self._service, batch.rules
        error = self._faults().item_error(batch.number, index)
        if error is not None:
            raise internal() if error == "api_error" else overloaded()
        body = decode(params)
        _check_params(body)
        call = service.prepare(body, batch.caller, version=batch.version, betas=batch.betas, now=at, batch=True)
        readable_at = at + (rules.readable_s + rules.read_per_token_s * call.rendered.total)
        reply = service.answer(call, at, readable_at)
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
                custom_id=name,
            )
        )
        return reply.message

    def _end(self, batch: Batch, items: Items) -> None:
        """Fixes counts and results; what did not run is canceled or expired."""
        ended_at = batch.ends_at
        order = shuffled(range(batch.size), "results", self._seed, batch.id)
        missing = {"type": "canceled" if batch.cancel_at is not None else "expired"}
        lines = (items.lines[index] or _line(batch, items.names[index], missing) for index in order)
        batch.pages = Pages(lines)
        batch.ended_at, batch.items = ended_at, None
        self._queued[batch.caller.organization] -= batch.size

    def get(self, batch_id: str, caller: Caller) -> Batch:
        """A batch of the caller's workspace, or 404."""
        batch = self._known.get(batch_id)
        if batch is None or not _same_workspace(batch.caller, caller):
            raise not_found(f"Message batch not found: {batch_id}")
        return batch

    def listing(self, caller: Caller, query: dict[str, str], origin: str) -> dict[str, Any]:
        """A page, newest first."""
        own = [{"id": batch.id} for batch in self._known.values() if _same_workspace(batch.caller, caller)]
        shown = page(own[::-1], query)  # kept in order of creation
        return shown | {"data": [self.describe(self._known[row["id"]], origin) for row in shown["data"]]}

    def cancel(self, batch_id: str, caller: Caller, now: float) -> Batch:
        """Starts cancelling; items that already ran keep their results. An ended batch is a 400 (assumed)."""
        batch = self.get(batch_id, caller)
        if batch.ended_at is not None:
            raise invalid(f"Batch {batch_id} has already ended and cannot be canceled.")
        if batch.cancel_at is None:
            batch.cancel_at = now
            self._watch(batch)
        return batch

    def delete(self, batch_id: str, caller: Caller) -> dict[str, Any]:
        """Only an ended batch can be deleted."""
        batch = self.get(batch_id, caller)
        if batch.ended_at is None:
            raise invalid(f"Batch {batch_id} cannot be deleted while it is processing. Cancel it first.")
        del self._known[batch_id]
        return {"id": batch_id, "type": "message_batch_deleted"}

    def results(self, batch_id: str, caller: Caller, now: float) -> Pages:
        """The JSONL, in no useful order; 404 before the end and 29 days after creation (wordings assumed)."""
        batch = self.get(batch_id, caller)
        if batch.pages is None:
            raise not_found(f"Batch {batch_id} has no results yet: processing has not ended.")
        if now >= batch.created_at + KEPT_S:
            raise not_found(f"Results of batch {batch_id} are no longer available.")
        return batch.pages

    def describe(self, batch: Batch, origin: str) -> dict[str, Any]:
        """The MessageBatch object. Counts stay all in `processing` until the whole batch has ended."""
        ended = batch.ended_at is not None
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": batch.status,
            "request_counts": {
                "processing": 0 if ended else batch.size,
                **{name: batch.counts[name] if ended else 0 for name in ("succeeded", "errored", "canceled", "expired")},
            },
            "created_at": rfc3339(batch.created_at),
            "expires_at": rfc3339(batch.expires_at),
            "ended_at": _maybe(batch.ended_at),
            "cancel_initiated_at": _maybe(batch.cancel_at),
            "archived_at": None,
            "results_url": f"{origin}/v1/messages/batches/{batch.id}/results" if ended else None,
        }


def _line(batch: Batch, name: str, result: dict[str, Any]) -> bytes:
    """One line of the results, counted."""
    batch.counts[result["type"]] += 1
    return msgspec.json.encode({"custom_id": name, "result": result}) + b"\n"


def _same_workspace(one: Caller, other: Caller) -> bool:
    return one.organization == other.organization and one.workspace == other.workspace


def _check_params(params: object) -> None:
    for name in NOT_IN_BATCH:
        if isinstance(params, dict) and params.get(name):
            raise invalid(f"{name}: not supported in message batches")


def _maybe(moment: float | None) -> str | None:
    return None if moment is None else rfc3339(moment)

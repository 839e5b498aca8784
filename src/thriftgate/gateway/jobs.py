"""`GET /thriftgate/jobs/{id}`: what has become of a call that was put into the queue."""

from __future__ import annotations

from typing import Any

import msgspec

from thriftgate.batch.build import job_book
from thriftgate.batch.queue import Told, find_job
from thriftgate.core.errors import ThriftgateError
from thriftgate.core.moments import text_from_micros
from thriftgate.core.money import usd_from_pico
from thriftgate.engine.engine import Engine
from thriftgate.gateway.asgi import Receive, Scope, Send, send_json
from thriftgate.gateway.credentials import credential_of
from thriftgate.gateway.faces import dialect_named
from thriftgate.gateway.rooms import Rooms
from thriftgate.gateway.telling import told_whole
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry
from thriftgate.ledger.jobs import Job
from thriftgate.providers.transport import Headers

JOBS = "/thriftgate/jobs/"
_STATUS = {"packed": "in_batch", "calling": "calling", "done": "answered", "failed": "failed"}


class NoSuchJob(ThriftgateError):
    """No job of that id, or none of this key."""

    status_hint = 404
    error_type = "not_found_error"
    label = "no_job"


def job_url(name: str) -> str:
    """Where a job is asked for."""
    return JOBS + name


async def job(rooms: Rooms, scope: Scope, _receive: Receive, send: Send) -> None:
    """One job, for the key that it was sent with; its answer once there is one."""
    name = scope["path"].removeprefix(JOBS)
    caller = await rooms.access.caller(scope, "call")
    key = caller.key.id if caller.key is not None else rooms.engine.key_of(credential_of(scope["headers"]))
    told = await (rooms.queue.find(name, key) if rooms.queue is not None else _elsewhere(rooms, name, key))
    if told is None:
        raise NoSuchJob(f"there is no job {name[:80]!r} of this key; answers are kept for a while only")
    await send_json(send, 200, await job_document(rooms.engine, told))


async def _elsewhere(rooms: Rooms, name: str, key: str) -> Told | None:
    """Of the queue that another gateway works on; None where this one leads, and can have none."""
    engine = rooms.engine
    if engine.leading.leads:
        return None
    kept_s = rooms.settings.batch.answers_kept_h * 3600.0
    return await find_job(job_book(engine), name, key, int((engine.clock.now_s() - kept_s) * 1e6))


def job_head(row: Job) -> dict[str, Any]:
    """What can be told of every job."""
    return {
        "type": "thriftgate.job",
        "id": row.name,
        "status": _STATUS.get(row.state, "waiting"),
        "deadline": text_from_micros(row.deadline_us),
        "url": job_url(row.name),
    }


async def job_document(engine: Engine, told: Told) -> dict[str, Any]:
    """What is told of a job. `answer` is the body that the call would have been answered with, `http_status` its status."""
    row, answer = told.job, told.answer
    document = job_head(row)
    if answer is None:
        return document
    document["answered"] = text_from_micros(answer.at_us)
    status, body = told_whole(dialect_named(told.dialect), answer, streams=False)
    document["http_status"] = status
    document["answer"] = msgspec.Raw(body)
    entry = await _entry(engine, row)
    if entry is not None:
        document["request_id"] = entry.id
        document["cost_usd"], document["saved_usd"] = _costs(entry)
        document["mode"] = entry.mode
    return document


async def answer_headers(engine: Engine, row: Job) -> Headers:
    """What the headers of a call's answer tell of it, for the answer of a job."""
    entry = await _entry(engine, row)
    if entry is None:
        return ()
    cost, saved = _costs(entry)
    return (
        (b"request-id", entry.id.encode()),
        (b"thriftgate-request-id", entry.id.encode()),
        (b"thriftgate-cost-usd", cost.encode()),
        (b"thriftgate-saved-usd", saved.encode()),
    )


async def _entry(engine: Engine, row: Job) -> Entry | None:
    return await engine.ledger.entry(row.entry) if row.entry else None


def _costs(entry: Entry) -> tuple[str, str]:
    """What the call cost and saved, in dollars."""
    baseline, paid = entry.posted(BASELINE), -entry.posted(UPSTREAM)
    return usd_from_pico(paid), usd_from_pico(baseline - paid)

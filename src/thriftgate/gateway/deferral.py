"""Calls that can wait: by the caller's header or by a rule, they are put into the queue instead of being made at once.

    thriftgate-deadline: 6h              or an RFC 3339 time: the answer is wanted by then
    thriftgate-wait: true                hold the connection, and answer like any call
    thriftgate-webhook: https://…        tell this URL when there is an answer

A deadline is leave to wait, not an order: where a call now is cheaper, or a batch would not end in time, it is made at once,
and `thriftgate-deferred` says why.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from tempfile import gettempdir
from typing import NamedTuple

from thriftgate.batch.build import job_book
from thriftgate.batch.judging import Now
from thriftgate.batch.queue import LetGo, Queue, QueueOptions, Ticket, Told
from thriftgate.batch.queue_worker import QueueWorker
from thriftgate.batch.settling import FINAL
from thriftgate.batch.webhooks import secret_of
from thriftgate.batch.work import Options
from thriftgate.core.deadline import FARTHEST_S, Reserve, Window, parse_duration, words
from thriftgate.core.errors import BudgetExceeded, InputError
from thriftgate.core.levers.batch_defer import BatchDefer
from thriftgate.core.money import usd_from_pico
from thriftgate.engine import purse
from thriftgate.engine.call import Call
from thriftgate.engine.engine import Engine
from thriftgate.gateway.asgi import Receive, Send, client_gone, send_json, send_whole
from thriftgate.gateway.jobs import answer_headers, job_head
from thriftgate.gateway.rooms import Rooms, Within
from thriftgate.gateway.telling import told_whole
from thriftgate.ledger.entries import UPSTREAM
from thriftgate.ledger.jobs import QUEUE, Answer
from thriftgate.ledger.urls import is_file
from thriftgate.logs import log
from thriftgate.providers.transport import Headers, header
from thriftgate.settings import DeferRule, Settings
from thriftgate.wire import DIALECTS
from thriftgate.wire.whole_stream import PING

_WAITING = frozenset({b"thriftgate-deadline", b"thriftgate-webhook"})
HEARTBEAT_S = 15.0  # proxies and clients give up on connections that are silent for a minute or so
_JSON: Headers = ((b"content-type", b"application/json"),)
_STREAM: Headers = ((b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"))


class Wish(NamedTuple):
    """What a caller, or a rule for it, allows: an answer by `deadline_s` (unix seconds)."""

    deadline_s: float
    wait: bool
    webhook: str


async def open_queue(engine: Engine, settings: Settings, within: Within | None = None) -> Queue | None:
    """The queue of a gateway, whoever works on it; None where it can have none. Raises LedgerError and ConfigError."""
    credential = engine.own_key or (within.credential if within is not None else "")
    if not credential or BatchDefer.id not in settings.policy.levers or (within is not None and within.beside):
        return None
    table = settings.batch
    options = QueueOptions(
        window=Window(most_s=table.window_s),
        options=Options(
            call_refused=True,
            queue_jobs=table.queue_jobs,
            reserve=Reserve(cancel_s=table.cancel_s, call_s=table.call_s, parallel=table.parallel),
        ),
        answers_kept_s=table.answers_kept_h * 3600.0,
        webhooks=table.webhooks,
        secret=secret_of(table.webhook_secret.get_secret_value()),
        allow_hosts=settings.alerts.allow_hosts,
    )
    queue = Queue(engine, credential, options)
    await queue.open()
    return queue


async def worker_of(engine: Engine, settings: Settings, queue: Queue | None, within: Within | None) -> QueueWorker | None:
    """Work on the queue from now on; None where there is none, and jobs that wait all the same are told of. Raises
    LedgerError."""
    if queue is None:
        left = sum(one.jobs for one in await job_book(engine).tally(QUEUE) if one.state not in FINAL)
        if left:
            log.warning("calls wait that this gateway cannot serve", jobs=left, why=_why_no_queue(settings, within))
        return None
    worker = QueueWorker(engine, queue, _folder(engine, settings))
    await worker.start()
    return worker


def _folder(engine: Engine, settings: Settings) -> Path:
    """Where the bodies of batches wait to be sent: beside the ledger, where that is a file."""
    path = settings.ledger.path
    return Path(f"{path}-batches") if is_file(path) else Path(gettempdir()) / f"thriftgate-{engine.worker_name}"


def wish_of(call: Call, key: str, settings: Settings, now_s: float) -> Wish | None:
    """Whether, and until when, this call may wait. Raises InputError for a header that cannot be read."""
    text = header(call.headers, b"thriftgate-deadline")
    webhook = header(call.headers, b"thriftgate-webhook")
    waits = header(call.headers, b"thriftgate-wait").lower()
    if waits not in ("", "true", "false"):
        raise InputError(f"header thriftgate-wait: {waits!r} is neither true nor false")
    if text:
        return Wish(_moment(text, now_s), waits == "true", webhook)
    for rule in settings.batch.rules:
        if _matches(rule, key, header(call.headers, b"thriftgate-task")):
            return Wish(now_s + parse_duration(rule.deadline), rule.wait if not waits else waits == "true", webhook)
    if webhook:
        raise InputError("header thriftgate-webhook: only a call with a thriftgate-deadline is answered later")
    return None


def may_defer(call: Call, settings: Settings) -> bool:
    """Whether anything in this call, or any rule, speaks of waiting at all."""
    return bool(settings.batch.rules) or any([name in _WAITING for name, _ in call.headers])  # noqa: C419  no generator


async def deferred(rooms: Rooms, call: Call, receive: Receive, send: Send, added: Headers = ()) -> Headers | None:
    """Serve a call that may wait from the queue, with these headers besides. None once it is answered; otherwise it is to be
    made now, and the headers to be added say why (none: it may not wait)."""
    engine, queue = rooms.engine, rooms.queue
    key = engine.payer_of(call)
    wish = wish_of(call, key, rooms.settings, engine.clock.now_s())
    if wish is None:
        return ()
    if queue is None:
        return _at_once(_why_no_queue(rooms.settings, rooms.within))
    if not queue.serves(call):
        return _at_once("batches are sent with another key")
    try:
        taken = await queue.offer(call, wish.deadline_s, wish.webhook)
    except BudgetExceeded:
        return _at_once("its cost is limited: it is judged as a call")
    if isinstance(taken, Now):
        return _at_once(taken.reason)
    if wish.wait:
        await _Held(rooms, queue, taken, call, send, added=added).serve(receive)
    else:
        await send_json(send, 202, ticket_document(taken), (_job(taken), *added))
    return None


def ticket_document(ticket: Ticket) -> dict[str, object]:
    """What a caller gets instead of an answer."""
    document: dict[str, object] = job_head(ticket.job) | {"reason": ticket.reason}
    if ticket.forecast_pico is not None and ticket.saved_pico is not None:
        document["forecast_usd"] = usd_from_pico(ticket.forecast_pico)
        document["forecast_saved_usd"] = usd_from_pico(ticket.saved_pico)
    return document


class _Held:
    """A connection that is held until the answer is there: a stream gets pings, a whole answer blanks before its JSON, which
    JSON allows. A caller that leaves can still ask for the job."""

    def __init__(self, rooms: Rooms, queue: Queue, ticket: Ticket, call: Call, send: Send, *, added: Headers) -> None:
        self._rooms = rooms
        self._queue = queue
        self._ticket = ticket
        self._call = call
        self._send = send
        self._added = added
        self._streams = call.dialect.parse(call.body).stream
        teller = call.dialect.teller(0)
        self._ping = PING if teller is None else teller.ping
        self._started = False
        self._beat_s = HEARTBEAT_S if rooms.within is None else None  # nothing stands between that could give up

    async def serve(self, receive: Receive) -> None:
        """Until the answer is sent, or the caller is gone. Raises LetGo where the gateway stops before anything was sent."""
        answering = asyncio.ensure_future(self._queue.wait(self._ticket.job))
        leaving = asyncio.ensure_future(client_gone(receive))
        try:
            while not answering.done() and not leaving.done():
                await asyncio.wait([answering, leaving], timeout=self._beat_s, return_when=asyncio.FIRST_COMPLETED)
                if not answering.done() and not leaving.done():
                    await self._beat()
            if answering.done():
                await self._pay(answering.result())
                await self._answer(answering.result())
        except LetGo as error:
            if not self._started:
                raise
            await self._end(Answer(0, 0, error.status_hint, DIALECTS[0].error(error)))
        finally:
            answering.cancel()
            leaving.cancel()

    async def _pay(self, told: Told) -> None:
        if self._call.purses:
            entry = await self._rooms.engine.ledger.entry(told.job.entry)
            paid_pico = -entry.posted(UPSTREAM) if entry is not None else 0
            purse.settle(self._call.purses, told.job.name, paid_pico)

    async def _beat(self) -> None:
        """Show that the connection lives."""
        if not self._started:
            self._started = True
            headers = [*(_STREAM if self._streams else _JSON), _job(self._ticket), *self._added]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": self._ping if self._streams else b" ", "more_body": True})

    async def _answer(self, told: Told) -> None:
        answer = told.answer
        assert answer is not None
        if self._started:
            await self._end(answer)
        else:
            stream = self._streams and answer.status == 200
            headers = (
                *(_STREAM if stream else _JSON),
                *await answer_headers(self._rooms.engine, told.job),
                _job(self._ticket),
                (b"x-should-retry", b"false"),
                *self._added,
            )
            status, body = told_whole(self._call.dialect, answer, streams=stream)
            await send_whole(self._send, status, headers, body)
        self._queue.handed(told.job)

    async def _end(self, answer: Answer) -> None:
        """What comes after blanks or pings. An error cannot be told by its status any more: as JSON it is left without its
        end, so that nobody takes it for a message, and a client that sends the call again is told."""
        fine = answer.status == 200
        _, body = told_whole(self._call.dialect, answer, streams=self._streams)
        await self._send({"type": "http.response.body", "body": body, "more_body": not fine and not self._streams})


def _at_once(reason: str) -> Headers:
    text = "".join(letter if letter.isascii() and letter.isprintable() else " " for letter in reason)
    return ((b"thriftgate-deferred", f"no; {text}".encode()),)


def _why_no_queue(settings: Settings, within: Within | None) -> str:
    if BatchDefer.id not in settings.policy.levers:
        return f"{BatchDefer.id} is off"
    if within is not None:
        return "another process has the queue" if within.beside else "there is no lasting key to send batches with"
    return "the gateway has no key of the provider's to send batches with (upstream.api_key)"


def _job(ticket: Ticket) -> tuple[bytes, bytes]:
    return (b"thriftgate-job", ticket.job.name.encode())


def _moment(text: str, now_s: float) -> float:
    """Unix seconds of a deadline. Raises InputError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        try:
            deadline_s = now_s + parse_duration(text)
        except InputError:
            raise InputError(
                f"header thriftgate-deadline: {text!r} is neither a length of time such as 6h nor an RFC 3339 time"
            ) from None
    else:
        if at.tzinfo is None:
            raise InputError(f"header thriftgate-deadline: {text!r} names no time zone; write it as 2026-11-21T18:00:00Z")
        deadline_s = at.timestamp()
    if deadline_s > now_s + FARTHEST_S:
        raise InputError(f"header thriftgate-deadline: {text!r} is more than {words(FARTHEST_S)} ahead")
    return deadline_s


def _matches(rule: DeferRule, key: str, task: str) -> bool:
    return (not rule.key or rule.key == key) and (not rule.task or rule.task == task)

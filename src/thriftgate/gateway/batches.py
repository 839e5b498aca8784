"""`/v1/messages/batches`: the batches that clients create themselves. Everything goes through as it is, but for where
`results_url` leads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import gettempdir

from msgspec.structs import replace

from thriftgate.batch.client_batches import ClientBatches
from thriftgate.batch.client_intake import Draft, Intake
from thriftgate.batch.spool import Spool, clear
from thriftgate.core.errors import LedgerError, ThriftgateError, Unreachable
from thriftgate.engine import purse
from thriftgate.engine.again import BAD_REQUEST
from thriftgate.engine.call import Call, Reply, WholeReply
from thriftgate.engine.engine import Engine
from thriftgate.gateway.asgi import Receive, Scope, Send, body_pieces, client_gone, read_body, send_whole
from thriftgate.gateway.messages import call_of
from thriftgate.gateway.rooms import Rooms
from thriftgate.ledger.liveness import process_of
from thriftgate.ledger.urls import is_file
from thriftgate.settings import Settings
from thriftgate.wire.anthropic_batches import PATH, with_results_at

_ONE = rf"{PATH}/[A-Za-z0-9_-][A-Za-z0-9_.-]*"  # never `.` or `..`
_SERVED = re.compile(rf"(GET|POST) {PATH}|(GET|DELETE) {_ONE}|POST {_ONE}/cancel|GET {_ONE}/results")


def is_batch_call(scope: Scope) -> bool:
    """Whether it is one of the API's calls on batches."""
    return _SERVED.fullmatch(f"{scope['method']} {scope['path']}") is not None


def open_clients(engine: Engine, settings: Settings) -> ClientBatches:
    """The batches of a gateway's clients. Raises LedgerError for a ledger that keeps no jobs."""
    if is_file(settings.ledger.path):
        clear(_folder(settings), lambda name: engine.is_alive(process_of(name)))
    return ClientBatches(engine, own_key=bool(engine.own_key))


async def batches(rooms: Rooms, scope: Scope, receive: Receive, send: Send) -> None:
    """One call on batches."""
    call = await call_of(rooms, scope, "batch")
    remote_id, _, action = scope["path"].removeprefix(PATH).removeprefix("/").partition("/")
    if call.method == "POST" and not remote_id:
        reply = await _create(rooms, call, scope, receive)
    elif action == "results":
        results = await rooms.clients.results(call, remote_id)
        if results.body is None:
            await _relay(rooms.engine, results, receive, send)
            return
        reply = WholeReply(results.status, results.headers, results.body)
    else:
        call = replace(call, body=await read_body(scope, receive, rooms.settings.server.body_bytes_max))
        reply = await (rooms.clients.delete(call, remote_id) if call.method == "DELETE" else rooms.clients.forward(call))
    origin = _origin(scope)
    body = with_results_at(origin, reply.body) if origin and 200 <= reply.status < 300 else reply.body
    await send_whole(send, reply.status, reply.headers, body)


async def _create(rooms: Rooms, call: Call, scope: Scope, receive: Receive) -> WholeReply:
    """Take the whole body in before anything is sent: what it may cost must be known. What will be refused is read to its
    end all the same, so that the client hears why."""
    engine, settings = rooms.engine, rooms.settings
    intake = Intake(engine.knowledge, engine.policy, engine.payer_of(call), engine.clock.now_s(), call.cost_limit_pico)
    name = engine.new_id()
    spool = Spool(_folder(settings), name)
    refusal: ThriftgateError | None = None
    drafts: Sequence[Draft] = ()
    try:
        async for piece in body_pieces(scope, receive, settings.server.batch_bytes_max):
            if refusal is None:
                try:
                    spool.add(piece)
                    intake.feed(piece)
                except ThriftgateError as error:
                    refusal = error
                    spool.drop()
        drafts = intake.close() if refusal is None else ()
        purse.take(call.purses, name, sum(draft.worst_pico for draft in drafts))
        rooms.access.check_models(call.key, lambda: {draft.model for draft in drafts})
    except ThriftgateError as error:
        refusal = error
    except BaseException:
        spool.drop()
        raise
    if refusal is None:
        try:
            made = await rooms.clients.create(call, spool, drafts)
        except (Unreachable, LedgerError):
            purse.drop(call.purses, name)
            raise
        if made.status >= BAD_REQUEST:  # else its requests may cost that, whenever it ends
            purse.drop(call.purses, name)
        return made
    spool.drop()
    await rooms.clients.refuse(call, intake.model, refusal)
    raise refusal


async def _relay(engine: Engine, reply: Reply, receive: Receive, send: Send) -> None:
    """Results as they come, as long as the client is there."""
    watch = engine.tasks.spawn(client_gone(receive))
    try:
        await send({"type": "http.response.start", "status": reply.status, "headers": list(reply.headers)})
        while chunk := await reply.read():
            if watch.done():
                return
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        watch.cancel()
        await reply.leave()


def _origin(scope: Scope) -> str:
    """Scheme and host as the client addressed them; "" where it did not say. In front of a proxy that ends TLS, the proxy
    says which scheme it was."""
    host = scheme = b""
    for name, value in scope["headers"]:
        if name == b"host":
            host = value
        elif name == b"x-forwarded-proto":
            scheme = value
    if scheme not in (b"http", b"https"):
        scheme = str(scope.get("scheme", "http")).encode()
    return f"{scheme.decode()}://{host.decode('latin-1')}" if host else ""


def _folder(settings: Settings) -> Path:
    """Where bodies wait that are too long for memory: beside the ledger, where that is a file."""
    path = settings.ledger.path
    return Path(f"{path}-batches") if is_file(path) else Path(gettempdir())

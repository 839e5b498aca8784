"""`POST /v1/chat/completions`: OpenAI's clients, served by Claude with all that thriftgate does for a Messages call."""

from __future__ import annotations

from msgspec.structs import replace

from thriftgate.core.deadline import DAY_S
from thriftgate.engine.call import Call
from thriftgate.gateway.asgi import Receive, Scope, Send, read_body
from thriftgate.gateway.messages import answer, call_of, check_model
from thriftgate.gateway.rooms import Rooms
from thriftgate.providers.transport import Headers, header
from thriftgate.wire.dialect import Dialect
from thriftgate.wire.openai.chat import OpenaiChat
from thriftgate.wire.openai.chat_request import Terms, take
from thriftgate.wire.openai.losses import Report

_MESSAGES = "/v1/messages"
_VERSION = (b"anthropic-version", b"2023-06-01")  # the one that still knows temperature and top_p
_OPENAI = b"openai-"


async def chat(rooms: Rooms, scope: Scope, receive: Receive, send: Send) -> None:
    """One chat completion, JSON or stream."""
    call = await call_of(rooms, scope, "call")
    body = await read_body(scope, receive, rooms.settings.server.body_bytes_max)
    now_s = rooms.engine.clock.now_s()
    taken = take(body, terms_of(rooms, now_s))
    added = not_carried(rooms, taken.report)
    dialect = OpenaiChat(include_usage=taken.include_usage)
    call = as_messages(call, taken.body, dialect)
    check_model(rooms, call)
    await answer(rooms, call, receive, send, added)


def terms_of(rooms: Rooms, now_s: float) -> Terms:
    """What requests in OpenAI's dialects are translated by."""
    knowledge, settings = rooms.engine.knowledge, rooms.settings.openai
    return Terms(
        knowledge.models,
        settings.models,
        lambda name: name in knowledge.models or knowledge.book.knows(name) or name in rooms.engine.upstreams.pool.foreign,
        max_tokens=settings.max_tokens,
        day=int(now_s // DAY_S),
    )


def not_carried(rooms: Rooms, report: Report) -> Headers:
    """The header that names what was lost. Raises InputError where the settings would rather have no answer."""
    if rooms.settings.openai.not_carried == "refuse":
        report.refuse()
    told = report.told()
    return ((b"thriftgate-not-carried", told.encode()),) if told else ()


def as_messages(call: Call, body: bytes, dialect: Dialect) -> Call:
    """The call as the provider is to get it: a Messages call."""
    headers = tuple(one for one in call.headers if not one[0].startswith(_OPENAI))
    if not header(headers, _VERSION[0]):
        headers = (*headers, _VERSION)
    return replace(call, path=_MESSAGES, query="", headers=headers, body=body, dialect=dialect)

"""`POST /v1/responses`: OpenAI's newer API, served by Claude with all that thriftgate does for a Messages call."""

from __future__ import annotations

from thriftgate.gateway.asgi import Receive, Scope, Send, read_body
from thriftgate.gateway.messages import answer, call_of, check_model
from thriftgate.gateway.openai_chat import as_messages, not_carried, terms_of
from thriftgate.gateway.rooms import Rooms
from thriftgate.wire.openai.responses import OpenaiResponses
from thriftgate.wire.openai.responses_request import take_response


async def responses(rooms: Rooms, scope: Scope, receive: Receive, send: Send) -> None:
    """One response, JSON or stream."""
    call = await call_of(rooms, scope, "call")
    body = await read_body(scope, receive, rooms.settings.server.body_bytes_max)
    taken = take_response(body, terms_of(rooms, rooms.engine.clock.now_s()))
    added = not_carried(rooms, taken.report)
    call = as_messages(call, taken.body, OpenaiResponses(taken.frame))
    check_model(rooms, call)
    await answer(rooms, call, receive, send, added)

"""`/v1/responses`: OpenAI's newer API, served by Claude with all that thriftgate does for a Messages call; and what is kept
of its responses, where anything is."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import msgspec
from msgspec.structs import replace

from thriftgate.core.errors import InputError, NotThere
from thriftgate.gateway.asgi import Receive, Scope, Send, read_body, send_json, send_whole
from thriftgate.gateway.messages import answer, call_of, check_model
from thriftgate.gateway.openai_chat import as_messages, not_carried, terms_of
from thriftgate.gateway.openai_kept import KeptResponse, Recalled
from thriftgate.gateway.rooms import Rooms
from thriftgate.wire.anthropic_messages import count_body, read_count
from thriftgate.wire.openai.responses import OpenaiResponses
from thriftgate.wire.openai.responses_request import take_response

COUNT = "/v1/messages/count_tokens"
KEPT = "/v1/responses/"
_INPUT_ITEMS = "input_items"
_PAGE, _PAGE_MAX = 20, 100  # developers.openai.com/api/reference/resources/responses/subresources/input_items, 2026-11
_JSON = ((b"content-type", b"application/json"),)


async def responses(rooms: Rooms, scope: Scope, receive: Receive, send: Send) -> None:
    """One response, JSON or stream."""
    call = await call_of(rooms, scope, "call")
    body = await read_body(scope, receive, rooms.settings.server.body_bytes_max)
    now_s = rooms.engine.clock.now_s()
    kept, owner = rooms.kept, rooms.engine.payer_of(call)
    taken = take_response(body, terms_of(rooms, now_s), Recalled(kept, owner, now_s) if kept is not None else None)
    added = not_carried(rooms, taken.report)

    def heard(name: str, response: bytes) -> None:
        if kept is not None and taken.stored:
            kept.keep(owner, name, response, taken.items, rooms.engine.clock.now_s())

    call = as_messages(call, taken.body, OpenaiResponses(taken.frame, heard))
    check_model(rooms, call)
    await answer(rooms, call, receive, send, added)


async def response_tokens(rooms: Rooms, scope: Scope, receive: Receive, send: Send) -> None:
    """How long the prompt of a response would be: free."""
    call = await call_of(rooms, scope, "count")
    body = await read_body(scope, receive, rooms.settings.server.body_bytes_max)
    now_s = rooms.engine.clock.now_s()
    recall = Recalled(rooms.kept, rooms.engine.payer_of(call), now_s) if rooms.kept is not None else None
    taken = take_response(body, terms_of(rooms, now_s), recall)
    dialect = OpenaiResponses()
    call = as_messages(call, count_body(dialect.parse(taken.body)), dialect)
    check_model(rooms, call)
    reply = await rooms.engine.count(replace(call, path=COUNT))
    counted = read_count(reply.body) if reply.status == 200 else None
    if counted is None:
        status, told = dialect.teller(int(now_s)).whole(max(reply.status, 400), reply.body)
        await send_whole(send, status, _JSON, told)
    else:
        await send_json(send, 200, {"object": "response.input_tokens", "input_tokens": counted})


async def kept_response(rooms: Rooms, scope: Scope, _receive: Receive, send: Send) -> None:
    """`/v1/responses/{id}`: GET and DELETE, and GET of its input items. Raises NotThere where nothing is kept."""
    owner = rooms.engine.payer_of(await call_of(rooms, scope, "call"))
    name, _, rest = scope["path"].removeprefix(KEPT).partition("/")
    method, now_s = scope["method"], rooms.engine.clock.now_s()
    if rooms.kept is None:
        raise NotThere("responses are not kept here, unless whoever runs this gateway sets openai.responses_kept_h")
    asked = (method, rest)
    if asked == ("GET", ""):
        if b"stream=true" in scope["query_string"]:
            raise InputError("stream: a response that is kept is not streamed again; leave it out")
        await send_whole(send, 200, _JSON, rooms.kept.find(owner, name, now_s).response)
    elif asked == ("DELETE", ""):
        rooms.kept.forget(owner, name, now_s)
        await send_json(send, 200, {"id": name, "object": "response", "deleted": True})
    elif asked == ("GET", _INPUT_ITEMS):
        found = rooms.kept.find(owner, name, now_s)
        await send_json(send, 200, _page(name, found, parse_qs(scope["query_string"].decode("latin-1"))))
    else:
        raise NotThere(f"thriftgate does not serve {method} of this")


def _page(name: str, kept: KeptResponse, query: dict[str, list[str]]) -> dict[str, Any]:
    """Some of the items that a response answered, the newest first unless they are asked for the other way round."""
    items = [_named(item, f"in_{name.removeprefix('resp_')}_{at}") for at, item in enumerate(kept.given)]
    if query.get("order", ["desc"])[-1] != "asc":
        items.reverse()
    after = query.get("after", [""])[-1]
    if after:
        at = next((at for at, item in enumerate(items) if item["id"] == after), None)
        if at is None:
            raise NotThere(f"after: there is no item {after[:80]!r} among these")
        items = items[at + 1 :]
    limit = query.get("limit", [str(_PAGE)])[-1]
    if not limit.isdecimal() or not 1 <= int(limit) <= _PAGE_MAX:
        raise InputError(f"limit: must be 1 to {_PAGE_MAX}")
    page = items[: int(limit)]
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
    return {"object": "list", "data": page, **ends, "has_more": len(items) > len(page)}


def _named(item: bytes, name: str) -> dict[str, Any]:
    """An item with an id and a type, its content as parts."""
    members: dict[str, Any] = {"id": name, "type": "message", **msgspec.json.decode(item)}
    content = members.get("content")
    if isinstance(content, str):
        kind = "output_text" if members.get("role") == "assistant" else "input_text"
        members["content"] = [{"type": kind, "text": content}]
    return members

"""`GET /v1/models` and `/v1/models/{id}`: OpenAI's list for OpenAI's clients, the provider's own for those of Anthropic."""

from __future__ import annotations

from typing import Any

from thriftgate.core.control.labels import fits
from thriftgate.core.deadline import DAY_S
from thriftgate.core.errors import ModelNotFound
from thriftgate.gateway.asgi import Receive, Scope, Send, send_json
from thriftgate.gateway.faces import speaks_openai
from thriftgate.gateway.messages import forward
from thriftgate.gateway.rooms import Rooms
from thriftgate.wire.openai.models import model_list

MODELS = "/v1/models"


async def models(rooms: Rooms, scope: Scope, receive: Receive, send: Send) -> None:
    """All models that the caller may ask for, or one of them."""
    if not speaks_openai(tuple(scope["headers"])):
        await forward(rooms, scope, receive, send)
        return
    listed = await _listed(rooms, scope)
    name = scope["path"].removeprefix(MODELS).strip("/")
    if not name:
        await send_json(send, 200, {"object": "list", "data": listed})
        return
    found = next((one for one in listed if one["id"] == name), None)
    if found is None:
        raise ModelNotFound(f"there is no model {name[:100]!r} here; GET {MODELS} lists those that there are")
    await send_json(send, 200, found)


async def _listed(rooms: Rooms, scope: Scope) -> list[dict[str, Any]]:
    """Of our own table: nobody else has to be asked. Raises Unauthenticated and NotAllowed."""
    caller = await rooms.access.caller(scope, "models")
    engine, aliases = rooms.engine, rooms.settings.openai.models
    day = int(engine.clock.now_s() // DAY_S)
    may = caller.key.models if caller.key is not None else ()
    listed = model_list(engine.knowledge.models.rows, aliases, day)
    return [one for one in listed if fits(may, aliases.get(one["id"], one["id"]))]

"""The provider's own keys, sealed. Nothing tells one again."""

from __future__ import annotations

from msgspec import Struct

from thriftgate.gateway.admin.desk import PAGE, Answer, Desk, Route
from thriftgate.gateway.admin.documents import told
from thriftgate.ledger.tenants import ProviderKey


class NewProviderKey(Struct, frozen=True, forbid_unknown_fields=True):
    """A key of the provider's, which is used from the gateway's next start on."""

    name: str
    secret: str


async def _list(desk: Desk) -> Answer:
    return await desk.listed(ProviderKey, {})


async def _add(desk: Desk) -> Answer:
    body: NewProviderKey = desk.body
    provider = desk.rooms.engine.provider.name
    made = await desk.issuer.add_provider_key(body.name, provider, body.secret, await desk.vault())
    return Answer(201, told(made, desk.now_us()))


async def _remove(desk: Desk) -> Answer:
    await desk.issuer.remove_provider_key(await desk.issuer.find(ProviderKey, desk.parts["id"]))
    return Answer(204, None)


ROUTES = (
    Route("GET", "/provider-keys", "admin", _list, asks=PAGE),
    Route("POST", "/provider-keys", "admin", _add, NewProviderKey, status=201),
    Route("DELETE", "/provider-keys/{id}", "admin", _remove, status=204),
)

"""Virtual keys. A secret is in the answer to the call that made it, and nowhere else."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct, structs

from thriftgate.core.errors import InputError, NotThere
from thriftgate.core.moments import EPOCH
from thriftgate.gateway.admin.desk import PAGE, Answer, Desk, Route
from thriftgate.gateway.admin.documents import told, told_deed
from thriftgate.ledger.issuing import OVERLAP_S, Issued, KeyDraft
from thriftgate.ledger.tenants import Key, Priority, Role, Scope


class NewKey(Struct, frozen=True, forbid_unknown_fields=True):
    """A key to be made; see `ledger/issuing.py:KeyDraft`. `expires` as of RFC 3339."""

    name: str
    user: str = ""
    team: str = ""
    org: str = ""
    role: Role = ""
    scopes: tuple[Scope, ...] = ()
    models: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    tags_allowed: tuple[str, ...] = ()
    priority: Priority = ""
    expires: datetime | None = None


class Rotation(Struct, frozen=True, forbid_unknown_fields=True):
    """How long the old secret is good for, in seconds."""

    overlap_s: float = OVERLAP_S


class Expiry(Struct, frozen=True, forbid_unknown_fields=True):
    """When a key ends, as of RFC 3339; null for never."""

    expires: datetime | None


async def _list(desk: Desk) -> Answer:
    return await desk.listed(Key, desk.chosen("team", "user_id", "org"))


async def _show(desk: Desk) -> Answer:
    key = await desk.tenants.get(Key, desk.parts["id"])
    if key is None or not desk.issuer.reaches(key):
        raise NotThere(f"there is no key {desk.parts['id']!r}")
    history = [told_deed(one) for one in await desk.tenants.deeds(subject=key.id)]
    return Answer(200, told(key, desk.now_us()) | {"history": history})


async def _create(desk: Desk) -> Answer:
    body: NewKey = desk.body
    given = structs.asdict(body)
    draft = KeyDraft(**(given | {"expires_us": _micros(given.pop("expires"))}))
    return _issued(desk, await desk.issuer.add_key(draft, await desk.vault()), 201)


async def _rotate(desk: Desk) -> Answer:
    body: Rotation = desk.body
    return _issued(desk, await desk.issuer.rotate(await _key(desk), await desk.vault(), body.overlap_s), 200)


async def _revoke(desk: Desk) -> Answer:
    return Answer(200, told(await desk.issuer.revoke(await _key(desk)), desk.now_us()))


async def _expire(desk: Desk) -> Answer:
    body: Expiry = desk.body
    return Answer(200, told(await desk.issuer.expire(await _key(desk), _micros(body.expires)), desk.now_us()))


async def _key(desk: Desk) -> Key:
    return await desk.issuer.find(Key, desk.parts["id"])


def _issued(desk: Desk, issued: Issued, status: int) -> Answer:
    return Answer(status, told(issued.key, desk.now_us()) | {"secret": issued.secret})


def _micros(moment: datetime | None) -> int:
    if moment is None:
        return 0
    if moment.tzinfo is None:
        raise InputError("expires: names no time zone; write it as 2026-11-21T18:00:00Z")
    return int((moment - EPOCH).total_seconds() * 1e6)


ROUTES = (
    Route("GET", "/keys", "viewer", _list, asks=(*PAGE, "team", "user_id", "org")),
    Route("GET", "/keys/{id}", "viewer", _show),
    Route("POST", "/keys", "team-admin", _create, NewKey, status=201),
    Route("POST", "/keys/{id}/rotate", "team-admin", _rotate, Rotation),
    Route("POST", "/keys/{id}/revoke", "team-admin", _revoke),
    Route("POST", "/keys/{id}/expire", "team-admin", _expire, Expiry),
)

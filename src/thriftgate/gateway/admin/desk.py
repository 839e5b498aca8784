"""What a route of the administrators' API is: who may use it, what it takes, and what it is handed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import msgspec

from thriftgate.core.errors import InputError
from thriftgate.gateway.access import Access
from thriftgate.gateway.admin.documents import Document, kind_words, told
from thriftgate.gateway.rooms import Rooms
from thriftgate.ledger.issuing import Actor, Issuer
from thriftgate.ledger.sealing import Vault
from thriftgate.ledger.tenants import T, Tenants

LIMIT_MAX = 1000
PAGE = ("after", "limit", "all")
Least = Literal["viewer", "team-admin", "admin", "owner"]
RANK: Mapping[str, int] = {"viewer": 1, "team-admin": 2, "admin": 3, "owner": 4}


class Answer(NamedTuple):
    """A status and a document."""

    status: int
    document: object


@dataclass(frozen=True)
class Desk:
    """What a route works with: who acts, in what request. `body` is what the route says it takes."""

    rooms: Rooms
    actor: Actor
    csrf: str | None
    parts: Mapping[str, str]
    query: Mapping[str, str]
    body: Any

    @property
    def access(self) -> Access:
        return self.rooms.access

    @property
    def tenants(self) -> Tenants:
        return self.access.tenants

    @property
    def issuer(self) -> Issuer:
        return Issuer(self.tenants, self.actor, self.now_us)

    async def vault(self) -> Vault:
        return await self.access.vault()

    def now_us(self) -> int:
        return int(self.rooms.engine.clock.now_s() * 1e6)

    def limit(self) -> int:
        """How many a page has. Raises InputError."""
        text = self.query.get("limit", "100")
        if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= LIMIT_MAX:
            raise InputError(f"limit: must be a number from 1 to {LIMIT_MAX}")
        return int(text)

    def chosen(self, *names: str) -> dict[str, str]:
        """The bounds on a list that its query names."""
        return {name: self.query[name][:100] for name in names if self.query.get(name)}

    async def listed(self, kind: type[T], where: Mapping[str, str]) -> Answer:
        """A page of those that the actor may see: `?after=ID&limit=N&all=true`; `next` is the id to go on after."""
        limit = self.limit()
        found = await self.tenants.page(
            kind, after=self.query.get("after", "")[:100], limit=limit, gone=self.query.get("all") == "true", where=where
        )
        documents: Sequence[Document] = [told(one, self.now_us()) for one in found if self.issuer.reaches(one)]
        return Answer(200, {kind_words(kind): documents, "next": found[-1].id if len(found) == limit else None})


Work = Callable[[Desk], Awaitable[Answer]]


class Route(NamedTuple):
    """One row of the table. `path` is behind the API's root; `{name}` in it is one part. `least` is the role that it takes;
    what is no GET takes the scope `admin` besides. `takes` is the body's type, `asks` the members of the query that mean
    something, `status` that of the answer where all went well: what OpenAPI tells of the route."""

    method: str
    path: str
    least: Least
    work: Work
    takes: type[msgspec.Struct] | None = None
    asks: tuple[str, ...] = ()
    status: int = 200

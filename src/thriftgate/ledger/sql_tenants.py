"""Tenants beside the books, and written through their one writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_origin, get_type_hints

import msgspec
from msgspec.structs import astuple, replace

from thriftgate.core.errors import LedgerError
from thriftgate.ledger.connection import Connection, upsert
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.tenants import (
    Changes,
    Deed,
    Key,
    Org,
    ProviderKey,
    Secret,
    Session,
    T,
    Team,
    Thing,
    User,
)

_TABLES: dict[type[Thing], str] = {
    Org: "orgs",
    Team: "teams",
    User: "users",
    Key: "virtual_keys",
    ProviderKey: "provider_keys",
}
_LISTS = {kind: {name for name, hint in get_type_hints(kind).items() if get_origin(hint) is tuple} for kind in _TABLES}
_DEED_FIELDS = [name for name in Deed.__struct_fields__ if name != "id"]
_NEWER = "select version from access_version"


class SqlTenants:
    """See `tenants.Tenants`."""

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger

    async def version(self) -> int:
        def ask(connection: Connection) -> int:
            return int(connection.execute(_NEWER).fetchone()[0])

        return await self._ledger.ask(ask)

    async def changes(self, since: int) -> Changes:
        def ask(connection: Connection) -> Changes:
            (version,) = connection.execute(_NEWER).fetchone()
            if version <= since:
                return Changes(version, any_key=bool(since))
            rows = connection.execute(f"select {_fields(Key)} from virtual_keys where changed > ?", (since,))
            keys = [_thing(Key, row) for row in rows]
            secrets = connection.execute(
                "select digest, key, made_us, ends_us from key_secrets "
                "where key in (select id from virtual_keys where changed > ?)",
                (since,),
            )
            found = [Secret(*row) for row in secrets]
            any_key = bool(keys) or connection.execute("select 1 from virtual_keys limit 1").fetchone() is not None
            return Changes(version, any_key, keys, found)

        return await self._ledger.ask(ask)

    async def add(self, thing: Thing, deed: Deed, secret: Secret | None = None) -> None:
        def work(connection: Connection) -> None:
            _next_version(connection)
            _insert(connection, thing)
            if secret is not None:
                connection.execute("insert into key_secrets values (?, ?, ?, ?)", astuple(secret))
            _write_deed(connection, deed)

        await self._ledger.transact(work)

    async def change(self, thing: Thing, deed: Deed) -> None:
        def work(connection: Connection) -> None:
            _next_version(connection)
            _insert(connection, thing, over=True)
            _write_deed(connection, deed)

        await self._ledger.transact(work)

    async def rotate(self, key: Key, secret: Secret, overlap_us: int, deed: Deed) -> None:
        ends_us = secret.made_us + overlap_us

        def work(connection: Connection) -> None:
            _next_version(connection)
            question = "update key_secrets set ends_us = ? where key = ? and (ends_us = 0 or ends_us > ?)"
            connection.execute(question, (ends_us, key.id, ends_us))
            connection.execute("insert into key_secrets values (?, ?, ?, ?)", astuple(secret))
            _insert(connection, replace(key, rotated_us=secret.made_us), over=True)
            _write_deed(connection, deed)

        await self._ledger.transact(work)

    async def remove(self, thing: Thing, deed: Deed) -> None:
        def work(connection: Connection) -> None:
            _next_version(connection)
            _end(connection, type(thing), "id", thing.id, deed.at_us)
            column = {Org: "org", Team: "team", User: "user_id"}.get(type(thing))
            ended = [thing.id]
            if column is not None:
                for kind in (Team, User, Key):
                    if column in kind.__struct_fields__:
                        ended += _end(connection, kind, column, thing.id, deed.at_us)
            for one in ended:
                connection.execute("delete from sessions where who = ?", (one,))
            _write_deed(connection, deed)

        await self._ledger.transact(work)

    async def get(self, kind: type[T], id: str) -> T | None:  # noqa: A002  it is one
        def ask(connection: Connection) -> T | None:
            row = connection.execute(f"select {_fields(kind)} from {_TABLES[kind]} where id = ?", (id,)).fetchone()
            return None if row is None else _thing(kind, row)

        return await self._ledger.ask(ask)

    async def named(self, kind: type[T], name: str) -> Sequence[T]:
        known = "(id = ? or name = ?) and gone_us = 0"
        question = f"select {_fields(kind)} from {_TABLES[kind]} where {known} order by id limit 100"

        def ask(connection: Connection) -> Sequence[T]:
            return [_thing(kind, row) for row in connection.execute(question, (name, name))]

        return await self._ledger.ask(ask)

    async def page(
        self, kind: type[T], *, after: str = "", limit: int = 100, gone: bool = False, where: Mapping[str, str] = {}
    ) -> Sequence[T]:
        assert where.keys() <= set(kind.__struct_fields__)
        terms = ["id > ?", *(f"{column} = ?" for column in where), *([] if gone else ["gone_us = 0"])]
        question = f"select {_fields(kind)} from {_TABLES[kind]} where {' and '.join(terms)} order by id limit ?"

        def ask(connection: Connection) -> Sequence[T]:
            return [_thing(kind, row) for row in connection.execute(question, (after, *where.values(), limit))]

        return await self._ledger.ask(ask)

    async def secret_of(self, digest: bytes) -> Secret | None:
        question = "select digest, key, made_us, ends_us from key_secrets where digest = ?"

        def ask(connection: Connection) -> Secret | None:
            row = connection.execute(question, (digest,)).fetchone()
            return None if row is None else Secret(*row)

        return await self._ledger.ask(ask)

    async def touch(self, used: Mapping[str, int]) -> None:
        rows = [(used_us, id, used_us) for id, used_us in used.items()]  # noqa: A001  it is one
        question = "update virtual_keys set used_us = ? where id = ? and used_us < ?"
        await self._ledger.transact(lambda connection: connection.executemany(question, rows))

    async def do(self, deed: Deed) -> None:
        await self._ledger.transact(lambda connection: _write_deed(connection, deed))

    async def deeds(self, *, before: int = 2**62, limit: int = 100, subject: str = "") -> Sequence[Deed]:
        question = (
            f"select {', '.join(Deed.__struct_fields__)} from deeds where id < ? and (? = '' or subject = ?) "
            "order by id desc limit ?"
        )

        def ask(connection: Connection) -> Sequence[Deed]:
            return [Deed(*row) for row in connection.execute(question, (before, subject, subject, limit))]

        return await self._ledger.ask(ask)

    async def sealed(self, name: str) -> bytes | None:
        return await self._ledger.ask(lambda connection: _sealed(connection, name))

    async def seal(self, name: str, fresh: bytes) -> bytes:
        def work(connection: Connection) -> bytes:
            connection.execute("insert into sealed values (?, ?) on conflict do nothing", (name, fresh))
            return _sealed(connection, name) or b""

        return await self._ledger.transact(work)

    async def reseal(self, sealed: Mapping[str, bytes], keys: Sequence[ProviderKey], deed: Deed) -> None:
        def work(connection: Connection) -> None:
            _next_version(connection)
            connection.executemany(upsert("sealed", ("name", "value"), ("name",)), tuple(sealed.items()))
            connection.executemany(
                "update provider_keys set sealed = ? where id = ?", ((one.sealed, one.id) for one in keys)
            )
            (left,) = connection.execute("select count(*) from provider_keys").fetchone()
            if left != len(keys):
                raise LedgerError("a key of the provider's was added meanwhile; nothing was changed, try again")
            connection.execute("delete from sessions")
            _write_deed(connection, deed)

        await self._ledger.transact(work)

    async def add_session(self, session: Session, deed: Deed) -> None:
        def work(connection: Connection) -> None:
            connection.execute(f"insert into sessions values ({', '.join('?' * len(astuple(session)))})", astuple(session))
            _write_deed(connection, deed)

        await self._ledger.transact(work)

    async def session(self, digest: bytes) -> Session | None:
        question = f"select {', '.join(Session.__struct_fields__)} from sessions where digest = ?"

        def ask(connection: Connection) -> Session | None:
            row = connection.execute(question, (digest,)).fetchone()
            return None if row is None else _converted(Session, dict(zip(Session.__struct_fields__, row, strict=True)))

        return await self._ledger.ask(ask)

    async def see_session(self, digest: bytes, seen_us: int) -> None:
        question = "update sessions set seen_us = ? where digest = ?"
        await self._ledger.transact(lambda connection: connection.execute(question, (seen_us, digest)))

    async def end_sessions(self, *, digest: bytes = b"", who: str = "", before_us: int = 0) -> int:
        question = "delete from sessions where digest = ? or (? <> '' and who = ?) or ends_us < ?"
        values = (digest, who, who, before_us)
        return await self._ledger.transact(lambda connection: connection.execute(question, values).rowcount)


def _next_version(connection: Connection) -> None:
    connection.execute("update access_version set version = version + 1")


def _insert(connection: Connection, thing: Thing, *, over: bool = False) -> None:
    kind = type(thing)
    values: list[object] = [
        msgspec.json.encode(value).decode() if name in _LISTS[kind] else value
        for name, value in zip(kind.__struct_fields__, astuple(thing), strict=True)
    ]
    fields = list(kind.__struct_fields__)
    if kind is Key:
        fields.append("changed")
        values += connection.execute(_NEWER).fetchone()
    into = f"insert into {_TABLES[kind]} ({', '.join(fields)}) values ({', '.join('?' * len(fields))})"
    try:
        connection.execute(upsert(_TABLES[kind], fields, ("id",)) if over else into, values)
    except connection.IntegrityError:
        raise LedgerError(f"there is {thing.id} already; try again") from None


def _end(connection: Connection, kind: type[Thing], column: str, value: str, at_us: int) -> list[str]:
    """Those of a kind that belong to something are gone; their ids."""
    changed = f", changed = ({_NEWER})" if kind is Key else ""
    question = f"update {_TABLES[kind]} set gone_us = ?{changed} where {column} = ? and gone_us = 0 returning id"
    return [row[0] for row in connection.execute(question, (at_us, value)).fetchall()]


def _write_deed(connection: Connection, deed: Deed) -> None:
    question = f"insert into deeds ({', '.join(_DEED_FIELDS)}) values ({', '.join('?' * len(_DEED_FIELDS))})"
    connection.execute(question, [getattr(deed, name) for name in _DEED_FIELDS])


def _sealed(connection: Connection, name: str) -> bytes | None:
    row = connection.execute("select value from sealed where name = ?", (name,)).fetchone()
    return None if row is None else bytes(row[0])


def _fields(kind: type[Thing]) -> str:
    return ", ".join(kind.__struct_fields__)


def _thing(kind: type[T], row: tuple[Any, ...]) -> T:
    lists = _LISTS[kind]
    value = {
        name: msgspec.json.decode(item) if name in lists else item
        for name, item in zip(kind.__struct_fields__, row, strict=True)
    }
    found: T = _converted(kind, value)
    return found


def _converted(kind: Any, value: dict[str, object]) -> Any:
    """Raises msgspec.ValidationError when the file holds what no thriftgate wrote."""
    return msgspec.convert(value, kind, strict=False)

"""Limits in the books."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from thriftgate.core.control.limit_words import metric_of, per_of
from thriftgate.core.control.limits import Limit
from thriftgate.core.errors import InputError
from thriftgate.ledger.connection import Connection, upsert
from thriftgate.ledger.sql import SqlLedger

_SCOPE = msgspec.json.Decoder(tuple[str, ...])
_COLUMNS = "id, name, metric, amount, per, burst, scope, created_us, ended_us"
_ALL = f"select {_COLUMNS} from limits order by created_us, id"
_PUT = upsert("limits", _COLUMNS.split(", "), ("id",))


class SqlLimitBook:
    """See `limits.LimitBook`."""

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger

    async def all(self) -> Sequence[Limit]:
        return await self._ledger.ask(_all)

    async def put(self, limit: Limit) -> None:
        await self._ledger.transact(lambda connection: _put(connection, limit))


def _all(connection: Connection) -> list[Limit]:
    return [
        Limit(id_, name, metric_of(metric), int(amount), per_of(per), int(burst), _SCOPE.decode(scope), created_us, ended_us)
        for id_, name, metric, amount, per, burst, scope, created_us, ended_us in connection.execute(_ALL)
    ]


def _put(connection: Connection, limit: Limit) -> None:
    rows = {one.id: one for one in _all(connection)}
    before = rows.get(limit.id)
    if before is not None and before.ended_us:
        raise InputError(f"limit {before.name!r} was ended; make a new one")
    if before is not None and (before.metric, before.per, before.scope) != (limit.metric, limit.per, limit.scope):
        raise InputError(f"limit {before.name!r}: what it counts stays as it is; end it and make a new one")
    if any(one.name == limit.name and one.id != limit.id and not one.ended_us for one in rows.values()):
        raise InputError(f"there is a limit {limit.name!r} already; change that one, or choose another name")
    connection.execute(
        _PUT,
        (
            limit.id,
            limit.name,
            limit.metric,
            str(limit.amount),
            limit.per,
            str(limit.burst),
            msgspec.json.encode(limit.scope).decode(),
            limit.created_us,
            limit.ended_us,
        ),
    )

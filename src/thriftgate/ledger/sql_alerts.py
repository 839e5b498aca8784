"""Alerts in the ledger's own SQLite file, written by its writer thread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import astuple, replace

from thriftgate.core.alerting.alert import Alert, Message, Notice, Sighting, Silence, State, Why, rank
from thriftgate.core.alerting.life import Habits, sighted, unsighted
from thriftgate.core.alerting.rules import Rule
from thriftgate.ledger.alerts import NoticeState, Routes, StoredRule, Told
from thriftgate.ledger.connection import Connection, upsert
from thriftgate.ledger.sql import SqlLedger

STANDING_MAX = 2_000  # alerts that last at once; what is sighted beyond is counted together
RESOLVED_MAX = 10_000
NOTICES_MAX = 20_000  # sent or given up
SILENCES_MAX = 1_000
RULES_MAX = 500
KEPT_US = 90 * 86_400_000_000
_FARTHEST_US = 86_400_000_000  # no try is put off for longer: what is due later was put down before the clock was put back
OVERFLOW = "overflow"

_LISTS = frozenset({"labels", "evidence"})
_FIELDS = Alert.__struct_fields__
_QUOTED = [f'"{one}"' for one in _FIELDS]
_ADD = f"insert into alerts ({', '.join(_QUOTED[1:])}) values ({', '.join('?' * (len(_FIELDS) - 1))}) returning id"
_PUT = upsert("alerts", _QUOTED, ('"id"',))
_ALERT = f"select {', '.join(_QUOTED)} from alerts"
_LAST_OF = (
    f"{_ALERT} where signature = ? and (state <> 'resolved' or closed_us >= ?) order by opened_us desc, id desc limit 1"
)
_STANDING = f"{_ALERT} where state <> 'resolved' and seen_us <= ?"
_NOT_AHEAD = "update alerts set seen_us = ?1 where state <> 'resolved' and seen_us > ?1"  # the clock was put back
_ADD_NOTICE = "insert into notices (sink, why, made_us, alert, due_us) values (?, ?, ?, ?, ?)"
_NOTICE = "select id, sink, why, made_us, alert, state, message, tries, due_us, sent_us, error from notices"
_SILENCE = 'select id, matchers, until_us, made_us, "by", why from silences'


class SqlAlerts:
    """See `alerts.AlertBook`."""

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger

    async def sight(self, sightings: Sequence[Sighting], habits: Habits, routes: Routes, now_us: int) -> int:
        def work(connection: Connection) -> int:
            sighter = _Sighter(connection, habits, routes, _silences(connection, now_us), now_us)
            notices = 0
            room = STANDING_MAX - _count(connection, "alerts where state <> 'resolved'")
            beyond: list[Sighting] = []
            for one in sightings:
                last = sighter.last(one)
                room -= last is None or last.state == "resolved"
                if room >= 0 or (last is not None and last.state != "resolved"):
                    notices += sighter.put(last, one)
                else:
                    beyond.append(one)
            if beyond:
                many = _overflow(beyond)
                notices += sighter.put(sighter.last(many), many)
            return notices

        return await self._ledger.transact(work) if sightings else 0

    async def settle_down(self, habits: Habits, routes: Routes, now_us: int) -> int:
        def work(connection: Connection) -> int:
            silences = _silences(connection, now_us)
            notices = 0
            connection.execute(_NOT_AHEAD, (now_us,))
            for row in connection.execute(_STANDING, (now_us - habits.resolve_us,)).fetchall():
                alert = _alert(row)
                over = unsighted(alert, habits, now_us, silenced=_covered(silences, alert, now_us))
                if over is not None:
                    _write(connection, over[0])
                    notices += _tell(connection, over[0], over[1], routes, now_us)
            return notices

        return await self._ledger.transact(work)

    async def alerts(self, *, states: Sequence[State] = (), after: int = 2**62, limit: int = 100) -> Sequence[Alert]:
        wanted = f"and state in ({', '.join('?' * len(states))})" if states else ""
        question = f"{_ALERT} where id < ? {wanted} order by id desc limit ?"
        return await self._ledger.ask(
            lambda connection: [_alert(row) for row in connection.execute(question, (after, *states, limit))]
        )

    async def alert(self, alert_id: int) -> Alert | None:
        return await self._ledger.ask(lambda connection: _by_id(connection, alert_id))

    async def acknowledge(self, alert_id: int, by: str) -> Alert | None:
        def work(connection: Connection) -> Alert | None:
            alert = _by_id(connection, alert_id)
            if alert is None or alert.state == "resolved":
                return None
            known = replace(alert, by=by, state="acknowledged" if alert.state == "open" else alert.state)
            _write(connection, known)
            return known

        return await self._ledger.transact(work)

    async def silence(self, matchers: Sequence[str], until_us: int, by: str, why: str, now_us: int) -> Silence:
        def work(connection: Connection) -> Silence:
            (made,) = connection.execute(
                'insert into silences (matchers, until_us, made_us, "by", why) values (?, ?, ?, ?, ?) returning id',
                (_listed(matchers), until_us, now_us, by, why),
            ).fetchone()
            connection.execute("delete from silences where id <= ?", (made - SILENCES_MAX,))
            silence = Silence(made, tuple(matchers), until_us, now_us, by, why)
            for row in connection.execute(f"{_ALERT} where state in ('open', 'acknowledged')").fetchall():
                alert = _alert(row)
                if silence.covers(alert, now_us):
                    _write(connection, replace(alert, state="silenced"))
            return silence

        return await self._ledger.transact(work)

    async def unsilence(self, silence_id: int, now_us: int) -> Silence | None:
        def work(connection: Connection) -> Silence | None:
            row = connection.execute(f"{_SILENCE} where id = ? and until_us > ?", (silence_id, now_us)).fetchone()
            if row is None:
                return None
            connection.execute("update silences set until_us = ? where id = ?", (now_us, silence_id))
            return _silence(row)

        return await self._ledger.transact(work)

    async def silences(self, now_us: int) -> Sequence[Silence]:
        return await self._ledger.ask(lambda connection: _silences(connection, now_us))

    async def rules(self) -> Sequence[StoredRule]:
        question = 'select rule, made_us, "by" from alert_rules order by name'
        return await self._ledger.ask(
            lambda connection: [
                StoredRule(msgspec.json.decode(rule, type=Rule), made_us, by)
                for rule, made_us, by in connection.execute(question)
            ]
        )

    async def put_rule(self, rule: Rule, by: str, now_us: int) -> None:
        def work(connection: Connection) -> None:
            connection.execute(
                upsert("alert_rules", ("name", "rule", "made_us", '"by"'), ("name",)),
                (rule.name, msgspec.json.encode(rule).decode(), now_us, by),
            )

        await self._ledger.transact(work)

    async def remove_rule(self, name: str) -> bool:
        return await self._ledger.transact(
            lambda connection: connection.execute("delete from alert_rules where name = ?", (name,)).rowcount > 0
        )

    async def take_up(self, sink: str, now_us: int, *, gathered_us: int, digest_over: int, lease_us: int) -> Message | None:
        def work(connection: Connection) -> Message | None:
            row = connection.execute(
                "select message from notices where sink = ? and state = 'due' and message <> '' "
                "and (due_us <= ? or due_us > ?) order by due_us, id limit 1",
                (sink, now_us, now_us + _FARTHEST_US),
            ).fetchone()
            message = row[0] if row is not None else _gather(connection, sink, (gathered_us, now_us), digest_over)
            if not message:
                return None
            connection.execute(
                "update notices set tries = tries + 1, due_us = ? where message = ? and state = 'due'",
                (now_us + lease_us, message),
            )
            told = [_told(one) for one in connection.execute(f"{_NOTICE} where message = ? order by id", (message,))]
            return Message(message, sink, tuple(one.notice for one in told), max(one.tries for one in told))

        return await self._ledger.transact(work)

    async def sent(self, message: str, now_us: int) -> None:
        await self._ledger.transact(
            lambda connection: connection.execute(
                "update notices set state = 'sent', sent_us = ?, error = '' where message = ?", (now_us, message)
            )
        )

    async def failed(self, message: str, error: str, again_us: int) -> None:
        await self._ledger.transact(
            lambda connection: connection.execute(
                "update notices set state = ?, due_us = ?, error = ? where message = ?",
                ("due" if again_us else "dead", again_us, error[:300], message),
            )
        )

    async def sent_since(self, sink: str, since_us: int) -> Sequence[int]:
        question = (
            "select max(sent_us) from notices where sink = ? and state = 'sent' and sent_us >= ? group by message order by 1"
        )
        return await self._ledger.ask(lambda connection: [row[0] for row in connection.execute(question, (sink, since_us))])

    async def next_due(self, sink: str) -> int | None:
        question = "select min(due_us) from notices where sink = ? and state = 'due'"
        return await self._ledger.ask(lambda connection: _first(connection, question, (sink,)))

    async def notices(self, *, state: NoticeState | None = None, alert_id: int = 0, limit: int = 100) -> Sequence[Told]:
        where: list[str] = ["true"]
        values: list[str | int] = []
        if state is not None:
            where.append("state = ?")
            values.append(state)
        if alert_id:
            where.append("cast(json_extract(cast(alert as text), '$.id') as bigint) = ?")
            values.append(alert_id)
        question = f"{_NOTICE} where {' and '.join(where)} order by id desc limit ?"
        return await self._ledger.ask(
            lambda connection: [_told(row) for row in connection.execute(question, (*values, limit))]
        )

    async def sweep(self, now_us: int) -> None:
        def work(connection: Connection) -> None:
            old_us = now_us - KEPT_US
            connection.execute("delete from alerts where state = 'resolved' and closed_us < ?", (old_us,))
            connection.execute("delete from notices where state <> 'due' and made_us < ?", (old_us,))
            connection.execute("delete from silences where until_us < ?", (old_us,))
            for name, state, order, most in (
                ("alerts", "= 'resolved'", "closed_us", RESOLVED_MAX),
                ("notices", "<> 'due'", "made_us", NOTICES_MAX),
            ):
                newest = f"select id from {name} where state {state} order by {order} desc, id desc limit -1 offset ?"
                connection.execute(f"delete from {name} where id in ({newest})", (most,))

        await self._ledger.transact(work)


class _Sighter(NamedTuple):
    """What each sighting of one transaction is put into the books with."""

    connection: Connection
    habits: Habits
    routes: Routes
    silences: Sequence[Silence]
    now_us: int

    def last(self, sighting: Sighting) -> Alert | None:
        """The alert that it belongs to: one that lasts, or was over a short while ago."""
        row = self.connection.execute(_LAST_OF, (sighting.signature, self.now_us - self.habits.flap_us)).fetchone()
        return _alert(row) if row is not None else None

    def put(self, last: Alert | None, sighting: Sighting) -> int:
        """Returns the number of notices."""
        silenced = _covered(self.silences, sighting, self.now_us)
        alert, why = sighted(last, sighting, self.habits, self.now_us, silenced=silenced)
        return _tell(self.connection, _write(self.connection, alert), why, self.routes, self.now_us)


def _overflow(beyond: Sequence[Sighting]) -> Sighting:
    worst = max(beyond, key=lambda one: rank(one.severity))
    return Sighting(
        signature=OVERFLOW,
        kind=OVERFLOW,
        sentence=f"more than {STANDING_MAX:,} alerts stand: further conditions, {len(beyond):,} at once, are only counted",
        severity=worst.severity,
        evidence=tuple(one.sentence for one in beyond[:5]),
        action="silence or mend what alerts by the thousand; rules that look at each key apart may be too strict",
        pico_per_h=sum(one.pico_per_h for one in beyond),
        level=1.0,
    )


def _tell(connection: Connection, alert: Alert, why: Why | None, routes: Routes, now_us: int) -> int:
    sinks = routes(alert, why) if why is not None else ()
    as_it_is = msgspec.json.encode(alert)
    connection.executemany(_ADD_NOTICE, [(sink, why, now_us, as_it_is, now_us) for sink in sinks])
    return len(sinks)


def _gather(connection: Connection, sink: str, gathering: tuple[int, int], digest_over: int) -> str:
    """Make one message of what waits, or of the oldest notice where little does. While the oldest
    notice was made in the span `gathering`, it waits for others."""
    question = "select id, made_us from notices where sink = ? and state = 'due' and message = '' order by id"
    waiting = connection.execute(question, (sink,)).fetchall()
    if not waiting or gathering[0] < waiting[0][1] <= gathering[1]:
        return ""
    together = [row[0] for row in (waiting if len(waiting) > digest_over else waiting[:1])]
    message = f"tga_{together[0]}_{len(together)}"
    connection.executemany("update notices set message = ? where id = ?", [(message, one) for one in together])
    return message


def _write(connection: Connection, alert: Alert) -> Alert:
    row: list[Any] = [_listed(value) if isinstance(value, tuple) else value for value in astuple(alert)]
    if alert.id:
        connection.execute(_PUT, row)
        return alert
    (made,) = connection.execute(_ADD, row[1:]).fetchone()
    return replace(alert, id=made)


def _alert(row: Sequence[Any]) -> Alert:
    members = dict(zip(_FIELDS, row, strict=True))
    for name in _LISTS:
        members[name] = _tuple(members[name])
    return Alert(**members)


def _silence(row: Sequence[Any]) -> Silence:
    return Silence(row[0], _tuple(row[1]), *row[2:])


def _told(row: Sequence[Any]) -> Told:
    alert = msgspec.json.decode(row[4], type=Alert)
    return Told(Notice(row[0], row[1], row[2], row[3], alert), *row[5:])


def _by_id(connection: Connection, alert_id: int) -> Alert | None:
    row = connection.execute(f"{_ALERT} where id = ?", (alert_id,)).fetchone()
    return _alert(row) if row is not None else None


def _silences(connection: Connection, now_us: int) -> list[Silence]:
    return [_silence(row) for row in connection.execute(f"{_SILENCE} where until_us > ? order by id", (now_us,))]


def _covered(silences: Sequence[Silence], one: Sighting | Alert, now_us: int) -> bool:
    return any(silence.covers(one, now_us) for silence in silences)


def _count(connection: Connection, table: str) -> int:
    return int(connection.execute(f"select count(*) from {table}").fetchone()[0])


def _first(connection: Connection, question: str, values: Sequence[object]) -> int | None:
    found: int | None = connection.execute(question, values).fetchone()[0]
    return found


def _listed(values: Iterable[str]) -> str:
    return msgspec.json.encode(tuple(values)).decode()


def _tuple(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])

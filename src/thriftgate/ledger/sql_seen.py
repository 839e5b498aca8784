"""Earlier calls as alert rules see them, summed up by slots of time: what a gateway that has just started compares with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from thriftgate.core.alerting.metrics import Seen
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry
from thriftgate.ledger.queries import SUM, summed
from thriftgate.ledger.sql import SqlLedger

_FINE = ("answered", "left", "refused")  # by the client's own doing, or by thriftgate's: no error of the provider or the way

# Latency to two digits: what is summed up together must be alike.
_LATENCY = """
case when outcome <> 'answered' then 0 when latency_ms < 100 then latency_ms / 5 * 5
  when latency_ms < 1000 then latency_ms / 50 * 50 when latency_ms < 10000 then latency_ms / 500 * 500
  else latency_ms / 5000 * 5000 end
"""
_SEEN = f"""
select settled_us / ?3 * ?3 as slot, key, user_id, team, org, model, task, tags, {_LATENCY} as latency, count(*),
  sum(cast(outcome not in {_FINE} as integer)),
  {SUM.format("coalesce(-paid.pico, 0)")}, {SUM.format("coalesce(base.pico, 0)")},
  sum(read_tokens), sum(read_tokens + write_5m_tokens + write_1h_tokens + input_tokens), sum(output_tokens)
from entries
left join postings as paid on paid.entry = entries.id and paid.account = 'upstream'
left join postings as base on base.entry = entries.id and base.account = 'baseline'
where opened_us >= ?1 and opened_us < ?2 and settled_us < ?4
group by slot, key, user_id, team, org, model, task, tags, latency
"""
_NAMES = ("key", "user", "team", "org", "model", "task")
_FIRST = "select min(opened_us) from entries"


async def calls_seen(
    ledger: SqlLedger, since_us: int, until_us: int, *, slot_us: int, settled_until_us: int
) -> Sequence[Seen]:
    """Calls that came in within the span and were settled by then, those alike within a slot as one. Raises LedgerError."""

    def ask(connection: Connection) -> list[Seen]:
        rows = connection.execute(_SEEN, (since_us, until_us, slot_us, settled_until_us))
        return [_seen(row, slot_us) for row in rows]

    return await ledger.ask(ask)


async def first_call_us(ledger: SqlLedger) -> int:
    """When the books begin (microseconds since 1970); 0 where they are empty."""
    return await ledger.ask(lambda connection: connection.execute(_FIRST).fetchone()[0] or 0)


def seen_of(entry: Entry) -> Seen:
    """The same of one call."""
    tokens = entry.usage.total
    whose = entry.whose
    names = (entry.key, whose.user_id, whose.team, whose.org, entry.model, entry.task)
    return Seen(
        at_us=entry.settled_us,
        labels=_labels(names, whose.tags),
        errors=int(entry.outcome not in _FINE),
        paid_pico=-entry.posted(UPSTREAM),
        baseline_pico=entry.posted(BASELINE),
        read=tokens.read,
        prompt=tokens.read + tokens.write_5m + tokens.write_1h + tokens.input,
        output=tokens.output,
        latency_ms=entry.latency_ms if entry.outcome == "answered" else 0,
    )


def _seen(row: Sequence[Any], slot_us: int) -> Seen:
    slot, *names = row[:7]
    tags, latency, calls, errors, paid_high, paid_low, base_high, base_low, read, prompt, output = row[7:]
    return Seen(
        at_us=slot + slot_us // 2,
        labels=_labels(names, msgspec.json.decode(tags, type=list[str])),
        calls=calls,
        errors=errors,
        paid_pico=summed(paid_high, paid_low),
        baseline_pico=summed(base_high, base_low),
        read=read,
        prompt=prompt,
        output=output,
        latency_ms=latency,
    )


def _labels(names: Sequence[str], tags: Sequence[str]) -> frozenset[str]:
    labels = [f"{name}={value}" for name, value in zip(_NAMES, names, strict=True) if value]
    return frozenset(labels + [f"tag={tag}" for tag in tags])

"""Single calls as lists show them: the latest that were settled, and those under way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from thriftgate.core.moments import text_from_micros
from thriftgate.core.money import usd_from_pico
from thriftgate.dashboard.look import Look
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry, Hold

_COLUMNS = (
    "id", "opened_us", "settled_us", "key", "team", "model", "asked_model", "task", "outcome", "mode", "latency_ms",
    "stream", "input_tokens + write_5m_tokens + write_1h_tokens + read_tokens", "read_tokens", "output_tokens",
    "coalesce(base.pico, 0)", "-coalesce(paid.pico, 0)",
)  # fmt: skip
_LATEST = f"""
select {", ".join(_COLUMNS)} from entries
left join postings base on base.entry = id and base.account = 'baseline'
left join postings paid on paid.entry = id and paid.account = 'upstream'
where id > ?{{0}} order by id desc limit ?
"""


class Settled(Struct, frozen=True):
    """One settled call in few words (pico-USD, microseconds since 1970). Never holds what was said."""

    id: str
    opened_us: int
    settled_us: int
    key: str
    team: str
    model: str
    asked_model: str
    task: str
    outcome: str
    mode: str
    latency_ms: int
    stream: bool
    prompt_tokens: int
    read_tokens: int
    output_tokens: int
    baseline_pico: int
    paid_pico: int

    def document(self) -> dict[str, Any]:
        """As the API lists it."""
        return {
            "id": self.id,
            "opened": text_from_micros(self.opened_us),
            "settled": text_from_micros(self.settled_us),
            "key": self.key,
            "team": self.team,
            "model": self.model,
            "asked_model": self.asked_model,
            "task": self.task,
            "outcome": self.outcome,
            "mode": self.mode,
            "stream": self.stream,
            "latency_ms": self.latency_ms,
            "prompt_tokens": self.prompt_tokens,
            "read_tokens": self.read_tokens,
            "output_tokens": self.output_tokens,
            "cost_usd": usd_from_pico(self.paid_pico),
            "saved_usd": usd_from_pico(self.baseline_pico - self.paid_pico),
        }


def latest(connection: Connection, look: Look, *, after: str = "", limit: int = 50) -> list[Settled]:
    """The last calls by the time they came in, the latest first."""
    narrowed = look.narrowed
    where = "".join(f" and {name} = ?" for name in narrowed)
    rows = connection.execute(_LATEST.format(where), (after, *narrowed.values(), limit))
    told = (dict(zip(Settled.__struct_fields__, row, strict=True)) for row in rows)
    return [msgspec.convert(one, Settled, strict=False) for one in told]


def settled_of(entry: Entry) -> Settled:
    """The same of an entry that was just written."""
    tokens = entry.usage.total
    return Settled(
        id=entry.id,
        opened_us=entry.opened_us,
        settled_us=entry.settled_us,
        key=entry.key,
        team=entry.whose.team,
        model=entry.model,
        asked_model=entry.asked_model,
        task=entry.task,
        outcome=entry.outcome,
        mode=entry.mode,
        latency_ms=entry.latency_ms,
        stream=entry.stream,
        prompt_tokens=tokens.prompt,
        read_tokens=tokens.read,
        output_tokens=tokens.output,
        baseline_pico=entry.posted(BASELINE),
        paid_pico=-entry.posted(UPSTREAM),
    )


def under_way(holds: Sequence[Hold], look: Look, now_us: int) -> list[dict[str, Any]]:
    """Calls that are not settled, the newest first; those that wait for a batch are told on its page."""
    told = look.narrowed
    return [
        {
            "id": hold.id,
            "opened": text_from_micros(hold.opened_us),
            "age_s": round(max(0, now_us - hold.opened_us) / 1e6, 1),
            "key": hold.key,
            "team": hold.whose.team,
            "model": hold.model,
            "task": hold.task,
            "forecast_usd": usd_from_pico(hold.forecast_pico),
            "worst_usd": usd_from_pico(hold.worst_pico),
        }
        for hold in reversed(holds)
        if not hold.batch and all(value == _told_of(hold, name) for name, value in told.items())
    ]


def _told_of(hold: Hold, name: str) -> str:
    return hold.whose.team if name == "team" else str(getattr(hold, name))


def is_within(one: Settled, look: Look) -> bool:
    """Whether it is one of the calls that are looked at."""
    return all(value == getattr(one, name) for name, value in look.narrowed.items())

"""Entries and holds as database rows, and back."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from thriftgate.core.control.whose import Whose
from thriftgate.core.misses import Miss
from thriftgate.core.plan import Decision
from thriftgate.core.routing.choice import Choice
from thriftgate.core.usage import Iteration, Tokens, Usage
from thriftgate.ledger.entries import Entry, Hold, Posting

WHOSE_COLUMNS = Whose.__struct_fields__
HOLD_COLUMNS = (
    "id", "opened_us", "key", "model", "worst_pico", "forecast_pico", "batch", *WHOSE_COLUMNS, "task", "provider",
)  # fmt: skip
ENTRY_COLUMNS = (
    "id", "opened_us", "settled_us", "key", "model", "endpoint", "outcome", "resolution", "usage_source",
    "input_tokens", "write_5m_tokens", "write_1h_tokens", "read_tokens", "output_tokens", "thinking_tokens",
    "web_searches", "iterations", "served_model", "provider", "mode", "geo", "stream", "status", "price_book",
    "forecast_pico", "decisions", "upstream_request_id", "message_id", "stop_reason", "note", "attempts", "ttfb_ms",
    "latency_ms", "read_expected_tokens", "write_expected_tokens", "miss", "sent_us", "trail",
    "asked_model", "task", "arm", "propensity", "conversation", "choice", "parent", *WHOSE_COLUMNS, "upstream",
)  # fmt: skip
POSTING_COLUMNS = ("entry", "account", "pico")

Row = tuple[object, ...]

_ENCODER = msgspec.json.Encoder()
_ITERATIONS = msgspec.json.Decoder(tuple[Iteration, ...])
_DECISIONS = msgspec.json.Decoder(tuple[Decision, ...])
_MISS = msgspec.json.Decoder(Miss)
_TAGS = msgspec.json.Decoder(tuple[str, ...])
_CHOICE = msgspec.json.Decoder(Choice)


INTEGER_MAX = 2**63 - 1  # 9.2 million dollars: what a database's integer holds


def hold_row(hold: Hold) -> Row:
    """A worst case beyond the integers (max_tokens is the client's to write) is kept as the largest there is."""
    return (
        hold.id, hold.opened_us, hold.key, hold.model, min(hold.worst_pico, INTEGER_MAX), hold.forecast_pico, hold.batch,
        *_whose_row(hold.whose), hold.task, hold.provider,
    )  # fmt: skip


def hold_from_row(row: Row) -> Hold:
    """Raises msgspec.ValidationError when the file holds what no thriftgate wrote."""
    value = dict(zip(HOLD_COLUMNS, row, strict=True))
    whose = _whose_from(value)
    return msgspec.structs.replace(msgspec.convert(value, Hold), whose=whose)


def _whose_row(whose: Whose) -> Row:
    return whose.user_id, whose.team, whose.org, _ENCODER.encode(whose.tags).decode() if whose.tags else "[]"


def _whose_from(value: dict[str, object]) -> Whose:
    """Takes what tells whose it is out of a row."""
    user_id, team, org, tags = (str(value.pop(name)) for name in WHOSE_COLUMNS)
    return Whose(user_id, team, org, tags_from(tags))


def tags_from(text: str) -> tuple[str, ...]:
    """Raises msgspec.ValidationError like the others."""
    return _TAGS.decode(text) if text != "[]" else ()


def entry_row(entry: Entry) -> Row:
    total = entry.usage.total
    return (
        entry.id, entry.opened_us, entry.settled_us, entry.key, entry.model, entry.endpoint, entry.outcome,
        entry.resolution, entry.usage_source, total.input, total.write_5m, total.write_1h, total.read, total.output,
        total.thinking, entry.usage.web_searches, _ENCODER.encode(entry.usage.iterations).decode(),
        entry.served_model, entry.provider, entry.mode, entry.geo, int(entry.stream), entry.status, entry.price_book,
        entry.forecast_pico, _ENCODER.encode(entry.decisions).decode(), entry.upstream_request_id, entry.message_id,
        entry.stop_reason, entry.note, entry.attempts, entry.ttfb_ms, entry.latency_ms,
        entry.read_expected_tokens, entry.write_expected_tokens,
        _ENCODER.encode(entry.miss).decode() if entry.miss is not None else "", entry.sent_us, entry.trail,
        entry.asked_model, entry.task, entry.arm, entry.propensity, entry.conversation,
        _ENCODER.encode(entry.choice).decode() if entry.choice is not None else "", entry.parent,
        *_whose_row(entry.whose), entry.upstream,
    )  # fmt: skip


def posting_rows(entry: Entry) -> Iterable[Row]:
    return ((entry.id, posting.account, posting.pico) for posting in entry.postings)


def entry_from_row(row: Row, postings: tuple[Posting, ...]) -> Entry:
    """Raises msgspec.ValidationError when the file holds what no thriftgate wrote."""
    value = dict(zip(ENTRY_COLUMNS, row, strict=True))
    tokens = Tokens(*(int(str(value.pop(f"{name}_tokens"))) for name in Tokens.__struct_fields__))
    usage = Usage(tokens, int(str(value.pop("web_searches"))), _ITERATIONS.decode(str(value.pop("iterations"))))
    decisions = _DECISIONS.decode(str(value.pop("decisions")))
    miss = str(value.pop("miss"))
    choice = str(value.pop("choice"))
    whose = _whose_from(value)
    known = msgspec.convert(
        {**value, "usage": Usage(), "postings": [], "stream": bool(value["stream"])}, Entry, from_attributes=True
    )
    missed = _MISS.decode(miss) if miss else None
    chosen = _CHOICE.decode(choice) if choice else None
    return msgspec.structs.replace(
        known, usage=usage, decisions=decisions, postings=postings, miss=missed, choice=chosen, whose=whose
    )

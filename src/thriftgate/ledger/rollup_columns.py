"""What a roll-up holds, each column once: its name, and how it comes from an entry, in Python (as a call settles) and in SQL
(where entries are asked themselves: at the ragged ends of a span, when roll-ups are made anew, and when they are checked).

Money is kept in two columns, whole micro-dollars and the rest in pico-dollars, so that no sum can leave 64 bits.
"""

from __future__ import annotations

from bisect import bisect_left

from thriftgate.ledger.entries import BASELINE, SAVED, UPSTREAM, Entry

HOUR_US = 3_600_000_000
HOURS = (1, 24)
"""The lengths of cells, in hours: what is asked for is put together of days, and of hours where a day would be too much."""
OTHER = "(other)"
"""The name of what found no cell of its own."""

WHO = ("key", "user_id", "team", "org", "model", "task", "provider", "tag")
"""What calls can be asked for by, and told apart by."""
WAYS = ("upstream", "endpoint", "mode", "outcome")
"""What they can be told apart by beside that. Those cells are many more, and asked by fewer."""
DIMS = WHO + WAYS

ERRORS = ("failed", "cut", "unreachable", "timeout", "garbage", "lost")
"""Outcomes that are errors: no whole answer came, and neither the client nor a limit is why."""

BOUNDS_MS = (160, 320, 640, 1_280, 2_560, 5_120, 10_240, 20_480, 40_960, 81_920)
"""Upper bounds of the classes of latency but the last: those of OpenTelemetry's gen_ai durations from 0.16 s on
(opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics, 2026-10)."""

COUNT_MAX = 10**12
"""The most that one call adds to a sum of tokens or milliseconds; a provider that says more is not believed."""

SPLIT = 1_000_000
TOKENS = ("input", "write_5m", "write_1h", "read", "output", "thinking")
MONEY = ("baseline", "paid", "own_paid", "missed")
CLASSES = tuple(range(len(BOUNDS_MS) + 1))

_USED = "(e.usage_source <> 'none')"
_OWN = "(coalesce(base.pico, 0) = 0 and coalesce(paid.pico, 0) <> 0)"
_MISS = "json_extract(e.miss, '$.{0}')"
_MISS_PICO, _MISS_TOKENS = (f"cast({_MISS.format(name)} as bigint)" for name in ("pico", "tokens"))
_AVOIDABLE = f"cast({_MISS.format('avoidable')} as text) in ('1', 'true')"  # as SQLite and PostgreSQL say it
_MISSED = f"(e.miss <> '' and {_USED} and {_MISS.format('cause')} <> 'cold')"


def _within(column: str, at: int) -> str:
    low = f"{column} > {BOUNDS_MS[at - 1] if at else 0}"
    return _counted(f"{low} and {column} <= {BOUNDS_MS[at]}" if at < len(BOUNDS_MS) else low)


def _counted(condition: str) -> str:
    """1 where it is true, or else 0."""
    return f"cast({condition} as integer)"


def _at_most(column: str) -> str:
    return f"case when {column} > {COUNT_MAX} then {COUNT_MAX} else {column} end"


def _halves(name: str, sql: str) -> dict[str, str]:
    return {f"{name}_high": f"{sql} / {SPLIT}", f"{name}_low": f"{sql} % {SPLIT}"}


COLUMNS: dict[str, str] = {
    "calls": "1",
    "errors": _counted(f"e.outcome in ({', '.join(map(repr, ERRORS))})"),
    "estimated": _counted("e.usage_source = 'estimated'"),
    "used": _counted(_USED),
    "own_calls": _counted(_OWN),
    **_halves("baseline", "coalesce(base.pico, 0)"),
    **_halves("paid", "-coalesce(paid.pico, 0)"),
    **_halves("own_paid", f"(case when {_OWN} then -paid.pico else 0 end)"),
    **_halves("missed", f"(case when {_MISSED} then {_MISS_PICO} else 0 end)"),
    **{name: f"case when {_USED} then {_at_most(f'e.{name}_tokens')} else 0 end" for name in TOKENS},
    "web_searches": _at_most("e.web_searches"),
}
"""Each column of a cell, and its SQL over an entry `e` with its postings `base` and `paid`."""
WAY_COLUMNS = COLUMNS | {
    "latency_ms": _at_most("e.latency_ms"),
    "ttfb_ms": _at_most("e.ttfb_ms"),
    **{f"latency_{at}": _within("e.latency_ms", at) for at in CLASSES},
    **{f"ttfb_{at}": _within("e.ttfb_ms", at) for at in CLASSES},
}
"""Those of a cell by way: how long calls took is asked of these alone."""

POSTINGS = (
    "left join postings base on base.entry = e.id and base.account = 'baseline' "
    "left join postings paid on paid.entry = e.id and paid.account = 'upstream'"
)

PART_COLUMNS = ("calls", "tokens", "pico_high", "pico_low", "avoidable_high", "avoidable_low")
MISS = "miss:"
"""Parts of a cell are named as what they are: `saved:` and a lever, or this and a cause."""
LEVER_PART: dict[str, str] = {
    "calls": "1",
    "tokens": "0",
    **_halves("pico", "-part.pico"),
    **_halves("avoidable", "0"),
}
MISS_PART: dict[str, str] = {
    "calls": "1",
    "tokens": _at_most(_MISS_TOKENS),
    **_halves("pico", _MISS_PICO),
    **_halves("avoidable", f"(case when {_AVOIDABLE} then {_MISS_PICO} else 0 end)"),
}
MISS_NAME = f"'{MISS}' || {_MISS.format('cause')}"

STEP_TOKENS = 4_000
"""Prompts are told apart by length in steps of this: every length above which any price changes is a multiple of it
(100,000, 128,000, 200,000, 272,000; platform.claude.com/docs/en/about-claude/pricing and peers' price lists, 2026-10)."""
PROMPT_NAMES = ("served", "mode", "geo", "above")
PROMPT_COLUMNS = {name: _at_most(f"e.{name}_tokens") for name in ("input", "write_5m", "write_1h", "read")}
PROMPT = "(e.input_tokens + e.write_5m_tokens + e.write_1h_tokens + e.read_tokens)"
ABOVE = f"case when {PROMPT} > 0 then ({PROMPT} - 1) / {STEP_TOKENS} * {STEP_TOKENS} else 0 end"
SERVED = "case e.served_model when '' then e.model else e.served_model end"

_CLIENTS = "(coalesce(base.pico, 0) <> 0)"
TASK_COLUMNS: dict[str, str] = {
    "calls": "1",
    "client_calls": _counted(_CLIENTS),
    **_halves("baseline", "coalesce(base.pico, 0)"),
    **_halves("paid", f"(case when {_CLIENTS} then -coalesce(paid.pico, 0) else 0 end)"),
    "output": f"case when {_CLIENTS} then {_at_most('e.output_tokens')} else 0 end",
    "latency_ms": f"case when {_CLIENTS} then {_at_most('e.latency_ms')} else 0 end",
}
"""Of a task: all but the first are of calls that clients asked for."""

_COLUMN_AT = {name: at for at, name in enumerate(WAY_COLUMNS)}
_LATENCY, _TTFB = _COLUMN_AT["latency_0"], _COLUMN_AT["ttfb_0"]


def _split(pico: int) -> tuple[int, int]:
    """As SQL divides: towards zero."""
    high, low = divmod(abs(pico), SPLIT)
    return (high, low) if pico >= 0 else (-high, -low)


def measures_of(entry: Entry) -> list[int]:
    """The columns of a cell by way that this entry alone would make; those of other cells come first."""
    base = paid = missed = 0
    for posting in entry.postings:
        if posting.account == BASELINE:
            base = posting.pico
        elif posting.account == UPSTREAM:
            paid = -posting.pico
    used = entry.usage_source != "none"
    own = not base and bool(paid)
    miss = entry.miss
    if miss is not None and used and miss.cause != "cold":
        missed = miss.pico
    tokens = entry.usage.total
    counts = (
        (tokens.input, tokens.write_5m, tokens.write_1h, tokens.read, tokens.output, tokens.thinking)
        if used
        else (0, 0, 0, 0, 0, 0)
    )
    found = [
        1, int(entry.outcome in ERRORS), int(entry.usage_source == "estimated"), int(used), int(own),
        *_split(base), *_split(paid), *_split(paid if own else 0), *_split(missed),
        *counts, entry.usage.web_searches, entry.latency_ms, entry.ttfb_ms, *(0,) * (2 * len(CLASSES)),
    ]  # fmt: skip
    if max(found[_COUNTS]) > COUNT_MAX:
        found[_COUNTS] = [min(count, COUNT_MAX) for count in found[_COUNTS]]
    if entry.latency_ms > 0:
        found[_LATENCY + bisect_left(BOUNDS_MS, entry.latency_ms)] = 1
    if entry.ttfb_ms > 0:
        found[_TTFB + bisect_left(BOUNDS_MS, entry.ttfb_ms)] = 1
    return found


_COUNTS = slice(_COLUMN_AT["input"], _COLUMN_AT["ttfb_ms"] + 1)


def task_of(entry: Entry, measures: list[int]) -> tuple[int, ...]:
    """As `TASK_COLUMNS`; `measures` are those of the entry."""
    money = measures[_MONEY]
    if not any(money[:2]):
        return _NOT_OF_A_CLIENT
    return 1, 1, *money, min(entry.usage.total.output, COUNT_MAX), min(entry.latency_ms, COUNT_MAX)


_MONEY = slice(_COLUMN_AT["baseline_high"], _COLUMN_AT["paid_low"] + 1)
_NOT_OF_A_CLIENT = (1, *(0,) * (len(TASK_COLUMNS) - 1))


def parts_of(entry: Entry) -> list[tuple[str, tuple[int, ...]]]:
    """What each lever saved and what was missed, as `PART_COLUMNS`."""
    found: list[tuple[str, tuple[int, ...]]] = [
        (posting.account, (1, 0, *_split(-posting.pico), 0, 0))
        for posting in entry.postings
        if posting.account.startswith(SAVED)
    ]
    miss = entry.miss
    if miss is not None:
        avoidable = _split(miss.pico if miss.avoidable else 0)
        found.append((MISS + miss.cause, (1, min(miss.tokens, COUNT_MAX), *_split(miss.pico), *avoidable)))
    return found


def prompt_of(entry: Entry) -> tuple[tuple[str, str, str, int], tuple[int, ...]]:
    """What its rate card depends on, beside the day: `PROMPT_NAMES`; and `PROMPT_COLUMNS`."""
    tokens = entry.usage.total
    above = max(tokens.prompt - 1, 0) // STEP_TOKENS * STEP_TOKENS
    counts = tuple(min(count, COUNT_MAX) for count in (tokens.input, tokens.write_5m, tokens.write_1h, tokens.read))
    return (entry.served_model or entry.model, entry.mode, entry.geo, above), counts

"""The questions put to the books, each named and described. Sums are split in two so that no 64-bit sum can overflow:
9.2e18 pico-USD are only 9.2 million dollars."""

from __future__ import annotations

from collections.abc import Sequence

from thriftgate.ledger.rows import ENTRY_COLUMNS, HOLD_COLUMNS

# Whole micro-dollars and the rest in pico-dollars, summed apart and joined in Python.
SPLIT = 1_000_000
SUM = "sum({0} / 1000000), sum({0} % 1000000)"


def summed(high: int | None, low: int | None) -> int:
    """Join a split sum."""
    return (high or 0) * SPLIT + (low or 0)


_ENTRY = f"select {', '.join(ENTRY_COLUMNS)} from entries"

NOBODY = "-"
"""No process has this name."""

# One entry by id.
ENTRY = f"{_ENTRY} where id = ?"

# Entries of a span of time in order of id, a page at a time, but those of one process (`liveness.process_of`).
ENTRIES = f"{_ENTRY} where opened_us >= ? and opened_us < ? and id > ? and substr(id, 18, 8) <> ? order by id limit ?"

# What an engine learned, by name.
MEMORY = "select value from memories where name = ?"

# Postings of some entries.
POSTINGS = """
select entry, account, pico from postings where entry in (select one.value from json_each(?) one) order by entry, account
"""

# Open holds: sent, or about to be, and not yet settled; but those of one process.
OPEN_HOLDS = f"""
select {", ".join(HOLD_COLUMNS)} from holds indexed by holds_open
where settled = 0 and substr(id, 18, 8) <> ? and not exists (select 1 from entries where entries.id = holds.id) order by id
"""

OPEN_HOLDS_COUNT = """
select count(*) from holds indexed by holds_open
where settled = 0 and not exists (select 1 from entries where entries.id = holds.id)
"""

# Prompt tokens of calls that share a rate card; {0} is the price step of a prompt.
PRICED_ALIKE = """
select case served_model when '' then model else served_model end as served, mode, geo, opened_us / 86400000000 as day,
  {0} as above, sum(input_tokens), sum(write_5m_tokens), sum(write_1h_tokens), sum(read_tokens)
from entries where opened_us >= ? and opened_us < ? and usage_source <> 'none'
group by served, mode, geo, day, above
"""
_PROMPT = "input_tokens + write_5m_tokens + write_1h_tokens + read_tokens"


def price_step(steps: Sequence[int]) -> str:
    """SQL for the highest of these prompt lengths that a call's prompt exceeds; 0 where it exceeds none."""
    return stepped(steps, f"({_PROMPT})", ">")


def stepped(steps: Sequence[int], value: str, beyond: str) -> str:
    """SQL for the highest of these steps that a value is beyond; 0 where it is beyond none."""
    cases = " ".join(f"when {value} {beyond} {step:d} then {step:d}" for step in sorted(steps, reverse=True))
    return f"case {cases} else 0 end" if cases else "0"


# Entries whose postings do not sum to zero. Always empty.
UNBALANCED = """
select entry from postings group by entry
having sum(pico / 1000000) * 1000000 + sum(pico % 1000000) <> 0 order by entry
"""

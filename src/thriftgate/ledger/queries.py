"""The questions put to the books, each named and described. Sums are split in two so that no 64-bit sum can overflow:
9.2e18 pico-USD are only 9.2 million dollars."""

from __future__ import annotations

from thriftgate.ledger.rows import ENTRY_COLUMNS

# Whole micro-dollars and the rest in pico-dollars, summed apart and joined in Python.
SPLIT = 1_000_000
SUM = "sum({0} / 1000000), sum({0} % 1000000)"


def summed(high: int | None, low: int | None) -> int:
    """Join a split sum."""
    return (high or 0) * SPLIT + (low or 0)


_ENTRY = f"select {', '.join(ENTRY_COLUMNS)} from entries"

# One entry by id.
ENTRY = f"{_ENTRY} where id = ?"

# Entries of a span of time in order of id, a page at a time.
ENTRIES = f"{_ENTRY} where opened_us >= ? and opened_us < ? and id > ? order by id limit ?"

# Postings of one entry.
POSTINGS = "select account, pico from postings where entry = ? order by account"

# Open holds: sent, or about to be, and not yet settled.
OPEN_HOLDS = """
select id, opened_us, key, model, worst_pico, forecast_pico from holds
where not exists (select 1 from entries where entries.id = holds.id) order by id
"""

# Calls and estimated calls in a span of time.
CALLS = """
select count(*), coalesce(sum(usage_source = 'estimated'), 0) from entries where opened_us >= ? and opened_us < ?
"""

# Pico-USD on each account in a span of time.
ACCOUNTS = f"""
select account, {SUM.format("pico")} from postings join entries on entries.id = postings.entry
where opened_us >= ? and opened_us < ? group by account order by account
"""

# Calls, baseline and paid by a column of the entry; {0} is one of GROUPS.
GROUPED = f"""
select {{0}}, count(distinct id),
  {SUM.format("case when account = 'baseline' then pico else 0 end")},
  {SUM.format("case when account = 'upstream' then -pico else 0 end")}
from entries left join postings on entries.id = postings.entry
where opened_us >= ? and opened_us < ? group by {{0}}
"""
GROUPS = ("model", "key", "outcome")

# Entries whose postings do not sum to zero. Always empty.
UNBALANCED = """
select entry from postings group by entry
having sum(pico / 1000000) * 1000000 + sum(pico % 1000000) <> 0 order by entry
"""

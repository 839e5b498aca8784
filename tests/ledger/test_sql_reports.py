"""The reports of the ledger are what a scan of all entries says, to the pico-dollar."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.check_ledger import hold_of
from tests.ledger.conftest import empty
from tests.ledger.scans import START_US, some_entries
from tests.postgres_books import fresh_books
from thriftgate.core.usage import Tokens
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.entries import (
    BASELINE,
    SAVED,
    UPSTREAM,
    CacheReport,
    Entry,
    Group,
    MissSum,
    PricedAlike,
    PromptSum,
    Report,
)
from thriftgate.ledger.queries import PRICED_ALIKE, SUM, price_step, summed
from thriftgate.ledger.rollup_columns import HOUR_US
from thriftgate.ledger.sql import SqlLedger

MOMENTS = st.sampled_from([0, START_US, START_US + 24 * HOUR_US, 2**62]) | st.integers(START_US, START_US + 73 * HOUR_US)
STEPS = st.sampled_from([(), (100_000,), (100_000, 200_000), (4_001,), (272_000, 4_000)])


_SOME = {"entries": some_entries(), "moments": st.tuples(MOMENTS, MOMENTS), "steps": STEPS}


@settings(max_examples=20, deadline=None)
@given(**_SOME)
def test_reports_are_what_a_scan_says(entries: list[Entry], moments: tuple[int, int], steps: tuple[int, ...]) -> None:
    agree(":memory:", entries, moments, steps)


def test_they_are_in_postgresql() -> None:
    path = fresh_books()

    @settings(max_examples=8, deadline=None, database=None)
    @given(**_SOME)
    def see(entries: list[Entry], moments: tuple[int, int], steps: tuple[int, ...]) -> None:
        agree(path, entries, moments, steps)

    see()


def agree(path: str, entries: list[Entry], moments: tuple[int, int], steps: tuple[int, ...]) -> None:
    async def see() -> None:
        ledger = SqlLedger.open(path)
        await ledger.transact(empty)
        span = (min(moments), max(moments))
        await asyncio.gather(*(ledger.hold(hold_of(f"e{at}")) for at in range(0, 30, 3)))
        await asyncio.gather(*(ledger.settle(entry) for entry in entries))
        expected = await ledger.ask(lambda connection: scanned_report(connection, span))
        assert await ledger.report(since_us=span[0], until_us=span[1]) == expected
        cached = await ledger.ask(lambda connection: scanned_cache_report(connection, steps, span))
        found = await ledger.cache_report(steps, since_us=span[0], until_us=span[1])
        assert sorted(map(str, found.priced_alike)) == sorted(map(str, cached.priced_alike))
        for name in ("total", "misses", "by_model", "by_key"):
            assert getattr(found, name) == getattr(cached, name), name
        await ledger.close()

    asyncio.run(see())


OPEN = "select count(*) from holds where not exists (select 1 from entries where entries.id = holds.id)"

# Calls and estimated calls in a span of time.
CALLS = """
select count(*), coalesce(sum(case usage_source when 'estimated' then 1 else 0 end), 0)
from entries where opened_us >= ? and opened_us < ?
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

# Misses by cause: calls, tokens, pico-USD, and the part of it that could have been avoided.
_MISS = "json_extract(miss, '$.{0}')"
_MISS_PICO = f"cast({_MISS.format('pico')} as bigint)"
_AVOIDABLE = f"cast({_MISS.format('avoidable')} as text) in ('1', 'true')"
MISSES = f"""
select {_MISS.format("cause")} as cause, count(*), sum(cast({_MISS.format("tokens")} as bigint)), {SUM.format(_MISS_PICO)},
  {SUM.format(f"case when {_AVOIDABLE} then {_MISS_PICO} else 0 end")}
from entries where opened_us >= ? and opened_us < ? and miss <> '' group by cause
"""

# Prompt tokens by how they were billed, and what misses cost beside cold ones, by a column; {0} is one of PROMPT_GROUPS.
PROMPTS = f"""
select {{0}}, count(*), sum(read_tokens), sum(write_5m_tokens), sum(write_1h_tokens), sum(input_tokens),
  {SUM.format(f"case when miss <> '' and {_MISS.format('cause')} <> 'cold' then {_MISS_PICO} else 0 end")}
from entries where opened_us >= ? and opened_us < ? and usage_source <> 'none' group by {{0}}
"""
PROMPT_GROUPS = ("coalesce('', model)", "model", "key")


def scanned_report(connection: Connection, span: tuple[int, int]) -> Report:
    calls, estimated = connection.execute(CALLS, span).fetchone()
    accounts = {account: summed(high, low) for account, high, low in connection.execute(ACCOUNTS, span)}
    groups = {
        column: _largest_first(
            Group(name, n, summed(*sums[:2]), summed(*sums[2:]))
            for name, n, *sums in connection.execute(GROUPED.format(column), span)
        )
        for column in GROUPS
    }
    return Report(
        calls=calls,
        estimated=estimated,
        open_holds=connection.execute(
            "select count(*) from holds where not exists (select 1 from entries where entries.id = holds.id)"
        ).fetchone()[0],
        baseline_pico=accounts.get(BASELINE, 0),
        paid_pico=-accounts.get(UPSTREAM, 0),
        levers={account.removeprefix(SAVED): -pico for account, pico in accounts.items() if account.startswith(SAVED)},
        by_model=groups["model"],
        by_key=groups["key"],
        by_outcome=groups["outcome"],
    )


def scanned_cache_report(connection: Connection, price_steps: Sequence[int], span: tuple[int, int]) -> CacheReport:
    total, by_model, by_key = (
        sorted(
            (
                PromptSum(name, calls, read, write_5m, write_1h, plain, summed(high, low))
                for name, calls, read, write_5m, write_1h, plain, high, low in connection.execute(
                    PROMPTS.format(column), span
                )
            ),
            key=_most_prompt_first,
        )
        for column in PROMPT_GROUPS
    )
    misses = [
        MissSum(cause, calls, tokens, summed(*sums[:2]), summed(*sums[2:]))
        for cause, calls, tokens, *sums in connection.execute(MISSES, span)
    ]
    question = PRICED_ALIKE.format(price_step(price_steps))
    return CacheReport(
        total=total[0] if total else PromptSum("", 0, 0, 0, 0, 0, 0),
        misses=tuple(sorted(misses, key=_dearest_first)),
        by_model=tuple(by_model),
        by_key=tuple(by_key),
        priced_alike=tuple(
            PricedAlike(model, mode, geo, day, above, Tokens(*counts))
            for model, mode, geo, day, above, *counts in connection.execute(question, span)
        ),
    )


def _most_prompt_first(one: PromptSum) -> tuple[int, str]:
    return -one.prompt, one.name


def _dearest_first(miss: MissSum) -> tuple[int, str]:
    return -miss.pico, miss.cause


def _largest_first(groups: Iterable[Group]) -> tuple[Group, ...]:
    return tuple(sorted(groups, key=lambda group: (-group.baseline_pico, group.name)))

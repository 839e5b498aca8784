"""A month of calls written straight into books, as fast as the database writes: made up, but shaped like a company's."""

from __future__ import annotations

import random
from contextlib import closing
from itertools import accumulate

from thriftgate.ledger import postgres
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.partitions import make_partitions
from thriftgate.ledger.postgres import PostgresStore
from thriftgate.ledger.sqlite import connected, migrate
from thriftgate.ledger.urls import is_url

START_US = 1_790_812_800_000_000  # 2026-10-01T00:00:00Z
MONTH_US = 31 * 86_400_000_000
KEYS, TEAMS, ORGS = 200, 12, 3
MODELS = ("claude-opus-5-5", "claude-sonnet-5", "claude-haiku-5-5", "claude-opus-4-8", "claude-haiku-4-5-20251001")
TASKS = tuple(f"task-{at:02}" for at in range(40))
_AT_ONCE = 500_000
_CALLERS_MAX = 4096

# What a caller is: a key with its user, team and organisation, a model, a task, and tags on every fifth.
_CALLERS = """
create temp table callers (
  low integer primary key, key text, user_id text, team text, org text, model text, task text, provider text, upstream text,
  tags text
)
"""
# Fields that vary by call, from a number in 0..2^32 that looks random and is not: n times Knuth's constant.
_CALLS = f"""
create temp table calls as
select n, dice, 'tg_' || printf('%014x', opened_us) || printf('%012x', n) as id, opened_us,
  c.*, case when dice % 50 = 0 then 'failed' when dice % 50 = 1 then 'left' else 'answered' end as outcome,
  case when dice % 31 = 0 then 'batch' else 'standard' end as mode,
  200 + dice % 4000 as plain,
  (dice / 7) % 5 * (dice / 11 % 30000) as read, (dice / 13) % 4 / 3 * (dice / 17 % 9000) as write,
  20 + dice / 19 % 1500 as output, 300 + dice / 23 % 9000 as latency, 1000000000 + dice / 3 * 17 as base,
  dice % 3 as miss
from (
  select value as n, (value * 2654435761) % 4294967296 as dice, {{start_us}} + value * {MONTH_US} / {{calls}} as opened_us
  from numbers
) as counted
join callers c on c.low = (select max(low) from callers where low <= dice / 5 % {_CALLERS_MAX})
"""
_NUMBERS = "with recursive g (value) as (select cast(?1 as bigint) union all select value + 1 from g where value + 1 < ?2) "
_DECISIONS = (
    '[{"lever":"cache.breakpoints","decision":"applied","reason":"marked the longest prefix sent before (5m)",'
    '"forecast_pico":3800000000},{"lever":"count.guard","decision":"skipped","reason":"no cost limit is set"}]'
)


# What SQLite has of its own, for PostgreSQL.
_FUNCTIONS = (
    (
        "create function printf(text, bigint) returns text immutable language sql as $$"
        " select lpad(to_hex($2), cast(substr($1, 3, 2) as integer), '0') $$"
    ),
    (
        "create function zeroblob(integer) returns bytea immutable language sql as $$"
        " select decode(repeat('00', $1), 'hex') $$"
    ),
)


def write_month(place: str, calls: int, *, seed: int = 1, start_us: int = START_US) -> None:
    """So many calls, each with its hold and its postings; no roll-ups yet. Into a new file, or empty books on a server."""
    if is_url(place):
        _write_to_server(place, calls, seed, start_us)
        return
    connection = connected(place)
    for pragma in ("journal_mode = off", "synchronous = off", "cache_size = -400000", "temp_store = memory"):
        connection.execute(f"pragma {pragma}")
    migrate(connection)
    _write_all(connection, calls, seed, start_us)
    connection.execute("pragma journal_mode = wal")
    connection.close()


def _write_to_server(url: str, calls: int, seed: int, start_us: int) -> None:
    PostgresStore.open(url).close()
    with closing(postgres.connected(url)) as connection:
        for function in _FUNCTIONS:
            connection.script(function)
        connection.script("set synchronous_commit = off")
        connection.script("set max_parallel_workers_per_gather = 0")
        for at_us in (start_us, start_us + MONTH_US):
            connection.execute("begin")
            make_partitions(connection, at_us)
            connection.execute("commit")
        _write_all(connection, calls, seed, start_us)
        connection.script("drop function printf; drop function zeroblob")
        connection.execute("insert into meta (name, value) values ('rollups', 'to be made') on conflict do nothing")
        connection.script("vacuum (analyze) entries, postings, holds")


def _write_all(connection: Connection, calls: int, seed: int, start_us: int) -> None:
    connection.execute(_CALLERS)
    connection.executemany("insert into callers values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _callers(random.Random(seed)))
    made = _CALLS.format(start_us=start_us, calls=calls)
    for start in range(0, calls, _AT_ONCE):
        _write(connection, made, start, min(start + _AT_ONCE, calls))
    connection.execute("drop table callers")


def _callers(lot: random.Random) -> list[tuple[object, ...]]:
    """Each key makes one to six kinds of calls; a few make most of them."""
    kinds = []
    for key in range(KEYS):
        for _ in range(lot.randint(1, 6)):
            team = key % TEAMS
            tags = '["prod","web"]' if key % 5 == 0 else "[]"
            who = (f"key_{key:012x}", f"user-{key // 2}", f"team-{team}", f"org-{team % ORGS}")
            upstream = lot.choice(("main", "main", "second"))
            kinds.append((*who, lot.choice(MODELS), lot.choice(TASKS), "anthropic", upstream, tags))
    lot.shuffle(kinds)
    shares = [1 / (at + 3) for at in range(len(kinds))]
    ends = accumulate(shares)
    lows = [0, *(int(_CALLERS_MAX * end / sum(shares)) for end in ends)][:-1]
    return [(low, *kind) for low, kind in dict(zip(lows, kinds, strict=True)).items()]


def _write(connection: Connection, made: str, start: int, end: int) -> None:
    connection.execute("begin")
    connection.execute("create temp table numbers (value integer primary key)")
    connection.execute(_NUMBERS + "insert into numbers select value from g", (start, end))
    connection.execute(made)
    for statement in (_ENTRIES, _BASE, _PAID, _SAVED, _HOLDS):
        connection.execute(statement)
    connection.execute("drop table calls")
    connection.execute("drop table numbers")
    connection.execute("commit")


_ENTRIES = f"""
insert into entries (id, opened_us, settled_us, key, model, endpoint, outcome, resolution, usage_source, input_tokens,
  write_5m_tokens, write_1h_tokens, read_tokens, output_tokens, thinking_tokens, web_searches, iterations, served_model,
  provider, mode, geo, stream, status, price_book, forecast_pico, decisions, upstream_request_id, message_id, stop_reason,
  note, attempts, ttfb_ms, latency_ms, miss, sent_us, trail, task, user_id, team, org, tags, upstream)
select id, opened_us, opened_us + latency * 1000, key, model, 'anthropic.messages', outcome, 'post',
  case outcome when 'failed' then 'none' when 'left' then 'estimated' else 'exact' end, plain, write, 0, read, output, 0, 0,
  '[]', model, provider, mode, 'global', 1, 200, 'book-1', base / 2, '{_DECISIONS}',
  'req_' || n, 'msg_' || n, 'end_turn', '',
  1, latency / 4, latency, case miss when 0 then '{{"cause":"expired","tokens":' || write || ',"pico":' || (base / 9) ||
  ',"detail":"sent 400 s ago","avoidable":true}}' else '' end, opened_us, zeroblob(100), task, user_id, team, org, tags,
  upstream
from calls order by n
"""
_BASE = "insert into postings select id, 'baseline', base from calls order by n"
_PAID = "insert into postings select id, 'upstream', -(base / 3) from calls order by n"
_SAVED = "insert into postings select id, 'saved:cache.breakpoints', -(base - base / 3) from calls order by n"
_HOLDS = """
insert into holds (id, opened_us, key, model, worst_pico, forecast_pico, settled)
select id, opened_us, key, model, base, base / 2, 1 from calls order by n
"""

"""What `doctor` asks of the servers that a fleet shares: PostgreSQL and Redis or Valkey. Each answers with one `Check`.

Nothing is written. Drivers are extras; where one is missing the check says which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thriftgate.cli.checks import Check, fine
from thriftgate.clock import Clock
from thriftgate.ledger.postgres_words import OLDEST
from thriftgate.settings import Settings

if TYPE_CHECKING:
    import psycopg

CONNECT_S = 5
REDIS_MIN = (7, 0)  # Valkey began with 7.2
SKEW_S_MAX = 2.0  # windows of limits and leases follow the server's clock; entries carry the gateway's
BUSY_SHARE_MAX = 0.8
SLOW_MS = 5.0
ROUNDS = 5


def server_checks(settings: Settings, clock: Clock) -> list[Check]:
    """Those of the servers that the settings name."""
    checks = []
    if settings.ledger.path.startswith(("postgresql://", "postgres://")):
        checks.append(postgres(settings.ledger.path, clock))
    url = redis_url(settings)
    if url:
        checks.append(redis(url, clock))
    return checks


def redis_url(settings: Settings) -> str:
    """`redis.url`, or "" where nothing is shared."""
    url = getattr(getattr(settings, "redis", None), "url", "")
    return str(url.get_secret_value() if hasattr(url, "get_secret_value") else url)


# --- PostgreSQL --------------------------------------------------------------------------------------------------------

_ASKED = """
select current_setting('server_version_num')::int, current_setting('server_version'), pg_is_in_recovery(),
       current_setting('default_transaction_isolation'), current_setting('default_transaction_read_only')::bool,
       current_setting('fsync')::bool, current_setting('server_encoding'), current_setting('max_connections')::int,
       (select count(*) from pg_stat_activity where backend_type = 'client backend'),
       has_schema_privilege(current_schema(), 'CREATE')
"""


def postgres(url: str, clock: Clock) -> Check:
    """Reachable, new enough, the one that can be written, and its clock is ours."""
    name = "postgresql"
    try:
        import psycopg  # noqa: PLC0415  an extra
    except ImportError as error:
        return Check(name, ok=False, detail=f"psycopg: {error}", fix="pip install 'thriftgate[postgres]'")
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_S, client_encoding="utf8", autocommit=True) as connection:
            return _postgres(connection, clock)
    except psycopg.Error as error:
        said = " ".join(str(error).split())
        return Check(name, ok=False, detail=said, fix="check ledger.path, the network, and that the role may log in")


def _postgres(connection: psycopg.Connection[Any], clock: Clock) -> Check:
    name, info = "postgresql", connection.info
    row = connection.execute(_ASKED).fetchone()
    assert row is not None
    number, version, standby, isolation, read_only, fsync, encoding, most, used, may_create = row
    waits, skews = [], []
    for _ in range(ROUNDS):
        before_s = clock.now_s()
        (there_s,) = connection.execute("select extract(epoch from clock_timestamp())::float8").fetchone() or (0.0,)
        waits.append(clock.now_s() - before_s)
        skews.append(there_s - before_s - waits[-1] / 2)
    wait_ms, skew_s = sorted(waits)[ROUNDS // 2] * 1e3, sorted(skews)[ROUNDS // 2]
    detail = (
        f"{version} at {info.host}:{info.port}/{info.dbname}, isolation {isolation}, {used} of {most} connections, "
        f"{wait_ms:.1f} ms away, clock {skew_s:+.3f} s"
    )
    wrong = [
        (number < OLDEST, f"update it: {OLDEST // 10_000} is the oldest that will do"),
        (standby or read_only, "name the primary in ledger.path: this one cannot be written"),
        (encoding != "UTF8", f"make the database anew with encoding UTF8, not {encoding}"),
        (not may_create, "let the role create tables: grant create on the schema that comes first in its search_path"),
        (not fsync, "switch fsync on: a lost machine would lose the books"),
        (abs(skew_s) > SKEW_S_MAX, "set the clocks of both machines by NTP"),
    ]
    advice = [
        (used > most * BUSY_SHARE_MAX, "raise max_connections, or put a pooler in between"),
        (wait_ms > SLOW_MS, "bring it nearer: each call waits for it twice"),
    ]
    return _verdict(name, detail, wrong, advice)


# --- Redis or Valkey ---------------------------------------------------------------------------------------------------


def redis(url: str, clock: Clock) -> Check:
    """Reachable, new enough, forgets nothing by itself, runs scripts, and its clock is ours."""
    name = "redis"
    try:
        from redis import Redis, RedisError  # noqa: PLC0415  an extra
    except ImportError as error:
        return Check(name, ok=False, detail=f"redis: {error}", fix="pip install 'thriftgate[redis]'")
    try:
        with Redis.from_url(url, socket_timeout=CONNECT_S, socket_connect_timeout=CONNECT_S) as client:
            return _redis(client, clock)
    except (RedisError, ValueError) as error:
        return Check(name, ok=False, detail=str(error), fix="check redis.url and the network; rediss:// speaks TLS")


def _redis(client: Any, clock: Clock) -> Check:
    info = client.info()
    product = "valkey" if "valkey_version" in info else "redis"
    version = str(info.get(f"{product}_version", info["redis_version"]))
    policy, most = info.get("maxmemory_policy", "unknown"), int(info.get("maxmemory", 0))
    scripts = client.eval("return 1", 0) == 1
    waits, skews = [], []
    for _ in range(ROUNDS):
        before_s = clock.now_s()
        seconds, micros = client.time()
        waits.append(clock.now_s() - before_s)
        skews.append(seconds + micros / 1e6 - before_s - waits[-1] / 2)
    wait_ms, skew_s = sorted(waits)[ROUNDS // 2] * 1e3, sorted(skews)[ROUNDS // 2]
    used = int(info.get("used_memory", 0))
    memory = f"{used / 2**20:.0f} of {most / 2**20:.0f} MiB" if most else f"{used / 2**20:.0f} MiB, no bound"
    detail = f"{product} {version}, {policy}, {memory}, {wait_ms:.1f} ms away, clock {skew_s:+.3f} s"
    number = tuple(int(part) for part in version.split(".")[:2])
    wrong = [
        (number < REDIS_MIN, f"update it: {'.'.join(map(str, REDIS_MIN))} is the oldest that will do"),
        (info.get("role") == "slave", "name the primary in redis.url: this one cannot be written"),
        (not scripts, "let the user run scripts (EVAL, EVALSHA)"),
        (policy != "noeviction", "set maxmemory-policy noeviction: a limit that is forgotten is no limit"),
        (abs(skew_s) > SKEW_S_MAX, "set the clocks of both machines by NTP"),
    ]
    advice = [
        (bool(most) and used > most * BUSY_SHARE_MAX, "raise maxmemory: once it is full, writing fails"),
        (wait_ms > SLOW_MS, "bring it nearer: each call waits for it"),
    ]
    return _verdict("redis", detail, wrong, advice)


def _verdict(name: str, detail: str, wrong: list[tuple[bool, str]], advice: list[tuple[bool, str]]) -> Check:
    """Failed where anything is wrong; advice alone does not fail."""
    failed = [fix for holds, fix in wrong if holds]
    if failed:
        return Check(name, ok=False, detail=detail, fix="; ".join(failed))
    return fine(name, detail, "; ".join(fix for holds, fix in advice if holds))

"""What `doctor` asks of PostgreSQL and Redis, of real ones."""

from __future__ import annotations

import builtins
import importlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from tests.fixtures import settings_of
from tests.servers import PostgresServer, RedisServer, postgres_server, redis_server
from thriftgate.cli import checks_servers
from thriftgate.cli.checks import Check
from thriftgate.cli.checks_servers import redis_url, server_checks
from thriftgate.clock import SystemClock
from thriftgate.settings import Settings

NOBODY = "127.0.0.1:9"


class Skewed(SystemClock):
    """Ahead of the servers."""

    def now_s(self) -> float:
        return super().now_s() + 60.0


@pytest.fixture(scope="module")
def books() -> Iterator[PostgresServer]:
    with postgres_server(settings=("fsync=on",)) as server:
        yield server


@pytest.fixture(scope="module")
def shared() -> Iterator[RedisServer]:
    with redis_server("--maxmemory-policy", "noeviction", "--maxmemory", "64mb") as server:
        yield server


def postgres(url: str, clock: SystemClock | None = None) -> Check:
    return checks_servers.postgres(url, clock or SystemClock())


def redis(url: str, clock: SystemClock | None = None) -> Check:
    return checks_servers.redis(url, clock or SystemClock())


# --- PostgreSQL --------------------------------------------------------------------------------------------------------


def test_a_sound_postgresql(books: PostgresServer) -> None:
    check = postgres(books.url)
    assert check.ok, check.detail
    assert f"at 127.0.0.1:{books.port}/postgres, isolation read committed" in check.detail
    assert "clock +0.0" in check.detail or "clock -0.0" in check.detail


def test_a_postgresql_that_cannot_be_written(books: PostgresServer) -> None:
    check = postgres(f"{books.url}?options=-c%20default_transaction_read_only%3Don")
    assert not check.ok
    assert "name the primary" in check.fix


def test_a_postgresql_with_another_clock(books: PostgresServer) -> None:
    check = postgres(books.url, Skewed())
    assert not check.ok
    assert "-60" in check.detail
    assert "NTP" in check.fix


def test_what_makes_a_postgresql_unfit(books: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    import psycopg

    with psycopg.connect(books.url, autocommit=True) as connection:
        connection.execute("create database plain encoding 'SQL_ASCII' template template0")
        connection.execute("create role guest login")
        connection.execute("revoke create on schema public from public")
        connection.execute("create database quick")
    assert "encoding UTF8, not SQL_ASCII" in postgres(books.url.replace("/postgres", "/plain")).fix
    assert "let the role create tables" in postgres(books.url.replace("thriftgate@", "guest@")).fix
    monkeypatch.setattr(checks_servers, "OLDEST", 990_000)
    assert "update it: 99" in postgres(books.url).fix


def test_a_postgresql_without_fsync_and_with_few_connections() -> None:
    with postgres_server(settings=("max_connections=4", "superuser_reserved_connections=0")) as server:
        import psycopg

        with psycopg.connect(server.url), psycopg.connect(server.url), psycopg.connect(server.url):
            check = postgres(server.url)
    assert "a lost machine would lose the books" in check.fix
    assert "4 of 4 connections" in check.detail


def test_connections_that_are_nearly_used_up_are_advice(books: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks_servers, "BUSY_SHARE_MAX", 0.0)
    monkeypatch.setattr(checks_servers, "SLOW_MS", 0.0)
    check = postgres(books.url)
    assert check.ok
    assert "max_connections" in check.fix
    assert "nearer" in check.fix


def test_no_postgresql_there_and_the_password_is_not_told() -> None:
    check = postgres(f"postgresql://thriftgate:never-tell-this@{NOBODY}/d")
    assert not check.ok
    assert "127.0.0.1" in check.detail
    assert "never-tell-this" not in check.detail
    assert "\n" not in check.detail


# --- Redis -------------------------------------------------------------------------------------------------------------


def test_a_sound_redis(shared: RedisServer) -> None:
    check = redis(shared.url)
    assert check.ok, check.fix
    assert check.detail.startswith("redis ")
    assert "noeviction" in check.detail
    assert "of 64 MiB" in check.detail


def test_a_redis_that_forgets() -> None:
    with redis_server("--maxmemory-policy", "allkeys-lru", "--maxmemory", "64mb") as server:
        check = redis(server.url)
    assert not check.ok
    assert "noeviction" in check.fix


def test_a_redis_with_another_clock(shared: RedisServer) -> None:
    check = redis(shared.url, Skewed())
    assert not check.ok
    assert "NTP" in check.fix


def test_what_makes_a_redis_unfit(shared: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks_servers, "REDIS_MIN", (99, 0))
    assert "update it: 99.0" in redis(shared.url).fix
    with redis_server("--replicaof", "127.0.0.1", "9", "--replica-read-only", "no") as server:
        assert "name the primary" in redis(server.url).fix
    with redis_server("--user", *["default", "on", "nopass", "~*", "+@all", "-@scripting"]) as server:
        check = redis(server.url)
    assert not check.ok
    assert "permissions" in check.detail


def test_advice_for_a_redis(shared: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks_servers, "BUSY_SHARE_MAX", 0.0)
    monkeypatch.setattr(checks_servers, "SLOW_MS", 0.0)
    check = redis(shared.url)
    assert check.ok
    assert "maxmemory" in check.fix
    assert "nearer" in check.fix


def test_no_redis_there_and_the_password_is_not_told(shared: RedisServer) -> None:
    check = redis(f"redis://:never-tell-this@{NOBODY}/0")
    assert not check.ok
    assert "never-tell-this" not in check.detail + check.fix
    assert not redis("http://not-redis").ok


# --- which are asked ---------------------------------------------------------------------------------------------------


def with_redis(url: str | SecretStr, **tables: Any) -> Settings:
    """Settings that name one, with or without the table for it."""
    settings = settings_of(**tables)
    object.__setattr__(settings, "redis", SimpleNamespace(url=url))
    return settings


def test_only_what_the_settings_name_is_asked(books: PostgresServer, shared: RedisServer) -> None:
    assert server_checks(settings_of(), SystemClock()) == []
    found = server_checks(with_redis(SecretStr(shared.url), ledger={"path": books.url}), SystemClock())
    assert [(check.name, check.ok) for check in found] == [("postgresql", True), ("redis", True)]


def test_the_url_of_redis() -> None:
    assert redis_url(with_redis("redis://h/0")) == redis_url(with_redis(SecretStr("redis://h/0"))) == "redis://h/0"


@pytest.mark.parametrize(("module", "check"), [("psycopg", postgres), ("redis", redis)])
def test_a_missing_driver_is_named_with_its_extra(module: str, check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name == module:
            raise ImportError(f"No module named {module!r}")
        return real(name, *arguments, **options)

    importlib.import_module(module)
    monkeypatch.setattr(builtins, "__import__", without)
    found = check("postgresql://h/d")
    assert not found.ok
    assert f"thriftgate[{'postgres' if module == 'psycopg' else 'redis'}]" in found.fix

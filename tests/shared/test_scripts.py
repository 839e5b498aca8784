"""The scripts: named as the server names them, with commands that Redis and Valkey both know."""

from __future__ import annotations

import re

from redis import Redis

from tests.servers import RedisServer
from thriftgate.shared.scripts import script

# valkey.io/commands and redis.io/commands, 2026-11: in all of Redis from 6.2 and Valkey from 7.2.
BOTH_KNOW = {
    *("GET", "SET", "DEL", "TIME", "PEXPIRE", "ZADD", "ZREM", "ZCARD", "ZREMRANGEBYSCORE", "XADD", "XRANGE"),
}


def test_it_is_called_by_the_name_that_the_server_gives_it(redis: RedisServer) -> None:
    with Redis.from_url(redis.url) as client:
        assert client.script_load(script("calls").text) == script("calls").sha.decode()


def test_only_commands_that_both_servers_know() -> None:
    found = set(re.findall(r"redis\.call\('(\w+)'", script("calls").text.decode()))
    assert found == BOTH_KNOW

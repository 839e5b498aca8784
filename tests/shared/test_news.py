"""What replicas tell each other: all of it, once, to all but the teller, and not for ever."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from redis import Redis

from tests.fixtures import until
from tests.servers import RedisServer
from tests.shared.lanes import fresh_prefix, lane_to
from thriftgate.shared import news as module
from thriftgate.shared.news import News


class Replica:
    def __init__(self) -> None:
        self.outbox: list[bytes] = []
        self.heard: list[bytes] = []
        self.news: News | None = None

    def gathered(self) -> bytes:
        return self.outbox.pop(0) if self.outbox else b""


@contextlib.asynccontextmanager
async def replica(server: RedisServer, prefix: str, name: str) -> AsyncIterator[Replica]:
    async with lane_to(server, prefix=prefix, replica=name) as lane:
        found = Replica()
        found.news = News(lane, name, found.gathered, found.heard.append)
        found.news.start()
        yield found
        found.news.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY_S", 0.01)


async def test_each_hears_what_the_others_told(redis: RedisServer) -> None:
    prefix = fresh_prefix()
    async with replica(redis, prefix, "a") as a, replica(redis, prefix, "b") as b:
        a.outbox += [b"\x00 one", b"two \xff"]
        b.outbox += [b"three"]

        async def all_heard() -> bool:
            return b.heard == [b"\x00 one", b"two \xff"] and a.heard == [b"three"]

        await until(all_heard)
        async with replica(redis, prefix, "late") as late:  # and is told what was told in the last minute

            async def knows() -> bool:
                return len(late.heard) == 3

            await until(knows)
            assert late.news is not None
            assert late.news.view() == (3, 0, 3)
        assert a.heard == [b"three"]


async def test_what_is_new_at_the_end_is_told(redis: RedisServer) -> None:
    prefix = fresh_prefix()
    async with replica(redis, prefix, "a") as a:
        async with replica(redis, prefix, "b") as b:
            b.outbox.append(b"last words")

        async def heard() -> bool:
            return a.heard == [b"last words"]

        await until(heard)


async def test_a_silent_replica_is_there_no_more(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "THERE_S", 0.2)
    prefix = fresh_prefix()
    async with replica(redis, prefix, "a") as a:
        assert a.news is not None
        seen: set[int] = set()

        async def there(count: int) -> bool:
            assert a.news is not None
            seen.add(a.news.view().replicas)
            return count in seen

        async with replica(redis, prefix, "b"):
            await until(lambda: there(2))
        seen.clear()
        await until(lambda: there(1))


async def test_memory_is_bounded(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """News goes after its time, the stream's name with it; more than is read at once is read in turns."""
    monkeypatch.setattr(module, "KEPT_S", 0.3)
    monkeypatch.setattr(module, "READ_BYTES_MAX", 1_000)
    prefix = fresh_prefix()
    with Redis.from_url(redis.url) as client:
        async with replica(redis, prefix, "a") as a:
            a.outbox += [bytes(600)] * 5
            while a.outbox:
                await asyncio.sleep(0.01)
            async with replica(redis, prefix, "b") as b:

                async def heard() -> bool:
                    return len(b.heard) == 5

                await until(heard)
                assert client.keys(f"{{{prefix}*:news")

        async def gone() -> bool:
            return not client.keys(f"{{{prefix}*:news")

        await until(gone)

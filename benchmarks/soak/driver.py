"""Clients of a gateway: calls at an even pace whatever comes back, batches, and people who look at it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import aiohttp
import msgspec

from benchmarks.soak.traffic import Asked, Traffic, expected

PAGES = ("", "/live", "/cache", "/quality", "/keys", "/budgets", "/alerts", "/batches", "/settings")
POLL_S, LOOK_S, BATCH_EVERY_S, BATCH_ROWS = 0.5, 2.0, 10.0, 12
UNDER_WAY_MAX = 400
AT_ONCE, CONNECTIONS = 24, 48
PATIENCE_S = 60.0
_VERSION = {"anthropic-version": "2023-06-01", "content-type": "application/json"}


class Timed(NamedTuple):
    """One answered call of a kind whose time is told: when it was sent (seconds since the load began), and how long it took
    until its first byte."""

    kind: str
    at_s: float
    ms: float


class Seen:
    """What the clients saw. `wrong` counts what should not have come, `examples` shows some of it."""

    def __init__(self) -> None:
        self.answered = 0
        self.statuses: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.examples: list[str] = []
        self.times: list[Timed] = []
        self.late = 0

    def odd(self, what: str, example: object) -> None:
        self.wrong[what] += 1
        if len(self.examples) < 20:
            self.examples.append(f"{what}: {example!r}"[:400])


class Clients:
    """Everybody who talks to the gateway at `url`. `keys` are virtual keys, `root` one that may look at everything."""

    def __init__(self, url: str, keys: Sequence[str], root: str, traffic: Traffic) -> None:
        self._url, self._keys, self._root = url, keys, root
        self._traffic = traffic
        self._session: aiohttp.ClientSession
        self._over = False
        self._began_s = 0.0
        self._under_way: set[asyncio.Task[None]] = set()
        self.seen = Seen()

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Clients]:
        """While this lasts they can talk."""
        timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=60)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as self._session:
            yield self

    async def fill(self, calls: int) -> None:
        """So many turns as fast as they are answered."""
        left = iter(range(calls))

        async def some() -> None:
            for _ in left:
                await self._ask(self._traffic.turn())

        await asyncio.gather(*(some() for _ in range(AT_ONCE)))

    async def load(self, seconds: float, rate: float) -> None:
        """Calls for so long at so many a second, then wait for those under way. Pages, metrics and batches beside them."""
        self._began_s = time.perf_counter()
        others = [asyncio.ensure_future(work()) for work in (self._looks, self._scrapes, self._batches)]
        number = 0
        while (passed := time.perf_counter() - self._began_s) < seconds:
            due = int(passed * rate)
            for _ in range(min(due - number, UNDER_WAY_MAX - len(self._under_way))):
                task = asyncio.ensure_future(self._ask(self._traffic.next()))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
            self.seen.late += due - number if len(self._under_way) >= UNDER_WAY_MAX else 0
            number = due
            await asyncio.sleep(1 / rate)
        self._over = True
        await asyncio.gather(*others, *self._under_way)

    async def state(self) -> dict[str, Any]:
        """What the gateway tells of its process."""
        return await self.document("/_soak/state")

    async def document(self, path: str) -> dict[str, Any]:
        """A JSON document of the gateway's."""
        found: dict[str, Any] = msgspec.json.decode(await self.raw(self._url + path))
        return found

    async def raw(self, url: str) -> bytes:
        """Whatever stands there."""
        async with self._session.get(url, headers={"x-api-key": self._root}) as response:
            return await response.read()

    async def change(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """A request to the administrators' API. Raises RuntimeError where it is refused."""
        headers = {"x-api-key": self._root, "content-type": "application/json"}
        url = f"{self._url}/thriftgate/admin/v1{path}"
        async with self._session.post(url, data=msgspec.json.encode(body), headers=headers) as response:
            raw = await response.read()
            if response.status >= 300:
                raise RuntimeError(f"{path}: {response.status} {raw[:300]!r}")
            found: dict[str, Any] = msgspec.json.decode(raw)
            return found

    def hold(self, keys: Sequence[str]) -> None:
        """Use these keys from now on."""
        self._keys = keys

    async def _ask(self, asked: Asked) -> None:
        seen, sent = self.seen, time.perf_counter()
        headers = {"x-api-key": self._keys[asked.key], **_VERSION, **dict(asked.headers)}
        try:
            async with self._session.request(
                asked.method, self._url + asked.path, data=asked.body or None, headers=headers
            ) as response:
                if asked.leaves:
                    await response.content.readany()
                    response.close()
                else:
                    body = await response.read()
                took = time.perf_counter() - sent
        except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError):
            seen.statuses[f"{asked.kind} broken off"] += 1  # a stream that was cut upstream is cut here
            seen.answered += 1
            if asked.kind not in ("stream", "leaves"):
                seen.odd(f"{asked.kind} broken off", "")
            return
        except (aiohttp.ClientError, TimeoutError) as error:
            seen.odd(f"{asked.kind}: {type(error).__name__}", str(error))
            return
        seen.answered += 1
        seen.statuses[f"{asked.kind} {response.status}"] += 1
        if response.status not in expected(asked.kind):
            seen.odd(f"{asked.kind} {response.status}", b"" if asked.leaves else body[:250])
        elif asked.kind in ("plain", "stream") and response.status == 200 and self._began_s:
            seen.times.append(Timed(asked.kind, sent - self._began_s, took * 1000))

    async def _looks(self) -> None:
        number = 0
        while not self._over:
            page = PAGES[number % len(PAGES)]
            number += 1
            await self._get(f"/thriftgate/dashboard{page}", "page")
            await asyncio.sleep(LOOK_S)

    async def _scrapes(self) -> None:
        while not self._over:
            await self._get("/thriftgate/metrics", "metrics")
            await self._get("/readyz", "ready")
            await asyncio.sleep(LOOK_S)

    async def _get(self, path: str, kind: str) -> None:
        try:
            async with self._session.get(self._url + path, headers={"x-api-key": self._root}) as response:
                raw = await response.read()
                self.seen.statuses[f"{kind} {response.status}"] += 1
                if response.status != 200:
                    self.seen.odd(f"{kind} {response.status}", raw[:200])
        except (aiohttp.ClientError, TimeoutError) as error:
            self.seen.odd(f"{kind}: {type(error).__name__}", path)

    async def _batches(self) -> None:
        while not self._over:
            with suppress(aiohttp.ClientError, TimeoutError):
                await self._batch()
            again_s = time.perf_counter() + BATCH_EVERY_S
            while time.perf_counter() < again_s and not self._over:
                await asyncio.sleep(POLL_S)

    async def _batch(self) -> None:
        """Create one, wait for its end, read its results."""
        asked = self._traffic.batch(BATCH_ROWS)
        headers = {"x-api-key": self._keys[asked.key], **_VERSION}
        async with self._session.post(self._url + asked.path, data=asked.body, headers=headers) as response:
            raw = await response.read()
            self.seen.statuses[f"batch {response.status}"] += 1
            if response.status != 200:
                self.seen.odd(f"batch {response.status}", raw[:250])
                return
        name = msgspec.json.decode(raw)["id"]
        until_s = time.perf_counter() + PATIENCE_S
        while time.perf_counter() < until_s:
            async with self._session.get(f"{self._url}{asked.path}/{name}", headers=headers) as response:
                if msgspec.json.decode(await response.read()).get("processing_status") == "ended":
                    break
            await asyncio.sleep(POLL_S)
        async with self._session.get(f"{self._url}{asked.path}/{name}/results", headers=headers) as response:
            lines = (await response.read()).splitlines()
        self.seen.statuses["batch results"] += len(lines)

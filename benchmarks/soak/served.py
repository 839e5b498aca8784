"""A gateway like that of `thriftgate serve`, with the dashboard beside it, on a hastened clock. Prints its URL when ready.

`GET /_soak/state` tells what only the process itself can know: its tasks, its threads, what its collector has done.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import threading
import time
from collections import Counter
from pathlib import Path

from benchmarks.soak.hastened import Hastened
from thriftgate.cli.serving import bind, serve_app
from thriftgate.dashboard.app import Dashboard
from thriftgate.dashboard.beside import Within, together
from thriftgate.dashboard.gates import AtTheGateway
from thriftgate.engine.build import build_engine
from thriftgate.gateway.app import Gateway
from thriftgate.gateway.asgi import Receive, Scope, Send, send_json
from thriftgate.settings import load

STATE = "/_soak/state"
OBJECTS = "/_soak/objects"


class Pauses:
    """What the collector has done: runs and milliseconds of CPU, by generation."""

    def __init__(self) -> None:
        self._began_s = 0.0
        self.runs: Counter[str] = Counter()
        self.sum_ms: dict[str, float] = {}
        self.longest_ms: dict[str, float] = {}
        gc.callbacks.append(self._told)

    def _told(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began_s = time.thread_time()
            return
        took_ms = (time.thread_time() - self._began_s) * 1000
        name = str(info["generation"])
        self.runs[name] += 1
        self.sum_ms[name] = self.sum_ms.get(name, 0.0) + took_ms
        self.longest_ms[name] = max(self.longest_ms.get(name, 0.0), took_ms)


class Served:
    """The application. Its gateway is made when the server starts, inside its loop."""

    def __init__(self, config: Path, clock: Hastened) -> None:
        self.settings = load(config)
        self._clock = clock
        self._gateway: Gateway | None = None
        self._pauses = Pauses()
        within = Within(self.settings, lambda: self._made().rooms)
        self._app = together(self._serve, Dashboard(within.sources, AtTheGateway(lambda: self._made().rooms)), within)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == STATE:
            await send_json(send, 200, self._state())
        elif scope["type"] == "http" and scope["path"] == OBJECTS:
            gc.collect()
            kinds = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())
            await send_json(send, 200, dict(kinds.most_common(60)))
        else:
            await self._app(scope, receive, send)

    def stopping(self) -> None:
        self._made().stopping()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            engine = await build_engine(self.settings, clock=self._clock)
            self._gateway = Gateway(self.settings, engine)
        await self._made()(scope, receive, send)

    def _made(self) -> Gateway:
        assert self._gateway is not None
        return self._gateway

    def _state(self) -> dict[str, object]:
        pauses = self._pauses
        return {
            "tasks": len(asyncio.all_tasks()),
            "threads": threading.active_count(),
            "collector": {"runs": pauses.runs, "sum_ms": pauses.sum_ms, "longest_ms": pauses.longest_ms},
        }


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="benchmarks.soak.served", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--began", type=float, required=True)
    parser.add_argument("--speed", type=float, required=True)
    arguments = parser.parse_args()
    served = Served(arguments.config, Hastened(arguments.began, arguments.speed))
    bound = bind("127.0.0.1", 0)
    return serve_app(
        served,
        bound,
        shutdown_s=served.settings.server.shutdown_s,
        ready=lambda url: print(url, flush=True),
        stopping=served.stopping,
    )


if __name__ == "__main__":
    raise SystemExit(main())

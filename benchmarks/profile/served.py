"""`thriftgate serve` with clocks around its stages, or without. Prints its port when ready.

`GET /_profile/reset` begins anew, `GET /_profile/read` tells what was spent since.
"""

from __future__ import annotations

import argparse
import threading
import time
from pathlib import Path

from msgspec.structs import asdict

from benchmarks.profile.clocks import Clocks, put_on
from benchmarks.profile.stages import STAGES
from thriftgate.cli.serving import bind, serve_app
from thriftgate.dashboard.app import Dashboard
from thriftgate.dashboard.beside import Within, together
from thriftgate.dashboard.gates import AtTheGateway
from thriftgate.gateway.app import Gateway
from thriftgate.gateway.asgi import Receive, Scope, Send, send_json
from thriftgate.settings import load

RESET, READ = "/_profile/reset", "/_profile/read"
WRITER = "ledger-writer"


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="benchmarks.profile.served", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--clocks", action="store_true")
    arguments = parser.parse_args()
    clocks = Clocks() if arguments.clocks else None
    for stage, places in STAGES if clocks is not None else ():
        for place in places:
            assert clocks is not None
            put_on(clocks, stage, place)
    settings = load(arguments.config)
    gateway = Gateway(settings)
    within = Within(settings, lambda: gateway.rooms)
    app = together(gateway, Dashboard(within.sources, AtTheGateway(lambda: gateway.rooms)), within)

    async def profiled(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == RESET and clocks is not None:
            clocks.reset()
        if scope["type"] == "http" and scope["path"] in (RESET, READ):
            await send_json(send, 200, _read(clocks))
        else:
            await app(scope, receive, send)

    bound = bind("127.0.0.1", 0)
    port = bound.getsockname()[1]
    return serve_app(profiled, bound, shutdown_s=5, ready=lambda _: print(port, flush=True), stopping=gateway.stopping)


def _read(clocks: Clocks | None) -> dict[str, object]:
    """CPU of the process and of its two busy threads, nanoseconds, and the stages by thread."""
    stages = clocks.spent() if clocks is not None else {}
    writer = [thread.ident for thread in threading.enumerate() if thread.name == WRITER]
    spent = [time.clock_gettime_ns(time.pthread_getcpuclockid(ident)) for ident in writer if ident is not None]
    return {
        "process_ns": time.process_time_ns(),
        "loop_ns": time.thread_time_ns(),
        "writer_ns": sum(spent),
        "loop": threading.current_thread().name,
        "stages": {
            thread: {name: asdict(one) for name, one in list(found.items())} for thread, found in list(stages.items())
        },
    }


if __name__ == "__main__":
    raise SystemExit(main())

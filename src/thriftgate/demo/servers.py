"""Simulator and gateway on free loopback ports, both in one thread beside the caller's.

In this process rather than in two others: nothing can be left running, and both follow one clock that the demo can move.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import uvicorn
from msgspec import Struct
from pydantic import SecretStr

from thriftgate.core.errors import ThriftgateError
from thriftgate.demo.clock import DemoClock
from thriftgate.engine.build import build_engine
from thriftgate.engine.engine import Engine
from thriftgate.gateway.app import Gateway
from thriftgate.logs import trouble_only
from thriftgate.settings import LedgerSettings, Settings, Upstream
from thriftgate.simulator import Simulator, SimulatorConfig

SEED = 1
OWN_KEY = "sk-ant-sim-gateway-demo"
START_S, STOP_S = 30.0, 10.0


class Running(Struct, frozen=True):
    """Both servers, up. `url` is the gateway's, `simulator_url` the fake provider's."""

    url: str
    simulator_url: str
    engine: Engine


@contextmanager
def servers(ledger_path: str, clock: DemoClock) -> Iterator[Running]:
    """Serve while the block runs; afterwards both have stopped and the ledger is closed. Raises what kept them from it."""
    started: Future[Running] = Future()
    stop: Future[None] = Future()
    thread = threading.Thread(target=_thread, args=(ledger_path, clock, started, stop), name="demo-servers", daemon=True)
    thread.start()
    try:
        yield started.result(START_S)
    finally:
        stop.set_result(None)
        thread.join(STOP_S)


def _thread(ledger_path: str, clock: DemoClock, started: Future[Running], stop: Future[None]) -> None:
    try:
        with trouble_only():
            asyncio.run(_serve(ledger_path, clock, started, stop))
    except BaseException as error:
        if started.done():
            raise
        started.set_exception(error)


async def _serve(ledger_path: str, clock: DemoClock, started: Future[Running], stop: Future[None]) -> None:
    simulator = Simulator(SimulatorConfig(seed=SEED, clock=clock.now_s))
    with _bound() as far, _bound() as near:
        settings = Settings(
            upstream=Upstream(url=_url(far), retry="never", api_key=SecretStr(OWN_KEY)),
            ledger=LedgerSettings(path=ledger_path),
        )
        engine = await build_engine(settings, clock=clock)
        provider, gateway = _server(simulator), _server(Gateway(settings, engine))
        async with asyncio.TaskGroup() as group:
            providing = group.create_task(provider.serve(sockets=[far]))
            serving = group.create_task(gateway.serve(sockets=[near]))
            while not (provider.started and gateway.started):
                if providing.done() or serving.done():
                    raise ThriftgateError("the demo's servers could not start")
                await asyncio.sleep(0.005)
            started.set_result(Running(_url(near), _url(far), engine))
            await asyncio.wrap_future(stop)
            gateway.should_exit = True
            await serving  # it settles what is under way and closes the ledger; the provider must outlive it
            provider.should_exit = True


def _bound() -> socket.socket:
    """A free port. The protocol is named because asyncio switches delayed sending off only where it is: 40 ms a call."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.bind(("127.0.0.1", 0))
    return bound


def _server(app: Any) -> uvicorn.Server:
    return uvicorn.Server(uvicorn.Config(app, http="httptools", ws="none", lifespan="on", log_config=None, access_log=False))


def _url(bound: socket.socket) -> str:
    return "http://{}:{}".format(*bound.getsockname())

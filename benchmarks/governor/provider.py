"""The simulator on a socket, with limits, and a clock that runs faster: `python -m benchmarks.governor.provider JSON`."""

from __future__ import annotations

import asyncio
import sys
import time

import msgspec
from msgspec import Struct

from thriftgate.cli.serving import bind, serve_app
from thriftgate.simulator import Latency, LimitRules, SimClock, Simulator, SimulatorConfig
from thriftgate.simulator.clock import DEFAULT_FROZEN_START


class Shape(Struct, frozen=True):
    """The limits of each organisation a minute, and how many simulated seconds pass in one."""

    speed: float
    rpm: int | None = None
    itpm: int | None = None
    otpm: int | None = None
    seed: int = 1


def simulator(shape: Shape) -> Simulator:
    """Answers begin after 0.3 s and take 3 ms a token, in simulated time."""
    began = time.time()

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds / shape.speed)

    return Simulator(
        SimulatorConfig(
            seed=shape.seed,
            clock=SimClock(lambda: DEFAULT_FROZEN_START + (time.time() - began) * shape.speed),
            sleep=sleep,
            tokenizer="estimate",
            limits=LimitRules(rpm=shape.rpm, itpm=shape.itpm, otpm=shape.otpm),
            latency=Latency(first_byte_s=0.3, per_output_token_s=0.003),
            instance_id="bench",
        )
    )


def main(asked: str) -> int:
    """Serve on loopback until stopped; the URL is told on stdout."""
    app = simulator(msgspec.json.decode(asked, type=Shape))
    return serve_app(app, bind("127.0.0.1", 0), shutdown_s=1, ready=lambda url: print(url, flush=True))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""The simulator on a hastened clock, with faults. Prints its URL when ready."""

from __future__ import annotations

import argparse

from benchmarks.soak.hastened import Hastened
from thriftgate.cli.serving import bind, serve_app
from thriftgate.simulator import Faults, Latency, SimClock, Simulator, SimulatorConfig

FAULTS = {
    "rate_limit": 0.004,
    "rate_limit_bare": 0.002,
    "internal_error": 0.004,
    "overloaded": 0.004,
    "reset_before_headers": 0.002,
    "garbage_body": 0.002,
    "empty_body": 0.001,
    "reset_mid_stream": 0.003,
    "cut_stream": 0.003,
    "garbage_sse": 0.002,
    "error_event": 0.003,
    "slow_drip": 0.005,
}
"""So often (0…1) each kind of thing goes wrong upstream."""


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="benchmarks.soak.provider", description=__doc__)
    parser.add_argument("--began", type=float, required=True)
    parser.add_argument("--speed", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    clock = SimClock(Hastened(arguments.began, arguments.speed).now_s)
    faults = Faults(seed=arguments.seed, drip_s=0.005, retry_after_s=1, **FAULTS)
    config = SimulatorConfig(
        seed=arguments.seed, clock=clock, tokenizer="estimate", faults=faults, latency=Latency(first_byte_s=0.002)
    )
    bound = bind("127.0.0.1", 0)
    return serve_app(Simulator(config), bound, shutdown_s=5, ready=lambda url: print(url, flush=True))


if __name__ == "__main__":
    raise SystemExit(main())

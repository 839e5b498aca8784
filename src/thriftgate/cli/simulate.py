"""`thriftgate simulate`: the simulator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from thriftgate.cli.output import note
from thriftgate.core.errors import ConfigError


def simulate(
    *,
    host: Annotated[str, Parameter(help="Address to listen on; whoever reaches it can call.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="Port to listen on; 0 picks a free one.")] = 8485,
    seed: Annotated[int, Parameter(help="Decides answers, faults and delays.")] = 0,
    clock: Annotated[
        str | None, Parameter(help="Frozen start time (RFC 3339); without it the machine's clock runs.")
    ] = None,
    faults: Annotated[Path | None, Parameter(help="Fault table, TOML or JSON.")] = None,
) -> int:
    """Run a fake Claude API. Its answers are a simulation and say so; its bill is at /_sim/bill."""
    from thriftgate.cli.serving import bind, serve_app  # noqa: PLC0415  --help shall be quick
    from thriftgate.simulator import Faults, SimClock, Simulator, SimulatorConfig  # noqa: PLC0415  --help shall be quick
    from thriftgate.simulator.clock import parse_moment  # noqa: PLC0415  --help shall be quick

    try:
        chosen = Faults.load(faults) if faults is not None else Faults()
        moment = SimClock.frozen(parse_moment(clock)) if clock is not None else SimClock.real()
    except (ValueError, OSError) as error:
        raise ConfigError(str(error)) from None
    bound = bind(host, port)
    simulator = Simulator(SimulatorConfig(seed=seed, clock=moment, faults=chosen))
    return serve_app(
        simulator, bound, shutdown_s=5, ready=lambda url: note(f"simulated Claude API on {url} (not the real one)")
    )

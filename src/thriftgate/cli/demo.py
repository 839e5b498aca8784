"""`thriftgate demo`: watch real client calls get cheaper, without a key or a network."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from thriftgate.cli.options import Json
from thriftgate.cli.output import dollars, dollars_exact, note, percent, print_json, print_table, say
from thriftgate.core.money import usd_from_pico

if TYPE_CHECKING:
    from thriftgate.demo.outcome import Outcome
    from thriftgate.demo.run import Demo

COMPLAINTS_SHOWN = 10


def demo(
    *,
    ledger: Annotated[
        str | None, Parameter(name="--ledger", help="New file for the books; a temporary one without it.")
    ] = None,
    json: Json = False,
) -> int:
    """Watch real client calls get cheaper, without a key or a network.

    Starts the gateway in front of a simulated provider, drives five workloads through it with the real anthropic SDK, and
    proves the books against the simulator's own bill. Exits 1 where they differ. Pauses between calls are simulated.
    """
    from thriftgate.demo.run import need_sdk  # noqa: PLC0415  --help shall be quick

    need_sdk()
    path = ledger or str(Path(tempfile.mkdtemp(prefix="thriftgate-demo-")) / "demo.db")
    done = _run(path)
    if json:
        print_json(demo_document(done))
    else:
        _print(done)
    for complaint in done.proof.complaints[:COMPLAINTS_SHOWN]:
        note(f"thriftgate: {complaint}")
    return 1 if done.proof.complaints else 0


def demo_document(done: Demo) -> dict[str, Any]:
    """The outcome as `--json` prints it."""
    return {
        **_sums(done.total),
        "workloads": [{"name": one.name, **_sums(one), "explain": _explain(one, done.ledger)} for one in done.outcomes],
        "proof": {
            "ok": not done.proof.complaints,
            "booked_usd": usd_from_pico(done.proof.booked_pico),
            "billed_usd": usd_from_pico(done.proof.billed_pico),
            "complaints": list(done.proof.complaints),
        },
        "simulated": True,
        "simulated_span_s": round(done.span_s),
        "ledger": done.ledger,
    }


def _sums(outcome: Outcome) -> dict[str, Any]:
    return {
        "calls": outcome.calls,
        "baseline_usd": usd_from_pico(outcome.baseline_pico),
        "paid_usd": usd_from_pico(outcome.paid_pico),
        "saved_usd": usd_from_pico(outcome.saved_pico),
        "levers": {lever: usd_from_pico(pico) for lever, pico in outcome.levers.items()},
    }


def _run(path: str) -> Demo:
    from thriftgate.demo.run import run_demo  # noqa: PLC0415  --help shall be quick
    from thriftgate.demo.workloads import WORKLOADS  # noqa: PLC0415  --help shall be quick

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("calls"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("five workloads", total=sum(workload.calls for workload in WORKLOADS))
        return run_demo(path, tick=lambda: progress.advance(task))


def _print(done: Demo) -> None:
    say("thriftgate demo: anthropic SDK -> gateway -> simulator")
    say("The provider is a simulation: answers and bill are made up, by Anthropic's prices and caching rules.")
    say(f"The pauses between calls are simulated too, {done.span_s / 3600:.1f} hours of them.\n")
    rows = [row for one in done.outcomes for row in _rows(one)]
    print_table(("workload", "calls", "baseline", "paid", "saved", ""), [*rows, *_rows(done.total)])
    booked, billed = dollars_exact(done.proof.booked_pico), dollars_exact(done.proof.billed_pico)
    if done.proof.complaints:
        say(f"\nThe books do not hold: {booked} booked, {billed} on the simulator's bill.")
    else:
        say(f"\nProof: each of the {done.proof.calls} entries sums to zero, and the ledger's {booked} is what the")
        say("simulator's own bill says, call by call and to the pico-dollar.")
    say("\nThe call of each workload that saved the most, line by line:")
    for one in done.outcomes:
        say(f"  {_explain(one, done.ledger)}    # {one.name}")
    say(f"All of it: thriftgate report --ledger {shlex.quote(done.ledger)}")


def _rows(one: Outcome) -> list[tuple[str, ...]]:
    """The workload, then its levers."""
    whole = (f"{one.calls:,}", dollars(one.baseline_pico), dollars(one.paid_pico), dollars(one.saved_pico))
    saved = one.levers.items()
    levers = [(f"  {name}", "", "", "", dollars(pico), percent(pico, one.baseline_pico)) for name, pico in saved]
    return [(one.name, *whole, percent(one.saved_pico, one.baseline_pico)), *levers]


def _explain(one: Outcome, ledger: str) -> str:
    return f"thriftgate explain {one.example} --ledger {shlex.quote(ledger)}"

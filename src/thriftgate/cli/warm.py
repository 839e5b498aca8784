"""`thriftgate warm`: write prefixes into the provider's cache before they are needed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from thriftgate.cli.options import Config, Json, LedgerPath, settings_for
from thriftgate.cli.output import dollars, note, print_table, say
from thriftgate.cli.rounds import every_s, next_at_s
from thriftgate.clock import Clock, SystemClock
from thriftgate.core.errors import InputError
from thriftgate.core.moments import text_from_micros
from thriftgate.core.money import pico_from_usd, usd_from_pico

if TYPE_CHECKING:
    from thriftgate.engine.warm import Warmed, Warming
    from thriftgate.settings import Settings

Round = Callable[[], Awaitable[Sequence["Warmed"]]]
MAX_COST_USD = Decimal(1)


def warm(
    files: Annotated[list[str], Parameter(help="Messages request bodies: JSON, or JSONL with one a line.")],
    /,
    *,
    at: Annotated[str | None, Parameter(help="Every day at this time (HH:MM, UTC), until stopped.")] = None,
    every: Annotated[str | None, Parameter(help="Now and then every 55m, 90s or 2h, until stopped.")] = None,
    rounds: Annotated[int | None, Parameter(help="With --at or --every: stop after so many.")] = None,
    ttl: Annotated[Literal["5m", "1h"], Parameter(help="How long the cache shall hold them.")] = "1h",
    gateway: Annotated[str | None, Parameter(help="URL of a running gateway to send through.")] = None,
    max_cost: Annotated[Decimal, Parameter(help="USD a round may cost at most without asking.")] = MAX_COST_USD,
    yes: Annotated[bool, Parameter(negative="", help="Spend more than that without asking.")] = False,
    upstream: Annotated[str | None, Parameter(help="Origin of the provider's API.")] = None,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> int:
    """Write prefixes into the provider's cache before they are needed.

    Sends each request with max_tokens 0: nothing is answered, and what it shares with others is written, or read where it
    is cached already. That is what stands before its own last breakpoint; without one, its tools and system prompt. Costs
    money. The key is upstream.api_key or ANTHROPIC_API_KEY. Where a gateway is running, send through it: it holds the
    ledger, and knows then what is cached. With --at or --every and --json each round prints one document on a line.
    Exits 1 where the cost was not agreed to or a request failed.
    """
    from thriftgate.engine.build import policy_of  # noqa: PLC0415  --help shall be quick
    from thriftgate.engine.snapshot import Knowledge  # noqa: PLC0415  --help shall be quick
    from thriftgate.engine.warm import warming  # noqa: PLC0415  --help shall be quick
    from thriftgate.pricing.load import load_book, load_models  # noqa: PLC0415  --help shall be quick

    if at is not None and every is not None:
        raise InputError("--at and --every: choose one")
    settings = settings_for(config, upstream__url=upstream, ledger__path=ledger)
    clock = SystemClock()
    next_s = _schedule(at, every)
    next_s(clock.now_s())  # a wrong time is told now
    knowledge = Knowledge(load_book(settings.prices), load_models())
    policy = policy_of(settings)
    prompts = [warming(name, body, ttl, knowledge, clock.now_s(), policy=policy) for name, body in _bodies(files)]
    if not yes and not _agreed(prompts, pico_from_usd(max_cost)):
        return 1

    async def run() -> int:
        async with _sender(settings, gateway, prompts) as send:
            if at is None and every is None:
                return _shown(await send(), clock, json=json, line=False)
            first_s = clock.now_s() if every is not None else next_s(clock.now_s())
            return await _repeat(send, first_s, next_s, clock, rounds=rounds, json=json)

    return asyncio.run(run())


def _schedule(at: str | None, every: str | None) -> Callable[[float], float]:
    """From now to the next round, both in unix seconds."""
    if at is not None:
        return lambda now_s: next_at_s(at, now_s)
    return lambda now_s: now_s + (every_s(every) if every is not None else 0.0)


def _bodies(files: Sequence[str]) -> list[tuple[str, bytes]]:
    """The request bodies with their names. Raises InputError."""
    found: list[tuple[str, bytes]] = []
    for file in files:
        try:
            data = Path(file).read_bytes()
        except OSError as error:
            raise InputError(f"cannot read {file}: {error.strerror}") from None
        try:
            msgspec.json.decode(data, type=dict[str, msgspec.Raw])
            found.append((file, data))
        except (msgspec.DecodeError, UnicodeDecodeError):
            lines = [(number, line) for number, line in enumerate(data.splitlines(), 1) if line.strip()]
            found += [(f"{file}:{number}", line) for number, line in lines]
    if not found:
        raise InputError("there is no request in the files")
    return found


def _agreed(prompts: Sequence[Warming], limit_pico: int) -> bool:
    worst = sum(prompt.worst_pico for prompt in prompts)
    note(f"{len(prompts)} to warm: about {dollars(sum(one.expected_pico for one in prompts))}, at most {dollars(worst)}")
    if worst <= limit_pico:
        return True
    if not sys.stdin.isatty():
        note(f"nothing was sent: that is more than --max-cost {usd_from_pico(limit_pico)}; --yes agrees to it")
        return False
    note("Spend it? [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


@asynccontextmanager
async def _sender(settings: Settings, gateway: str | None, prompts: Sequence[Warming]) -> AsyncIterator[Round]:
    """What sends one round."""
    from thriftgate.engine.build import build_engine, transport_of  # noqa: PLC0415  --help shall be quick
    from thriftgate.engine.warm import warm_directly, warm_through  # noqa: PLC0415  --help shall be quick

    credential = settings.upstream.first_key or os.environ.get("ANTHROPIC_API_KEY", "")
    if gateway is not None:
        transport = transport_of(settings.upstream)
        try:
            yield lambda: warm_through(transport, gateway, prompts, credential)
        finally:
            await transport.close()
        return
    engine = await build_engine(settings)
    try:
        yield lambda: warm_directly(engine, prompts, credential)
    finally:
        await engine.close()


async def _repeat(
    send: Round, due_s: float, next_s: Callable[[float], float], clock: Clock, *, rounds: int | None, json: bool
) -> int:
    """Round after round, each at its time; the worst of their exit codes once there were `rounds`."""
    code, done = 0, 0
    while rounds is None or done < rounds:
        await clock.sleep(max(0.0, due_s - clock.now_s()))
        code = max(code, _shown(await send(), clock, json=json, line=True))
        due_s = next_s(due_s)
        done += 1
    return code


def _shown(done: Sequence[Warmed], clock: Clock, *, json: bool, line: bool) -> int:
    """Print a round; its exit code."""
    document = _document(done, clock.now_s())
    if json:
        encoded = msgspec.json.encode(document)
        say((encoded if line else msgspec.json.format(encoded)).decode())
    else:
        rows = [(one.name, one.model, one.error or "cached", *_counts(one), dollars(one.cost_pico)) for one in done]
        print_table(("request", "model", "", "written", "read", "other", "cost"), rows, left=3)
        say(f"{document['at']}: {dollars(sum(one.cost_pico for one in done))}")
    return 1 if any(one.error for one in done) else 0


def _counts(one: Warmed) -> tuple[str, str, str]:
    tokens = one.tokens
    return f"{tokens.write_5m + tokens.write_1h:,}", f"{tokens.read:,}", f"{tokens.input:,}"


def _document(done: Sequence[Warmed], now_s: float) -> dict[str, Any]:
    return {
        "at": text_from_micros(int(now_s * 1e6)),
        "cost_usd": usd_from_pico(sum(one.cost_pico for one in done)),
        "requests": [
            {
                "request": one.name,
                "model": one.model,
                "written_5m_tokens": one.tokens.write_5m,
                "written_1h_tokens": one.tokens.write_1h,
                "read_tokens": one.tokens.read,
                "input_tokens": one.tokens.input,
                "cost_usd": usd_from_pico(one.cost_pico),
                "id": one.id,
                "error": one.error,
            }
            for one in done
        ],
    }

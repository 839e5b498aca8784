"""Pre-warm prefixes: write them into the provider's cache before their first call comes, so that it need not wait for that.

It buys latency, and money only before a burst of calls: a write costs as much now as with the first call.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from thriftgate.core.errors import InputError, ThriftgateError, UpstreamError
from thriftgate.core.money import pico_from_usd
from thriftgate.core.plan import Policy
from thriftgate.core.planner import make_plan
from thriftgate.core.request import Ttl, parse_request
from thriftgate.core.rewrite import prepare
from thriftgate.core.usage import Tokens
from thriftgate.engine.call import Call
from thriftgate.engine.engine import Engine
from thriftgate.engine.snapshot import Knowledge
from thriftgate.engine.touch import UNTOUCHED, Purpose
from thriftgate.providers.transport import Headers, Outgoing, Timeouts, Transport, header
from thriftgate.wire import DIALECTS
from thriftgate.wire.ping import warming_ping

PURPOSE = Purpose("cache.prewarm", "warm", "asked for by `thriftgate warm`")
PATH = "/v1/messages"
_ERROR_CHARS = 300


class Warming(Struct, frozen=True):
    """A prompt to warm: where it came from, what is sent, what it is expected to cost and the most it can (pico-USD)."""

    name: str
    model: str
    body: bytes
    expected_pico: int
    worst_pico: int


class Warmed(Struct, frozen=True):
    """What became of it. `error` is "" where it is in the cache now."""

    name: str
    model: str
    tokens: Tokens = Tokens()
    cost_pico: int = 0
    id: str = ""
    error: str = ""


def warming(name: str, body: bytes, ttl: Ttl, knowledge: Knowledge, now_s: float, *, policy: Policy = UNTOUCHED) -> Warming:
    """What to send for this request, its prompt rewritten as `policy` will rewrite those to come. Raises InputError and
    UnknownPrice, naming it."""
    try:
        request = parse_request(body, needs_max_tokens=False)
        request = prepare(request, knowledge.models[request.model], policy).request
        made = parse_request(warming_ping(request, knowledge.snapshot(request, "", now_s).state.prefix, ttl))
        forecast = make_plan(made, knowledge.snapshot(made, "", now_s).state, UNTOUCHED).forecast
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    return Warming(name, made.model, made.body, forecast.pico, forecast.worst_pico)


async def warm_directly(engine: Engine, prompts: Sequence[Warming], credential: str) -> list[Warmed]:
    """Send them to the provider, one after the other, and book them. Raises LedgerError."""
    done: list[Warmed] = []
    key = engine.key_of(credential)
    for prompt in prompts:
        call = Call("POST", PATH, "", _headers(credential), prompt.body, DIALECTS[0], credential)
        try:
            touched = await engine.toucher.send(call, engine.toucher.plan(call, key), PURPOSE)
        except UpstreamError as failure:
            done.append(Warmed(prompt.name, prompt.model, error=str(failure)))
            continue
        error = "" if touched.entry.outcome == "answered" else _said(touched.entry.status, touched.body)
        done.append(Warmed(prompt.name, prompt.model, touched.tokens, touched.paid_pico, touched.entry.id, error))
    return done


async def warm_through(transport: Transport, url: str, prompts: Sequence[Warming], credential: str) -> list[Warmed]:
    """Send them through a running gateway, which books them with its other calls and then knows that they are cached."""
    done: list[Warmed] = []
    for prompt in prompts:
        outgoing = Outgoing("POST", url.rstrip("/") + PATH, _headers(credential), prompt.body)
        try:
            incoming = await transport.send(outgoing, Timeouts())
            try:
                body = await incoming.read()
            finally:
                incoming.close()
        except ThriftgateError as error:
            done.append(Warmed(prompt.name, prompt.model, error=str(error)))
            continue
        reading = DIALECTS[0].read(body)
        told = reading.usage.usage().total if reading.usage is not None else Tokens()
        cost = pico_from_usd(header(incoming.headers, b"thriftgate-cost-usd") or "0")
        entry_id = header(incoming.headers, b"thriftgate-request-id")
        said = "" if incoming.status == 200 and reading.complete else _said(incoming.status, body)
        done.append(Warmed(prompt.name, prompt.model, told, cost, entry_id, said))
    return done


def _headers(credential: str) -> Headers:
    own: Headers = ((b"content-type", b"application/json"), (b"anthropic-version", b"2023-06-01"))
    return ((b"x-api-key", credential.encode()), *own) if credential else own


def _said(status: int, body: bytes) -> str:
    return f"answered {status}: {body.decode(errors='replace')[:_ERROR_CHARS]}"

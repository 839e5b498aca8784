"""Try some jobs at the provider before anything is paid: `count_tokens` is free, checks the request as a call would be, and
tells how far off our own counts are (platform.claude.com/docs/en/build-with-claude/token-counting, 2026-08)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from thriftgate.batch.build import API_HEADERS
from thriftgate.batch.work import Work
from thriftgate.core.errors import ThriftgateError
from thriftgate.core.request import parse_request
from thriftgate.engine.call import Call
from thriftgate.engine.engine import Engine
from thriftgate.logs import log
from thriftgate.wire import DIALECTS
from thriftgate.wire.anthropic_batches import read_error
from thriftgate.wire.anthropic_messages import count_body, read_count


class Tried(NamedTuple):
    """What the sample has shown: why the provider refuses it ("" if it does not), and what its counts are times ours."""

    refusal: str
    ratio: float


async def try_sample(engine: Engine, work: Work, sample: Sequence[bytes], credential: str) -> Tried:
    """Count the tokens of these jobs. A provider that cannot say so now is no reason to stop."""
    path = engine.provider.count_path
    counted = guessed = 0
    for params in sample if path else ():
        request = parse_request(params)
        headers = (*API_HEADERS, (b"x-api-key", credential.encode()), (b"content-type", b"application/json"))
        try:
            call = Call("POST", path, "", headers, count_body(request), DIALECTS[0], credential=credential)
            reply = await engine.forward(call)
        except ThriftgateError as error:
            log.warning("sample not counted", error=str(error))
            continue
        if reply.status in (400, 401, 403, 404, 413):
            error_body = read_error(reply.body)
            return Tried(f"{reply.status} {error_body.type}: {error_body.message}", 1.0)
        tokens = read_count(reply.body) if reply.status == 200 else None
        if tokens is None:
            continue
        snapshot = work.planner.draft(params, work.clock.now_s()).snapshot
        counted += tokens
        guessed += snapshot.estimate.tokens
        engine.knowledge.learn_tokens(snapshot, tokens)
    return Tried("", counted / guessed if counted and guessed else 1.0)

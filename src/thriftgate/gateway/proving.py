"""Sampled second calls, wired to the gateway: the settings' table, and the queue for batches."""

from __future__ import annotations

from thriftgate.batch.queue import Queue, Ticket
from thriftgate.core.errors import ConfigError, ThriftgateError
from thriftgate.core.money import pico_from_usd
from thriftgate.engine.call import Call
from thriftgate.engine.engine import Engine
from thriftgate.logs import log
from thriftgate.quality.proof import MEMORY, Later, Proof, Sampling
from thriftgate.settings import ProofSettings, Settings

LATER_S = 24 * 3600.0  # a second call has time
AGREEMENT = "agreement"


async def open_proof(engine: Engine, settings: Settings, queue: Queue | None) -> Proof | None:
    """None where nothing is routed by an artefact, or nothing is to be sampled. Raises ConfigError and LedgerError."""
    sampling = sampling_of(settings.proof, engine)
    if not engine.router.table.artefacts or not (sampling.audit or sampling.shadow):
        return None
    later = _later(engine, queue) if queue is not None and settings.proof.batch else None
    proof = Proof(engine, sampling, later=later)
    await engine.witnessed(MEMORY, proof, proof)
    return proof


def sampling_of(table: ProofSettings, engine: Engine) -> Sampling:
    """The table as the proof reads it. Raises ConfigError."""
    judge = "" if table.judge == AGREEMENT else table.judge
    if judge and judge not in engine.knowledge.models:
        raise ConfigError(f"proof.judge: {judge} is neither {AGREEMENT!r} nor in the capability table")
    return Sampling(table.shadow, table.audit, pico_from_usd(table.usd_per_day), judge, table.store)


def _later(engine: Engine, queue: Queue) -> Later:
    async def later(call: Call) -> bytes | None:
        try:
            offered = await queue.offer(call, engine.clock.now_s() + LATER_S)
        except ThriftgateError as error:
            log.warning("second call not queued", call=call.parent, error=type(error).__name__)
            return None
        if not isinstance(offered, Ticket):
            return None
        try:
            told = await queue.wait(offered.job)
        except ThriftgateError as error:  # its batch goes on, and is paid for: it is not to be made once more
            log.warning("second call not waited for", call=call.parent, error=type(error).__name__)
            return b""
        return told.answer.body if told.answer is not None and told.answer.status == 200 else b""

    return later

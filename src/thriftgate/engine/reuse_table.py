"""The `[reuse]` table as the engine reads it, and the room that keeps to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set

import msgspec

from thriftgate import __version__
from thriftgate.core.earlier.rules import Rule
from thriftgate.core.errors import ConfigError, LedgerError
from thriftgate.core.levers.reuse_exact import ReuseExact
from thriftgate.core.levers.reuse_semantic import ReuseSemantic
from thriftgate.core.plan import Policy
from thriftgate.engine.engine import Engine
from thriftgate.engine.reusing.asking import Asking, Table
from thriftgate.engine.reusing.exact import Exact
from thriftgate.engine.reusing.file import FileStore
from thriftgate.engine.reusing.room import Reusing, Rooms
from thriftgate.engine.reusing.store import Bounds, MemoryStore, Store
from thriftgate.engine.reusing.tier import Tier
from thriftgate.engine.routes import RoutingTable
from thriftgate.engine.semantic_table import semantic_tier
from thriftgate.engine.shaping import OutputTable
from thriftgate.engine.unsent import Books
from thriftgate.engine.vaults import master_key_of, tenants_of
from thriftgate.ledger.entries import Ledger
from thriftgate.ledger.sealing import Sealer, Vault, open_vault
from thriftgate.settings import Settings

LEVERS = (ReuseExact.id, ReuseSemantic.id)
# What shapes answers and is the same for all calls. Of the rest of the settings nothing can change what is answered.
_TABLES = ("cache", "compress", "context", "output", "routing", "targets")


async def add_reuse(
    engine: Engine,
    settings: Settings,
    salt: bytes,
    *,
    output: OutputTable,
    routing: RoutingTable,
    draw: Callable[[], float],
) -> None:
    """Give the engine its room, if anything is reused; `draw` gives chances for audits. Raises ConfigError and
    LedgerError: then it is closed."""
    named = {*settings.policy.levers, *settings.experiment.levers}
    if not settings.reuse.rules or not named.intersection(LEVERS):
        return
    try:
        tiers = await _tiers(settings, engine, named, draw)
    except (ConfigError, LedgerError):
        await engine.close()
        raise
    table = settings.reuse
    asking = Asking(
        Table(rules=rules_of(settings), settings=_digested(settings, engine.policy, output, routing)),
        engine.router,
        policy=engine.policy,
        salt=salt,
        payer_of=engine.payer_of,
        levers=[tier.lever for tier in tiers],
    )
    knowledge = engine.knowledge
    rooms = Rooms(
        asking=asking,
        knowledge=knowledge,
        limiting=engine.limiting,
        ledger=engine.ledger,
        clock=engine.clock,
        tasks=engine.tasks,
        books=lambda: Books(engine.provider.name, knowledge.book.id, int(engine.clock.now_s() * 1e6)),
        upstream=engine.upstreams.first,
        new_id=engine.new_id,
    )
    engine.reusing = Reusing(rooms, tiers, wait_s=table.wait_s, bytes_max=table.answer_bytes_max)


def rules_of(settings: Settings) -> tuple[Rule, ...]:
    """The rows of `[[reuse.rules]]`, in order."""
    return tuple(
        Rule(
            name=row.name or f"rule {at + 1}",
            key=row.key,
            task=row.task,
            model=row.model,
            ttl_s=row.ttl_s,
            share=row.share,
            may_tool_use=row.may_tool_use,
        )
        for at, row in enumerate(settings.reuse.rules)
    )


async def _tiers(settings: Settings, engine: Engine, named: Set[str], draw: Callable[[], float]) -> Sequence[Tier]:
    store = await _store(settings, engine.ledger)
    exact = Exact(store)
    if not settings.reuse.semantic or ReuseSemantic.id not in named:
        return (exact,)
    vault = await _vault(settings, engine.ledger) if settings.reuse.path else None
    return exact, await semantic_tier(settings, engine, vault, store, draw)


async def _store(settings: Settings, ledger: Ledger) -> Store:
    table = settings.reuse
    bounds = Bounds(table.entries_max, table.bytes_max)
    if not table.path:
        return MemoryStore(bounds)
    return FileStore(table.path, Sealer((await _vault(settings, ledger)).answers_key), bounds)


async def _vault(settings: Settings, ledger: Ledger) -> Vault:
    place = master_key_of(settings)
    if settings.ledger.path == ":memory:" and not (place.text or place.path):
        raise ConfigError(
            "reuse.path: answers are sealed with the master key, and that of a ledger in memory ends with this process; "
            "name a ledger.path, or give access.master_key"
        )
    return await open_vault(tenants_of(ledger), place)


def _digested(settings: Settings, policy: Policy, output: OutputTable, routing: RoutingTable) -> bytes:
    """All that shapes answers, in one spelling: the tables, what they name in files, where calls go, and this version."""
    tables = settings.model_dump(mode="json", include=set(_TABLES))
    artefacts = [one.id for one in routing.artefacts]
    upstream = (settings.upstream.provider, settings.upstream.url)
    return msgspec.json.encode(
        (__version__, upstream, tables, policy, output, artefacts), order="deterministic", enc_hook=repr
    )

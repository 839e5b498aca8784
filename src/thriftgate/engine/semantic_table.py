"""The rows of `[[reuse.semantic]]` as the engine reads them, and the tier that keeps to them."""

from __future__ import annotations

from collections.abc import Callable

from thriftgate.core.errors import ConfigError
from thriftgate.core.money import pico_from_usd
from thriftgate.core.semantic.stages import Terms
from thriftgate.engine.engine import Engine
from thriftgate.engine.reusing.comparing import Comparer, Judge, Words
from thriftgate.engine.reusing.embeddings import Api, Embeddings
from thriftgate.engine.reusing.encoders import Encoder, Lexical, Local, Remote
from thriftgate.engine.reusing.semantic import PLACE, Row, Semantic
from thriftgate.engine.reusing.standing import NAME, Told
from thriftgate.engine.reusing.store import Store
from thriftgate.ledger.sealing import Sealer, Vault
from thriftgate.settings import ReuseSemanticRow, Settings


async def semantic_tier(
    settings: Settings, engine: Engine, vault: Vault | None, store: Store, draw: Callable[[], float]
) -> Semantic:
    """The tier. With a vault what it knows survives a restart, and goes when `store` is cleared. Raises ConfigError and
    LedgerError."""
    encoders: dict[str, Encoder] = {}
    rows = tuple(_row(row, settings, engine, encoders) for row in settings.reuse.semantic)
    tier = Semantic(
        rows,
        scopes_max=settings.reuse.scopes_max,
        draw=draw,
        sealer=Sealer(vault.answers_key) if vault is not None else None,
        tell=engine.keep_soon,
        clears=store.clears if vault is not None else None,
    )
    await engine.remember(PLACE, tier)
    await engine.remember(NAME, Told(tier, engine.clock))
    return tier


def _row(row: ReuseSemanticRow, settings: Settings, engine: Engine, encoders: dict[str, Encoder]) -> Row:
    if row.encoder not in encoders:
        encoders[row.encoder] = _encoder(row.encoder, settings, engine)
    terms = Terms(row.max_error, row.confidence, row.audit, fill=row.fill, items_max=max(row.items_max, row.fill))
    comparer: Comparer = Words()
    if row.judge:
        if row.judge not in engine.knowledge.models:
            raise ConfigError(f"reuse.semantic: judge {row.judge!r} is no model that is known")
        comparer = Judge(engine.knowledge.models[row.judge], engine.toucher)
    return Row(row.task, terms, encoders[row.encoder], comparer, row.shadow, row.turns == "all")


def _encoder(name: str, settings: Settings, engine: Engine) -> Encoder:
    if name == "lexical":
        return Lexical()
    if name == "minilm":
        return Local()
    table = settings.reuse.embeddings
    if not table.url or not table.model or table.usd_per_mtok is None:
        raise ConfigError("reuse.embeddings: encoder api needs its url, its model and its usd_per_mtok")
    api = Api(
        table.url.rstrip("/"),
        table.model,
        table.api_key.get_secret_value(),
        table.size,
        pico_from_usd(table.usd_per_mtok),
    )
    return Remote(
        Embeddings(
            api,
            transport=engine.transport,
            ledger=engine.ledger,
            clock=engine.clock,
            new_id=engine.new_id,
            price_book=engine.knowledge.book.id,
        )
    )

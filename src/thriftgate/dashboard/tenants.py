"""Keys and teams as pages need them: what they are called, who acts."""

from __future__ import annotations

from collections.abc import Mapping

from thriftgate.dashboard.asked import Asked, Sources
from thriftgate.engine.vaults import tenants_of
from thriftgate.ledger.issuing import Issuer
from thriftgate.ledger.tenants import Key, Team

LABELS_MAX = 2_000


async def labels(sources: Sources) -> Mapping[str, str]:
    """What keys and teams are called, by id, those that are gone included."""
    tenants = tenants_of(sources.books)
    keys = await tenants.page(Key, limit=LABELS_MAX, gone=True)
    teams = await tenants.page(Team, limit=LABELS_MAX, gone=True)
    return {**{one.id: one.name for one in keys}, **{one.id: one.name for one in teams}}


def issuer(asked: Asked) -> Issuer:
    """Acts for whoever asks, on the books that are written."""
    return Issuer(tenants_of(asked.sources.ledger), asked.viewer.actor, lambda: int(asked.sources.clock.now_s() * 1e6))

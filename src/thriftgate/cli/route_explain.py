"""What `thriftgate route explain` finds out and prints."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Any, NamedTuple

from thriftgate.cli.output import note, print_table
from thriftgate.clock import SystemClock
from thriftgate.core.money import usd_from_pico
from thriftgate.core.plan import Plan
from thriftgate.core.request import parse_request
from thriftgate.core.rewrite import prepare
from thriftgate.core.routing.kinds import kind_of
from thriftgate.core.routing.task import asked_text, surroundings, system_text
from thriftgate.engine.build import artefact_secret, policy_of
from thriftgate.engine.call import Call
from thriftgate.engine.route_decision import LEVERS
from thriftgate.engine.routing import Router
from thriftgate.engine.routing_table import routing_table
from thriftgate.engine.snapshot import Knowledge
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.stores import has_books
from thriftgate.ledger.urls import is_file, is_url
from thriftgate.pricing.load import load_book, load_models
from thriftgate.providers.transport import Headers
from thriftgate.quality.proof import MEMORY as PROOF
from thriftgate.quality.proof import rolled_back
from thriftgate.settings import Settings
from thriftgate.wire import DIALECTS


def explained(settings: Settings, body: bytes, headers: Headers, key: str) -> dict[str, Any]:
    """The decision, made by the very router that serves. Raises InputError, ConfigError, LedgerError."""
    return asyncio.run(_explained(settings, body, headers, key))


async def _explained(settings: Settings, body: bytes, headers: Headers, key: str) -> dict[str, Any]:
    models = load_models()
    knowledge = Knowledge(load_book(settings.prices), models, settings.upstream.provider, quiet=True)
    kept = await _kept(settings)
    table = routing_table(settings, models, kept.secret)
    request = parse_request(body)
    policy, router, now_s = policy_of(settings), Router(table, knowledge, kept.salt), SystemClock().now_s()
    if kept.proof is not None:
        router.suspended, router.pinned = rolled_back(kept.proof)
    call = Call("POST", "/v1/messages", "", headers, body, DIALECTS[0])
    rewritten = router.route(prepare(request, models[request.model], policy), call, key, policy, now_s)
    snapshot = knowledge.snapshot(rewritten.request, key, now_s)
    plan = rewritten.plan(snapshot.state, policy)
    task = rewritten.route.task if rewritten.route is not None else router.task_of(request, key, headers)
    around = surroundings(request, snapshot.state.prefix.turns, task, snapshot.estimate.tokens)
    return {
        "asked": request.model,
        "served": rewritten.request.model,
        "task": task,
        "kind": kind_of(system_text(request), asked_text(snapshot.state.prefix.turns), around),
        "prompt_tokens": snapshot.estimate.tokens,
        "plan": _decisions(plan),
        "asked_usd": usd_from_pico(plan.baseline.pico),
        "forecast_usd": usd_from_pico(plan.forecast.pico),
    }


class _Kept(NamedTuple):
    """What the books keep and a decision by an artefact depends on: the secret that it is checked with, the salt of the
    lots, what audits have found."""

    secret: bytes
    salt: bytes = b""
    proof: bytes | None = None


async def _kept(settings: Settings) -> _Kept:
    """Asks the books only where artefacts are named, and makes none. Raises LedgerError."""
    if not settings.routing.artefacts or not _is_there(settings.ledger.path):
        return _Kept(settings.routing.secret.get_secret_value().encode())
    books = SqlLedger.open(settings.ledger.path)
    try:
        salt = await books.secret("key_salt", secrets.token_hex(32))
        return _Kept(await artefact_secret(settings, books), bytes.fromhex(salt), await books.kept(PROOF))
    finally:
        await books.close()


def _is_there(path: str) -> bool:
    return Path(path).is_file() if is_file(path) else is_url(path) and has_books(path)


def _decisions(plan: Plan) -> list[dict[str, str]]:
    return [
        {
            "lever": one.lever,
            "decision": one.decision,
            "reason": one.reason,
            "forecast_usd": usd_from_pico(one.forecast_pico),
        }
        for one in plan.decisions
        if one.lever in LEVERS
    ]


def print_explanation(document: dict[str, Any]) -> None:
    served = document["served"]
    print_table(
        ("", ""),
        [
            ("asked for", document["asked"]),
            ("served by", served),
            ("task", document["task"]),
            ("kind", document["kind"] or "(not plain)"),
            ("prompt", f"{document['prompt_tokens']:,} tokens"),
            ("as asked", f"${document['asked_usd']}"),
            ("forecast", f"${document['forecast_usd']}"),
        ],
    )
    for one in document["plan"]:
        note(f"{one['lever']}: {one['decision']}: {one['reason']}")

"""Keys and teams: who may call, what each has cost; made, rotated and revoked by administrators."""

from __future__ import annotations

from typing import Any

from thriftgate.answers.moments import micros_from_text
from thriftgate.core.errors import InputError, NotAllowed, NotThere
from thriftgate.core.money import usd_from_pico
from thriftgate.dashboard.asked import Asked
from thriftgate.dashboard.pages.page import Document, Page
from thriftgate.dashboard.sums import question
from thriftgate.dashboard.tenants import issuer
from thriftgate.engine.vaults import tenants_of
from thriftgate.gateway.admin.documents import told
from thriftgate.ledger.issuing import OVERLAP_S, Issued, KeyDraft
from thriftgate.ledger.sql_spend import By, SpendCell, spend
from thriftgate.ledger.tenants import Key, Role, Team

LISTED_MAX = 1_000
ROLES: dict[str, str] = {
    "": "none: makes calls",
    "viewer": "viewer: looks",
    "team-admin": "team admin: keys of its team",
    "admin": "admin: changes all but owners",
    "owner": "owner: changes everything",
}


async def document(asked: Asked) -> Document:
    """Keys and teams as the administrators' API lists them, with what was spent in the span that is looked at. `others` are
    clients' own keys of the provider, by their fingerprints."""
    tenants, acts = tenants_of(asked.sources.books), issuer(asked)
    now_us = asked.look.now_us
    gone = asked.query.get("all") == "on"
    keys = [one for one in await tenants.page(Key, limit=LISTED_MAX, gone=gone) if acts.reaches(one)]
    teams = [one for one in await tenants.page(Team, limit=LISTED_MAX) if acts.reaches(one)]
    by_key, by_team = await _spent(asked, "key"), await _spent(asked, "team")
    others = [] if asked.viewer.team else [name for name in by_key if name and name not in asked.labels]
    return {
        "keys": [told(one, now_us) | _sums(by_key.get(one.id)) for one in keys],
        "teams": [told(one, now_us) | _sums(by_team.get(one.id)) for one in teams],
        "others": [{"id": name} | _sums(by_key[name]) for name in others],
    }


async def _spent(asked: Asked, by: By) -> dict[str, SpendCell]:
    cells = await asked.sources.books.ask(lambda connection: spend(connection, question(asked.look, by)))
    return {cell.name: cell for cell in cells}


def _sums(cell: SpendCell | None) -> dict[str, Any]:
    if cell is None:
        return {"calls": 0, "paid_usd": "0", "saved_usd": "0"}
    return {
        "calls": cell.calls,
        "paid_usd": usd_from_pico(cell.paid_pico),
        "saved_usd": usd_from_pico(cell.baseline_pico - cell.paid_pico),
    }


def view(doc: Document, asked: Asked) -> dict[str, Any]:
    """The latest key first; roles that this viewer may give."""
    gives = [role for role in ROLES if role != "owner" or asked.viewer.actor.role == "owner"]
    return {
        "keys": sorted(doc["keys"], key=lambda one: (one["state"] != "active", one["name"].lower(), one["id"])),
        "teams": sorted(doc["teams"], key=lambda one: one["name"].lower()),
        "roles": {role: ROLES[role] for role in gives if not asked.viewer.team or not role},
        "issued": None,
        "failed": "",
        "all": asked.query.get("all") == "on",
        "form": asked.form,
    }


async def act(asked: Asked) -> dict[str, Any] | None:
    """What a form asks for. A new secret is shown once, on the page that answers the form; a mistake beside the form."""
    if not asked.viewer.makes_keys:
        raise NotAllowed("this takes an administrator")
    try:
        issued = await _done(asked)
    except (InputError, NotThere) as error:
        return {"failed": str(error)}
    finally:
        asked.sources.changed()
    return None if issued is None else {"issued": {"name": issued.key.name, "id": issued.key.id, "secret": issued.secret}}


async def _done(asked: Asked) -> Issued | None:
    acts, form, vault = issuer(asked), asked.form, asked.sources.vault
    if vault is None:
        raise NotAllowed("keys are made at the gateway")
    wanted = form.get("act", "")
    if wanted == "create":
        return await acts.add_key(_draft(asked), await vault())
    if wanted == "team":
        await acts.add_team(form.get("name", ""))
        return None
    if wanted == "remove-team":
        await acts.remove(await acts.find(Team, form.get("id", "")))
        return None
    key = await acts.find(Key, form.get("id", ""))
    if wanted == "rotate":
        overlap_s = 0.0 if form.get("overlap") == "none" else OVERLAP_S
        return await acts.rotate(key, await vault(), overlap_s)
    if wanted == "revoke":
        await acts.revoke(key)
        return None
    raise InputError("the form does not say what to do")


def _draft(asked: Asked) -> KeyDraft:
    form = asked.form
    role = form.get("role", "")
    if role not in ROLES:
        raise InputError(f"role: there is no role {role[:40]!r}")
    expires = form.get("expires", "")
    given: Role = role  # type: ignore[assignment]
    return KeyDraft(
        name=form.get("name", ""),
        team=form.get("team", ""),
        role=given,
        models=_listed(form.get("models", "")),
        tags=_listed(form.get("tags", "")),
        expires_us=micros_from_text(expires, "expires") if expires else 0,
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(one for one in text.replace(",", " ").split() if one)


PAGE = Page("keys", "Keys & teams", "keys.html.jinja", document, view, act)

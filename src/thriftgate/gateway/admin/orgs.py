"""Organisations, teams and users."""

from __future__ import annotations

from msgspec import Struct

from thriftgate.gateway.admin.desk import PAGE, Answer, Desk, Route
from thriftgate.gateway.admin.documents import told
from thriftgate.ledger.tenants import Org, Role, Team, User


class OrgDraft(Struct, frozen=True, forbid_unknown_fields=True):
    """A new organisation."""

    name: str


class TeamDraft(Struct, frozen=True, forbid_unknown_fields=True):
    """A new team; without `org` of the only organisation there is."""

    name: str
    org: str = ""


class UserDraft(Struct, frozen=True, forbid_unknown_fields=True):
    """A new user. `email` is what a login by OIDC is matched with."""

    name: str
    email: str = ""
    role: Role = ""
    team: str = ""
    org: str = ""


async def _orgs(desk: Desk) -> Answer:
    return await desk.listed(Org, {})


async def _teams(desk: Desk) -> Answer:
    return await desk.listed(Team, desk.chosen("org"))


async def _users(desk: Desk) -> Answer:
    return await desk.listed(User, desk.chosen("team", "org"))


async def _add_org(desk: Desk) -> Answer:
    draft: OrgDraft = desk.body
    return Answer(201, told(await desk.issuer.add_org(draft.name), desk.now_us()))


async def _add_team(desk: Desk) -> Answer:
    draft: TeamDraft = desk.body
    return Answer(201, told(await desk.issuer.add_team(draft.name, draft.org), desk.now_us()))


async def _add_user(desk: Desk) -> Answer:
    draft: UserDraft = desk.body
    made = await desk.issuer.add_user(draft.name, email=draft.email, role=draft.role, team=draft.team, org=draft.org)
    return Answer(201, told(made, desk.now_us()))


async def _remove_org(desk: Desk) -> Answer:
    await desk.issuer.remove(await desk.issuer.find(Org, desk.parts["id"]))
    return Answer(204, None)


async def _remove_team(desk: Desk) -> Answer:
    await desk.issuer.remove(await desk.issuer.find(Team, desk.parts["id"]))
    return Answer(204, None)


async def _remove_user(desk: Desk) -> Answer:
    await desk.issuer.remove(await desk.issuer.find(User, desk.parts["id"]))
    return Answer(204, None)


ROUTES = (
    Route("GET", "/orgs", "viewer", _orgs, asks=PAGE),
    Route("POST", "/orgs", "admin", _add_org, OrgDraft, status=201),
    Route("DELETE", "/orgs/{id}", "admin", _remove_org, status=204),
    Route("GET", "/teams", "viewer", _teams, asks=(*PAGE, "org")),
    Route("POST", "/teams", "admin", _add_team, TeamDraft, status=201),
    Route("DELETE", "/teams/{id}", "admin", _remove_team, status=204),
    Route("GET", "/users", "viewer", _users, asks=(*PAGE, "team", "org")),
    Route("POST", "/users", "admin", _add_user, UserDraft, status=201),
    Route("DELETE", "/users/{id}", "admin", _remove_user, status=204),
)

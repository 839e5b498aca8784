"""What the verbs of `thriftgate teams` do, and what they print."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from thriftgate.cli.output import print_json, print_table
from thriftgate.cli.tenancy import Desk, at_desk, now_us
from thriftgate.gateway.admin.documents import told
from thriftgate.ledger.tenants import Org, Role, T, Team, User
from thriftgate.settings import Settings

PAGE = 1000


class NewUser(NamedTuple):
    """A user to be added."""

    name: str
    email: str
    role: Role
    team: str
    org: str


class Listed(NamedTuple):
    """All there are."""

    orgs: Sequence[Org]
    teams: Sequence[Team]
    users: Sequence[User]


def show_list(settings: Settings, *, json: bool) -> None:
    async def work(desk: Desk) -> Listed:
        return Listed(await _all(desk, Org), await _all(desk, Team), await _all(desk, User))

    found = at_desk(settings, work)
    if json:
        print_json({name: [told(one, now_us()) for one in things] for name, things in found._asdict().items()})
        return
    orgs, teams = {one.id: one.name for one in found.orgs}, {one.id: one.name for one in found.teams}
    rows = [
        *((one.id, "organisation", one.name, "", "") for one in found.orgs),
        *((one.id, "team", one.name, orgs.get(one.org, ""), "") for one in found.teams),
        *((one.id, "user", one.name, teams.get(one.team, orgs.get(one.org, "")), one.role) for one in found.users),
    ]
    print_table(("id", "what", "name", "of", "role"), rows, left=5)


def add_org(settings: Settings, name: str, *, json: bool) -> None:
    _make(settings, lambda desk: desk.issuer.add_org(name), json=json)


def add_team(settings: Settings, name: str, org: str, *, json: bool) -> None:
    _make(settings, lambda desk: desk.issuer.add_team(name, org), json=json)


def add_user(settings: Settings, asked: NewUser, *, json: bool) -> None:
    def work(desk: Desk) -> Awaitable[User]:
        return desk.issuer.add_user(asked.name, email=asked.email, role=asked.role, team=asked.team, org=asked.org)

    _make(settings, work, json=json)


def remove_org(settings: Settings, name: str, *, json: bool) -> None:
    async def work(desk: Desk) -> Org:
        return await desk.issuer.remove(await desk.issuer.find(Org, name))

    _print(at_desk(settings, work), json=json)


def remove_team(settings: Settings, name: str, *, json: bool) -> None:
    async def work(desk: Desk) -> Team:
        return await desk.issuer.remove(await desk.issuer.find(Team, name))

    _print(at_desk(settings, work), json=json)


def remove_user(settings: Settings, name: str, *, json: bool) -> None:
    async def work(desk: Desk) -> User:
        return await desk.issuer.remove(await desk.issuer.find(User, name))

    _print(at_desk(settings, work), json=json)


def _make(settings: Settings, work: Callable[[Desk], Awaitable[Org | Team | User]], *, json: bool) -> None:
    _print(at_desk(settings, work, makes=True), json=json)


def _print(thing: Org | Team | User, *, json: bool) -> None:
    document = told(thing, now_us())
    if json:
        print_json(document)
    else:
        print_table(("", ""), [(name, str(value)) for name, value in document.items() if value], left=2)


async def _all(desk: Desk, kind: type[T]) -> Sequence[T]:
    found: list[T] = []
    while page := await desk.tenants.page(kind, after=found[-1].id if found else "", limit=PAGE):
        found += page
    return found

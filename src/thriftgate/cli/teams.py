"""`thriftgate teams`: organisations, their teams and users. Each verb is a function here, `teams_<verb>`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter

from thriftgate.cli.options import Config, Json, LedgerPath, settings_for

Name = Annotated[str, Parameter(help="What people call it.")]
Known = Annotated[str, Parameter(name="NAME", help="By its id or name.")]


def teams_list(*, ledger: LedgerPath = None, json: Json = False, config: Config = None) -> None:
    """List organisations, teams and users."""
    from thriftgate.cli import teams_do  # noqa: PLC0415  --help shall be quick

    teams_do.show_list(settings_for(config, ledger__path=ledger), json=json)


def teams_add(
    name: Name,
    /,
    *,
    org: Annotated[str, Parameter(help="Its organisation; the only one there is, or a first one called main.")] = "",
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Add a team."""
    from thriftgate.cli import teams_do  # noqa: PLC0415  --help shall be quick

    teams_do.add_team(settings_for(config, ledger__path=ledger), name, org, json=json)


def teams_remove(name: Known, /, *, ledger: LedgerPath = None, json: Json = False, config: Config = None) -> None:
    """Remove a team and its users, and revoke their keys. Its calls stay in the books under its name."""
    from thriftgate.cli import teams_do  # noqa: PLC0415  --help shall be quick

    teams_do.remove_team(settings_for(config, ledger__path=ledger), name, json=json)


def teams_org_add(name: Name, /, *, ledger: LedgerPath = None, json: Json = False, config: Config = None) -> None:
    """Add an organisation."""
    from thriftgate.cli import teams_do  # noqa: PLC0415  --help shall be quick

    teams_do.add_org(settings_for(config, ledger__path=ledger), name, json=json)


def teams_org_remove(name: Known, /, *, ledger: LedgerPath = None, json: Json = False, config: Config = None) -> None:
    """Remove an organisation with all its teams and users, and revoke their keys."""
    from thriftgate.cli import teams_do  # noqa: PLC0415  --help shall be quick

    teams_do.remove_org(settings_for(config, ledger__path=ledger), name, json=json)


def teams_user_add(
    name: Name,
    /,
    *,
    email: Annotated[str, Parameter(help="What a login through the identity provider is matched with.")] = "",
    role: Annotated[Literal["", "owner", "admin", "team-admin", "viewer"], Parameter(help="What such a login may do.")] = "",
    team: Annotated[str, Parameter(help="The team, by id or name.")] = "",
    org: Annotated[str, Parameter(help="The organisation, where no team says it.")] = "",
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Add a user."""
    from thriftgate.cli import teams_do  # noqa: PLC0415  --help shall be quick

    asked = teams_do.NewUser(name, email, role, team, org)
    teams_do.add_user(settings_for(config, ledger__path=ledger), asked, json=json)


def teams_user_remove(name: Known, /, *, ledger: LedgerPath = None, json: Json = False, config: Config = None) -> None:
    """Remove a user, revoke their keys and end their logins."""
    from thriftgate.cli import teams_do  # noqa: PLC0415  --help shall be quick

    teams_do.remove_user(settings_for(config, ledger__path=ledger), name, json=json)


teams = App(name="teams")
teams.command(teams_list, name="list")
teams.command(teams_add, name="add")
teams.command(teams_remove, name="remove")
org = App(name="org", help="Organisations, which teams belong to.")
org.command(teams_org_add, name="add")
org.command(teams_org_remove, name="remove")
teams.command(org)
user = App(name="user", help="People, and what they may do when they log in.")
user.command(teams_user_add, name="add")
user.command(teams_user_remove, name="remove")
teams.command(user)

"""`thriftgate keys`: who may call. Each verb is a function here, `keys_<verb>`; they work on the ledger's file, also while a
gateway serves from it, which takes the change up within seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from thriftgate.cli.options import Config, Json, LedgerPath, settings_for

KeyName = Annotated[str, Parameter(name="KEY", allow_leading_hyphen=True, help="The key, by its id or name.")]
Listed = Annotated[list[str] | None, Parameter(negative="")]


def keys_create(
    name: Annotated[str, Parameter(help="What people call it.")],
    /,
    *,
    user: Annotated[str, Parameter(help="User it belongs to, by id or name; its team comes with it.")] = "",
    team: Annotated[str, Parameter(help="Team it belongs to.")] = "",
    org: Annotated[str, Parameter(help="Organisation, where no team says it.")] = "",
    role: Annotated[
        Literal["", "owner", "admin", "team-admin", "viewer"],
        Parameter(help="For administrators: how far it goes in the API and the dashboard. Brings the scope it needs."),
    ] = "",
    scope: Annotated[
        Listed,
        Parameter(
            help="What it may do: call, batch, count, models, read; act-as; admin:read, admin. By itself the first five."
        ),
    ] = None,
    model: Annotated[Listed, Parameter(help="Models it may ask for, as patterns (claude-haiku-*); all by itself.")] = None,
    task: Annotated[Listed, Parameter(help="Tasks it may call for (header thriftgate-task), as patterns.")] = None,
    tag: Annotated[Listed, Parameter(help="Tags that all its calls carry, such as env=prod.")] = None,
    tag_allowed: Annotated[Listed, Parameter(help="Tags that its calls may name, as patterns; all by itself.")] = None,
    priority: Annotated[Literal["", "high", "normal", "low"], Parameter(help="Priority of calls that name none.")] = "",
    expires: Annotated[str | None, Parameter(help="When it ends: 90d, or a day or time as of RFC 3339.")] = None,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Make a virtual key, and show its secret: this once, it cannot be told again."""
    from thriftgate.cli import keys_do  # noqa: PLC0415  --help shall be quick

    asked = keys_do.Asked(name, user, team, org, role, scope, model, task, tag, tag_allowed, priority, expires)
    keys_do.create(settings_for(config, ledger__path=ledger), asked, json=json)


def keys_list(
    *,
    team: Annotated[str, Parameter(help="Only keys of this team.")] = "",
    all: Annotated[bool, Parameter(negative="", help="Also those that were revoked.")] = False,  # noqa: A002  the option
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """List the keys, without their secrets."""
    from thriftgate.cli import keys_do  # noqa: PLC0415  --help shall be quick

    keys_do.show_list(settings_for(config, ledger__path=ledger), team, gone=all, json=json)


def keys_show(key: KeyName, /, *, ledger: LedgerPath = None, json: Json = False, config: Config = None) -> None:
    """Show one key, and what was done to it; `-` reads a secret from standard input and tells whose it is."""
    from thriftgate.cli import keys_do  # noqa: PLC0415  --help shall be quick

    keys_do.show(settings_for(config, ledger__path=ledger), key, json=json)


def keys_rotate(
    key: KeyName,
    /,
    *,
    overlap: Annotated[str, Parameter(help="How long the old secret is good for, such as 24h; 0s: not at all.")] = "24h",
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Give a key a new secret, and show it; the old one is good for a while more."""
    from thriftgate.cli import keys_do  # noqa: PLC0415  --help shall be quick

    keys_do.rotate(settings_for(config, ledger__path=ledger), key, overlap, json=json)


def keys_revoke(key: KeyName, /, *, ledger: LedgerPath = None, json: Json = False, config: Config = None) -> None:
    """End a key now, for good. Its calls stay in the books under its name."""
    from thriftgate.cli import keys_do  # noqa: PLC0415  --help shall be quick

    keys_do.revoke(settings_for(config, ledger__path=ledger), key, json=json)


def keys_expire(
    key: KeyName,
    when: Annotated[str, Parameter(help="90d, or a day or time as of RFC 3339; never takes an end away.")],
    /,
    *,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Let a key end at some time."""
    from thriftgate.cli import keys_do  # noqa: PLC0415  --help shall be quick

    keys_do.expire(settings_for(config, ledger__path=ledger), key, when, json=json)


def keys_audit(
    *,
    limit: Annotated[int, Parameter(help="How many, the latest first.")] = 50,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Who changed what, and when."""
    from thriftgate.cli import keys_do  # noqa: PLC0415  --help shall be quick

    keys_do.audit(settings_for(config, ledger__path=ledger), limit, json=json)


def keys_reseal(
    *,
    new_key_file: Annotated[Path | None, Parameter(help="File with the new master key; one is drawn without it.")] = None,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Change the master key: everything that is sealed is sealed anew. Virtual keys stay good; logins end."""
    from thriftgate.cli import keys_do  # noqa: PLC0415  --help shall be quick

    keys_do.reseal(settings_for(config, ledger__path=ledger), new_key_file, json=json)


def keys_provider_add(
    name: Annotated[str, Parameter(help="What people call it.")],
    /,
    *,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Keep a key of the provider's, sealed; it is read from standard input or asked for, never from the command line."""
    from thriftgate.cli import keys_do  # noqa: PLC0415  --help shall be quick

    keys_do.provider_add(settings_for(config, ledger__path=ledger), name, json=json)


def keys_provider_list(*, ledger: LedgerPath = None, json: Json = False, config: Config = None) -> None:
    """List the provider's keys that are kept, without the keys."""
    from thriftgate.cli import keys_do  # noqa: PLC0415  --help shall be quick

    keys_do.provider_list(settings_for(config, ledger__path=ledger), json=json)


def keys_provider_remove(
    name: Annotated[str, Parameter(name="NAME", help="By its id or name.")],
    /,
    *,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Use a key of the provider's no more, from the gateway's next start on."""
    from thriftgate.cli import keys_do  # noqa: PLC0415  --help shall be quick

    keys_do.provider_remove(settings_for(config, ledger__path=ledger), name, json=json)


keys = App(name="keys")
keys.command(keys_create, name="create")
keys.command(keys_list, name="list")
keys.command(keys_show, name="show")
keys.command(keys_rotate, name="rotate")
keys.command(keys_revoke, name="revoke")
keys.command(keys_expire, name="expire")
keys.command(keys_audit, name="audit")
keys.command(keys_reseal, name="reseal")
provider = App(name="provider", help="The provider's own keys, which calls of virtual keys are made with.")
provider.command(keys_provider_add, name="add")
provider.command(keys_provider_list, name="list")
provider.command(keys_provider_remove, name="remove")
keys.command(provider)

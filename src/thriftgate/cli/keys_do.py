"""What the verbs of `thriftgate keys` do, and what they print."""

from __future__ import annotations

import getpass
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import msgspec

from thriftgate.answers.moments import micros_from_text
from thriftgate.cli.output import note, print_json, print_table, say
from thriftgate.cli.tenancy import Desk, at_desk, now_us
from thriftgate.core.control.key_text import check_key_text
from thriftgate.core.deadline import parse_duration
from thriftgate.core.errors import ConfigError, InputError, NotThere
from thriftgate.gateway.admin.documents import Document, told, told_deed
from thriftgate.ledger.issuing import HOST, Issued, KeyDraft
from thriftgate.ledger.master_key import KEY_BYTES, decoded
from thriftgate.ledger.tenants import Deed, Key, Priority, ProviderKey, Role, Scope, Team
from thriftgate.settings import Settings

_SHOWN_ONCE = "this is the only time it is shown; keep it where secrets are kept"


class Asked(NamedTuple):
    """What `create` was told."""

    name: str
    user: str
    team: str
    org: str
    role: Role
    scopes: Sequence[str] | None
    models: Sequence[str] | None
    tasks: Sequence[str] | None
    tags: Sequence[str] | None
    tags_allowed: Sequence[str] | None
    priority: Priority
    expires: str | None


def create(settings: Settings, asked: Asked, *, json: bool) -> None:
    draft = KeyDraft(
        name=asked.name,
        user=asked.user,
        team=asked.team,
        org=asked.org,
        role=asked.role,
        scopes=_scopes(asked.scopes or ()),
        models=tuple(asked.models or ()),
        tasks=tuple(asked.tasks or ()),
        tags=tuple(asked.tags or ()),
        tags_allowed=tuple(asked.tags_allowed or ()),
        priority=asked.priority,
        expires_us=_moment(asked.expires, "--expires") if asked.expires else 0,
    )

    async def work(desk: Desk) -> Issued:
        return await desk.issuer.add_key(draft, await desk.vault())

    _print_issued(at_desk(settings, work, makes=True), json=json)


def show_list(settings: Settings, team: str, *, gone: bool, json: bool) -> None:
    async def work(desk: Desk) -> Sequence[Key]:
        where = {"team": (await desk.issuer.find(Team, team)).id} if team else {}
        found: list[Key] = []
        while page := await desk.tenants.page(Key, after=found[-1].id if found else "", gone=gone, where=where, limit=1000):
            found += page
        return found

    documents = [told(key, now_us()) for key in at_desk(settings, work)]
    if json:
        print_json({"keys": documents})
        return
    print_table(
        ("key", "name", "state", "role", "team", "last used"),
        [[_cell(one[name]) for name in ("id", "name", "state", "role", "team", "last_used")] for one in documents],
        left=6,
    )


def show(settings: Settings, name: str, *, json: bool) -> None:
    text = sys.stdin.readline().strip() if name == "-" else ""
    if name == "-":
        check_key_text(text)

    async def work(desk: Desk) -> tuple[Key, Sequence[Deed]]:
        if text:
            secret = await desk.tenants.secret_of((await desk.vault()).digest(text))
            found = await desk.tenants.get(Key, secret.key) if secret is not None else None
            if found is None:
                raise NotThere("this is a well-formed key, but none of this ledger")
        else:
            found = await desk.tenants.get(Key, name) or await desk.issuer.find(Key, name)
        return found, await desk.tenants.deeds(subject=found.id)

    key, deeds = at_desk(settings, work)
    document: Document = told(key, now_us()) | {"history": [told_deed(one) for one in deeds]}
    if json:
        print_json(document)
        return
    _print_one(told(key, now_us()))
    print_table(("when", "what", "who", ""), [_deed_row(one) for one in deeds], title="\nHistory", left=4)


def rotate(settings: Settings, name: str, overlap: str, *, json: bool) -> None:
    overlap_s = parse_duration(overlap)

    async def work(desk: Desk) -> Issued:
        return await desk.issuer.rotate(await desk.issuer.find(Key, name), await desk.vault(), overlap_s)

    _print_issued(at_desk(settings, work), json=json)


def revoke(settings: Settings, name: str, *, json: bool) -> None:
    async def work(desk: Desk) -> Key:
        return await desk.issuer.revoke(await desk.issuer.find(Key, name))

    _print_key(at_desk(settings, work), json=json)


def expire(settings: Settings, name: str, when: str, *, json: bool) -> None:
    at_us = 0 if when == "never" else _moment(when, "WHEN")

    async def work(desk: Desk) -> Key:
        return await desk.issuer.expire(await desk.issuer.find(Key, name), at_us)

    _print_key(at_desk(settings, work), json=json)


def audit(settings: Settings, limit: int, *, json: bool) -> None:
    async def work(desk: Desk) -> Sequence[Deed]:
        return await desk.tenants.deeds(limit=limit)

    deeds = at_desk(settings, work)
    if json:
        print_json({"audit": [told_deed(one) for one in deeds]})
    else:
        rows = [(*_deed_row(one)[:3], one.subject, one.detail) for one in deeds]
        print_table(("when", "what", "who", "subject", ""), rows, left=5)


def reseal(settings: Settings, new_key_file: Path | None, *, json: bool) -> None:
    """The new key is put down first, then the ledger is resealed as one, then the new key takes the place of the old: killed
    in between, the draft beside the old key is the one that opens the ledger."""
    master = secrets.token_bytes(KEY_BYTES)
    if new_key_file is not None:
        try:
            master = decoded(new_key_file.read_text(encoding="ascii"), str(new_key_file))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read {new_key_file}: {type(error).__name__}") from None

    async def work(desk: Desk) -> tuple[int, str]:
        if desk.place.text and new_key_file is None:
            raise ConfigError("access.master_key: the key is given in words; name a file with the new one (--new-key-file)")
        put = desk.place.stage(master)
        vault = await desk.vault()
        count = await vault.reseal(desk.tenants, master, Deed(desk.now_us(), HOST.who, HOST.via, "reseal", ""))
        return count, put()

    count, where = at_desk(settings, work)
    if json:
        print_json({"provider_keys": count, "master_key_in": where})
    else:
        say(f"sealed anew: the pepper and {count} keys of the provider; the master key is in {where}")
        note("restart the gateway; back up the new master key, and keep the old one for old backups of the ledger")


def provider_add(settings: Settings, name: str, *, json: bool) -> None:
    """From a terminal it is asked for without being shown."""
    secret = getpass.getpass("key of the provider: ") if sys.stdin.isatty() else sys.stdin.readline()

    async def work(desk: Desk) -> ProviderKey:
        return await desk.issuer.add_provider_key(name, settings.upstream.provider, secret, await desk.vault())

    _print_provider_key(at_desk(settings, work, makes=True), json=json)
    note("it is used from the gateway's next start on, unless upstream.api_key is set")


def provider_list(settings: Settings, *, json: bool) -> None:
    async def work(desk: Desk) -> Sequence[ProviderKey]:
        return await desk.tenants.page(ProviderKey, limit=1000)

    found = at_desk(settings, work)
    documents = [told(one, now_us()) for one in found]
    if json:
        print_json({"provider_keys": documents})
    else:
        rows = [[_cell(one[name]) for name in ("id", "name", "provider", "created")] for one in documents]
        print_table(("id", "name", "provider", "created"), rows, left=4)


def provider_remove(settings: Settings, name: str, *, json: bool) -> None:
    async def work(desk: Desk) -> ProviderKey:
        found = await desk.issuer.find(ProviderKey, name)
        await desk.issuer.remove_provider_key(found)
        return found

    _print_provider_key(at_desk(settings, work), json=json)


def _print_issued(issued: Issued, *, json: bool) -> None:
    if json:
        print_json(told(issued.key, now_us()) | {"secret": issued.secret})
        return
    _print_one(told(issued.key, now_us()))
    say(f"\n{issued.secret}\n")
    note(_SHOWN_ONCE)


def _print_key(key: Key, *, json: bool) -> None:
    print_json(told(key, now_us())) if json else _print_one(told(key, now_us()))


def _print_provider_key(key: ProviderKey, *, json: bool) -> None:
    document = told(key, now_us())
    print_json(document) if json else _print_one(document)


def _print_one(document: Document) -> None:
    rows = [(name, _cell(value)) for name, value in document.items() if value not in (None, "", ())]
    print_table(("", ""), rows, left=2)


def _deed_row(deed: Deed) -> tuple[str, str, str, str]:
    document = told_deed(deed)
    return str(document["at"]), deed.action, f"{deed.who} ({deed.via})", deed.detail


def _cell(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else "" if value is None else str(value)


def _scopes(texts: Sequence[str]) -> tuple[Scope, ...]:
    """Raises InputError."""
    try:
        return msgspec.convert(tuple(part.strip() for text in texts for part in text.split(",")), tuple[Scope, ...])
    except msgspec.ValidationError:
        raise InputError(f"--scope: known are {', '.join(get_args(Scope))}") from None


def _moment(text: str, flag: str) -> int:
    """A length of time from now, or a moment."""
    try:
        return now_us() + int(parse_duration(text) * 1e6)
    except InputError:
        return micros_from_text(text, flag)

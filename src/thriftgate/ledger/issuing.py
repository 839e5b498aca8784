"""Make, change and end what may call: the rules that the command line and the administrators' API share.

Who acts is an `Actor`; each verb checks its role, does it, and writes down that it was done. A secret is drawn here, handed
back once and kept as its hash alone.
"""

from __future__ import annotations

import difflib
import secrets
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.control.key_text import PREFIX, RANDOM_BYTES, key_text
from thriftgate.core.control.labels import checked_label, checked_patterns, checked_tags
from thriftgate.core.errors import InputError, NotAllowed, NotThere
from thriftgate.ledger.sealing import Vault
from thriftgate.ledger.tenants import (
    CALLER,
    Deed,
    Key,
    Org,
    Priority,
    ProviderKey,
    Role,
    Scope,
    Secret,
    T,
    Team,
    Tenants,
    Thing,
    User,
)

OVERLAP_S = 24 * 3600.0  # for which an old secret is good after a rotation
SECRET_MAX = 1000  # characters of a provider's key
_PREFIXES: dict[type[Thing], str] = {Org: "org_", Team: "team_", User: "user_", Key: "key_", ProviderKey: "pk_"}
_WORDS: dict[type[Thing], str] = {
    Org: "organisation", Team: "team", User: "user", Key: "key", ProviderKey: "key of the provider",
}  # fmt: skip
_Group = TypeVar("_Group", Org, Team, User)


class Actor(Struct, frozen=True):
    """Who acts, by id, and how they came. `role` is how far they may go, `writes` whether they may change anything."""

    who: str
    via: Literal["cli", "key", "session", "oidc"]
    role: Role
    writes: bool
    team: str = ""
    org: str = ""
    name: str = ""


HOST = Actor("host", "cli", "owner", writes=True)  # whoever can write the ledger's file owns it anyway


class KeyDraft(Struct, frozen=True, forbid_unknown_fields=True):
    """A key to be made. `team`, `user` and `org` by name or id; a user's team and a team's organisation come by themselves.
    A role brings the scope that it needs. Times in microseconds since 1970, 0 for none."""

    name: str
    user: str = ""
    team: str = ""
    org: str = ""
    role: Role = ""
    scopes: tuple[Scope, ...] = ()
    models: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    tags_allowed: tuple[str, ...] = ()
    priority: Priority = ""
    expires_us: int = 0


class Issued(NamedTuple):
    """A key and its secret, which nobody can tell again."""

    key: Key
    secret: str


class Issuer:
    """Acts for one actor. `now_us` tells the time; `vault` is opened when something secret is made."""

    def __init__(self, tenants: Tenants, actor: Actor, now_us: Callable[[], int]) -> None:
        self._tenants = tenants
        self._actor = actor
        self._now_us = now_us

    # --- organisations, teams, users ---------------------------------------------------------------------------------------

    async def add_org(self, name: str) -> Org:
        self._check("admin")
        org = Org(_fresh(Org), checked_label(name, "name"), self._now_us())
        await self._check_free(Org, org.name)
        return await self._added(org)

    async def add_team(self, name: str, org: str = "") -> Team:
        """A team. Without `org` of the only organisation there is; the first one is made with the first team."""
        self._check("admin")
        where = await self.find(Org, org) if org else await self._only_org()
        team = Team(_fresh(Team), checked_label(name, "name"), where.id, self._now_us())
        await self._check_free(Team, team.name)
        return await self._added(team)

    async def add_user(self, name: str, *, email: str = "", role: Role = "", team: str = "", org: str = "") -> User:
        self._check("admin")
        self._check_gives(role)
        user = User(_fresh(User), checked_label(name, "name"), role=role, created_us=self._now_us())
        if email:
            user = replace(user, email=checked_label(email, "email").lower())
        if team:
            found = await self.find(Team, team)
            user = replace(user, team=found.id, org=found.org)
        elif org:
            user = replace(user, org=(await self.find(Org, org)).id)
        if role == "team-admin" and not user.team:
            raise InputError("role: a team-admin must have a team")
        await self._check_free(User, user.name)
        return await self._added(user)

    async def remove(self, thing: _Group) -> _Group:
        """Gone, with all that belongs to it: its keys are revoked."""
        self._check("admin")
        if isinstance(thing, User):
            self._check_gives(thing.role)
        for key in await self._keys_of(thing):
            self._check_reach(key)
        deed = self._deed("remove", thing)
        await self._tenants.remove(thing, deed)
        return replace(thing, gone_us=deed.at_us)

    # --- keys --------------------------------------------------------------------------------------------------------------

    async def add_key(self, draft: KeyDraft, vault: Vault) -> Issued:
        key = await self._drafted(draft)
        self._check_reach(key)
        self._check_gives(key.role)
        secret = key_text(secrets.token_bytes(RANDOM_BYTES))
        made = Secret(vault.digest(secret), key.id, key.created_us)
        await self._tenants.add(key, self._deed("create", key), made)
        return Issued(key, secret)

    async def rotate(self, key: Key, vault: Vault, overlap_s: float = OVERLAP_S) -> Issued:
        """A new secret; the old one is good for `overlap_s` more."""
        self._check_reach(key)
        self._check_alive(key)
        if not 0 <= overlap_s <= 90 * 86_400:
            raise InputError("overlap: must be between 0 and 90 days")
        secret = key_text(secrets.token_bytes(RANDOM_BYTES))
        made = Secret(vault.digest(secret), key.id, self._now_us())
        await self._tenants.rotate(key, made, int(overlap_s * 1e6), self._deed("rotate", key, f"overlap {overlap_s:g} s"))
        return Issued(replace(key, rotated_us=made.made_us), secret)

    async def revoke(self, key: Key) -> Key:
        """No call goes through with it from now on."""
        self._check_reach(key)
        self._check_alive(key)
        deed = self._deed("revoke", key)
        await self._tenants.remove(key, deed)
        return replace(key, gone_us=deed.at_us)

    async def expire(self, key: Key, at_us: int) -> Key:
        """Let it end at that time; 0 for never."""
        self._check_reach(key)
        self._check_alive(key)
        later = replace(key, expires_us=at_us)
        await self._tenants.change(later, self._deed("expire", key, f"at {at_us} µs" if at_us else "never"))
        return later

    # --- keys of the provider ----------------------------------------------------------------------------------------------

    async def add_provider_key(self, name: str, provider: str, secret: str, vault: Vault) -> ProviderKey:
        self._check("admin")
        secret = secret.strip()
        if not secret or len(secret) > SECRET_MAX or not (secret.isascii() and secret.isprintable()) or " " in secret:
            raise InputError(f"the key of the provider must be one word of at most {SECRET_MAX} printable characters")
        if secret.startswith(PREFIX):
            raise InputError(f"this is a key of thriftgate's own ({PREFIX}…); the provider's begins with sk-ant-")
        key = ProviderKey(_fresh(ProviderKey), checked_label(name, "name"), provider, self._now_us())
        await self._check_free(ProviderKey, key.name)
        return await self._added(vault.seal_provider_key(key, secret))

    async def remove_provider_key(self, key: ProviderKey) -> None:
        self._check("admin")
        await self._tenants.remove(key, self._deed("remove", key))

    # --- finding -----------------------------------------------------------------------------------------------------------

    async def find(self, kind: type[T], text: str) -> T:
        """One that is not gone, by id or name. Raises NotThere with the nearest name, InputError where the name is that of
        several."""
        found = [one for one in await self._tenants.named(kind, text[:200]) if self.reaches(one)]
        if len(found) > 1:
            raise InputError(f"several are called {text[:80]!r}: name one by its id, {', '.join(one.id for one in found)}")
        if found:
            return found[0]
        names = [one.name for one in await self._tenants.page(kind, limit=1000) if self.reaches(one)]
        near = difflib.get_close_matches(text[:80], names, n=1)
        raise NotThere(f"there is no {_WORDS[kind]} {text[:80]!r}{f'; did you mean {near[0]!r}?' if near else ''}")

    def reaches(self, thing: Thing) -> bool:
        """Whether the actor may see it at all: a team-admin its own team."""
        actor = self._actor
        if actor.role != "team-admin":
            return True
        if isinstance(thing, Team):
            return thing.id == actor.team
        if isinstance(thing, Key | User):
            return thing.team == actor.team
        return isinstance(thing, Org) and thing.id == actor.org

    # --- rules -------------------------------------------------------------------------------------------------------------

    def _check(self, least: Literal["team-admin", "admin"]) -> None:
        allowed = ("owner", "admin", "team-admin") if least == "team-admin" else ("owner", "admin")
        if not self._actor.writes or self._actor.role not in allowed:
            raise NotAllowed(f"this takes the role {least} and the scope admin")

    def _check_reach(self, key: Key) -> None:
        """Whether the actor may make or change this key."""
        self._check("team-admin")
        if not self.reaches(key):
            raise NotAllowed("a team-admin may change keys of its own team alone")
        if self._actor.role == "team-admin" and key.role:
            raise NotAllowed("a team-admin may not change keys that have a role")
        self._check_gives(key.role)

    def _check_gives(self, role: Role) -> None:
        if role == "owner" and self._actor.role != "owner":
            raise NotAllowed("only an owner may make, change or remove what has the role owner")

    def _check_alive(self, key: Key) -> None:
        if key.gone_us:
            raise InputError(f"{key.id} was revoked; make a new key")

    async def _check_free(self, kind: type[T], name: str) -> None:
        if any(one.name == name for one in await self._tenants.named(kind, name)):
            raise InputError(f"there is a {_WORDS[kind]} {name!r} already; take another name")

    async def _only_org(self) -> Org:
        there = await self._tenants.page(Org, limit=2)
        if len(there) == 2:
            raise InputError("org: there are several organisations; name one")
        return there[0] if there else await self._added(Org(_fresh(Org), "main", self._now_us()))

    async def _keys_of(self, thing: Org | Team | User) -> Sequence[Key]:
        column = {Org: "org", Team: "team", User: "user_id"}[type(thing)]
        return await self._tenants.page(Key, limit=100_000, where={column: thing.id})

    async def _drafted(self, draft: KeyDraft) -> Key:
        user = await self.find(User, draft.user) if draft.user else None
        wanted = draft.team or (user.team if user is not None else "")
        if self._actor.role == "team-admin":
            wanted = wanted or self._actor.team
        team = await self.find(Team, wanted) if wanted else None
        if user is not None and team is not None and user.team not in ("", team.id):
            raise InputError("team: the user is of another team")
        org = team.org if team is not None else user.org if user is not None else ""
        if draft.org:
            named = (await self.find(Org, draft.org)).id
            if org and named != org:
                raise InputError("org: the team is of another organisation")
            org = named
        if draft.role == "team-admin" and team is None:
            raise InputError("role: a team-admin must have a team")
        now_us = self._now_us()
        if draft.expires_us and draft.expires_us <= now_us:
            raise InputError("expires: lies in the past")
        return Key(
            id=_fresh(Key),
            name=checked_label(draft.name, "name"),
            user_id=user.id if user is not None else "",
            team=team.id if team is not None else "",
            org=org,
            role=draft.role,
            scopes=_scopes(draft),
            models=checked_patterns(draft.models, "models"),
            tasks=checked_patterns(draft.tasks, "tasks"),
            tags=checked_tags(draft.tags, "tags"),
            tags_allowed=checked_patterns(draft.tags_allowed, "tags_allowed"),
            priority=draft.priority,
            created_us=now_us,
            expires_us=draft.expires_us,
        )

    async def _added(self, thing: T) -> T:
        await self._tenants.add(thing, self._deed("create", thing))
        return thing

    def _deed(self, action: str, thing: Thing, detail: str = "") -> Deed:
        actor = self._actor
        return Deed(self._now_us(), actor.who, actor.via, action, thing.id, detail or thing.name)


def _scopes(draft: KeyDraft) -> tuple[Scope, ...]:
    """The scopes of a key: of a role those that it needs, and nothing else unless it was named; of a caller's key the usual
    ones."""
    named = draft.scopes or (() if draft.role else CALLER)
    rights = {"admin", "admin:read"} & set(named)
    if not draft.role:
        if rights:
            raise InputError("role: a key with the scope admin or admin:read must have a role")
        return tuple(dict.fromkeys(named))
    only_looks = draft.role == "viewer" or rights == {"admin:read"}
    return tuple(dict.fromkeys((*named, *(("admin:read",) if only_looks else ("admin:read", "admin")))))


def _fresh(kind: type[Thing]) -> str:
    return _PREFIXES[kind] + secrets.token_hex(6)

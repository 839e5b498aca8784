"""Who may call, in words: organisations, their teams and users, virtual keys, the provider's keys, and who changed them.

Nothing of this is deleted: what is `gone_us` (microseconds since 1970, 0 for not) is there no more for calls and
administrators, but the books name it by its id, and here stands what that id was called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, TypeVar

from msgspec import Struct

# call        make calls, at once or deferred      batch   create batches and read their results
# count       count tokens                         models  list models
# read        see reports of its own calls         act-as  name the end user a call is for
# admin:read  see what administrators see          admin   change it, as far as its role goes
Scope = Literal["call", "batch", "count", "models", "read", "act-as", "admin:read", "admin"]
CALLER: tuple[Scope, ...] = ("call", "batch", "count", "models", "read")

# owner  everything    admin  everything but owners    team-admin  keys and budgets of the own team    viewer  only looks
Role = Literal["", "owner", "admin", "team-admin", "viewer"]
Priority = Literal["", "high", "normal", "low"]


class Org(Struct, frozen=True):
    """An organisation."""

    id: str
    name: str
    created_us: int
    gone_us: int = 0


class Team(Struct, frozen=True):
    """A team of an organisation."""

    id: str
    name: str
    org: str
    created_us: int
    gone_us: int = 0


class User(Struct, frozen=True):
    """A person, of a team or of none. `email` is what a login by OIDC is matched with; `role` what it may do then."""

    id: str
    name: str
    org: str = ""
    team: str = ""
    email: str = ""
    role: Role = ""
    created_us: int = 0
    gone_us: int = 0


class Key(Struct, frozen=True):
    """A virtual key, without its secret. `id` is its name in the books. `tags` are put on each of its calls. `models`,
    `tasks` and `tags_allowed` are patterns (`claude-haiku-*`); empty allows all. `gone_us` is when it was revoked,
    `used_us` when it was last seen, to the minute."""

    id: str
    name: str
    user_id: str = ""
    team: str = ""
    org: str = ""
    role: Role = ""
    scopes: tuple[Scope, ...] = CALLER
    models: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    tags_allowed: tuple[str, ...] = ()
    priority: Priority = ""
    created_us: int = 0
    expires_us: int = 0
    rotated_us: int = 0
    gone_us: int = 0
    used_us: int = 0

    def ended(self, now_us: int) -> Literal["", "revoked", "expired"]:
        """Why it is good no longer; "" while it is."""
        if self.gone_us:
            return "revoked"
        return "expired" if self.expires_us and now_us >= self.expires_us else ""


class Secret(Struct, frozen=True):
    """A secret of a key, as its keyed hash; good until `ends_us` (0: as long as its key)."""

    digest: bytes
    key: str
    made_us: int
    ends_us: int = 0


class ProviderKey(Struct, frozen=True):
    """A key of the provider's. `sealed` can be opened with the master key alone."""

    id: str
    name: str
    provider: str
    created_us: int
    gone_us: int = 0
    sealed: bytes = b""


class Deed(Struct, frozen=True):
    """Who did what, when. `via` is how they came: cli, key, session, oidc. Never a secret."""

    at_us: int
    who: str
    via: str
    action: str
    subject: str
    detail: str = ""
    id: int = 0


class Session(Struct, frozen=True):
    """A login to the dashboard: `who` is a key or a user, by its id. What the cookie holds is kept as its hash alone."""

    digest: bytes
    id: str
    who: str
    name: str
    role: Role
    writes: bool
    team: str
    org: str
    created_us: int
    seen_us: int
    ends_us: int


class Changes(Struct, frozen=True):
    """What was changed since a version: keys with all their secrets. `any_key` is whether there ever was one."""

    version: int
    any_key: bool
    keys: Sequence[Key] = ()
    secrets: Sequence[Secret] = ()


Thing = Org | Team | User | Key | ProviderKey
T = TypeVar("T", Org, Team, User, Key, ProviderKey)


class Tenants(Protocol):
    """Where they are kept. All verbs raise LedgerError; each that changes something writes its deed as well, as one."""

    async def version(self) -> int:
        """Goes up with each change, whoever made it."""

    async def changes(self, since: int) -> Changes: ...

    async def add(self, thing: Thing, deed: Deed, secret: Secret | None = None) -> None:
        """A new one, with its secret if it is a key. Raises LedgerError where its id is taken."""

    async def change(self, thing: Thing, deed: Deed) -> None:
        """Write it anew."""

    async def rotate(self, key: Key, secret: Secret, overlap_us: int, deed: Deed) -> None:
        """A new secret; the old ones are good for `overlap_us` more, from `secret.made_us`."""

    async def remove(self, thing: Thing, deed: Deed) -> None:
        """Gone at `deed.at_us`, and with it all that belongs to it: teams, users, keys; their sessions end."""

    async def get(self, kind: type[T], id: str) -> T | None: ...  # noqa: A002  it is one

    async def named(self, kind: type[T], name: str) -> Sequence[T]:
        """Those of that name or id that are not gone."""

    async def page(
        self, kind: type[T], *, after: str = "", limit: int = 100, gone: bool = False, where: Mapping[str, str] = {}
    ) -> Sequence[T]:
        """In order of id, from just behind `after`; with those that are `gone` only if asked for."""

    async def secret_of(self, digest: bytes) -> Secret | None: ...

    async def touch(self, used: Mapping[str, int]) -> None:
        """When keys were last used."""

    async def do(self, deed: Deed) -> None:
        """Write down what changed nothing here."""

    async def deeds(self, *, before: int = 2**62, limit: int = 100, subject: str = "") -> Sequence[Deed]:
        """The latest first, from just before that id."""

    async def sealed(self, name: str) -> bytes | None: ...

    async def seal(self, name: str, fresh: bytes) -> bytes:
        """Keep `fresh` under a name, unless something is kept there; what is."""

    async def reseal(self, sealed: Mapping[str, bytes], keys: Sequence[ProviderKey], deed: Deed) -> None:
        """Write all that is sealed anew, as one."""

    async def add_session(self, session: Session, deed: Deed) -> None: ...

    async def session(self, digest: bytes) -> Session | None: ...

    async def see_session(self, digest: bytes, seen_us: int) -> None: ...

    async def end_sessions(self, *, digest: bytes = b"", who: str = "", before_us: int = 0) -> int:
        """End one, those of somebody, or those whose time was over by then. Returns how many."""

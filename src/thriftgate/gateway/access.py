"""Who calls, and what they may: virtual keys, tags, and the end user that a call is for.

    x-api-key: tg-…   or   authorization: Bearer tg-…
    thriftgate-tags: env=prod, eu        what the call is counted under, beside its key's own tags
    thriftgate-user: u-4711              the end user it is for; takes the scope act-as

A virtual key never leaves for the provider: the call goes on without it, and with the gateway's own key.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.control.key_text import PREFIX
from thriftgate.core.control.labels import checked_label, checked_tags, fits, tags_of
from thriftgate.core.control.whose import NOBODY, Whose
from thriftgate.core.errors import ConfigError, LedgerError, NotAllowed, ThriftgateError, Unauthenticated
from thriftgate.engine.call import Call
from thriftgate.engine.engine import Engine
from thriftgate.engine.vaults import master_key_of, tenants_of
from thriftgate.gateway.asgi import Scope as Request
from thriftgate.gateway.credentials import credential_of, virtual_key_of
from thriftgate.gateway.roster import Roster
from thriftgate.gateway.throttle import Throttle
from thriftgate.ledger.sealing import Vault, open_vault
from thriftgate.ledger.tenants import Key, Scope, Tenants
from thriftgate.logs import log
from thriftgate.providers.transport import Headers, header
from thriftgate.settings import Settings

# Headers that say who calls: none of them is for the provider.
_CREDENTIALS = frozenset({b"x-api-key", b"authorization", b"cookie"})
_WRONG = (
    f"this gateway wants one of its own keys ({PREFIX}…) in x-api-key or authorization: Bearer; what was sent is none, or "
    "has expired, or was revoked. Whoever runs the gateway makes one with `thriftgate keys create`"
)


class NoProviderKey(ThriftgateError):
    """A virtual key is good, but there is no key of the provider's to make its calls with."""

    status_hint = 503
    label = "no_provider_key"


class Slowed(ThriftgateError):
    """Too many wrong keys or logins came from there."""

    status_hint = 429
    error_type = "rate_limit_error"
    label = "slowed"

    @classmethod
    def after(cls, wait_s: float) -> Slowed:
        """The error that tells how long to wait."""
        error = cls(f"too many wrong keys or failed logins from this address; wait {max(1, round(wait_s))} s")
        error.retry_after_s = wait_s
        return error


class Caller(Struct, frozen=True):
    """Whose call it is. `key` is None where no virtual key was shown, in which case the call goes on as it came."""

    key: Key | None
    whose: Whose = NOBODY


class Access:
    """One per gateway. Knows the keys, and whether one is needed."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.tenants: Tenants = tenants_of(engine.ledger)
        self.throttle = Throttle()
        self._engine = engine
        self._mode = settings.access.mode
        self._place = master_key_of(settings)
        self._vault: Vault | None = None
        self.roster = Roster(self.tenants, self.vault, engine.clock, recheck_s=settings.access.recheck_s)

    async def vault(self) -> Vault:
        """The vault, opened when it is first needed. Raises ConfigError, LedgerError."""
        if self._vault is None:
            self._vault = await open_vault(self.tenants, self._place)
        return self._vault

    async def start(self, host: str) -> None:
        """Know the keys before the first call comes. Raises ConfigError where whoever reaches `host` could call, and nobody
        has said that this is meant; LedgerError."""
        await self.roster.refresh()
        if not self.needs_key and self._mode != "open" and not is_loopback(host):
            raise ConfigError(
                f"server.host: {host} can be reached from elsewhere and there is no virtual key yet, so anybody could call; "
                'make one with `thriftgate keys create NAME`, or say access.mode = "open"'
            )

    async def close(self) -> None:
        """Write down what is left."""
        try:
            await self.roster.flush()
        except LedgerError as error:
            log.warning("use of keys not written down", error=str(error))

    @property
    def needs_key(self) -> bool:
        """Whether a call without a virtual key is turned away."""
        return self._mode == "required" or (self._mode == "auto" and self.roster.any_key)

    async def caller(self, scope: Request, may: Scope, *, must: bool = False) -> Caller:
        """Who calls; with `must` a virtual key is needed whatever the mode. Raises Unauthenticated, NotAllowed without the
        scope `may`, InputError for headers that cannot be read, LedgerError where the keys cannot be."""
        if self.roster.is_due:
            await self.roster.refresh()
        headers: Headers = scope["headers"]
        text = virtual_key_of(headers)
        if not text:
            if not self.needs_key and not must:
                return Caller(None, _named(headers))
            text = credential_of(headers)  # searched for like any other: no answer comes sooner
        key = self.roster.find(text)
        if key is None:
            self._refuse(scope)
            raise AssertionError
        if self.roster.owes:
            self._engine.tasks.spawn(self.close())
        if may not in key.scopes:
            raise NotAllowed(f"{key.id} lacks the scope {may}; it has {', '.join(key.scopes)}")
        return Caller(key, _whose(key, headers))

    def _refuse(self, scope: Request) -> None:
        """Turn away; the answer tells nothing of what was wrong."""
        address, now_s = address_of(scope), self._engine.clock.monotonic_s()
        wait_s = self.throttle.wait_s(address, now_s)
        self.throttle.failed(address, now_s)
        if wait_s:  # no line of the log for each: whoever floods us must not fill a disk
            raise Slowed.after(wait_s)
        log.warning("key refused", address=address)  # not the path: clients write secrets into those, too
        raise Unauthenticated(_WRONG)

    def admitted(self, call: Call, caller: Caller) -> Call:
        """The call in its caller's name, without the key that it was made with. Raises NoProviderKey."""
        key = caller.key
        if key is None:
            return replace(call, whose=caller.whose)
        if not self._engine.own_key:
            raise NoProviderKey(
                "this gateway has no key of the provider's to make calls of virtual keys with; whoever runs it sets "
                "upstream.api_key, or stores one with `thriftgate keys provider add NAME`"
            )
        headers = tuple(one for one in call.headers if one[0] not in _CREDENTIALS)
        if key.priority and not header(headers, b"thriftgate-priority"):
            headers = (*headers, (b"thriftgate-priority", key.priority.encode()))
        return replace(call, headers=headers, credential="", key=key.id, whose=caller.whose)

    def check_models(self, key_id: str, models: Callable[[], Iterable[str]]) -> None:
        """Raises NotAllowed where a key may not ask for one of these models; they are asked for only if it matters."""
        key = self.roster.key(key_id) if key_id else None
        if key is None or not key.models:
            return
        for model in models():
            if not fits(key.models, model):
                raise NotAllowed(f"{key.id} may not ask for the model {model[:100]!r}; it may for {', '.join(key.models)}")


def address_of(scope: Request) -> str:
    """Where a request comes from, as far as the connection tells: what headers say of it anybody can write."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches that address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _named(headers: Headers) -> Whose:
    """What a call without a key says of itself."""
    tags, user = header(headers, b"thriftgate-tags"), header(headers, b"thriftgate-user")
    if not tags and not user:
        return NOBODY
    return Whose(user_id=_user(user), tags=tags_of(tags, "header thriftgate-tags"))


def _whose(key: Key, headers: Headers) -> Whose:
    """Who the call is for, by its key and its headers."""
    user_id, tags = key.user_id, key.tags
    task = ""
    for name, value in headers:
        if not name.startswith(b"thriftgate-"):
            continue
        if name == b"thriftgate-tags":
            told = tags_of(value.decode("latin-1"), "header thriftgate-tags")
            for tag in told:
                if not fits(key.tags_allowed, tag):
                    raise NotAllowed(f"{key.id} may not use the tag {tag!r}; it may {', '.join(key.tags_allowed)}")
            tags = checked_tags((*tags, *told), "header thriftgate-tags")
        elif name == b"thriftgate-user":
            if "act-as" not in key.scopes:
                raise NotAllowed(f"header thriftgate-user: {key.id} lacks the scope act-as")
            user_id = _user(value.decode("latin-1"))
        elif name == b"thriftgate-task":
            task = value.decode("latin-1").strip()
    if key.tasks and not fits(key.tasks, task):
        raise NotAllowed(f"{key.id} may not call for the task {task[:100]!r}; it may for {', '.join(key.tasks)}")
    return Whose(user_id, key.team, key.org, tags)


def _user(text: str) -> str:
    return checked_label(text, "header thriftgate-user") if text else ""

"""The official SDK's clients with thriftgate in them: the same methods, the same types, the same errors.

    client = Client()                              # takes every argument of anthropic.Anthropic
    client = wrap(anthropic.Anthropic(...))        # a client that is there already

The client's `base_url` is the upstream, and its key pays: what `[upstream]` says of both is the gateway's, unless there are
`[[targets]]`. Everything else is as the settings say. Nothing runs beside the program: see `engine_thread.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, overload

import anthropic
import httpx2

from thriftgate.answers.explanation import explain_document
from thriftgate.client.carrier import AsyncCarrier, Carrier, SyncCarrier
from thriftgate.client.costs import Cost, id_of
from thriftgate.client.engine_thread import EngineThread
from thriftgate.core.errors import ConfigError, NotThere
from thriftgate.settings import Settings, load

_CREDENTIALS = ("api_key", "auth_token", "credentials", "config", "profile")
Told = str | Path | Settings | None
Options = dict[str, Any]


class _SyncHttp(httpx2.Client):
    def __init__(self, carrier: Carrier, inner: httpx2.Client) -> None:
        self.carrier = carrier
        super().__init__(
            transport=SyncCarrier(carrier, inner),
            timeout=inner.timeout,
            follow_redirects=inner.follow_redirects,
            trust_env=False,
        )


class _AsyncHttp(httpx2.AsyncClient):
    def __init__(self, carrier: Carrier, inner: httpx2.AsyncClient) -> None:
        self.carrier = carrier
        super().__init__(
            transport=AsyncCarrier(carrier, inner),
            timeout=inner.timeout,
            follow_redirects=inner.follow_redirects,
            trust_env=False,
        )


class Client(anthropic.Anthropic):
    """`anthropic.Anthropic`, whose calls are planned and booked. `settings` are thriftgate's: a TOML file, else the one that
    THRIFTGATE_CONFIG names; `ledger` is the file of the books, and `overrides` are single settings such as
    {"policy.levers": ["cache.breakpoints"]}. `http_client` carries what is not planned. Raises ConfigError."""

    def __init__(
        self,
        *,
        settings: Told = None,
        ledger: str | Path | None = None,
        overrides: Mapping[str, object] | None = None,
        http_client: httpx2.Client | None = None,
        **options: Any,
    ) -> None:
        plain = anthropic.Anthropic(http_client=http_client, **options)
        if not isinstance(http_client, _SyncHttp):  # else this is a copy of a client like it
            http_client = _SyncHttp(Carrier(_loaded(settings, ledger, overrides)), plain._client)  # noqa: SLF001  as SDK's copies do
        super().__init__(http_client=http_client, **_with_credentials(plain, options))
        http_client.carrier.knows(_key_of(self))

    @property
    def user_agent(self) -> str:
        """The SDK's own, which would name this class."""
        return super().user_agent.replace(Client.__name__, anthropic.Anthropic.__name__, 1)

    def copy(self, **changes: Any) -> Client:
        """As the SDK's."""
        return super().copy(**_with_own(self, changes))

    with_options = copy

    def cost_of(self, message: object) -> Cost:
        """What a call has cost and saved, by what came of it: what `create` returned, the final message of a stream, a
        result of a batch. Raises NotThere where it is not among the latest of this process."""
        return _cost(_carrier_of(self), message)

    def explain(self, request_id: str) -> dict[str, Any]:
        """All that the books say of a call, as `thriftgate explain ID --json` prints it. Raises NotThere, LedgerError."""
        for thread in _carrier_of(self).threads():
            found = thread.ask(_explained(thread, request_id)).result()
            if found is not None:
                return found
        raise _no_call(request_id)


class AsyncClient(anthropic.AsyncAnthropic):
    """`anthropic.AsyncAnthropic` likewise, in whatever asyncio loop it is used. See `Client`."""

    def __init__(
        self,
        *,
        settings: Told = None,
        ledger: str | Path | None = None,
        overrides: Mapping[str, object] | None = None,
        http_client: httpx2.AsyncClient | None = None,
        **options: Any,
    ) -> None:
        plain = anthropic.AsyncAnthropic(http_client=http_client, **options)
        if not isinstance(http_client, _AsyncHttp):  # else this is a copy of a client like it
            http_client = _AsyncHttp(Carrier(_loaded(settings, ledger, overrides)), plain._client)  # noqa: SLF001  as SDK's copies do
        super().__init__(http_client=http_client, **_with_credentials(plain, options))
        http_client.carrier.knows(_key_of(self))

    @property
    def user_agent(self) -> str:
        """The SDK's own, which would name this class."""
        return super().user_agent.replace(AsyncClient.__name__, anthropic.AsyncAnthropic.__name__, 1)

    def copy(self, **changes: Any) -> AsyncClient:
        """As the SDK's."""
        return super().copy(**_with_own(self, changes))

    with_options = copy

    def cost_of(self, message: object) -> Cost:
        """See `Client.cost_of`."""
        return _cost(_carrier_of(self), message)

    async def explain(self, request_id: str) -> dict[str, Any]:
        """See `Client.explain`."""
        for thread in _carrier_of(self).threads():
            found = await asyncio.wrap_future(thread.ask(_explained(thread, request_id)))
            if found is not None:
                return found
        raise _no_call(request_id)


@overload
def wrap(
    client: anthropic.Anthropic,
    *,
    settings: Told = None,
    ledger: str | Path | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Client: ...
@overload
def wrap(
    client: anthropic.AsyncAnthropic,
    *,
    settings: Told = None,
    ledger: str | Path | None = None,
    overrides: Mapping[str, object] | None = None,
) -> AsyncClient: ...
def wrap(
    client: anthropic.Anthropic | anthropic.AsyncAnthropic,
    *,
    settings: Told = None,
    ledger: str | Path | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Client | AsyncClient:
    """The same client with thriftgate in it; the one that was handed in stays as it is. Raises ConfigError, also for one
    of another kind."""
    if type(client) not in (anthropic.Anthropic, anthropic.AsyncAnthropic):
        raise ConfigError(_not_wrapped(client))
    carrier = Carrier(_loaded(settings, ledger, overrides))
    made: Any
    if isinstance(client, anthropic.Anthropic):
        made = client.with_options(http_client=_SyncHttp(carrier, client._client))  # noqa: SLF001  the SDK's own copies do so
        made.__class__ = Client  # credentials that are looked up are only so for the SDK's own class: it is made as that
    else:
        made = client.with_options(http_client=_AsyncHttp(carrier, client._client))  # noqa: SLF001  likewise
        made.__class__ = AsyncClient
    carrier.knows(_key_of(made))
    assert isinstance(made, Client | AsyncClient)
    return made


def _not_wrapped(client: object) -> str:
    name = type(client).__name__
    if isinstance(client, Client | AsyncClient):
        return f"wrap: this {name} has thriftgate in it already"
    if type(client).__module__.startswith("anthropic."):
        return (
            f"wrap: {name} signs its calls for another provider, so thriftgate cannot plan them; name that provider under "
            "[[targets]] in the settings, and use thriftgate.Client() or AsyncClient() instead"
        )
    return f"wrap: a {name} is neither an anthropic.Anthropic nor an anthropic.AsyncAnthropic"


def _loaded(settings: Told, ledger: str | Path | None, overrides: Mapping[str, object] | None) -> Settings:
    flags = {**(overrides or {}), **({"ledger.path": str(ledger)} if ledger is not None else {})}
    if not isinstance(settings, Settings):
        return load(settings, flags=flags)
    if flags:
        raise ConfigError("settings that are parsed already stand as they are; name a file, or say everything in overrides")
    return settings


def _with_credentials(plain: anthropic.Anthropic | anthropic.AsyncAnthropic, options: Options) -> Options:
    """The arguments, with credentials that the SDK looks up for no class but its own: of a profile, or of a workload."""
    if plain.credentials is None or any(options.get(name) is not None for name in _CREDENTIALS):
        return options
    headers = {**plain._credential_headers, **(options.get("default_headers") or {})}  # noqa: SLF001  there is no other way
    return {**options, "credentials": plain.credentials, "base_url": plain.base_url, "default_headers": headers}


def _with_own(client: Client | AsyncClient, changes: dict[str, Any]) -> dict[str, Any]:
    """What a copy is to have otherwise, and the credentials that it is to have alike: the SDK hands them on for no class but
    its own."""
    if client.credentials is None or any(changes.get(name) is not None for name in _CREDENTIALS):
        return changes
    return {**changes, "credentials": client.credentials}


def _key_of(client: Client | AsyncClient) -> str:
    """The key that lasts; "" where there is none."""
    return client.api_key or client.auth_token or ""


def _carrier_of(client: Client | AsyncClient) -> Carrier:
    http = client._client  # noqa: SLF001  there is no other way
    assert isinstance(http, _SyncHttp | _AsyncHttp)
    return http.carrier


def _cost(carrier: Carrier, message: object) -> Cost:
    message_id = id_of(message)
    for thread in carrier.threads():
        found = thread.costs.of(message_id)
        if found is not None:
            return found
    raise NotThere(
        f"cost_of: {message_id[:80]} is not among the latest calls of this client; `thriftgate report` and `thriftgate "
        "explain` read all of them from the ledger"
    )


async def _explained(thread: EngineThread, request_id: str) -> dict[str, Any] | None:
    entry = await thread.engine.ledger.entry(request_id)
    return explain_document(entry, thread.engine.knowledge.book) if entry is not None else None


def _no_call(request_id: str) -> NotThere:
    return NotThere(f"explain: there is no call {request_id[:80]!r} in the books of this client")

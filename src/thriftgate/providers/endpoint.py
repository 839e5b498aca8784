"""Where a provider is reached, and as whom: what a `[[targets]]` row says of it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class Endpoint(Struct, frozen=True):
    """One address of a provider with its credentials; each provider says which fields it needs.

    `url` is an origin, with or without a path prefix; "" is the provider's own. `key` is an API key or a bearer token; the
    other credentials are AWS's, Google's (`credentials` is the JSON of a service account's key, or the path of a file
    with it, `profile` a name in AWS's shared files) and Azure's (an application of the Entra `tenant`, whose tokens come
    from `authority`). `models` are ids at the provider by the names that callers use.
    Never printed: it holds secrets.
    """

    url: str = ""
    key: str = ""
    region: str = ""
    project: str = ""
    workspace: str = ""
    profile: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""
    session_token: str = ""
    credentials: str = ""
    tenant: str = ""
    client_id: str = ""
    client_secret: str = ""
    authority: str = ""
    models: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return f"Endpoint({self.url!r})"

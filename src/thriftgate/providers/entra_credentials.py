"""Access tokens for Azure from Microsoft Entra ID: an application's id and secret for a token that lives about an hour.

learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow (2026-08); the scope is that of Foundry
(anthropic-sdk-python 2.12 lib/foundry.md).
"""

from __future__ import annotations

import re

from thriftgate.clock import Clock
from thriftgate.core.errors import ConfigError
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.token_exchange import checked_token_url, exchange
from thriftgate.providers.token_keeper import Token
from thriftgate.providers.transport import Timeouts, Transport

AUTHORITY = "https://login.microsoftonline.com"
SCOPE = "https://ai.azure.com/.default"
_TENANT = re.compile(r"[A-Za-z0-9.-]{1,253}")


class EntraSource:
    """Tokens of an application. Raises ConfigError where the endpoint does not name it whole."""

    def __init__(self, endpoint: Endpoint) -> None:
        for name in ("tenant", "client_id", "client_secret"):
            if not getattr(endpoint, name):
                raise ConfigError(f"{name}: name it, beside the others of tenant, client_id and client_secret; or set key")
        if not _TENANT.fullmatch(endpoint.tenant):
            raise ConfigError("tenant: is the id or the domain of an Entra tenant")
        authority = checked_token_url(endpoint.authority or AUTHORITY, "authority")
        self._url = f"{authority}/{endpoint.tenant}/oauth2/v2.0/token"
        self._form = {
            "grant_type": "client_credentials",
            "client_id": endpoint.client_id,
            "client_secret": endpoint.client_secret,
            "scope": SCOPE,
        }

    async def fetch(self, transport: Transport, timeouts: Timeouts, clock: Clock) -> Token:
        """See `TokenSource`."""
        return await exchange(self._url, self._form, transport, timeouts, clock)

"""The Claude API itself, and anything that speaks its wire format (platform.claude.com/docs/en/api/overview, 2026-08)."""

from __future__ import annotations

from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.envelope import CREDENTIALS, checked_key, checked_origin, passed_on, renamed
from thriftgate.providers.provider import Traits
from thriftgate.providers.transport import FileBody, Headers, Outgoing

DEFAULT_URL = "https://api.anthropic.com"


class Anthropic:
    """With a key the client's own credentials are replaced; without one they pass through. Raises ConfigError for what is
    no http(s) URL."""

    name = "anthropic"
    count_path = "/v1/messages/count_tokens"
    place = ""
    traits = Traits(
        "platform.claude.com/docs/en/api/overview, 2026-08",
        batches=True,
        fast=True,
        geo=True,
    )

    def __init__(self, endpoint: Endpoint) -> None:
        self.url = checked_origin(endpoint.url or DEFAULT_URL)
        key = checked_key(endpoint.key)
        self._models = endpoint.models
        self._credentials: Headers = ((b"x-api-key", key),) if key else ()

    def model_id(self, model: str) -> str:
        """Any name passes: the API says which it does not know."""
        return self._models.get(model, model)

    def prepare(self, method: str, path: str, query: str, headers: Headers, body: bytes | FileBody) -> Outgoing:
        """Answers are asked for uncompressed: the meter reads them, and a stream gains little from compression."""
        dropped = CREDENTIALS if self._credentials else frozenset[bytes]()
        return Outgoing(
            method=method,
            url=f"{self.url}{path}{'?' + query if query else ''}",
            headers=(*passed_on(headers, dropped), *self._credentials),
            body=renamed(body, self._models) if self._models else body,
        )

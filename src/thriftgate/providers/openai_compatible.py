"""Servers that speak OpenAI's chat completions: DeepSeek, OpenRouter, LiteLLM, vLLM and others, each with its row in
`wire/openai_out/servers.py`. They serve what their target's `models` name: Claude, or models of others."""

from __future__ import annotations

from urllib.parse import urlsplit

from msgspec import Struct

from thriftgate.clock import Clock
from thriftgate.core.errors import ConfigError
from thriftgate.core.request import Request
from thriftgate.providers.chat_incoming import answered
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.envelope import CREDENTIALS, checked_key, checked_origin, passed_on
from thriftgate.providers.provider import Provider, Traits
from thriftgate.providers.transport import FileBody, Headers, Incoming, Outgoing, Timeouts, Transport
from thriftgate.wire.openai_out.losses import NEEDLESS_BETAS, loss
from thriftgate.wire.openai_out.request import Asked, chat_request
from thriftgate.wire.openai_out.servers import SERVERS, Server

MESSAGES = "/v1/messages"
_KEPT = frozenset({b"traceparent", b"tracestate", b"accept-encoding", b"user-agent"})


class Translated(Struct, frozen=True):
    """Has the answer told as a Messages answer (`transport.Finish`)."""

    asked: Asked

    async def send(self, outgoing: Outgoing, timeouts: Timeouts, transport: Transport, _clock: Clock) -> Incoming:
        return await answered(await transport.send(outgoing, timeouts), self.asked)


class OpenAICompatible:
    """One of these servers at one address. The client's credentials and headers are for Claude, and stay here. Raises
    ConfigError for what is no http(s) URL, and where there is none."""

    server: Server = SERVERS[0]
    name = SERVERS[0].name
    count_path = ""
    place = ""
    traits = Traits("")

    def __init__(self, endpoint: Endpoint) -> None:
        if not (endpoint.url or self.server.url):
            raise ConfigError("upstream.url: every such server has its own; write the base that OpenAI's SDK is given")
        self.url = checked_origin(endpoint.url or self.server.url)
        key = checked_key(endpoint.key)
        named = self.server.key_header.encode()
        self._credentials: Headers = ((named, b"Bearer " + key if named == b"authorization" else key),) if key else ()
        self._base = self.url if urlsplit(self.url).path else f"{self.url}/v1"
        self._models = endpoint.models
        self._passed = _KEPT | {one.encode() for one in self.server.passed}

    def model_id(self, model: str) -> str:
        """What the target's `models` say, and nothing else."""
        return self._models.get(model, "")

    def objection(self, request: Request) -> str:
        """What of the call cannot be told this server."""
        return loss(request.body, self.server)

    def prepare(self, method: str, path: str, query: str, headers: Headers, body: bytes | FileBody) -> Outgoing:
        """A Messages call as a chat call; anything else as it is. Raises InputError for a body that cannot be read."""
        kept = tuple(one for one in passed_on(headers, CREDENTIALS) if one[0] in self._passed)
        sent = (*kept, (b"content-type", b"application/json"), *self._credentials)
        if path != MESSAGES or isinstance(body, FileBody) or not body:
            tail = path.removeprefix("/v1") + (f"?{query}" if query else "")
            return Outgoing(method, f"{self._base}{tail}", sent, body)
        chat, asked = chat_request(body, self.server, self._models)
        return Outgoing(method, f"{self._base}/chat/completions", sent, chat, Translated(asked))


def spoken_by(server: Server) -> type[Provider]:
    """The provider that a row of the table is."""
    traits = Traits(
        server.source,
        claude=False,
        marks=server.marks,
        automatic=server.caches and not server.marks,
        ttls=("5m", "1h") if server.marks else (),
        counts=False,
        betas=False,
        betas_needless=NEEDLESS_BETAS,
    )
    return type(server.name, (OpenAICompatible,), {"server": server, "name": server.name, "traits": traits})

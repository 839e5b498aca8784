"""Which API a client takes this for, by what it sends: both have `/v1/models`, and errors of their own shape."""

from __future__ import annotations

from thriftgate.gateway.asgi import Scope
from thriftgate.providers.transport import Headers
from thriftgate.wire import DIALECTS
from thriftgate.wire.dialect import Dialect
from thriftgate.wire.openai.chat import OpenaiChat

_ONLY_OPENAI = ("/v1/chat/", "/v1/responses")
_ANTHROPICS = frozenset({b"anthropic-version", b"x-api-key"})


def dialect_named(name: str) -> Dialect:
    """The dialect of that name; the planner's own where there is none."""
    return next((dialect for dialect in DIALECTS if dialect.name == name), DIALECTS[0])


def speaks_openai(headers: Headers) -> bool:
    """Whether a client is one of OpenAI's: those of Anthropic name the version of their API."""
    names = {name for name, _ in headers}
    return b"authorization" in names and names.isdisjoint(_ANTHROPICS)


def face_of(scope: Scope) -> Dialect:
    """In whose shape an error is told."""
    path: str = scope["path"]
    shared = path.startswith("/v1/") and not path.startswith("/v1/messages")
    openai = path.startswith(_ONLY_OPENAI) or (shared and speaks_openai(tuple(scope["headers"])))
    return dialect_named(OpenaiChat.name) if openai else DIALECTS[0]

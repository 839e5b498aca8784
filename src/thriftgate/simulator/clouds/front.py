"""What the fronts of clouds have in common: errors of their own, tokens that end, requests made anew for what is behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from thriftgate.simulator import http
from thriftgate.simulator.draws import digest
from thriftgate.simulator.errors import ApiError
from thriftgate.simulator.http import Request

if TYPE_CHECKING:
    from thriftgate.simulator.delivery import Delivery

TOKEN_BYTES_MAX = 100_000


class FrontError(Exception):
    """An answer that the cloud gives itself, in its own shape."""

    def __init__(self, status: int, document: object, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.document = document
        self.headers = dict(headers or {})

    async def send(self, delivery: Delivery) -> None:
        """As JSON."""
        body = msgspec.json.encode(self.document)
        headers = {"content-type": "application/json; charset=UTF-8", "x-thriftgate-simulator": "1", **self.headers}
        await http.whole(delivery.send, self.status, headers, body)


@dataclass(slots=True)
class Tokens:
    """Access tokens that were given out: whose each is, and until when it holds (Unix seconds)."""

    prefix: str
    lifetime_s: int = 3_599
    issued: int = 0
    fails: int = 0
    """so many requests for tokens are answered 503 from now on"""
    _known: dict[str, tuple[str, float]] = field(default_factory=dict)

    def give(self, owner: str, now: float) -> str:
        """A new one."""
        self.issued += 1
        token = f"{self.prefix}{digest('token', owner, self.issued, size=18).hex()}"
        self._known[token] = (owner, now + self.lifetime_s)
        return token

    def owner(self, headers: Mapping[str, str], now: float) -> str | None:
        """Whose token a request carries; "" for one that has ended, None for none that is known."""
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or token.strip() not in self._known:
            return None
        owner, until = self._known[token.strip()]
        return owner if now < until else ""

    def revoke(self) -> None:
        """From now on no token is known that was given out."""
        self._known.clear()

    def check(self) -> None:
        """Raises the 503 that was asked for."""
        if self.fails > 0:
            self.fails -= 1
            raise FrontError(503, {"error": "temporarily_unavailable", "error_description": "simulated outage"})


async def form_of(request: Request) -> dict[str, str]:
    """The members of a form."""
    raw = await request.body(TOKEN_BYTES_MAX)
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise FrontError(400, {"error": "invalid_request", "error_description": "a form is expected"})
    return dict(parse_qsl(raw.decode("ascii", "replace")))


def made_anew(request: Request, path: str, headers: Mapping[str, str], document: Any = None) -> Request:
    """The request as it is for what is behind the front; with `document` in the place of a body that was read."""
    if document is None:
        return replace(request, path=path, headers=dict(headers))
    waiting = [{"type": "http.request", "body": msgspec.json.encode(document), "more_body": False}]

    async def receive() -> http.Message:
        return waiting.pop() if waiting else await request.receive()

    return replace(request, path=path, headers=dict(headers), receive=receive)


def without_limits(delivery: Delivery, extra: Mapping[str, str]) -> None:
    """Clouds tell nothing of rate limits in headers; some name the request by a header of their own."""
    send = delivery.send

    async def filtered(message: http.Message) -> None:
        if message["type"] == "http.response.start":
            kept = [one for one in message["headers"] if not one[0].startswith((b"anthropic-ratelimit", b"anthropic-org"))]
            own = [(name.encode(), value.encode()) for name, value in extra.items()]
            message = {**message, "headers": [*kept, *own]}
        await send(message)

    delivery.send = filtered


def is_front_matter(problem: ApiError) -> bool:
    """Whether the cloud's own front would have said it: limits, and that there is no such model."""
    return problem.kind in {"rate_limit_error", "not_found_error"}

"""What the dashboard answers with: pages, JSON, redirects and files, each with the headers that keep a browser strict."""

from __future__ import annotations

import msgspec

from thriftgate.gateway.asgi import Send, send_whole
from thriftgate.providers.transport import Headers

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
"""Nothing from elsewhere, no script or style within a page (w3.org/TR/CSP3, 2026-10)."""

STRICT: Headers = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"cache-control", b"no-store"),
)

HTML = (b"content-type", b"text/html; charset=utf-8")
JSON = (b"content-type", b"application/json")


async def send_page(send: Send, status: int, html: str, headers: Headers = ()) -> None:
    """A page, which nobody keeps."""
    await send_whole(send, status, (HTML, *STRICT, *headers), html.encode())


async def send_document(send: Send, status: int, document: object) -> None:
    """A document of the JSON API."""
    await send_whole(send, status, (JSON, *STRICT), msgspec.json.encode(document))


async def redirect(send: Send, to: str, headers: Headers = ()) -> None:
    """See another page; what was sent with a form is not sent again."""
    await send_whole(send, 303, ((b"location", to.encode("latin-1")), *STRICT, *headers), b"")

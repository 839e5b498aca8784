"""Cost and usage reports of some days, fetched from the Admin API page by page.

GET /v1/organizations/cost_report and /v1/organizations/usage_report/messages with an admin key
(platform.claude.com/docs/en/manage-claude/usage-cost-api, 2026-08). The key goes into one header and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct

from thriftgate.clock import Clock
from thriftgate.core.errors import BrokenReply, ConfigError, UpstreamError
from thriftgate.providers.transport import Headers, Outgoing, Timeouts, Transport, header

API_VERSION = b"2023-06-01"
SPEED_BETA = b"fast-mode-2026-02-01"  # without it, the usage report does not group by speed
COST_PATH = "/v1/organizations/cost_report"
USAGE_PATH = "/v1/organizations/usage_report/messages"
DAYS_PER_PAGE = 31
PAGES_MAX = 2_000
TRIES_MAX = 6
WAIT_MAX_S = 60.0
_TIMEOUTS = Timeouts(10.0, 60.0)
_COST_GROUPS = ("workspace_id", "description")
_USAGE_GROUPS = ("model", "workspace_id", "service_tier", "inference_geo", "context_window", "speed")


class AdminApi(NamedTuple):
    """Where to ask, and with which key."""

    url: str
    key: str

    def __repr__(self) -> str:
        return f"AdminApi({self.url!r}, key not shown)"


class Pulled(NamedTuple):
    """Pages of JSON, one a line, as importers read them."""

    cost: bytes
    usage: bytes


class _Page(Struct):
    data: list[msgspec.Raw]
    has_more: bool = False
    next_page: str | None = None


class _Said(Struct):
    message: str = ""


class _Error(Struct):
    error: _Said


async def pull(api: AdminApi, since: str, until: str, transport: Transport, clock: Clock) -> Pulled:
    """Both reports from the day `since` to the day before `until` (as 2026-11-30, UTC).

    Raises ConfigError for a missing or refused key and for an address that would show it to the network; UpstreamError
    where the API gives no usable answer, even when asked again.
    """
    _check(api)
    span = [("starting_at", f"{since}T00:00:00Z"), ("ending_at", f"{until}T00:00:00Z"), ("bucket_width", "1d")]
    cost = await _pages(api, COST_PATH, [*span, *_grouped(_COST_GROUPS)], transport, clock)
    usage = await _pages(api, USAGE_PATH, [*span, *_grouped(_USAGE_GROUPS)], transport, clock)
    return Pulled(b"\n".join(cost), b"\n".join(usage))


def _check(api: AdminApi) -> None:
    if not api.key:
        raise ConfigError("no admin key: set THRIFTGATE_ADMIN_KEY (sk-ant-admin…, from the Console's organization settings)")
    found = urlsplit(api.url)
    if found.scheme not in ("http", "https") or not found.hostname:
        raise ConfigError(f"--admin-url {api.url}: write it like https://api.anthropic.com")
    if found.scheme == "http" and not _is_loopback(found.hostname):
        raise ConfigError(f"--admin-url {api.url}: an admin key is sent over https only, or to this machine")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _grouped(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        yield "group_by[]", name


async def _pages(api: AdminApi, path: str, query: list[tuple[str, str]], transport: Transport, clock: Clock) -> list[bytes]:
    """All pages of a report."""
    query = [*query, ("limit", str(DAYS_PER_PAGE))]
    found: list[bytes] = []
    seen: set[str] = set()
    token = ""
    while len(found) < PAGES_MAX:
        asked = [*query, ("page", token)] if token else query
        body = await _ask(api, f"{path}?{urlencode(asked)}", transport, clock)
        try:
            page = msgspec.json.decode(body, type=_Page)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise BrokenReply(f"{api.url}{path} answered something that is no page of a report") from None
        found.append(msgspec.json.format(body, indent=-1))
        if not page.has_more:
            return found
        token = page.next_page or ""
        if not token or token in seen:
            raise BrokenReply(f"{api.url}{path} says there is more, and does not say where")
        seen.add(token)
    raise BrokenReply(f"{api.url}{path} does not end after {PAGES_MAX} pages")


async def _ask(api: AdminApi, target: str, transport: Transport, clock: Clock) -> bytes:
    """One answer. Where the API is busy, it is asked again when it says, at most a minute later each time."""
    headers: Headers = (
        (b"x-api-key", api.key.encode()),
        (b"anthropic-version", API_VERSION),
        (b"anthropic-beta", SPEED_BETA),
        (b"accept", b"application/json"),
        (b"user-agent", b"thriftgate"),
    )
    outgoing = Outgoing("GET", api.url.rstrip("/") + target, headers)
    for tried in range(1, TRIES_MAX + 1):
        incoming = await transport.send(outgoing, _TIMEOUTS)
        try:
            body = await incoming.read()
        finally:
            incoming.close()
        status = incoming.status
        if status == 200:
            return body
        if tried == TRIES_MAX or not (status == 429 or status >= 500):
            break
        await clock.sleep(_wait_s(header(incoming.headers, b"retry-after"), tried))
    said = _said(body).replace(api.key, "…")
    path = target.partition("?")[0]
    if status in (401, 403):
        fix = "check THRIFTGATE_ADMIN_KEY: it must be an admin key of the organization"
        raise ConfigError(f"{api.url}{path} answered {status}: {said}; {fix}")
    raise UpstreamError(f"{api.url}{path} answered {status}{f' {tried} times' if tried > 1 else ''}: {said}")


def _wait_s(told: str, tried: int) -> float:
    """Seconds until the next try: as told, else a little longer each time."""
    wait = float(told) if told.isdigit() and len(told) < 10 else 2.0 ** (tried - 1)
    return min(wait, WAIT_MAX_S)


def _said(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Error).error.message[:300]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body[:200].decode("utf-8", "replace")

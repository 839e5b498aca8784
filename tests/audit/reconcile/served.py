"""An Admin API on this machine: pages, limits, refusals; from the reports of a scene."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import msgspec

from tests.audit.reconcile.scenes import Reports
from thriftgate.core.prices import iso_from_day

ADMIN_KEY = "sk-ant-admin01-test-1"
_TYPES = {
    "input": "uncached_input_tokens",
    "read": "cache_read_input_tokens",
    "write_5m": "cache_creation.ephemeral_5m_input_tokens",
    "write_1h": "cache_creation.ephemeral_1h_input_tokens",
    "output": "output_tokens",
}


def cents(pico: int) -> str:
    """As the cost report writes an amount."""
    return format(Decimal(pico) / 10**10, "f")


def cost_pages(made: Reports, rows_per_page: int = 1_000) -> list[dict[str, Any]]:
    """The cost report, grouped by workspace and description."""
    rows = [
        (
            day,
            {
                "amount": cents(pico),
                "currency": "USD",
                "cost_type": "tokens" if kind in _TYPES else kind,
                "token_type": _TYPES.get(kind),
                "model": model or None,
                "workspace_id": workspace or None,
                "service_tier": mode if mode == "batch" else "standard",
                "speed": "fast" if mode == "fast" else None,
                "inference_geo": geo or None,
                "context_window": "0-200k",
                "description": f"{model} {kind}",
            },
        )
        for (day, model, workspace, mode, geo, kind), pico in sorted(made.charges.items())
    ]
    return _paged(rows, rows_per_page)


def usage_pages(made: Reports, rows_per_page: int = 1_000) -> list[dict[str, Any]]:
    """The usage report, grouped by all that tells prices apart."""
    sums: dict[tuple[Any, ...], dict[str, int]] = {}
    for (*terms, kind), count in made.tokens.items():
        sums.setdefault(tuple(terms), {})[kind] = count
    rows = [
        (
            day,
            {
                "uncached_input_tokens": counts.get("input", 0),
                "cache_read_input_tokens": counts.get("read", 0),
                "cache_creation": {
                    "ephemeral_5m_input_tokens": counts.get("write_5m", 0),
                    "ephemeral_1h_input_tokens": counts.get("write_1h", 0),
                },
                "output_tokens": counts.get("output", 0),
                "server_tool_use": {"web_search_requests": 0},
                "model": model,
                "workspace_id": workspace or None,
                "service_tier": mode if mode == "batch" else "standard",
                "speed": "fast" if mode == "fast" else "standard",
                "inference_geo": geo,
                "context_window": "0-200k",
            },
        )
        for (day, model, workspace, mode, geo), counts in sorted(sums.items())
    ]
    return _paged(rows, rows_per_page)


def _paged(rows: list[tuple[int, dict[str, Any]]], size: int) -> list[dict[str, Any]]:
    pages = []
    for start in range(0, max(1, len(rows)), size):
        buckets: dict[int, list[dict[str, Any]]] = {}
        for day, row in rows[start : start + size]:
            buckets.setdefault(day, []).append(row)
        last = start + size >= len(rows)
        data = [
            {
                "starting_at": f"{iso_from_day(day)}T00:00:00Z",
                "ending_at": f"{iso_from_day(day + 1)}T00:00:00Z",
                "results": results,
            }
            for day, results in buckets.items()
        ]
        pages.append({"data": data, "has_more": not last, "next_page": None if last else f"page_{start + size}"})
    return pages


Send = Callable[[dict[str, Any]], Awaitable[None]]


class AdminServer:
    """An ASGI app. `asked` are the queries it was sent; the first `busy` of them are answered 429."""

    def __init__(self, made: Reports, *, rows_per_page: int = 7, busy: int = 0, retry_after: str = "0") -> None:
        self.pages = {
            "/v1/organizations/cost_report": cost_pages(made, rows_per_page),
            "/v1/organizations/usage_report/messages": usage_pages(made, rows_per_page),
        }
        self.asked: list[tuple[str, dict[str, list[str]], dict[str, str]]] = []
        self.busy = busy
        self.retry_after = retry_after

    async def __call__(self, scope: Mapping[str, Any], receive: object, send: Send) -> None:
        if scope["type"] != "http":
            return
        query = parse_qs(scope["query_string"].decode())
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append((scope["path"], query, headers))
        if self.busy:
            self.busy -= 1
            await _answer(send, 429, _error("rate_limit_error", "slow down"), (b"retry-after", self.retry_after.encode()))
        elif headers.get("x-api-key") != ADMIN_KEY:
            await _answer(send, 401, _error("authentication_error", "invalid x-api-key"))
        else:
            size = next((int(page.removeprefix("page_")) for page in query.get("page", [])), 0)
            pages = self.pages[scope["path"]]
            at = next((number + 1 for number, page in enumerate(pages) if page["next_page"] == f"page_{size}"), 0)
            await _answer(send, 200, pages[at])


def _error(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


async def _answer(send: Send, status: int, body: dict[str, Any], *headers: tuple[bytes, bytes]) -> None:
    await send(
        {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json"), *headers]}
    )
    await send({"type": "http.response.body", "body": msgspec.json.encode(body)})

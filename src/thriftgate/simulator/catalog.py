"""GET /v1/models and GET /v1/models/{id}.

Source: platform.claude.com/docs/en/api/models, SDK `ModelInfo` and `ModelCapabilities`, 2026-10.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from thriftgate.simulator.clock import rfc3339
from thriftgate.simulator.errors import invalid, not_found
from thriftgate.simulator.models import EFFORTS, Model, ModelTable

MODES = ("adaptive", "between_tools", "disabled", "enabled")


def describe(model: Model, now: float) -> dict[str, Any]:
    """One model as the API describes it at `now`."""
    stage = model.lifecycle_at(now)
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.display,
        "created_at": _midnight(model.launched),
        "line": model.line,
        "lifecycle": stage,
        "deprecated_at": _midnight(model.deprecated) if model.deprecated and stage != "active" else None,
        "retires_at": _midnight(model.retires) if model.retires and stage != "active" else None,
        "max_input_tokens": model.context,
        "max_tokens": model.max_output,
        "capabilities": _capabilities(model),
    }


def list_models(models: ModelTable, now: float, query: dict[str, str]) -> dict[str, Any]:
    """A page of models, newest first. 400 for a bad limit or an unknown cursor (assumed)."""
    return page([describe(model, now) for model in models.listed(now)], query)


def get_model(models: ModelTable, name: str, now: float) -> dict[str, Any]:
    """One model by id or alias; retired ones stay in the catalogue, unknown ones are 404."""
    model = models.by_name.get(name)
    if model is None or model.lifecycle_at(now) == "unreleased":
        raise not_found(f"model: {name}")
    return describe(model, now)


def page(rows: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
    """`limit` (1–1000, default 20), `after_id`, `before_id` over rows that have an `id`."""
    text = query.get("limit", "20")
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise invalid("limit: Input should be between 1 and 1000")
    limit, ids = int(text), [row["id"] for row in rows]
    for name in ("after_id", "before_id"):
        if name in query and query[name] not in ids:
            raise invalid(f"{name}: no such object: {query[name]}")
    if "after_id" in query:
        rest = rows[ids.index(query["after_id"]) + 1 :]
        data, more = rest[:limit], len(rest) > limit
    elif "before_id" in query:
        rest = rows[: ids.index(query["before_id"])]
        data, more = rest[-limit:], len(rest) > limit
    else:
        data, more = rows[:limit], len(rows) > limit
    return {
        "data": data,
        "has_more": more,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }


def _midnight(day: date) -> str:
    return rfc3339(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp(), micros=False)


def _capabilities(model: Model) -> dict[str, Any]:
    def can(yes: bool) -> dict[str, bool]:
        return {"supported": yes}

    return {
        "batch": can(True),
        "citations": can(True),
        "code_execution": can(model.new_tokenizer),
        "context_management": {
            "supported": True,
            "clear_thinking_20251015": can(True),
            "clear_tool_uses_20250919": can(True),
            "compact_20260112": can(model.context > 200_000),
        },
        "effort": can(bool(model.effort)) | {level: can(level in model.effort) for level in EFFORTS},
        "image_input": can(True),
        "pdf_input": can(True),
        "server_tools": can(True) | {"web_search": can(True), "code_execution": can(True)},
        "structured_outputs": can(True),
        "thinking": can(model.thinking != ("disabled",)) | {"types": {mode: can(mode in model.thinking) for mode in MODES}},
    }

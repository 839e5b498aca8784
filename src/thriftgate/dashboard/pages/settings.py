"""The settings in force. A secret is only said to be set."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, SecretStr

from thriftgate.dashboard.asked import Asked
from thriftgate.dashboard.pages.page import Document, Page
from thriftgate.settings.table import Table

SET, UNSET = "(set)", "(not set)"
_CREDENTIALS = re.compile(r"//[^/@\s]+@")  # of a URL


async def document(asked: Asked) -> Document:
    """Each table of the settings, key by key, with what it is by default."""
    settings = asked.sources.settings
    tables: dict[str, Any] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, Table):
            tables[name] = list(_rows(value))
    tables["prices"] = [
        {"key": key, "value": f"{len(value)} rows" if isinstance(value, list) else plain_value(value), "default": "",
         "description": "", "changed": True}
        for key, value in settings.prices.items()
    ]  # fmt: skip
    return {"tables": {name: rows for name, rows in tables.items() if rows}, "price_book": asked.sources.book.id}


def _rows(table: BaseModel) -> Iterator[dict[str, Any]]:
    for key, field in type(table).model_fields.items():
        value, default = getattr(table, key), field.get_default(call_default_factory=True)
        yield {
            "key": key,
            "value": plain_value(value),
            "default": plain_value(default),
            "description": field.description or "",
            "changed": value != default,
        }


def plain_value(value: object) -> str:
    """As it stands in a settings file, without what is secret in it."""
    if isinstance(value, SecretStr):
        return SET if value.get_secret_value() else UNSET
    if isinstance(value, BaseModel):
        told = {key: plain_value(getattr(value, key)) for key in type(value).model_fields}
        return ", ".join(f"{key} = {text}" for key, text in told.items() if text not in ("", UNSET))
    if isinstance(value, list | tuple | frozenset):
        return "; ".join(plain_value(one) for one in value) or "–"
    if isinstance(value, dict):
        return "; ".join(f"{key} = {plain_value(one)}" for key, one in value.items()) or "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "–" if value is None or value == "" else _CREDENTIALS.sub("//…@", str(value))


def view(doc: Document, asked: Asked) -> dict[str, Any]:
    """How many are not as they are by default."""
    return {"changed": sum(row["changed"] for rows in doc["tables"].values() for row in rows)}


PAGE = Page("settings", "Settings", "settings.html.jinja", document, view, filtered=False, of_all=True)

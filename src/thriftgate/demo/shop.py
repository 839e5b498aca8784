"""The tools of the demo's agent, and the small invented shop behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from anthropic.types import ToolParam

ORDERS: Mapping[str, Mapping[str, object]] = {
    "LO-4417203": {"state": "paid", "total": "349.00 GBP", "articles": ["TENT-3-SAND"], "city": "Kendal", "days_open": 1},
    "LO-4418870": {"state": "shipped", "total": "87.50 EUR", "articles": ["MAT-R"], "city": "Lyon", "days_open": 6},
    "LO-4419356": {
        "state": "shipped",
        "total": "154.90 EUR",
        "articles": ["HARN-M", "ROPE-60"],
        "city": "Ghent",
        "days_open": 9,
    },
    "LO-4420017": {"state": "delivered", "total": "39.00 GBP", "articles": ["GAITER-L"], "city": "Leeds", "days_open": 12},
}
STOCK: Mapping[str, int] = {"TENT-3-SAND": 4, "TENT-3-GREEN": 0, "MAT-R": 61, "HARN-M": 7, "ROPE-60": 19, "GAITER-L": 33}
CARRIER: Mapping[str, str] = {
    "LO-4418870": "no movement for four working days; last seen in Metz",
    "LO-4419356": "no movement for eight working days; last seen in Liege",
}


def _tool(name: str, description: str, properties: Mapping[str, object]) -> ToolParam:
    schema = {"type": "object", "properties": dict(properties), "required": list(properties), "additionalProperties": False}
    return {"name": name, "description": description, "input_schema": schema}


_ORDER = {"type": "string", "enum": list(ORDERS), "description": "Order number: LO, a dash and seven digits."}
_ARTICLE = {"type": "string", "enum": list(STOCK), "description": "Article number as printed on the label, colour included."}

TOOLS: tuple[ToolParam, ...] = (
    _tool(
        "look_up_order",
        "Look up an order: its state (received, paid, picked, shipped, delivered, returned), the total with its currency, "
        "the article numbers, the city it goes to and for how many working days it has been open. Use it before you "
        "say anything about an order. It does not tell where the parcel is.",
        {"order": _ORDER},
    ),
    _tool(
        "track_parcel",
        "Track the parcel of an order with the carrier. Answers with the last thing the carrier saw, in words, or says "
        "that nothing is known. Use it for orders in the state shipped. The carrier's answer may be a day old.",
        {"order": _ORDER},
    ),
    _tool(
        "check_stock",
        "Check how many pieces of an article the warehouse can send today. Counts neither the stores nor parcels on "
        "their way to us. Zero means that there is none; a new delivery may be announced, ask purchasing.",
        {"article": _ARTICLE},
    ),
    _tool(
        "open_inquiry",
        "Open an inquiry with the carrier about a parcel which does not move. Do this once for an order, after three "
        "working days without movement. Answers with the number of the inquiry; the carrier replies in two days.",
        {"order": _ORDER, "reason": {"type": "string", "description": "One sentence: what happened and since when."}},
    ),
    _tool(
        "write_note",
        "Write a note for the morning shift: who, which order, what happened, what was promised, what is open. A note "
        "cannot be changed afterwards. Do not put addresses or means of payment into it.",
        {"order": _ORDER, "text": {"type": "string", "description": "At most five sentences."}},
    ),
)


def _look_up(given: Mapping[str, object]) -> object:
    return ORDERS[str(given["order"])]


def _track(given: Mapping[str, object]) -> object:
    return {"carrier": CARRIER.get(str(given["order"]), "nothing is known yet")}


def _stock(given: Mapping[str, object]) -> object:
    return {"article": given["article"], "pieces": STOCK[str(given["article"])]}


def _inquire(given: Mapping[str, object]) -> object:
    return {"inquiry": f"INQ-{given['order']}", "reply_by": "in two working days", "reason": given["reason"]}


def _note(given: Mapping[str, object]) -> object:
    return {"noted": True, "order": given["order"]}


_ACTIONS: Mapping[str, Callable[[Mapping[str, object]], object]] = {
    "look_up_order": _look_up,
    "track_parcel": _track,
    "check_stock": _stock,
    "open_inquiry": _inquire,
    "write_note": _note,
}


def use_tool(name: str, given: object) -> tuple[str, bool]:
    """What a tool answers, as JSON, and whether that is an error."""
    try:
        result = _ACTIONS[name](msgspec.convert(given, dict[str, object]))
    except (KeyError, msgspec.ValidationError) as error:
        return msgspec.json.encode({"error": f"{name} cannot work with this: {error}"}).decode(), True
    return msgspec.json.encode(result).decode(), False

"""The demo's tools and the shop behind them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from thriftgate.demo.shop import CARRIER, ORDERS, STOCK, TOOLS, use_tool


def given_for(tool: Any) -> dict[str, object]:
    properties = tool["input_schema"]["properties"]
    return {name: schema.get("enum", ["words"])[0] for name, schema in properties.items()}


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool["name"])
def test_every_tool_answers(tool: Any) -> None:
    content, failed = use_tool(tool["name"], given_for(tool))
    assert not failed
    assert isinstance(msgspec.json.decode(content), dict)
    assert tool["input_schema"]["required"] == list(tool["input_schema"]["properties"])


@pytest.mark.parametrize(
    ("name", "given"),
    [("no_tool", {}), ("look_up_order", {}), ("look_up_order", {"order": "LO-1"}), ("check_stock", ["x"])],
)
def test_what_a_tool_cannot_do_is_an_error(name: str, given: object) -> None:
    content, failed = use_tool(name, given)
    assert failed
    assert f"{name} cannot work with this" in msgspec.json.decode(content)["error"]


def test_the_shop_is_of_one_piece() -> None:
    assert set(CARRIER) <= set(ORDERS)
    articles = [article for order in ORDERS.values() for article in msgspec.convert(order["articles"], list[str])]
    assert set(articles) <= set(STOCK)

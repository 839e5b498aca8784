"""What calls have cost, by their messages."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from tests.contracts.check_ledger import entry_of
from thriftgate.client.costs import KEPT, Costs, cost_of, id_of
from thriftgate.core.errors import NotThere
from thriftgate.ledger.entries import balanced


def test_by_the_id_of_a_message() -> None:
    costs = Costs()
    entry = replace(
        entry_of("tg_1"),
        message_id="msg_1",
        postings=balanced(10**12, 4 * 10**11, {"x": 6 * 10**11}),
        usage_source="estimated",
    )
    costs.heard(entry)
    costs.heard(replace(entry, id="tg_2", message_id=""))
    found = costs.of("msg_1")
    assert found == cost_of(entry)
    assert found is not None
    assert (found.cost_usd, found.saved_usd, found.request_id) == (Decimal("0.4"), Decimal("0.6"), "tg_1")
    assert found.estimated
    assert costs.of("") is None


def test_the_latest_are_kept() -> None:
    costs, entry = Costs(), entry_of("tg_1")
    for number in range(2 * KEPT):
        costs.heard(replace(entry, message_id=f"msg_{number}"))
    assert costs.of("msg_0") is None
    assert costs.of(f"msg_{2 * KEPT - 1}") is not None


def test_where_a_message_has_its_id() -> None:
    message = SimpleNamespace(id="msg_1")
    assert id_of(message) == "msg_1"
    assert id_of(SimpleNamespace(custom_id="a", result=SimpleNamespace(type="succeeded", message=message))) == "msg_1"
    for other in ("text", SimpleNamespace(custom_id="a", result=SimpleNamespace(type="expired")), None):
        with pytest.raises(NotThere, match="is no message"):
            id_of(other)

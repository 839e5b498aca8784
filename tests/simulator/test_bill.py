from datetime import UTC, datetime
from decimal import Decimal

import pytest

from thriftgate.simulator.bill import Bill, BilledCall, Modifiers, cost_usd, plain
from thriftgate.simulator.models import load_models
from thriftgate.simulator.usage import Step, Usage

TABLE = load_models()
NOW = datetime(2026, 11, 21, tzinfo=UTC).timestamp()
BEFORE = datetime(2026, 10, 6, tzinfo=UTC).timestamp()
SONNET = Usage(input=2000, write_5m=10_000, read=50_000, output=1000)


@pytest.mark.parametrize(
    ("model", "usage", "modifiers", "when", "usd"),
    [
        ("claude-sonnet-5-5", SONNET, Modifiers(), NOW, "0.044"),
        ("claude-sonnet-5-5", SONNET, Modifiers(batch=True), NOW, "0.022"),
        ("claude-sonnet-5-5", SONNET, Modifiers(us=True), NOW, "0.0484"),
        ("claude-sonnet-5-5", SONNET, Modifiers(batch=True, us=True), NOW, "0.0242"),
        ("claude-sonnet-5-5", SONNET, Modifiers(regional=True), NOW, "0.0484"),
        ("claude-haiku-4-5-20251001", Usage(input=1_000_000), Modifiers(regional=True), NOW, "1.1"),
        ("claude-opus-4-1-20250805", Usage(input=1_000_000), Modifiers(regional=True), NOW, "15"),
        ("claude-sonnet-5-5", SONNET, Modifiers(), BEFORE, "0.049"),
        ("claude-haiku-5-5", Usage(input=500, read=99_500, output=1000), Modifiers(), NOW, "0.001545"),
        ("claude-haiku-5-5", Usage(input=501, read=99_500, output=1000), Modifiers(), NOW, "0.0077255"),
        ("claude-opus-5-5", Usage(input=1000, read=20_000, write_1h=10_000, write_5m=4000), Modifiers(), NOW, "0.108"),
        ("claude-fable-5-1", Usage(read=1_000_000), Modifiers(), NOW, "0.25"),
        ("claude-opus-5-5", Usage(input=1000, read=100_000, output=2000), Modifiers(fast=True), NOW, "0.128"),
        ("claude-sonnet-4-6", Usage(input=10_000, output=500, web_searches=3), Modifiers(), NOW, "0.0675"),
    ],
)
def test_price_vectors(model: str, usage: Usage, modifiers: Modifiers, when: float, usd: str) -> None:
    assert plain(cost_usd(TABLE.by_name[model], when, usage, modifiers)) == usd


def test_compaction_is_billed_from_the_iterations() -> None:
    steps = [
        Step("compaction", "claude-opus-5", Usage(input=180_000, output=3500)),
        Step("message", "claude-opus-5", Usage(input=23_000, output=1000)),
    ]
    bill = Bill(TABLE)
    assert bill.price(steps, NOW, Modifiers()) == Decimal("1.1275")
    assert bill.price(steps[1:], NOW, Modifiers()) == Decimal("0.14")


def test_a_fallback_is_billed_at_each_model_and_a_free_refusal_not() -> None:
    steps = [
        Step("message", "claude-fable-5-2", Usage(input=1_000_000), billed=False),
        Step("fallback_message", "claude-opus-5", Usage(input=1_000_000)),
    ]
    assert Bill(TABLE).price(steps, NOW, Modifiers()) == 5


def test_fast_where_it_is_not_sold_is_an_error() -> None:
    with pytest.raises(ValueError, match="fast"):
        cost_usd(TABLE.by_name["claude-sonnet-5-5"], NOW, SONNET, Modifiers(fast=True))


def billed(request_id: str, steps: list[Step], bill: Bill, workspace: str = "a") -> BilledCall:
    return BilledCall(
        request_id=request_id,
        message_id="msg_1",
        model="claude-opus-5",
        organization="o",
        workspace=workspace,
        at=NOW,
        usage=steps[0].usage,
        steps=steps,
        modifiers=Modifiers(),
        outcome="complete",
        cost=bill.price(steps, NOW, Modifiers()),
    )


def test_document_and_totals() -> None:
    bill = Bill(TABLE)
    for number, workspace in enumerate(("a", "b")):
        bill.add(billed(f"req_{number}", [Step("message", "claude-opus-5", Usage(input=3))], bill, workspace))
    shown = bill.document()
    assert shown["total_usd"] == "0.00003"
    assert shown["calls"][0]["cost_usd"] == "0.000015"
    assert shown["calls"][0]["iterations"][0]["type"] == "message"
    assert bill.spent("o") == bill.total == 2 * bill.spent("o", "a")
    assert bill.spent("other") == 0


@pytest.mark.parametrize(("amount", "shown"), [("0.10", "0.1"), ("1E-9", "0.000000001"), ("100", "100"), ("0.000", "0")])
def test_plain(amount: str, shown: str) -> None:
    assert plain(Decimal(amount)) == shown


def test_calls_with_the_same_tokens_share_them() -> None:
    bill = Bill(TABLE)
    for number in range(3):
        steps = [Step("message", "claude-opus-5", Usage(input=300 + number // 2))]
        bill.add(billed(f"req_{number}", steps, bill))
    first, second, third = bill.calls
    assert first.usage is second.usage is not third.usage
    assert first.steps is second.steps
    assert first.cost is second.cost < third.cost


def test_a_remembered_price_ends_with_its_day() -> None:
    bill = Bill(TABLE)
    steps = [Step("message", "claude-sonnet-5-5", SONNET)]
    assert [plain(bill.price(steps, when, Modifiers())) for when in (BEFORE, NOW, BEFORE)] == ["0.049", "0.044", "0.049"]
    assert bill.price(steps, NOW, Modifiers(batch=True)) * 2 == bill.price(steps, NOW, Modifiers())

"""From a line of results to an entry: only what succeeded is billed, everything balances, nothing is guessed silently."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from thriftgate.batch.booking import OURS, OURS_ACCOUNT, Desk, entry_of, is_ours, is_passing, lost_entry, void_entry
from thriftgate.core.plan import Decision
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry
from thriftgate.ledger.jobs import BatchRow, Job
from thriftgate.pricing.load import load_book
from thriftgate.simulator.clock import DEFAULT_FROZEN_START
from thriftgate.wire.anthropic_batches import ErrorBody, read_result

NOW = int(DEFAULT_FROZEN_START * 1e6)
MODEL = "claude-haiku-4-5"
DESK = Desk("key", "anthropic", load_book())
BATCH = BatchRow(
    "tgb_1", "run", "plain", "ended", "f" * 20, "msgbatch_1", 2, made_us=NOW, created_us=NOW + 5, ended_us=NOW + 10_000
)
JOB = Job("run", 3, "row 3", "packed", batch="tgb_1", attempt=1, entry="tg_3", model=MODEL, forecast_pico=777)
DEFERRED = (Decision("batch.defer", "applied", "it can wait"),)
USAGE = {"input_tokens": 1000, "output_tokens": 100}


def line(kind: str = "succeeded", **members: Any) -> Any:
    """A line of results, read."""
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [{"type": "text", "text": "fine"}],
        "stop_reason": "end_turn",
        "usage": USAGE,
    }
    result: dict[str, Any] = {"type": kind}
    if kind == "succeeded":
        result["message"] = message | members
    if kind == "errored":
        result["error"] = {"type": "error", "error": {"type": "api_error", "message": "no"} | members}
    return read_result(msgspec.json.encode({"custom_id": "tg_x", "result": result}))


def entry(of: Any, desk: Desk = DESK, decisions: tuple[Decision, ...] = DEFERRED) -> Entry:
    made = entry_of(desk, JOB, BATCH, of, now_us=NOW + 20_000, decisions=decisions)
    assert made.balance() == 0
    return made


def test_an_answer_is_billed_at_half_and_the_lever_has_saved_the_other() -> None:
    one = entry(line())
    # claude-haiku-4-5: 1 and 5 USD a million tokens (platform.claude.com/docs/en/about-claude/pricing, 2026-10)
    full = 1000 * 1_000_000 + 100 * 5_000_000
    assert one.posted(BASELINE) == full
    assert -one.posted(UPSTREAM) == full // 2
    assert -one.posted("saved:batch.defer") == full // 2
    assert (one.outcome, one.resolution, one.usage_source, one.mode) == ("answered", "post", "exact", "batch")
    assert (one.id, one.key, one.message_id, one.upstream_request_id) == ("tg_3", "key", "msg_1", "msgbatch_1")


def test_what_the_client_put_into_a_batch_is_no_saving_of_ours() -> None:
    one = entry(line(), msgspec.structs.replace(DESK, deferred=False))
    assert one.posted(BASELINE) == -one.posted(UPSTREAM) == 750_000_000


@pytest.mark.parametrize("kind", ["errored", "canceled", "expired"])
def test_what_did_not_succeed_costs_nothing(kind: str) -> None:
    one = entry(line(kind))
    assert one.posted(UPSTREAM) == one.posted(BASELINE) == 0
    assert (one.outcome, one.resolution, one.usage_source) == ("failed", "void", "none")
    assert one.note == ("api_error: no" if kind == "errored" else f"the item {kind}")


def test_an_answer_without_usage_is_booked_at_its_forecast_and_flagged() -> None:
    one = entry(line(usage=None))
    assert -one.posted(UPSTREAM) == 777
    assert one.usage_source == "estimated"
    assert "no usage" in one.note


@pytest.mark.parametrize(("output", "paid"), [(0, 0), (100, 750_000_000)])
def test_a_refusal_before_any_output_costs_nothing(output: int, paid: int) -> None:
    details = {"type": "refusal", "category": "general_harms"}
    one = entry(line(stop_reason="refusal", stop_details=details, usage=USAGE | {"output_tokens": output}))
    assert (one.outcome, one.usage_source, -one.posted(UPSTREAM)) == ("answered", "exact", paid)


def test_a_served_model_without_a_price_is_booked_as_planned_and_says_so() -> None:
    one = entry(line(model="claude-nonesuch-9"))
    assert -one.posted(UPSTREAM) == 750_000_000
    assert "priced as planned" in one.note


def test_no_price_at_all_is_the_forecast_and_never_zero() -> None:
    job = msgspec.structs.replace(JOB, model="claude-nonesuch-8")
    one = entry_of(DESK, job, BATCH, line(model="claude-nonesuch-9"), now_us=NOW)
    assert -one.posted(UPSTREAM) == 777
    assert "booked at its forecast" in one.note


def test_a_batch_that_never_was_and_one_that_is_gone() -> None:
    void = void_entry(DESK, JOB, BATCH, "never taken", NOW)
    assert (void.posted(UPSTREAM), void.resolution, void.note) == (0, "void", "never taken")
    lost = lost_entry(DESK, JOB, BATCH, "gone", NOW)
    assert (-lost.posted(UPSTREAM), lost.outcome, lost.resolution, lost.usage_source) == (777, "lost", "expire", "estimated")
    assert void.balance() == lost.balance() == 0


SECOND = msgspec.structs.replace(JOB, name=f"{OURS}tg_1")


@pytest.mark.parametrize("deferred", [True, False])
def test_a_second_call_is_a_cost_of_ours(deferred: bool) -> None:
    """The batch halves it, which is no saving: without us there would be no such call."""
    desk = msgspec.structs.replace(DESK, deferred=deferred)
    one = entry_of(desk, SECOND, BATCH, line(), now_us=NOW, decisions=DEFERRED)
    assert [(posting.account, posting.pico) for posting in one.postings] == [
        (BASELINE, 0),
        (UPSTREAM, -750_000_000),
        (f"saved:{OURS_ACCOUNT}", 750_000_000),
    ]
    assert one.balance() == 0
    assert (one.parent, one.endpoint, one.key, one.usage_source) == ("tg_1", "proof", "key", "exact")
    (decision,) = one.decisions
    assert (decision.lever, decision.decision, decision.forecast_pico) == (OURS_ACCOUNT, "applied", -777)
    assert "tg_1" in decision.reason
    assert is_ours(SECOND)
    assert not is_ours(JOB)


@pytest.mark.parametrize("kind", ["errored", "canceled", "expired"])
def test_a_second_call_that_did_not_succeed_costs_nothing(kind: str) -> None:
    one = entry_of(DESK, SECOND, BATCH, line(kind), now_us=NOW)
    assert (one.posted(UPSTREAM), one.posted(BASELINE), one.parent, one.resolution) == (0, 0, "tg_1", "void")
    assert one.balance() == 0


def test_what_a_second_call_may_have_cost_is_ours_too() -> None:
    """Its result tells no usage, or cannot be had."""
    for one in (
        entry_of(DESK, SECOND, BATCH, line(usage=None), now_us=NOW),
        lost_entry(DESK, SECOND, BATCH, "gone", NOW),
    ):
        assert (one.posted(BASELINE), -one.posted(UPSTREAM), one.posted(f"saved:{OURS_ACCOUNT}")) == (0, 777, 777)
        assert (one.parent, one.usage_source, one.balance()) == ("tg_1", "estimated", 0)
    void = void_entry(DESK, SECOND, BATCH, "never taken", NOW)
    assert (void.posted(UPSTREAM), void.parent, void.note) == (0, "tg_1", "never taken")


@pytest.mark.parametrize(
    ("kind", "passing"), [("api_error", True), ("overloaded_error", True), ("invalid_request_error", False)]
)
def test_which_errors_are_worth_another_try(kind: str, passing: bool) -> None:
    assert is_passing(ErrorBody(kind, "")) is passing

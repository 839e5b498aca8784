"""A gateway's books in an audit: what they claim, and what a replay makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.contracts.check_ledger import entry_of
from tests.demo.done import demo_done
from thriftgate.audit.audit import Wanted, audit
from thriftgate.audit.books import as_sent
from thriftgate.audit.findings import Books, Findings, Money
from thriftgate.audit.replay.policies import AS_SENT, CACHE
from thriftgate.ledger.entries import balanced
from thriftgate.ledger.sql import SqlLedger
from thriftgate.pricing.load import load_book, load_models


@pytest.fixture(scope="module")
def found() -> Findings:
    return audit(Wanted((demo_done().ledger,)), load_book(), load_models())


def test_round_trip_as_is_is_the_ledger_to_the_pico_dollar(found: Findings) -> None:
    total = demo_done().total
    assert found.calls == total.calls
    assert found.cost == Money(total.paid_pico, total.paid_pico, total.paid_pico)
    assert found.replay is not None
    assert found.replay.observed_pico == found.replay.replayed_pico == total.paid_pico
    assert found.replay.differing_calls == 0


def test_round_trip_the_replay_saves_what_the_ledger_claims_lever_by_lever(found: Findings) -> None:
    total = demo_done().total
    assert found.books is not None
    assert found.books.claimed == dict(total.levers)
    told = [one for one in demo_done().outcomes if one.name != "overnight"]  # jobs of batches leave no trails to replay
    assert found.books.replayed == {CACHE: sum(one.levers[CACHE] for one in told)}
    assert (found.books.baseline_pico, found.books.paid_pico) == (total.baseline_pico, total.paid_pico)


def test_without_the_gateway_it_would_have_been_the_baseline(found: Findings) -> None:
    row = next(policy for policy in found.policies if policy.name == AS_SENT)
    total = demo_done().total
    assert row.cost.pico == total.baseline_pico
    assert row.saved.pico == sum(row.levers.values()) == -total.saved_pico


def test_as_sent_adds_what_was_saved_to_the_bill() -> None:
    row = as_sent(Books(3, 900, 400, {"a": 450, "b": 50}, {}), Money(1_000, 900, 1_100))
    assert row.cost == Money(1_500, 1_400, 1_600)
    assert row.levers == {"a": -450, "b": -50}


async def test_a_call_without_a_trail_is_audited_by_its_counts(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    books = SqlLedger.open(str(path))
    await books.settle(replace(entry_of("a"), postings=balanced(7, 5, {"cache.breakpoints": 2})))
    await books.close()
    found = audit(Wanted((str(path),)), load_book(), load_models())
    assert found.books is not None
    assert (found.books.calls, found.books.claimed) == (1, {"cache.breakpoints": 2})

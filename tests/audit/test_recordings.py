"""Recorded traffic, where it lies beside the checkout: published figures come out again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from thriftgate.audit.accounts import account
from thriftgate.audit.audit import Wanted, audit
from thriftgate.audit.calls import Calls
from thriftgate.audit.intake import take_in
from thriftgate.audit.replay.asks import asked
from thriftgate.audit.replay.policies import BOUND, Candidate
from thriftgate.audit.replay.run import run
from thriftgate.pricing.load import load_book, load_models

TRACES = os.environ.get("THRIFTGATE_TRACES")

pytestmark = pytest.mark.skipif(not TRACES, reason="needs the recorded traces")

# Cost of the prompts relative to no caching, on all sessions of the recording these are drawn from.
PUBLISHED = {"auto-5m": 0.212, "auto-1h": 0.189, "bound": 0.1464}


def test_rolling_tails_and_the_bound_on_coding_sessions(tmp_path: Path) -> None:
    book, models = load_book(), load_models()
    calls = Calls(tmp_path / "calls.duckdb")
    try:
        take_in([f"{TRACES}/claude-code-sessions"], calls, tmp_path)
        output = account(calls, book).total.kinds().output_pico
        clients = [Candidate(name, "client", name, client=name) for name in ("auto-5m", "auto-1h")]
        done = run(asked(calls, book), [*clients, BOUND], book, models, explain=False)
    finally:
        calls.close()
    plain = done.plain.pico - output
    for name, published in PUBLISHED.items():
        assert (done.tallies[name].pico - output) / plain == pytest.approx(published, rel=0.01)


def test_real_sessions_are_reproduced_as_they_were(tmp_path: Path) -> None:
    found = audit(Wanted((f"{TRACES}/claude-code-logs",), cache=tmp_path), load_book(), load_models())
    assert (found.calls, found.duplicates) == (90, 33)
    assert found.cost.pico == 2_356_129_500_000
    assert found.replay is not None
    assert found.replay.replayed_pico == found.replay.observed_pico


@pytest.mark.parametrize(
    ("case", "pico"),
    [
        ("1h", 12 * 10**12),
        ("batch", 7_500_000_000_000),
        ("haiku45", 5 * 10**12),
        ("iterations", 594_300_000_000),
        ("noreq", 15_030_000_000),
        ("noreqnull", 15_030_000_000),
        ("opus46_fast", 150 * 10**12),
        ("opus48", 25 * 10**12),
        ("over200k_class", 1_012_500_000_000),
        ("partial", 15_030_000_000),
        ("residual", 691_713_750_000),
        ("samemsg_diffreq", 15_030_000_000),
        ("sonnet5", 10 * 10**12),
        ("synthetic", 0),
        ("toolresult_only", 0),
        ("us_geo", 27_500_000_000_000),
        ("websearch", 10 * 10**12),
        ("zero_breakdown", 7_500_000_000_000),
    ],
)
def test_the_eighteen_traps(tmp_path: Path, case: str, pico: int) -> None:
    found = audit(Wanted((f"{TRACES}/accounting-traps/{case}",), cache=tmp_path, replay=False), load_book(), load_models())
    assert found.cost.pico == pico
    assert not found.unpriced

"""One audit from files to findings, in all its faces."""

from __future__ import annotations

import gzip
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.audit.tables import BOOK, MODELS, OPUS, claude_code_log
from thriftgate.audit.audit import Wanted, audit
from thriftgate.audit.findings import Findings
from thriftgate.audit.recommend import written
from thriftgate.audit.report.document import document
from thriftgate.audit.report.html import html_page
from thriftgate.audit.report.table_csv import csv_table
from thriftgate.audit.report.terminal import show
from thriftgate.core.errors import ConfigError, InputError
from thriftgate.core.plan import Policy


def found(*paths: Path, **more: Any) -> Findings:
    return audit(Wanted(tuple(map(str, paths)), **more), BOOK, MODELS)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six turns with pauses that a five-minute cache does not survive."""
    path = tmp_path_factory.mktemp("projects") / "-home-user-shop" / "5e55.jsonl"
    claude_code_log(path, turns=6)
    return path


@pytest.fixture(scope="module")
def whole(session: Path) -> Findings:
    return found(session, config=Policy(), optimise=True)


def test_the_bill_of_a_session(whole: Findings) -> None:
    """Each turn writes its prompt anew, 22,000 to 32,000 tokens at $5 a million, and answers 300 at $20, after 3 at $4."""
    written_tokens = sum(22_000 + 2_000 * turn for turn in range(6))
    assert whole.cost.pico == written_tokens * 5_000_000 + 6 * (300 * 20_000_000 + 3 * 4_000_000)
    assert (whole.cost.low, whole.cost.high) == (whole.cost.pico, whole.cost.pico)
    assert (whole.calls, whole.duplicates, whole.sessions, whole.depth) == (6, 6, 1, "call")
    assert [part.name for part in whole.by_model] == [OPUS]
    assert [part.name for part in whole.by_project] == ["/home/user/shop"]
    assert whole.skipped == {"not_a_call": 6}
    assert whole.months == 1 / 30
    assert sum(gap.calls for gap in whole.gaps) == 5


def test_the_replay_gives_the_bill_and_what_was_lost(whole: Findings) -> None:
    replay = whole.replay
    assert replay is not None
    assert (replay.calls, replay.observed_pico, replay.replayed_pico) == (6, whole.cost.pico, whole.cost.pico)
    by_name = {policy.name: policy for policy in whole.policies}
    assert {"as-is", "no-caching", "safe-levers", "all-levers", "config", "cache.breakpoints:full"} <= by_name.keys()
    assert by_name["no-caching"].cost.pico == whole.baseline_pico
    assert by_name["config"].saved == by_name["safe-levers"].saved
    assert by_name["P2-claude-code-1h"].saved.pico > 0
    for policy in whole.policies:
        assert policy.cost.low <= policy.cost.pico <= policy.cost.high
        assert policy.saved.low <= policy.saved.pico <= policy.saved.high
        if policy.levers:
            assert sum(policy.levers.values()) == policy.saved.pico
    assert [(miss.cause, miss.calls) for miss in whole.misses if miss.avoidable_pico] == [("expired", 5)]


def test_something_to_do_about_it(whole: Findings) -> None:
    assert whole.actions
    assert [action.month.pico for action in whole.actions] == sorted((a.month.pico for a in whole.actions), reverse=True)
    tomllib.loads(written(whole.actions))


def faces(findings: Findings) -> None:
    told = document(findings)
    assert told["calls"] == findings.calls
    assert csv_table(findings).startswith("section,name,part,metric,value")
    assert "<html" in html_page(findings, title="t", made_at_us=1)
    console = Console(record=True, width=100, file=open("/dev/null", "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    show(findings, console)
    text = console.export_text()
    assert f"{findings.calls} calls" in text or (not findings.calls and "Nothing was read" in text)
    console.file.close()


def test_all_faces(whole: Findings) -> None:
    faces(whole)


@pytest.mark.parametrize("content", [None, b"", b"\n\n", b"hello", b"\x00\xff" * 50, b'{"type": "assistant", "sessionId'])
def test_nothing_to_read(content: bytes | None, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    if content is not None:
        (logs / "a.jsonl").write_bytes(content)
    nothing = found(logs)
    assert (nothing.calls, nothing.cost.pico, nothing.replay, nothing.actions) == (0, 0, None, ())
    assert len(nothing.skipped) == (content is not None)
    faces(nothing)


def test_copies_of_a_file_change_nothing(session: Path, whole: Findings, tmp_path: Path) -> None:
    shutil.copy(session, tmp_path / "fork.jsonl")
    (tmp_path / "old.jsonl.gz").write_bytes(gzip.compress(session.read_bytes()))
    both = found(session, tmp_path, replay=False)
    assert (both.cost, both.calls, both.duplicates) == (whole.cost, 6, 30)
    assert both.replay is None
    assert [policy.family for policy in both.policies] == ["what-if"] * len(both.policies)


def test_a_second_audit_reads_what_the_first_kept(session: Path, whole: Findings, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    cache = tmp_path / "kept" / "here"
    first = audit(Wanted((str(session),), cache=cache, replay=False), BOOK, MODELS, progress=lambda *one: seen.append(one))
    assert seen[-1][0] == seen[-1][1] == session.stat().st_size
    shards = sorted(cache.iterdir())
    assert len(shards) == 2
    again = found(session, cache=cache, replay=False)
    assert (first.cost, again.cost) == (whole.cost, whole.cost)
    assert sorted(cache.iterdir()) == shards


def test_what_has_no_price_is_said(tmp_path: Path) -> None:
    claude_code_log(tmp_path / "a.jsonl", turns=2)
    claude_code_log(tmp_path / "b.jsonl", turns=3, session="other", model="claude-nobody-9")
    findings = found(tmp_path)
    assert findings.calls == 5
    (row,) = findings.unpriced
    assert (row.model, row.calls) == ("claude-nobody-9", 3)
    assert [part.name for part in findings.by_model] == [OPUS]
    assert findings.replay is not None
    assert findings.replay.calls == 2
    faces(findings)


def test_only_what_has_no_price(tmp_path: Path) -> None:
    claude_code_log(tmp_path / "b.jsonl", turns=3, model="claude-nobody-9")
    findings = found(tmp_path)
    assert (findings.calls, findings.cost.pico) == (3, 0)
    faces(findings)


def test_sums_beside_calls_are_noted(session: Path, tmp_path: Path) -> None:
    report = tmp_path / "usage.csv"
    report.write_text(
        "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,"
        "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,"
        f"usage_output_tokens,web_search_count\n2026-11-10,{OPUS},k,w,standard,0-200k,1000,0,0,0,10,0\n"
    )
    alone = found(report, replay=True)
    assert (alone.depth, alone.calls, alone.replay, alone.notes) == ("day", 0, None, ())
    assert alone.cost.pico == 1_000 * 4_000_000 + 10 * 20_000_000
    both = found(report, session, replay=False)
    assert both.calls == 6
    assert both.notes[0].startswith("1 rows of usage sums cover the same spend")
    faces(alone)


def test_a_format_that_does_not_exist(session: Path) -> None:
    with pytest.raises(InputError, match=r"no such format; there are .*claude-code"):
        found(session, format_name="nonsense")


def test_a_folder_that_cannot_be_made(session: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="name another folder, or make room"):
        found(session, cache=tmp_path / "file" / "inside")
    with pytest.raises(InputError, match="no such file or folder"):
        found(tmp_path / "nowhere")


def test_a_format_that_is_named_is_taken(session: Path, whole: Findings) -> None:
    assert found(session, format_name="claude-code", replay=False).cost == whole.cost
    wrong = found(session, format_name="portkey", replay=False)
    assert wrong.calls == 0
    assert wrong.skipped

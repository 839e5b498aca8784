"""`thriftgate reconcile`: logs on disk, reports on disk or from a server on this machine."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.audit.reconcile.scenes import OPUS, Fault, billed_under, honest, month, provider
from tests.audit.reconcile.served import ADMIN_KEY, AdminServer, cost_pages, usage_pages
from tests.cli.conftest import Run
from tests.fixtures import serving
from thriftgate.audit.records import Record
from thriftgate.core.moments import text_from_micros

DAYS = ("--since", "2026-11-02", "--until", "2026-11-05")


def line(record: Record) -> dict[str, Any]:
    """A call as Claude Code logs it."""
    return {
        "type": "assistant",
        "uuid": f"u{record.position}",
        "parentUuid": None,
        "sessionId": "s1",
        "requestId": f"req_{record.position}",
        "timestamp": text_from_micros(record.at_us),
        "message": {
            "id": record.call_id,
            "type": "message",
            "role": "assistant",
            "model": record.model,
            "stop_reason": "end_turn",
            "content": [{"type": "text", "text": "done"}],
            "usage": {
                "input_tokens": record.input,
                "cache_read_input_tokens": record.read,
                "cache_creation_input_tokens": record.write_5m + record.write_1h,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": record.write_5m,
                    "ephemeral_1h_input_tokens": record.write_1h,
                },
                "output_tokens": record.output,
                "service_tier": "batch" if record.mode == "batch" else "standard",
                "speed": "fast" if record.mode == "fast" else "standard",
                "inference_geo": record.geo,
            },
        },
    }


class Scene:
    """A log and the reports of its provider, as files."""

    def __init__(self, folder: Path, fault: Fault = honest, lost: int = 0) -> None:
        records = month()
        self.made = provider(records, fault)
        self.log = str(folder / "session.jsonl")
        self.cost, self.usage = str(folder / "cost.json"), str(folder / "usage.json")
        lines = [msgspec.json.encode(line(record)) for record in records[lost:]]
        Path(self.log).write_bytes(b"\n".join([*lines, lines[0], b""]))  # one call stands there twice
        Path(self.cost).write_bytes(msgspec.json.encode(cost_pages(self.made)))
        Path(self.usage).write_bytes(msgspec.json.encode(usage_pages(self.made)))

    @property
    def billed(self) -> Decimal:
        return Decimal(sum(self.made.charges.values())) / 10**12


GEO = billed_under(lambda one: one.model == OPUS and one.geo == "global" and one.mode == "standard", geo="us")


def test_no_difference(run: Run, tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    done = run("reconcile", scene.log, "--report", scene.cost, "--usage", scene.usage, "--json")
    assert done.code == 0, done.err
    found = done.json()
    assert (found["difference_usd"], found["causes"]) == ("0", [])
    assert Decimal(found["billed_usd"]) == Decimal(found["ours_usd"]) == scene.billed
    assert [one["day"] for one in found["days"]] == ["2026-11-02", "2026-11-03", "2026-11-04"]


def test_a_fault_is_named(run: Run, tmp_path: Path) -> None:
    scene = Scene(tmp_path, GEO)
    done = run("reconcile", scene.log, "--report", scene.cost, "--json")
    assert done.code == 0, done.err
    found = done.json()
    assert [one["cause"] for one in found["causes"]] == ["geo"]
    assert Decimal(found["causes"][0]["usd"]) == scene.billed - Decimal(found["ours_usd"]) > 0
    shown = run("reconcile", scene.log, "--report", scene.cost)
    assert shown.code == 0
    assert "geo" in shown.out
    assert "exactly 1.1 times" in " ".join(shown.out.split())
    assert "workspaces are not compared" in shown.err


def test_what_is_left_is_shown_and_fails(run: Run, tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    key = next(one for one in scene.made.charges if one[5] == "output")
    scene.made.charges[key] += 2 * 10**12
    Path(scene.cost).write_bytes(msgspec.json.encode(cost_pages(scene.made)))
    done = run("reconcile", scene.log, "--report", scene.cost)
    assert done.code == 1
    assert "no cause found" in done.out
    assert "$2.000000" in done.out
    assert run("reconcile", scene.log, "--report", scene.cost, "--tolerance-usd", "2", "--json").code == 0


def test_some_days_only(run: Run, tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    span = ("--since", "2026-11-03", "--until", "2026-11-04")
    found = run("reconcile", scene.log, "--report", scene.cost, *span, "--json").json()
    assert [one["day"] for one in found["days"]] == ["2026-11-03"]
    assert found["outside"]["days"] == ["2026-11-02", "2026-11-04"]
    assert "2 days of the log" in run("reconcile", scene.log, "--report", scene.cost, *span).err


def test_pulled_from_the_api(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(tmp_path, GEO, lost=2)
    monkeypatch.setenv("THRIFTGATE_ADMIN_KEY", ADMIN_KEY)
    server = AdminServer(scene.made, busy=1)
    with serving(server) as url:
        done = run("reconcile", scene.log, "--pull", *DAYS, "--admin-url", url, "--json")
    assert done.code == 0, done.err
    found = done.json()
    assert {one["cause"] for one in found["causes"]} == {"geo", "missing_calls"}
    assert Decimal(found["billed_usd"]) == scene.billed
    assert all(one["reported_tokens"] is not None for one in found["rows"])
    assert len(server.asked) > 10
    assert ADMIN_KEY not in done.out + done.err


def test_a_usage_report_can_stand_for_the_log(run: Run, tmp_path: Path) -> None:
    """It tells no prompt's length, so the calls over the price step of Haiku 5.5 differ."""
    scene = Scene(tmp_path)
    found = run("reconcile", scene.usage, "--report", scene.cost, "--json").json()
    assert [one["cause"] for one in found["causes"]] == ["long_context"]
    assert found["reconciled"]


def test_a_refused_key(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(tmp_path)
    monkeypatch.setenv("THRIFTGATE_ADMIN_KEY", "sk-ant-admin01-wrong")
    with serving(AdminServer(scene.made)) as url:
        done = run("reconcile", scene.log, "--pull", *DAYS, "--admin-url", url)
    assert (done.code, done.out) == (2, "")
    assert "answered 401" in done.err
    assert "sk-ant-admin01-wrong" not in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "name a ledger or logs"),
        (("--no-such-flag",), "unknown option: --no-such-flag"),
        (("-", "--report", "COST"), "no calls found in -"),
        (("LOG",), "--report FILE, or fetch it with --pull"),
        (("LOG", "--report", "COST", "--pull", *DAYS), "--report FILE, or fetch it with --pull"),
        (("LOG", "--pull"), "--pull wants the days"),
        (("LOG", "--pull", *DAYS, "--usage", "USAGE"), "leave --usage out"),
        (("LOG", "--pull", *DAYS), "set THRIFTGATE_ADMIN_KEY"),
        (("LOG", "--report", "COST", "--since", "yesterday"), "--since: 'yesterday' is no day"),
        (("LOG", "--report", "COST", "--since", "2026-11-04", "--until", "2026-11-03"), "must lie before"),
        (("LOG", "--report", "COST", "--tolerance-usd", "-1"), "must not be negative"),
        (("LOG", "--report", "COST", "--tolerance-usd", "much"), "not an amount"),
        (("LOG", "--report", "nowhere.json"), "nowhere.json: no such file"),
        (("nowhere.jsonl", "--report", "COST"), "nowhere.jsonl: no such file"),
        (("COST", "--report", "COST"), "give it with --report"),
        (("LOG", "--report", "USAGE"), "is no Admin API cost report (JSON) or Console cost export (CSV)"),
        (("LOG", "--report", "COST", "--usage", "COST"), "is no Admin API usage report"),
    ],
)
def test_bad_usage(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    scene = Scene(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("THRIFTGATE_ADMIN_KEY", raising=False)
    named = {"LOG": scene.log, "COST": scene.cost, "USAGE": scene.usage}
    done = run("reconcile", *(named.get(one, one) for one in arguments))
    assert (done.code, done.out) == (2, "")
    assert words in done.err

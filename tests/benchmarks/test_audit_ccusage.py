"""What ccusage prints, read back; and that it sees nothing but the folder it is given."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from benchmarks.audit import ccusage

PRINTED = b"""{
  "daily": [
    {
      "agent": "all", "cacheCreationTokens": 300, "cacheReadTokens": 4000, "inputTokens": 7,
      "metadata": {"agents": ["claude"]},
      "modelBreakdowns": [
        {"cacheCreationTokens": 300, "cacheReadTokens": 4000, "cost": 0.25, "inputTokens": 5, "modelName": "claude-opus-4-8",
         "outputTokens": 50},
        {"cacheCreationTokens": 0, "cacheReadTokens": 0, "cost": 0.0, "inputTokens": 2, "modelName": "claude-new",
         "outputTokens": 1}
      ],
      "modelsUsed": ["claude-new", "claude-opus-4-8"], "outputTokens": 51, "period": "2026-10-01", "totalCost": 0.25,
      "totalTokens": 4358
    },
    {
      "agent": "all", "cacheCreationTokens": 0, "cacheReadTokens": 0, "inputTokens": 1, "metadata": {"agents": ["claude"]},
      "modelBreakdowns": [
        {"cacheCreationTokens": 0, "cacheReadTokens": 0, "cost": 0.1, "inputTokens": 1, "modelName": "claude-opus-4-8",
         "outputTokens": 0}
      ],
      "modelsUsed": ["claude-opus-4-8"], "outputTokens": 0, "period": "2026-10-02", "totalCost": 0.1, "totalTokens": 1
    }
  ],
  "totals": {
    "cacheCreationTokens": 300, "cacheReadTokens": 4000, "inputTokens": 8, "outputTokens": 51, "totalCost": 0.35,
    "totalTokens": 4359, "unpricedModels": ["claude-new"]
  }
}
"""
NOTHING = (
    b'{"daily":[],"totals":{"cacheCreationTokens":0,"cacheReadTokens":0,"inputTokens":0,"outputTokens":0,"totalCost":0}}'
)


def test_totals_and_cost_by_model_are_read() -> None:
    totals = ccusage.parse(PRINTED)
    assert (totals.input, totals.write, totals.read, totals.output) == (8, 300, 4000, 51)
    assert totals.usd == Decimal("0.35")
    assert totals.by_model == {"claude-opus-4-8": Decimal("0.35"), "claude-new": Decimal("0.0")}
    assert totals.unpriced == ("claude-new",)


def test_a_folder_without_calls_is_zero() -> None:
    assert ccusage.parse(NOTHING) == ccusage.Totals(0, 0, 0, 0, Decimal(0))


@pytest.mark.parametrize("printed", [b"", b"Error: no data", b"[]", b'{"daily": []}', PRINTED[:300]])
def test_anything_else_is_not_taken_for_totals(printed: bytes) -> None:
    with pytest.raises(ccusage.NotAvailable, match="printed no totals"):
        ccusage.parse(printed)


def test_it_runs_offline_in_utc_on_the_folder_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", "/home/user/.claude")
    monkeypatch.setenv("HOME", "/home/user")
    monkeypatch.setenv("CODEX_HOME", "/home/user/.codex")
    environment = ccusage.environment(tmp_path / "logs", tmp_path / "home")
    assert environment["CLAUDE_CONFIG_DIR"] == str(tmp_path / "logs")
    assert not any("home/user" in value for name, value in environment.items() if name != "PATH")
    command = ccusage.command(tmp_path / "ccusage")
    assert command[0] == str(tmp_path / "ccusage")
    assert {"--offline", "--json"} < set(command)
    assert command[command.index("--timezone") + 1] == "UTC"


def test_without_npm_it_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ccusage.NotAvailable, match="node and npm"):
        ccusage.install(tmp_path / "home")


def test_an_npm_that_fails_is_told_with_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("npm", "node"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho 'network is down' >&2\nexit 3\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ccusage.NotAvailable, match="code 3: network is down"):
        ccusage.install(tmp_path / "home")


@pytest.mark.parametrize(("version", "there"), [(ccusage.VERSION, True), ("19.0.0", False)])
def test_only_the_pinned_version_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, there: bool
) -> None:
    program = tmp_path / "node_modules" / ".bin" / "ccusage"
    package = tmp_path / "node_modules" / "ccusage" / "package.json"
    for path in (program, package):
        path.parent.mkdir(parents=True)
    program.write_text("")
    package.write_text(json.dumps({"name": "ccusage", "version": version}))
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    if there:
        assert ccusage.install(tmp_path) == program
    else:
        with pytest.raises(ccusage.NotAvailable):
            ccusage.install(tmp_path)

"""`thriftgate doctor`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Books, Run
from tests.fixtures import serving
from thriftgate.cli import live
from thriftgate.simulator import Simulator


@pytest.fixture(autouse=True)
def any_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THRIFTGATE_SERVER__PORT", "0")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)


def test_all_is_well(run: Run, books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "get", lambda *_, **__: pytest.fail("touched the network"))
    done = run("doctor", "--ledger", books.path, "--json")
    assert (done.code, done.err) == (0, "")
    found = done.json()
    assert found["ok"] is True
    assert all(set(check) == {"name", "ok", "detail", "fix"} for check in found["checks"])
    assert "settings" in {check["name"] for check in found["checks"]}
    assert "upstream" not in {check["name"] for check in found["checks"]}


def test_for_people(run: Run, books: Books) -> None:
    done = run("doctor", "--ledger", books.path)
    assert done.code == 0
    assert "4 calls, each sums to zero" in " ".join(done.out.split())
    assert "FAILS" not in done.out


def test_a_failure_is_exit_code_1_with_a_fix(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "text.db"
    file.write_text("words")
    done = run("doctor", "--ledger", str(file))
    assert done.code == 1
    assert "FAILS" in done.out
    assert "-> name another file" in " ".join(done.out.split())


def test_wrong_settings_are_a_failed_check(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "thriftgate.toml"
    file.write_text("[server]\nprot = 1\n", encoding="utf-8")
    done = run("doctor", "--config", str(file), "--json")
    assert done.code == 1
    wrong = [check for check in done.json()["checks"] if not check["ok"]]
    assert [check["name"] for check in wrong] == ["settings"]
    assert "did you mean 'port'?" in wrong[0]["detail"]


def test_live(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ledger = str(tmp_path / "new.db")
    assert run("doctor", "--live", "--ledger", ledger).code == 1
    with serving(Simulator()) as url:
        monkeypatch.setenv("THRIFTGATE_UPSTREAM__URL", url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-sim-doctor-1")
        found = {check["name"]: check for check in run("doctor", "--live", "--ledger", ledger, "--json").json()["checks"]}
    assert found["upstream"]["ok"]

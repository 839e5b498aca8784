"""`thriftgate doctor`."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Books, Run
from tests.cli.test_trial import RemoteClock
from tests.fixtures import books as books_at
from tests.fixtures import serving
from thriftgate.cli import live
from thriftgate.cli.doctor import _agreed
from thriftgate.cli.trial import MEMORY
from thriftgate.core.belief_book import BeliefBook
from thriftgate.simulator import CacheRules, SimClock, Simulator, SimulatorConfig


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


def test_the_machine_and_the_file_are_looked_at(run: Run, books: Books, tmp_path: Path) -> None:
    file = tmp_path / "thriftgate.toml"
    file.write_text('[upstream]\napi_key = "sk-ant-sim-file-1"\n', encoding="utf-8")
    file.chmod(0o644)
    done = run("doctor", "--config", str(file), "--ledger", books.path, "--json")
    found = {check["name"]: check for check in done.json()["checks"]}
    assert done.code == 1
    assert {"open files", "disk", "settings file"} <= set(found)
    assert "can be read by everybody" in found["settings file"]["detail"]
    assert "sk-ant-sim-file-1" not in done.out


def test_a_gateway_from_its_clients_side(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.fixtures import settings_of, simulator
    from thriftgate.gateway.app import Gateway

    with serving(simulator()) as url:
        settings = settings_of(upstream={"url": url}, ledger={"path": str(tmp_path / "l.db")})
        with serving(Gateway(settings)) as gateway:
            done = run("doctor", "--gateway", gateway, "--key", "sk-ant-sim-doctor-1", "--json")
            monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-sim-doctor-1")
            by_variable = run("doctor", "--gateway", gateway)
            without = run("doctor", "--gateway", gateway, "--key", "")
    assert (done.code, done.err) == (0, "")
    assert [check["name"] for check in done.json()["checks"]][-1] == "is near"
    assert by_variable.code == 0
    assert without.code == 1
    assert "FAILS" in without.out


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A simulator as the upstream; the clock of `doctor` is its own, so that nothing is waited for."""
    simulator = Simulator(SimulatorConfig(seed=1, clock=SimClock.frozen(), tokenizer="estimate"))
    with serving(simulator) as url:
        monkeypatch.setenv("THRIFTGATE_UPSTREAM__URL", url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-sim-doctor-1")
        monkeypatch.setattr("thriftgate.cli.doctor.SystemClock", lambda: RemoteClock(url))
        yield simulator


def test_live_without_a_key(run: Run, tmp_path: Path) -> None:
    done = run("doctor", "--live", "--ledger", str(tmp_path / "new.db"), "--json")
    assert done.code == 1
    assert done.json()["experiments"] == []


def test_live_sends_nothing_where_nobody_can_be_asked(run: Run, tmp_path: Path, simulated: Simulator) -> None:
    done = run("doctor", "--live", "--ledger", str(tmp_path / "new.db"), "--json")
    assert done.code == 1
    assert {check["name"]: check["ok"] for check in done.json()["checks"]}["upstream"]
    assert done.json()["experiments"] == []
    assert "at most about $0." in done.err
    assert "--yes agrees to the cost" in done.err
    assert simulated.bill.calls == []


def test_live(run: Run, tmp_path: Path, simulated: Simulator) -> None:
    ledger = str(tmp_path / "new.db")
    done = run("doctor", "--live", "--yes", "--only", "V1,V3", "--ledger", ledger, "--json")
    assert done.code == 0, done.err
    document = done.json()
    assert set(document) == {"ok", "checks", "experiments", "cost_usd", "beliefs"}
    assert [(one["id"], one["verdict"]) for one in document["experiments"]] == [("V1", "holds"), ("V3", "holds")]
    assert all(set(one) == {"id", "question", "verdict", "detail", "cost_usd"} for one in document["experiments"])
    assert document["beliefs"]["late_upgrade"] == document["beliefs"]["free_insert"] == "holds"
    assert document["beliefs"]["in_place_upgrade"] == "unknown"
    assert document["cost_usd"] == run("report", "--ledger", ledger, "--json").json()["paid_usd"]
    assert document["cost_usd"] == str(simulated.bill.total.normalize())
    assert "V1.3" in done.err


async def kept(path: str) -> bytes | None:
    async with books_at(path) as ledger:
        return await ledger.kept(MEMORY)


def test_what_was_found_is_stored_for_the_gateway(run: Run, tmp_path: Path, simulated: Simulator) -> None:
    path = str(tmp_path / "new.db")
    simulated.config.rules = simulated.service.cache.rules = CacheRules(free_insert=False)
    assert run("doctor", "--live", "--yes", "--only", "V3", "--ledger", path).code == 0
    stored = asyncio.run(kept(path))
    assert stored is not None
    book = BeliefBook()
    book.restore(stored)
    assert not book.rules("anthropic", "claude-haiku-5-5").free_insert


def test_live_for_people(run: Run, tmp_path: Path, simulated: Simulator) -> None:
    done = run("doctor", "--live", "--yes", "--only", "V3", "--ledger", str(tmp_path / "new.db"))
    assert done.code == 0
    assert "made an entry free of charge" in " ".join(done.out.split())
    assert len(simulated.bill.calls) == 3


def test_live_with_an_experiment_that_is_not_there(run: Run, tmp_path: Path, simulated: Simulator) -> None:
    done = run("doctor", "--live", "--yes", "--only", "V12", "--ledger", str(tmp_path / "new.db"))
    assert done.code != 0
    assert "no experiment V12" in done.err
    assert simulated.bill.calls == []


@pytest.mark.parametrize(("typed", "agreed"), [("y\n", True), ("YES\n", True), ("\n", False), ("n\n", False), ("", False)])
def test_a_person_is_asked(monkeypatch: pytest.MonkeyPatch, typed: str, agreed: bool) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal(typed))
    assert _agreed() is agreed

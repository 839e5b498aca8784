"""`thriftgate demo`."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.cli.conftest import Run
from tests.demo.done import demo_done
from thriftgate.cli.demo import demo_document
from thriftgate.demo.workloads import WORKLOADS


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thriftgate.demo.run.run_demo", lambda *_, **__: demo_done())


def test_all_of_it_for_real(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "demo.db")
    done = run("demo", "--json", "--ledger", path)
    assert (done.code, done.err) == (0, "")
    found = done.json()
    assert [one["name"] for one in found["workloads"]] == [workload.name for workload in WORKLOADS]
    for sums in (found, *found["workloads"]):
        saved = Decimal(sums["saved_usd"])
        assert Decimal(sums["baseline_usd"]) - Decimal(sums["paid_usd"]) == saved > 0
        assert sum(Decimal(usd) for usd in sums["levers"].values()) == saved
    for name in ("calls", "baseline_usd", "paid_usd", "saved_usd"):
        assert sum(Decimal(one[name]) for one in found["workloads"]) == Decimal(found[name])
    assert found["proof"] == {
        "ok": True,
        "booked_usd": found["paid_usd"],
        "billed_usd": found["paid_usd"],
        "complaints": [],
    }
    assert (found["simulated"], found["ledger"]) == (True, path)
    _, _, *arguments = found["workloads"][0]["explain"].split()
    assert run("explain", *arguments, "--json").json()["cost_usd"]
    assert run("report", "--ledger", path, "--json").json()["paid_usd"] == found["paid_usd"]


@pytest.mark.usefixtures("done")
def test_for_people(run: Run) -> None:
    done = run("demo")
    assert (done.code, done.err) == (0, "")
    words = " ".join(done.out.split())
    for workload in WORKLOADS:
        assert f"{workload.name} {workload.calls}" in words or workload.name == "agent"
        assert f"# {workload.name}" in words
    assert "The provider is a simulation" in words
    assert "sums to zero" in words
    assert "to the pico-dollar" in words
    assert words.count("thriftgate explain tg_") == len(WORKLOADS)


def test_books_that_differ_from_the_bill_are_exit_code_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(demo_done(), proof=replace(demo_done().proof, complaints=("msg_1: off",), billed_pico=5))
    monkeypatch.setattr("thriftgate.demo.run.run_demo", lambda *_, **__: wrong)
    done = run("demo")
    assert done.code == 1
    assert "The books do not hold" in done.out
    assert done.err == "thriftgate: msg_1: off\n"
    assert demo_document(wrong)["proof"]["ok"] is False
    assert run("demo", "--json").code == 1


def test_without_the_sdk_the_extra_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anthropic", None)
    done = run("demo", "--json")
    assert (done.code, done.out) == (2, "")
    assert "pip install thriftgate[sdk]" in done.err


def test_an_existing_ledger_is_left_alone(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.db"
    path.write_bytes(b"precious")
    done = run("demo", "--ledger", str(path))
    assert (done.code, done.out) == (2, "")
    assert path.read_bytes() == b"precious"

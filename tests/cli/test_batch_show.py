"""`thriftgate batch status`, `list` and `results`: from the ledger alone, also while a run is at work."""

from __future__ import annotations

import asyncio
import signal
from decimal import Decimal
from pathlib import Path

import msgspec

from tests.cli.batches import (
    HEAD,
    Process,
    Provider,
    batch,
    ids_of,
    params,
    provider,
    server,
    wait_for,
    write_jobs,
)
from tests.cli.conftest import Run
from tests.fixtures import KEY, client, serving, settings_of
from thriftgate.gateway.app import Gateway

__all__ = ["provider", "server"]  # fixtures


def test_status_is_of_the_newest_run_or_of_any(run: Run, provider: Provider) -> None:
    batch(run, "run", write_jobs(2), "--out", "one.jsonl", "--yes")
    batch(run, "run", write_jobs(3), "--out", "two.jsonl", "--yes")
    newest = batch(run, "status")
    assert (newest["jobs"], newest["out"]) == (3, str(Path("two.jsonl").resolve()))
    newer, older = batch(run, "list")["runs"]
    assert newer["run"] == newest["run"]
    assert batch(run, "status", older["run"])["jobs"] == 2
    shown = run("batch", "status", older["run"])
    assert f"run {older['run']} (done)" in shown.out
    unknown = run("batch", "status", "run_0")
    assert unknown.code == 2
    assert "there is no run 'run_0' in this ledger; the newest: " in unknown.err


def test_list_adds_up(run: Run, provider: Provider) -> None:
    for count in (2, 3):
        batch(run, "run", write_jobs(count), "--out", f"{count}.jsonl", "--yes")
    document = batch(run, "list")
    assert {"jobs", "succeeded", "failed", "cost_usd", "saved_usd", "batches"} <= document.keys()
    assert (document["jobs"], document["succeeded"], document["failed"]) == (5, 5, {})
    assert document["cost_usd"] == provider.summary()["total_usd"]
    assert Decimal(document["saved_usd"]) == sum(Decimal(one["saved_usd"]) for one in document["runs"])
    assert len(document["batches"]) == 2


def test_the_list_is_legible_in_eighty_columns(run: Run, provider: Provider) -> None:
    batch(run, "run", write_jobs(2), "--out", "out.jsonl", "--yes")
    done = run("batch", "list")
    head, line = done.out.splitlines()
    assert head.split() == ["run", "state", "begun", "jobs", "failed", "paid", "saved"]
    assert line.startswith("run_")
    assert len(line) <= 80
    assert len(line.split()) == 7  # nothing is folded


def test_without_books_or_runs(run: Run, provider: Provider) -> None:
    assert run("batch", "list").code == 2
    assert run("batch", "run", "nowhere.jsonl", "--out", "out.jsonl").code == 2
    assert run("batch", "run", write_jobs(0, also=[b"x"]), "--out", "out.jsonl").code == 2
    assert batch(run, "list")["runs"] == []
    assert run("batch", "list").out.split() == ["run", "state", "begun", "jobs", "failed", "paid", "saved"]
    none = run("batch", "status")
    assert none.code == 2
    assert "there is no run in this ledger yet" in none.err


def test_results_of_a_run_that_is_through(run: Run, provider: Provider) -> None:
    for order in ("input", "arrival"):
        document = batch(run, "run", write_jobs(4), "--out", order, "--order", order, "--yes")
        done = run("batch", "results", document["run"])
        assert (done.code, done.err) == (0, "")
        lines = [msgspec.json.decode(line) for line in done.out.splitlines()]
        assert [line["custom_id"] for line in lines] == [f"row-{number}" for number in range(4)]
        told = batch(run, "results", document["run"])
        assert told["results"] == lines
        assert told["succeeded"] == 4
    Path("input").unlink()
    first = batch(run, "list")["runs"][1]["run"]
    gone = run("batch", "results", first)
    assert gone.code == 2
    assert "there is no file" in gone.err


def test_while_it_is_at_work(run: Run, provider: Provider) -> None:
    """One wave is through, its followers never will be."""
    write_jobs(5, system=HEAD)
    run("batch", "run", "jobs.jsonl", "--out", "out.jsonl")
    (known,) = batch(run, "list")["runs"]
    assert batch(run, "status", known["run"])["left"] == {"waiting": 5}
    assert run("batch", "results", known["run"]).out == ""  # none has come yet
    provider.slow_after_the_first()
    with Process("batch", "run", "jobs.jsonl", "--out", "out.jsonl", "--yes") as working:

        def states() -> list[str]:
            return [one["state"] for one in batch(run, "status")["batches"]]

        wait_for(lambda: states() == ["booked", "running"])
        status = batch(run, "status")
        assert (status["state"], status["succeeded"], status["left"]) == ("running", 1, {"packed": 4})
        shown = run("batch", "status").out
        assert "in batches  4" in shown
        assert "2 batches, 1 open" in shown
        (line,) = run("batch", "results", known["run"]).out.splitlines()
        assert msgspec.json.decode(line)["custom_id"] == "row-0"
        working.end(signal.SIGKILL)
    assert len(batch(run, "results", known["run"])["results"]) == 1
    assert ids_of() == ["row-0"]


def test_batches_of_clients_stand_apart(run: Run, provider: Provider, tmp_path: Path) -> None:
    batch(run, "run", write_jobs(2), "--out", "out.jsonl", "--yes")
    path = str(tmp_path / "books.db")
    with serving(Gateway(settings_of(upstream={"url": provider.url}, ledger={"path": path}))) as url:
        asyncio.run(_client_batch(url))
    lines = run("batch", "list").out.splitlines()
    assert lines[2].split() == ["batch", "of", "a", "client", "state", "begun", "jobs", "paid"]
    assert lines[3].startswith("client_tgb_")
    assert max(map(len, lines)) <= 80
    theirs = batch(run, "list")["runs"][0]
    assert (theirs["kind"], theirs["saved_usd"], theirs["succeeded"]) == ("client", "0", 1)
    done = run("batch", "results", theirs["run"])
    assert done.code == 2
    assert "its results went to its callers" in done.err
    for verb in ("resume", "cancel"):
        assert "there is no run" in run("batch", verb, theirs["run"]).err


async def _client_batch(url: str) -> None:
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
    batches = f"{url}/v1/messages/batches"
    async with client() as session:
        requests = {"requests": [{"custom_id": "theirs", "params": params(1)}]}
        async with session.post(batches, json=requests, headers=headers) as answer:
            remote = (await answer.json())["id"]
        async with session.get(f"{batches}/{remote}/results", headers=headers) as answer:
            assert answer.status == 200
            assert b"theirs" in await answer.read()

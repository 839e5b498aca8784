"""`thriftgate batch run`, `resume` and `cancel` against the simulator behind a socket."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.batches import (
    HEAD,
    SLOWLY,
    Process,
    Provider,
    batch,
    batch_states,
    ids_of,
    job,
    kinds_of,
    left_beside,
    lines_of,
    provider,
    refused,
    server,
    tale,
    wait_for,
    write_jobs,
)
from tests.cli.conftest import Run

__all__ = ["provider", "server"]  # fixtures

# --- what it prints ------------------------------------------------------------------------------------------------------


def test_one_document_and_one_line_a_job(run: Run, provider: Provider) -> None:
    done = run("batch", "run", write_jobs(7), "--out", "out.jsonl", "--yes", "--json")
    assert done.code == 0, done.err
    document = done.json()
    assert {"jobs", "succeeded", "failed", "cost_usd", "saved_usd", "batches"} <= document.keys()
    assert (document["jobs"], document["succeeded"], document["failed"], document["state"]) == (7, 7, {}, "done")
    (one,) = document["batches"]
    assert (one["jobs"], one["state"], one["role"]) == (7, "booked", "plain")
    assert document["cost_usd"] == provider.summary()["total_usd"]
    assert Decimal(document["saved_usd"]) == Decimal(document["cost_usd"])  # half price
    assert document["levers"] == {"batch.defer": document["saved_usd"]}
    assert ids_of() == [f"row-{number}" for number in range(7)]
    assert kinds_of() == ["succeeded"] * 7
    assert left_beside() == set()


def test_people_see_the_price_first_and_a_table_last(run: Run, provider: Provider) -> None:
    done = run("batch", "run", write_jobs(2), "--out", "out.jsonl", "--yes")
    assert done.code == 0
    assert "2 jobs, about 34 prompt and 80 answer tokens" in done.err
    assert "in batches           about $0." in done.err
    assert "batch created" not in done.err  # the log is for servers
    assert "succeeded  2  100.0 %" in done.out
    assert "1 batch, 0 open" in done.out
    assert f"results: {Path('out.jsonl').resolve()}" in done.out


def test_prefixes_that_are_shared_are_written_once_and_read(run: Run, provider: Provider) -> None:
    document = batch(run, "run", write_jobs(12, system=HEAD), "--out", "out.jsonl", "--yes")
    assert [one["role"] for one in document["batches"]] == ["lead", "follow"]
    assert [one["jobs"] for one in document["batches"]] == [1, 11]
    assert document["cache_hit_share"] > 0.85
    assert document["levers"].keys() == {"batch.defer", "cache.breakpoints"}
    assert document["cost_usd"] == provider.summary()["total_usd"]
    plain = batch(run, "run", "jobs.jsonl", "--out", "plain.jsonl", "--yes", "--no-prime")
    assert (plain["cache_hit_share"], len(plain["batches"])) == (0.0, 1)
    assert Decimal(plain["cost_usd"]) > 2 * Decimal(document["cost_usd"])


# --- again ---------------------------------------------------------------------------------------------------------------


def test_a_run_that_is_through_is_not_paid_for_twice(run: Run, provider: Provider) -> None:
    command = ("batch", "run", write_jobs(3), "--out", "out.jsonl", "--yes", "--json")
    first = run(*command)
    again = run(*command)
    assert (again.code, again.json()) == (0, first.json())
    assert "is through already; its results are in" in again.err
    Path("out.jsonl").unlink()
    gone = run(*command)
    assert gone.code == 1
    assert "its results are not in" in gone.err
    assert provider.posted == 1


def test_what_a_run_was_begun_with_stands(run: Run, provider: Provider) -> None:
    command = ("batch", "run", write_jobs(4, **tale(3_000)), "--out", "out.jsonl", "--deadline", "6h")
    limit = ("--max-cost", "0.012", "--requests-max", "1")
    assert run(*command, *limit).code == 1
    assert provider.posted > 0
    done = run(*command, "--max-cost", "1", "--order", "arrival", "--no-prime")
    assert done.code == 0, done.err
    assert "keeps the deadline it was begun with: 20" in done.err
    assert "not changed now: --order, --prime, --requests-max" in done.err
    assert ids_of() == [f"row-{number}" for number in range(4)]


def test_a_results_file_in_the_way(run: Run, provider: Provider) -> None:
    Path("out.jsonl").write_text("mine\n", encoding="utf-8")
    refused(run("batch", "run", write_jobs(2), "--out", "out.jsonl", "--yes"), provider, "exists already", "--out")
    assert Path("out.jsonl").read_text(encoding="utf-8") == "mine\n"
    refused(run("batch", "run", "jobs.jsonl", "--out", "jobs.jsonl", "--yes"), provider, "--out is the jobs file itself")


def test_a_jobs_file_that_has_changed_since(run: Run, provider: Provider) -> None:
    """What was begun keeps its results file; what was not is no hindrance."""
    command = ("batch", "run", write_jobs(4, **tale(3_000)), "--out", "out.jsonl", "--yes")
    assert run(*command, "--max-cost", "0.012", "--requests-max", "1").code == 1
    posted = provider.posted
    write_jobs(5)
    done = run(*command)
    assert done.code == 2
    assert "is being written by run_" in done.err
    assert "has changed since it began" in done.err
    assert provider.posted == posted


def test_a_mended_file_goes_to_the_same_results(run: Run, provider: Provider) -> None:
    command = ("batch", "run", write_jobs(2, also=[b"no job"]), "--out", "out.jsonl", "--yes")
    assert run(*command).code == 2
    write_jobs(2)
    assert run(*command).code == 0
    assert len(batch(run, "list")["runs"]) == 1  # the other one never was one


def test_results_in_order_of_arrival(run: Run, provider: Provider) -> None:
    """Whoever writes a shared prefix is answered first."""
    jobs = write_jobs(2, also=[job(number, system=HEAD) for number in range(2, 9)])
    for order, first in (("arrival", "row-2"), ("input", "row-0")):
        assert run("batch", "run", jobs, "--out", order, "--order", order, "--yes").code == 0
        assert ids_of(order)[0] == first
        assert sorted(ids_of(order)) == [f"row-{number}" for number in range(9)]
        assert left_beside(order) == set()


# --- what fails ----------------------------------------------------------------------------------------------------------


def test_jobs_that_fail_are_told_by_cause(run: Run, provider: Provider) -> None:
    """What a count of tokens does not tell ends as an errored item."""
    bad = job(9, temperature=7)
    done = run("batch", "run", write_jobs(2, also=[bad]), "--out", "out.jsonl", "--yes", "--json")
    assert done.code == 1
    assert done.json()["failed"] == {"invalid_request_error": 1}
    assert done.json()["succeeded"] == 2
    assert kinds_of() == ["succeeded", "succeeded", "errored"]
    assert done.json()["cost_usd"] == provider.summary()["total_usd"]


def test_what_the_provider_failed_at_is_tried_again(run: Run, provider: Provider) -> None:
    provider.faults(batch_item_error=0.4)
    document = run("batch", "run", write_jobs(20), "--out", "out.jsonl", "--yes", "--json").json()
    assert len(document["batches"]) > 1
    assert sum(one["jobs"] for one in document["batches"]) > 20
    assert document["succeeded"] > 15
    assert document["succeeded"] + sum(document["failed"].values()) == len(lines_of()) == 20
    assert document["failed"].keys() <= {"api_error", "overloaded_error"}


def test_a_provider_that_takes_no_batch_now_is_told_once(run: Run, provider: Provider) -> None:
    provider.busy = 2
    done = run("batch", "run", write_jobs(2), "--out", "out.jsonl", "--yes")
    assert done.code == 0
    assert done.err.count("the provider takes no batch now, it is tried again: 429 rate_limit_error: too many at once") == 1
    assert provider.posted == 1


def test_a_deadline_that_batches_would_not_meet(run: Run, provider: Provider) -> None:
    """Everything is called at once, at the full price."""
    document = batch(run, "run", write_jobs(3), "--out", "out.jsonl", "--yes", "--deadline", "2m")
    assert (document["succeeded"], document["batches"], document["saved_usd"]) == (3, [], "0")
    assert document["deadline"].startswith("20")
    assert document["cost_usd"] == provider.summary()["total_usd"]
    assert kinds_of() == ["succeeded"] * 3
    assert provider.posted == 0


def test_without_a_key(run: Run, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    refused(run("batch", "run", write_jobs(1), "--out", "out.jsonl", "--yes"), provider, "set ANTHROPIC_API_KEY")


# --- stopped, killed, canceled -------------------------------------------------------------------------------------------


def test_cancel(run: Run, provider: Provider) -> None:
    """While a process works on it that one does it; a second one meanwhile is turned away."""
    provider.batches(SLOWLY)
    command = ("batch", "run", write_jobs(3), "--out", "out.jsonl", "--yes", "--json")
    with Process(*command) as working:
        wait_for(lambda: batch_states(run) == ["running"])
        other = run(*command)
        assert other.code == 1
        assert "another process is at work on run_" in other.err
        (one,) = batch(run, "list")["runs"]
        asked = run("batch", "cancel", one["run"], "--json")
        assert asked.code == 0
        assert "will cancel it within a minute" in asked.err
        ended = working.end()
    assert ended.code == 1
    assert ended.json()["failed"] == {"canceled": 3}
    assert kinds_of() == ["canceled"] * 3
    assert provider.summary()["calls"] == 0
    assert run("batch", "cancel", one["run"]).code == 2  # it is through


def test_cancel_what_nobody_works_on(run: Run, provider: Provider) -> None:
    run("batch", "run", write_jobs(3), "--out", "out.jsonl")
    (one,) = batch(run, "list")["runs"]
    document = batch(run, "cancel", one["run"])
    assert (document["state"], document["failed"]) == ("done", {"canceled": 3})
    assert kinds_of() == ["errored"] * 3
    assert provider.posted == 0


def test_resume(run: Run, provider: Provider) -> None:
    run("batch", "run", write_jobs(3), "--out", "out.jsonl")
    (one,) = batch(run, "list")["runs"]
    assert run("batch", "resume", one["run"]).code == 1  # not agreed to either
    assert run("batch", "resume", one["run"], "--yes").code == 0
    assert len(lines_of()) == 3
    assert "there is no run 'run_0'" in run("batch", "resume", "run_0").err


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits of a process are POSIX")
def test_a_full_disk_loses_nothing(run: Run, provider: Provider) -> None:
    command = ("batch", "run", write_jobs(60, **tale(8_000)), "--out", "out.jsonl", "--yes", "--json")
    bytes_max = 900_000
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({bytes_max}, {bytes_max}))"
    with Process(*command, prelude=limit) as working:
        full = working.end()
    assert full.code == 1, full.err
    assert "cannot write" in full.err
    assert "nothing is lost, run the same command again" in full.err
    assert "Traceback" not in full.err
    done = run(*command)
    assert (done.code, done.json()["succeeded"]) == (0, 60), done.err
    assert ids_of() == [f"row-{number}" for number in range(60)]
    assert Path("out.jsonl").stat().st_size > bytes_max
    assert (provider.summary()["batch_calls"], provider.summary()["doubled"]) == (60, 0)

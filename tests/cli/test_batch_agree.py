"""What happens before anything of a run is sent: intake, the sample, the price, and somebody's word."""

from __future__ import annotations

import os
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.batches import (
    Process,
    Provider,
    batch,
    ids_of,
    job,
    kinds_of,
    left_beside,
    lines_of,
    params,
    provider,
    refused,
    server,
    tale,
    write_jobs,
)
from tests.cli.conftest import Run

__all__ = ["provider", "server"]  # fixtures


def test_nothing_is_sent_without_a_word(run: Run, provider: Provider) -> None:
    done = run("batch", "run", write_jobs(3), "--out", "out.jsonl", "--json")
    assert done.code == 1
    assert "nothing was sent: --yes agrees" in done.err
    assert done.json()["state"] == "ready"
    assert Decimal(done.json()["estimate"]["calls_usd"]) == 2 * Decimal(done.json()["estimate"]["batches_usd"]) > 0
    assert provider.posted == 0
    assert not Path("out.jsonl").exists()
    assert left_beside() == set()
    silent = run("batch", "run", "jobs.jsonl", "--out", "out.jsonl")
    assert (silent.code, silent.out) == (1, "")


def test_a_run_that_nothing_was_sent_of_can_be_told_anything_anew(run: Run, provider: Provider) -> None:
    run("batch", "run", write_jobs(4), "--out", "out.jsonl")
    done = run(
        "batch", "run", "jobs.jsonl", "--out", "out.jsonl", "--order", "arrival", "--requests-max", "3", "--yes", "--json"
    )
    assert done.code == 0, done.err
    assert [one["jobs"] for one in done.json()["batches"]] == [3, 1]
    assert sorted(ids_of()) == [f"row-{number}" for number in range(4)]
    assert left_beside() == set()


def test_a_limit_agrees_to_less_and_refuses_more(run: Run, provider: Provider) -> None:
    write_jobs(3)
    done = run("batch", "run", "jobs.jsonl", "--out", "out.jsonl", "--max-cost", "0.000001")
    assert done.code == 1
    assert "more than the $0.000001 of --max-cost" in done.err
    assert provider.posted == 0
    again = run("batch", "run", "jobs.jsonl", "--out", "out.jsonl", "--yes")  # a limit stands until it is told anew
    assert (again.code, provider.posted) == (1, 0)
    assert batch(run, "run", "jobs.jsonl", "--out", "out.jsonl", "--max-cost", "1")["succeeded"] == 3


def test_a_limit_stops_a_run_midway_and_a_higher_one_takes_it_up(run: Run, provider: Provider) -> None:
    """Answers turn out to be far longer than was expected, though not longer than they may be."""
    command = ("batch", "run", write_jobs(10, **tale(3_000)), "--out", "out.jsonl", "--requests-max", "2", "--json")
    worst = Decimal(run(*command).json()["estimate"]["worst_usd"])
    done = run(*command, "--max-cost", str(worst * 3 / 10))
    assert done.code == 1
    assert "stopped before more was spent than allowed" in done.err
    stopped = done.json()
    assert 0 < stopped["succeeded"] < 10
    assert stopped["left"] == {"waiting": 10 - stopped["succeeded"]}
    assert Decimal(stopped["cost_usd"]) <= worst * 3 / 10
    assert "goes on, or: thriftgate batch resume" in done.err
    whole = run("batch", "resume", stopped["run"], "--max-cost", str(worst), "--json")
    assert (whole.code, whole.json()["succeeded"]) == (0, 10), whole.err
    assert (provider.summary()["batch_calls"], provider.summary()["doubled"]) == (10, 0)
    assert ids_of() == [f"row-{number}" for number in range(10)]


def test_skipped_lines_have_their_line_of_results(run: Run, provider: Provider) -> None:
    also: list[object] = [b"no job", {"id": "free text", "params": params(1, stream=True)}, job(7)]
    done = run("batch", "run", write_jobs(2, also=also), "--out", "out.jsonl", "--yes", "--skip-bad", "--json")
    assert done.code == 1
    assert (done.json()["succeeded"], done.json()["failed"]) == (3, {"invalid_request_error": 2})
    assert ids_of() == ["row-0", "row-1", "line-3", "free text", "row-7"]
    assert kinds_of() == ["succeeded", "succeeded", "errored", "errored", "succeeded"]
    assert "line 3: not valid JSON" in lines_of()[2]["result"]["error"]["error"]["message"]
    assert "line 4 left out: " in done.err


def test_the_provider_refuses_the_key(run: Run, provider: Provider) -> None:
    provider.refusal = 401, {"type": "authentication_error", "message": "invalid x-api-key"}
    command = ("batch", "run", write_jobs(2), "--out", "out.jsonl", "--yes")
    refused(run(*command), provider, "so nothing was sent: 401 authentication_error: invalid x-api-key")
    assert left_beside() == set()
    provider.refusal = None
    assert run(*command).code == 0


def test_the_count_of_the_sample_corrects_the_price(run: Run, provider: Provider) -> None:
    """Where our own count of tokens is off, the provider's for the first jobs tells by how much."""
    provider.refusal = 200, {"input_tokens": 17_000}
    dear = run("batch", "run", write_jobs(3), "--out", "out.jsonl", "--json").json()["estimate"]
    provider.refusal = None
    true = run("batch", "run", "jobs.jsonl", "--out", "other.jsonl", "--json").json()["estimate"]
    assert (dear["prompt_tokens"], dear["output_tokens"]) == (51_000, true["output_tokens"])
    assert Decimal(dear["batches_usd"]) > 20 * Decimal(true["batches_usd"])
    assert dear["worst_usd"] == true["worst_usd"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
@pytest.mark.parametrize(("word", "code"), [("n", 1), ("", 1), ("y", 0), ("YES", 0)])
def test_people_at_a_terminal_are_asked(provider: Provider, word: str, code: int) -> None:
    ours, theirs = os.openpty()
    os.write(ours, f"{word}\n".encode())
    with Process("batch", "run", write_jobs(2), "--out", "out.jsonl", stdin=theirs) as working:
        done = working.end()
    os.close(ours)
    os.close(theirs)
    assert done.code == code, done.err
    assert "at most $0.000270\nSend them? [y/N]\n" in done.err
    assert provider.posted == (1 - code)

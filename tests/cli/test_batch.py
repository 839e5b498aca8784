"""`thriftgate batch` as processes of their own, ended in the middle, and what the verb takes."""

from __future__ import annotations

import signal

import pytest

from tests.cli.batches import (
    AT_ONCE,
    SLOWLY,
    Process,
    Provider,
    batch,
    batch_states,
    ids_of,
    left_beside,
    provider,
    server,
    wait_for,
    write_jobs,
)
from tests.cli.conftest import Run
from tests.fixtures import KEY

__all__ = ["provider", "server"]  # fixtures


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_ended_in_the_middle_and_run_again(run: Run, provider: Provider, how: signal.Signals) -> None:
    provider.batches(AT_ONCE | {"duration_s": [0.25, 0.26]})
    command = ("batch", "run", write_jobs(6), "--out", "out.jsonl", "--yes", "--json")
    with Process(*command) as working:
        wait_for(lambda: batch_states(run) == ["running"])
        ended = working.end(how)
    assert ended.out == ""
    if how == signal.SIGINT:
        assert ended.code == 130
        assert "interrupted" in ended.err
        assert "the same command goes on, or: thriftgate batch resume run_" in ended.err
    done = run(*command)
    assert done.code == 0, done.err
    assert (done.json()["succeeded"], len(done.json()["batches"])) == (6, 1)
    assert ids_of() == [f"row-{number}" for number in range(6)]
    assert (provider.summary()["batch_calls"], provider.summary()["doubled"], provider.posted) == (6, 0, 1)
    assert left_beside() == set()


def test_a_key_of_another_workspace_does_not_lose_a_run(
    run: Run, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.batches(SLOWLY)
    with Process("batch", "run", write_jobs(2), "--out", "out.jsonl", "--yes") as working:
        wait_for(lambda: batch_states(run) == ["running"])
        working.end(signal.SIGKILL)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-sim-elsewhere-1")
    done = run("batch", "run", "jobs.jsonl", "--out", "out.jsonl", "--yes")
    assert done.code == 2
    assert "was begun with another key" in done.err
    assert batch_states(run) == ["running"]
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY + "-rotated")
    assert run("batch", "cancel", batch(run, "list")["runs"][0]["run"]).code == 0


def test_help_is_there_and_quick(run: Run) -> None:
    done = run("batch", "--help")
    assert done.code == 0
    for verb in ("run", "resume", "status", "list", "results", "cancel"):
        assert verb in done.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "jobs.jsonl"),
        ("run", "jobs.jsonl", "--out", "o", "--order", "any"),
        ("run", "jobs.jsonl", "--out", "o", "--max-cost", "much"),
        ("resume",),
        ("results",),
        ("cancel",),
        ("status", "a", "b"),
        ("walk",),
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_bad_usage(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("batch", *arguments).code == 2

"""`thriftgate prune` against the simulator behind a socket."""

from __future__ import annotations

import os
import signal
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.batches import SLOWLY, Process, Provider, batch_states, provider, server, wait_for
from tests.cli.conftest import Done, Run
from tests.quality.evaluating import write_lines
from tests.quality.pruning.pruning import LIVING, PROMPT, ticket_lines

__all__ = ["provider", "server"]  # fixtures

PRUNED = f"# Desk\n\n## Task\n\n{LIVING}\n"
COMMAND = ("prune", "prompt.md", "--eval", "cases.jsonl", "--margin", "0.1")


def files(count: int = 50, *, prompt: str = PROMPT, **members: Any) -> None:
    Path("prompt.md").write_text(prompt, encoding="utf-8")
    write_lines(Path("cases.jsonl"), ticket_lines(count, **members))


def refused(done: Done, provider: Provider, *words: str) -> None:
    """Bad usage, in these words; nothing was sent."""
    assert done.code == 2, done.err
    assert (done.out, "Traceback" in done.err) == ("", False)
    for word in words:
        assert word in " ".join(done.err.split())
    assert provider.summary()["calls"] == 0


def test_one_document_and_nothing_written(run: Run, provider: Provider) -> None:
    files()
    done = run(*COMMAND, "--json", "--calls-per-month", "1000000")
    assert done.code == 0, done.err
    document = done.json()
    assert (document["state"], document["confirmed"], document["written"], document["copy"]) == (
        "confirmed",
        True,
        False,
        "",
    )
    assert (document["after"], Path("prompt.md").read_text(encoding="utf-8")) == (PRUNED, PROMPT)
    assert document["cases"] == {"search": 20, "heldout": 30, "independent": 30, "needed": 30}
    assert document["tokens_after"] < document["tokens_before"]
    assert Decimal(document["saved_usd_month"]) > 0
    assert document["saved_cached_usd_month"] == document["saved_usd_month"]  # too short for any cache
    assert document["score_before"] == document["score_after"] > 0.8
    assert -0.1 < document["low"] < 0
    assert document["confidence"] == 0.95
    assert document["spent_usd"] == provider.summary()["total_usd"]
    assert document["calls"] == provider.summary()["calls"]
    assert [one["section"][:9] for one in document["kept"]] == ["Give the ", "Reply wit"]
    assert {one["reason"] for one in document["removed"]} == {"the score is kept without it"}
    assert "-Be kind. Be brief." in document["diff"]
    assert "20 cases to search on, 30 held out" in " ".join(done.err.split())


def test_the_same_command_again_pays_nothing_and_writes(run: Run, provider: Provider) -> None:
    files()
    run(*COMMAND)
    calls = provider.summary()["calls"]
    done = run(*COMMAND, "--write", "--budget", "0.000001")
    assert done.code == 0, done.err
    assert "prompt.md.orig" in done.out
    assert Path("prompt.md").read_text(encoding="utf-8") == PRUNED
    assert Path("prompt.md.orig").read_text(encoding="utf-8") == PROMPT
    assert provider.summary()["calls"] == calls
    again = run(*COMMAND, "--write", "--json")
    assert (again.code, again.json()["state"], again.json()["written"]) == (0, "nothing to prune", False)


def test_people_see_the_diff_and_what_sections_are_worth(run: Run, provider: Provider) -> None:
    files()
    done = run(*COMMAND)
    assert done.code == 0, done.err
    for words in ("-Be kind. Be brief.", "left out", "kept", "held-out score", "confirmed", "tokens;", "prompts tried"):
        assert words in done.out


def test_in_batches(run: Run, provider: Provider) -> None:
    files()
    done = run(*COMMAND, "--batch", "--json")
    assert done.code == 0, done.err
    assert done.json()["after"] == PRUNED
    assert provider.summary()["batch_calls"] == provider.summary()["calls"] == done.json()["calls"]
    assert done.json()["spent_usd"] == provider.summary()["total_usd"]
    assert not Path("prompt.md.work").exists()


def test_too_few_cases_fall_short_and_nothing_is_written(run: Run, provider: Provider) -> None:
    files(24)
    done = run(*COMMAND, "--write", "--json")
    assert done.code == 1
    document = done.json()
    assert (document["state"], document["confirmed"], document["written"]) == ("unconfirmed", False, False)
    assert document["cases"]["needed"] >= 29
    assert document["after"] != PROMPT
    assert "nothing was written" in document["notes"]
    assert "it takes 29 at least" in " ".join(done.err.split())
    assert Path("prompt.md").read_text(encoding="utf-8") == PROMPT


def test_a_budget_that_is_too_small_is_refused_before_anything_is_sent(run: Run, provider: Provider) -> None:
    files()
    done = run(*COMMAND, "--budget", "0.0001", "--json")
    assert (done.code, done.json()["state"]) == (1, "refused")
    assert "nothing was sent" in done.err
    assert Decimal(done.json()["needed_usd"]) > Decimal("0.0001")
    assert provider.summary()["calls"] == 0


def test_a_budget_is_never_overrun(run: Run, provider: Provider) -> None:
    files()
    done = run(*COMMAND, "--budget", "0.0045", "--json")
    document = done.json()
    assert document["stopped"]
    assert 0 < Decimal(document["spent_usd"]) == Decimal(provider.summary()["total_usd"]) <= Decimal("0.0045")
    assert done.code == (0 if document["confirmed"] else 1)


@pytest.mark.parametrize(
    "bad",
    [
        (None, " \n\n", (), ("the prompt is empty",)),
        (None, None, (), ("prompt.md", "there is no file")),
        ([], PROMPT, (), ("holds no items",)),
        ([{"prompt": "a", "judge": "exact"}] * 2, PROMPT, (), ("line 1: expected: missing",)),
        ([{"prompt": "a"}] * 2, PROMPT, (), ("line 1: no judge",)),
        ([{"prompt": "a", "expected": "b", "judge": "exact"}], PROMPT, (), ("at least 2 cases",)),
        ([{"prompt": "a", "system": "b", "expected": "b", "judge": "exact"}] * 2, PROMPT, (), ("line 1: has a system",)),
        (None, PROMPT, ("--judge", "{"), ("--judge: not JSON",)),
        (None, PROMPT, ("--judge", "exat"), ("there is no judge 'exat'",)),
        (None, PROMPT, ("--model", "claude-9"), ("--model: the model 'claude-9' is not known",)),
        (None, PROMPT, ("--model", "claude-haiku-5-5,claude-opus-4-8"), ("name one",)),
        (None, PROMPT, ("--budget", "0"), ("--budget 0",)),
        (None, PROMPT, ("--confidence", "1"), ("--confidence 1",)),
        (None, PROMPT, ("--calls-per-month", "-1"), ("--calls-per-month -1",)),
        (None, PROMPT, ("--ledger", ":memory:"), ("--answers",)),
        (None, b"\xff", (), ("is not text in UTF-8 (byte 0)",)),
    ],
)
def test_bad_input(
    run: Run, provider: Provider, bad: tuple[Any, str | bytes | None, tuple[str, ...], tuple[str, ...]]
) -> None:
    lines, prompt, arguments, words = bad
    if prompt is not None:
        Path("prompt.md").write_bytes(prompt if isinstance(prompt, bytes) else prompt.encode())
    write_lines(Path("cases.jsonl"), ticket_lines(4) if lines is None else lines)
    refused(run(*COMMAND, *arguments), provider, *words)


def test_no_key(run: Run, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    files()
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    refused(run(*COMMAND), provider, "set ANTHROPIC_API_KEY")


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX has them")
def test_killed_while_a_batch_is_at_work_it_goes_on_and_pays_once(run: Run, provider: Provider) -> None:
    files()
    provider.batches(SLOWLY)
    with Process(*COMMAND, "--batch", "--json") as working:
        wait_for(lambda: "running" in batch_states(run))
        assert working.end(signal.SIGKILL).code == -signal.SIGKILL
    assert list(Path("prompt.md.work").glob("*.jobs.jsonl"))
    provider.app.config.clock.advance(700)  # type: ignore[attr-defined]
    provider.batches({**SLOWLY, "duration_s": [1e-6, 2e-6]})
    done = run(*COMMAND, "--batch", "--json")
    assert done.code == 0, done.err
    assert done.json()["after"] == PRUNED
    summary = provider.summary()
    assert done.json()["calls"] + 20 == summary["calls"]  # the killed one had sent the cases of the search
    assert done.json()["spent_usd"] == summary["total_usd"]  # it was this one that brought them home

"""`thriftgate eval run` against the simulator behind a socket."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.batches import SLOWLY, Process, Provider, batch_states, provider, server, wait_for
from tests.cli.conftest import Done, Run
from tests.quality.evaluating import CHEAP, STRONG, task_lines, write_lines
from thriftgate.quality.labels_file import read_labelled
from thriftgate.quality.results import read_results

__all__ = ["provider", "server"]  # fixtures

MODELS = ("--models", f"{CHEAP},{STRONG}")


def items(count: int = 2, **members: Any) -> str:
    return str(write_lines(Path("set.jsonl"), task_lines(count, **members)))


def refused(done: Done, provider: Provider, *words: str) -> None:
    """Bad usage, in these words; nothing was sent."""
    assert done.code == 2, done.err
    assert (done.out, "Traceback" in done.err) == ("", False)
    for word in words:
        assert word in done.err
    assert provider.summary()["calls"] == 0


def test_one_document_and_one_line_an_item(run: Run, provider: Provider) -> None:
    done = run("eval", "run", items(), *MODELS, "--json")
    assert done.code == 0, done.err
    document = done.json()
    assert (document["state"], document["mode"], document["items"]) == ("done", "batch", 10)
    assert (document["calls"], document["cached"], document["failed"], document["ungraded"]) == (20, 0, {}, {})
    assert document["cost_usd"] == provider.summary()["total_usd"]
    assert provider.summary()["batch_calls"] == 20
    assert Decimal(document["estimate"]["cost_usd"]) <= Decimal(document["estimate"]["worst_usd"])
    assert [one["arm"] for one in document["arms"]] == [CHEAP, STRONG]
    assert "20 calls in batches, about " in done.err
    lines = read_results(Path("set.results.jsonl"))
    assert [line.id for line in lines] == [one["id"] for one in task_lines(2)]
    assert len(read_labelled(Path("set.results.jsonl"))) == 10
    assert {one.name for one in Path.cwd().iterdir()} >= {"books.db", "books.answers.db", "set.results.jsonl"}
    assert not Path("set.results.jsonl.work").exists()


def test_the_same_command_again_pays_nothing(run: Run, provider: Provider) -> None:
    first = run("eval", "run", items(), *MODELS, "--json").json()
    again = run("eval", "run", items(), *MODELS, "--json", "--max-cost", "0").json()
    assert (again["calls"], again["cached"], again["cost_usd"]) == (0, 20, "0")
    assert again["arms"] == first["arms"]
    assert provider.summary()["calls"] == 20


def test_people_see_the_price_first_and_a_table_last(run: Run, provider: Provider) -> None:
    done = run("eval", "run", items(), *MODELS, "--now", "--out", "mine.jsonl")
    assert done.code == 0, done.err
    assert "20 calls at once" in done.err
    assert f"{STRONG} " in done.out
    assert " ms" in done.out
    assert "20 answers asked for now, 0 known from before; paid $0." in done.out
    assert "results: mine.jsonl" in done.out
    assert provider.summary()["batch_calls"] == 0


def test_a_price_above_the_limit_is_refused_before_anything_is_sent(run: Run, provider: Provider) -> None:
    done = run("eval", "run", items(), *MODELS, "--max-cost", "0.000001", "--json")
    assert done.code == 1
    assert done.json()["state"] == "refused"
    assert Decimal(done.json()["estimate"]["cost_usd"]) > 0
    assert "nothing was sent: that is more than the $0.000001 of --max-cost" in done.err
    lines = [{"prompt": f"Tell me a story of {at}.", "max_tokens": 32_000, "expected": "x"} for at in range(30)]
    write_lines(Path("long.jsonl"), lines)
    done = run("eval", "run", "long.jsonl", "--models", "claude-opus-4-8", "--judge", "exact", "--repeat", "40")
    assert done.code == 1
    assert "more than the $5 that a run may cost without --max-cost" in done.err
    assert provider.summary()["calls"] == 0
    assert not Path("set.results.jsonl").exists()


def test_a_judge_for_all_and_samples(run: Run, provider: Provider) -> None:
    done = run("eval", "run", items(4, judge=False), *MODELS, "--judge", "llm:claude-opus-4-8", "--sample", "10", "--json")
    assert done.code == 0, done.err
    document = done.json()
    assert document["items"] == 10
    assert document["judging"]["kinds"] == {"llm": 20}
    assert document["notes"] == ["claude-opus-4-8 judges answers of its own: models favour those"]
    assert Decimal(document["judging_usd"]) > 0
    assert document["cost_usd"] == provider.summary()["total_usd"]
    assert len({line.task for line in read_results(Path("set.results.jsonl"))}) == 5


def test_a_verifiers_scores_are_signals(run: Run, provider: Provider) -> None:
    done = run("eval", "run", items(), *MODELS, "--verifier", "claude-haiku-5-5", "--repeat", "2", "--json")
    assert done.code == 0, done.err
    document = done.json()
    assert Decimal(document["cost_usd"]) > Decimal(document["verifying_usd"]) > 0
    assert Decimal(document["estimate"]["verifying_usd"]) > 0
    assert "of it for the verifier" in done.err
    assert document["cost_usd"] == provider.summary()["total_usd"]
    assert document["notes"] == []
    for one in read_labelled(Path("set.results.jsonl")):
        assert {"ok", "log_tokens", "self_agrees", "verifier"} <= set(one.outcomes[CHEAP].signals)
        assert one.outcomes[CHEAP].signals_pico > 0
        assert "verifier" not in one.outcomes[STRONG].signals


def test_own_functions_and_code(run: Run, provider: Provider) -> None:
    Path("checks.py").write_text("def grade(item, answer):\n    print('!')\n    return len(answer) > 0\n", encoding="utf-8")
    lines = [
        {"prompt": "Compute 1 + 1. Reply with the number only.", "judge": "function:checks:grade"},
        {"prompt": "Compute 1 + 2. Reply with the number only.", "judge": "code", "expected": "assert True"},
        {"prompt": "Compute 1 + 3. Reply with the number only.", "judge": {"kind": "regex", "pattern": r"\d"}},
    ]
    write_lines(Path("set.jsonl"), lines)
    done = run("eval", "run", "set.jsonl", "--models", STRONG, "--json")
    assert done.code == 0, done.err
    assert done.json()["arms"][0]["quality"] == 1.0
    for text in done.json()["notes"]:
        assert text.startswith("code of answers ran without a limit on: ")


def test_no_lever_that_could_change_an_answer_is_on(run: Run, provider: Provider) -> None:
    Path("thriftgate.toml").write_text(
        '[policy]\nlevers = ["route.rules", "cache.breakpoints", "batch.defer", "count.guard"]\n'
        '[[routing.rules]]\nto = "claude-haiku-4-5"\n[cache]\nstabilise = ["split_volatile"]\n',
        encoding="utf-8",
    )
    done = run("eval", "run", items(), "--models", STRONG, "--now", "--config", "thriftgate.toml", "--json")
    assert done.code == 0, done.err
    assert {call.model for call in provider.app.bill.calls} == {STRONG}


@pytest.mark.parametrize(
    ("lines", "arguments", "words"),
    [
        ([{"prompt": "a"}], (), ("line 1: no judge", "--judge")),
        ([{"prompt": "a", "judge": "exact"}], (), ("line 1: expected: missing",)),
        ([{"prompt": "a", "judge": "exat"}], (), ("line 1: there is no judge 'exat'",)),
        ([{"prompt": "a", "id": "x"}] * 2, (), ("line 2: the id 'x' stands in line 1 already",)),
        ([b"{"], (), ("line 1: not JSON",)),
        ([], (), ("holds no items",)),
        ([{"prompt": "a"}], ("--judge", "function:nowhere:grade"), ("No module named 'nowhere'",)),
        ([{"prompt": "a"}], ("--judge", "{"), ("--judge: not JSON",)),
        ([{"prompt": "a"}], ("--judge", "llm"), ("--judge: judge llm: name the model",)),
        ([{"prompt": "a", "expected": "a"}], ("--judge", "exact", "--repeat", "0"), ("--repeat 0",)),
        ([{"prompt": "a", "expected": "a"}], ("--judge", "exact", "--sample", "0"), ("--sample 0",)),
        ([{"prompt": "a", "expected": "a"}], ("--judge", "exact", "--max-cost", "-1"), ("--max-cost -1",)),
        ([{"prompt": "a", "expected": "a"}], ("--judge", "exact", "--out", "set.jsonl"), ("--out is the set itself",)),
        ([{"prompt": "a", "expected": "a"}], ("--judge", "exact", "--answers", "books.db"), ("no store of answers",)),
    ],
)
def test_bad_input(
    run: Run, provider: Provider, lines: Sequence[Any], arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    write_lines(Path("set.jsonl"), lines)
    refused(run("eval", "run", "set.jsonl", *MODELS, *arguments), provider, *words)


def test_more_bad_input(run: Run, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(run("eval", "run", items(), "--models", "claude-9"), provider, "'claude-9' is not known")
    refused(
        run("eval", "run", items(), *MODELS, "--verifier", "claude-9"), provider, "--verifier: the model 'claude-9' is not"
    )
    refused(run("eval", "run", items(), "--models", CHEAP, "--verifier", STRONG), provider, "--models names one arm")
    refused(run("eval", "run", "nowhere.jsonl", *MODELS), provider, "there is no file nowhere.jsonl")
    refused(run("eval", "run", items(), *MODELS, "--ledger", ":memory:"), provider, "--answers")
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    refused(run("eval", "run", items(), *MODELS), provider, "set ANTHROPIC_API_KEY")


def test_too_few_grades_fall_short(run: Run, provider: Provider) -> None:
    Path("checks.py").write_text("def grade(item, answer):\n    raise ValueError('no idea')\n", encoding="utf-8")
    done = run("eval", "run", items(judge=False), *MODELS, "--judge", "function:checks:grade", "--json")
    assert done.code == 1
    assert done.json()["ungraded"] == {"checks:grade: ValueError: no idea": 20}
    assert "20 of 20 answers could not be judged, more than 10%" in done.err
    assert run("eval", "report", "set.results.jsonl", "--json").code == 1


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX has them")
def test_killed_while_a_batch_is_at_work_it_goes_on_and_pays_once(run: Run, provider: Provider) -> None:
    provider.batches(SLOWLY)
    command = ("eval", "run", items(), *MODELS, "--json")
    with Process(*command) as working:
        wait_for(lambda: "running" in batch_states(run))
        assert working.end(signal.SIGKILL).code == -signal.SIGKILL
    assert list(Path("set.results.jsonl.work").glob("*.jobs.jsonl"))
    provider.app.config.clock.advance(700)  # type: ignore[attr-defined]
    done = run(*command)
    assert done.code == 0, done.err
    assert (done.json()["cached"], done.json()["calls"]) == (20, 0)
    assert done.json()["cost_usd"] == provider.summary()["total_usd"]
    assert provider.summary()["batch_calls"] == 20
    assert msgspec.json.decode(Path("set.results.jsonl").read_bytes().splitlines()[0])["id"] == "arithmetic-0"

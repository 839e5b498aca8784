"""What `thriftgate batch run` makes of its command line: bad input is told in words, and nothing is sent."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from tests.cli.batches import (
    MODEL,
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
    write_jobs,
)
from tests.cli.conftest import Run
from thriftgate.cli.batch_asked import Asked, credential_of, files_of
from thriftgate.core.deadline import Reserve
from thriftgate.core.errors import ConfigError
from thriftgate.settings import Settings

__all__ = ["provider", "server"]  # fixtures

TEMPLATE = "Say whether this is kind: {{ text }} [[sim: out=5]]"
CSV = 'id,text\na1,fine\nb2,"so, so"\n'


def bad(**members: object) -> list[object]:
    """A job that no batch takes."""
    return [{"id": "bad", "params": params(0) | members}]


TWICE = [job(number) for number in (7, 8, 7)]


@pytest.mark.parametrize(
    ("also", "words"),
    [
        (TWICE, ("ids must be unique", "'row-7' in jobs 3 and 5")),
        (
            [{"custom_id": "a b", "params": params(0)}],
            ("line 3", "custom_id: must be 1 to 64 letters", 'can be given as "id"'),
        ),
        ([b'{"id": 1, "params": {'], ("line 3: the JSON breaks off",)),
        (bad(stream=True), ("line 3: params.remove stream",)),
        (bad(max_tokens=0), ("line 3", "set max_tokens to 1 or more")),
        (bad(model="claude-opus-99"), ("line 3", "'claude-opus-99' is not known")),
        (bad(model="claude-3-5-sonnet-20240620"), ("line 3", "claude-3-5-sonnet")),
        (bad(messages=[]), ("refuses one of its first jobs, so nothing was sent: 400", "at least one message")),
        ([params(0)], ("line 3: looks like a bare Messages body", 'wrap it as {"id": ..., "params": {...}}')),
        (
            [{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {}}],
            ("line 3", "OpenAI's batch format"),
        ),
        ([{"custom_id": "a"}], ("line 3: params: missing",)),
        ([b'"text"'], ("line 3: must be a JSON object",)),
        ([b'{"id": "\xff", "params": {}}'], ("line 3: not valid UTF-8",)),
    ],
    ids=lambda value: value[0].removeprefix("line 3: ")[:30] if isinstance(value, tuple) else "",
)
def test_lines_that_are_no_jobs(run: Run, provider: Provider, also: list[object], words: tuple[str, ...]) -> None:
    done = run("batch", "run", write_jobs(2, also=also), "--out", "out.jsonl", "--yes", "--json")
    refused(done, provider, "jobs.jsonl", *words)
    assert "resume" not in done.err  # there is nothing to go on with
    assert not Path("out.jsonl").exists()
    assert left_beside() == set()


def test_one_bad_line_among_ten_thousand(run: Run, provider: Provider) -> None:
    jobs = write_jobs(9_999, also=[b"{"])
    refused(
        run("batch", "run", jobs, "--out", "out.jsonl", "--yes"),
        provider,
        "1 of 10,000 lines are no jobs that can be sent",
        "line 10000: the JSON breaks off",
        "nothing was sent; mend them, or leave them out with --skip-bad",
    )


def test_many_bad_lines_are_counted(run: Run, provider: Provider) -> None:
    jobs = write_jobs(1, also=[b"x"] * 25)
    refused(run("batch", "run", jobs, "--out", "out.jsonl", "--yes"), provider, "25 of 26 lines", "and 5 more")
    done = run("batch", "run", jobs, "--out", "out.jsonl", "--yes", "--skip-bad")
    assert done.code == 1
    assert "and 5 more lines left out" in done.err
    refused_whole = run("batch", "run", write_jobs(0, "none", also=[b"x"]), "--out", "o", "--yes", "--skip-bad")
    assert refused_whole.code == 2
    assert "none of its lines is a job" in refused_whole.err


def compressed(path: Path) -> None:
    path.write_bytes(gzip.compress(b"{}"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b""), "holds no jobs"),
        (lambda path: path.write_bytes(b"\n  \n"), "holds no jobs"),
        (lambda _: None, "there is no file"),
        (lambda path: path.mkdir(), "is a folder"),
        (compressed, "is compressed (gzip): decompress it first"),
        (lambda path: path.write_text("{}", encoding="utf-16"), "UTF-16"),
    ],
    ids=["empty", "blank", "none", "folder", "compressed", "utf-16"],
)
def test_files_that_hold_no_jobs(run: Run, provider: Provider, make: Callable[[Path], object], words: str) -> None:
    make(Path("jobs.jsonl"))
    refused(run("batch", "run", "jobs.jsonl", "--out", "out.jsonl", "--yes"), provider, words)
    assert left_beside() == set()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--deadline", "soon"), "--deadline soon: neither a length of time"),
        (("--deadline", "2020-01-01T00:00:00Z"), "that is over already"),
        (("--deadline", "0h"), "that is over already"),
        (("--deadline", "2099-01-01T00:00:00Z"), "more than 672.0 h ahead"),
        (("--deadline", "2099-01-01T00:00:00"), "name the time of day and its zone"),
        (("--deadline", "2099-01-01"), "name the time of day and its zone"),
        (("--requests-max", "0"), "--requests-max: must be at least 1"),
        (("--queue-jobs", "0"), "--queue-jobs: must be at least 1"),
        (("--max-cost", "-1"), "--max-cost -1: must not be negative"),
        (("--max-cost", "NaN"), "NaN"),
        (("--template", "t.j2"), "--template: only for tables"),
        (("--model", MODEL, "--max-tokens", "5"), "--model, --max-tokens: only for tables"),
        (("--map", "a=b"), "--map: only for tables"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_options_that_make_no_sense(run: Run, provider: Provider, arguments: tuple[str, ...], words: str) -> None:
    refused(run("batch", "run", write_jobs(1), "--out", "out.jsonl", "--yes", *arguments), provider, words)


def test_deadlines(tmp_path: Path) -> None:
    jobs = tmp_path / "jobs.jsonl"
    jobs.write_bytes(b"{}\n")
    now = datetime.now(UTC)
    tomorrow = (now + timedelta(days=1)).isoformat()
    for text, seconds in (("6h", 21_600), ("1h30m", 5_400), (tomorrow, 86_400)):
        at_s = files_of(Settings(), Asked(jobs, tmp_path / "out", deadline=text)).deadline_us / 1e6
        assert abs(at_s - now.timestamp() - seconds) < 5
    assert files_of(Settings(), Asked(jobs, tmp_path / "out")).deadline_us == 0


def test_options_come_from_flags_then_from_the_settings(tmp_path: Path) -> None:
    jobs = tmp_path / "jobs.jsonl"
    jobs.write_bytes(b"{}\n")
    settings = Settings.model_validate({"batch": {"queue_jobs": 7, "cancel_s": 1, "call_s": 2, "parallel": 3}})
    options = files_of(settings, Asked(jobs, tmp_path / "out")).options
    assert (options.queue_jobs, options.reserve) == (7, Reserve(1, 2, 3))
    asked = Asked(jobs, tmp_path / "out", queue_jobs=5, requests_max=10**9, max_cost=Decimal("0.5"), prime=False)
    options = files_of(settings, asked).options
    assert (options.queue_jobs, options.requests_max, options.max_cost_pico, options.prime) == (
        5,
        100_000,
        5 * 10**11,
        False,
    )


def test_the_key_of_the_settings_comes_first() -> None:
    environ = {"ANTHROPIC_API_KEY": "theirs"}
    assert credential_of(Settings.model_validate({"upstream": {"api_key": "ours"}}), environ) == "ours"
    assert credential_of(Settings(), environ) == "theirs"
    with pytest.raises(ConfigError, match="ANTHROPIC_API_KEY"):
        credential_of(Settings(), {})


# --- tables --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def table(provider: Provider) -> tuple[str, ...]:
    """The beginning of a command over a table of two rows."""
    Path("rows.csv").write_text(CSV, encoding="utf-8")
    Path("ask.j2").write_text(TEMPLATE, encoding="utf-8")
    return ("batch", "run", "rows.csv", "--out", "out.jsonl", "--template", "ask.j2", "--yes")


def test_a_table_with_a_template(run: Run, provider: Provider, table: tuple[str, ...]) -> None:
    Path("system.txt").write_text("Answer yes or no.\n", encoding="utf-8")
    command = (*table, "--model", MODEL, "--max-tokens", "20", "--system", "system.txt", "--json")
    assert run(*command).code == 0
    assert ids_of() == ["a1", "b2"]
    assert kinds_of() == ["succeeded"] * 2
    assert left_beside() == set()
    again = run(*command)
    assert "is through already" in again.err
    assert provider.posted == 1
    assert left_beside() == set()


def test_columns_by_another_name(run: Run, provider: Provider, table: tuple[str, ...]) -> None:
    Path("rows.csv").write_text("key;words\nx;fine\n", encoding="utf-8")
    done = run(*table, "--model", MODEL, "--max-tokens", "20", "--map", "text=words", "--map", "id=key")
    assert done.code == 0, done.err
    assert ids_of() == ["x"]


def test_parquet_and_whole_calls(run: Run, provider: Provider) -> None:
    duckdb = pytest.importorskip("duckdb")
    duckdb.sql("select range as id, 'text ' || range as text from range(3)").write_parquet("rows.parquet")
    whole = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "TEXT"}]}
    Path("ask.json.j2").write_bytes(msgspec.json.encode(whole).replace(b'"TEXT"', b"{{ text | tojson }}"))
    document = batch(run, "run", "rows.parquet", "--out", "out.jsonl", "--template", "ask.json.j2", "--yes")
    assert document["succeeded"] == 3
    assert ids_of() == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--map", "text=wrods"), "rows.csv has no column 'wrods'"),
        (("--map", "text"), "--map text: write variable=column"),
        (("--map", "2=text"), "is no name that a template can use"),
        (("--max-tokens", "0"), "max_tokens: must be 1 or more"),
        (("--system", "nowhere.txt"), "nowhere.txt"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_tables_that_cannot_be_used(
    run: Run, provider: Provider, table: tuple[str, ...], arguments: tuple[str, ...], words: str
) -> None:
    command = (*table, "--model", MODEL) if "--max-tokens" in arguments else (*table, "--model", MODEL, "--max-tokens", "9")
    refused(run(*command, *arguments), provider, words)
    assert left_beside() == set()


def test_a_table_needs_a_template_and_a_model(run: Run, provider: Provider, table: tuple[str, ...]) -> None:
    refused(run("batch", "run", "rows.csv", "--out", "out.jsonl", "--yes"), provider, "--template names what makes calls")
    refused(run(*table), provider, "model: missing; give --model")
    Path("ask.j2").unlink()
    refused(run(*table), provider, "there is no file ask.j2")


def test_a_table_that_changes_leaves_what_was_begun_its_jobs(run: Run, provider: Provider, table: tuple[str, ...]) -> None:
    command = (*table, "--model", MODEL, "--max-tokens", "4000", "--requests-max", "1")
    Path("ask.j2").write_text("{{ text }} [[sim: out=3000]]", encoding="utf-8")
    assert run(*command, "--max-cost", "0.012").code == 1  # one of two
    (first,) = batch(run, "list")["runs"]
    Path("rows.csv").write_text(CSV + "c3,new\n", encoding="utf-8")
    assert run(*command).code == 2
    whole = batch(run, "resume", first["run"], "--max-cost", "1")
    assert whole["succeeded"] == 2
    assert ids_of() == ["a1", "b2"]
    assert all(line["result"]["type"] == "succeeded" for line in lines_of())

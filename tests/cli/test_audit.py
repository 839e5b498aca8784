"""`thriftgate audit`."""

from __future__ import annotations

import csv
import io
import os
import resource
import signal
import subprocess
import sys
import time
import tomllib
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from benchmarks.audit.large import generate

from tests.audit.tables import OPUS, claude_code_log
from tests.cli.conftest import Done, Run
from thriftgate.audit.importers import IMPORTERS
from thriftgate.settings import load

TOP_KEYS = {
    "calls", "duplicates", "skipped", "first", "last", "cost_usd", "low_usd", "high_usd", "by_model", "policies", "misses",
    "actions",
}  # fmt: skip
POLICY_KEYS = {"name", "cost_usd", "saved_usd", "levers"}
MISS_KEYS = {"cause", "calls", "cost_usd"}
ACTION_KEYS = {"text", "saved_usd_month", "low_usd", "high_usd", "config"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where imports are kept: never the folder of whoever runs the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "cache" / "thriftgate" / "audit"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "projects" / "shop" / "5e55.jsonl"
    claude_code_log(path, turns=5)
    return path


def failed(done: Done, words: str) -> None:
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert "Traceback" not in done.err


def test_one_document_with_all_that_was_promised(run: Run, log: Path, cache: Path) -> None:
    done = run("audit", str(log.parent), "--json")
    assert (done.code, done.err) == (0, "")
    found = done.json()
    assert found.keys() >= TOP_KEYS
    assert (found["calls"], found["duplicates"], found["skipped"]) == (5, 5, {"not_a_call": 5})
    assert (found["first"], found["last"]) == ("2026-11-10T12:00:00.000Z", "2026-11-10T12:26:40.000Z")
    assert Decimal(found["low_usd"]) <= Decimal(found["cost_usd"]) <= Decimal(found["high_usd"])
    assert [(row["model"], row["cost_usd"]) for row in found["by_model"]] == [(OPUS, found["cost_usd"])]
    for name, keys in (("policies", POLICY_KEYS), ("misses", MISS_KEYS), ("actions", ACTION_KEYS)):
        assert found[name]
        assert all(row.keys() >= keys for row in found[name])
    for row in found["policies"]:
        assert Decimal(row["cost_usd"]) + Decimal(row["saved_usd"]) == Decimal(found["cost_usd"])
        if row["levers"]:
            assert sum(map(Decimal, row["levers"].values())) == Decimal(row["saved_usd"])
    assert cache.is_dir()


def test_for_people(run: Run, log: Path) -> None:
    done = run("audit", str(log))
    assert done.code == 0
    for words in ("5 calls", OPUS, "What to do first", "ENABLE_PROMPT_CACHING_1H=1"):
        assert words in done.out


def test_a_folder_for_imports(run: Run, log: Path, cache: Path, tmp_path: Path) -> None:
    assert run("audit", str(log), "--json", "--no-replay", "--cache", str(tmp_path / "own")).code == 0
    assert list((tmp_path / "own").iterdir())
    assert not cache.exists()


def test_without_a_replay(run: Run, log: Path) -> None:
    found = run("audit", str(log), "--json", "--no-replay").json()
    assert (found["calls"], found["replay"], found["misses"]) == (5, None, [])
    assert all(row["family"] == "what-if" for row in found["policies"])


def test_reports_beside_the_document(run: Run, log: Path, tmp_path: Path) -> None:
    html, table = tmp_path / "report.html", tmp_path / "figures.csv"
    done = run("audit", str(log), "--json", "--html", str(html), "--csv", str(table))
    assert done.json()["calls"] == 5
    assert f"wrote {html}" in done.err.replace("\n", "")
    assert html.read_text().lstrip().lower().startswith("<!doctype html>")
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    (cost,) = [row["value"] for row in rows if (row["section"], row["metric"]) == ("total", "cost_usd")]
    assert cost == done.json()["cost_usd"]


@pytest.mark.parametrize("option", [("--csv", "-"), ("--csv=-",)])
def test_figures_on_stdout(run: Run, log: Path, option: tuple[str, ...]) -> None:
    done = run("audit", str(log), "--no-replay", *option)
    assert done.code == 0
    rows = list(csv.reader(io.StringIO(done.out)))
    assert rows[0] == ["section", "name", "part", "metric", "value"]
    assert all(len(row) == 5 for row in rows)


def test_settings_are_written_once(run: Run, tmp_path: Path) -> None:
    log, path = tmp_path / "a.jsonl", tmp_path / "thriftgate.toml"
    claude_code_log(log, turns=9, pause_s=60, changed=frozenset((3, 6)))
    done = run("audit", str(log), "--optimise", "--json", "--write", str(path))
    assert done.code == 0
    before = path.read_text()
    assert load(path, environ={}).cache.stabilise == ("split_volatile", "order_tools")
    configs = [action["config"] for action in done.json()["actions"] if action["config"]]
    assert tomllib.loads(configs[0]).items() <= tomllib.loads(before).items()
    failed(run("audit", str(log), "--write", str(path)), "the file exists")
    assert path.read_text() == before


def test_a_file_that_cannot_be_written(run: Run, log: Path, tmp_path: Path) -> None:
    failed(run("audit", str(log), "--json", "--no-replay", "--write", str(tmp_path / "no" / "a.toml")), "cannot be written")


def test_the_settings_of_the_user_are_replayed(run: Run, log: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[cache]\nmode = "observe"\n')
    found = run("audit", str(log), "--json", "--policy", str(own)).json()
    (config,) = [row for row in found["policies"] if row["family"] == "config"]
    assert Decimal(config["saved_usd"]) == 0
    assert "config" not in {row["family"] for row in run("audit", str(log), "--json").json()["policies"]}


def test_the_prices_of_the_user_count(run: Run, tmp_path: Path) -> None:
    claude_code_log(tmp_path / "own.jsonl", turns=1, model="claude-own-1")
    own = tmp_path / "own.toml"
    own.write_text(
        '[[prices.models]]\nid = "claude-own-1"\n'
        'usd_per_mtok = { input = "1", write_5m = "2", write_1h = "3", read = "4", output = "5" }\n'
    )
    arguments = ("audit", str(tmp_path / "own.jsonl"), "--json", "--no-replay")
    assert [row["model"] for row in run(*arguments).json()["unpriced"]] == ["claude-own-1"]
    found = run(*arguments, "--policy", str(own)).json()
    assert (found["unpriced"], found["cost_usd"]) == ([], "0.045503")


def test_standard_input(run: Run, log: Path, cache: Path) -> None:
    piped = run("audit", "-", "--json", "--no-replay", stdin=log.read_bytes()).json()
    named = run("audit", str(log), "--json", "--no-replay").json()
    assert (piped["calls"], piped["cost_usd"]) == (5, named["cost_usd"])
    empty = run("audit", "-", "--json", stdin=b"")
    assert (empty.code, empty.json()["calls"]) == (1, 0)


def test_an_empty_folder(run: Run, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    html = tmp_path / "none.html"
    done = run("audit", str(tmp_path / "none"), "--json", "--html", str(html))
    assert done.code == 1
    found = done.json()
    assert (found["calls"], found["cost_usd"], found["first"], found["actions"]) == (0, "0", None, [])
    assert html.stat().st_size > 1_000
    assert "There was no file to read." in run("audit", str(tmp_path / "none")).out
    assert run("audit", str(tmp_path / "none"), "--csv=-").out.startswith("section,")
    written = tmp_path / "none.toml"
    assert run("audit", str(tmp_path / "none"), "--write", str(written)).code == 1
    assert tomllib.loads(written.read_text()) == {}


def test_a_file_of_an_unknown_format(run: Run, tmp_path: Path) -> None:
    """Said in words, and by the exit code: $0.00 would look like a bill."""
    path, html = tmp_path / "notes.bin", tmp_path / "report.html"
    path.write_text("what we talked about\n")
    done = run("audit", str(path), "--html", str(html))
    assert done.code == 1
    out = " ".join(done.out.split())
    assert "Nothing was read: no call, and no sum of days. 1 file was skipped: 1 × unknown format" in out
    assert "thriftgate audit --help lists the formats" in out
    assert "sums of days" not in out
    assert "1 file was skipped" in html.read_text()
    for option in ("--json", "--csv=-"):
        quiet = run("audit", str(path), option)
        assert quiet.code == 1
        assert "Nothing was read" not in quiet.out
        assert "Nothing was read" in quiet.err
    assert run("audit", str(path), "--json").json()["skipped"] == {"unknown_format": 1}


def test_sums_of_days_are_something_read(run: Run, tmp_path: Path) -> None:
    row = {"uncached_input_tokens": 1_000, "output_tokens": 100, "model": OPUS}
    day = {"starting_at": "2026-11-02T00:00:00Z", "ending_at": "2026-11-03T00:00:00Z", "results": [row]}
    path = tmp_path / "usage.json"
    path.write_bytes(msgspec.json.encode({"data": [day], "has_more": False, "next_page": None}))
    done = run("audit", str(path))
    assert done.code == 0
    assert "These logs hold sums of days." in " ".join(done.out.split())


def test_no_paths(run: Run) -> None:
    failed(run("audit"), "name what to audit")
    failed(run("audit", "--json"), "or - for standard input")


def test_a_path_that_is_not_there(run: Run, tmp_path: Path) -> None:
    failed(run("audit", str(tmp_path / "none.jsonl"), "--json"), "no such file or folder")


def test_formats(run: Run, log: Path) -> None:
    done = run("audit", str(log), "--json", "--format", "claude-codes")
    failed(done, "--format claude-codes: no such format")
    assert all(importer.id in done.err for importer in IMPORTERS)
    assert run("audit", str(log), "--json", "--no-replay", "--format", "claude-code").json()["calls"] == 5
    wrong = run("audit", str(log), "--json", "--no-replay", "--format", "aws-cur")
    assert (wrong.code, wrong.json()["calls"]) == (1, 0)
    assert wrong.json()["skipped"]


def test_a_cache_that_is_a_file(run: Run, log: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    failed(run("audit", str(log), "--cache", str(tmp_path / "file")), "--cache names another folder")


def test_settings_that_cannot_be_read(run: Run, log: Path, tmp_path: Path) -> None:
    failed(run("audit", str(log), "--policy", str(tmp_path / "none.toml")), "cannot read the settings file")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_is_ended_early_leaves_nothing_behind(tmp_path: Path, cache: Path, number: signal.Signals, code: int) -> None:
    generate(tmp_path, 6_000)
    command = [sys.executable, "-m", "thriftgate", "audit", str(tmp_path / "logs"), "--processes", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        until = time.monotonic() + 60
        while not list(cache.glob(".audit-*/replay/run-*/partition.duckdb")) and time.monotonic() < until:
            time.sleep(0.05)
        assert process.poll() is None
        os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code
    assert "Traceback" not in said
    assert [path.name for path in cache.iterdir() if path.suffix not in (".json", ".parquet")] == []
    until = time.monotonic() + 20
    while group_lives(process.pid) and time.monotonic() < until:  # what cleans up behind processes ends last
        time.sleep(0.05)
    assert not group_lives(process.pid)


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_no_room_for_what_does_not_fit_into_memory(tmp_path: Path, cache: Path) -> None:
    generate(tmp_path, 2_000)
    command = [sys.executable, "-m", "thriftgate", "audit", str(tmp_path / "logs"), "--json"]
    assert subprocess.run([*command, "--no-replay"], check=True, capture_output=True).stdout
    kept = sorted(cache.iterdir())
    most = 300_000  # bytes of a file, as if there were no more left on the disk
    full = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )
    assert (full.returncode, full.stdout) == (2, "")
    assert "make room, or name another folder" in full.stderr
    assert len(full.stderr.splitlines()) == 1
    assert sorted(cache.iterdir()) == kept


@pytest.mark.parametrize(
    ("option", "words"), [(("--engine", "spark"), "--engine spark: there are local, ray"), (("--processes", "-2"), "-2")]
)
def test_where_it_is_replayed(run: Run, log: Path, option: tuple[str, ...], words: str) -> None:
    failed(run("audit", str(log), *option), words)

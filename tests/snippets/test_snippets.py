"""Every line of the `sh` blocks and every `python` block of the hand-written pages, run on one stage.

The short form is part of the test run; `python3 tasks.py snippets` also starts what serves.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.alerts.receiving import sighting
from tests.cli.alert_books import written
from tests.cli.batches import Provider, provider, server
from tests.cli.conftest import Books, books, run
from tests.clients.stack import Process
from tests.snippets.stage import PROVIDER, Stage, lay_out, lines_of, programs_of
from tests.snippets.table import BEFORE, EXIT_CODES, FULL_ONLY, NOT_RUN, PROGRAMS_NOT_RUN, PUT, SETTINGS, WAITING, Rows
from tests.test_docs import WRITTEN, fences, of

__all__ = ["books", "provider", "run", "server"]  # fixtures

ALERTS = (sighting("a", labels=("team=search",)), sighting("b", severity="critical"))
FULL = os.environ.get("THRIFTGATE_SNIPPETS") == "full"
PAGES = [page for page in WRITTEN if lines_of(page)]
LINES = {line for page in PAGES for line in lines_of(page)}
PROGRAMS = [
    page for page in WRITTEN if fences(page.read_text(encoding="utf-8"), "python") and of(page) not in PROGRAMS_NOT_RUN
]


def within(line: str, rows: Rows) -> bool:
    """Whether it begins as one of them does; what is set for a line does not count."""
    line = re.sub(r"^([A-Z_]+=\S* )+", "", line)
    return any(f"{line} ".startswith(start if start[-1] == "-" else f"{start} ") for start, _ in rows)


@pytest.fixture(scope="module")
def gateway(server: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real one, before the simulator."""
    process = Process(tmp_path_factory.mktemp("gateway"), "serve", "--port", "0", "--upstream", server.url)
    try:
        yield process.url
    finally:
        process.stop()


@pytest.fixture
def stage(request: pytest.FixtureRequest, tmp_path: Path, provider: Provider, gateway: str, books: Books) -> Stage:
    monkeypatch, run = request.getfixturevalue("monkeypatch"), request.getfixturevalue("run")
    page = of(request.node.callspec.params["page"]) if hasattr(request.node, "callspec") else ""
    monkeypatch.delenv("THRIFTGATE_LEDGER__PATH")  # pages say themselves which file they mean
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("THRIFTGATE_SERVER__PORT", "0")
    settings = SETTINGS[page].replace(PROVIDER, provider.url) if page in SETTINGS else None
    if settings is not None:
        monkeypatch.setenv("THRIFTGATE_CONFIG", "thriftgate.toml")
    lay_out(tmp_path, written(tmp_path / "alerts.db", *ALERTS) if page == "docs/guides/alerts.md" else books.path, settings)
    return Stage(
        tmp_path, run, monkeypatch, {"provider": provider.url, "gateway": gateway}, {"ID": books.ids[0], **PUT.get(page, {})}
    )


@pytest.mark.parametrize("page", PAGES, ids=of)
def test_the_commands_of_a_page(page: Path, stage: Stage) -> None:
    for line in (*BEFORE.get(of(page), ()), *lines_of(page)):
        if within(line, NOT_RUN):
            continue
        if within(line, FULL_ONLY):
            if FULL:
                assert stage.serve(line)
            continue
        done = stage.do(line)
        code, _ = EXIT_CODES.get(line, (0, ""))
        assert done.code == code, (line, done)
        assert "Traceback" not in done.err


@pytest.mark.parametrize("page", PROGRAMS, ids=of)
def test_the_programs_of_a_page(page: Path, stage: Stage) -> None:
    names: dict[str, Any] = stage.names(of(page))
    for program in programs_of(page, stage.gateway):
        if any(word in program for word in WAITING):
            continue
        exec(compile(program, of(page), "exec"), names)  # that is what the page tells readers to do


def test_every_row_of_the_table_is_needed_and_tells_why() -> None:
    for start, why in (*NOT_RUN, *FULL_ONLY):
        assert any(within(line, ((start, why),)) for line in LINES), start
        assert why
    assert EXIT_CODES.keys() <= LINES
    assert PROGRAMS_NOT_RUN.keys() <= {of(page) for page in WRITTEN if fences(page.read_text(encoding="utf-8"), "python")}


def test_what_a_reader_would_see_fail_is_seen(stage: Stage) -> None:
    assert stage.do("thriftgate explain tg_none").code == 1
    with pytest.raises(KeyError):
        stage.do("unheard-of --flag")

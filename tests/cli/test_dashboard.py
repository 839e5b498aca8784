"""`thriftgate dashboard`."""

from __future__ import annotations

import urllib.request
from pathlib import Path

from tests.cli.conftest import Books, Run
from tests.fixtures import running


def test_pages_over_a_ledger(books: Books) -> None:
    with running("dashboard", "--ledger", books.path, "--port", "0") as served:
        with urllib.request.urlopen(f"{served.url}/", timeout=20) as response:
            page = response.read().decode()
            assert response.url.endswith("/thriftgate/dashboard")
        assert served.stop() in (0, -15)
    assert "Read only, at this machine" in page
    assert "in a browser" in served.stderr


def test_a_missing_ledger_is_not_made(run: Run, tmp_path: Path) -> None:
    done = run("dashboard", "--ledger", str(tmp_path / "none.db"))
    assert done.code == 2
    assert "there is no ledger at" in done.err
    assert not (tmp_path / "none.db").exists()

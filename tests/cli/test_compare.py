"""`thriftgate compare`: usage. What it does is in `test_compare_run`."""

from __future__ import annotations

from tests.cli.conftest import Run


def test_bad_usage_is_told_in_words(run: Run) -> None:
    done = run("compare", "none.jsonl", "--models", "claude-haiku-4-5")
    assert done.code == 2
    assert "none.jsonl" in done.err
    assert "Traceback" not in done.err
    assert run("compare", "none.jsonl").code == 2

"""The guide and the README: every program in them runs, one after the other, against the simulator."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.client.stand import KEY, waiting
from thriftgate.client.engine_thread import ENGINES

ROOT = Path(__file__).parents[2]


def programs(page: str, after: str = "") -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8").partition(after)[2] if after else (ROOT / page).read_text("utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("page", "after", "waited", "at_once"),
    [("docs/guides/python-client.md", "", 3, 2), ("README.md", "## From Python, without a gateway", 0, 1)],
)
def test_the_programs_of_a_page(
    page: str, after: str, waited: int, at_once: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    monkeypatch, capsys = request.getfixturevalue("monkeypatch"), request.getfixturevalue("capsys")
    with waiting(tmp_path, monkeypatch) as stand:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", stand.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        names: dict[str, Any] = {}
        for program in programs(page, after):
            exec(compile(program, page, "exec"), names)  # that is what the page tells readers to do
        ENGINES.end()
        calls = stand.bill()["calls"]
    in_batches = sum(call["batch_id"] is not None for call in calls)
    assert (in_batches, len(calls) - in_batches) == (waited, at_once)
    assert re.match(r"0\.\d+", capsys.readouterr().out)

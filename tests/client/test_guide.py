"""The guide and the README: every program in them runs, one after the other, against the simulator."""

from __future__ import annotations

import re
from collections import Counter
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
    ("page", "after", "billed"),
    [("docs/guides/python-client.md", "", {"batch": 3, "now": 2}), ("README.md", "## From Python, without", {"now": 1})],
)
def test_the_programs_of_a_page(
    page: str, after: str, billed: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with waiting(tmp_path, monkeypatch) as stand:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", stand.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        names: dict[str, Any] = {}
        for program in programs(page, after):
            exec(compile(program, page, "exec"), names)  # that is what the page tells readers to do
        ENGINES.end()
        calls = stand.bill()["calls"]
    assert Counter("batch" if call["batch_id"] else "now" for call in calls) == billed

"""The benchmark of budgets, in short."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from benchmarks.budgets.__main__ import kept, main
from benchmarks.budgets.processes import Outcome

GOOD = Outcome(limit=100, calls=9, billed=98, spent=97, doubt=1, held=0, open_holds=0, swept=1)


@pytest.mark.parametrize(
    ("changes", "good"),
    [({}, True), ({"billed": 101}, False), ({"billed": 96}, False), ({"held": 1}, False), ({"open_holds": 1}, False)],
)
def test_what_counts_as_kept(changes: dict[str, Any], good: bool) -> None:
    assert kept(GOOD._replace(**changes)) is good


def test_no_budget_is_overspent_and_no_hold_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--callers", "40", "--kills", "1", "--dollars", "20", "--without-gateway", "--json"])
    lines = capsys.readouterr().out.splitlines()
    document = msgspec.json.decode(lines[-1])
    assert [run["back_end"] for run in document["runs"]] == ["memory", "sqlite, sync=normal", "sqlite, sync=full"]
    for run in document["runs"]:
        assert (run["overspent"], run["held"], run["open_holds"]) == (0, 0, 0)
        assert run["billed"] <= run["spent"] + run["doubt"]
    assert code == 0 or any(run["usable"] < 0.97 for run in document["runs"])
    assert len(lines) == 4

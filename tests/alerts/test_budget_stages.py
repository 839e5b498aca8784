"""A budget that stands at a stage is seen for as long as it does."""

from __future__ import annotations

from tests.cli.entries import entry_of
from tests.core.alerting.test_stages import NOW, SINCE, standing
from thriftgate.alerts.budget_stages import BudgetStages


def test_those_at_a_stage_within_their_window() -> None:
    stages = BudgetStages(lambda: [standing(10), standing(80)])
    assert not list(stages.see(entry_of()))
    assert [one.sentence for one in stages.tick(NOW / 1e6)] == [
        "budget agents (key=key_1): 80 % of $100.00 (day) is reached"
    ]
    assert not list(stages.tick(SINCE / 1e6 + 86_400)), "its window is over"

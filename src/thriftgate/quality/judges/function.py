"""The judge `function`: the user's own Python.

    def grade(item: dict, answer: str) -> float | bool | dict:      # 0 to 1, or {"quality": 0.5, "reason": "…"}

`item` has id, task, question, expected and request. The function runs in a process of its own, in the working folder: what
it prints goes to standard error; where it raises, takes too long or returns something else, the item stays ungraded.
"""

from __future__ import annotations

from msgspec import UNSET

from thriftgate.quality.items import Answer, Item
from thriftgate.quality.judges.judge import Grade, ungraded
from thriftgate.quality.judges.worker import Failed, Worker
from thriftgate.quality.rules import Function

_SHOWN = 60


class FunctionJudge:
    """Calls the rule's function."""

    def __init__(self, rule: Function) -> None:
        self._rule = rule
        self._worker = Worker(rule.function, rule.wall_s)
        self._trouble: str | None = None

    def check(self, item: Item) -> str:
        del item  # whatever it holds, the function gets it
        if self._trouble is None:
            try:
                self._worker.start()
                self._trouble = ""
            except Failed as error:
                self._trouble = f"judge {self._rule.function}: {error}"
        return self._trouble

    def grade(self, item: Item, answer: Answer) -> Grade:
        told = {
            "id": item.id,
            "task": item.task,
            "question": item.question,
            "expected": item.expected,
            "request": item.request,
        }
        try:
            said = self._worker.call(told, answer.shown)
        except Failed as error:
            return ungraded(f"{self._rule.function}: {error}")
        quality, reason = (said.get("quality", UNSET), said.get("reason", "")) if isinstance(said, dict) else (said, "")
        if not isinstance(quality, bool | int | float) or not 0 <= quality <= 1:
            return ungraded(f"{self._rule.function} returned {str(said)[:_SHOWN]!r}, which is no grade from 0 to 1")
        return Grade(float(quality), str(reason))

    def close(self) -> None:
        self._worker.close()

"""The judge `code`: the answer's Python passes the item's tests."""

from __future__ import annotations

from thriftgate.quality.items import Answer, Item
from thriftgate.quality.judges.extract import code_in
from thriftgate.quality.judges.judge import RIGHT, Grade, expected_text, ungraded, wrong
from thriftgate.quality.judges.sandbox import can_run, run_code
from thriftgate.quality.rules import Code


class CodeJudge:
    """Runs the code in the sandbox. `lacking` gathers what the platform did not limit."""

    def __init__(self, rule: Code) -> None:
        self._rule = rule
        self.lacking: set[str] = set()

    def check(self, item: Item) -> str:
        if not can_run():
            return "the judge code runs programs under limits, which only Linux and macOS have"
        if not self._rule.tests and item.expected is None:
            return "expected: missing; the judge code takes the tests from it"
        try:
            compile(self._tests(item), "tests", "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            return f"the tests are no Python: {error}"
        return ""

    def grade(self, item: Item, answer: Answer) -> Grade:
        rule, code = self._rule, code_in(answer.shown)
        if not code.strip():
            return wrong("no code in the answer")
        ran = run_code(code, self._tests(item), cpu_s=rule.cpu_s, wall_s=rule.wall_s, memory_mb=rule.memory_mb)
        self.lacking.update(ran.lacking)
        if ran.end == "stopped":
            return ungraded(f"code: {ran.reason}")
        return RIGHT if ran.end == "passed" else wrong(ran.reason)

    def _tests(self, item: Item) -> str:
        return self._rule.tests or expected_text(item)

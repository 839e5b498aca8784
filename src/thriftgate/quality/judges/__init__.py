"""Judges, one file each, behind one Protocol (`judge.py`). Adding one: a file here, a rule in `quality/rules.py`, a line in
`JUDGES`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from thriftgate.core.errors import InputError
from thriftgate.core.models import ModelTable
from thriftgate.quality.items import Item
from thriftgate.quality.judges.code import CodeJudge
from thriftgate.quality.judges.exact import ExactJudge
from thriftgate.quality.judges.fields import FieldsJudge
from thriftgate.quality.judges.function import FunctionJudge
from thriftgate.quality.judges.judge import Judge
from thriftgate.quality.judges.llm import LlmJudge
from thriftgate.quality.judges.numeric import NumericJudge
from thriftgate.quality.judges.regex import RegexJudge
from thriftgate.quality.judges.schema import SchemaJudge
from thriftgate.quality.rules import Code, Exact, Fields, Function, Llm, Numeric, Regex, Rule, Schema

JUDGES: dict[type[Rule], Callable[[Any], Judge]] = {
    Exact: ExactJudge,
    Regex: RegexJudge,
    Schema: SchemaJudge,
    Fields: FieldsJudge,
    Numeric: NumericJudge,
    Code: CodeJudge,
    Function: FunctionJudge,
}
"""By rule; all but `llm`, which needs calls to be made."""
_SHOWN = 20


class Bench:
    """The judges of one run, one for each rule. `default` is the rule of items without one of their own. To be closed: some
    have processes."""

    def __init__(self, default: Rule | None, models: ModelTable) -> None:
        self._default = default
        self._models = models
        self._judges: dict[bytes, Judge] = {}

    def rule(self, item: Item) -> Rule | None:
        """By which rule an item is judged; None where neither it nor the run names one."""
        return item.judge if item.judge is not None else self._default

    def check(self, items: Sequence[Item]) -> None:
        """Raises InputError that names the lines whose items cannot be judged, and why."""
        bad = [(item, trouble) for item in items if (trouble := self._trouble(item))]
        if bad:
            shown = "\n".join(f"  {item.place}: {trouble}" for item, trouble in bad[:_SHOWN])
            more = f"\n  and {len(bad) - _SHOWN:,} more" if len(bad) > _SHOWN else ""
            raise InputError(f"{len(bad):,} of {len(items):,} items cannot be judged:\n{shown}{more}")

    def judge(self, rule: Rule) -> Judge:
        """The judge of a rule that needs no calls."""
        key = msgspec.json.encode(rule)
        if key not in self._judges:
            self._judges[key] = JUDGES[type(rule)](rule)
        return self._judges[key]

    def llm(
        self,
        rule: Llm,
        against: Callable[[Item], str | None] = lambda _: None,
        said: Callable[[bytes], str | None] = lambda _: None,
    ) -> LlmJudge:
        """A judge that asks a model. Raises InputError for a model that is not known."""
        capability = self._models[rule.model]
        if not capability.known:
            raise InputError(f"judge llm: the model {rule.model!r} is not known; docs/reference/models.md lists them")
        return LlmJudge(rule, capability, against, said)

    def lacking(self) -> set[str]:
        """What the platform did not limit for code that was run."""
        return {name for one in self._judges.values() if isinstance(one, CodeJudge) for name in one.lacking}

    def close(self) -> None:
        """End what judges have begun."""
        for one in self._judges.values():
            if isinstance(one, FunctionJudge | RegexJudge):
                one.close()

    def _trouble(self, item: Item) -> str:
        rule = self.rule(item)
        if rule is None:
            return "no judge: name one in the set, or one for all with --judge"
        judge: Judge = self.llm(rule) if isinstance(rule, Llm) else self.judge(rule)
        return judge.check(item)

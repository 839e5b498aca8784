"""All rules with what was added up for each, and what they say now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo

from thriftgate.core.alerting.metrics import Seen
from thriftgate.core.alerting.rules import Rule
from thriftgate.core.alerting.series import Series
from thriftgate.core.alerting.verdict import Verdict, judge

MEMBERS_MAX = 500  # of one rule; who was silent longest is forgotten


class Board:
    """`zones` are the time zones of the rules by their names."""

    def __init__(self, rules: Sequence[Rule], zones: Mapping[str, tzinfo]) -> None:
        self.rules = tuple(rules)
        self._zones = zones
        self._series: dict[str, dict[str, Series]] = {
            rule.name: {} if rule.by else {"": Series(rule.metric, rule.width_us, rule.keep_us)} for rule in rules
        }

    @property
    def looks_back_us(self) -> int:
        """How far back calls matter to any rule."""
        return max((rule.keep_us for rule in self.rules), default=0)

    def take(self, seen: Seen) -> None:
        """Some settled calls."""
        for rule in self.rules:
            members = self._series[rule.name]
            for member in rule.member(seen.labels):
                series = members.get(member)
                if series is None:
                    series = members[member] = Series(rule.metric, rule.width_us, rule.keep_us)
                series.take(seen)
                if len(members) > MEMBERS_MAX:
                    del members[min(members, key=lambda one: (members[one].last_us, one))]

    def verdicts(self, now_us: int) -> Iterator[tuple[Rule, str, Verdict]]:
        """Each rule on each of its members. Calls may be taken meanwhile."""
        for rule in self.rules:
            zone = self._zones[rule.zone]
            for member, series in list(self._series[rule.name].items()):
                yield rule, member, judge(rule, series, now_us, zone)

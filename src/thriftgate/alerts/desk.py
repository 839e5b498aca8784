"""What is asked about alerts, and done with them: by the command line, the admin API and the dashboard.

Who may do what is theirs to check; `by` is who did it, and is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from zoneinfo import available_timezones

from thriftgate.clock import Clock
from thriftgate.core.alerting.alert import MATCHERS, Alert, Silence, State, checked_conditions
from thriftgate.core.alerting.rules import Rule
from thriftgate.core.errors import InputError
from thriftgate.ledger.alerts import AlertBook, StoredRule, Told
from thriftgate.ledger.sql_alerts import RULES_MAX
from thriftgate.settings import AlertRuleRow
from thriftgate.settings.alerts import rule_of

STANDING: tuple[State, ...] = ("open", "acknowledged", "silenced")
_WORDS_MAX = 500
_SILENCE_MAX_S = 366 * 86_400.0


class Shown(NamedTuple):
    """An alert, what was told of it, and the silences that keep it quiet."""

    alert: Alert
    notices: Sequence[Told]
    silences: Sequence[Silence]


class Desk:
    """`fixed` are the rules of the settings, which are changed there. All verbs raise LedgerError."""

    def __init__(self, book: AlertBook, fixed: Sequence[Rule], clock: Clock) -> None:
        self._book = book
        self._fixed = tuple(fixed)
        self._clock = clock

    async def alerts(self, *, over: bool = False, after: int = 2**62, limit: int = 100) -> Sequence[Alert]:
        """Those that stand, the newest first, from just behind the id `after`; with those that are `over`, where asked."""
        return await self._book.alerts(states=() if over else STANDING, after=after, limit=limit)

    async def show(self, alert_id: int) -> Shown:
        """Raises InputError where there is none."""
        alert = await self._book.alert(alert_id)
        if alert is None:
            raise InputError(f"there is no alert {alert_id}; `thriftgate alerts list --all` names them")
        silences = [one for one in await self.silences() if one.covers(alert, self._now_us())]
        return Shown(alert, await self._book.notices(alert_id=alert_id), silences)

    async def acknowledge(self, alert_id: int, by: str) -> Alert:
        """Tell of it only when it gets worse. Raises InputError where there is none, or it is over."""
        alert = await self._book.acknowledge(alert_id, _words(by, "by"))
        if alert is None:
            raise InputError(f"there is no alert {alert_id} that stands; `thriftgate alerts list` names them")
        return alert

    async def silence(self, matchers: Sequence[str], for_s: float, *, by: str, why: str) -> Silence:
        """Tell of nothing that meets all of `matchers` (such as "team=search" or "kind=loop"; values may hold `*`) for so
        many seconds. Raises InputError."""
        known = checked_conditions(tuple(matchers), MATCHERS, "silence")
        if not known:
            raise InputError(f"silence: name what is to be silent, such as team=search; names: {', '.join(MATCHERS)}")
        if not 0 < for_s <= _SILENCE_MAX_S:
            raise InputError("silence: for how long? A year at most")
        now_us = self._now_us()
        reason = _words(why, "why")
        return await self._book.silence(known, now_us + int(for_s * 1e6), _words(by, "by"), reason, now_us)

    async def unsilence(self, silence_id: int) -> Silence:
        """End a silence. Raises InputError where there is none that lasts."""
        silence = await self._book.unsilence(silence_id, self._now_us())
        if silence is None:
            raise InputError(f"there is no silence {silence_id} that lasts; `thriftgate alerts list` names them")
        return silence

    async def silences(self) -> Sequence[Silence]:
        """Those that last."""
        return await self._book.silences(self._now_us())

    async def dead_letters(self, limit: int = 100) -> Sequence[Told]:
        """What could not be told, the newest first."""
        return await self._book.notices(state="dead", limit=limit)

    async def rules(self) -> tuple[Sequence[Rule], Sequence[StoredRule]]:
        """Those of the settings, and those made at run time."""
        own = {rule.name for rule in self._fixed}
        return self._fixed, [one for one in await self._book.rules() if one.rule.name not in own]

    async def put_rule(self, row: AlertRuleRow, *, by: str) -> Rule:
        """Make a rule, or change one made so. The gateway goes by it at its next look. Raises InputError for one that
        cannot be, or that stands in the settings."""
        rule = rule_of(row, available_timezones())
        self._check_ours(rule.name)
        names = {one.rule.name for one in await self._book.rules()}
        if len(names | {rule.name}) > RULES_MAX:
            raise InputError(f"there are {RULES_MAX} rules already; remove one first")
        await self._book.put_rule(rule, _words(by, "by"), self._now_us())
        return rule

    async def remove_rule(self, name: str) -> None:
        """Raises InputError where there is none of that name, or it stands in the settings."""
        self._check_ours(name)
        if not await self._book.remove_rule(name):
            raise InputError(f"there is no alert rule {name!r}; `thriftgate alerts rules` names them")

    def _check_ours(self, name: str) -> None:
        if any(rule.name == name for rule in self._fixed):
            raise InputError(f"alert rule {name!r} stands in the settings file; change it there")

    def _now_us(self) -> int:
        return int(self._clock.now_s() * 1e6)


def _words(text: str, name: str) -> str:
    if not text.strip() or len(text) > _WORDS_MAX or not text.isprintable():
        raise InputError(f"{name}: one line of at most {_WORDS_MAX} printable characters is needed")
    return text.strip()

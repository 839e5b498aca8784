"""What is kept of alerts, behind one contract. A sighting, the alert that it makes and the intent to tell of it are one
transaction: a process that is killed afterwards leaves it to be told, and one that is killed before has told nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from thriftgate.core.alerting.alert import Alert, Message, Notice, Sighting, Silence, State, Why
from thriftgate.core.alerting.life import Habits
from thriftgate.core.alerting.rules import Rule

# Which sinks an alert is told through, for this reason.
Routes = Callable[[Alert, Why], Sequence[str]]

NoticeState = Literal["due", "sent", "dead"]


class StoredRule(Struct, frozen=True):
    """A rule that was made at run time, when and by whom."""

    rule: Rule
    made_us: int
    by: str


class Told(Struct, frozen=True):
    """What became of a notice. `error` is the last one's; `due_us` when it is tried next."""

    notice: Notice
    state: NoticeState
    message: str
    tries: int
    due_us: int
    sent_us: int
    error: str


class AlertBook(Protocol):
    """Alerts, notices, silences and rules. All verbs raise LedgerError; times in microseconds since 1970."""

    async def sight(self, sightings: Sequence[Sighting], habits: Habits, routes: Routes, now_us: int) -> int:
        """Put sightings into the books, and what is to be told of them. Returns the number of notices. Where too many
        alerts stand, further ones are counted as one."""

    async def settle_down(self, habits: Habits, routes: Routes, now_us: int) -> int:
        """Resolve what was not sighted for a while. Returns the number of notices."""

    async def alerts(self, *, states: Sequence[State] = (), after: int = 2**62, limit: int = 100) -> Sequence[Alert]:
        """The newest first, from just behind `after`; all states where none is named."""

    async def alert(self, alert_id: int) -> Alert | None: ...

    async def acknowledge(self, alert_id: int, by: str) -> Alert | None:
        """The alert, told from now on only when it gets worse; None where there is none that lasts."""

    async def silence(self, matchers: Sequence[str], until_us: int, by: str, why: str, now_us: int) -> Silence: ...

    async def unsilence(self, silence_id: int, now_us: int) -> Silence | None:
        """End a silence now; None where there is none that lasts."""

    async def silences(self, now_us: int) -> Sequence[Silence]:
        """Those that last."""

    async def rules(self) -> Sequence[StoredRule]: ...

    async def put_rule(self, rule: Rule, by: str, now_us: int) -> None:
        """In the place of one of the same name."""

    async def remove_rule(self, name: str) -> bool: ...

    async def take_up(self, sink: str, now_us: int, *, gathered_us: int, digest_over: int, lease_us: int) -> Message | None:
        """The next message to be sent through a sink: one that failed or was cut off by a kill and is due again, else the
        notices made before `gathered_us`, all in one where they are more than `digest_over`. Its try is put down, and that
        it is due again after `lease_us`, before it is returned."""

    async def sent(self, message: str, now_us: int) -> None: ...

    async def failed(self, message: str, error: str, again_us: int) -> None:
        """Due again at `again_us`; 0: given up."""

    async def sent_since(self, sink: str, since_us: int) -> Sequence[int]:
        """When messages were sent through a sink."""

    async def next_due(self, sink: str) -> int | None:
        """When the first notice of a sink is due."""

    async def notices(self, *, state: NoticeState | None = None, alert_id: int = 0, limit: int = 100) -> Sequence[Told]:
        """The newest first."""

    async def sweep(self, now_us: int) -> None:
        """Forget what is old, and the oldest of what is too much."""

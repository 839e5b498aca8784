"""A gateway's own books held against a replay: do the savings that they claim stand up?"""

from __future__ import annotations

from collections import Counter

import msgspec

from thriftgate.audit.calls import Calls
from thriftgate.audit.findings import Books, Money, PolicyResult
from thriftgate.audit.replay.plan import Replays
from thriftgate.audit.replay.policies import AS_SENT, CONFIG, SAFE

_CLAIMED = msgspec.json.Decoder(dict[str, int])


def claims(calls: Calls) -> Books | None:
    """What the ledger among the sources claims; None where there is none."""
    claimed: Counter[str] = Counter()
    count = baseline = paid = 0
    for text, sent, told in calls.rows(
        "select claimed, baseline_pico, reported_pico from calls where baseline_pico is not null"
    ):
        count += 1
        baseline += sent
        paid += told or 0
        claimed.update(_CLAIMED.decode(text or "{}"))
    return Books(count, baseline, paid, dict(claimed), {}) if count else None


def replayed(books: Books, replays: Replays) -> Books:
    """With what the same levers saved in the replay: under the settings that were named, else under the defaults."""
    tallies = replays.whole.tallies
    tally = tallies.get(CONFIG) or tallies[SAFE]
    return msgspec.structs.replace(books, replayed=dict(tally.levers))


def as_sent(books: Books, cost: Money) -> PolicyResult:
    """The calls as the gateway's clients sent them, without it."""
    saved = books.paid_pico - books.baseline_pico
    return PolicyResult(
        AS_SENT,
        "plain",
        "as the clients sent them, without the gateway",
        books.calls,
        Money(cost.pico - saved, cost.low - saved, cost.high - saved),
        Money(saved, saved, saved),
        {lever: -pico for lever, pico in books.claimed.items()},
    )

"""How long conversations paused: what decides between five minutes and an hour."""

from __future__ import annotations

from itertools import pairwise

from thriftgate.audit.calls import Calls
from thriftgate.audit.findings import Gap

EDGES_S = (0.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 14_400.0, 86_400.0, float("inf"))


def gaps(calls: Calls) -> tuple[Gap, ...]:
    """Calls by the time since the one before of their conversation; () where the log knows no conversations. The tokens are
    those of the shorter of the two prompts: what can have been repeated."""
    bins = " ".join(f"when gap < {edge} then {number}" for number, edge in enumerate(EDGES_S[1:-1]))
    rows = calls.rows(
        f"select case {bins} else {len(EDGES_S) - 2} end as bin, count(*), sum(least(size, before))::bigint from ("
        " select size, (at_us - lag(at_us) over talk) / 1e6 as gap, lag(size) over talk as before from ("
        "  select *, input + write_5m + write_1h + write_unsplit + read as size from calls"
        "  where kind = 'call' and session <> '')"
        " window talk as (partition by workspace, key, model, session, agent, side order by at_us)"
        ") where gap is not null group by bin"
    )
    found = {number: (count, tokens) for number, count, tokens in rows}
    if not found:
        return ()
    return tuple(Gap(low, high, *found.get(number, (0, 0))) for number, (low, high) in enumerate(pairwise(EDGES_S)))

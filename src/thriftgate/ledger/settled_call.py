"""What the anomaly detectors need of an entry."""

from __future__ import annotations

from thriftgate.core.anomalies.call import Call, Ended
from thriftgate.ledger.entries import UPSTREAM, Entry, Outcome

_ENDED: dict[Outcome, Ended] = {
    "answered": "ok",
    "left": "ok",
    "failed": "error",
    "cut": "error",
    "unreachable": "error",
    "timeout": "error",
    "garbage": "error",
    "refused": "refused",
    "lost": "refused",  # nobody knows what became of it
}


def call_of(entry: Entry, rate_pico: int) -> Call:
    """The entry as the detectors see it; `rate_pico` is the list price of an output token of its model (pico-USD per
    million, or any unit that is the same for all models; 0 where unknown). Calls of our own (pings, summaries, second
    tries) are a series beside those of their task, and neither they nor what waited in a batch tell how fast the client
    calls."""
    ours = bool(entry.parent) or "." not in entry.endpoint
    tokens = entry.usage.total
    return Call(
        settled_s=entry.settled_us / 1e6,
        key=entry.key,
        task=f"{entry.task} ({entry.endpoint or 'ours'})".strip() if ours else entry.task,
        model=entry.served_model or entry.model,
        cost_pico=-entry.posted(UPSTREAM),
        rate_pico=rate_pico,
        read=tokens.read,
        write=tokens.write_5m + tokens.write_1h,
        plain=tokens.input,
        output=tokens.output,
        ended=_ENDED[entry.outcome],
        run=entry.conversation,
        queued=ours or entry.mode == "batch",
    )

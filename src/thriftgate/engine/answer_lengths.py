"""What whole answers teach about how long answers are."""

from __future__ import annotations

from thriftgate.core.output.lengths import Answer
from thriftgate.engine.settle import Prepared
from thriftgate.engine.snapshot import Knowledge
from thriftgate.ledger.entries import Entry


def learn_length(knowledge: Knowledge, prepared: Prepared, entry: Entry, cap_rate: float) -> None:
    """Book how long a whole answer was, for caps and for what shorter answers save. A repeat of one that a cap has cut
    counts for it; of one whose call site nobody knows nothing is learned."""
    tokens, cut = entry.usage.total.output, prepared.cut
    wanted = prepared.wanted
    site = wanted.site if wanted is not None else (entry.key, entry.model, entry.task, "")
    if not site[2]:
        return
    if cut is not None:
        knowledge.lengths.note(site, Answer(cut.tokens, ended=False, cap=cut.cap, rate=cap_rate, again=tokens))
        return
    cap = wanted.cap if wanted is not None else None
    ended = entry.stop_reason != "max_tokens"
    knowledge.lengths.note(site, Answer(tokens, ended, cap, cap_rate if cap is not None else 0.0))

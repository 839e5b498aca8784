"""What `thriftgate prune` says of a prompt: the diff, tokens, dollars a month, and what its sections were worth."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from thriftgate.cli.output import dollars, print_table, say
from thriftgate.cli.prune_asked import Asked
from thriftgate.core.cost import day_of, pico_at
from thriftgate.core.errors import UnknownPrice
from thriftgate.core.money import pico_from_usd, usd_from_pico
from thriftgate.core.prices import Terms
from thriftgate.core.usage import Tokens
from thriftgate.counting import best_counter
from thriftgate.engine.engine import Engine
from thriftgate.quality.arms import Arm
from thriftgate.quality.evaluation import UNGRADED_MAX
from thriftgate.quality.pruning.prune import Pruned
from thriftgate.quality.pruning.sections import Section, leaves_of, shown

LOW_SCORE = 0.5


class Worth(NamedTuple):
    """What a prompt takes: tokens of either, and what a call saves (pico-USD), by itself and where both are read from the
    provider's cache. `uncached` where only the shorter one is too short to be cached."""

    before: int
    after: int
    counts: dict[Section, int]
    saved_pico: int
    saved_cached_pico: int
    uncached: bool
    method: str


def worth_of(engine: Engine, arm: Arm, done: Pruned) -> Worth:
    """Count and price. A prompt that is too short to be cached is paid in full, whatever the other one cost."""
    capability, counter = engine.knowledge.models[arm.model], best_counter()
    text = done.wish.prompt
    before, after = (counter.count(one, capability.tokenizer) for one in (text, done.after))
    counts = {
        one: counter.count(text[one.start : one.end], capability.tokenizer)
        for one in {*done.found.removed, *done.found.effects}
    }
    cached = [one >= capability.cache_min_tokens for one in (before, after)]
    try:
        rates = engine.knowledge.book.rates(Terms(arm.model, day_of(engine.clock.now_s()), "standard", "global"), before)
        plain = [pico_at(Tokens(input=one), rates) for one in (before, after)]
        read = [
            pico_at(Tokens(read=one), rates) if is_cached else full
            for one, is_cached, full in zip((before, after), cached, plain, strict=True)
        ]
    except UnknownPrice:  # nothing was asked then
        plain = read = [0, 0]
    return Worth(before, after, counts, plain[0] - plain[1], read[0] - read[1], cached[0] and not cached[1], counter.method)


def document_of(done: Pruned, asked: Asked, arm: Arm, worth: Worth, copy: Path | None) -> dict[str, Any]:
    """What `--json` prints."""
    told, calls = done.confirmation, asked.calls_per_month
    calls = len(done.wish.cases) if calls is None else calls
    return {
        "state": done.state,
        "prompt": str(asked.prompt),
        "model": arm.name,
        "tokens_before": worth.before,
        "tokens_after": worth.after,
        "tokens_method": worth.method,
        "calls_per_month": calls,
        "saved_usd_month": usd_from_pico(worth.saved_pico * calls),
        "saved_cached_usd_month": usd_from_pico(worth.saved_cached_pico * calls),
        "score_before": round(told.before, 6) if told else None,
        "score_after": round(told.after, 6) if told else None,
        "low": round(told.low, 6) if told else None,
        "p": told.p if told else None,
        "margin": done.wish.margin,
        "confidence": done.wish.confidence,
        "cases": {
            "search": done.forecast.search,
            "heldout": done.forecast.heldout,
            "independent": done.clusters,
            "needed": told.needed if told else done.forecast.least,
        },
        "removed": [_section(done, worth, one) for one in _in_order(done.found.removed)],
        "kept": [_section(done, worth, one) for one in leaves_of(done.sections, done.found.removed)],
        "chance": round(done.found.chance, 6),
        "prompts": done.found.tried,
        "calls": done.calls,
        "cached": done.cached,
        "spent_usd": usd_from_pico(done.spent_pico),
        "budget_usd": str(asked.budget),
        "stopped": done.found.stopped,
        "confirmed": done.state == "confirmed",
        "why": done.why,
        "written": copy is not None,
        "copy": str(copy) if copy is not None else "",
        "after": done.after,
        "diff": diff_of(done.wish.prompt, done.after, str(asked.prompt)),
        "ungraded": done.ungraded,
        "notes": _notes(done, asked, worth),
    }


def diff_of(before: str, after: str, name: str) -> str:
    """The unified diff; "" where nothing differs."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), name, f"{name} (pruned)", lineterm="")
    return "".join(f"{line}\n" for line in lines)


def _in_order(sections: Sequence[Section] | set[Section]) -> list[Section]:
    return sorted(sections, key=lambda one: (one.start, -one.end))


def _section(done: Pruned, worth: Worth, one: Section) -> dict[str, Any]:
    effect = done.found.effects[one]
    text = done.wish.prompt
    return {
        "section": shown(text, one),
        "kind": one.kind,
        "line": text.count("\n", 0, one.start) + 1,
        "tokens": worth.counts[one],
        "effect": round(effect.change, 6),
        "cases": effect.cases,
        "reason": effect.why,
    }


def _notes(done: Pruned, asked: Asked, worth: Worth) -> list[str]:
    """What whoever adopts the prompt should know."""
    notes = []
    told = done.confirmation
    if done.found.stopped and done.state == "confirmed":
        notes.append(f"the search ended early, a larger --budget goes on: {done.found.stopped}")
    if told is not None and told.before < LOW_SCORE:
        notes.append(f"the prompt as it is scores {told.before:.0%}: what it gets wrong cannot show what it needs")
    if not done.after.strip():
        notes.append("no part of the prompt made a difference to these cases: do they ask what it is there for?")
    if worth.uncached:
        saved = dollars(worth.saved_cached_pico * 1_000)
        notes.append(
            f"by itself the shorter prompt is too short for the provider's cache, the longer one was not: where that one "
            f"was read from it, a thousand calls save {saved}"
        )
    if asked.write and done.state != "confirmed":
        notes.append("nothing was written")
    if done.lacking:
        notes.append(f"code of answers ran without a limit on: {', '.join(sorted(done.lacking))}")
    missing = sum(done.ungraded.values())
    if missing > UNGRADED_MAX * max(1, done.calls + done.cached):
        notes.append(f"{missing:,} answers could not be judged, most often: {next(iter(done.ungraded))}")
    return notes


def print_pruned(document: dict[str, Any]) -> None:
    """For people."""
    if document["diff"]:
        say(document["diff"])
    for title, name in (("left out", "removed"), ("kept", "kept")):
        rows = [
            (f"{one['line']}", one["section"], f"{one['tokens']:,}", f"{one['effect']:+.1%}", f"{one['cases']:,}")
            for one in document[name]
        ]
        if rows:
            print_table(("line", title, "tokens", "score", "cases"), rows, left=2)
            say("")
    say(
        f"{document['tokens_before']:,} -> {document['tokens_after']:,} tokens; {document['calls_per_month']:,} calls a "
        f"month save {dollars(pico_from_usd(document['saved_usd_month']))}, or "
        f"{dollars(pico_from_usd(document['saved_cached_usd_month']))} where the prompt is read from the cache"
    )
    if document["score_after"] is not None:
        say(
            f"held-out score {document['score_before']:.1%} -> {document['score_after']:.1%}, change at least "
            f"{document['low']:+.1%} ({document['confidence']:.0%} confidence, {document['cases']['independent']:,} cases)"
        )
    verdict = {"confirmed": "confirmed", "nothing to prune": "nothing to prune: every section matters to these cases"}
    written = f"; written, the copy is {document['copy']}" if document["written"] else ""
    say(f"{verdict.get(document['state'], 'not confirmed')}{written}")
    say(
        f"{document['prompts']:,} prompts tried, {document['calls']:,} answers asked for now, {document['cached']:,} known "
        f"from before; paid {dollars(pico_from_usd(document['spent_usd']))}"
    )

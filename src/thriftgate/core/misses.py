"""Why the cache did not serve what had been sent before, and what that cost.

A miss is told after the bill is known: tokens that some earlier request had sent in the same place and that were not read
this time. Causes: the rules of platform.claude.com/docs/en/build-with-claude/prompt-caching (2026-10). Where the provider
itself told the reason (…/cache-diagnostics, 2026-09), its word counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.cache import TTL_S, Resident, within_reach
from thriftgate.core.looks import Change, Look, Looks, Sent, change_since, head_count, pack
from thriftgate.core.money import price_tokens
from thriftgate.core.prices import Rates
from thriftgate.core.state import State
from thriftgate.core.usage import Tokens

Cause = Literal[
    "cold", "expired", "prefix_changed", "model_changed", "speed_changed", "tool_choice_changed", "thinking_changed",
    "effort_changed", "format_changed", "images_changed", "citations_changed", "below_minimum", "look_back", "concurrency",
    "evicted", "not_marked", "hour_not_granted",
]  # fmt: skip

UNAVOIDABLE: frozenset[Cause] = frozenset({"cold", "below_minimum", "evicted", "hour_not_granted"})
"""Causes that nothing the caller does would have prevented. The others could have been avoided, unless the prefix came back
after more than `AVOIDABLE_GAP_S`: no entry lives so long by itself."""
AVOIDABLE_GAP_S = TTL_S["1h"]

_CHANGES: dict[str, Cause] = {
    "model": "model_changed",
    "speed": "speed_changed",
    "blocks": "prefix_changed",
    "tool_choice": "tool_choice_changed",
    "thinking": "thinking_changed",
    "effort": "effort_changed",
    "format": "format_changed",
    "task_budget": "format_changed",
    "images": "images_changed",
    "citations": "citations_changed",
}
_TOLD: dict[str, Cause] = {
    "model_changed": "model_changed",
    "tools_changed": "prefix_changed",
    "system_changed": "prefix_changed",
    "messages_changed": "prefix_changed",
}
_SLACK_TOKENS = 64  # counts of single blocks are estimates: less is no miss
_SLACK_SHARE = 20  # … and so is a twentieth
_CLOCK_ERROR_S = 0.001
_ANSWER_BEGINS_S = 600.0  # a request older than that and without a look was forgotten, not still under way


class Miss(Struct, frozen=True, omit_defaults=True):
    """Prompt tokens that had been sent before and were not read (`cold`: all that were not read), and what they cost above
    the price of reading them (pico-USD). `detail` is one sentence; `at_block` is the first block that differs and `digest`
    its short hash; `gap_s` is how long ago the prefix was last sent."""

    cause: Cause
    tokens: int
    pico: int
    detail: str
    avoidable: bool = False
    at_block: int | None = None
    gap_s: float | None = None
    digest: str = ""


class Told(Struct, frozen=True):
    """The provider's own diagnosis: `cache_miss_reason.type`, and its estimate of the tokens missed."""

    reason: str
    tokens: int = 0


class Billed(Struct, frozen=True):
    """A settled call: its prompt as it was billed, and at which rates."""

    tokens: Tokens
    rates: Rates
    told: Told | None = None


class _Case(NamedTuple):
    """All that is known of the call. `ends` are the tokens up to and including each block, fitted to the bill."""

    sent: Sent
    state: State
    billed: Billed
    looks: Looks
    ends: Sequence[int]


class _Finding(NamedTuple):
    """A cause, and the blocks it explains."""

    cause: Cause
    blocks: Sequence[int]
    detail: str
    gap_s: float | None = None
    at: int | None = None


def classify(sent: Sent, state: State, billed: Billed, looks: Looks) -> Miss | None:
    """The one miss that explains most of what was not read; None where all that had been sent before was read, but for
    what lies within the error of token estimates. Costs a few comparisons where nothing was missed."""
    if not state.cumulative:
        return None
    if _all_served(sent, state, billed, looks):
        return None if billed.told is None else _by_provider(billed, None)
    case = _Case(sent, state, billed, looks, _fitted(state, billed.tokens.prompt))
    lost = _lost(case)
    best = _priced(lost, case) if lost is not None else None
    changed = _changed(case, best.tokens if best is not None else 0)
    miss = _priced(changed, case) if changed is not None else None
    if miss is not None and (best is None or miss.tokens > best.tokens):
        best = miss
    if billed.told is not None:
        best = _by_provider(billed, best)
    if best is None and sent.seen_at is None and not billed.tokens.read:
        return _cold(case)
    return best


def _all_served(sent: Sent, state: State, billed: Billed, looks: Looks) -> bool:
    """Whether all that an earlier request can have left to read was read. The quick way out: most calls end here."""
    at = sent.seen_at
    if at is None or at + 1 < head_count(sent.prefix):
        return False
    if billed.tokens.read < _least(min(state.cumulative[at], billed.tokens.prompt)):
        return False
    return all(look.count <= at + 1 or look.id == sent.id for look in looks.of_talk(sent))


def _fitted(state: State, prompt: int) -> list[int]:
    """Where each block ends, in tokens; the error of the estimate, which lies behind what was counted before, is spread."""
    last = len(state.cumulative) - 1
    known = next((at for at in range(last, -1, -1) if state.upper[at] == state.cumulative[at]), -1)
    base = min(state.cumulative[known], prompt) if known >= 0 else 0
    behind = max(1, state.cumulative[-1] - base)
    return [
        min(end, prompt) if at <= known else base + (end - base) * (prompt - base) // behind
        for at, end in enumerate(state.cumulative)
    ]


def _least(expected: int) -> int:
    """The least that must be read of so many expected tokens."""
    return expected - max(_SLACK_TOKENS, expected // _SLACK_SHARE)


# --- the same prefix had been sent before ------------------------------------------------------------------------------


def _lost(case: _Case) -> _Finding | None:
    """Why the prefix that had been sent just so was not read."""
    sent, state, read = case.sent, case.state, case.billed.tokens.read
    at = sent.seen_at
    if at is None or read >= _least(case.ends[at]):
        return None
    until, tokens = range(at + 1), case.ends[at]
    gap_s = max(0.0, sent.sent_s - sent.seen_s) if sent.seen_s else None
    if tokens < state.capability.cache_min_tokens:
        return _Finding("below_minimum", until, _too_short(tokens, case), gap_s)
    held = _deepest_entry(case, at)
    if held is not None:
        there = case.ends[held[0]]
        if there - read >= tokens - there:
            return _entry_lost(case, *held)
    elif (early := _in_parallel(case)) is not None:
        failed, detail = early
        return _Finding("cold" if failed else "concurrency", until, detail, gap_s)
    where = f"the prompt up to {place(state, at)}"
    return _Finding("not_marked", until, f"{where} was sent before, but no request had a breakpoint there", gap_s)


def _deepest_entry(case: _Case, seen_at: int) -> tuple[int, Resident] | None:
    """The deepest cache entry that is, or was, believed to be held, behind what was read."""
    for at in range(seen_at, -1, -1):
        entry = case.state.residency.get(case.state.prefix.chain[at])
        if entry is not None and case.ends[at] > case.billed.tokens.read:
            return at, entry
    return None


def _entry_lost(case: _Case, at: int, entry: Resident) -> _Finding:
    """Why the entry at block `at`, which was made once, did not serve."""
    now_s = case.sent.sent_s
    gap_s = max(0.0, now_s - (entry.expires_s - TTL_S[entry.ttl]))
    if entry.usable_s > now_s:
        cause, detail = _named("concurrency", "sent before the answer that wrote it had begun")
    elif now_s >= entry.expires_s and entry.ttl == "5m" and _was_refused(case, gap_s):
        cause, detail = _not_granted(gap_s)
    elif now_s >= entry.expires_s:
        cause, detail = _named("expired", f"last used {gap_s:,.0f} s before; its {entry.ttl} entry had expired")
    else:
        cause, detail = _out_of_reach(case, at) or _gone(case, entry, gap_s)
    return _Finding(cause, range(at + 1), detail, gap_s)


def _out_of_reach(case: _Case, at: int) -> tuple[Cause, str] | None:
    """Why this request could not read the entry at block `at` though it is held; None where it could."""
    sent, state = case.sent, case.state
    marks = [mark.at for mark in sent.breakpoints if case.ends[mark.at] >= state.capability.cache_min_tokens]
    if not sent.breakpoints:
        return "not_marked", "it was cached, but this request has no breakpoint"
    if not marks:
        return "below_minimum", _too_short(case.ends[sent.breakpoints[-1].at], case)
    if any(at in within_reach(state.prefix, mark, state.rules) for mark in marks if mark >= at):
        return None
    nearest = min((mark - at for mark in marks if mark >= at), default=0)
    if not nearest:
        return "not_marked", "it was cached, but this request has no breakpoint behind it"
    return "look_back", f"it was cached, but the nearest breakpoint stands {nearest} blocks behind it: out of look-back"


def _gone(case: _Case, entry: Resident, gap_s: float) -> tuple[Cause, str]:
    """The provider does not hold what it should."""
    looks = (*case.looks.of_talk(case.sent), *case.looks.of_head(case.sent))
    if entry.ttl == "1h" and gap_s > TTL_S["5m"] and any(look.hour_refused for look in looks):
        return _not_granted(gap_s)
    left_s = entry.expires_s - case.sent.sent_s
    return "evicted", f"the provider dropped it {left_s:,.0f} s before its {entry.ttl} were over"


def _was_refused(case: _Case, gap_s: float) -> bool:
    """Whether the request that sent this last asked for the hour in which it came back, and did not get it."""
    sent, looks = case.sent, (*case.looks.of_talk(case.sent), *case.looks.of_head(case.sent))
    earlier = [look for look in looks if look.id != sent.id and look.sent_s <= sent.sent_s]
    latest = max(earlier, key=_by_time, default=None)
    return latest is not None and latest.hour_refused and gap_s <= TTL_S["1h"]


def _not_granted(gap_s: float) -> tuple[Cause, str]:
    return "hour_not_granted", f"last used {gap_s:,.0f} s before; 1h was asked for, and the provider wrote it for 5m"


def _named(cause: Cause, detail: str) -> tuple[Cause, str]:
    return cause, detail


def _in_parallel(case: _Case) -> tuple[bool, str] | None:
    """Whether the request that sent this prefix last was still without an answer: (it failed, in words)."""
    sent, looks = case.sent, case.looks
    earlier = [
        look for look in (*looks.of_talk(sent), *looks.of_head(sent)) if look.id != sent.id and look.sent_s <= sent.sent_s
    ]
    for look in earlier:
        if look.began_s >= sent.sent_s and look.marks:  # at the same moment: its entry was not known yet
            wait_s = look.began_s - sent.sent_s
            what = "failed" if look.failed else "began to be answered"
            return look.failed, f"sent {wait_s:,.1f} s before the request with the same prefix {what}"
    gap_s = sent.sent_s - sent.seen_s
    if not sent.seen_s or gap_s > _ANSWER_BEGINS_S:
        return None
    latest = max(earlier, key=_by_time, default=None)
    if latest is None or latest.sent_s < sent.seen_s - _CLOCK_ERROR_S:
        return False, f"the request with the same prefix, {gap_s:,.1f} s before, was still without an answer"
    return (True, "the request with the same prefix before it failed") if latest.failed else None


def _by_time(look: Look) -> float:
    return look.sent_s


def _too_short(tokens: int, case: _Case) -> str:
    return f"about {tokens:,} tokens, under the {case.state.capability.cache_min_tokens:,} that {case.sent.model} caches"


# --- something changed --------------------------------------------------------------------------------------------------


def _changed(case: _Case, explained: int) -> _Finding | None:
    """What differs from the most similar earlier request, if that can have lost more than the tokens that are `explained`
    already."""
    sent, state, looks, read = case.sent, case.state, case.looks, case.billed.tokens.read
    head, talk = head_count(sent.prefix), looks.of_talk(sent)
    own = next((look.blocks for look in reversed(talk) if look.id == sent.id), None)
    packed = own if own is not None else pack(sent.prefix.blocks)
    best: Change | None = None
    most = 0
    for same_talk in (True, False):
        end = case.ends[-1] if same_talk else case.ends[head - 1] if head else 0
        if end - read <= explained or read >= _least(end):
            break
        for look in talk if same_talk else looks.of_key(sent):
            if look.id == sent.id or look.failed or look.sent_s > sent.sent_s:
                continue
            change = change_since(look, sent, packed, head=head, same_talk=same_talk)
            if change is not None and (size := _size(change.repeated, case.ends)) > most:
                best, most = change, size
        if best is not None:
            break  # a request of the same conversation tells more than any other
    return _change_in_words(best, sent, state) if best is not None else None


def _change_in_words(change: Change, sent: Sent, state: State) -> _Finding:
    look = change.look
    gap_s = max(0.0, sent.sent_s - look.sent_s)
    if not change.marked:
        cause, detail = _named("not_marked", "the request before it had no breakpoint there")
    elif sent.sent_s >= look.held_until_s():
        cause, detail = _named("expired", f"last sent {gap_s:,.0f} s before; its entry had expired")
    elif look.began_s > sent.sent_s:
        wait_s = look.began_s - sent.sent_s
        cause, detail = _named("concurrency", f"sent {wait_s:,.1f} s before the request like it began to be answered")
    else:
        cause, detail = _CHANGES.get(change.what, "prefix_changed"), _difference(change, sent, state, gap_s)
    return _Finding(cause, change.repeated, detail, gap_s, change.at if cause == "prefix_changed" else None)


def _difference(change: Change, sent: Sent, state: State, gap_s: float) -> str:
    if change.what == "model":
        return f"{change.look.model} {gap_s:,.0f} s before, {sent.model} now: each model has a cache of its own"
    if change.what == "speed":
        return f"{change.look.mode} {gap_s:,.0f} s before, {sent.mode} now: each speed has a cache of its own"
    if change.at is None:
        return f"{change.what} changed against the request {gap_s:,.0f} s before"
    now = short_hash(state, change.at)
    return f"{place(state, change.at)} (block {change.at}) changed: {change.before} before, {now} now"


def short_hash(state: State, at: int) -> str:
    """What tells this block from others: 8 hex digits."""
    return state.prefix.blocks[at].part.digest.hex()[:8]


def place(state: State, at: int) -> str:
    """Where a block stands in the request: `tools[2]`, `messages[4].content[0]`."""
    name = ""
    for step in state.prefix.blocks[at].path():
        name += f"[{step}]" if isinstance(step, int) else f".{step}"
    return name.removeprefix(".")


# --- what it cost -------------------------------------------------------------------------------------------------------


def _size(blocks: Sequence[int], cumulative: Sequence[int]) -> int:
    return sum([end - start for start, end in _spans(blocks, cumulative)])


def _spans(blocks: Sequence[int], ends: Sequence[int]) -> list[tuple[int, int]]:
    """Where in the prompt these blocks stand, in tokens: one span for those that follow each other."""
    spans: list[tuple[int, int]] = []
    first = last = -1
    for at in blocks:
        if at != last + 1 or first < 0:
            if first >= 0:
                spans.append((ends[first - 1] if first else 0, ends[last]))
            first = at
        last = at
    if first >= 0:
        spans.append((ends[first - 1] if first else 0, ends[last]))
    return spans


def _priced(finding: _Finding, case: _Case) -> Miss | None:
    """The miss in tokens and money: those of the finding's blocks that lie behind what was read."""
    billed = case.billed
    tokens, pico = _above_reading(finding.blocks, case.ends, billed)
    if billed.tokens.read >= _least(tokens + billed.tokens.read):
        return None
    digest = short_hash(case.state, finding.at) if finding.at is not None else ""
    late = finding.gap_s is not None and finding.gap_s > AVOIDABLE_GAP_S
    avoidable = finding.cause not in UNAVOIDABLE and not late
    return Miss(finding.cause, tokens, pico, finding.detail, avoidable, finding.at, finding.gap_s, digest)


def _above_reading(blocks: Sequence[int], ends: Sequence[int], billed: Billed) -> tuple[int, int]:
    """Tokens of these blocks that were not read, and their cost above the price of reading.

    A prompt is billed from its start on as read, 1h write, 5m write, plain
    (platform.claude.com/docs/en/build-with-claude/prompt-caching, "Mixing different TTLs", 2026-10).
    """
    used, rates = billed.tokens, billed.rates
    start, total, pico = used.read, 0, 0
    spans = [(low, high) for low, high in _spans(blocks, ends) if high > start]
    for size, rate in ((used.write_1h, rates.write_1h), (used.write_5m, rates.write_5m), (used.input, rates.input)):
        end = start + size
        part = sum([max(0, min(high, end) - max(low, start)) for low, high in spans])
        total += part
        pico += price_tokens(part, rate - rates.read)
        start = end
    return total, pico


def _cold(case: _Case) -> Miss | None:
    """Nothing of this prompt was ever sent; None where it is too short to be cached at all."""
    if case.billed.tokens.prompt < case.state.capability.cache_min_tokens:
        return None
    tokens, pico = _above_reading(range(len(case.ends)), case.ends, case.billed)
    return Miss("cold", tokens, pico, "nothing of this prompt was sent before")


def _by_provider(billed: Billed, found: Miss | None) -> Miss | None:
    """The provider's diagnosis laid over ours. It compares with the one message the client named, and knows of nothing but
    changes: what says nothing of that (`unavailable`, `previous_message_not_found`) leaves ours standing."""
    told = billed.told
    cause = _TOLD.get(told.reason) if told is not None else None
    if told is None or cause is None or not billed.tokens.prompt:
        return found
    if found is not None and found.cause == cause:
        return replace(found, detail=f"{found.detail} (told by the provider as well: {told.reason})")
    end = billed.tokens.prompt
    missed = min(told.tokens, end - billed.tokens.read)
    if missed <= 0:
        return found
    # The first tokens that were not read: what a change spoils begins where reading ended.
    bounds = (billed.tokens.read, billed.tokens.read + missed)
    tokens, pico = _above_reading((1,), bounds, billed)
    return Miss(cause, tokens, pico, f"{told.reason}, told by the provider", avoidable=True)

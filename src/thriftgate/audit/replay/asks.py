"""The calls of an audit as the replay wants them: in order of time, each with its prompt as a chain of boundaries."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from thriftgate.audit.accounts import priced_geo
from thriftgate.audit.names import resolve
from thriftgate.audit.records import PromptBlock
from thriftgate.audit.replay.booked import Booked, rising
from thriftgate.audit.replay.growth import ENDS_MAX, Changed, Growth, Seen, fitted
from thriftgate.audit.replay.hidden import Step, hidden_marks
from thriftgate.audit.table import Table
from thriftgate.core.blocks import Block, Part
from thriftgate.core.cache import TTL_S, Breakpoint, Resident
from thriftgate.core.generations import Generations
from thriftgate.core.prefix import Prefix
from thriftgate.core.prices import Mode, PriceBook
from thriftgate.core.request import Request, Ttl
from thriftgate.core.usage import Tokens
from thriftgate.engine.replay import Logged
from thriftgate.engine.snapshot import KnownPrompt
from thriftgate.wire.usage import ApiUsage, CacheCreation

OUTPUT_MAX = 128_000  # max_tokens of a call whose log does not tell it
TOKENS_PER_SECOND_READ = 10_000  # an answer begins a second after its request, and one more for each so many tokens
SNAP = 0.02  # how far an estimated boundary may lie from where a call read up to, as a share of the prompt

_BLOCKS = msgspec.json.Decoder(tuple[PromptBlock, ...])
_COLUMNS = (
    "rowid, at_us, began_us, ended_us, model, mode, geo, workspace, key, session, agent, side, input, write_5m, write_1h,"
    " write_unsplit, read, output, web_searches, max_tokens, stop_reason, cache_untold, prompt"
)
_STEPS = (
    "rowid, at_us, model, coalesce(nullif(workspace, ''), key), session, agent, side, read, read + write_1h,"
    " read + write_1h + write_5m + write_unsplit"
)


class Asked(Struct, frozen=True):
    """One call to replay. `model` is the id of the price book, `billed` its tokens as the log tells them; `untold`: the log
    does not say how its prompt was cached. `conversation` numbers conversations. `placed` are the breakpoints it was sent
    with. `outside`: what it found in the cache though no call of the log wrote it; so it would have under any policy.
    `changed`: what the bills show to have been changed in its prompt, where that is `worked_out` from them. `ended`: the
    answer is complete, and in words. `rewritten` is its prompt with all of `prompts.REWRITES`, where that is another and
    was asked for."""

    logged: Logged
    model: str
    mode: Mode
    geo: str
    billed: Tokens
    searches: int
    conversation: int
    untold: bool
    placed: tuple[Breakpoint, ...]
    outside: tuple[bytes, Resident] | None = None
    changed: Changed | None = None
    worked_out: bool = False
    ended: bool = False
    rewritten: KnownPrompt | None = None

    @property
    def prefix(self) -> Prefix:
        prompt = self.logged.prompt
        assert prompt is not None
        return prompt.prefix

    @property
    def cumulative(self) -> tuple[int, ...]:
        prompt = self.logged.prompt
        assert prompt is not None
        return prompt.cumulative


def asked(calls: Table, book: PriceBook, *, where: str = "true", rewritten: bool = False) -> Iterator[Asked]:
    """The calls that can be replayed: single ones, answered, not billed by iteration, with a known model. `where` narrows
    them, in SQL of our own. `rewritten`: with their rewritten prompts."""
    those = (
        "from calls where kind = 'call' and iterations in ('', '[]') and not (stop_reason = 'refusal' and"
        f" output = 0) and input + write_5m + write_1h + write_unsplit + read > 0 and ({where})"
    )
    order = "order by at_us, rowid"
    counted = "and prompt in ('', '[]') and read + write_5m + write_1h + write_unsplit > 0"
    reader = _Reader(book, hidden_marks(_steps(calls.rows(f"select {_STEPS} {those} {counted} {order}"))))
    other = "stabilised" if rewritten else "''"
    for row in calls.rows(f"select {_COLUMNS}, {other} {those} {order}"):
        one = reader.read(row)
        if one is not None:
            yield one


def _steps(rows: Iterable[Sequence[Any]]) -> Iterator[Step]:
    for rowid, at_us, model, owner, session, agent, side, read, hour, cached in rows:
        thread = (session, agent, str(side)) if session else ()
        yield Step(rowid, (owner, model), thread, at_us / 1e6, read, hour, cached)


class _Reader:
    """Rows in order of time."""

    def __init__(self, book: PriceBook, hidden: dict[int, list[int]]) -> None:
        self._book = book
        self._hidden = hidden
        self._growth = Growth()
        self._booked = Booked()
        self._written: Generations[tuple[str, bytes], int] = Generations(ENDS_MAX)
        self._conversations: dict[tuple[str, ...], int] = {}

    def read(self, row: Sequence[Any]) -> Asked | None:
        rowid, at_us, began_us, ended_us, raw, mode, geo, workspace, key, session, agent, side = row[:12]
        plain, five, hour, unsplit, read, output, searches, max_tokens, stop, untold, prompt, other = row[12:]
        named = resolve(raw, self._book)
        if not named.known:
            return None
        model = named.model
        mode = named.mode if named.mode and mode == "standard" else mode
        geo = priced_geo(geo, named, self._book)
        billed = Tokens(plain, five + unsplit, hour, read, output)
        owner = workspace or key
        thread = (session, agent, str(side)) if session else ()
        at_s = at_us / 1e6
        began_s = _began_s(at_s, began_us / 1e6, ended_us / 1e6, billed.prompt)
        outside: tuple[bytes, Resident] | None = None
        changed: Changed | None = None
        if prompt not in ("", "[]"):
            blocks = _BLOCKS.decode(prompt)
            if blocks[0].tokens >= 0:
                known, placed = self._booked.known(blocks, billed, at_s, began_s)
            else:
                known = self._known(blocks, billed, owner, model, untold=untold)
                placed = marks_of(known.prefix)
        else:
            hidden = self._hidden.get(rowid, ())
            grown = self._growth.of(Seen((owner, model), thread, at_s, began_s, billed, stop == "tool_use", hidden))
            known, changed = KnownPrompt(grown.prefix, grown.ends), grown.changed
            if grown.outside is not None:
                digest, ttl = grown.outside
                outside = digest, Resident(ttl, at_s, at_s + TTL_S[ttl])
            placed = marks_of(known.prefix)
        if not known.cumulative:
            return None
        place = (owner, model, *thread) if thread else (str(rowid),)
        return Asked(
            logged=Logged(
                id=str(rowid),
                at_s=at_s,
                began_s=began_s,
                key=key or owner,
                upstream=workspace,
                usage=_as_told(billed, mode, geo),
                request=Request(b"", {}, model, max_tokens or OUTPUT_MAX, False, _request_mode(mode), geo, None, False),
                prompt=known,
            ),
            model=model,
            mode=mode,
            geo=geo,
            billed=billed,
            searches=searches,
            conversation=self._conversations.setdefault(place, len(self._conversations)),
            untold=untold,
            placed=placed,
            outside=outside,
            changed=changed,
            worked_out=prompt in ("", "[]"),
            ended=stop == "end_turn",
            rewritten=_rewritten(_BLOCKS.decode(other), billed) if other not in ("", "[]") else None,
        )

    def _known(self, blocks: Sequence[PromptBlock], billed: Tokens, owner: str, model: str, *, untold: bool) -> KnownPrompt:
        """The boundaries of a prompt that the log tells, fitted to what was billed: the end of the prompt, and where the
        call wrote and read up to."""
        ends = [block.end for block in blocks]
        last = len(blocks) - 1
        anchors = {last: billed.prompt}
        if not untold and ends[last]:
            cached = billed.prompt - billed.input
            marked = [at for at, block in enumerate(blocks) if block.mark]
            if cached and marked and marked[-1] < last:
                anchors[marked[-1]] = cached
            hit = self._hit(blocks, ends, billed, owner + model)
            if hit is not None and hit not in anchors:
                anchors[hit] = billed.read
            for at in marked:
                self._written[owner + model, blocks[at].digest] = 1
        path = rising(sorted(anchors.items()))
        return _prompt(blocks, fitted(ends, path) if ends[last] else tuple(ends))

    def _hit(self, blocks: Sequence[PromptBlock], ends: Sequence[int], billed: Tokens, scope: str) -> int | None:
        """The block up to which the call read: of those that were written before, the one nearest to it."""
        if not billed.read:
            return None
        depth = billed.read * ends[-1] / billed.prompt
        near = [at for at, block in enumerate(blocks) if self._written.get((scope, block.digest)) is not None]
        if near:
            return min(near, key=lambda at: abs(ends[at] - depth))
        at = bisect_left(ends, depth)
        found = min((at, max(0, at - 1)), key=lambda one: abs(ends[min(one, len(ends) - 1)] - depth))
        return found if found < len(ends) and abs(ends[found] - depth) <= SNAP * ends[-1] else None


def _rewritten(blocks: Sequence[PromptBlock], billed: Tokens) -> KnownPrompt:
    """A prompt that nobody sent: estimates, fitted to the length that the original was billed with."""
    ends = [block.end for block in blocks]
    return _prompt(blocks, fitted(ends, [(len(ends) - 1, billed.prompt)]))


def _prompt(blocks: Sequence[PromptBlock], cumulative: tuple[int, ...]) -> KnownPrompt:
    """The prompt whose blocks end there."""
    before = 0
    shown: list[Block] = []
    for block, end in zip(blocks, cumulative, strict=True):
        size = max(0, end - before)
        mark: Ttl | None = "1h" if block.mark == "1h" else "5m" if block.mark else None
        part = Part(block.kind, block.digest, size, size, mark, markable=block.markable)
        shown.append(Block(part, block.section, block.index))  # type: ignore[arg-type]
        before = end
    count = sum(1 for block in blocks if block.mark)
    return KnownPrompt(Prefix(tuple(shown), tuple([block.digest for block in blocks]), marks_count=count), cumulative)


def _began_s(at_s: float, began_s: float, ended_s: float, tokens: int) -> float:
    if began_s >= at_s and began_s:
        return began_s
    estimate = at_s + 1 + tokens / TOKENS_PER_SECOND_READ
    return min(estimate, ended_s) if ended_s > at_s else estimate


def _as_told(billed: Tokens, mode: Mode, geo: str) -> ApiUsage:
    """The usage without web searches: what those cost is added to every policy alike (`run.py`)."""
    return ApiUsage(
        input_tokens=billed.input,
        output_tokens=billed.output,
        cache_creation_input_tokens=billed.write_5m + billed.write_1h,
        cache_read_input_tokens=billed.read,
        cache_creation=CacheCreation(billed.write_5m, billed.write_1h),
        service_tier="batch" if mode == "batch" else "standard",
        inference_geo=geo,
        speed="fast" if mode == "fast" else "standard",
    )


def _request_mode(mode: Mode) -> Any:
    return "fast" if mode == "fast" else "standard"


def marks_of(prefix: Prefix) -> tuple[Breakpoint, ...]:
    """The client's own breakpoints."""
    return tuple(Breakpoint(at, ttl) for at, ttl in prefix.marks())

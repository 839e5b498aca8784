"""One Messages call: from the body to the reply, with what it read, wrote and cost.

`prepare` does everything that happens when the request starts (validation, gates, prompt, cache lookup); `answer` everything that
happens once the first byte is ready (cache entries become readable, the answer, further iterations, usage). Nothing is booked
here: `app` and `batches` book what was really delivered.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from thriftgate.simulator import answers
from thriftgate.simulator.answers import Answer, Piece
from thriftgate.simulator.bill import Modifiers
from thriftgate.simulator.cache import CacheOracle, Lookup, Mark, Prefix, prefixes
from thriftgate.simulator.config import SimulatorConfig
from thriftgate.simulator.context import after_compaction, apply_edits
from thriftgate.simulator.diagnostics import Diagnostics, fingerprint
from thriftgate.simulator.errors import invalid
from thriftgate.simulator.gates import Passed, check_gates
from thriftgate.simulator.identity import Caller, Ids
from thriftgate.simulator.marks import check_marks, find_marks
from thriftgate.simulator.models import Model, ModelTable
from thriftgate.simulator.render import Body, Placed, Position, Rendered, flatten, identity, render, salts
from thriftgate.simulator.server_tools import any_cache_control, search_blocks
from thriftgate.simulator.thinking import Sealer, check_thinking, last_seal, prefix_before, strip_old_thinking
from thriftgate.simulator.tokens import TURN, TokenCounter
from thriftgate.simulator.usage import Envelope, Step, Usage, final_usage
from thriftgate.simulator.validate import check_body

REFUSALS_FREE_SINCE = 1_780_358_400.0
"""2026-06-02: a refusal before any output is not billed (build-with-claude/refusals-and-fallback, 2026-10)"""
REFUSALS_BILLED_SINCE = 1_790_208_000.0
"""2026-09-24: billed again for three categories (same page)"""
BILLED_REFUSALS = frozenset({"bio", "frontier_llm", "reasoning_extraction"})
SUMMARY_SHARE = 50
"""assumed: a compaction summary has one token per 50 of the context, at least 50 and at most 3,500"""
DEFAULT_FALLBACKS = ({"model": "claude-opus-5"}, {"model": "claude-opus-4-8"})
"""assumed: what `fallbacks: "default"` tries"""


@dataclass(slots=True)
class Call:
    """A request that was accepted and has started."""

    body: Body
    model: Model
    caller: Caller
    passed: Passed
    started_at: float
    batch: bool
    sent: list[Placed]
    placed: list[Placed]
    rendered: Rendered
    chain: list[Prefix]
    marks: list[Mark]
    salts: dict[str, bytes]
    lookup: Lookup
    transformations: list[dict[str, str]]
    applied: list[dict[str, Any]]
    compact: dict[str, Any] | None
    diagnostics: dict[str, Any] | None = None

    @property
    def usage(self) -> Usage:
        """The input side of the first iteration."""
        return usage_of(self.lookup, self.rendered.total)

    @property
    def modifiers(self) -> Modifiers:
        """What changes its price."""
        return Modifiers(self.batch, self.passed.fast, self.passed.geo == "us")

    @property
    def envelope(self) -> Envelope:
        """What usage shows beside the tokens."""
        return Envelope("batch" if self.batch else "standard", self.passed.geo, self.passed.shown_speed)


@dataclass(slots=True)
class Reply:
    """A finished answer: the message, and how its tokens came about. `shown_steps` None: no `iterations` in usage."""

    call: Call
    message: dict[str, Any]
    pieces: list[Piece]
    usage: Usage
    steps: list[Step]
    shown_steps: list[Step] | None
    start: Usage
    outcome: str = "complete"
    extra: dict[str, Any] = field(default_factory=dict)


def usage_of(lookup: Lookup, total: int) -> Usage:
    """read = A, 1h write = B − A, 5m write = C − B, plain input = total − C (build-with-claude/prompt-caching, 2026-10)."""
    return Usage(total - lookup.covered, lookup.write_5m, lookup.write_1h, lookup.read)


class MessageService:
    """Answers Messages calls. Holds the caches; knows nothing of HTTP."""

    def __init__(self, config: SimulatorConfig, models: ModelTable, ids: Ids) -> None:
        self.config = config
        self.models = models
        self.ids = ids
        self.counter = TokenCounter(config.tokenizer)
        self.cache = CacheOracle(config.rules)
        self.sealer = Sealer(config.seed)
        self.diagnostics = Diagnostics()

    def prepare(
        self,
        raw: object,
        caller: Caller,
        *,
        version: str,
        betas: frozenset[str] = frozenset(),
        now: float,
        batch: bool = False,
        counting: bool = False,
    ) -> Call:
        """Accepts a request at `now`, or raises the ApiError it deserves. With `counting` the cache is left alone."""
        body = check_body(raw, version, counting=counting)
        model = self.models.resolve(body["model"], now, lifecycle=self.config.lifecycle)
        check_marks(body)
        passed = check_gates(body, model, betas, now, default_geo=self.config.default_inference_geo, batch=batch)
        checked = check_thinking(
            body,
            model,
            self.sealer,
            caller.organization,
            enforce=self.config.enforce_prefix_binding,
            accept_foreign=self.config.accept_foreign_signatures,
            batch=batch,
        )
        placed = after_compaction(checked.placed)
        if model.keep == "last_turn":
            placed = strip_old_thinking(placed)
        edited = apply_edits(body, placed, lambda blocks: render(body, blocks, model, self.counter, checked.tokens).total)
        rendered = render(body, edited.placed, model, self.counter, checked.tokens)
        if rendered.total > model.context:
            raise invalid(f"prompt is too long: {rendered.total} tokens > {model.context} maximum")
        rules = self.config.rules
        speed = "fast" if passed.fast else "standard"
        level_salts = salts(body, edited.placed, model, speed, speed_shares_tools=rules.speed_shares_tools)
        scope = (caller.organization, caller.workspace, model.id)
        chain = prefixes(scope, rendered.positions, level_salts, collapse_runs=rules.collapse_runs)
        marks = find_marks(body, rendered.positions, grant_1h=rules.grant_1h)
        lookup = Lookup(now) if counting else self.cache.look(chain, marks, self.minimum(model), now)
        call = Call(
            body,
            model,
            caller,
            passed,
            now,
            batch,
            flatten(body),
            edited.placed,
            rendered,
            chain,
            marks,
            level_salts,
            lookup,
            checked.transformations,
            edited.applied,
            edited.compact,
        )
        self._compare(call)
        return call

    def minimum(self, model: Model) -> int:
        """Tokens below which nothing is cached."""
        override = self.config.rules.min_tokens
        return model.min_cache if override is None else override

    def answer(self, call: Call, now: float, usable_from: float | None = None) -> Reply:
        """The reply, whose first byte leaves at `now`. Cache entries become readable then, or at `usable_from`."""
        self._commit(call.lookup, now, usable_from)
        message_id = self.ids.make("msg")
        if call.body.get("diagnostics") is not None:
            self.diagnostics.remember(
                call.caller.organization,
                call.caller.workspace,
                message_id,
                fingerprint(call.model.id, call.rendered, call.salts),
            )
        if call.body.get("max_tokens") == 0:
            step = Step("message", call.model.id, call.usage)
            empty = Answer(stop_reason="max_tokens")
            return self._reply(call, message_id, empty, [step], outcome="prewarm", show=True)
        if (call.body.get("compaction") or {}).get("type") == "summarize":
            return self._summarize(call, message_id)
        room = call.model.context - call.rendered.total
        answer = answers.compose(
            call.body, call.placed, call.model, self.counter, self.config.seed, room, self.config.accuracy_shift
        )
        if answer.stop_reason == "refusal":
            return self._refused(call, message_id, answer, now)
        if call.compact is not None:
            return self._compacted(call, message_id, answer, call.compact, now)
        if answer.search is not None:
            return self._searched(call, message_id, answer, now, usable_from)
        self._finish_blocks(call, answer)
        usage = call.usage.with_output(answer.output_tokens, answer.thinking_tokens)
        return self._reply(call, message_id, answer, [Step("message", call.model.id, usage)])

    def _commit(self, lookup: Lookup, now: float, usable_from: float | None) -> None:
        if usable_from is None:
            delay = self.config.rules.readable_after_s
            usable_from = now if delay is None else max(now, lookup.started_at + delay)
        self.cache.commit(lookup, usable_from)

    def _compare(self, call: Call) -> None:
        asked = call.body.get("diagnostics")
        if asked is not None:
            now = fingerprint(call.model.id, call.rendered, call.salts)
            call.diagnostics = self.diagnostics.compare(
                call.caller.organization, call.caller.workspace, asked, now, call.rendered
            )

    def _finish_blocks(self, call: Call, answer: Answer) -> None:
        """Gives tool calls their ids and seals the thinking."""
        for piece in answer.pieces:
            if piece.block["type"] == "tool_use":
                block = piece.block
                piece.block = {
                    "type": "tool_use",
                    "id": self.ids.make("toolu"),
                    "name": block["name"],
                    "input": block["input"],
                }
            elif piece.block["type"] == "thinking":
                piece.block["signature"] = self.sealer.seal(
                    piece.block["thinking"],
                    piece.tokens,
                    call.model,
                    call.caller.organization,
                    prefix_before(call.body, call.sent, len(call.sent)),
                    last_seal(self.sealer, call.sent),
                )

    def _searched(self, call: Call, message_id: str, answer: Answer, now: float, usable_from: float | None) -> Reply:
        """Two iterations around a web search; the second reads what the first wrote."""
        blocks = search_blocks(answer.search or "", self.ids.make("srvtoolu"), self.config.seed, answer.search_tool)
        first = [piece for piece in answer.pieces if piece.block["type"] == "thinking"]
        rest = answer.pieces[len(first) :]
        self._finish_blocks(call, answer)
        found = [Piece(block, self.counter.block(call.model, block, identity(block))) for block in blocks]
        extra = [_appended(piece, number, call) for number, piece in enumerate([*first, *found])]
        marks = list(call.marks)
        if any_cache_control(call.body):
            marks.append(Mark(len(call.rendered.positions) + len(extra) - 1, 300))
        positions = (*call.rendered.positions, *extra)
        scope = (call.caller.organization, call.caller.workspace, call.model.id)
        chain = prefixes(scope, positions, call.salts, collapse_runs=self.config.rules.collapse_runs)
        lookup = self.cache.look(chain, marks, self.minimum(call.model), now)
        self._commit(lookup, now, usable_from)
        one = call.usage.with_output(sum(piece.tokens for piece in first) + found[0].tokens, answer.thinking_tokens)
        total = call.rendered.total + sum(position.tokens for position in extra)
        two = replace(usage_of(lookup, total), output=sum(piece.tokens for piece in rest), web_searches=1)
        answer.pieces = [*first, found[0], Piece(found[1].block, 0), *rest]
        steps = [Step("message", call.model.id, one), Step("message", call.model.id, two)]
        return self._reply(call, message_id, answer, steps, show=True)

    def _compacted(self, call: Call, message_id: str, answer: Answer, edit: dict[str, Any], now: float) -> Reply:
        """build-with-claude/compaction, 2026-08: a compaction iteration outside the top-level usage, then the answer."""
        summary, step = self._summary(call)
        if edit.get("pause_after_compaction"):
            paused = Answer([summary], stop_reason="compaction")
            return self._reply(call, message_id, paused, [step], show=True)
        last = max(item.message for item in call.placed)
        kept = [Placed(-1, 0, "assistant", summary.block), *(item for item in call.placed if item.message == last)]
        rendered = render(call.body, kept, call.model, self.counter, {})
        scope = (call.caller.organization, call.caller.workspace, call.model.id)
        chain = prefixes(scope, rendered.positions, call.salts, collapse_runs=self.config.rules.collapse_runs)
        marks = find_marks(call.body, rendered.positions, grant_1h=self.config.rules.grant_1h)
        lookup = self.cache.look(chain, marks, self.minimum(call.model), now)
        self._commit(lookup, now, None)
        self._finish_blocks(call, answer)
        usage = usage_of(lookup, rendered.total).with_output(answer.output_tokens, answer.thinking_tokens)
        answer.pieces.insert(0, Piece(summary.block, 0))
        steps = [step, Step("message", call.model.id, usage)]
        return self._reply(call, message_id, answer, steps, show=True)

    def _summarize(self, call: Call, message_id: str) -> Reply:
        """On-demand compaction: top-level usage 0/0, the cost stands only in iterations (compaction page, 2026-09)."""
        summary, step = self._summary(call)
        return self._reply(call, message_id, Answer([summary], stop_reason="compaction"), [step], show=True)

    def _summary(self, call: Call) -> tuple[Piece, Step]:
        size = max(50, min(3500, call.rendered.total // SUMMARY_SHARE))
        text = "Simulated summary of the conversation so far. " + answers.filler(self.counter, call.model, size)
        tokens = self.counter.text(call.model.tokenizer, text)
        block = {"type": "compaction", "content": text}
        return Piece(block, 0), Step("compaction", call.model.id, call.usage.with_output(tokens))

    def _refused(self, call: Call, message_id: str, answer: Answer, now: float) -> Reply:
        category = (answer.stop_details or {}).get("category")
        billed = now < REFUSALS_FREE_SINCE or (now >= REFUSALS_BILLED_SINCE and category in BILLED_REFUSALS)
        step = Step("message", call.model.id, call.usage, billed=billed)
        fallbacks = call.body.get("fallbacks")
        if fallbacks and not call.batch:
            return self._fall_back(call, message_id, step, fallbacks, now)
        return self._reply(call, message_id, answer, [step], outcome="refused" if billed else "refused_unbilled")

    def _fall_back(self, call: Call, message_id: str, refused: Step, fallbacks: object, now: float) -> Reply:
        """build-with-claude/refusals-and-fallback, 2026-10: the next model answers; each attempt is an iteration of its own."""
        options = list(DEFAULT_FALLBACKS) if fallbacks == "default" else fallbacks
        if not isinstance(options, list) or not options or not isinstance(options[0], dict):
            raise invalid('fallbacks: Input should be "default" or a list of up to 3 models')
        changed = {**call.body, **options[0]}
        changed.pop("fallbacks", None)
        second = self.prepare(changed, call.caller, version="2023-06-01", now=now)
        self._commit(second.lookup, now, None)
        plain = [item for item in second.placed if "[[sim: refuse" not in str(item.content.get("text", ""))]
        room = second.model.context - second.rendered.total
        answer = answers.compose(
            second.body, plain, second.model, self.counter, self.config.seed, room, self.config.accuracy_shift
        )
        self._finish_blocks(second, answer)
        usage = second.usage.with_output(answer.output_tokens, answer.thinking_tokens)
        hop = {"type": "fallback", "from": {"model": call.model.id}, "to": {"model": second.model.id}}
        answer.pieces.insert(0, Piece(hop, 0))
        steps = [refused, Step("fallback_message", second.model.id, usage)]
        reply = self._reply(second, message_id, answer, steps, show=True)
        reply.usage = usage  # the top level tells the serving attempt only
        reply.message["usage"] = final_usage(usage, second.envelope, steps)
        return reply

    def _reply(
        self,
        call: Call,
        message_id: str,
        answer: Answer,
        steps: list[Step],
        *,
        outcome: str = "complete",
        show: bool = False,
    ) -> Reply:
        """Assembles the message. `show` puts the iterations into usage; compaction steps never enter the top level."""
        usage = Usage()
        for step in steps:
            if step.kind != "compaction":
                usage = usage.plus(step.usage)
        shown = steps if show else None
        extra: dict[str, Any] = {}
        if call.body.get("context_management") is not None:
            extra["context_management"] = {"applied_edits": call.applied}
        if call.transformations:
            extra["input_transformations"] = call.transformations
        message: dict[str, Any] = {
            "id": message_id,
            "type": "message",
            "role": "assistant",
            "model": call.model.id,
            "content": [piece.block for piece in answer.pieces],
            "stop_reason": answer.stop_reason,
            "stop_sequence": answer.stop_sequence,
            "stop_details": answer.stop_details,
            "usage": final_usage(usage, call.envelope, shown),
            "diagnostics": call.diagnostics,
            **extra,
        }
        start = next((step.usage for step in steps if step.kind != "compaction"), Usage())
        return Reply(call, message, answer.pieces, usage, steps, shown, start.with_output(0), outcome, extra)


def _appended(piece: Piece, number: int, call: Call) -> Position:
    """A block of the unfinished answer as part of the next iteration's prompt."""
    block = piece.block
    return Position(
        f"answer.{number}",
        "messages",
        "assistant",
        str(block["type"]),
        identity(block),
        piece.tokens + (TURN if number == 0 and call.placed and call.placed[-1].role != "assistant" else 0),
        None,
        cacheable=True,
    )

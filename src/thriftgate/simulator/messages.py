"""One Messages call: from the body to the reply, with what it read, wrote and cost.

`prepare` does everything that happens when the request starts (validation, gates, prompt, cache lookup); `answer`
everything that happens once the first byte is ready (cache entries become readable, the answer, further iterations,
usage). Nothing is booked here: `app` and `batches` book what was really delivered.
"""

from __future__ import annotations

from typing import Any

from thriftgate.simulator import answers, iterations
from thriftgate.simulator.accuracy import Accuracy
from thriftgate.simulator.answers import Answer
from thriftgate.simulator.cache import CacheOracle, Lookup, prefixes
from thriftgate.simulator.call import Call, Reply
from thriftgate.simulator.config import SimulatorConfig
from thriftgate.simulator.context import after_compaction, apply_edits
from thriftgate.simulator.diagnostics import Diagnostics, fingerprint
from thriftgate.simulator.errors import BINDING_CONTROLS, invalid
from thriftgate.simulator.gates import check_gates
from thriftgate.simulator.identity import Caller, Ids
from thriftgate.simulator.marks import check_marks, find_marks
from thriftgate.simulator.models import Model, ModelTable
from thriftgate.simulator.render import Placed, render, salts
from thriftgate.simulator.thinking import Sealer, check_thinking, last_seal, prefix_of, strip_old_thinking
from thriftgate.simulator.tokens import TokenCounter
from thriftgate.simulator.usage import Step, Usage, final_usage, total_usage
from thriftgate.simulator.validate import check_body


class MessageService:
    """Answers Messages calls. Holds the caches; knows nothing of HTTP."""

    def __init__(self, config: SimulatorConfig, models: ModelTable, ids: Ids, accuracy: Accuracy) -> None:
        self.config = config
        self.models = models
        self.ids = ids
        self.counter = TokenCounter(config.tokenizer)
        self.author = answers.Author(self.counter, config.seed, accuracy)
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
        marks = find_marks(body, rendered.positions, grant_1h=rules.grant_1h)
        chain = prefixes(scope, rendered.positions, level_salts, collapse_runs=rules.collapse_runs) if marks else []
        lookup = Lookup(now) if counting else self.cache.look(chain, marks, self.minimum(model), now)
        call = Call(
            body,
            model,
            caller,
            passed,
            now,
            batch,
            after_compaction(checked.placed),
            edited.placed,
            rendered,
            chain,
            marks,
            level_salts,
            lookup,
            checked.transformations,
            edited.applied,
            edited.compact,
            betas,
        )
        self._compare(call)
        return call

    def minimum(self, model: Model) -> int:
        """Tokens below which nothing is cached."""
        override = self.config.rules.min_tokens
        return model.min_cache if override is None else override

    def answer(self, call: Call, now: float, usable_from: float | None = None) -> Reply:
        """The reply, whose first byte leaves at `now`. Cache entries become readable then, or at `usable_from`."""
        call.message_id, call.answered_at, call.usable_from = self.ids.make("msg"), now, usable_from
        self.commit(call, call.lookup)
        if call.body.get("diagnostics") is not None:
            self.diagnostics.remember(
                call.caller.organization,
                call.caller.workspace,
                call.message_id,
                fingerprint(call.model.id, call.rendered, call.salts),
            )
        if call.body.get("max_tokens") == 0:
            step = Step("message", call.model.id, call.usage)
            empty = Answer(stop_reason="max_tokens")
            return self.reply(call, empty, [step], outcome="prewarm", show=True)
        if (call.body.get("compaction") or {}).get("type") == "summarize":
            return iterations.summarized(self, call)
        room = call.model.context - call.rendered.total
        answer = answers.compose(call.body, call.placed, call.model, self.author, room=room)
        if answer.stop_reason == "refusal":
            return iterations.refused(self, call, answer)
        if call.compact is not None:
            return iterations.compacted(self, call, answer, call.compact)
        if answer.search is not None:
            return iterations.searched(self, call, answer)
        self.finish_blocks(call, answer)
        usage = call.usage.with_output(answer.output_tokens, answer.thinking_tokens)
        return self.reply(call, answer, [Step("message", call.model.id, usage)])

    def commit(self, call: Call, lookup: Lookup) -> None:
        """Makes what a step of `call` wrote readable from its first byte on, or from when the rules or the call say."""
        usable_from, delay = call.usable_from, self.config.rules.readable_after_s
        if usable_from is None:
            usable_from = call.answered_at if delay is None else max(call.answered_at, lookup.started_at + delay)
        self.cache.commit(lookup, usable_from)

    def _compare(self, call: Call) -> None:
        asked = call.body.get("diagnostics")
        if asked is not None:
            now = fingerprint(call.model.id, call.rendered, call.salts)
            call.diagnostics = self.diagnostics.compare(
                call.caller.organization, call.caller.workspace, asked, now, call.rendered
            )

    def finish_blocks(self, call: Call, answer: Answer, sent: list[Placed] | None = None) -> None:
        """Gives tool calls their ids and seals the thinking. `sent` = the prompt's blocks, if not those of the call."""
        sent = call.sent if sent is None else sent
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
                    model=call.model,
                    organization=call.caller.organization,
                    prefix=prefix_of(call.body, sent),
                    previous=last_seal(self.sealer, sent),
                )

    def reply(
        self,
        call: Call,
        answer: Answer,
        steps: list[Step],
        *,
        outcome: str = "complete",
        show: bool = False,
    ) -> Reply:
        """Assembles the message. `show` puts the iterations into usage; compaction steps never enter the top level."""
        usage = total_usage(steps)
        shown = steps if show else None
        extra: dict[str, Any] = {}
        if call.body.get("context_management") is not None:
            extra["context_management"] = {"applied_edits": call.applied}
        if BINDING_CONTROLS in call.betas and set(call.model.thinking) - {"disabled"}:
            # Without the header a drop is silent, with it the list is there even if empty (preserved-thinking, 2026-09).
            extra["input_transformations"] = call.transformations
        message: dict[str, Any] = {
            "id": call.message_id,
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

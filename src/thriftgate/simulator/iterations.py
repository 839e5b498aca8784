"""Replies that take more than one sampling step, or none that is billed as usual: web search, compaction, refusal, fallback.

Each step is an entry of `usage.iterations` at its own model's price.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from thriftgate.simulator import answers
from thriftgate.simulator.answers import Answer, Piece
from thriftgate.simulator.cache import Mark, prefixes
from thriftgate.simulator.call import Call, Reply, usage_of
from thriftgate.simulator.errors import invalid
from thriftgate.simulator.marks import find_marks
from thriftgate.simulator.render import Placed, Position, identity, render
from thriftgate.simulator.server_tools import any_cache_control, search_blocks
from thriftgate.simulator.tokens import TURN
from thriftgate.simulator.usage import Step, final_usage

if TYPE_CHECKING:
    from thriftgate.simulator.messages import MessageService

REFUSALS_FREE_SINCE = 1_780_358_400.0
"""2026-06-02: a refusal before any output is not billed (build-with-claude/refusals-and-fallback, 2026-10)"""
REFUSALS_BILLED_SINCE = 1_790_208_000.0
"""2026-09-24: billed again for three categories (same page)"""
BILLED_REFUSALS = frozenset({"bio", "frontier_llm", "reasoning_extraction"})
SUMMARY_SHARE = 50
"""assumed: a compaction summary has one token per 50 of the context, at least 50 and at most 3,500"""
DEFAULT_FALLBACKS = ({"model": "claude-opus-5"}, {"model": "claude-opus-4-8"})
"""assumed: what `fallbacks: "default"` tries"""


def searched(service: MessageService, call: Call, answer: Answer) -> Reply:
    """Two iterations around a web search; the second reads what the first wrote."""
    blocks = search_blocks(answer.search or "", service.ids.make("srvtoolu"), service.config.seed, answer.search_tool)
    first = [piece for piece in answer.pieces if piece.block["type"] == "thinking"]
    rest = answer.pieces[len(first) :]
    service.finish_blocks(call, answer)
    found = [Piece(block, service.counter.block(call.model, block, identity(block))) for block in blocks]
    extra = [_appended(piece, number, call) for number, piece in enumerate([*first, *found])]
    marks = list(call.marks)
    if any_cache_control(call.body):
        marks.append(Mark(len(call.rendered.positions) + len(extra) - 1, 300))
    positions = (*call.rendered.positions, *extra)
    scope = (call.caller.organization, call.caller.workspace, call.model.id)
    chain = prefixes(scope, positions, call.salts, collapse_runs=service.config.rules.collapse_runs)
    lookup = service.cache.look(chain, marks, service.minimum(call.model), call.answered_at)
    service.commit(call, lookup)
    one = call.usage.with_output(sum(piece.tokens for piece in first) + found[0].tokens, answer.thinking_tokens)
    total = call.rendered.total + sum(position.tokens for position in extra)
    two = replace(usage_of(lookup, total), output=sum(piece.tokens for piece in rest), web_searches=1)
    answer.pieces = [*first, found[0], Piece(found[1].block, 0), *rest]
    steps = [Step("message", call.model.id, one), Step("message", call.model.id, two)]
    return service.reply(call, answer, steps, show=True)


def compacted(service: MessageService, call: Call, answer: Answer, edit: dict[str, Any]) -> Reply:
    """build-with-claude/compaction, 2026-08: a compaction iteration outside the top-level usage, then the answer."""
    summary, step = _summary(service, call)
    if edit.get("pause_after_compaction"):
        paused = Answer([summary], stop_reason="compaction")
        return service.reply(call, paused, [step], show=True)
    last = max(item.message for item in call.placed)
    kept = [
        Placed(-1, 0, "assistant", summary.block, identity(summary.block)),
        *(item for item in call.placed if item.message == last),
    ]
    rendered = render(call.body, kept, call.model, service.counter, {})
    scope = (call.caller.organization, call.caller.workspace, call.model.id)
    chain = prefixes(scope, rendered.positions, call.salts, collapse_runs=service.config.rules.collapse_runs)
    marks = find_marks(call.body, rendered.positions, grant_1h=service.config.rules.grant_1h)
    lookup = service.cache.look(chain, marks, service.minimum(call.model), call.answered_at)
    service.commit(call, lookup)
    service.finish_blocks(call, answer, kept[:1])
    usage = usage_of(lookup, rendered.total).with_output(answer.output_tokens, answer.thinking_tokens)
    answer.pieces.insert(0, Piece(summary.block, 0))
    steps = [step, Step("message", call.model.id, usage)]
    return service.reply(call, answer, steps, show=True)


def summarized(service: MessageService, call: Call) -> Reply:
    """On-demand compaction: top-level usage 0/0, the cost stands only in iterations (compaction page, 2026-09)."""
    summary, step = _summary(service, call)
    return service.reply(call, Answer([summary], stop_reason="compaction"), [step], show=True)


def _summary(service: MessageService, call: Call) -> tuple[Piece, Step]:
    size = max(50, min(3500, call.rendered.total // SUMMARY_SHARE))
    text = "Simulated summary of the conversation so far. " + answers.filler(service.counter, call.model, size)
    tokens = service.counter.text(call.model.tokenizer, text)
    block = {"type": "compaction", "content": text}
    return Piece(block, 0), Step("compaction", call.model.id, call.usage.with_output(tokens))


def refused(service: MessageService, call: Call, answer: Answer) -> Reply:
    category = (answer.stop_details or {}).get("category")
    billed = call.answered_at < REFUSALS_FREE_SINCE or (
        call.answered_at >= REFUSALS_BILLED_SINCE and category in BILLED_REFUSALS
    )
    step = Step("message", call.model.id, call.usage, billed=billed)
    fallbacks = call.body.get("fallbacks")
    if fallbacks and not call.batch:
        return _fall_back(service, call, step, fallbacks)
    return service.reply(call, answer, [step], outcome="refused" if billed else "refused_unbilled")


def _fall_back(service: MessageService, call: Call, refused: Step, fallbacks: object) -> Reply:
    """build-with-claude/refusals-and-fallback, 2026-10: the next model answers; each attempt is an iteration of
    its own."""
    options = list(DEFAULT_FALLBACKS) if fallbacks == "default" else fallbacks
    if not isinstance(options, list) or not options or not isinstance(options[0], dict):
        raise invalid('fallbacks: Input should be "default" or a list of up to 3 models')
    changed = {**call.body, **options[0]}
    changed.pop("fallbacks", None)
    second = service.prepare(changed, call.caller, version="2023-06-01", betas=call.betas, now=call.answered_at)
    second.message_id, second.answered_at = call.message_id, call.answered_at
    service.commit(call, second.lookup)
    plain = [item for item in second.placed if "[[sim: refuse" not in str(item.content.get("text", ""))]
    room = second.model.context - second.rendered.total
    answer = answers.compose(second.body, plain, second.model, service.author, room=room)
    service.finish_blocks(second, answer)
    usage = second.usage.with_output(answer.output_tokens, answer.thinking_tokens)
    hop = {"type": "fallback", "from": {"model": call.model.id}, "to": {"model": second.model.id}}
    answer.pieces.insert(0, Piece(hop, 0))
    steps = [refused, Step("fallback_message", second.model.id, usage)]
    reply = service.reply(second, answer, steps, show=True)
    reply.usage = usage  # the top level tells the serving attempt only
    reply.message["usage"] = final_usage(usage, second.envelope, steps)
    return reply


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

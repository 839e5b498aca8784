"""A summary of a conversation by its own model: the request for it, which reads what the provider holds of the conversation,
and what came of it."""

from __future__ import annotations

from msgspec import Struct

from thriftgate.core.blocks import lenient
from thriftgate.core.levers.cache_breakpoints import mark_edit
from thriftgate.core.reduction.summary import THINKS_TOKENS, in_conversation
from thriftgate.core.request import Request, Ttl
from thriftgate.core.splice import Edit, apply
from thriftgate.core.state import State
from thriftgate.engine.touch import Touched
from thriftgate.wire.assemble import read_answer

_FORMS = (b'"any"', b'"tool"', b'"format"')
_UNWANTED = ("stream", "stop_sequences", "cache_control")


class _Role(Struct):
    role: str = ""


class _Thinking(Struct):
    budget_tokens: int | None = None


def can_be_asked(request: Request, state: State) -> bool:
    """Whether the conversation's own model can answer with a summary: not where it must call a tool or keep to a form, or
    where its answer has been begun."""
    last = lenient(_message(state, -1), _Role)
    told = b"".join(request.raw(name) for name in ("tool_choice", "output_config") if name in request.members)
    formed = "output_format" in request.members or any(sign in told for sign in _FORMS)
    return last is not None and last.role == "user" and not formed


def own_body(request: Request, state: State, tokens: int) -> bytes:
    """The conversation with the request for a summary behind it. What the provider holds of it is read, and tools and system
    are kept for what comes then; nothing else is written, unless the client's own breakpoints say so."""
    last = len(state.prefix.turns) - 1
    edits = [
        Edit(("messages", last), in_conversation(_unmarked(state, last), tokens)),
        Edit(("max_tokens",), b"%d" % (2 * tokens + THINKS_TOKENS + _thinking_budget(request))),
    ]
    edits += [Edit((name,), None) for name in _UNWANTED if name in request.members]
    if not state.prefix.marks_count:
        marks = _marks_for_reading(state, last)
        edits += [mark_edit(request, state.prefix, state.prefix.blocks[at], ttl) for at, ttl in marks.items()]
    return apply(request.body, edits)


def _marks_for_reading(state: State, last: int) -> dict[int, Ttl]:
    """The end of tools and system, and the deepest prefix that the provider holds before message `last`."""
    blocks, found = state.prefix.blocks, dict[int, Ttl]()
    head = state.prefix.head_end()
    for at in range(len(blocks) - 1, -1, -1):
        entry = state.residency.get(state.prefix.chain[at])
        live = entry if entry is not None and entry.expires_s > state.now_s else None
        inside = blocks[at].section == "messages" and blocks[at].index == last
        if at == head:
            found[at] = next(iter(found.values()), live.ttl if live is not None else "5m")
        elif live is not None and not found and blocks[at].part.markable and not inside:
            found[at] = live.ttl
    return found


def _unmarked(state: State, index: int) -> bytes:
    """A message without the client's breakpoints: the request for a summary takes its place, and is not sent again."""
    blocks = state.prefix.blocks
    marked = [one for one in blocks if one.section == "messages" and one.index == index and one.part.mark is not None]
    edits = [Edit((*one.path()[2:], "cache_control"), None) for one in marked if not one.part.mark_inside]
    return apply(_message(state, index), edits)


def _message(state: State, index: int) -> bytes:
    turn = state.prefix.turns[index]
    return turn.text[turn.lead :]


def _thinking_budget(request: Request) -> int:
    """Tokens of thinking that the call allows by name: they stand within `max_tokens`."""
    thinking = lenient(request.raw("thinking"), _Thinking) if "thinking" in request.members else None
    return thinking.budget_tokens or 0 if thinking is not None else 0


def read_summary(touched: Touched) -> str:
    """The summary in an answer; "" where there is none."""
    answer = read_answer(touched.body) if touched.entry.outcome == "answered" else None
    if answer is None or answer.stop_reason not in ("end_turn", "stop_sequence"):
        return ""
    return "".join(str(block.get("text") or "") for block in answer.content if block.get("type") == "text").strip()

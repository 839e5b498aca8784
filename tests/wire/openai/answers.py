"""Messages answers made up by hypothesis, each whole and as a stream, with blocks of every kind in any order."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from hypothesis import strategies as st

from tests.wire.streams import event

USAGE = {
    "input_tokens": 11,
    "cache_creation_input_tokens": 7,
    "cache_read_input_tokens": 5,
    "cache_creation": {"ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 3,
    "output_tokens_details": {"thinking_tokens": 2},
    "service_tier": "standard",
}
TEXTS = st.text(max_size=12).filter(lambda text: "\r" not in text)
STOPS = ("end_turn", "tool_use", "max_tokens", "stop_sequence", "refusal", "of_tomorrow")


class Answer(NamedTuple):
    """The same answer in both forms."""

    whole: bytes
    stream: bytes


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """Thinking, texts, calls, and blocks that are not known, in any order; deltas of any length."""
    stop: dict[str, Any] = {"stop_reason": draw(st.sampled_from(STOPS)), "stop_sequence": None}
    if stop["stop_reason"] == "refusal":
        stop["stop_details"] = {"type": "refusal", "category": "bio", "explanation": draw(st.none() | st.just("No."))}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-5-5"}
    content: list[Any] = []
    events = [event("message_start", message={**head, "content": [], "usage": USAGE | {"output_tokens": 1}}), event("ping")]
    for index in range(draw(st.integers(0, 5))):
        block, begun, deltas = draw(_BLOCK)
        content.append(block)
        events.append(event("content_block_start", index=index, content_block=begun))
        events += [event("content_block_delta", index=index, delta=delta) for delta in deltas]
        events.append(event("content_block_stop", index=index))
    events += [event("message_delta", delta=stop, usage={"output_tokens": 3}), event("message_stop")]
    return Answer(msgspec.json.encode({**head, "content": content, **stop, "usage": USAGE}), b"".join(events))


@st.composite
def _block(draw: st.DrawFn) -> tuple[Any, Any, list[dict[str, Any]]]:
    """A block, how it starts, and its deltas."""
    kind = draw(st.sampled_from(["text", "text", "thinking", "tool_use", "tool_use", "redacted_thinking", "of_tomorrow"]))
    pieces = draw(st.lists(TEXTS, max_size=4))
    text = "".join(pieces)
    if kind == "text":
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
        return {"type": kind, "text": text}, {"type": kind, "text": ""}, deltas
    if kind == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
        deltas.append({"type": "signature_delta", "signature": "c2ln"})
        return (
            {"type": kind, "thinking": text, "signature": "c2ln"},
            {"type": kind, "thinking": "", "signature": ""},
            deltas,
        )
    if kind == "tool_use":
        given = draw(st.dictionaries(TEXTS, st.integers() | TEXTS, max_size=2))
        raw = msgspec.json.encode(given)
        cut = draw(st.integers(0, len(raw.decode())))
        parts = ["", raw.decode()[:cut], raw.decode()[cut:]] if given else draw(st.sampled_from([[], [""], ["{}"]]))
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in parts]
        head = {"type": kind, "id": f"toolu_{draw(st.integers(0, 99))}", "name": "f"}
        return {**head, "input": msgspec.Raw(raw)}, {**head, "input": {}}, deltas
    block = {"type": kind, "data": f"sealed{text}"} if kind == "redacted_thinking" else {"type": kind, "x": [1, {"y": text}]}
    return block, block, []


_BLOCK = _block()

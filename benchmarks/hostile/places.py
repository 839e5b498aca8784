"""Where a client's text or a provider's answer is read: each place takes a text, and readies the work that is timed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from thriftgate.core.agents.said import Reader
from thriftgate.core.memo import PartMemo
from thriftgate.core.models import Capabilities
from thriftgate.core.output.rules import refined
from thriftgate.core.output.until import parse_until
from thriftgate.core.reduction.pieces import Piece
from thriftgate.core.reduction.recipe import Recipe
from thriftgate.core.reduction.rewrites import REWRITES
from thriftgate.core.reduction.sections import split_sections
from thriftgate.core.request import parse_request
from thriftgate.core.routing.features import Surroundings, features_of
from thriftgate.core.routing.kinds import kind_of
from thriftgate.core.routing.signals import agrees, signals_of, verifier_score
from thriftgate.core.routing.task import asked_text, conversation_of, fingerprint
from thriftgate.core.stability.breaks import Head, find_break, similar
from thriftgate.core.stability.rewrite import StabilisePolicy, stabilise
from thriftgate.core.tokens import estimate_text
from thriftgate.engine.validating import text_in
from thriftgate.pricing.load import load_models
from thriftgate.wire.assemble import Assembler, read_answer
from thriftgate.wire.early_end import EarlyEnd
from thriftgate.wire.meter import StreamMeter, read_message
from thriftgate.wire.prefilled import Beginning, with_beginning
from thriftgate.wire.sse import SseDecoder
from thriftgate.wire.whole_message import message_of
from thriftgate.wire.whole_stream import stream_of

Work = Callable[[], object]
Place = Callable[[str], Work]

MODEL: Capabilities = load_models()["claude-opus-4-8"]
RECIPE = Recipe(json_drop_nulls=True, text_fillers=True, select_tokens=500, tool_result_tokens=500, image_edge=500)
QUESTION = Piece("user", "what is abc?")
UNTIL = ("first_line", "json", "items:9000", r"regex:END\n")
CHUNK = 4096
STABLE = StabilisePolicy(split_volatile=True, order_tools=True, order_documents=True, stable_json=True, single_turn=True)


def count(text: str) -> int:
    return estimate_text(text.encode("utf-8", "surrogatepass"), MODEL.tokenizer).tokens


# --- prompts --------------------------------------------------------------------------------------------------------------


def rewriting(lever: str, *pieces: Callable[[str], Piece]) -> Place:
    def place(text: str) -> Work:
        given = tuple(piece(text) for piece in pieces)
        return lambda: REWRITES[lever](given, RECIPE, MODEL)

    return place


KINDS: dict[str, tuple[Callable[[str], Piece], ...]] = {
    "user": (lambda text: Piece("user", text),),
    "system": (lambda text: Piece("system", text),),
    "document": (lambda text: Piece("document", text), lambda _: QUESTION),
    "tool": (lambda text: Piece("tool_result", text, "search"),),
    "shell": (lambda text: Piece("tool_result", text, "bash"),),
}


def body_of(**members: Any) -> bytes:
    return msgspec.json.encode({"model": MODEL.id, "max_tokens": 300, "messages": [user("hello")], **members})


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def read(**members: Any) -> Work:
    """A request, read the way every request is."""
    body = body_of(**members)
    return lambda: _read(body)


def _read(body: bytes) -> None:
    request = parse_request(body)
    member = request.members["messages"]
    turns = tuple(PartMemo().conversation(body, member.start, member.end, MODEL.tokenizer).turns)
    reader = Reader()
    reader.made(turns, len(turns) - 1)
    instructions, asked = fingerprint(request), asked_text(turns)
    conversation_of(request, "key")
    kind_of(instructions, asked, Surroundings())
    features_of(asked, Surroundings())
    stabilise(request, MODEL, STABLE)


def _said(role: str, text: str) -> Work:
    body = body_of(messages=[{"role": role, "content": text}])
    turns = PartMemo().conversation(body, body.index(b"[{"), body.rindex(b"]") + 1, MODEL.tokenizer).turns

    def work() -> None:
        for turn in turns:
            turn.said = None
        Reader().made(tuple(turns), len(turns) - 1)

    return work


def _heads(text: str) -> Work:
    one, other = (msgspec.json.encode(text + end) for end in (" on 2026-11-21.", " on 2026-11-22."))
    before, after = Head(b"[]", one), Head(b"[]", b'"x ' + other[1:])
    return lambda: (find_break(before, Head(b"[]", other), MODEL.tokenizer), similar(before, after))


# --- answers --------------------------------------------------------------------------------------------------------------


def event(kind: str, **members: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **members}))


def begun() -> bytes:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL.id, "content": []}
    return event("message_start", message=message | {"usage": {"input_tokens": 1, "output_tokens": 1}}) + event(
        "content_block_start", index=0, content_block={"type": "text", "text": ""}
    )


def ended() -> bytes:
    usage = {"output_tokens": 9}
    return (
        event("content_block_stop", index=0)
        + event("message_delta", delta={"stop_reason": "end_turn"}, usage=usage)
        + event("message_stop")
    )


def delta(text: str) -> bytes:
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def answer(text: str) -> bytes:
    """A whole message."""
    content = [{"type": "text", "text": text}]
    usage = {"input_tokens": 1, "output_tokens": 1}
    return msgspec.json.encode(
        {"id": "msg_1", "type": "message", "content": content, "usage": usage, "stop_reason": "end_turn"}
    )


def chunks(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


READERS: dict[str, Callable[[], Callable[[bytes], object]]] = {
    "decoder": lambda: SseDecoder().feed,
    "decoder of some": lambda: SseDecoder((b"message_start", b"message_stop")).feed,
    "meter": lambda: StreamMeter().feed,
    "assembler": lambda: Assembler(64 * 1024 * 1024).feed,
    "beginning": lambda: Beginning("x").feed,
    "early end": lambda: EarlyEnd(parse_until("json"), MODEL.tokenizer).feed,
}


def streamed(reader: str, data: Callable[[str], bytes], size: int) -> Place:
    """An answer's bytes in chunks of `size`, 0 for all at once."""

    def place(text: str) -> Work:
        raw = data(text)
        pieces = chunks(raw, size) if size else [raw]

        def work() -> None:
            feed = READERS[reader]()
            try:
                for piece in pieces:
                    feed(piece)
            except ValueError:
                pass

        return work

    return place


def _matched(until: str, size: int) -> Place:
    def place(text: str) -> Work:
        pieces = [text[at : at + size] for at in range(0, len(text), size)]

        def work() -> None:
            matcher = parse_until(until).matcher()
            for piece in pieces:
                if matcher.feed(piece) is not None:
                    break

        return work

    return place


def _whole(text: str) -> Work:
    data = answer(text)
    return lambda: (read_message(data), read_answer(data), stream_of(data), with_beginning(data, "x"))


def _judged(text: str) -> Work:
    schema = {"type": "json_schema", "schema": {"type": "object"}}
    request = parse_request(body_of(output_config={"format": schema}))
    content = [{"type": "text", "text": text}]
    return lambda: (
        signals_of(content, "end_turn", 9, request),
        agrees(text, "x" + text),
        verifier_score(text),
        text_in(content, fences=True),
    )


def _together(*parts: bytes) -> Callable[[str], bytes]:
    return lambda text: b"".join([*parts, text.encode("utf-8", "surrogatepass")])


PLACES: dict[str, Place] = {
    **{f"{lever} of {kind}": rewriting(lever, *pieces) for lever in REWRITES for kind, pieces in KINDS.items()},
    "sections": lambda text: lambda: split_sections(text, count),
    "estimate": lambda text: lambda: count(text),
    "request, user": lambda text: read(messages=[user(text)]),
    "request, system": lambda text: read(system=text),
    "request, tool": lambda text: read(tools=[{"name": text, "description": text, "input_schema": {"description": text}}]),
    "request, member": lambda text: read(**{text: text}),
    "said by the user": partial(_said, "user"),
    "said by the assistant": partial(_said, "assistant"),
    "kinds": lambda text: lambda: (kind_of(text, text, Surroundings()), refined("generate", text, text)),
    "heads": _heads,
    "judged": _judged,
    "whole answer": _whole,
    "message of a stream": lambda text: partial(message_of, begun() + delta(text) + ended()),
    **{f"until {until} by {size}": _matched(until, size) for until, size in itertools.product(UNTIL, (1, CHUNK))},
    **{
        f"{reader}, a text in a delta by {size}": streamed(reader, lambda text: begun() + delta(text) + ended(), size)
        for reader in READERS
        for size in (0, CHUNK)
    },
    **{f"{reader}, bytes by {size}": streamed(reader, _together(), size) for reader in READERS for size in (0, 1, CHUNK)},
}

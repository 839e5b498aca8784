"""Odd shapes: many of a kind, or one within the other. Each takes about so many bytes and readies the work that is timed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from benchmarks.hostile.places import (
    MODEL,
    RECIPE,
    Work,
    begun,
    delta,
    ended,
    event,
    read,
    streamed,
    user,
)
from thriftgate.core.agents.loops import LoopLimits, find_loop
from thriftgate.core.agents.said import Reader
from thriftgate.core.memo import PartMemo
from thriftgate.core.reduction.pieces import Piece
from thriftgate.core.reduction.rewrites import REWRITES
from thriftgate.core.reduction.rewriting import Rewriter
from thriftgate.wire.prefilled import Beginning
from thriftgate.wire.whole_message import message_of

Shape = Callable[[int], Work]
DEPTH_MAX = 150  # as deep as it is written here; what is deeper is refused by the decoder


def text_block(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def document(text: str) -> dict[str, Any]:
    return {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text}}


def use(at: int, name: str = "look") -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{at}", "name": name, "input": {}}


def result(at: int, content: Any = "x") -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": f"toolu_{at}", "content": content}


def within(depth: int, kind: str, middle: Any) -> Any:
    """Blocks in blocks, or values in values."""
    for _ in range(depth):
        if kind == "list":
            middle = [middle]
        elif kind == "object":
            middle = {"a": middle}
        elif kind == "result":
            middle = [{"type": "tool_result", "tool_use_id": "toolu_1", "content": middle}]
        else:
            middle = [{"type": "document", "source": {"type": "content", "content": middle}}]
    return middle


def blocks(make: Callable[[int], dict[str, Any]], *, each: int) -> Shape:
    return lambda size: read(messages=[user([make(at) for at in range(size // each)])])


def pieces(lever: str, make: Callable[[int], Piece], *more: Piece, each: int) -> Shape:
    def shape(size: int) -> Work:
        given = (*[make(at) for at in range(size // each)], *more)
        return lambda: REWRITES[lever](given, RECIPE, MODEL)

    return shape


def rewritten(make: Callable[[int], dict[str, Any]], *, each: int) -> Shape:
    """A message of many blocks through all rewrites, and written again."""

    def shape(size: int) -> Work:
        raw = msgspec.json.encode(user([make(at) for at in range(size // each)]))
        recipe = msgspec.structs.replace(RECIPE, rewrites=tuple(REWRITES))
        return lambda: Rewriter(REWRITES).message(b"", raw, b"", recipe=recipe, capability=MODEL)

    return shape


def rounds(calls: Callable[[int], int], *, each: int = 80) -> Shape:
    """An agent's conversation: with so many calls in each round, the same ones with the same results, but for one."""

    def shape(size: int) -> Work:
        at_once = calls(size // each)
        messages: list[dict[str, Any]] = [user("go")]
        for one in range(max(1, size // each // at_once)):
            said = [use(one * at_once + at) | {"input": {"n": at or -one}} for at in range(at_once)]
            messages += [{"role": "assistant", "content": said}, user([result(one * at_once + at) for at in range(at_once)])]
        body = msgspec.json.encode(messages)
        turns = tuple(PartMemo().conversation(body, 0, len(body), MODEL.tokenizer).turns)
        return lambda: find_loop(turns, LoopLimits(), Reader())

    return shape


def of_stream(reader: str, data: Callable[[int], bytes], size: int = 0) -> Shape:
    return lambda length: streamed(reader, lambda _: data(length), size)("")


def _inputs(size: int) -> bytes:
    start = event("content_block_start", index=1, content_block={"type": "tool_use", "id": "t", "name": "n", "input": {}})
    part = event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": "1"})
    return begun() + start + part * (size // 20) + ended()


def _citations(size: int) -> bytes:
    part = event("content_block_delta", index=0, delta={"type": "citations_delta", "citation": {"a": 1}})
    return begun() + part * (size // 20) + ended()


def _deltas(size: int) -> bytes:
    return begun() + delta("x") * (size // 20) + ended()


def _beginning(size: int) -> Work:
    data = b": comment\n\n" * (size // 11)
    return lambda: Beginning("x").feed(data)


def _questions(size: int) -> Work:
    many = size // 20
    given = (*[Piece("user", f"abc {at}") for at in range(many)], *[Piece("document", "abc")] * many)
    return lambda: REWRITES["context.select"](given, RECIPE, MODEL)


def of_message(data: Callable[[int], bytes]) -> Shape:
    """A stream put together to a whole message."""

    def shape(size: int) -> Work:
        raw = data(size)
        return lambda: message_of(raw)

    return shape


def deep(kind: str) -> Shape:
    """A long text below many levels of one kind."""
    return lambda size: read(messages=[user([result(1, within(min(size // 50, DEPTH_MAX), kind, "x" * size))])])


STREAMS: dict[str, Callable[[int], bytes]] = {
    "deltas of one character": _deltas,
    "inputs of one character": _inputs,
    "citations": _citations,
    "comments": lambda size: b": comment\n\n" * (size // 11) + begun() + ended(),
    "pings": lambda size: event("ping") * (size // 40) + begun() + ended(),
    "an event of many lines": lambda size: b"data: x\n" * (size // 8) + b"\n",
    "empty lines": lambda size: b"\n" * size,
    "carriage returns": lambda size: b"\r" * size,
    "an event without an end": lambda size: begun() + b"event: content_block_delta\ndata: " + b"x" * size,
    "names of wanted events in a line": lambda size: b"x: " + b"event: message_start" * (size // 20),
    "wanted lines without an end": lambda size: b"event: message_start\n" * (size // 21),
    "blocks": lambda size: (
        begun()
        + b"".join(
            event("content_block_start", index=at, content_block=text_block("")) + event("content_block_stop", index=at)
            for at in range(1, size // 60)
        )
    ),
}

READ_BY = ("decoder", "decoder of some", "meter", "assembler", "beginning", "early end")

SHAPES: dict[str, Shape] = {
    "request of text blocks": blocks(lambda _: text_block("x"), each=20),
    "request of results": blocks(result, each=20),
    "request of documents": blocks(lambda _: document("abc"), each=20),
    "request of marked blocks": blocks(lambda _: text_block("x") | {"cache_control": {"type": "ephemeral"}}, each=20),
    "request of messages": lambda size: read(messages=[user("x")] * (size // 20)),
    "request of system blocks": lambda size: read(system=[text_block(f"Today is {at}.") for at in range(size // 20)]),
    "request of tools": lambda size: read(
        tools=[{"name": f"t{size - at}", "input_schema": {"type": "object"}} for at in range(size // 20)]
    ),
    "request of marked tools": lambda size: read(
        tools=[{"name": f"t{at}", "input_schema": {}, "cache_control": {"type": "ephemeral"}} for at in range(size // 20)]
    ),
    "request of members": lambda size: read(**{f"member {at}": at for at in range(size // 20)}),
    "result of marked blocks": lambda size: read(
        messages=[user([result(1, [text_block("x") | {"cache_control": {"type": "ephemeral"}}] * (size // 20))])]
    ),
    **{f"request of {kind} in {kind}": deep(kind) for kind in ("list", "object", "result", "document")},
    "rewriting of text blocks": rewritten(lambda at: text_block(f"x {at}"), each=20),
    "rewriting of json blocks": rewritten(lambda at: text_block('{"a": 1,   "b":   [1,   2,  3,   4,  5,   6]}'), each=40),
    "rewriting of results": rewritten(lambda at: result(at, '{"a": 1,   "b":   [1,   2,  3,   4,   5,   6]}'), each=40),
    "rewriting of documents": rewritten(lambda at: document(f"abc {at}"), each=20),
    **{f"{lever} of pieces": pieces(lever, lambda at: Piece("user", f"x {at}"), each=20) for lever in REWRITES},
    "context.select of documents": pieces(
        "context.select", lambda at: Piece("document", f"abc {at}"), Piece("user", "what is abc?"), each=20
    ),
    "context.select of questions": _questions,
    "one call a round": rounds(lambda _: 1),
    "seven rounds of calls": rounds(lambda number: max(1, number // 7)),
    "forty rounds of calls": rounds(lambda number: max(1, number // 40)),
    "one round of calls": rounds(lambda number: number),
    **{f"{reader}, {name}": of_stream(reader, data) for reader in READ_BY for name, data in STREAMS.items()},
    **{f"{reader}, {name} by 7": of_stream(reader, data, 7) for reader in READ_BY for name, data in STREAMS.items()},
    "message of deltas": of_message(_deltas),
    "message of inputs": of_message(_inputs),
    "message of citations": of_message(_citations),
    "beginning of comments": _beginning,
}

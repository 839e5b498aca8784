"""The output items of a response, made from content blocks as they come.

One machine for both faces: a stream feeds it the pieces and passes on the events, a whole answer is fed block by block and
keeps the items alone, so the two cannot differ. Grammar: openai-python v3.54.0 `types/responses/response_stream_event.py`
and `lib/streaming/responses`, developers.openai.com/api/reference/resources/responses/streaming-events, 2026-11.

    text                  → a part of a message item; texts side by side are parts of one
    tool_use              → a function_call item
    thinking, redacted    → a reasoning item that holds the block (`responses_sealed`); its text is the summary, where asked
    web search            → a web_search_call item to be shown, and behind it a reasoning item that holds its blocks
    any other             → a reasoning item that holds the block
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from thriftgate.wire.openai.responses_sealed import sealed
from thriftgate.wire.openai.usage import REFUSED

Block = dict[str, Raw]
Item = dict[str, Any]

_THINKING = frozenset({"thinking", "redacted_thinking"})
CUT = frozenset(
    {"max_tokens", "model_context_window_exceeded", "pause_turn"}
)  # stop reasons that leave an answer unfinished


class Told(NamedTuple):
    """What the client asked to be told beside the answer: the reasoning's text, the sources of a search."""

    summary: bool = False
    sources: bool = False


class OutputEvent(NamedTuple):
    """One event of the stream, without its number."""

    type: str
    members: dict[str, Any]


class Output:
    """Feed it blocks in their order: `begin`, `add`, `end` for each, `finish` once. `items` is what came of it; `take` hands
    out the events since it was last called. `suffix` tells this answer's items from another's.

    Raises msgspec.MsgspecError, LookupError and TypeError for what is no block."""

    def __init__(self, suffix: str, told: Told) -> None:
        self.items: list[Item] = []
        self._suffix = suffix
        self._told = told
        self._events: list[OutputEvent] = []
        self._block: Block = {}
        self._kind = ""
        self._under_way = False
        self._pieces: list[str] = []
        self._citations: list[Raw] = []
        self._open: Item | None = None  # the last item, while more may come to it
        self._held: list[bytes] = []  # blocks that have no item of their own yet
        self._searches: dict[str, int] = {}  # searches under way: tool use -> item

    def take(self) -> list[OutputEvent]:
        taken, self._events = self._events, []
        return taken

    # --- blocks ----------------------------------------------------------------------------------------------------------

    def begin(self, block: Block) -> None:
        """A block begins, with what of it is there already."""
        self._block, self._kind, self._pieces, self._citations = block, _text(block["type"]), [], []
        self._under_way = False
        if self._kind == "text":
            self._begin_text()
        elif self._kind in _THINKING:
            self._begin_thinking()
        elif self._kind == "tool_use":
            self._begin_call()
        else:
            self._close("completed")
        self._under_way = True

    def add(self, delta: Block) -> None:
        """More of the block. What is not known of it is left out."""
        kind = _text(delta["type"])
        if kind == "text_delta" and self._kind == "text":
            self._add_text(_text(delta["text"]))
        elif kind == "thinking_delta":
            self._add_thinking(_text(delta["thinking"]))
        elif kind == "signature_delta":
            self._block["signature"] = delta["signature"]
        elif kind == "input_json_delta":
            self._add_input(_text(delta["partial_json"]))
        elif kind == "citations_delta":
            self._citations.append(delta["citation"])

    def end(self) -> None:
        """The block has ended."""
        self._under_way = False
        if self._kind == "text":
            self._end_text()
        elif self._kind == "thinking":
            self._end_thinking()
        elif self._kind == "redacted_thinking":
            self._current()["encrypted_content"] = sealed([msgspec.json.encode(self._block)])
        elif self._kind == "tool_use":
            self._end_call()
        else:
            self._hold()

    def finish(self, stop_reason: str, explanation: str = "") -> None:
        """The answer has ended, and why."""
        if stop_reason == "refusal":
            self._refuse(explanation or REFUSED)
        self._close("incomplete" if stop_reason in CUT else "completed")
        self._flush()

    def break_off(self) -> None:
        """The answer goes no further: what there is of it is kept as unfinished, and nothing is told of that."""
        item, text = self._open, "".join(self._pieces)
        if item is not None and self._under_way:
            if item["type"] == "function_call":
                item["arguments"] = text
            elif item["type"] == "message":
                for part in item["content"][-1:]:  # none where the block itself could not be read
                    part["text"] = text
            elif item["summary"]:
                item["summary"][0]["text"] = text
        self._close("incomplete")
        self._flush()
        self._events.clear()

    # --- items -----------------------------------------------------------------------------------------------------------

    def _add(self, item: Item) -> int:
        """A new item, behind all others; its place."""
        self.items.append(item)
        index = len(self.items) - 1
        self._tell("response.output_item.added", output_index=index, item=_copy(item))
        return index

    def _done(self, index: int, status: str) -> None:
        item = self.items[index]
        item["status"] = status
        self._tell("response.output_item.done", output_index=index, item=_copy(item))

    def _opened(self, prefix: str, kind: str, members: dict[str, Any]) -> None:
        """A new item, to which more will come."""
        self._close("completed")
        self._flush()
        self._open = {"id": self._id(prefix), "type": kind, "status": "in_progress", **members}
        self._add(self._open)

    def _close(self, status: str) -> None:
        if self._open is not None:
            self._open = None
            self._done(len(self.items) - 1, status)

    def _current(self) -> Item:
        if self._open is None:
            raise LookupError("no item is open")
        return self._open

    def _id(self, kind: str) -> str:
        return f"{kind}_{self._suffix}_{len(self.items)}"

    def _tell(self, kind: str, **members: Any) -> None:
        self._events.append(OutputEvent(kind, members))

    def _of_item(self) -> dict[str, Any]:
        return {"item_id": self._current()["id"], "output_index": len(self.items) - 1}

    # --- texts -----------------------------------------------------------------------------------------------------------

    def _message(self) -> list[Item]:
        """The parts of the message under way, which is begun where there is none."""
        if self._open is None or self._open["type"] != "message":
            self._opened("msg", "message", {"role": "assistant", "content": []})
        parts: list[Item] = self._current()["content"]
        return parts

    def _begin_text(self) -> None:
        parts = self._message()
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        self._tell("response.content_part.added", **self._of_item(), content_index=len(parts), part=_copy(part))
        parts.append(part)
        self._citations = _list(self._block.get("citations"))
        self._add_text(_text(self._block["text"]))

    def _add_text(self, text: str) -> None:
        if text:
            at = len(self._message()) - 1
            self._pieces.append(text)
            self._tell("response.output_text.delta", **self._of_item(), content_index=at, delta=text, logprobs=[])

    def _end_text(self) -> None:
        parts = self._message()
        part, at = parts[-1], len(parts) - 1
        part["text"] = "".join(self._pieces)
        for citation in self._citations:
            annotation = _annotation(citation, len(part["text"]))
            if annotation is not None:
                self._tell(
                    "response.output_text.annotation.added",
                    **self._of_item(),
                    content_index=at,
                    annotation_index=len(part["annotations"]),
                    annotation=annotation,
                )
                part["annotations"].append(annotation)
        self._tell("response.output_text.done", **self._of_item(), content_index=at, text=part["text"], logprobs=[])
        self._tell("response.content_part.done", **self._of_item(), content_index=at, part=_copy(part))

    def _refuse(self, explanation: str) -> None:
        parts = self._message()
        part, at = {"type": "refusal", "refusal": explanation}, len(parts)
        self._tell("response.content_part.added", **self._of_item(), content_index=at, part={**part, "refusal": ""})
        self._tell("response.refusal.delta", **self._of_item(), content_index=at, delta=explanation)
        parts.append(part)
        self._tell("response.refusal.done", **self._of_item(), content_index=at, refusal=explanation)
        self._tell("response.content_part.done", **self._of_item(), content_index=at, part=_copy(part))

    # --- reasoning -------------------------------------------------------------------------------------------------------

    def _begin_thinking(self) -> None:
        self._opened("rs", "reasoning", {"summary": [], "encrypted_content": None})
        if self._kind == "thinking":
            self._add_thinking(_text(self._block["thinking"]))

    def _add_thinking(self, text: str) -> None:
        if not text:
            return
        self._pieces.append(text)
        if not self._told.summary:
            return
        summary, at = self._current()["summary"], {**self._of_item(), "summary_index": 0}
        if not summary:
            summary.append({"type": "summary_text", "text": ""})
            self._tell("response.reasoning_summary_part.added", **at, part=dict(summary[0]))
        self._tell("response.reasoning_summary_text.delta", **at, delta=text)

    def _end_thinking(self) -> None:
        item, text = self._current(), "".join(self._pieces)
        if item["summary"]:
            item["summary"][0]["text"] = text
            at = {**self._of_item(), "summary_index": 0}
            self._tell("response.reasoning_summary_text.done", **at, text=text)
            self._tell("response.reasoning_summary_part.done", **at, part=dict(item["summary"][0]))
        if _text(self._block.get("signature", Raw(b'""'))):  # one that was cut off before it was signed cannot go back
            self._block["thinking"] = Raw(msgspec.json.encode(text))
            item["encrypted_content"] = sealed([msgspec.json.encode(self._block)])

    # --- calls -----------------------------------------------------------------------------------------------------------

    def _begin_call(self) -> None:
        named = {"call_id": _text(self._block["id"]), "name": _text(self._block["name"])}
        self._opened("fc", "function_call", {"arguments": "", **named})
        given = bytes(self._block.get("input", Raw(b"{}")))
        if given.strip(b"{} \t\r\n"):
            self._add_input(given.decode())

    def _add_input(self, piece: str) -> None:
        if not piece:
            return
        self._pieces.append(piece)
        if self._kind == "tool_use":
            self._tell("response.function_call_arguments.delta", **self._of_item(), delta=piece)

    def _end_call(self) -> None:
        if not self._pieces:
            self._add_input("{}")
        item = self._current()
        item["arguments"] = "".join(self._pieces)
        self._tell("response.function_call_arguments.done", **self._of_item(), arguments=item["arguments"])

    # --- what has no item of its own -----------------------------------------------------------------------------------

    def _hold(self) -> None:
        block = self._block
        if self._pieces:
            block["input"] = Raw("".join(self._pieces).encode())
        self._held.append(msgspec.json.encode(block))
        if self._kind == "server_tool_use" and _text(block["name"]) == "web_search":
            self._search(_text(block["id"]), block.get("input", Raw(b"{}")))
        elif self._kind == "web_search_tool_result":
            self._found(_text(block["tool_use_id"]), block["content"])

    def _search(self, use: str, given: Raw) -> None:
        query = str(msgspec.json.decode(given, type=dict[str, Any]).get("query", ""))
        action = {"type": "search", "query": query, "queries": [query]}
        item = {"id": f"ws_{use}", "type": "web_search_call", "status": "in_progress", "action": action}
        index = self._searches[use] = self._add(item)
        for step in ("in_progress", "searching"):
            self._tell(f"response.web_search_call.{step}", item_id=item["id"], output_index=index)

    def _found(self, use: str, content: Raw) -> None:
        index = self._searches.pop(use, None)
        if index is None:
            return
        item, results = self.items[index], msgspec.json.decode(content)
        if isinstance(results, list):
            if self._told.sources:
                item["action"]["sources"] = [
                    {"type": "url", "url": one.get("url", "")} for one in results if isinstance(one, dict)
                ]
            self._tell("response.web_search_call.completed", item_id=item["id"], output_index=index)
        self._done(index, "completed" if isinstance(results, list) else "failed")

    def _flush(self) -> None:
        """Blocks that are held get an item to go back in."""
        for index in self._searches.values():
            self._done(index, "incomplete")
        self._searches.clear()
        if self._held:
            held, self._held = self._held, []
            item = {"id": self._id("rs"), "type": "reasoning", "status": "completed", "summary": []}
            self._done(self._add({**item, "encrypted_content": sealed(held)}), "completed")


def _text(value: Raw) -> str:
    return msgspec.json.decode(value, type=str)


def _list(value: Raw | None) -> list[Raw]:
    return msgspec.json.decode(value, type=list[Raw] | None) or [] if value is not None else []


def _copy(item: Item) -> Item:
    """As it is now: an event must not change with what comes later."""
    copied: Item = msgspec.json.decode(msgspec.json.encode(item))
    return copied


def _annotation(citation: Raw, end: int) -> Item | None:
    """A cited page. The citation itself goes along, so that it can come back as it was."""
    cited = msgspec.json.decode(citation, type=dict[str, Any])
    if cited.get("type") != "web_search_result_location":
        return None
    told = {"type": "url_citation", "url": str(cited.get("url") or ""), "title": str(cited.get("title") or "")}
    return {**told, "start_index": 0, "end_index": end, "citation": cited}

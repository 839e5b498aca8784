"""The items of a response's input as turns of a conversation.

    message                     → its parts; first instructions are the `system` (`conversation`)
    function_call, its output   → tool_use, tool_result
    reasoning made here         → the blocks that it holds, byte for byte (`responses_sealed`)
    web_search_call             → nothing: its blocks are in the reasoning item behind it

Items: openai-python v3.54 `types/responses/response_input_item_param.py`. What else there is, and what becomes of it:
`responses_losses`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec
from msgspec import Raw

from thriftgate.core.errors import InputError
from thriftgate.wire.openai.conversation import Conversation
from thriftgate.wire.openai.losses import Report
from thriftgate.wire.openai.members import Members
from thriftgate.wire.openai.parts import Block, document_block, image_block, text_block
from thriftgate.wire.openai.responses_losses import RESPONSE_ROWS
from thriftgate.wire.openai.responses_sealed import unsealed
from thriftgate.wire.openai.tools import input_of

_INSTRUCTING = frozenset({"system", "developer"})
_TEXTS = frozenset({"input_text", "output_text", "text"})
_REFERENCE = "item_reference"
_INSTEAD = {
    _REFERENCE: "nothing is kept here that it could refer to; send the item itself",
    "custom_tool_call": "use a function tool",
    "custom_tool_call_output": "use a function tool",
    "input_audio": "Claude hears no audio; send its text",
}
_DEFAULT_DETAIL = "auto"
_PREFIX = "input[]."
_JUDGED = {
    row.field.removeprefix(_PREFIX): row
    for row in RESPONSE_ROWS
    if row.fate == "reported" and row.field.startswith(_PREFIX) and row.field.removeprefix(_PREFIX).isidentifier()
}


class Recall(Protocol):
    """What is kept of earlier responses, for clients that do not send everything again."""

    def items(self, response: str) -> Sequence[bytes]:
        """The conversation up to the end of that response. Raises NotThere."""

    def item(self, name: str) -> bytes:
        """One item of an earlier response. Raises NotThere."""


def listed_input(request: Members, recall: Recall | None) -> list[bytes]:
    """The items of the conversation: those of the response that this one goes on from, and those of the request's `input`.
    Raises InputError and NotThere."""
    before = request.text("previous_response_id") if recall is not None else None
    listed = [*recall.items(before)] if recall is not None and before is not None else []
    if request.is_text("input"):
        return [*listed, msgspec.json.encode({"role": "user", "content": Raw(request.raw("input"))})]
    return [*listed, *(_resolved(raw, recall) for raw in request.items("input"))]


def _resolved(raw: Raw, recall: Recall | None) -> bytes:
    """The item itself, where a reference stands for it."""
    if recall is None:
        return bytes(raw)
    item = Members(raw, "input[]")
    refers = "role" not in item if item.text("type") is None else item.text("type") == _REFERENCE
    return recall.item(item.needed("id")) if refers else bytes(raw)


def read_items(listed: Sequence[bytes], conversation: Conversation, report: Report) -> None:
    """The items as turns. Raises InputError, naming the item."""
    items = _Items(conversation, report)
    for at, raw in enumerate(listed):
        items.add(Members(raw, f"input[{at}]", "input[]"))
    items.end()


class _Items:
    def __init__(self, conversation: Conversation, report: Report) -> None:
        self._conversation = conversation
        self._report = report
        self._searches: set[str] = set()
        self._returned: set[str] = set()

    def add(self, item: Members) -> None:
        kind = item.text("type") or ("message" if "role" in item else _REFERENCE)
        item.known("id", "status")
        if kind == "message":
            self._message(item)
        elif kind == "function_call":
            used = {"type": "tool_use", "id": item.needed("call_id"), "name": item.needed("name")}
            self._conversation.say("assistant", [{**used, "input": input_of(item.needed("arguments"))}])
        elif kind == "function_call_output":
            self._conversation.answer([self._result(item)])
        elif kind == "reasoning":
            self._reasoning(item)
        elif kind == "web_search_call":
            item.known("action")
            self._searches.add((item.text("id") or "").removeprefix("ws_"))
        else:
            why = _INSTEAD.get(kind, "leave it out")
            raise InputError(f"{item.at('type')}: an item of type {kind[:40]!r} cannot be carried to Claude: {why}")
        for name, row in _JUDGED.items():
            if item.is_left(name):
                self._report.judge(row, item.value(name))
        item.lose_rest(self._report)

    def end(self) -> None:
        """Searches whose results did not come back are not repeated."""
        if self._searches - self._returned:
            self._report.lose("input[].type=web_search_call", "came without its reasoning item")

    def _message(self, item: Members) -> None:
        role = item.needed("role")
        blocks = self._content(item, "content")
        if role in _INSTRUCTING:
            if any(block["type"] != "text" for block in blocks):
                raise InputError(f"{item.at('content')}: instructions are text; images and files belong to the user's turns")
            self._conversation.instruct(blocks)
        elif role == "user":
            self._conversation.say("user", blocks)
        elif role == "assistant":
            self._conversation.say("assistant", blocks)
        else:
            raise InputError(f"{item.at('role')}: must be user, assistant, system or developer, not {role[:40]!r}")

    def _result(self, item: Members) -> Block:
        used = {"type": "tool_result", "tool_use_id": item.needed("call_id")}
        item.known("name")  # the call says it
        if item.is_text("output"):
            return {**used, "content": item.needed("output")}
        return {**used, "content": self._content(item, "output")}

    def _reasoning(self, item: Members) -> None:
        item.known("summary", "content")  # the blocks hold them
        blocks = unsealed(item.text("encrypted_content") or "")
        if blocks is None:
            self._report.lose("input[].type=reasoning", "not made here, or without its encrypted_content")
            return
        for block in blocks:
            if "tool_use_id" in block:
                self._returned.add(str(msgspec.json.decode(block["tool_use_id"])))
        self._conversation.say("assistant", [dict(block) for block in blocks])

    def _content(self, item: Members, name: str) -> list[Block]:
        if item.is_text(name):
            return _blocks([text_block(item.needed(name))])
        if name not in item:
            raise InputError(f"{item.at(name)}: Field required")
        return _blocks(self._part(part) for part in item.each(name))

    def _part(self, part: Members) -> Block | None:
        kind = part.needed("type")
        if kind in _TEXTS:
            made = text_block(part.needed("text"))
            cited = [one.raw("citation") for one in part.each("annotations")]
            if made is not None and any(cited):
                made["citations"] = [Raw(one) for one in cited if one]
            part.known("logprobs")
        elif kind == "refusal":
            made = text_block(part.needed("refusal"))
        elif kind == "input_image":
            made = self._image(part)
        elif kind == "input_file":
            made = document_block(
                data=part.text("file_data") or "",
                place=part.at("file_data"),
                file_id=part.text("file_id") or "",
                url=part.text("file_url") or "",
                title=part.text("filename") or "",
            )
            self._detail(part)
        else:
            why = _INSTEAD.get(kind, "leave it out")
            raise InputError(f"{part.at('type')}: content of type {kind[:40]!r} cannot be carried to Claude: {why}")
        part.known("prompt_cache_breakpoint")
        part.lose_rest(self._report)
        return made

    def _image(self, part: Members) -> Block:
        self._detail(part)
        file_id = part.text("file_id")
        if file_id:
            return {"type": "image", "source": {"type": "file", "file_id": file_id}}
        return image_block(part.needed("image_url"), part.at("image_url"))

    def _detail(self, part: Members) -> None:
        if (part.text("detail") or _DEFAULT_DETAIL) != _DEFAULT_DETAIL:
            self._report.lose(f"{part.kind}.detail", "Claude looks at all there is")


def _blocks(made: Iterable[Block | None]) -> list[Block]:
    return [block for block in made if block is not None]

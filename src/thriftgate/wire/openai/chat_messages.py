"""The turns of a chat completion request as a Messages conversation."""

from __future__ import annotations

from typing import Any

from thriftgate.core.errors import InputError
from thriftgate.wire.openai.chat_losses import CHAT_ROWS
from thriftgate.wire.openai.conversation import Conversation
from thriftgate.wire.openai.losses import Report
from thriftgate.wire.openai.members import Members
from thriftgate.wire.openai.parts import Block, document_block, image_block, text_block
from thriftgate.wire.openai.thoughts import restored
from thriftgate.wire.openai.tools import input_of

_PREFIX = "messages[]."
_JUDGED = tuple(
    (row.field.removeprefix(_PREFIX), row)
    for row in CHAT_ROWS
    if row.fate in ("reported", "refused")
    and row.field.startswith(_PREFIX)
    and row.field.removeprefix(_PREFIX).isidentifier()
)


def tell(message: Members, conversation: Conversation, report: Report) -> None:
    """Add one message to the conversation. Raises InputError."""
    role = message.needed("role")
    if role in ("system", "developer"):
        conversation.instruct(_texts(message, report))
    elif role == "user":
        conversation.say("user", _content(message, report))
    elif role == "assistant":
        conversation.say("assistant", _answer(message, report))
    elif role == "tool":
        conversation.say("user", [_result(message, report)])
    else:
        raise InputError(f"{message.at('role')}: {role[:40]!r} is none of system, developer, user, assistant, tool")
    for name, row in _JUDGED:
        if message.is_left(name):
            report.judge(row, message.value(name))
    message.known("parsed")
    message.lose_rest(report)


def _content(message: Members, report: Report) -> list[Block]:
    """The content of a turn: a text, or parts."""
    if message.is_text("content"):
        return _kept(text_block(message.needed("content")))
    return [block for part in message.each("content") for block in _kept(_part(part, report))]


def _texts(message: Members, report: Report) -> list[Block]:
    """Content that may be text alone."""
    blocks = _content(message, report)
    if any(block["type"] != "text" for block in blocks):
        raise InputError(f"{message.at('content')}: instructions are text; images and files belong to the user's turns")
    return blocks


def _part(part: Members, report: Report) -> Block | None:
    kind = part.needed("type")
    part.known("prompt_cache_breakpoint")
    if kind == "text":
        found = text_block(part.needed("text"))
    elif kind == "refusal":
        found = text_block(part.needed("refusal"))
    elif kind == "image_url":
        found = _image(part, report)
    elif kind == "file":
        found = _file(part, report)
    else:
        raise InputError(f"{part.at('type')}: {kind[:40]!r} is none of text, image_url, file; Claude takes no others")
    part.lose_rest(report)
    return found


def _image(part: Members, report: Report) -> Block:
    image = part.inner("image_url")
    if image is None:
        raise InputError(f"{part.at('image_url')}: Field required")
    if image.text("detail") not in (None, "auto"):
        report.lose(f"{image.kind}.detail")
    image_made = image_block(image.needed("url"), image.at("url"))
    image.lose_rest(report)
    return image_made


def _file(part: Members, report: Report) -> Block:
    file = part.inner("file")
    if file is None:
        raise InputError(f"{part.at('file')}: Field required")
    made = document_block(
        data=file.text("file_data") or "",
        file_id=file.text("file_id") or "",
        title=file.text("filename") or "",
        place=file.place,
    )
    file.lose_rest(report)
    return made


def _answer(message: Members, report: Report) -> list[Block]:
    """A turn of the assistant: its thinking, where it was kept, its text, its calls, and why it refused."""
    blocks = _texts(message, report) + [_call(call, report) for call in message.each("tool_calls")]
    thoughts = message.items("thinking_blocks")
    if thoughts:
        message.known("reasoning_content")
        blocks = restored(thoughts, blocks, report)
    return blocks + _kept(text_block(message.text("refusal") or ""))


def _call(call: Members, report: Report) -> Block:
    function = call.inner("function")
    if call.text("type") not in (None, "function") or function is None:
        raise InputError(f"{call.place}: only calls of functions can be carried")
    call.known("index")
    made: Block = {"type": "tool_use", "id": call.needed("id"), "name": function.needed("name")}
    made["input"] = input_of(function.text("arguments") or "")
    function.known("parsed_arguments")
    function.lose_rest(report)
    call.lose_rest(report)
    return made


def _result(message: Members, report: Report) -> Block:
    made: dict[str, Any] = {"type": "tool_result", "tool_use_id": message.needed("tool_call_id")}
    content = message.needed("content") if message.is_text("content") else _content(message, report)
    if content:
        made["content"] = content
    return made


def _kept(block: Block | None) -> list[Block]:
    return [block] if block is not None else []

"""What must be equal before two questions are compared at all: everything but the last words of the user.

The tenant, the task, the model, the system prompt, the tools, every parameter, every message before, and whatever else
stands in the last one make the scope. It is the digest of the request with those words taken out, so nothing that is added
to requests one day can be forgotten here.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

import msgspec
from msgspec import Raw

from thriftgate.core.earlier.digest import body_digest
from thriftgate.core.request import Request, parse_request
from thriftgate.core.splice import Edit, apply


class Asked(NamedTuple):
    """A question: its words, and the digest of all that is not them."""

    scope: bytes
    text: str


class _Message(msgspec.Struct):
    role: str
    content: Raw


class _Block(msgspec.Struct):
    type: str
    text: str = ""


_MESSAGES = msgspec.json.Decoder(list[Raw])
_LAST = msgspec.json.Decoder(_Message)
_BLOCKS = msgspec.json.Decoder(list[_Block])


def asked_of(request: Request, tenant: bytes, setting: bytes, *, all_turns: bool = False) -> Asked | str:
    """The question of a call, or why it has none that may be compared. `tenant` and `setting` are the digests of whose it is
    and of what goes with its body. Without `all_turns` only a call of a single message has one. Raises InputError and
    msgspec's errors for what cannot be read."""
    messages = _MESSAGES.decode(request.raw("messages"))
    if not messages or (len(messages) > 1 and not all_turns):
        return "it is not a single question"
    last = _LAST.decode(messages[-1])
    if last.role != "user":
        return "its last message is not the user's"
    path: tuple[str | int, ...] = ("messages", len(messages) - 1, "content")
    content = bytes(last.content)
    if content[:1] == b'"':
        text = msgspec.json.decode(content, type=str)
    else:
        blocks = _BLOCKS.decode(content)
        texts = [at for at, block in enumerate(blocks) if block.type == "text"]
        if len(texts) != 1:
            return "its last message has not one text but several" if texts else "its last message has no text"
        if any(block.type == "tool_result" for block in blocks):
            return "it answers a call of a tool"
        text, path = blocks[texts[0]].text, (*path, texts[0], "text")
    wordless = parse_request(apply(request.body, [Edit(path, b'""')]))
    return Asked(sha256(tenant + setting + body_digest(wordless)).digest(), text)

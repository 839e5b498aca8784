"""The items of a response's input as Messages turns: append-only, so that a conversation that grows item by item gives turns
whose earlier bytes never change.

    message user, assistant         → its parts, in a message of that role; side by side they make one
    message system, developer       → `system` at the beginning; later on, where `system` may not change any more, a text of
                                      the user's side that says whose it is
    function_call, its output       → tool_use, tool_result; results stand first in their message, as the API wants them
    reasoning made here             → the blocks that it holds, byte for byte (`responses_sealed`)
    web_search_call                 → nothing: its blocks are in the reasoning item behind it

Items: openai-python v3.54.0 `types/responses/response_input_item_param.py`, 2026-11.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Raw

from thriftgate.core.errors import InputError
from thriftgate.wire.openai.responses_sealed import unsealed

Members = dict[str, Raw]
Parts = Callable[[Raw, str], list[bytes]]
"""Content (a text, or parts), and where it stands → content blocks. Raises InputError."""

_ITEMS = msgspec.json.Decoder(list[Raw])
_MEMBERS = msgspec.json.Decoder(Members)
# What a client returns of an item without meaning anything by it.
_BOOKKEEPING = frozenset({"type", "id", "status", "object", "created_by"})
_CARRIED = {
    "message": frozenset({"role", "content"}),
    "function_call": frozenset({"call_id", "name", "arguments"}),
    "function_call_output": frozenset({"call_id", "output"}),
    "reasoning": frozenset({"encrypted_content", "summary"}),
    "web_search_call": frozenset({"action"}),
}
_LEAVE = "leave it out"
_INSTEAD = {
    "item_reference": "nothing is kept here to refer to: send the item itself",
    "custom_tool_call": "use a function tool",
    "custom_tool_call_output": "use a function tool",
}
_SAID = "<system-reminder>\n{}\n</system-reminder>"


class Turns:
    """The conversation as it grows: `system` are its first words, as blocks. `lost` gathers what was left out, by name."""

    def __init__(self, parts: Parts, lost: set[str]) -> None:
        self.system: list[bytes] = []
        self._messages: list[tuple[str, list[bytes], list[bytes]]] = []  # role, tool results, other blocks
        self._parts = parts
        self._lost = lost
        self._searches: set[str] = set()
        self._returned: set[str] = set()

    def read(self, given: Raw) -> None:
        """A whole input. Raises InputError, naming the item."""
        if bytes(given[:1]) == b'"':
            self._put("user", self._parts(given, "input"))
            return
        try:
            items = _ITEMS.decode(given)
        except (msgspec.DecodeError, RecursionError):
            raise InputError("input: must be a text or a list of items") from None
        for at, item in enumerate(items):
            self._add(item, f"input[{at}]")
        if self._searches - self._returned:
            self._lost.add("input.web_search_call")

    def messages(self) -> bytes:
        """All turns, as the `messages` of a request."""
        return b"[" + b",".join(_message(role, results + others) for role, results, others in self._messages) + b"]"

    def __bool__(self) -> bool:
        return bool(self._messages)

    def _add(self, item: Raw, where: str) -> None:
        try:
            members = _MEMBERS.decode(item)
        except (msgspec.DecodeError, RecursionError):
            raise InputError(f"{where}: must be an object") from None
        kind = _kind(members, where)
        if kind not in _CARRIED:
            raise InputError(f"{where}: an item of type {kind[:50]!r} cannot be carried; {_INSTEAD.get(kind, _LEAVE)}")
        for name in members.keys() - _CARRIED[kind] - _BOOKKEEPING:
            if members[name] != b"null":
                self._lost.add(f"input.{kind}.{name}")
        if kind == "message":
            self._add_message(members, where)
        elif kind == "function_call":
            self._put("assistant", [_tool_use(members, where)])
        elif kind == "function_call_output":
            self._answered(members, where)
        elif kind == "reasoning":
            self._add_reasoning(members, where)
        else:
            self._searches.add(text_of(members, "id", where).removeprefix("ws_"))

    def _add_message(self, members: Members, where: str) -> None:
        role = text_of(members, "role", where)
        if "content" not in members:
            raise InputError(f"{where}.content: must be there")
        blocks = self._parts(members["content"], f"{where}.content")
        if role in ("user", "assistant"):
            self._put(role, blocks)
        elif role not in ("system", "developer"):
            raise InputError(f"{where}.role: must be user, assistant, system or developer, not {role[:50]!r}")
        elif not self._messages:
            self.system += blocks
        else:
            self._lost.add("input.message.role")
            self._put("user", [_reminder(block) for block in blocks])

    def _answered(self, members: Members, where: str) -> None:
        call = msgspec.json.encode(text_of(members, "call_id", where))
        if "output" not in members:
            raise InputError(f"{where}.output: must be there")
        output = members["output"]
        content = bytes(output)
        if content[:1] != b'"':
            content = b"[" + b",".join(self._parts(output, f"{where}.output")) + b"]"
        self._put("user", [], [b'{"type":"tool_result","tool_use_id":' + call + b',"content":' + content + b"}"])

    def _add_reasoning(self, members: Members, where: str) -> None:
        held = members.get("encrypted_content", Raw(b"null"))
        blocks = unsealed(text_of(members, "encrypted_content", where)) if held != b"null" else None
        if blocks is None:
            self._lost.add("input.reasoning")
            return
        for block in blocks:
            told = _MEMBERS.decode(block)
            if "tool_use_id" in told:
                self._returned.add(text_of(told, "tool_use_id", where))
        self._put("assistant", [bytes(block) for block in blocks])

    def _put(self, role: str, blocks: list[bytes], results: list[bytes] | None = None) -> None:
        if not blocks and not results:
            return
        if not self._messages or self._messages[-1][0] != role:
            self._messages.append((role, [], []))
        self._messages[-1][1].extend(results or ())
        self._messages[-1][2].extend(blocks)


def text_of(members: Members, name: str, where: str) -> str:
    """A member that must be a text. Raises InputError."""
    try:
        return msgspec.json.decode(members[name], type=str)
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError):
        raise InputError(f"{where}.{name}: must be a text") from None


def _kind(members: Members, where: str) -> str:
    """What an item is: messages, and references, need not say so."""
    if members.get("type", Raw(b"null")) != b"null":
        return text_of(members, "type", where)
    return "message" if "role" in members else "item_reference"


def _message(role: str, blocks: list[bytes]) -> bytes:
    return b'{"role":"' + role.encode() + b'","content":[' + b",".join(blocks) + b"]}"


def _reminder(block: bytes) -> bytes:
    """What a system message says in the middle of a conversation; other blocks as they are."""
    members = _MEMBERS.decode(block)
    if "text" not in members:
        return block
    return msgspec.json.encode({"type": "text", "text": _SAID.format(text_of(members, "text", "input"))})


def _tool_use(members: Members, where: str) -> bytes:
    """A call as the model made it, its arguments byte for byte."""
    call, name = (msgspec.json.encode(text_of(members, one, where)) for one in ("call_id", "name"))
    arguments = text_of(members, "arguments", where).strip() or "{}"
    try:
        _MEMBERS.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        raise InputError(f"{where}.arguments: must be a JSON object, written as a text") from None
    return b'{"type":"tool_use","id":' + call + b',"name":' + name + b',"input":' + arguments.encode() + b"}"

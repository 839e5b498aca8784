"""A Messages conversation that grows block by block: what is in it never changes when more is said.

Turns of the same side are one message: Messages wants all results of a turn's tool calls in the one that follows.
Instructions that stand first are the `system`. A later one stays where it is: as a message of the role `system` where the
model takes that, and it follows a turn of the user and precedes the model's (platform.claude.com/docs/en/build-with-claude/
mid-conversation-system-messages, 2026-10), else as text of the user, marked as what it is.
"""

from __future__ import annotations

from typing import Any, Literal

from thriftgate.core.errors import InputError
from thriftgate.wire.openai.losses import Report
from thriftgate.wire.openai.parts import Block

Side = Literal["user", "assistant"]
OPENING = "Begin."  # Messages must begin with the user, OpenAI's conversations need not


class Conversation:
    """`takes_system`: the model takes instructions in the middle. `field` is what reports call an instruction."""

    def __init__(self, *, takes_system: bool, report: Report, field: str) -> None:
        self.system: list[Block] = []
        self.messages: list[dict[str, object]] = []
        self._takes_system = takes_system
        self._report = report
        self._field = field
        self._said: list[Block] = []  # the blocks of the last message
        self._role = ""
        self._waiting: list[Block] = []

    def instruct(self, blocks: list[Block]) -> None:
        """Instructions of the operator: texts."""
        if self.messages or self._waiting:
            self._waiting += blocks
        else:
            self.system += blocks

    def say(self, side: Side, blocks: list[Block]) -> None:
        """A turn, or more of one."""
        if not blocks:
            return
        self._settle(before=side)
        if not self.messages and side == "assistant":
            self._add("user", [{"type": "text", "text": OPENING}])
        self._add(side, blocks)

    def answer(self, results: list[Block]) -> None:
        """Results of calls. They stand before whatever was said since, for Messages takes them only at the beginning of a
        turn."""
        if self._role != "user":
            self._add("user", results)
            return
        at = next((at for at, one in enumerate(self._said) if one.get("type") != "tool_result"), len(self._said))
        self._said[at:at] = results

    def end(self, made: dict[str, Any], words: str = "") -> None:
        """Nothing more comes: the body's `system`, with `words` at its end, and `messages`. Raises InputError where nothing
        was said."""
        self._settle(before="assistant")
        if not self.messages:
            if not self.system:
                raise InputError("messages: there is no text, image, file or tool result in them")
            self._add("user", [{"type": "text", "text": OPENING}])
        system = self.system + ([{"type": "text", "text": words}] if words else [])
        if system:
            made["system"] = system
        made["messages"] = self.messages

    def _settle(self, before: Side) -> None:
        """Write down the instructions that wait for who speaks next."""
        if not self._waiting:
            return
        blocks, self._waiting = self._waiting, []
        if self._takes_system and self._role == "user" and before == "assistant":
            self._add("system", blocks)
            return
        self._report.lose(self._field, "in the midst of the conversation: as text of the user")
        self._add("user", [{**block, "text": f"<system>\n{block['text']}\n</system>"} for block in blocks])

    def _add(self, role: str, blocks: list[Block]) -> None:
        if role == self._role:
            self._said += blocks
            return
        self._role, self._said = role, list(blocks)
        self.messages.append({"role": role, "content": self._said})

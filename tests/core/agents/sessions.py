"""Agents at work, as the bodies that they send: every round adds an answer with its calls and a message with the results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.core.planning import prefix_of, request_of
from thriftgate.core.memo import PartMemo, Turn

Json = dict[str, Any]


Made = tuple[str, Json, object] | tuple[str, Json, object, bool]


class Session:
    """A conversation that grows. `turns()` reads the request that would be sent now."""

    def __init__(self, task: str = "Make the tests pass.") -> None:
        self.messages: list[Json] = [{"role": "user", "content": task}]
        self._memo = PartMemo()
        self._calls = 0

    def round(self, *calls: Made, text: str = "") -> Session:
        """One round: each call is (tool, input, result) or (tool, input, result, failed); more than one are made at once."""
        return self.round_of(calls, text)

    def round_of(self, calls: Sequence[Made], text: str = "") -> Session:
        said: list[Json] = [{"type": "text", "text": text}] if text else []
        came: list[Json] = []
        for tool, given, result, *failed in calls:
            self._calls += 1
            call_id = f"toolu_{self._calls:04d}"
            said.append({"type": "tool_use", "id": call_id, "name": tool, "input": given})
            came.append({"type": "tool_result", "tool_use_id": call_id, "content": result})
            if failed:
                came[-1]["is_error"] = failed[0]
        self.messages += [{"role": "assistant", "content": said}, {"role": "user", "content": came}]
        return self

    def bash(self, command: str, result: str, *, failed: bool = False) -> Session:
        return self.round(("Bash", {"command": command, "description": "run it"}, result, failed))

    def says(self, answer: str, question: str) -> Session:
        """An answer without a call, and what the user says to it."""
        self.messages += [{"role": "assistant", "content": answer}, {"role": "user", "content": question}]
        return self

    def adds(self, *texts: str) -> Session:
        """Texts behind the results of the last message."""
        self.messages[-1]["content"] += [{"type": "text", "text": text} for text in texts]
        return self

    def turns(self) -> tuple[Turn, ...]:
        return turns_of(self.messages, self._memo)


def turns_of(messages: Sequence[Json], memo: PartMemo | None = None) -> tuple[Turn, ...]:
    return prefix_of(request_of(messages=list(messages)), memo=memo).turns


def raw_turns(messages: bytes) -> tuple[Turn, ...]:
    """The turns of messages as they are spelled."""
    body = b'{"model":"claude-opus-4-8","max_tokens":9,"messages":' + messages + b"}"
    return prefix_of(request_of(body)).turns

"""Whether two answers to like questions say the same: by their words, or by what a model says of them.

The bound on errors is a bound on what is told here. Words are strict: a label, a number, a JSON value is the same or is not,
and of two free texts hardly any are. Where answers are free texts a model has to judge, and its own errors count as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec

from thriftgate.core.models import Capabilities
from thriftgate.core.routing.signals import Content, text_of

JUDGE_TOKENS, THINKING_TOKENS = 16, 2_048
_CHARS = 12_000
_TAG = re.compile(r"<(/?)(question|first|second)>")


def said_by(content: Content) -> bytes:
    """A digest that two answers share if they are the same but for case and white space."""
    return sha256(" ".join(text_of(content).lower().split()).encode()).digest()


def only_text(content: Content) -> bool:
    """Whether an answer is text and nothing that acts; thinking beside it is let be."""
    kinds = {block.get("type") for block in content}
    return "text" in kinds and kinds <= {"text", "thinking", "redacted_thinking"}


def spoken(content: Content) -> list[Mapping[str, Any]]:
    """What of an answer can follow another question: thinking is bound to the very prompt that it was about
    (platform.claude.com/docs/en/build-with-claude/thinking, 2026-10), so it goes."""
    return [block for block in content if block.get("type") == "text"]


def judge_body(judge: Capabilities, question: str, first: str, second: str) -> bytes:
    """The call that asks a model whether two answers to a question say the same."""
    question, first, second = (_TAG.sub(r"<\1 \2>", text[:_CHARS]) for text in (question, first, second))
    off = next((way for way in ("disabled", "between_tools") if way in judge.thinking), "")
    thinks = judge.thinking_default_on and not off
    body: dict[str, Any] = {"model": judge.id, "max_tokens": THINKING_TOKENS if thinks else JUDGE_TOKENS}
    if off:
        body["thinking"] = {"type": off}
    body["messages"] = [
        {
            "role": "user",
            "content": f"<question>\n{question}\n</question>\n<first>\n{first}\n</first>\n<second>\n{second}\n</second>\n"
            "Two answers to the question. Would whoever asked be served equally well by either: the same facts, the same "
            "figures, the same advice, nothing that one says and the other denies? Wording and length do not matter. Reply "
            "with one word: same or different.",
        }
    ]
    return msgspec.json.encode(body)


def judged(reply: str) -> bool | None:
    """What the judge said; None where it said neither, or both."""
    told = {word for word in re.findall(r"[a-z]+", reply.lower()) if word in ("same", "different")}
    return told == {"same"} if len(told) == 1 else None

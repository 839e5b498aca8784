"""The judge `llm`: another model says which of two answers is better, in both orders.

Models favour a position: so each pair is shown twice, and only a verdict that survives the swap counts; where the order
decides, it is a tie. The calls are made beforehand (`questions`), like all others of a run; `grade` reads what was said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from thriftgate.core.models import Capabilities
from thriftgate.quality.items import Answer, Item
from thriftgate.quality.judges.judge import Grade, expected_text, ungraded
from thriftgate.quality.rules import Llm

PROMPT = (
    "<question>\n{question}\n</question>\n<answer_a>\n{a}\n</answer_a>\n<answer_b>\n{b}\n</answer_b>\n"
    "Which answer is better? Reply with A, B or tie only."
)
_TAG = re.compile(r"<(/?)(question|answer_[ab])>")
_WORD = re.compile(r"[*_\"'`(\s]*(a|b|tie)\b[\s.*_\"'`)]*", re.IGNORECASE)
_SAY_TOKENS, _THINK_TOKENS = 16, 2_048
_SHOWN = 40

Said = Literal["A", "B", "tie"]


class Verdict(Struct, frozen=True):
    """What was said of a pair: with the judged answer shown as A, then as B."""

    first: Said
    second: Said

    @property
    def quality(self) -> float:
        """1 where the judged answer won both times, 0 where it lost both, else half."""
        won = (self.first == "A") + (self.second == "B")
        lost = (self.first == "B") + (self.second == "A")
        return 1.0 if won == 2 else 0.0 if lost == 2 else 0.5


class LlmJudge:
    """Asks the rule's model. `against` gives the other answer of an item, `said` what was replied to a call, both None
    where there is none."""

    def __init__(
        self,
        rule: Llm,
        capability: Capabilities,
        against: Callable[[Item], str | None],
        said: Callable[[bytes], str | None],
    ) -> None:
        self._rule = rule
        self._capability = capability
        self._against = against
        self._said = said

    def check(self, item: Item) -> str:
        if self._rule.against == "expected" and item.expected is None:
            return "expected: missing; the judge llm compares with it"
        return "" if item.question else "the request has no text of the user that the judge llm could be shown"

    def questions(self, item: Item, answer: Answer) -> tuple[bytes, ...]:
        """The two calls that a grade needs; none where there is nothing to compare with, or both are the same."""
        other = self._other(item)
        if other is None or other == answer.shown:
            return ()
        return self._body(item, answer.shown, other), self._body(item, other, answer.shown)

    def grade(self, item: Item, answer: Answer) -> Grade:
        verdict = self.verdict(item, answer)
        if isinstance(verdict, str):
            return ungraded(verdict)
        return Grade(verdict.quality, f"{verdict.first}, then {verdict.second}")

    def verdict(self, item: Item, answer: Answer) -> Verdict | str:
        """What was said of the pair, or why there is no verdict."""
        if self._other(item) is None:
            return f"no answer of {self._rule.against} to compare with"
        said: list[Said] = []
        for body in self.questions(item, answer):
            reply = self._said(body)
            if reply is None:
                return f"{self._rule.model} gave no verdict"
            word = read_verdict(reply)
            if word is None:
                return f"{self._rule.model} replied {reply[:_SHOWN]!r}, which is not A, B or tie"
            said.append(word)
        return Verdict(said[0], said[1]) if said else Verdict("tie", "tie")

    def _other(self, item: Item) -> str | None:
        return expected_text(item) if self._rule.against == "expected" else self._against(item)

    def _body(self, item: Item, a: str, b: str) -> bytes:
        return judge_body(self._rule, self._capability, item.question, a, b)


def judge_body(rule: Llm, capability: Capabilities, question: str, a: str, b: str) -> bytes:
    """The call that compares two answers. Tags within the texts are defused, so that none ends early."""
    shown = {"question": question, "a": a, "b": b}
    text = PROMPT.format(**{name: _TAG.sub(r"<\1 \2>", value) for name, value in shown.items()})
    body: dict[str, Any] = {
        "model": rule.model,
        "max_tokens": _THINK_TOKENS if capability.thinking_default_on else _SAY_TOKENS,
    }
    if rule.criteria:
        body["system"] = rule.criteria
    body["messages"] = [{"role": "user", "content": text}]
    return msgspec.json.encode(body)


def read_verdict(reply: str) -> Said | None:
    """A, B or tie; None for anything else."""
    found = _WORD.fullmatch(reply)
    words: Mapping[str, Said] = {"a": "A", "b": "B", "tie": "tie"}
    return words[found[1].lower()] if found else None

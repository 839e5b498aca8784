"""Whether a kept answer says the same as the model's own: what a certificate counts."""

from __future__ import annotations

from typing import Protocol

from msgspec.structs import replace

from thriftgate.core.earlier.answer import KeptAnswer
from thriftgate.core.errors import ThriftgateError
from thriftgate.core.levers.reuse_semantic import ReuseSemantic
from thriftgate.core.models import Capabilities
from thriftgate.core.routing.signals import says_the_same, text_of
from thriftgate.core.semantic.judging import judge_body, judged
from thriftgate.engine.reusing.tier import Question
from thriftgate.engine.touch import Purpose, Toucher
from thriftgate.logs import log
from thriftgate.wire.assemble import read_answer

ACCOUNT, ENDPOINT = ReuseSemantic.id, "judge"


class Comparer(Protocol):
    """One way to tell."""

    async def same(self, question: Question, text: str, fresh: KeptAnswer, earlier: KeptAnswer) -> bool | None:
        """Whether `earlier` serves the question `text` as well as `fresh` does; None where that cannot be told."""


class Words:
    """See `Comparer`: the same words and numbers, or the same JSON value."""

    async def same(self, question: Question, text: str, fresh: KeptAnswer, earlier: KeptAnswer) -> bool | None:
        one, other = read_answer(fresh.body), read_answer(earlier.body)
        return None if one is None or other is None else says_the_same(one.content, other.content)


class Judge:
    """See `Comparer`: a model is asked where the words differ. Each of its calls is booked, as a cost of the lever."""

    def __init__(self, model: Capabilities, toucher: Toucher) -> None:
        self._model = model
        self._toucher = toucher
        self._words = Words()

    async def same(self, question: Question, text: str, fresh: KeptAnswer, earlier: KeptAnswer) -> bool | None:
        if await self._words.same(question, text, fresh, earlier):
            return True
        one, other = read_answer(fresh.body), read_answer(earlier.body)
        if one is None or other is None:
            return None
        body = judge_body(self._model, text, text_of(one.content), text_of(other.content))
        call = replace(question.call, body=body, parent=fresh.id)
        try:
            prepared = self._toucher.plan(call, question.key)
            touched = await self._toucher.send(
                call, prepared, Purpose(ACCOUNT, ENDPOINT, "whether two answers say the same")
            )
        except ThriftgateError as error:
            log.warning("answers not compared", error=type(error).__name__)
            return None
        answer = read_answer(touched.body) if touched.entry.outcome == "answered" else None
        return judged(text_of(answer.content)) if answer is not None else None

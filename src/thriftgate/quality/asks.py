"""The calls of an evaluation, before they are made: what to ask whom, and what it will cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from thriftgate.batch.build import WAITS
from thriftgate.batch.planning import Drafted, Planner, Worth
from thriftgate.core.cost import day_of, pico_at
from thriftgate.core.errors import InputError, UnknownPrice
from thriftgate.core.memo import PartMemo
from thriftgate.core.models import Capabilities
from thriftgate.core.prices import Mode, Terms
from thriftgate.core.routing.signals import VERIFIER_TOKENS, verifier_body
from thriftgate.core.routing.task import asked_text, fingerprint, surroundings
from thriftgate.core.tokens import estimate_text
from thriftgate.core.usage import Tokens
from thriftgate.engine.engine import Engine
from thriftgate.quality.answers import key_of
from thriftgate.quality.arms import Arm
from thriftgate.quality.items import Item
from thriftgate.quality.judges.judge import expected_text
from thriftgate.quality.judges.llm import judge_body
from thriftgate.quality.lines import Asked
from thriftgate.quality.rules import Llm

_MEMO_BYTES = 1024 * 1024
_VERDICT_TOKENS, _THOUGHT_TOKENS = 4, 200


class Ask(NamedTuple):
    """One call: an item, put to an arm, for the so-manieth time. `key` names its answer."""

    item: Item
    arm: Arm
    repeat: int
    body: bytes
    key: str


class Estimate(NamedTuple):
    """What calls are expected to use and cost (tokens, pico-USD), and the most they can cost. `judging_pico` and
    `verifying_pico` are the parts of `pico` for calls of judges and of a verifier."""

    calls: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    pico: int = 0
    worst_pico: int = 0
    judging_pico: int = 0
    verifying_pico: int = 0


def asks_of(items: Sequence[Item], arms: Sequence[Arm], repeats: int) -> list[Ask]:
    """All calls, item by item, so that the first few show every arm; none for what an arm has answered already."""
    return [
        Ask(item, arm, repeat, body, key_of(body, repeat))
        for item in items
        for arm in arms
        if arm.name not in item.recorded
        for body in (arm.body(item),)
        for repeat in range(repeats)
    ]


class Pricer:
    """Prices calls by the one planner and the price book, `now` as calls or else in batches."""

    def __init__(self, engine: Engine, credential: str, *, now: bool) -> None:
        self._engine = engine
        self._now = now
        self._planner = Planner(
            engine.knowledge, engine.policy, engine.key_of(credential), WAITS, upstream=engine.upstreams.first
        )
        self._worths: dict[str, Worth] = {}

    def worth(self, ask: Ask) -> Worth:
        """What one call will use and cost. Raises InputError naming the item where it cannot be sent or has no price."""
        found = self._worths.get(ask.key)
        if found is None:
            try:
                found = self._worths[ask.key] = self._measured(ask.body)
            except (InputError, UnknownPrice) as error:
                raise InputError(f"{ask.item.place}, as asked of {ask.arm.name}: {error}") from None
        return found

    def questions(self, bodies: Iterable[bytes]) -> Estimate:
        """Calls about answers that are there."""
        return self._together([self._measured(body) for body in bodies])

    def estimate(self, asks: Sequence[Ask]) -> Estimate:
        """All of these together."""
        return self._together([self.worth(ask) for ask in asks])

    def _together(self, worths: Sequence[Worth]) -> Estimate:
        expected = sum(one.standard_pico if self._now else one.batch_pico for one in worths)
        # Where calls are made one by one, the worst is twice that of a batch: every rate is.
        worst = sum(one.worst_pico for one in worths) * (2 if self._now else 1)
        return Estimate(
            len(worths),
            sum(one.prompt_tokens for one in worths),
            sum(one.output_tokens for one in worths),
            expected,
            worst,
        )

    def judging(self, rule: Llm, item: Item, said_tokens: int) -> Estimate:
        """What a judge will take for a pair of answers to an item that are still to come, of about `said_tokens` each: two
        calls."""
        model = self._engine.knowledge.models[rule.model]
        other = said_tokens
        if rule.against == "expected":
            other = estimate_text(expected_text(item).encode(), model.tokenizer).tokens
        body = judge_body(rule, model, item.question, "", "")
        prompt = estimate_text(body, model.tokenizer).tokens + said_tokens + other
        thinks = _THOUGHT_TOKENS if model.thinking_default_on else 0
        terms = Terms(rule.model, day_of(self._engine.clock.now_s()), "standard" if self._now else "batch", "global")
        rates = self._engine.knowledge.book.rates(terms, prompt)
        expected = Tokens(input=prompt, output=_VERDICT_TOKENS + thinks)
        pico = 2 * pico_at(expected, rates)
        return Estimate(2, 2 * prompt, 2 * expected.output, pico, 2 * pico, pico)

    def verifying(self, model: Capabilities, ask: Ask) -> Estimate:
        """What a verifier will take for the answer to a call, which is still to come."""
        body = verifier_body(model, ask.item.question, [{"type": "text", "text": "…"}])
        if not body:
            return Estimate()
        said, worth, drafted = self.worth(ask), self._measured(body), self._draft(body)
        answer_max, room = self._draft(ask.body).request.max_tokens, drafted.request.max_tokens
        mode: Mode = "standard" if self._now else "batch"
        rates = self._planner.rates(drafted, mode, worth.prompt_tokens)
        thinks = _THOUGHT_TOKENS if room > VERIFIER_TOKENS else 0
        expected = Tokens(input=worth.prompt_tokens + said.output_tokens, output=_VERDICT_TOKENS + thinks)
        worst = Tokens(write_1h=worth.prompt_tokens + answer_max, output=room)
        pico = pico_at(expected, rates)
        return Estimate(1, expected.input, expected.output, pico, pico_at(worst, rates), 0, pico)

    def worst_pico(self, body: bytes) -> int:
        """The most that one call can cost (pico-USD)."""
        return self._planner.worst_call_pico(body, self._engine.clock.now_s())

    def recorded_pico(self, ask_body: bytes, text: str) -> int:
        """What a call with this answer costs by itself (pico-USD), by estimates of its tokens."""
        drafted = self._draft(ask_body)
        worth = self._planner.worth(drafted)
        output = estimate_text(text.encode(), drafted.snapshot.state.capability.tokenizer).tokens
        rates = self._planner.rates(drafted, "standard", worth.prompt_tokens)
        return pico_at(Tokens(input=worth.prompt_tokens, output=output), rates)

    def seen(self, item: Item, body: bytes) -> Asked:
        """What an item asks, as routing sees a live call."""
        drafted = self._draft(body)
        request = drafted.request
        member = request.members["messages"]
        family = drafted.snapshot.state.capability.tokenizer
        turns = tuple(PartMemo(_MEMO_BYTES).conversation(body, member.start, member.end, family).turns)
        tokens = drafted.snapshot.estimate.tokens
        return Asked(asked_text(turns), surroundings(request, turns, item.task or fingerprint(request), tokens), request)

    def _measured(self, body: bytes) -> Worth:
        return self._planner.worth(self._draft(body))

    def _draft(self, body: bytes) -> Drafted:
        return self._planner.draft(body, self._engine.clock.now_s())


def added(estimates: Sequence[Estimate]) -> Estimate:
    """The sum of estimates."""
    return Estimate(*(sum(values) for values in zip(*estimates, strict=True))) if estimates else Estimate()

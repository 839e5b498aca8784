"""What a client's own batch may cost, request by request as its body comes in: known before anything of it is sent."""

from __future__ import annotations

from msgspec import Struct

from thriftgate.core.cost import day_of
from thriftgate.core.errors import InputError, PolicyRefusal, TooLarge, UnknownPrice
from thriftgate.core.levers.count_guard import CountGuard
from thriftgate.core.money import price_tokens, usd_from_pico
from thriftgate.core.plan import Policy
from thriftgate.core.prices import Terms
from thriftgate.core.request import parse_request
from thriftgate.core.tokens import Estimate, estimate_text, framing_tokens
from thriftgate.engine.snapshot import Knowledge
from thriftgate.wire.anthropic_batches import REQUESTS_MAX
from thriftgate.wire.batch_body import BatchBody, Item


class Draft(Struct, frozen=True, gc=False):
    """One request of a client's batch: its name, and what it may cost (pico-USD)."""

    name: str
    model: str
    forecast_pico: int
    worst_pico: int


class Intake:
    """Reads one body. `limit_pico` is the most the caller allows the whole batch to cost; the policy's own limit is for each
    request of it. `drafts` are the requests so far.

    `feed` and `close` raise InputError, TooLarge, UnknownPrice and PolicyRefusal. Whatever `params` a provider would answer
    with an error of that one request pass.
    """

    def __init__(self, knowledge: Knowledge, policy: Policy, key: str, now_s: float, limit_pico: int | None = None) -> None:
        self.drafts: list[Draft] = []
        self.model = ""  # the one that was looked at last
        self._knowledge = knowledge
        self._policy = policy
        self._key = key
        self._now_s = now_s
        self._limit_pico = limit_pico
        self._worst_pico = 0
        self._names: set[str] = set()
        self._body = BatchBody()

    def feed(self, piece: bytes) -> None:
        """The next piece of the body."""
        for item in self._body.feed(piece):
            self._add(item)

    def close(self) -> list[Draft]:
        """The body has ended. All of its requests, in order."""
        for item in self._body.close():
            self._add(item)
        self._names.clear()
        return self.drafts

    def _add(self, item: Item) -> None:
        number = len(self.drafts)
        if item.custom_id in self._names:
            raise InputError(
                f"requests.{number}.custom_id: custom_id must be unique; found duplicate: {item.custom_id[:80]}"
            )
        if number >= REQUESTS_MAX:
            raise TooLarge(f"requests: at most {REQUESTS_MAX} are allowed in a batch")
        self._names.add(item.custom_id)
        self.model = item.model
        try:
            draft = self._priced(item)
        except UnknownPrice as error:
            raise UnknownPrice(f"requests.{number}: {error}") from None
        self._guard(number, draft)
        self.drafts.append(draft)

    def _priced(self, item: Item) -> Draft:
        """Raises UnknownPrice."""
        if not item.model:  # surely not billed: the item ends as errored
            return Draft(item.custom_id, "", 0, 0)
        knowledge = self._knowledge
        prompt = self._prompt(item)
        output = knowledge.memory.expected_output(self._key, item.model, item.max_tokens)
        terms = Terms(item.model, day_of(self._now_s), "batch", item.geo or "global")
        rates, dearest = knowledge.book.rates(terms, prompt.tokens), knowledge.book.rates(terms, prompt.upper)
        write = dearest.write_1h if b'"cache_control"' in item.params else dearest.input
        return Draft(
            item.custom_id,
            item.model,
            price_tokens(prompt.tokens, rates.input) + price_tokens(output, rates.output),
            price_tokens(prompt.upper, write) + price_tokens(item.max_tokens, dearest.output),
        )

    def _prompt(self, item: Item) -> Estimate:
        """Tokens of the prompt: by the length and kind of its bytes, as if all of them were text. Where it may hold images
        or files, of which bytes tell nothing, it is measured block by block. A prompt longer than the window is refused by
        the provider, and free."""
        capability = self._knowledge.models[item.model]
        estimate: Estimate | None = None
        if b'"source"' in item.params:
            try:
                state = self._knowledge.snapshot(parse_request(item.params), self._key, self._now_s).state
                estimate = Estimate(state.cumulative[-1], state.upper[-1]) if state.cumulative else None
            except InputError:  # the provider's to judge
                estimate = None
        if estimate is None:
            tools = capability.tool_prompt_forced_tokens if b'"tools"' in item.params else 0
            frame = framing_tokens(capability.tokenizer, messages=1, tool_prompt_tokens=tools)
            estimate = estimate_text(item.params, capability.tokenizer) + frame
        window = capability.context_tokens
        return Estimate(min(estimate.tokens, window), min(estimate.upper, window))

    def _guard(self, number: int, draft: Draft) -> None:
        """What `count.guard` does for a call. Raises PolicyRefusal."""
        self._worst_pico += draft.worst_pico
        policy = self._policy
        if CountGuard.id not in policy.levers or policy.on_cost_limit != "refuse":
            return
        if policy.cost_limit_pico is not None and draft.worst_pico > policy.cost_limit_pico:
            raise PolicyRefusal(
                f"requests.{number} could cost up to ${usd_from_pico(draft.worst_pico)}, over the limit of "
                f"${usd_from_pico(policy.cost_limit_pico)} for a call; shorten it, lower max_tokens, or raise the limit"
            )
        if self._limit_pico is not None and self._worst_pico > self._limit_pico:
            raise PolicyRefusal(
                f"the first {number + 1} requests of this batch could cost up to ${usd_from_pico(self._worst_pico)}, over "
                f"the limit of ${usd_from_pico(self._limit_pico)}; send fewer, or raise the limit"
            )

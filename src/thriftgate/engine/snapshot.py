"""Gather all that one decision may know into a frozen `State`."""

from __future__ import annotations

from msgspec import Struct

from thriftgate.core.cache import CacheRules
from thriftgate.core.memo import PartMemo
from thriftgate.core.models import Capabilities, ModelTable
from thriftgate.core.prefix import Prefix, read_prefix
from thriftgate.core.prices import PriceBook
from thriftgate.core.request import Request
from thriftgate.core.state import State
from thriftgate.core.tokens import PromptTokens, TokenMemory, framing_tokens
from thriftgate.engine.memory import Memory
from thriftgate.logs import log


class Snapshot(Struct, frozen=True):
    """The state for the planner, and the token estimate to be compared with the bill afterwards."""

    state: State
    estimate: PromptTokens


class Knowledge:
    """Everything the engine learned and was told: price book, capability table, memories. One per engine."""

    def __init__(self, book: PriceBook, models: ModelTable, rules: CacheRules, *, boundaries_max: int = 100_000) -> None:
        self.book = book
        self.models = models
        self.rules = rules
        self.memory = Memory(boundaries_max)
        self.tokens = TokenMemory(boundaries_max)
        self.parts = PartMemo()
        self._drifted: set[str] = set()

    def snapshot(self, request: Request, key: str, now_s: float) -> Snapshot:
        """Read the request's prefix and freeze what is known about it. Raises InputError for malformed content."""
        capability = self.models[request.model]
        prefix = read_prefix(request, capability, self.parts, key.encode())
        parts = [block.part for block in prefix.blocks]
        estimate = self.tokens.estimate(capability.id, prefix.chain, parts, _framing(prefix, request, capability))
        state = State(
            now_s=now_s,
            usable_s=now_s,
            capability=capability,
            book=self.book,
            prefix=prefix,
            cumulative=estimate.cumulative,
            upper=estimate.upper,
            output_tokens=self.memory.expected_output(key, request.model, request.max_tokens),
            residency=self.memory.residency_of(prefix.chain),
            sightings=self.memory.sightings_of(prefix.chain, now_s),
            rules=self.rules,
            in_thread=request.in_thread,
        )
        return Snapshot(state, estimate)

    def learn_tokens(self, snapshot: Snapshot, exact: int) -> None:
        """Take in how long a prompt really was. Says so, once a model, when estimates are off for good: the model may have a
        vocabulary this version does not know."""
        state = snapshot.state
        model = state.capability.id
        self.tokens.learn(model, state.prefix.chain[-1], exact, snapshot.estimate)
        if model not in self._drifted and self.tokens.correction(model).drifted():
            self._drifted.add(model)
            log.warning("token estimates are off", model=model, ratio=round(self.tokens.correction(model).ratio, 2))


def _framing(prefix: Prefix, request: Request, capability: Capabilities) -> list[int]:
    """Tokens the provider adds just before each block: once a request, once a message, and with any tool its own prompt."""
    choice = request.raw("tool_choice")
    forced = b'"any"' in choice or b'"tool"' in choice
    tool_prompt = capability.tool_prompt_forced_tokens if forced else capability.tool_prompt_tokens
    fixed = framing_tokens(
        capability.tokenizer, messages=0, tool_prompt_tokens=tool_prompt if "tools" in request.members else 0
    ).tokens
    message = (
        framing_tokens(capability.tokenizer, messages=1).tokens - framing_tokens(capability.tokenizer, messages=0).tokens
    )
    framing = [message if block.section == "messages" and block.item == 0 else 0 for block in prefix.blocks]
    if framing:
        framing[0] += fixed
    return framing

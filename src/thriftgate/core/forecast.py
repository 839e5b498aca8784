"""What a drafted call is expected to use and cost, and the most it can cost."""

from __future__ import annotations

from thriftgate.core import cache
from thriftgate.core.cost import pico_at
from thriftgate.core.foreign import is_foreign
from thriftgate.core.money import price_tokens
from thriftgate.core.plan import Draft, Forecast
from thriftgate.core.routing.choice import scaled
from thriftgate.core.state import State
from thriftgate.core.usage import Tokens


def forecast(draft: Draft, state: State) -> Forecast:
    """Expected and worst-case cost of a draft. Raises UnknownPrice."""
    tokens = cache.bill(
        state.prefix,
        state.cumulative,
        draft.breakpoints,
        state.residency,
        now_s=state.now_s,
        cache_min_tokens=state.capability.cache_min_tokens,
        rules=state.rules,
        output=min(state.output_tokens, draft.max_tokens),
    ).tokens
    tokens = _as_asked(tokens, draft, state)
    rates = state.book.rates(draft.terms, tokens.prompt)
    return Forecast(tokens, pico_at(tokens, rates), worst_case(draft, state))


def _as_asked(tokens: Tokens, draft: Draft, state: State) -> Tokens:
    """Tokens of the model that the client named, before a lever has put another in its place."""
    choice = state.route.choice if state.route is not None else None
    if choice is None or draft.terms.model != choice.asked or choice.served == choice.asked:
        return tokens
    return scaled(tokens, choice.ratio)


def worst_case(draft: Draft, state: State) -> int:
    """The most the call can cost (pico-USD): upper token count, nothing read from the cache, the whole of max_tokens.

    A prompt longer than the context window is refused and free; of a thread, whose history the provider holds, the whole
    window is assumed. Fees of server tools (web searches) come on top: their number is the provider's to decide.
    """
    window = state.capability.context_tokens
    upper = window if state.in_thread else min(state.upper[-1], window) if state.upper else 0
    rates = state.book.rates(draft.terms, upper)
    ttls = {mark.ttl for mark in draft.breakpoints}
    unasked = is_foreign(draft.terms.model)  # others cache prefixes by themselves, and may ask a price for writing them
    prompt_rate = rates.write_1h if "1h" in ttls else rates.write_5m if ttls or unasked else rates.input
    return price_tokens(upper, max(prompt_rate, rates.input)) + price_tokens(draft.max_tokens, rates.output)

"""The most that a drafted call can use."""

from __future__ import annotations

from thriftgate.core.agents.limits import Amount
from thriftgate.core.forecast import worst_case
from thriftgate.core.plan import Draft
from thriftgate.core.state import State


def worst_of(draft: Draft, state: State) -> Amount:
    """Tokens and pico-USD: the upper count of the prompt, or the window of a thread, and the whole of `max_tokens`. Raises
    UnknownPrice."""
    window = state.capability.context_tokens
    prompt = window if state.in_thread else min(state.upper[-1], window) if state.upper else 0
    return Amount(prompt + draft.max_tokens, worst_case(draft, state))

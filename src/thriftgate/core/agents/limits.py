"""How far an agent may go, and whether this call would take it too far.

A ceiling holds for sure when it stops: a call passes only if what was spent, plus the most that calls under way can still
cost, plus the most that this one can cost, is within it. Each call costs at most its worst case, so the sum never passes
the ceiling, however many calls run at once. The price of that: the last call that would have fitted may be refused, since
its worst case counts an answer of `max_tokens` and nothing read from the cache. Fees and repeated prompts of server tools
(web search) are not in the worst case: their number is the provider's to decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from msgspec import Struct

from thriftgate.core.agents.loops import Loop, LoopLimits
from thriftgate.core.money import usd_from_pico

Response = Literal["stop", "warn"]


class GuardLimits(Struct, frozen=True):
    """Ceilings; 0 is none. Tokens are all tokens of prompts and answers, whatever they cost; pico is pico-USD.

    `call`: one call in the worst case. `conversation` and `run`: all calls of one. `steps`: rounds of tool calls since the
    user last spoke; the call that sends the results of the last one is allowed. `loops` is None where loops are not looked
    for. `on_limit` and `on_loop` say what follows.
    """

    call_tokens: int = 0
    call_pico: int = 0
    conversation_tokens: int = 0
    conversation_pico: int = 0
    run_tokens: int = 0
    run_pico: int = 0
    steps: int = 0
    loops: LoopLimits | None = LoopLimits()
    on_limit: Response = "stop"
    on_loop: Response = "warn"

    @property
    def ceilings(self) -> bool:
        """Whether there is any."""
        tokens = self.call_tokens or self.conversation_tokens or self.run_tokens
        return bool(tokens or self.call_pico or self.conversation_pico or self.run_pico or self.steps)


class Amount(NamedTuple):
    """Tokens, and what they cost in pico-USD."""

    tokens: int = 0
    pico: int = 0


class Spent(Struct, frozen=True):
    """What a conversation or a run has used, over how many calls, and the most that its calls under way can still use."""

    used: Amount = Amount()
    under_way: Amount = Amount()
    calls: int = 0


class Guard(Struct, frozen=True):
    """What is known of the agent that calls. `run` is None where the client names none; `steps` counts up to one more than
    the limit."""

    limits: GuardLimits
    conversation: Spent = Spent()
    run: Spent | None = None
    steps: int = 0
    loop: Loop | None = None


class Verdict(Struct, frozen=True):
    """What to do about a call; `reason` is a sentence for the caller, "" where there is nothing to say."""

    action: Literal["", "warn", "stop"] = ""
    reason: str = ""


def judge(guard: Guard, worst: Amount) -> Verdict:
    """Whether a call that uses at most `worst` may go out. A stop gives the first reason for it, a warning all of them."""
    limits = guard.limits
    found = [(limits.on_limit, reason) for reason in _over(guard, worst)]
    if guard.loop is not None:
        found.append((limits.on_loop, _looping(guard.loop, limits.on_loop)))
    stops = [reason for action, reason in found if action == "stop"]
    if stops:
        return Verdict("stop", stops[0])
    return Verdict("warn", "; ".join(reason for _, reason in found)) if found else Verdict()


def _looping(loop: Loop, action: Response) -> str:
    if action == "warn":
        return f"the agent seems to be in a loop: {loop.reason}"
    return (
        f"the agent seems to be in a loop: {loop.reason}; nothing was sent. Tell it something new, or raise the limits of "
        f"[guard.loops]"
    )


def _over(guard: Guard, worst: Amount) -> Iterator[str]:
    limits = guard.limits
    if limits.call_tokens and worst.tokens > limits.call_tokens:
        yield (
            f"this call could use up to {worst.tokens} tokens, over the ceiling of {limits.call_tokens} per call; "
            f"shorten the prompt, lower max_tokens, or raise guard.call_tokens"
        )
    if limits.call_pico and worst.pico > limits.call_pico:
        yield (
            f"this call could cost up to ${usd_from_pico(worst.pico)}, over the ceiling of "
            f"${usd_from_pico(limits.call_pico)} per call; shorten the prompt, lower max_tokens, or raise guard.call_usd"
        )
    ceilings = Amount(limits.conversation_tokens, limits.conversation_pico)
    yield from _spent_over("conversation", guard.conversation, worst, ceilings)
    if guard.run is not None:
        yield from _spent_over("run", guard.run, worst, Amount(limits.run_tokens, limits.run_pico))
    if limits.steps and guard.steps > limits.steps:
        yield (
            f"the agent has made more than {limits.steps} rounds of tool calls since the user last spoke, its ceiling; "
            f"tell it how to go on, or raise guard.steps"
        )


def _spent_over(what: str, spent: Spent, worst: Amount, ceilings: Amount) -> Iterator[str]:
    used, under_way = spent.used, spent.under_way
    advice = f"begin a new {what}, lower max_tokens, or raise guard.{what}_"
    if ceilings.tokens and used.tokens + under_way.tokens + worst.tokens > ceilings.tokens:
        waiting = f", calls under way may use {under_way.tokens}" if under_way.tokens else ""
        yield (
            f"this {what} has used {used.tokens} tokens in {spent.calls} calls{waiting} and this call could use up to "
            f"{worst.tokens} more, over the ceiling of {ceilings.tokens} per {what}; {advice}tokens"
        )
    if ceilings.pico and used.pico + under_way.pico + worst.pico > ceilings.pico:
        waiting = f", calls under way may cost ${usd_from_pico(under_way.pico)}" if under_way.pico else ""
        yield (
            f"this {what} has cost ${usd_from_pico(used.pico)} in {spent.calls} calls{waiting} and this call could cost up "
            f"to ${usd_from_pico(worst.pico)} more, over the ceiling of ${usd_from_pico(ceilings.pico)} per {what}; "
            f"{advice}usd"
        )

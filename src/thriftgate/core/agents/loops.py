"""Runaway loops: an agent that makes the same calls again and again, or goes on without learning anything.

Only what a request carries is looked at, and of that the last rounds. Results decide: the same call with a result that
differs is progress (a job that is polled), the same call with the same result is not. Calls made at once are one round, so
five identical calls in one message are one. What the user says begins anew.

Others count alike: OpenHands four same calls with the same result or three with an error since the user last spoke
(docs.openhands.dev/sdk/guides/agent-stuck-detector, 2026-11), Gemini CLI five same calls. Where results are not looked at,
users complain that polling is taken for a loop (OpenHands/software-agent-sdk#762, macanderson/stella#359).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice, takewhile
from typing import Literal

from msgspec import Struct

from thriftgate.core.agents.rounds import Round, Rounds
from thriftgate.core.agents.said import Reader
from thriftgate.core.blocks import DIGEST_BYTES
from thriftgate.core.memo import Turn

FEWEST = 2  # rounds in any loop
PERIOD_MAX = 4  # rounds in the longest cycle
TOOLS_NAMED = 4
ROUNDS_PER_NEWS = 4  # at least, where one call is made often
BEFORE = 4  # times as many rounds as may bring nothing are looked at for what was there before

Kind = Literal["repeated", "cycle", "often", "stalled", "polling"]


class LoopLimits(Struct, frozen=True):
    """What counts as a loop, in rounds of tool calls; 0 switches a rule off.

    `repeats`: the same calls so often in a row, with the same results or with errors each time. `cycles`: a cycle of two to
    four rounds so often, alike. `often`: the same call with the same result in so many of the last `window` rounds, where at
    most a quarter of them, from the first of these on, brought something new (a check after each of many edits is no loop).
    Neither of the two counts one call over and over.
    `stalled`: so many rounds in a row that brought nothing new: calls that were made before, with results that were there
    before or with errors, and errors of other calls that were there before or that stand beside words said before.
    `polls`: so many rounds of one call or one cycle, whatever they bring.
    """

    repeats: int = 5
    cycles: int = 3
    often: int = 6
    window: int = 24
    stalled: int = 10
    polls: int = 60

    def depth(self) -> int:
        """Rounds that have to be looked at."""
        cycles = self.cycles * PERIOD_MAX
        often = self.window if self.often else 0
        return max(self.repeats, cycles, often, BEFORE * self.stalled, self.polls)


class Loop(Struct, frozen=True):
    """A loop that was found: its kind, how often, over how many rounds, and one sentence that names counts and tools, and
    nothing else of the prompt."""

    kind: Kind
    times: int
    rounds: int
    reason: str


def find_loop(turns: Sequence[Turn], limits: LoopLimits, reader: Reader) -> Loop | None:
    """The loop that the conversation is in, if any. Its newest round is always part of it. Deterministic; costs the new
    messages and a glance at the last rounds, however long the conversation is; rules are only asked that can apply."""
    if len(turns) < 2 * FEWEST - 1:
        return None
    rounds = Rounds(turns, limits.depth(), reader)
    newest = rounds.at(0)
    if newest is None or (newest.brought and not rounds.may_repeat()) or rounds.at(FEWEST - 1) is None:
        return None
    called = [_reach(rounds, 1, _called)]
    called += [_reach(rounds, period, _called) if called[0] < period else 0 for period in _CYCLES]  # else it goes no further
    return (
        _repeated(rounds, called, limits)
        or _cycle(rounds, called, limits)
        or _idle(rounds, called, limits)
        or _polling(rounds, called, limits)
    )


_CYCLES = range(2, PERIOD_MAX + 1)


def _called(one: Round, other: Round) -> bool:
    return one.calls == other.calls


def _alike(one: Round, other: Round) -> bool:
    return one.calls == other.calls and (one.results == other.results or (one.failed and other.failed))


def _reach(rounds: Rounds, period: int, same: Callable[[Round, Round], bool]) -> int:
    """How many of the newest rounds repeat with this period, the first time included; 0 where none does."""
    at = 0
    while (older := rounds.at(at + period)) is not None:
        newer = rounds.at(at)
        if newer is None or not same(older, newer):
            break
        at += 1
    return at + period if at else 0


def _repeated(rounds: Rounds, called: Sequence[int], limits: LoopLimits) -> Loop | None:
    times = _reach(rounds, 1, _alike) if called[0] >= limits.repeats else 0
    if not 0 < limits.repeats <= times:
        return None
    (newest,) = rounds.first(1)
    if not newest.tools:
        reason = f"the assistant gave the same answer {times} times in a row, to the same reply each time"
    else:
        brought = "failed" if newest.failed else "brought the same result"
        reason = f"{_named([newest])} made the same call {times} times in a row, and it {brought} each time"
    return Loop("repeated", times, times, reason)


def _cycle(rounds: Rounds, called: Sequence[int], limits: LoopLimits) -> Loop | None:
    for period in _CYCLES:
        if not 0 < limits.cycles <= called[period - 1] // period:
            continue
        reach = _reach(rounds, period, _alike)
        if limits.cycles <= reach // period:
            reason = (
                f"the same {period} {_what(rounds.first(period)[::-1])} came {reach // period} times over, with the same "
                f"results or with errors each time"
            )
            return Loop("cycle", reach // period, reach, reason)
    return None


def _idle(rounds: Rounds, called: Sequence[int], limits: LoopLimits) -> Loop | None:
    """Loops that bring little or nothing new. Whether a round does takes a look at all before it, which is put off until it
    is clear that enough of the newest ones made calls that were made before."""
    counted = rounds.counted()
    if not (_may_be_often(rounds, called, counted, limits) or _may_be_stalled(rounds, counted, limits)):
        return None
    every = rounds.first(limits.depth())[::-1]
    news = _news(every)
    return _often(every, called, news, limits) or _stalled(every, news, limits)


def _may_be_often(rounds: Rounds, called: Sequence[int], counted: dict[bytes, int], limits: LoopLimits) -> bool:
    (newest,) = rounds.first(1)
    if not limits.often or max(counted.get(call.digest, 0) for call in newest.calls) < limits.often:
        return False
    last = [dict(zip(one.calls, one.results, strict=True)) for one in rounds.first(limits.window)]
    fresh: list[bool] = []
    for call, result in zip(newest.calls, newest.results, strict=True):
        alike = [at for at, made in enumerate(last) if made.get(call) == result]
        if called[0] < len(alike) >= limits.often:
            span = alike[-1] + 1
            fresh = fresh or list(islice(_fresh(rounds, counted), limits.window))
            if sum(fresh[:span]) * ROUNDS_PER_NEWS <= span:
                return True
    return False


def _may_be_stalled(rounds: Rounds, counted: dict[bytes, int], limits: LoopLimits) -> bool:
    fresh = list(takewhile(operator.not_, islice(_fresh(rounds, counted), limits.stalled)))
    return 0 < limits.stalled == len(fresh)


def _fresh(rounds: Rounds, counted: dict[bytes, int]) -> Iterator[bool]:
    """Whether each round, newest first, surely brought something new: no error, and a call or a result that stands in none
    before it."""
    left = counted.copy()
    for back in count():
        one = rounds.at(back)
        if one is None:
            return
        for digest in {each[0] for each in one.results}.union([call.digest for call in one.calls]):
            left[digest] = left.get(digest, 0) - 1
        fresh = False
        for call, result in zip(one.calls, one.results, strict=True):
            if call.tool and not result.failed and not fresh:
                fresh = left[call.digest] <= 0 or (len(result.digest) == DIGEST_BYTES and left[result.digest] <= 0)
        yield fresh


def _news(rounds: Sequence[Round]) -> list[bool]:
    """Whether each round brought something new (see `LoopLimits.stalled`)."""
    seen: set[object] = set()
    news: list[bool] = []
    for one in rounds:
        news.append(not _is_old(one, seen))
        seen.update(one.calls, one.results, (one.words,))
    return news


def _is_old(one: Round, seen: set[object]) -> bool:
    same_words = bool(one.words) and one.words in seen
    for call, result in zip(one.calls, one.results, strict=True):
        again, known = call in seen, result in seen
        old = (again and (known or result.failed)) or (result.failed and (known or same_words))
        if not old:
            return False
    return True


def _often(rounds: Sequence[Round], called: Sequence[int], news: Sequence[bool], limits: LoopLimits) -> Loop | None:
    if not limits.often:
        return None
    made = [dict(zip(one.calls, one.results, strict=True)) for one in rounds]
    start = max(0, len(rounds) - limits.window)
    for call, result in made[-1].items():
        alike = [at for at in range(start, len(rounds)) if made[at].get(call) == result]
        if not call.tool or len(alike) < limits.often or called[0] >= len(alike):
            continue
        span = news[alike[0] :]
        if sum(span) * ROUNDS_PER_NEWS <= len(span):
            reason = f"{call.tool} made the same call in {len(alike)} of {len(span)} rounds, with the same result each time"
            return Loop("often", len(alike), len(span), reason)
    return None


def _stalled(rounds: Sequence[Round], news: Sequence[bool], limits: LoopLimits) -> Loop | None:
    times = next((times for times, new in enumerate(reversed(news)) if new), len(news))
    if not 0 < limits.stalled <= times:
        return None
    reason = f"the last {times} {_what(rounds[-times:])} brought nothing new, only errors or results that were there before"
    return Loop("stalled", times, times, reason)


def _polling(rounds: Rounds, called: Sequence[int], limits: LoopLimits) -> Loop | None:
    for period, reach in enumerate(called, 1):
        last = rounds.first(period)[::-1]
        if 0 < limits.polls <= reach and all(one.tools for one in last):
            reason = f"{_named(last)} made the same calls over and over, for {reach} rounds, if with changing results"
            return Loop("polling", reach // period, reach, reason)
    return None


def _what(rounds: Sequence[Round]) -> str:
    named = _named(rounds)
    return f"rounds of calls ({named})" if named else "answers without a call"


def _named(rounds: Sequence[Round]) -> str:
    """Names of tools, the first few."""
    names = list(dict.fromkeys(tool for one in rounds for tool in one.tools))
    more = [f"{len(names) - TOOLS_NAMED} more"] if len(names) > TOOLS_NAMED else []
    return ", ".join(names[:TOOLS_NAMED] + more)

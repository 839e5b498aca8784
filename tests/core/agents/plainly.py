"""Loops, looked for without any short cut: all rounds are read first to last, and every rule is asked. What
`thriftgate.core.agents.loops` finds has to be the same."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from thriftgate.core.agents.loops import PERIOD_MAX, ROUNDS_PER_NEWS, Kind, LoopLimits
from thriftgate.core.agents.rounds import NUDGES, Round
from thriftgate.core.agents.said import Call, Reader, Result, Said
from thriftgate.core.memo import Turn

Found = tuple[Kind, int, int]  # kind, times, rounds
_PERIODS = range(1, PERIOD_MAX + 1)


class _Look(NamedTuple):
    alike: tuple[int, ...]
    called: tuple[int, ...]


def loop_plainly(turns: Sequence[Turn], limits: LoopLimits, reader: Reader) -> Found | None:
    rounds = rounds_plainly(turns, limits.depth(), reader)
    if len(rounds) < 2:
        return None
    look = _Look(*(tuple(_reach(rounds, period, same) for period in _PERIODS) for same in (_alike, _called)))
    news = _news(rounds)
    return (
        _repeated(look, limits)
        or _cycle(look, limits)
        or _often(rounds, look, news, limits)
        or _stalled(news, limits)
        or _polling(rounds, look, limits)
    )


def rounds_plainly(turns: Sequence[Turn], most: int, reader: Reader) -> list[Round]:
    """Oldest first."""
    rounds: deque[Round] = deque(maxlen=most)
    heard: deque[bytes] = deque(maxlen=NUDGES)
    asked: Said | None = None
    for said in _joined(map(reader.said, turns[-2 * most - 1 :])):
        if said.role == "assistant":
            asked = said
            continue
        if asked is not None:
            rounds.append(_round(asked, said))
        if said.speech and said.speech not in heard:
            rounds.clear()
        heard.append(said.speech)
        asked = None
    if asked is not None and asked.results:  # of server tools: they stand in the answer that is to be continued
        rounds.append(_round(asked, Said()))
    return list(rounds)


def _joined(messages: Iterable[Said]) -> list[Said]:
    """Messages of one role in a row as one, as the provider takes them."""
    joined: list[Said] = []
    for said in messages:
        if joined and joined[-1].role == said.role:
            joined[-1] = _both(joined[-1], said)
        elif said.role:
            joined.append(said)
    return joined


def _both(one: Said, other: Said) -> Said:
    return Said(
        one.role,
        one.calls + other.calls,
        one.results + other.results,
        one.text + other.text,
        one.command + other.command,
        one.speech + other.speech,
    )


def _round(asked: Said, reply: Said) -> Round:
    if not asked.calls:
        return Round((Call("", asked.command),), (Result(reply.text),), asked.text)
    results = dict(asked.results + reply.results)
    if len(asked.calls) == 1:
        ((call_id, call),) = asked.calls
        return Round((call,), (results.get(call_id, Result(b"")),), asked.text)
    by_call: dict[Call, list[Result]] = {}
    for call_id, call in asked.calls:
        by_call.setdefault(call, []).append(results.get(call_id, Result(b"")))
    calls = sorted(by_call, key=lambda call: call.digest)
    return Round(tuple(calls), tuple(_together(by_call[call]) for call in calls), asked.text)


def _together(results: Sequence[Result]) -> Result:
    """The result of a call that was made several times at once."""
    if len(results) == 1:
        return results[0]
    return Result(b"".join(sorted({one.digest for one in results})), all(one.failed for one in results))


def _called(one: Round, other: Round) -> bool:
    return one.calls == other.calls


def _alike(one: Round, other: Round) -> bool:
    return one.calls == other.calls and (one.results == other.results or (one.failed and other.failed))


def _reach(rounds: Sequence[Round], period: int, same: Callable[[Round, Round], bool]) -> int:
    """How many of the newest rounds repeat with this period, the first time included; 0 where none does."""
    at = len(rounds) - 1
    while at >= period and same(rounds[at - period], rounds[at]):
        at -= 1
    reach = len(rounds) - 1 - at
    return reach + period if reach else 0


def _repeated(look: _Look, limits: LoopLimits) -> Found | None:
    times = look.alike[0]
    return ("repeated", times, times) if 0 < limits.repeats <= times else None


def _cycle(look: _Look, limits: LoopLimits) -> Found | None:
    for period in _PERIODS[1:]:
        reach = look.alike[period - 1]
        if look.called[0] < period and 0 < limits.cycles <= reach // period:
            return "cycle", reach // period, reach
    return None


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


def _often(rounds: Sequence[Round], look: _Look, news: Sequence[bool], limits: LoopLimits) -> Found | None:
    if not limits.often:
        return None
    made = [list(zip(one.calls, one.results, strict=True)) for one in rounds]
    start = max(0, len(rounds) - limits.window)
    for call, result in made[-1]:
        alike = [at for at in range(start, len(rounds)) if (call, result) in made[at]]
        if not call.tool or len(alike) < limits.often or look.called[0] >= len(alike):
            continue
        span = news[alike[0] :]
        if sum(span) * ROUNDS_PER_NEWS <= len(span):
            return "often", len(alike), len(span)
    return None


def _stalled(news: Sequence[bool], limits: LoopLimits) -> Found | None:
    times = next((times for times, new in enumerate(reversed(news)) if new), len(news))
    return ("stalled", times, times) if 0 < limits.stalled <= times else None


def _polling(rounds: Sequence[Round], look: _Look, limits: LoopLimits) -> Found | None:
    for period in _PERIODS:
        reach = look.called[period - 1]
        if 0 < limits.polls <= reach and all(one.tools for one in rounds[-period:]):
            return "polling", reach // period, reach
    return None

"""When to cut: fixed rules, and ours."""

from __future__ import annotations

from msgspec.structs import replace

from benchmarks.context.replay import SUMMARY, Turn
from benchmarks.context.talks import Sent, Talk
from benchmarks.context.worlds import World
from thriftgate.core.reduction.cuts import compaction
from thriftgate.core.reduction.further import SILENCE_S, Further, growth
from thriftgate.core.reduction.when import History, decide
from thriftgate.core.request import Ttl

GRID = tuple(1_000 * each for each in (20, 25, 30, 35, 40, 45, 50, 60, 80, 100, 130, 160))
BLOG, LATE, OURS = "every 10 turns keep 4", "at 160k", "thriftgate"
_LAPSES_FIRST_GUESS = 1.0, 20.0


class Fixed:
    """Cuts every so many turns, or at so many tokens."""

    guards = False

    def __init__(self, *, turns: int = 0, tokens: int = 0) -> None:
        self._turns = turns
        self._tokens = tokens

    def begins(self, talk: Talk, world: World) -> None:
        """Nothing is remembered."""

    def cuts(self, turn: Turn) -> Ttl | None:
        due = turn.since >= self._turns if self._turns else turn.tokens >= self._tokens
        return "5m" if due else None

    def sends(self, sent: Sent, grows: int | None, *, lapsed: bool) -> None:
        """Nothing is learned."""


class Expected:
    """`core.reduction.when`, which learns how long conversations are from those before, how much each grows, and how often
    caches lapse. Conversations come one after another, half a day apart, so that the end of each is known."""

    guards = True

    def __init__(self, *, margin: float | None = None) -> None:
        self._further = Further()
        self._told = {} if margin is None else {"margin": margin}
        self._clock_s = 0.0
        self._began_s = 0.0
        self._talks = self._turn = 0
        self._gained = self._grew = 0
        self._lapses, self._turns = _LAPSES_FIRST_GUESS

    def begins(self, talk: Talk, world: World) -> None:
        self._world = world
        self._began_s = self._clock_s + SILENCE_S - talk.requests[0].at_s
        self._talks += 1
        self._turn = self._gained = self._grew = 0

    def cuts(self, turn: Turn) -> Ttl | None:
        history = self._history(turn)
        cut = compaction(turn.tokens, turn.head, turn.tail, SUMMARY, turn.head_lives)
        by = self._world.summarisers(turn.model)
        decision = decide(history, cut, by, **self._told)
        if decision.go or turn.lives is None or decision.saving_pico <= 0:
            return "5m" if decision.go else None
        decision = decide(replace(history, rewrite="1h"), cut, by, **self._told)
        return "1h" if decision.go else None

    def sends(self, sent: Sent, grows: int | None, *, lapsed: bool) -> None:
        self._clock_s = max(self._clock_s, self._began_s + sent.at_s)
        self._turn += 1
        self._further.turn(b"", self._talks.to_bytes(8, "big"), self._turn, self._clock_s)
        if grows is not None:
            self._gained, self._grew = self._gained + max(0, grows), self._grew + 1
            self._lapses, self._turns = self._lapses + lapsed, self._turns + 1

    def _history(self, turn: Turn) -> History:
        return History(
            tokens=turn.tokens,
            warm=turn.warm,
            rates=self._world.rates(turn.model),
            grows=growth(self._gained, self._grew),
            further=self._further.expected(b"", self._turn + 1),
            marks=turn.marks,
            lapse=self._lapses / self._turns,
            spent_pico=round(turn.spent),
            regret_pico=round(turn.regret),
            whole_pico=round(turn.whole),
            lives=turn.lives,
            cache_min_tokens=self._world.least(turn.model),
        )

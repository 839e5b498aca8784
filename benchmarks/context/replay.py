"""Replay conversations token by token, cut by a policy, beside the same conversations never cut.

A cut at a request leaves tools and system, a summary, and the last `TAIL_TURNS` turns: each is an answer and what followed
it. From then on the prompt grows as it was recorded to grow. Where a client goes back to before the cut, or changes what
stands there, the cut is void and the recorded prompt is sent again; where the recorded prompt falls sharply (the client has
compacted or begun anew) so is ours, and nothing is cut in that request. Bills count prompts, answers and summaries, in
pico-USD.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import Protocol

from msgspec import Struct

from benchmarks.context.cache_lives import CacheLives, marked
from benchmarks.context.talks import Sent, Talk
from benchmarks.context.worlds import World
from thriftgate.core.prices import Rates
from thriftgate.core.reduction.cuts import Summariser
from thriftgate.core.reduction.lapses import Lives, hold_for_an_hour
from thriftgate.core.reduction.when import SHARE
from thriftgate.core.request import Ttl

SUMMARY = 2_000
TAIL_TURNS = 2  # as the rule says: four messages
FALLS, BEGINS_ALIKE = 0.7, 0.9


class Turn(Struct):
    """A request that may be cut: its prompt as it would be sent, what of it is tools and system, what would be kept, what is
    warm. `marks`: how long its tail is kept if it is not cut. `regret` and `spent` are those of the conversation before it,
    `whole` is what it costs without any cut so far (pico-USD). `lives` is set where entries may live for an hour, `since`
    counts the requests since the last cut or the beginning."""

    sent: Sent
    model: str
    tokens: int
    head: int
    head_lives: Ttl | None
    tail: int
    warm: int
    since: int
    marks: Ttl
    spent: float
    regret: float
    whole: float
    lives: Lives | None

    @property
    def left(self) -> int:
        """Tokens of the prompt after a cut."""
        return self.head + SUMMARY + self.tail


class Policy(Protocol):
    """Says when to cut, and how long the cut prompt is kept. `guards`: keeps to the budget where caches lapse."""

    guards: bool

    def begins(self, talk: Talk, world: World) -> None:
        """Another conversation, from its first request."""

    def cuts(self, turn: Turn) -> Ttl | None:
        """None: not now."""

    def sends(self, sent: Sent, grows: int | None, *, lapsed: bool) -> None:
        """Each request, cut or not, after it: how much the prompt had grown (None: it is another one), and whether the cache
        had lapsed."""


class Outcome(Struct, frozen=True):
    """One conversation: bills never cut and with the policy, and the highest ratio of the two at any moment; cuts, and those
    with nothing warm behind tools and system."""

    session: int
    requests: int
    never: float
    cost: float
    peak: float = 1.0
    cuts: int = 0
    cold: int = 0


class _Prompt(Struct):
    """A prompt of one of the two ways, in the cache as that way has left it."""

    tokens: int
    warm: int
    head: int
    marks: Ttl

    def bill(self, rates: Rates, hold: int = 0) -> float:
        """Without its answer (pico-USD); the first `hold` tokens are kept for an hour."""
        hour = self.tokens if self.marks == "1h" else max(hold, self.warm)
        written = rates.write_1h * (hour - self.warm) + rates.write_5m * (self.tokens - hour)
        return (rates.read * self.warm + written) / 1e6


class _Way(Struct):
    """One way of sending a conversation: never cut, or as the policy cuts it. What is cached, and what it has cost."""

    cache: CacheLives
    cost: float = 0.0

    def prompt(self, at_s: float, tokens: int, shared: int, head: int, world: World) -> _Prompt:
        warm = self.cache.warm(at_s, shared, head)
        return _Prompt(tokens, warm, head, marked(world.caching, tokens, warm, head))

    def pays(self, bill: float, sent: Sent, rates: Rates) -> None:
        self.cost += bill + rates.output * sent.answer / 1e6


def replay(talk: Talk, world: World, policy: Policy) -> Outcome:
    """One conversation."""
    policy.begins(talk, world)
    run = _Run(talk, world, policy)
    for at in range(len(talk.requests)):
        run.send(at)
    return Outcome(talk.session, len(talk.requests), run.whole.cost, run.ours.cost, run.peak, run.cuts, run.cold)


class _Run:
    """A conversation on its way. `gone` tokens are left out, up to `cut_at` of the recorded prompt."""

    def __init__(self, talk: Talk, world: World, policy: Policy) -> None:
        self.talk, self.world, self.policy = talk, world, policy
        self.whole, self.ours = _Way(CacheLives()), _Way(CacheLives())
        self.gone = self.cut_at = self.began = self.since = self.cuts = self.cold = 0
        self.peak = 0.0

    def send(self, at: int) -> None:
        """The request of this number."""
        sent = self.talk.requests[at]
        before = self.talk.requests[at - 1] if at else None
        if before is None or _other(before, sent):
            self.began, self.since = at, 0
        model, head = self.world.served(sent.model), min(self.talk.head, sent.tokens)
        shared = max(0, sent.shared - self.gone)
        if self.gone and sent.shared < self.cut_at:
            self.gone, shared = 0, min(sent.shared, head)
        rates, least = self.world.rates(model), self.world.least(model)
        whole = self.whole.prompt(sent.at_s, sent.tokens, sent.shared, head, self.world)
        ours = self.ours.prompt(sent.at_s, sent.tokens - self.gone, shared, head, self.world)
        bill = whole.bill(rates(whole.tokens))
        lives = self._lives(sent, whole, ours)
        hold = self._hold(ours, lives, rates(ours.tokens), bill)
        turn = None
        tail = sent.tokens - self.talk.requests[max(at - TAIL_TURNS, self.began)].tokens
        if at > self.began and tail > 0 and head + SUMMARY + tail < ours.tokens:
            turn = Turn(
                sent=sent,
                model=model,
                tokens=ours.tokens,
                head=head,
                head_lives=self.ours.cache.head_lives(sent.at_s),
                tail=tail,
                warm=ours.warm,
                since=self.since,
                marks=ours.marks,
                spent=self.ours.cost,
                regret=self.ours.cost - self.whole.cost,
                whole=bill,
                lives=lives,
            )
        kept = self.policy.cuts(turn) if turn is not None else None
        if turn is not None and kept is not None:
            self._cut(turn, kept)
        else:
            self.ours.pays(ours.bill(rates(ours.tokens), hold), sent, rates(ours.tokens))
            self.ours.cache.sent(sent.at_s, ours.tokens, ours.warm, ours.marks, hold=hold, least=least)
            self.since += 1
        self.whole.pays(bill, sent, rates(whole.tokens))
        self.whole.cache.sent(sent.at_s, whole.tokens, whole.warm, whole.marks, least=least)
        self.peak = max(self.peak, self.ours.cost / self.whole.cost if self.whole.cost else 1.0)
        grows = sent.tokens - before.tokens if before is not None and at > self.began else None
        self.policy.sends(sent, grows, lapsed=ours.warm <= head)

    def _lives(self, sent: Sent, whole: _Prompt, ours: _Prompt) -> Lives | None:
        hour = self.whole.cache.hour(sent.at_s, whole.warm, whole.head)
        hour = whole.tokens if whole.marks == "1h" else hour
        own = self.ours.cache.hour(sent.at_s, ours.warm, ours.head)
        return Lives(whole.tokens, hour, ours.tokens, own) if hour else None

    def _hold(self, ours: _Prompt, lives: Lives | None, rates: Rates, bill: float) -> int:
        """Up to where the prompt is kept for an hour so that a lapse cannot break the budget."""
        if not self.gone or lives is None or ours.marks == "1h" or not self.policy.guards:
            return 0
        return hold_for_an_hour(
            lives,
            rates,
            warm=ours.warm,
            regret_pico=self.ours.cost - self.whole.cost + ours.bill(rates) - bill,
            limit_pico=SHARE * (self.whole.cost + bill),
        )

    def _cut(self, turn: Turn, kept: Ttl) -> None:
        sent, rates = turn.sent, self.world.rates(turn.model)
        self.gone, self.cut_at = sent.tokens - turn.left, sent.tokens - turn.tail
        self.ours.pays(cut_bill(turn, self.world.summarisers(turn.model), rates, kept), sent, rates(turn.left))
        self.ours.cache.cut(sent.at_s, turn.left, kept, least=self.world.least(turn.model))
        self.cuts, self.cold, self.since = self.cuts + 1, self.cold + (turn.warm <= turn.head), 0


def _other(before: Sent, sent: Sent) -> bool:
    """Whether a request begins another prompt than the one before it."""
    return sent.shared < BEGINS_ALIKE * before.tokens and (sent.tokens < FALLS * before.tokens or sent.shared == 0)


def cut_bill(turn: Turn, summarisers: Sequence[Summariser], rates: Callable[[int], Rates], ttl: Ttl) -> float:
    """The prompt of this turn, cut, and its summary by whoever is cheapest: added up here on its own, to hold the decision
    to it (pico-USD, without the answer)."""
    after = rates(turn.left)
    write = after.write_1h if ttl == "1h" else after.write_5m
    upto = turn.tokens - turn.tail
    bills: list[float] = []
    for one in summarisers:
        front, warm = (after.read if turn.head_lives else write) * turn.head, turn.warm
        if one.own and warm >= turn.head:
            card, front = one.rates(max(upto, warm)), after.read * turn.head
            summary: float = card.read * warm + card.input * max(0, upto - warm) + card.output * SUMMARY
        elif one.own:  # the summary writes tools and system, the prompt reads them
            card, front = one.rates(upto), after.read * turn.head
            summary = card.write_5m * turn.head + card.input * (upto - turn.head) + card.output * SUMMARY
        else:
            told, out = (upto - turn.head) * one.ratio, SUMMARY * one.ratio
            pieces = max(1, ceil(told / one.piece)) if one.piece else 1
            card = one.rates(ceil(told / pieces))
            summary = card.input * (told + (pieces - 1) * out) + card.output * pieces * out
        bills.append(summary + front + write * (SUMMARY + turn.tail))
    return min(bills) / 1e6

"""How long the answers of a call site are, and where a cap on them cuts runaways but hardly anything else.

A model cannot see `max_tokens`: lowering it makes no answer shorter, it cuts those that are longer, and what was written is
billed (https://platform.claude.com/docs/en/about-claude/models/optimizing-for-cost-and-intelligence, 2026-10). A cut
answer is asked for again at the full limit. So a cap is worth something for answers that run away and would not do so
again, and costs something for those that are truly long.

**The rate.** A cap at `rate` is the tolerance bound of `tolerance.py` over the last `WINDOW` answers: with 95 % confidence
at most that share of answers is longer. Since the cap is invisible, an answer that ended below it is as long as it would
have been without; one that was cut is longer, and by how much is not known unless its repeat was longer, too: given the
prompt, answer and repeat are two draws of one distribution, so that of two beyond the cap either may stand for the other.
All others that were cut, at the cap or at the caller's own limit, count as longer than any cap. (Were the short repeat of a
runaway booked as the length of the answer, caps would forget the runaways, sink, and cut more than they may.)

**When answers change.** Two guards stand beside it. Of any `WINDOW` answers in a row not more than `rate` are cut, whatever
they do: where the next cut might be one too many, there is no cap. (Calls under way at the same time may each be one more.)
And where cuts run above the rate with confidence (`sequential/detector.py`), all lengths are forgotten and learned anew,
without a cap meanwhile.

**The dollars.** Without a cap c the answers longer than c come to their lengths x. With it they come to c, the prompt is
sent again, and the repeat comes to y. Let q be what repeats come to as a share of what the answers would have come to,
Σy / Σx. So a cap saves, of each answer that it cuts,

    (x − c − q · x) · price of output − price of the prompt, sent again

The lengths x are those of the latest answers without a cap, at least `FREE_LEAST` and none older than `FREE_HELD` answers
ago: where all calls are capped, some must go without at times (a hold-out does as well). Over them the cap is chosen that
saves most, from the bound upwards, if the sum is above its own noise: a single runaway proves nothing. q is learned from
repeats, the last `REPEATS` or so. As long as there are none, every other long answer is taken to be a runaway whose repeat
is an ordinary one (`RELENTS`), the others to be as long again; that counts as much as `PRIOR` repeats. Where long answers
are meant to be long, q = 1: every cut loses c and a prompt, and after a dozen repeats there is no cap. What repeats taught
counts half after `FADES` answers, so that this is tried again some time.

A site is asked in one way only: where answers are made shorter by other means, those calls are a site of their own.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Sequence
from math import sqrt

import msgspec
from msgspec import Struct

from thriftgate.core.generations import Generations
from thriftgate.core.output.recent import Recent
from thriftgate.core.output.tolerance import needs, rank
from thriftgate.core.sequential.detector import Detector

Site = tuple[str, ...]  # key, model, task: what the caller takes to be alike

SITES = 500  # at 40 kB
WINDOW = 2_000  # answers, that a bound is learned from
FREE = 1_000  # answers without a cap, that its worth is learned from
FREE_LEAST = 300
FREE_HELD = 4_000
RELENTS = 0.5
PRIOR = 3.0  # repeats
REPEATS = 50.0
FADES = 20_000  # answers
MEAN_LEAST = 30  # answers that a mean is told from
_TOKENS_MAX = 2**30
_UNKNOWN = 2**31 - 1  # longer than any cap


class Answer(Struct, frozen=True):
    """How one call ended. `tokens` are those of the output, thinking included. `ended`: it came to an end by itself, and not
    by `max_tokens`. `cap`: the cap it was sent with, and `rate` what that was to keep to; None: with the caller's own limit
    only. `again`: tokens of its repeat at the caller's limit, None where it was not asked again."""

    tokens: int
    ended: bool = True
    cap: int | None = None
    rate: float = 0.0
    again: int | None = None


class Mean(Struct, frozen=True):
    """Of unconstrained answers: tokens, the standard error of that, and how many they were."""

    tokens: float
    error: float
    number: int


class Worth(Struct, frozen=True):
    """A cap, and what it is expected to save a call, in pico-USD. `cut` is the share of answers that it cuts, `without` the
    tokens that those come to without it, `again` those of their repeats, as learned from about so many (`repeats`)."""

    cap: int
    saved_pico: float
    cut: float
    without: float
    again: float
    repeats: float


class _KeptSite(Struct, array_like=True, frozen=True):
    seen: int
    window: list[tuple[int, bool]]
    free: list[tuple[int, int]]
    cuts: list[int]
    repeats: tuple[float, float, float]
    rate: float
    evidence: bytes


class _Lengths:
    """Of one site. Answers are numbered from 1 (`seen`). `window` holds the last ones, where only a part is known as
    `_UNKNOWN`, and `parts` what is known of each; `free` those without a cap, `numbers` their numbers; `cuts` the numbers of
    those that a cap has cut; `repeats` how many there were, their tokens, and those of the answers without a cap, fading."""

    __slots__ = ("cuts", "free", "monitor", "numbers", "parts", "rate", "repeats", "seen", "squares", "sum", "window")

    def __init__(self) -> None:
        self.seen = 0
        self.cuts: deque[int] = deque()
        self.repeats = (0.0, 0.0, 0.0)
        self.rate = 0.0
        self.monitor: Detector | None = None
        self.forget()

    def forget(self) -> None:
        self.window, self.parts = Recent(WINDOW), array("i")
        self.sum = self.squares = 0
        self.free, self.numbers = Recent(FREE), array("q")

    def note(self, answer: Answer) -> None:
        self.seen += 1
        self._age()
        cut = answer.cap is not None and not answer.ended
        if cut:
            self.cuts.append(self.seen)
        if answer.cap is not None:
            self._watch(answer.rate, cut=cut)
        self.add(*_known(answer))
        if answer.cap is None:
            self.add_free(self.seen, answer.tokens)
        elif cut and answer.again is not None:
            self._learn(answer.again, self.free.above(answer.cap))

    def add(self, tokens: int, whole: bool) -> None:
        if self.window.add(tokens if whole else _UNKNOWN) is not None:
            self._sum_up(self.parts.pop(0), -1)
        self.parts.append(tokens)
        self._sum_up(tokens, 1)

    def add_free(self, number: int, tokens: int) -> None:
        if self.free.add(tokens) is not None:
            self.numbers.pop(0)
        self.numbers.append(number)

    def _sum_up(self, tokens: int, times: int) -> None:
        self.sum += times * tokens
        self.squares += times * tokens * tokens

    def _age(self) -> None:
        while self.cuts and self.cuts[0] <= self.seen - WINDOW:
            self.cuts.popleft()
        while self.numbers and self.numbers[0] <= self.seen - FREE_HELD:
            self.numbers.pop(0)
            self.free.drop()
        self._fade(0.5 ** (1.0 / FADES))

    def _fade(self, factor: float) -> None:
        number, again, without = self.repeats
        self.repeats = number * factor, again * factor, without * factor

    def _watch(self, rate: float, *, cut: bool) -> None:
        if self.monitor is None or rate != self.rate:
            self.rate, self.monitor = rate, Detector.for_losses(rate)
        if self.monitor.see(float(cut)):
            self.monitor.reset()
            self.forget()

    def _learn(self, again: int, beyond: Sequence[int]) -> None:
        if beyond:
            self._fade(1.0 - 1.0 / REPEATS)
            number, tokens, without = self.repeats
            self.repeats = number + 1.0, tokens + again, without + sum(beyond) / len(beyond)

    def spent(self, rate: float) -> bool:
        """Whether one more cut might be one too many. The answer to come pushes the oldest one out of the window."""
        recent = len(self.cuts) - (bool(self.cuts) and self.cuts[0] <= self.seen + 1 - WINDOW)
        return recent + 1 > rate * min(self.seen + 1, WINDOW)

    def share_again(self, without: float) -> float:
        """What a repeat comes to, as a share of what an answer of a mean of `without` tokens would have come to."""
        ordinary = min(1.0, self.sum / len(self.window) / without)
        _, again, instead = self.repeats
        before = PRIOR * (RELENTS * ordinary + 1.0 - RELENTS) * without
        return (before + again) / (PRIOR * without + instead)

    def kept(self) -> _KeptSite:
        whole = [one != _UNKNOWN for one in self.window.arrived]
        window = list(zip(self.parts, whole, strict=True))
        free = list(zip(self.numbers, self.free.arrived, strict=True))
        evidence = self.monitor.kept() if self.monitor is not None else b""
        return _KeptSite(self.seen, window, free, list(self.cuts), self.repeats, self.rate, evidence)

    @classmethod
    def restored(cls, kept: _KeptSite) -> _Lengths:
        """Raises ValueError for what `kept` cannot have given."""
        tokens = [one for one, _ in kept.window] + [one for _, one in kept.free]
        numbers = [*(number for number, _ in kept.free), *kept.cuts]
        if not all(0 <= one <= _TOKENS_MAX for one in tokens) or not all(0 < one <= kept.seen for one in numbers):
            raise ValueError("kept lengths of answers: out of range")
        lengths = cls()
        lengths.seen, lengths.cuts, lengths.repeats = kept.seen, deque(kept.cuts), kept.repeats
        for one, whole in kept.window:
            lengths.add(one, whole)
        for number, one in kept.free:
            lengths.add_free(number, one)
        if kept.evidence:
            lengths.rate, lengths.monitor = kept.rate, Detector.for_losses(kept.rate)
            lengths.monitor.restore(kept.evidence)
        return lengths


class Lengths:
    """What is known of all sites; the least used of more than `sites` are forgotten."""

    def __init__(self, sites: int = SITES) -> None:
        self._sites: Generations[Site, _Lengths] = Generations(sites)
        self._sites_max = sites

    def note(self, site: Site, answer: Answer) -> None:
        """Book how one call ended, repeat included: one call is one answer. Raises ValueError for impossible counts."""
        if not all(0 <= one <= _TOKENS_MAX for one in (answer.tokens, answer.again or 0, answer.cap or 0)):
            raise ValueError(f"an answer of {answer.tokens} tokens, repeated with {answer.again}: out of range")
        lengths = self._sites.get(site)
        if lengths is None:
            lengths = self._sites[site] = _Lengths()
        lengths.note(answer)

    def cap(self, site: Site, rate: float, safety: float = 1.0) -> int | None:
        """Tokens that at most a share `rate` of answers exceed, with 95 % confidence, times `safety`. None: too few answers
        are known, too many run on to the limit, or too many were cut of late (`why_none` tells)."""
        lengths = self._sites.get(site)
        if lengths is None or lengths.spent(rate):
            return None
        kth = rank(len(lengths.window), rate)
        length = lengths.window.ranked[-kth] if kth else _UNKNOWN
        return None if length == _UNKNOWN else max(1, int(length * safety))

    def why_none(self, site: Site, rate: float) -> str:
        """Why there is no cap, for the plan to tell; "" where there is one."""
        lengths = self._sites.get(site)
        number = len(lengths.window) if lengths is not None else 0
        if lengths is None or rank(number, rate) == 0:
            return f"{number} answers known of the {needs(rate)} that a cap at {rate:.2%} takes"
        if lengths.spent(rate):
            return (
                f"{len(lengths.cuts)} of the last {min(lengths.seen, WINDOW)} answers were cut, as many as {rate:.2%} allows"
            )
        return "" if self.cap(site, rate) is not None else f"more than {rate:.2%} of answers may run on to the limit"

    def worth(self, site: Site, bound: int, *, limit: int, output_pico_mtok: int, again_pico: int) -> Worth | None:
        """The cap from `bound` upwards that saves most of a call whose own limit is `limit` tokens. `output_pico_mtok`:
        price of a million output tokens; `again_pico`: of the prompt, sent a second time. None: no cap saves anything, as
        far as is known: too few answers without a cap, none of them that long, or the long ones are meant to be long."""
        lengths = self._sites.get(site)
        if lengths is None or len(lengths.free) < FREE_LEAST or bound >= limit:
            return None
        beyond = [min(one, limit) for one in reversed(lengths.free.above(bound))]
        if not beyond:
            return None
        share = lengths.share_again(sum(beyond) / len(beyond))
        cap, saved, number, tokens = _best(beyond, bound, share, again_pico * 1e6 / output_pico_mtok)
        if saved <= 0.0:
            return None
        known = len(lengths.free)
        without = tokens / number
        saved_pico = saved / known * output_pico_mtok / 1e6
        return Worth(cap, saved_pico, number / known, without, share * without, lengths.repeats[0])

    def mean(self, site: Site) -> Mean | None:
        """Of the last answers as they would be without a cap. What a cap has cut and no repeat tells of is taken to be as
        long as the cap, so the mean is rather too low. None: fewer than `MEAN_LEAST`."""
        lengths = self._sites.get(site)
        number = len(lengths.window) if lengths is not None else 0
        if lengths is None or number < MEAN_LEAST:
            return None
        mean = lengths.sum / number
        variance = max(0.0, lengths.squares / number - mean * mean)
        return Mean(mean, sqrt(variance / (number - 1)), number)

    def kept(self) -> bytes:
        """What is known, to be restored at the next start."""
        return msgspec.msgpack.encode([(site, one.kept()) for site, one in self._sites.recent(self._sites_max)])

    def restore(self, data: bytes) -> None:
        """Take in what `kept` gave. Raises msgspec's errors, and ValueError for figures that cannot be."""
        kept = msgspec.msgpack.decode(data, type=list[tuple[Site, _KeptSite]])
        for site, lengths in [(site, _Lengths.restored(one)) for site, one in reversed(kept)]:
            self._sites[site] = lengths


def _known(answer: Answer) -> tuple[int, bool]:
    """What is known of the length of an answer, and whether that is all of it."""
    if answer.ended or answer.cap is None:
        return answer.tokens, answer.ended
    if answer.again is not None and answer.again > answer.cap:
        return answer.again, True
    return answer.cap, False


def _best(beyond: Sequence[int], bound: int, share: float, prompt: float) -> tuple[int, float, int, int]:
    """The cap that saves most, tokens it saves, how many of `beyond` (the longest first) it cuts, and their tokens."""
    best = bound, 0.0, 1, 1
    tokens = squares = 0
    kept = 1.0 - share
    for number, length in enumerate(beyond, 1):
        tokens += length
        squares += length * length
        cap = beyond[number] if number < len(beyond) else bound
        cost = cap + prompt
        saved = kept * tokens - number * cost
        noise = kept * kept * squares - 2.0 * kept * cost * tokens + number * cost * cost  # sum of their squares
        if cap < length and saved > best[1] and saved * saved > noise:
            best = cap, saved, number, tokens
    return best

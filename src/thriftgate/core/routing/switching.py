"""Does it pay to serve this turn of a conversation with the cheap model, when that means leaving a warm prompt cache?

Caches are per model (platform.claude.com/docs/en/build-with-claude/prompt-caching, 2026-10): the cheap model must write what
the asked one would read, and while it serves, the entry at the asked one ages; a later hard turn may have to write it again.
Against that stands what this turn costs less, and what later easy turns do, which find the cheap model's cache warm. Neither
"the cheap model whenever it may" nor "whatever is cheaper this turn" is right everywhere, so both ways are followed to the
end of the conversation (`lookahead.py`) and the one of fewer expected dollars is taken.

    $5/$25 -> $1/$5, 300 new tokens, 500 of answer, no turn to follow: pays below a warm prefix of 15,333 tokens
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt

from msgspec import Struct

from thriftgate.core.money import PICO_PER_USD
from thriftgate.core.prices import Rates
from thriftgate.core.routing.lookahead import PHASES, TURNS_MAX, Pair, Turn, Worths, later, life

_FAR = 0.02  # turns that come with a smaller chance are not looked at one by one
_FIVE_MINUTES_S = 300.0


class Side(Struct, frozen=True):
    """One of the two models, as it stands before this turn.

    `rates` gives the rate card for a prompt of so many of its tokens: a longer prompt may be dearer. `output_tokens` is the
    expected answer, thinking included, in its own tokens. `warm_tokens` are the tokens of the prompt that it would read now
    (0 for a cold cache), for `expires_in_s` more seconds, and `ratio` its tokens per token of the asked model. Entries are
    made for `ttl_s`, 0 where nothing is cached, and not below `cache_min_tokens`. `rethink_tokens` are expected output
    besides on a turn that comes to this model from the other, whose bound thinking it does not get to read
    (…/build-with-claude/preserved-thinking, 2026-10).
    """

    model: str
    rates: Callable[[int], Rates]
    output_tokens: int
    warm_tokens: int = 0
    expires_in_s: float = 0.0
    ratio: float = 1.0
    ttl_s: float = _FIVE_MINUTES_S
    cache_min_tokens: int = 0
    rethink_tokens: int = 0


class Ahead(Struct, frozen=True):
    """What is expected of the conversation: `turns` after this one, of which the share `easy` may go to the cheap model,
    each adding `grows` tokens to the prompt (answer and next question), at gaps of `gap_s` on average. Where gaps were
    learned `curve` tells them better: the chance that the next turn comes by each of `hazards.EDGES_S` (the curve of the
    last one of `Outlook.prospects`). Of guesses at `turns` one that is too high does less harm than one that is too low: who
    thinks that the conversation is about to end leaves the strong model's cache to die."""

    turns: float
    gap_s: float
    easy: float
    grows: int
    curve: Sequence[float] = ()


class Move(Struct, frozen=True):
    """Whether to serve with the cheap model (also the truth value of the whole); what that is expected to save up to the end
    of the conversation (pico-USD, a loss where negative); and the sums, in one sentence."""

    go: bool
    saving_pico: int
    reason: str

    def __bool__(self) -> bool:
        return self.go


def worth_leaving(stay: Side, go: Side, prompt_tokens: int, fresh_tokens: int, ahead: Ahead, *, on_go: bool = False) -> Move:
    """Whether this turn, which is easy, is better served by `go` than by `stay`, the model that was asked for and that may
    serve any turn. `prompt_tokens` is the whole prompt and `fresh_tokens` its new end, which no cache holds (asked model's
    tokens); `on_go` says that `go` has served the turn before. Raises UnknownPrice where `rates` does."""
    now = _now(stay, go, prompt_tokens, fresh_tokens, on_go=on_go)
    rest = _rest(stay, go, prompt_tokens, ahead)
    saving = round(now[0] - now[1] + rest[0] - rest[1])
    reason = f"{go.model} costs {_usd(now[1])} this turn and {stay.model} {_usd(now[0])}"
    if ahead.turns > 0.0:
        reason += f", the {ahead.turns:.1f} expected later turns {_usd(rest[1])} and {_usd(rest[0])}"
    return Move(saving > 0, saving, f"{reason}: leaving {_verdict(saving)}")


def worth_trying(
    stay: Side,
    go: Side,
    prompt_tokens: int,
    fresh_tokens: int,
    ahead: Ahead,
    *,
    verify_pico: int,
    p_accept: float,
    tried: int = 0,
    on_go: bool = False,
) -> Move:
    """Whether this turn is better tried with `go` first; the rest as in `worth_leaving` and `cascade_pays`. Which turns are
    easy is not known beforehand: later ones will have to be tried as well, of which `ahead.easy` are accepted. An accepted
    answer leaves the cache of `stay` to age."""
    now = _now(stay, go, prompt_tokens, fresh_tokens, on_go=on_go)
    rest = _rest(stay, go, prompt_tokens, ahead, verify_pico)
    later_pico = round(rest[0] - rest[1]), round(rest[0] - rest[2])
    return cascade_pays(round(now[1]), verify_pico, round(now[0]), p_accept, tried=tried, later_pico=later_pico)


def cascade_pays(
    cheap_pico: int,
    verify_pico: int,
    strong_pico: int,
    p_accept: float,
    *,
    tried: int = 0,
    later_pico: tuple[int, int] = (0, 0),
) -> Move:
    """Whether to let the cheap model try first: the try and its judgement are always paid, the strong call only where the
    answer is not accepted. `p_accept` is the share of accepted answers; of `tried` answers, where it was counted, its lower
    limit is used (95 % to one side), so that a lucky start does not cost money. `later_pico` is what an accepted answer
    saves in later turns, and what a refused one does: negative where a warm cache is lost."""
    share = _at_least(p_accept, tried) if tried else p_accept
    accepted, refused = later_pico
    saving = round(share * (strong_pico + accepted) + (1.0 - share) * refused) - cheap_pico - verify_pico
    spared = f"{_usd(strong_pico)} now" + (f" and {_usd(accepted)} later" if accepted else "")
    return Move(
        saving > 0,
        saving,
        f"a try costs {_usd(cheap_pico)} and its judgement {_usd(verify_pico)}; accepted at least {share:.0%} of the time, "
        f"it spares {spared}: trying {_verdict(saving)}",
    )


def _at_least(share: float, tried: int) -> float:
    """Lower limit of a share that was counted (Wilson, 95 % to one side)."""
    z2 = 1.645**2
    spread = 1.645 * sqrt(share * (1.0 - share) / tried + z2 / (4 * tried * tried))
    return max(0.0, (share + z2 / (2 * tried) - spread) / (1.0 + z2 / tried))


def _now(stay: Side, go: Side, prompt_tokens: int, fresh_tokens: int, *, on_go: bool) -> tuple[float, float]:
    """Pico-USD of this turn at either model."""
    known = max(0, prompt_tokens - fresh_tokens)
    return _cost(stay, prompt_tokens, known, came=on_go), _cost(go, prompt_tokens, known, came=not on_go)


def _cost(side: Side, prompt_tokens: int, known: int, *, came: bool) -> float:
    """Without a cache the prompt is plain input, else what is not read is written."""
    tokens = round(prompt_tokens * side.ratio)
    rates = side.rates(tokens)
    read = round(min(side.warm_tokens, known) * side.ratio) if side.expires_in_s > 0.0 else 0
    output = side.output_tokens + (side.rethink_tokens if came else 0)
    return (rates.read * read + _write_rate(side, rates, tokens) * (tokens - read) + rates.output * output) / 1e6


def _rest(stay: Side, go: Side, prompt_tokens: int, ahead: Ahead, verify_pico: int = -1) -> tuple[float, float, float]:
    """Pico-USD expected of all later turns, if `stay` serves this one, if `go` does, and if both are asked. Where an answer
    of `go` must be judged, `verify_pico` is what that costs."""
    if ahead.turns <= 0.0:
        return 0.0, 0.0, 0.0
    lives = life(stay.ttl_s, ahead.gap_s, ahead.curve), life(go.ttl_s, ahead.gap_s, ahead.curve)
    pair = Pair(*lives, ahead.easy, ahead.turns / (ahead.turns + 1.0), verify_pico >= 0)
    sent = _sent(prompt_tokens, ahead.grows, pair)
    at_go = _side_turns(go, sent, ahead.grows, max(0, verify_pico))
    turns = list(zip(_side_turns(stay, sent, ahead.grows), at_go, strict=True))
    after_stay, after_go = later(turns, pair)
    next_stay, next_go = turns[0]
    return (
        _parked_worth(after_stay, go, next_go, pair.back_to_go, prompt_tokens),
        _parked_worth(after_go, stay, next_stay, pair.back_to_stay, prompt_tokens),
        after_stay[PHASES],
    )


def _caches(side: Side, tokens: int) -> bool:
    return side.ttl_s > 0.0 and tokens >= side.cache_min_tokens


def _write_rate(side: Side, rates: Rates, tokens: int) -> int:
    if not _caches(side, tokens):
        return rates.input
    return rates.write_5m if side.ttl_s <= _FIVE_MINUTES_S else rates.write_1h


def _sent(prompt_tokens: int, grows: int, pair: Pair) -> list[int]:
    """The prompts of the turns to come as far as they are likely, and last one that stands for all beyond."""
    count, likely = 1, pair.again
    while count < TURNS_MAX and likely > _FAR:
        likely *= pair.again
        count += 1
    sent = [prompt_tokens + grows * at for at in range(1, count + 1)]
    sent.append(sent[-1] + round(grows * pair.turns))
    return sent


def _side_turns(side: Side, sent: Sequence[int], grows: int, besides: int = 0) -> list[Turn]:
    new = grows * side.ratio
    lengths = [round(tokens * side.ratio) for tokens in sent]
    near = side.rates(lengths[0])
    same = near == side.rates(lengths[-1])
    turns: list[Turn] = []
    for tokens in lengths:
        rates = near if same else side.rates(tokens)
        write = _write_rate(side, rates, tokens)
        read = rates.read if _caches(side, tokens) else write
        output = rates.output * side.output_tokens + besides * 1_000_000
        warm = (read * tokens + (write - read) * new + output) / 1e6
        moved = rates.output * side.rethink_tokens / 1e6
        turns.append(Turn(warm, (write * tokens + output) / 1e6, (write - read) * new / 1e6, moved))
    return turns


def _parked_worth(worths: Worths, parked: Side, turn: Turn, used: float, prompt_tokens: int) -> float:
    """What the rest is expected to cost where the parked model's entry is as it is: between two phases of its life in
    proportion, and with all that it misses of the prompt to be written later, if it is `used` while it lives."""
    if parked.warm_tokens <= 0 or parked.ttl_s <= 0.0:
        return worths[0]
    left = PHASES * min(1.0, max(0.0, parked.expires_in_s / parked.ttl_s))
    at = min(int(left), PHASES - 1)
    worth = worths[at] + (left - at) * (worths[at + 1] - worths[at])
    missed = max(0.0, 1.0 - parked.warm_tokens / max(1, prompt_tokens))
    return min(worths[0], worth + missed * (turn.cold - turn.warm) * used)


def _verdict(saving: int) -> str:
    return f"{'saves' if saving > 0 else 'would lose'} {_usd(abs(saving))}"


def _usd(pico: float) -> str:
    return f"{'-' if pico < 0 else ''}${abs(pico) / PICO_PER_USD:.6f}"

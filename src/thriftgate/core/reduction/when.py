"""When to shorten a conversation's history: whether to do it now, before this request is sent, by expected dollars.

Three forms, one sum (`cuts.py`): a summary in place of older turns, older turns left out without one, and stale tool
results cleared. Each takes tokens out of the prompt, so that every later turn reads fewer; each costs a rewrite of what
stands behind the cut, in place of a cheap read, and a summary where there is one. Now is the right moment if that is
expected to cost less than going on and doing it at the best later turn (`waiting.py`): cutting "as soon as it pays" comes so
early and so often that the cuts eat the saving. After a lapse of the cache all is rewritten in any case: then a cut is
cheapest, and often saves at once.

Expectation is not enough: conversations end without notice, right after a cut at worst. So there is a budget of regret: what
would be lost if no turn followed this one, and what earlier cuts of the conversation have lost on balance, together never
exceed `share` of what the conversation would have cost so far without any of them. What earlier cuts have saved pays for
later ones. It holds however the conversation goes on, for a turn after a cut never costs more than the same turn without it:
it reads or writes a part of the same tokens at the same prices. Two exceptions are `lapses.py`, and a client that goes back
to before the cut.

    Opus 4.5 ($5/$25), 100,000 tokens, 15,000 of them tools and system, 700 new, the others warm; 4,000 kept and 2,000 of
    summary by the model itself, whose reading takes the place of this turn's. The summary is $0.05 of output, the rewrite
    $0.0331 more than what is new costs anyway, the front is read again for $0.0075: $0.0906. Each later turn reads 79,000
    tokens less, which is $0.0395: paid back in the third one, and allowed once the conversation has cost $9.10.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil

from msgspec import Struct

from thriftgate.core.money import PICO_PER_USD
from thriftgate.core.prices import Rates
from thriftgate.core.reduction.cuts import Cut, Paid, Prompt, Summariser, pay, write_rate
from thriftgate.core.reduction.lapses import Lives, lapse_pico
from thriftgate.core.reduction.waiting import Rest, chance, cycle, waiting
from thriftgate.core.request import Ttl

SHARE = 0.0099  # of the cost so far that may be lost: below 1 %, so that rounding cannot take it above
MARGIN = 0.5
"""Part of what a cut usually costs that must be saved beside waiting. Around the best moment the bill hardly depends on the
moment; asking for a half makes almost half fewer cuts, each of which loses context, for the same bill
(benchmarks.context)."""


class History(Struct, frozen=True):
    """A conversation before this request, tokens in those of the model that serves it.

    `tokens` is the prompt as it would be sent, `warm` of which a cache holds now (0 after a lapse). `rates` gives the rate
    card for a prompt of so many tokens: a longer prompt may be dearer. Prompts below `cache_min_tokens` are not cached, and
    none is cut to less. `marks` is how long what is new would be kept, `rewrite` how long what a cut has to rewrite.
    `grows`: tokens per turn. `further`: turns expected after this one (`Further.expected`). `lapse`: chance that a next turn
    finds its prefix gone. `answer` tokens matter only where a longer prompt has dearer output.

    `spent_pico` is what the conversation has cost so far, `regret_pico` what it would have cost less without its earlier
    cuts (negative where these have paid), `whole_pico` what this prompt and its answer would cost without them (None: what
    they cost as they are, or more). `lives`: see `lapses.py`; None where all is kept for five minutes.
    """

    tokens: int
    warm: int
    rates: Callable[[int], Rates]
    grows: float
    further: float
    marks: Ttl = "5m"
    rewrite: Ttl = "5m"
    lapse: float = 0.0
    answer: int = 0
    spent_pico: int = 0
    regret_pico: int = 0
    whole_pico: int | None = None
    lives: Lives | None = None
    cache_min_tokens: int = 0


class Terms(Struct, frozen=True):
    """The sum (pico-USD): this turn as it is and with the cut, of which the summary, and the rewrite of what is kept;
    what each later turn costs less; what is lost if none follows (negative: saved at once), what a pause of the
    conversation could cost besides, and how much of both the budget has room for. `wait_turns`: the cut is expected to be
    best in so many turns if it is not done now, 0 for never. `every_turns`: and from then on."""

    as_is_pico: int
    cut_pico: int
    summary_pico: int
    rewrite_pico: int
    per_turn_pico: int
    loss_pico: int
    lapse_pico: int
    room_pico: int
    further: float
    wait_turns: int
    every_turns: int


class Decision(Struct, frozen=True):
    """Whether to cut now (also the truth value of the whole); what that is expected to save beside the best that can be done
    later (pico-USD, a loss where negative); who summarises, "" for nobody; prompt tokens after it; and why, in one sentence.
    Where the model itself summarises, the request for the summary must mark the end of the front."""

    go: bool
    saving_pico: int
    summariser: str
    tokens: int
    terms: Terms | None
    reason: str

    def __bool__(self) -> bool:
        return self.go


def decide(
    history: History, cut: Cut, summarisers: Sequence[Summariser] = (), *, share: float = SHARE, margin: float = MARGIN
) -> Decision:
    """Whether to cut the history now. With several summarisers the cheapest for this prompt; none for a cut without a
    summary (the placeholders of `clearing` cost nothing but their tokens). Raises UnknownPrice where a `rates` does."""
    after = history.tokens - cut.out + cut.summary
    if after >= history.tokens:
        return Decision(False, 0, "", history.tokens, None, f"{cut.what} would leave no fewer tokens")
    if after < history.cache_min_tokens:
        short = f"{cut.what} would leave {after:,} tokens, which are too few to be cached"
        return Decision(False, 0, "", history.tokens, None, short)
    paid = _now(history, cut, summarisers)
    as_is = _as_is(history, history.tokens, min(history.warm, history.tokens), history.marks)
    per_turn, grows = (_later(history, more) - _later(history, after) for more in (history.tokens, after + history.grows))
    rest = Rest(chance(history.further), grows, _next_loss(history, cut, summarisers))
    cycles, every = cycle(rest)
    waits, turns = waiting(per_turn, rest, cycles)
    loss = paid.total - as_is
    saving = waits - loss - cycles
    terms = Terms(
        as_is_pico=round(as_is),
        cut_pico=round(paid.total),
        summary_pico=round(paid.summary),
        rewrite_pico=round(paid.rewrite),
        per_turn_pico=round(per_turn),
        loss_pico=round(loss),
        lapse_pico=round(_at_risk(history, cut, after)),
        room_pico=round(_room(history, as_is, share)),
        further=history.further,
        wait_turns=turns,
        every_turns=every,
    )
    worth = saving > 0.0 and saving >= margin * rest.loss
    go = worth and terms.loss_pico + terms.lapse_pico <= terms.room_pico
    reason = f"{_sum(history, cut, after, paid.by, terms)}; {_verdict(terms, saving, worth=worth, go=go)}"
    return Decision(go, round(saving), paid.by, after, terms, reason)


def _as_is(history: History, tokens: int, warm: int, marks: Ttl) -> float:
    rates = history.rates(tokens)
    return (rates.read * warm + write_rate(rates, marks) * (tokens - warm) + rates.output * history.answer) / 1e6


def _now(history: History, cut: Cut, summarisers: Sequence[Summariser]) -> Paid:
    """This turn with the cut."""
    warm = min(history.warm, history.tokens)
    prompt = Prompt(history.tokens, warm, cut.out, cut.front_lives is not None, history.rewrite)
    return _paid(history, cut, prompt, summarisers)


def _next_loss(history: History, cut: Cut, summarisers: Sequence[Summariser]) -> float:
    """What the cut is expected to cost more than going on, if it is done at a later turn, with a warm cache. Of what is kept
    then, all but what is new was cached: about as much as now, and not less than a turn."""
    grows = ceil(history.grows)
    tokens = history.tokens + grows
    new = history.tokens - history.warm if history.warm >= cut.front else grows
    kept = max(grows, history.tokens - cut.front - cut.out - new) + grows
    kept = min(kept, tokens - cut.front)
    prompt = Prompt(tokens, history.tokens, tokens - cut.front - kept, True, "5m")
    return _paid(history, cut, prompt, summarisers).total - _as_is(history, tokens, history.tokens, "5m")


def _paid(history: History, cut: Cut, prompt: Prompt, summarisers: Sequence[Summariser]) -> Paid:
    rates = history.rates(prompt.tokens - prompt.out + cut.summary)
    paid = pay(cut, prompt, summarisers, rates)
    return paid._replace(total=paid.total + rates.output * history.answer / 1e6)


def _later(history: History, tokens: float) -> float:
    """A later turn with so many tokens from before, lapses counted by their chance; what is new in it costs the same with
    and without a cut."""
    rates = history.rates(ceil(tokens))
    each = rates.read + history.lapse * (rates.write_5m - rates.read)
    return (each * tokens + rates.write_5m * history.grows + rates.output * history.answer) / 1e6


def _room(history: History, as_is: float, share: float) -> float:
    """What may be lost by a cut in this turn, and by all that it risks."""
    whole = as_is if history.whole_pico is None else history.whole_pico
    regret = history.regret_pico + as_is - whole  # after this turn without a cut
    return share * (history.spent_pico - history.regret_pico + whole) - regret


def _at_risk(history: History, cut: Cut, after: int) -> float:
    lives = history.lives
    if lives is None:
        return 0.0
    hour = after if history.rewrite == "1h" else cut.front if cut.front_lives == "1h" else 0
    return lapse_pico(Lives(lives.whole, lives.whole_hour, after, hour), history.rates(after))


def _sum(history: History, cut: Cut, after: int, by: str, terms: Terms) -> str:
    """What it costs now and what it brings."""
    pays = f"rewriting {after - cut.front:,} tokens {_usd(terms.rewrite_pico)}"
    if by:
        pays = f"summary by {by} {_usd(terms.summary_pico)}, {pays}"
    does = "saves" if terms.loss_pico < 0 else "costs"
    return (
        f"{cut.what} {history.tokens:,} tokens to {after:,} {does} {_usd(abs(terms.loss_pico))} this turn ({pays}) and "
        f"saves {_usd(terms.per_turn_pico)} in each of {history.further:.1f} expected further turns"
    )


def _verdict(terms: Terms, saving: float, *, worth: bool, go: bool) -> str:
    if go:
        return f"now saves {_usd(saving)} beside waiting"
    if worth:
        risk = _usd(terms.loss_pico + terms.lapse_pico)
        return f"not yet: {risk} would be lost if the conversation ended, and {_usd(max(0, terms.room_pico))} may be"
    if saving > 0.0:
        return f"not yet: now saves only {_usd(saving)} beside waiting"
    if terms.wait_turns:
        turns = "1 turn" if terms.wait_turns == 1 else f"{terms.wait_turns} turns"
        return f"not yet: in {turns} it saves {_usd(-saving)} more"
    return f"going on as is costs {_usd(-saving)} less"


def _usd(pico: float) -> str:
    return f"{'-' if pico < 0 else ''}${abs(pico) / PICO_PER_USD:.4f}"

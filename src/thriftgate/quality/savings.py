"""What was saved, three ways side by side: by the books (gross), after what thriftgate itself spent (net), and against
conversations that were held out at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from thriftgate.ledger.entries import Report
from thriftgate.ledger.sql_savings import Conversation, OwnCost
from thriftgate.quality.holdout import HoldoutResult, Unit, estimate

HELD_OUT = "holdout"
SIDES = TREATMENT, CONTROL = "treatment", "control"
_REST = ""  # the arm of all others, where the hold-out is the whole experiment


class Savings(Struct, frozen=True):
    """Pico-USD. `gross` is baseline less what the clients' own calls cost; `net` takes off `own`, what thriftgate's calls
    cost, and is what the books say was saved. `holdout` is None where no conversation could be held out, `trial` where none
    was put to one: there the treatment stands against the control."""

    gross_pico: int
    own_pico: int
    net_pico: int
    own: tuple[OwnCost, ...]
    holdout: HoldoutResult | None
    trial: HoldoutResult | None = None


def savings_of(report: Report, own: Sequence[OwnCost], drawn: Sequence[Conversation]) -> Savings:
    """Put together what the books say."""
    spent = sum(one.paid_pico for one in own)
    net = report.baseline_pico - report.paid_pico
    units, sides = list(units_of(drawn)), list(trial_of(drawn))
    return Savings(
        gross_pico=net + spent,
        own_pico=spent,
        net_pico=net,
        own=tuple(own),
        holdout=estimate(units) if units else None,
        trial=estimate(sides) if sides else None,
    )


def units_of(drawn: Sequence[Conversation]) -> Iterator[Unit]:
    """Conversations, in order of time, as the estimate takes them: held out, or treated. Empty where none could be held out.

    The two sides of another experiment know with what chance they were drawn, not with what chance they were held out: that
    is taken from the conversations around them.
    """
    told = (_treated_chance(one) for one in drawn)
    around = next((chance for chance in told if chance is not None), None)
    for one in drawn:
        chance = _treated_chance(one)
        around = chance if chance is not None else around
        if around is not None:
            yield Unit(
                arm="holdout" if one.arm == HELD_OUT else "treated",
                chance=around,
                paid_pico=one.paid_pico,
                baseline_pico=one.baseline_pico,
                calls=one.calls,
                own_pico=one.own_pico,
            )


def trial_of(drawn: Sequence[Conversation]) -> Iterator[Unit]:
    """Conversations of an experiment on some levers, in order of time: with them, or (as held out) without."""
    known = {one.arm: one.propensity for one in drawn if one.arm in SIDES}
    whole = sum(known.get(side, 0.0) for side in SIDES)
    if len(known) < len(SIDES) or whole <= 0:
        return
    for one in drawn:
        if one.arm in SIDES:
            yield Unit(
                arm="treated" if one.arm == TREATMENT else "holdout",
                chance=known[TREATMENT] / whole,
                paid_pico=one.paid_pico,
                baseline_pico=one.baseline_pico,
                calls=one.calls,
                own_pico=one.own_pico,
            )


def _treated_chance(one: Conversation) -> float | None:
    """With what chance it was to be treated, as far as it tells."""
    if one.arm == HELD_OUT:
        return 1.0 - one.propensity
    return one.propensity if one.arm == _REST else None

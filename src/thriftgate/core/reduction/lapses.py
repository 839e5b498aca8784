"""A shortened conversation must not lose more to a lapsed cache than the whole one would have.

Where the tail of a long prompt is kept for an hour, because what is new in it is small, the same tail behind a short prompt
is not small, and the same rule would keep it for five minutes only. A pause of ten minutes is then free for the whole prompt
and a rewrite for the short one. That risk belongs into the budget of regret (`when.py`), and where the budget has no room
for it the prompt has to be kept for an hour as well.
"""

from __future__ import annotations

from msgspec import Struct

from thriftgate.core.prices import Rates


class Lives(Struct, frozen=True):
    """What outlives a pause of five minutes to an hour after this turn, in tokens of the prompt as it would be without any
    cut (`whole_hour` of `whole`), and of the prompt as it is sent (`hour` of `sent`). `whole_hour` 0: nothing to lose."""

    whole: int
    whole_hour: int
    sent: int
    hour: int = 0


def lapse_pico(lives: Lives, rates: Rates) -> float:
    """What such a pause costs more than without the cut (pico-USD, 0 where it costs less). What was lost is written for an
    hour then, so that it happens once."""
    if lives.whole_hour <= 0:
        return 0.0
    held = min(max(lives.hour, lives.whole_hour - (lives.whole - lives.sent)), lives.sent)
    again = rates.read * lives.hour + rates.write_1h * (held - lives.hour) + rates.write_5m * (lives.sent - held)
    whole = rates.read * lives.whole_hour + rates.write_5m * (lives.whole - lives.whole_hour)
    return max(0.0, (again - whole) / 1e6)


def hold_for_an_hour(lives: Lives, rates: Rates, *, warm: int, regret_pico: float, limit_pico: float) -> int:
    """Up to where a prompt that would be kept for five minutes must be kept for an hour, in tokens; 0 for nowhere. It must
    where a lapse would break the budget and the dearer mark is the smaller evil: as far as the whole prompt would live on.
    What is warm beyond that cannot be kept longer by itself, so all is marked. `regret_pico` counts this turn, marked for
    five minutes."""
    at_risk = regret_pico + lapse_pico(lives, rates)
    if at_risk <= limit_pico:
        return 0
    held = min(max(0, lives.whole_hour - (lives.whole - lives.sent)), lives.sent)
    hold = held if warm < held else lives.sent
    marked = regret_pico + (rates.write_1h - rates.write_5m) * (hold - min(warm, hold)) / 1e6
    return hold if marked + lapse_pico(Lives(lives.whole, lives.whole_hour, lives.sent, hold), rates) < at_risk else 0

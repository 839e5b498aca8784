"""The words and rounded figures that all pages and terminals share. What is exact is printed by `core/money.py`."""

from __future__ import annotations

import math
import re
from datetime import date, timedelta
from decimal import Decimal

from thriftgate.core.moments import EPOCH
from thriftgate.core.money import usd_from_pico

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SIZES = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
_MONEY_SIZES = ((10**12, "tn"), (10**9, "bn"), (10**6, "M"), (10**3, "k"))
_SPANS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def plain(text: str) -> str:
    """A name out of a log without what could steer a terminal or turn the reading direction; "–" where it is empty."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text) or "–"


def money(pico: int) -> str:
    """Dollars rounded for people: cents from one dollar on, below it four decimals, below a cent two digits."""
    usd = Decimal(usd_from_pico(abs(pico)))
    if usd >= 1 or not usd:
        shown = f"{usd:,.2f}"
    elif usd >= Decimal("0.01"):
        shown = f"{usd:.4f}"
    else:
        shown = f"{usd:.{1 - usd.adjusted()}f}"
    return f"{'-' * (pico < 0)}${shown}"


def money_short(pico: float) -> str:
    """For axes and tight places: $1.2k, $950, $0.05."""
    usd = abs(pico) / 1e12
    sign = "-" * (pico < 0)
    for size, unit in _MONEY_SIZES:
        if usd >= size:
            return f"{sign}${usd / size:,.4g}{unit}"
    return f"{sign}${usd:.3g}" if usd >= 1e-4 or not usd else f"{sign}${usd:.0e}"


def fitting(pico: int) -> str:
    """In full below a million dollars, short from there on."""
    return money(pico) if abs(pico) < 10**18 else money_short(pico)


def rounded(pico: int) -> str:
    """Without cents from a hundred dollars on: for the ends of an interval."""
    return f"{'-' * (pico < 0)}${abs(pico) / 1e12:,.0f}" if 10**14 <= abs(pico) < 10**18 else fitting(pico)


def tokens(count: int) -> str:
    """1,234 up to five digits, then 12.3 M."""
    for size, unit in _SIZES:
        if count >= size and count >= 10**5:
            return f"{count / size:,.3g} {unit}" if count < 1000 * size else f"{count // size:,} {unit}"
    return f"{count:,}"


def counted(count: int, thing: str, things: str = "") -> str:
    """1 call, 2 calls; `things` where an s is not enough."""
    return f"{count:,} {thing if count == 1 else things or thing + 's'}"


def percent(part: float, whole: float) -> str:
    """With one decimal; "–" where there is no whole."""
    return f"{100 * part / whole:.1f} %" if whole else "–"


def span(seconds: float) -> str:
    """A duration in its largest unit: 300 -> "5 min"."""
    if math.isinf(seconds):
        return "longer"
    for size, unit in _SPANS:
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.2g} s"


def day(days: int) -> date:
    """The UTC day so many days after the start of 1970."""
    return EPOCH.date() + timedelta(days=days)


def day_text(on: date) -> str:
    """21 Nov 2026."""
    return f"{on.day} {MONTHS[on.month - 1]} {on.year}"

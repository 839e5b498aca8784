"""From documents to HTML: jinja2, escaping everything, and the few words that templates need."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from thriftgate import __version__
from thriftgate.answers.moments import micros_from_text
from thriftgate.core.errors import InputError
from thriftgate.core.money import pico_from_usd, usd_from_pico
from thriftgate.dashboard.assets import asset_named
from thriftgate.dashboard.look import Look
from thriftgate.drawing.svg import Figure, element
from thriftgate.drawing.words import MONTHS, counted, money, percent, plain, tokens

NAME_MAX = 120  # characters of a name that a page shows; the rest is in the JSON API


@cache
def _rooms() -> Environment:
    loader = PackageLoader("thriftgate.dashboard", "templates")
    rooms = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    rooms.filters.update(
        usd=usd,
        dollars=dollars,
        exact=exact,
        hits=hits,
        commands=commands,
        saving=saving,
        share=share,
        name=name,
        moment=moment,
    )
    rooms.filters.update(tokens=tokens, counted=counted, plain=plain)
    rooms.globals.update(bar=bar, digits_of=digits_of, asset=asset_named, version=__version__)
    return rooms


def page(template: str, **told: Any) -> str:
    """A whole page, or a part of one."""
    return _rooms().get_template(template).render(**told)


def usd(exact: str, digits: int | None = None) -> Markup:
    """An exact amount as the API gives it, rounded for people; programs and the pointer find the exact one beside it. With
    `digits` behind the point, as all of a table have them."""
    try:
        pico = pico_from_usd(exact)
        shown = money(pico) if digits is None else _rounded(pico, digits)
    except InputError:
        shown = "–"
    return Markup('<data class="usd" value="{}" title="${}">{}</data>').format(exact, exact, shown)


def digits_of(exact: str) -> int:
    """How many digits amounts need that are parts of this one."""
    usd_whole = abs(float(exact))
    return 2 if usd_whole >= 10 else 4 if usd_whole >= 0.1 else 6


def _rounded(pico: int, digits: int) -> str:
    unit = 10 ** (12 - digits)
    if 0 < abs(pico) < unit // 2:
        return f"{'-' * (pico < 0)}<${10**-digits:.{digits}f}"
    return f"{'-' * (pico < 0)}${Decimal(usd_from_pico(abs(pico))):,.{digits}f}"


def dollars(exact: str) -> str:
    """The same without the exact amount beside it."""
    return money(pico_from_usd(exact))


def hits(share: float | None) -> str:
    """A share of tokens; "–" where there are none."""
    return "–" if share is None else f"{100 * share:.1f} %"


def commands(text: str) -> Markup:
    """Our own words, with what stands between backticks as code."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if at % 2 else escape(part) for at, part in enumerate(parts)
    )


def name(text: str) -> Markup:
    """A name that somebody gave: in a reading direction of its own, without what could steer it, no longer than a line."""
    shown = plain(text)
    if len(shown) <= NAME_MAX:
        return Markup("<bdi>{}</bdi>").format(shown)
    return Markup('<bdi title="{}…">{}…</bdi>').format(shown[: 4 * NAME_MAX], shown[: NAME_MAX - 1])


def share(part: str, whole: str) -> str:
    """Of two exact amounts, in percent."""
    return percent(pico_from_usd(part), pico_from_usd(whole))


def exact(amount: str) -> str:
    """An exact amount in full."""
    return f"-${amount[1:]}" if amount.startswith("-") else f"${amount}"


def saving(paid: str, baseline: str, digits: int | None = None) -> Markup:
    """What was saved, of two exact amounts."""
    return usd(usd_from_pico(pico_from_usd(baseline) - pico_from_usd(paid)), digits)


def moment(text: str, look: Look, *, seconds: bool = False) -> str:
    """A moment of the API (RFC 3339) in the zone that is looked at: 21 Nov 08:30; the year where it is another. With
    `seconds` the time alone is enough today."""
    if not text:
        return "–"
    at, now = look.moment(micros_from_text(text, "moment")), look.moment(look.now_us)
    if seconds and at.date() == now.date():
        return f"{at:%H:%M:%S}"
    year = f" {at.year}" if at.year != now.year else ""
    return f"{at.day} {MONTHS[at.month - 1]}{year} {at:{'%H:%M:%S' if seconds else '%H:%M'}}"


def bar(part: float, whole: float, css: str = "") -> Markup:
    """A thin bar for a share, drawn, since the pages allow no style in their elements."""
    length = min(max(100 * part / whole, 0.0), 100.0) if whole > 0 else 0.0
    inside = element("rect", width=100.0, height=4.0, class_="rail") + element(
        "rect", width=length, height=4.0, class_=f"fill {css}".strip()
    )
    drawing = element(
        "svg", inside, class_="bar", viewBox="0 0 100 4", preserveAspectRatio="none", aria_hidden="true", focusable="false"
    )
    return Markup(drawing)  # noqa: S704  built from numbers and our own words


def figure(drawn: Figure | None) -> dict[str, Any] | None:
    """A chart as the templates take it. Its markup is drawn by drawing/svg.py, which escapes every word in it."""
    if drawn is None:
        return None
    return {
        "title": drawn.title,
        "wide": Markup(drawn.wide),  # noqa: S704  escaped where it was drawn
        "narrow": Markup(drawn.narrow),  # noqa: S704  escaped where it was drawn
        "columns": drawn.columns,
        "rows": drawn.rows,
        "legend": drawn.legend,
        "caption": drawn.caption,
        "worded": drawn.worded,
    }

"""`thriftgate calc`: the cost model as a calculator."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from thriftgate.answers.moments import micros_from_text
from thriftgate.audit.calc import HIT, Calculation, Scenario, calculate
from thriftgate.audit.findings import Money
from thriftgate.cli.options import Config, Json, settings_for
from thriftgate.cli.output import dollars, percent, print_json, print_table, say
from thriftgate.clock import SystemClock
from thriftgate.core.cost import day_of
from thriftgate.core.errors import InputError
from thriftgate.core.money import usd_from_pico
from thriftgate.pricing.load import load_book, load_models

_NUMBER = re.compile(r"-?(?:[0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})")
_MIX = "claude-opus-5-5=0.2,claude-sonnet-5-5=0.8"


def calc(
    *,
    requests: Annotated[int, Parameter(help="Requests a month.")],
    tokens_in: Annotated[int, Parameter(name="--in", help="Prompt tokens of a request.")],
    tokens_out: Annotated[int, Parameter(name="--out", help="Output tokens of a request.")],
    model: Annotated[str | None, Parameter(help="Model id or alias that all requests use today.")] = None,
    mix: Annotated[str | None, Parameter(help=f"Instead of --model: {_MIX}")] = None,
    cached: Annotated[str | None, Parameter(help="Share of each prompt that repeats, 0 to 1.")] = None,
    ttl: Annotated[Literal["5m", "1h"] | None, Parameter(help="How long it is cached; 5m without it.")] = None,
    hit: Annotated[str | None, Parameter(help="Share of its uses that read it; 0.9 without it.")] = None,
    uses_per_write: Annotated[
        str | None, Parameter(help="Instead of --hit: uses of it for each write, that one too.")
    ] = None,
    route: Annotated[str | None, Parameter(help="Share of the requests that another model can answer.")] = None,
    to: Annotated[str | None, Parameter(help="That model.")] = None,
    batch: Annotated[str | None, Parameter(help="Share of the requests that can wait a day.")] = None,
    out_saved: Annotated[str | None, Parameter(help="Share of the output that need not be written.")] = None,
    geo: Annotated[str, Parameter(help="Inference geography, such as us.")] = "global",
    fast: Annotated[bool, Parameter(negative="", help="Fast mode.")] = False,
    at: Annotated[str | None, Parameter(help="Day of the prices, YYYY-MM-DD (UTC); today without it.")] = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """What a month would cost: today, then with caching, routing, batches and shorter answers, one on top of the other."""
    if cached is None and (ttl or hit is not None or uses_per_write is not None):
        raise InputError("--ttl, --hit and --uses-per-write need --cached; write the share that repeats, like --cached 0.8")
    scenario = Scenario(
        requests=requests,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        mix=_mix(model, mix),
        day=day_of(micros_from_text(at, "--at") / 1e6 if at is not None else SystemClock().now_s()),
        cached=_share(cached, "--cached"),
        ttl=ttl or "5m",
        hit=_hit(hit, uses_per_write),
        route=_share(route, "--route"),
        route_to=to or "",
        batch=_share(batch, "--batch"),
        out_saved=_share(out_saved, "--out-saved"),
        geo=geo,
        fast=fast,
    )
    found = calculate(scenario, load_book(settings_for(config).prices), load_models())
    if json:
        print_json(calc_document(found))
    else:
        _print(found)


def _number(text: str, flag: str, like: str) -> Fraction:
    if not _NUMBER.fullmatch(text):
        raise InputError(f"{flag}: {text!r:.60} is no number; write it like {like}")
    return Fraction(text)


def _share(text: str | None, flag: str) -> Fraction | None:
    return None if text is None else _number(text, flag, "0.8 for 80 %")


def _hit(hit: str | None, uses_per_write: str | None) -> Fraction:
    """The share of uses that read."""
    if uses_per_write is None:
        return HIT if hit is None else _number(hit, "--hit", "0.9 for 90 %")
    if hit is not None:
        raise InputError("--hit and --uses-per-write say the same thing; leave one out")
    uses = _number(uses_per_write, "--uses-per-write", "10")
    if uses < 1:
        raise InputError(f"--uses-per-write: {uses_per_write} is less than the write itself; write 1 or more, like 10")
    return 1 - 1 / uses


def _mix(model: str | None, mix: str | None) -> tuple[tuple[str, Fraction], ...]:
    if (model is None) == (mix is None):
        raise InputError(f"write either --model claude-sonnet-4-6 or --mix {_MIX}")
    if mix is None:
        return ((model or "", Fraction(1)),)
    found = []
    for part in mix.split(","):
        name, _, share = (word.strip() for word in part.partition("="))
        if not name or not share:
            raise InputError(f"--mix: {part!r:.60} is no model with its share; write it like {_MIX}")
        found.append((name, _number(share, "--mix", _MIX)))
    return tuple(found)


def calc_document(found: Calculation) -> dict[str, Any]:
    """A calculation as `calc --json` prints it: money as exact decimal strings in USD a month, percents as numbers.

    `low_usd` and `high_usd` bound the cost after all steps, within a step the cost after that step.
    """
    after = found.after
    saved = found.before_pico - after.pico
    return {
        "requests": found.scenario.requests,
        "before_usd": usd_from_pico(found.before_pico),
        "after_usd": usd_from_pico(after.pico),
        "saved_usd": usd_from_pico(saved),
        "saved_percent": _percent(saved, found.before_pico),
        "low_usd": usd_from_pico(after.low),
        "high_usd": usd_from_pico(after.high),
        "steps": [
            {
                "step": step.name,
                "text": step.text,
                "cost_usd": usd_from_pico(step.cost.pico),
                "saved_usd": usd_from_pico(step.saved_pico),
                "saved_percent": _percent(step.saved_pico, found.before_pico),
                "low_usd": usd_from_pico(step.cost.low),
                "high_usd": usd_from_pico(step.cost.high),
            }
            for step in found.steps
        ],
        "by_model": [
            {"model": one.model, "requests": one.requests, "cost_usd": usd_from_pico(one.pico)} for one in found.by_model
        ],
        "price_book": found.price_book,
        "assumptions": list(found.assumptions),
    }


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 4) if whole else 0.0


# --- for people --------------------------------------------------------------------------------------------------------


def _print(found: Calculation) -> None:
    plan, after = found.scenario, found.after
    models = " and ".join(model for model, _ in plan.mix)
    say(f"{plan.requests:,} requests a month on {models}: {plan.tokens_in:,} tokens in, {plan.tokens_out:,} out\n")
    rows = [("today", dollars(found.before_pico), "", "", "")]
    rows += [
        (
            step.name,
            dollars(step.cost.pico),
            dollars(step.saved_pico),
            percent(step.saved_pico, found.before_pico),
            _between(step.cost),
        )
        for step in found.steps
    ]
    saved = found.before_pico - after.pico
    total = ("in all", dollars(after.pico), dollars(saved), percent(saved, found.before_pico), _between(after))
    width = 5 if any(row[4] for row in rows) else 4
    print_table(("", "a month", "saves", "", "low to high")[:width], [row[:width] for row in rows], footer=total[:width])
    for step in found.steps:
        say(f"\n{step.name}: {step.text}" if step is found.steps[0] else f"{step.name}: {step.text}")
    if len(found.by_model) > 1:
        lines = [(one.model, f"{one.requests:,}", dollars(one.pico)) for one in found.by_model]
        print_table(("", "requests", "a month"), lines, title="\nby model, after all steps")
    say("\nassumed")
    for sentence in found.assumptions:
        say(f"- {sentence}")


def _between(cost: Money) -> str:
    """`-` is a sign in money, so words."""
    return f"{dollars(cost.low)} to {dollars(cost.high)}" if cost.low < cost.high else ""

"""`thriftgate price`: what a call costs."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from cyclopts import Parameter

from thriftgate.cli.options import Config, Json, settings_for
from thriftgate.cli.output import print_json, print_table
from thriftgate.clock import SystemClock
from thriftgate.core.cost import day_of
from thriftgate.core.errors import InputError
from thriftgate.core.prices import Mode, iso_from_day
from thriftgate.core.usage import Tokens
from thriftgate.pricing.bill import bill_document, quote
from thriftgate.pricing.load import load_book

Count = Annotated[int, Parameter(help="tokens")]


def price(
    *,
    model: Annotated[str, Parameter(help="Model id or alias.")],
    input: Count = 0,  # noqa: A002  the flag's name
    write_5m: Annotated[int, Parameter(name="--write-5m", help="tokens")] = 0,
    write_1h: Annotated[int, Parameter(name="--write-1h", help="tokens")] = 0,
    read: Count = 0,
    output: Count = 0,
    batch: Annotated[bool, Parameter(negative="", help="Batch price.")] = False,
    fast: Annotated[bool, Parameter(negative="", help="Fast mode.")] = False,
    geo: Annotated[str, Parameter(help="Inference geography, such as us.")] = "global",
    web_searches: int = 0,
    at: Annotated[str | None, Parameter(help="Day of the call, YYYY-MM-DD (UTC); today without it.")] = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Price one call, to the last digit. Token buckets are disjoint: --input is what was neither read nor written."""
    if batch and fast:
        raise InputError("--batch and --fast cannot be combined: fast mode is not available in batches")
    if min(input, write_5m, write_1h, read, output, web_searches) < 0:
        raise InputError("token and search counts must not be negative")
    try:
        on = date.fromisoformat((at or iso_from_day(day_of(SystemClock().now_s())))[:10])
    except ValueError:
        raise InputError(f"--at: {at!r} is no date; write it like 2026-10-07") from None
    tokens = Tokens(input, write_5m, write_1h, read, output)
    book = load_book(settings_for(config).prices)
    mode: Mode = "batch" if batch else "fast" if fast else "standard"
    document = bill_document(quote(book, model, tokens, on=on, mode=mode, geo=geo, web_searches=web_searches))
    if json:
        print_json(document)
        return
    rows = [
        (line["kind"], f"{line['tokens']:,}", f"${line['usd_per_mtok']}", f"${line['usd']}") for line in document["lines"]
    ]
    print_table(
        ("", "tokens", "per million", "cost"), rows, title=f"{model}, {on}", footer=("", "", "", f"${document['cost_usd']}")
    )

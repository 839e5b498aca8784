"""AWS's Cost and Usage Report (CUR 2.0): what Amazon Bedrock charged, a line for each model, kind of token
and hour or day. CSV or Parquet.

Two ways of naming are in use. Models sold through the marketplace have a product "Claude Opus 4.6 (Amazon Bedrock Edition)"
and usage types like `USE1-MP:USE1_CacheWrite1hInputTokenCount_Global-Units` or
`USE1-MP:USE1_cache_write_tokens_1h_global_standard-Units`, counted in millions. The others name the model in the usage type,
`USE1-Claude4.5Sonnet-cache-read-input-token-count` or `USE1-anthropic.claude-opus-4-8-mantle-input-tokens-standard`, and are
counted in thousands. Without "global" a price is that of the region
(docs.aws.amazon.com/bedrock/latest/userguide/cost-mgmt-understanding-cur-data.html, 2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from msgspec import Raw, Struct

from thriftgate.audit.importers.answers import claimed_pico
from thriftgate.audit.importers.anthropic_terms import OTHER_CURRENCY
from thriftgate.audit.importers.rows import decoder, embedded, parquet_has, rows
from thriftgate.audit.importers.tally import UNREADABLE, Tally
from thriftgate.audit.moments import micros
from thriftgate.audit.names import is_claude
from thriftgate.audit.records import COUNT_MAX, MALFORMED, NOT_A_CALL, OTHER_PROVIDER, Depth, Issue, Record
from thriftgate.audit.sources import Head, Source
from thriftgate.core.errors import InputError
from thriftgate.core.prices import Mode

OTHER_CHARGE = "other_charge"  # for Claude, but not by the token: reserved or provisioned throughput

_USAGE = ("Usage", "DiscountedUsage", "SavingsPlanCoveredUsage", "")
_MARKETPLACE = re.compile(
    r"MP:[A-Za-z0-9]+_(?P<kind>(?:CacheRead|CacheWrite(?:1h)?)?InputTokenCount|OutputTokenCount"
    r"|input_tokens|output_tokens|cache_read_tokens|cache_write_tokens(?:_1h)?)(?P<terms>(?:_[A-Za-z]+)*)-Units"
)
_OWN = re.compile(
    r"(?P<model>(?:anthropic\.)?claude[a-z0-9.-]*?)(?:-mantle)?-"
    r"(?P<kind>cache-read|cache-write|input|output)(?:-input)?-token(?:s|-count)(?P<terms>(?:-[a-z0-9]+)*)",
    re.IGNORECASE,
)
_KINDS = {
    "InputTokenCount": "input",
    "OutputTokenCount": "output",
    "CacheReadInputTokenCount": "read",
    "CacheWriteInputTokenCount": "write_5m",
    "CacheWrite1hInputTokenCount": "write_1h",
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read_tokens": "read",
    "cache_write_tokens": "write_5m",
    "cache_write_tokens_1h": "write_1h",
    "input": "input",
    "output": "output",
    "cache-read": "read",
    "cache-write": "write_5m",
}
_HOUR = ("-1h", "-1-hour")
_UNITS = {"1m tokens": 1_000_000, "1k tokens": 1000, "tokens": 1, "token": 1}
_LONG_CONTEXT = "200k-1M"


class _Line(Struct):
    """One line item."""

    line_item_line_item_type: str | None = None
    line_item_usage_type: str | None = None
    line_item_usage_start_date: str | None = None
    line_item_usage_end_date: str | None = None
    line_item_usage_amount: Decimal | None = None
    line_item_unblended_cost: Decimal | None = None
    line_item_currency_code: str | None = None
    line_item_usage_account_id: str | None = None
    line_item_iam_principal: str | None = None
    pricing_unit: str | None = None
    product: Raw = Raw(b"null")
    product_product_name: str | None = None
    product_servicename: str | None = None


class _Product(Struct):
    """The map of CUR 2.0; older reports have a column for each of its keys."""

    product_name: str | None = None
    servicename: str | None = None


class _Kind(NamedTuple):
    """What a usage type says. `model` is "" where only the product names it; `unit` are the tokens of one unit of usage."""

    model: str
    bucket: str
    mode: Mode
    geo: str
    context_window: str
    unit: int


_decode = decoder(_Line).decode
_decode_product = decoder(_Product).decode


class AwsCur:
    """See `contract.Importer`. Every line is a charge (`bill_pico`), with the tokens it is for."""

    id = "aws-cur"
    title = "AWS Cost and Usage Report (CUR 2.0)"
    depth: Depth = "day"
    input_includes_cache: bool | None = False
    cannot_know = (
        "single calls, and how many there were: it holds sums of an hour or a day",
        "how much of the output was thinking",
        "the priority and flex tiers as such: their lines count as standard, at what they were charged",
        "taxes, credits and refunds: only usage is read",
    )

    def sniff(self, head: Head) -> bool:
        needed = "line_item_usage_type", "line_item_unblended_cost"
        return set(needed) <= set(head.columns) or parquet_has(head, *needed)

    def read(self, source: Source) -> Iterator[Record | Issue]:
        tally = Tally(source)
        for position, data, whole in rows(source, _Line, page="", mark=""):
            try:
                record = _record(source, position, _decode(data), tally) if whole else None
            except InputError as error:
                tally.add(MALFORMED, position, str(error))
                continue
            except UNREADABLE:
                tally.add(MALFORMED, position, "a field is of the wrong type")
                continue
            if record is not None:
                yield record
            elif not whole:
                tally.add(MALFORMED, position, "cut off or broken")
        yield from tally.issues()


def _record(source: Source, position: int, line: _Line, tally: Tally) -> Record | None:
    """None where the tally took it. Raises InputError for an amount or a moment that can be none."""
    usage_type = line.line_item_usage_type or ""
    if "laude" not in usage_type and "oken" not in usage_type and "MP:" not in usage_type:
        tally.add(NOT_A_CALL, position)
        return None
    kind = _told_by(usage_type)
    model = (kind.model if kind is not None else "") or _product_name(line)
    if not is_claude(model or usage_type):
        tally.add(OTHER_PROVIDER if kind is not None else NOT_A_CALL, position)
        return None
    if kind is None:
        tally.add(OTHER_CHARGE, position)
        return None
    if (line.line_item_line_item_type or "") not in _USAGE:
        tally.add(NOT_A_CALL, position, "a tax, credit or refund")
        return None
    if (line.line_item_currency_code or "USD") != "USD":
        tally.add(OTHER_CURRENCY, position)
        return None
    cost = line.line_item_unblended_cost
    bill_pico = claimed_pico(cost)
    if bill_pico is None:
        raise InputError("line_item_unblended_cost is no amount of money")
    start_us = micros(line.line_item_usage_start_date)
    end_us = micros(line.line_item_usage_end_date) if line.line_item_usage_end_date else start_us
    tokens = _tokens(line, kind.unit)
    return Record(
        source=source.name,
        position=position,
        at_us=start_us,
        span_us=max(0, end_us - start_us),
        calls=0,
        model=model,
        user=line.line_item_iam_principal or "",
        workspace=line.line_item_usage_account_id or "",
        platform="bedrock",
        mode=kind.mode,
        geo=kind.geo,
        input=tokens if kind.bucket == "input" else 0,
        write_5m=tokens if kind.bucket == "write_5m" else 0,
        write_1h=tokens if kind.bucket == "write_1h" else 0,
        read=tokens if kind.bucket == "read" else 0,
        output=tokens if kind.bucket == "output" else 0,
        bill_pico=bill_pico,
        token_type=kind.bucket,
        context_window=kind.context_window,
    )


@lru_cache(maxsize=4096)
def _told_by(usage_type: str) -> _Kind | None:
    """None for a usage type that is not of tokens."""
    marketplace = _MARKETPLACE.search(usage_type)
    own = None if marketplace else _OWN.search(usage_type)
    found = marketplace or own
    if found is None:
        return None
    terms = found["terms"].lower()
    bucket = _KINDS[found["kind"] if marketplace else found["kind"].lower()]
    if bucket == "write_5m" and terms.startswith(_HOUR):
        bucket = "write_1h"
    return _Kind(
        own["model"] if own else "",
        bucket,
        "batch" if "batch" in terms else "standard",
        "global" if "global" in terms else "regional",
        _LONG_CONTEXT if "lctx" in terms or "long_ctx" in terms else "",
        1_000_000 if marketplace else 1000,
    )


def _product_name(line: _Line) -> str:
    name = line.product_product_name or line.product_servicename
    product = embedded(line.product)
    if not name and product:
        told = _decode_product(product)
        name = told.product_name or told.servicename
    return name or ""


def _tokens(line: _Line, unit: int) -> int:
    """Raises InputError for an amount that is none. The report's own unit, where it tells one, goes before the usual."""
    amount = line.line_item_usage_amount
    if amount is None or not amount.is_finite() or not 0 <= amount <= COUNT_MAX:
        raise InputError("line_item_usage_amount is no amount of tokens")
    tokens = round(amount * _UNITS.get((line.pricing_unit or "").lower(), unit))
    if tokens > COUNT_MAX:
        raise InputError("line_item_usage_amount is no amount of tokens")
    return tokens

"""Limits as they are written and told: on the command line, over the API, on pages."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from thriftgate.core.control.limits import METRICS, PER_US, Bucket, Limit, Metric, Per
from thriftgate.core.errors import InputError
from thriftgate.core.moments import text_from_micros
from thriftgate.core.money import pico_from_usd, usd_from_pico


def metric_of(text: str) -> Metric:
    """Raises InputError."""
    found = next((one for one in METRICS if one == text.strip().replace("-", "_")), None)
    if found is None:
        raise InputError(f"metric {text!r} is none of {', '.join(METRICS)}")
    return found


def per_of(text: str) -> Per:
    """Raises InputError."""
    found = next((one for one in PER_US if one == text.strip()), None)
    if found is None:
        raise InputError(f"per {text!r} is none of {', '.join(PER_US)}")
    return found


def units_of(metric: Metric, text: str | Decimal) -> int:
    """How much that is, in pico-USD for `usd`; a whole number of what else is counted. Raises InputError."""
    if metric == "usd":
        return pico_from_usd(text)
    if isinstance(text, Decimal):
        text = format(text.normalize(), "f")
    if not text.isascii() or not text.isdigit() or len(text) > len(str(10**15)):
        raise InputError(f"{text!s:.60} is no number of {metric.replace('_', ' ')}: write a whole number")
    return int(text)


def limit_document(limit: Limit) -> dict[str, Any]:
    """A limit by itself. Of money `amount_usd` and `burst_usd` tell it, of all else `amount` and `burst`; the others are
    null."""
    money = limit.metric == "usd"
    return {
        "id": limit.id,
        "name": limit.name,
        "metric": limit.metric,
        "amount": None if money else limit.amount,
        "amount_usd": usd_from_pico(limit.amount) if money else None,
        "per": None if limit.metric == "concurrency" else limit.per,
        "burst": None if money else limit.room,
        "burst_usd": usd_from_pico(limit.room) if money else None,
        "scope": list(limit.scope),
        "created": text_from_micros(limit.created_us) if limit.created_us else None,
        "ended": text_from_micros(limit.ended_us) if limit.ended_us else None,
    }


def bucket_text(bucket: Bucket, now_us: int, unix_us: int) -> str:
    """How a limit stands, as a header tells it: `remaining` is what may come now, `reset` when nothing of it will be used if
    no more comes. `now_us` is of the clock that limits go by, `unix_us` the same moment since 1970."""
    limit, left = bucket.limit, bucket.left(now_us)
    told = (
        f'name="{quoted(bucket.whose)}"; metric={limit.metric}; limit={_told(limit, limit.amount)}; '
        f"remaining={_told(limit, max(0, left))}"
    )
    full_us = bucket.full_us(now_us)
    return told if full_us is None else f"{told}; reset={text_from_micros(unix_us + full_us)}"


def quoted(text: str) -> str:
    """Between the quotes of a header: a tag or a task is whatever a caller wrote."""
    if not (text.isascii() and text.isprintable() and "\\" not in text):
        text = "".join(one if one.isascii() and one.isprintable() and one != "\\" else "?" for one in text)
    return text.replace('"', "'")


def _told(limit: Limit, amount: int) -> int | str:
    return usd_from_pico(amount) if limit.metric == "usd" else amount

"""Entries of calls that were never sent, or of which nobody knows how they ended."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from thriftgate.core.control.whose import NOBODY, Whose
from thriftgate.core.errors import InputError, PolicyRefusal, ThriftgateError
from thriftgate.core.plan import Plan
from thriftgate.core.usage import Tokens, Usage
from thriftgate.ledger.entries import Entry, Hold, balanced
from thriftgate.providers.transport import Headers, header


class Opened(NamedTuple):
    """A call that has a name: its id, when it came (microseconds since 1970), whose it is, in which dialect, and what it is
    for."""

    id: str
    opened_us: int
    key: str
    endpoint: str
    whose: Whose = NOBODY
    task: str = ""


class Books(NamedTuple):
    """What every entry says of where it comes from: the provider, the price book, now (microseconds since 1970)."""

    provider: str
    price_book: str
    now_us: int


def lost(hold: Hold, books: Books) -> Entry:
    """A call whose process was killed: booked at its forecast, flagged as estimated."""
    return Entry(
        id=hold.id,
        opened_us=hold.opened_us,
        settled_us=books.now_us,
        key=hold.key,
        model=hold.model,
        endpoint="",
        outcome="lost",
        resolution="expire",
        usage_source="estimated",
        usage=Usage(),
        postings=balanced(hold.forecast_pico, hold.forecast_pico, {}),
        provider=books.provider,
        price_book=books.price_book,
        forecast_pico=hold.forecast_pico,
        task=hold.task,
        whose=hold.whose,
        note="thriftgate was stopped between sending and settling; booked at its forecast",
    )


def refused(opened: Opened, model: str, plan: Plan | None, error: ThriftgateError, books: Books) -> Entry:
    """A call that was not sent: bad input, or a limit."""
    return Entry(
        id=opened.id,
        opened_us=opened.opened_us,
        settled_us=books.now_us,
        key=opened.key,
        model=model,
        endpoint=opened.endpoint,
        outcome="refused",
        resolution="void",
        usage_source="none",
        usage=Usage(Tokens()),
        postings=balanced(0, 0, {}),
        provider=books.provider,
        status=error.status_hint,
        price_book=books.price_book,
        decisions=plan.decisions if plan is not None else (),
        note=str(error),
        task=opened.task,
        whose=opened.whose,
    )


def refuse(message: str) -> None:
    """Raises PolicyRefusal."""
    raise PolicyRefusal(message)


def as_refusal(raised: Exception) -> ThriftgateError:
    """What the books say of a call that could not be planned."""
    if isinstance(raised, ThriftgateError):
        return raised
    if isinstance(raised, RecursionError):
        return InputError("the request body is nested too deeply")
    return ThriftgateError(f"thriftgate failed to plan this call: {type(raised).__name__}")


def is_no_message(body: bytes, headers: Headers) -> bool:
    """Whether no client could make sense of a successful answer. One compressed against our wish cannot be judged."""
    if header(headers, b"content-encoding") not in ("", "identity"):
        return False
    try:
        return "content" not in msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True

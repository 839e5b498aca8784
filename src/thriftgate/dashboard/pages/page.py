"""What a page is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from thriftgate.dashboard.asked import Asked

Document = dict[str, Any]


def _nothing_more(_document: Document, _asked: Asked) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Page:
    """`document` is what the page shows, and what the API answers at the same name: amounts as exact strings. `view` makes
    of it what the template needs beside it: charts. `act` does what a form of the page asks for; it returns what the page
    shall show besides, or None to show it anew. `takes_rest`: the page is of one thing, named behind its slug; `filtered`:
    what it shows depends on the span and on whom it is narrowed to; `of_all`: it cannot be narrowed to one team, and is not
    for those who see one alone."""

    slug: str
    title: str
    template: str
    document: Callable[[Asked], Awaitable[Document]]
    view: Callable[[Document, Asked], dict[str, Any]] = _nothing_more
    act: Callable[[Asked], Awaitable[dict[str, Any] | None]] | None = None
    takes_rest: bool = False
    filtered: bool = True
    of_all: bool = False

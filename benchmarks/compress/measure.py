"""What each rewrite takes out of the messages of a source, whether it comes back, and how fast the rewrite is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from time import process_time
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from benchmarks.compress.corpus import Message
from thriftgate.core.models import Capabilities
from thriftgate.core.reduction import examples, json_text, markup, plain_text, tables
from thriftgate.core.reduction.pieces import Piece, Rewrite
from thriftgate.core.reduction.recipe import Recipe
from thriftgate.core.tokens import Family, TextCounter

ALL = "all levers"
ROUNDS = 3


class Lever(Struct, frozen=True):
    """A rewrite with its recipe; `came_back` tells of a text before and after whether what is promised holds."""

    name: str
    rewrite: Rewrite
    recipe: Recipe = Recipe()
    came_back: Callable[[str, str], bool] | None = None


class Figures(Struct, frozen=True):
    """Of a lever and a source. Tokens of all texts, and of those that were touched, before and after; `lost` are touched
    texts that did not come back, None where nothing is promised; `unsettled` messages that a second rewrite changes."""

    lever: str
    source: str
    texts: int
    touched: int
    tokens: int
    before: int
    after: int
    lost: int | None
    unsettled: int
    mb: float
    mb_s: float

    @property
    def saved_all(self) -> float:
        return 100 * (self.before - self.after) / self.tokens if self.tokens else 0.0

    @property
    def saved_touched(self) -> float:
        return 100 * (self.before - self.after) / self.before if self.before else 0.0


class Tokens:
    """Counts each text once."""

    def __init__(self, counter: TextCounter, family: Family) -> None:
        self._counter, self._family = counter, family
        self._known: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        if text not in self._known:
            self._known[text] = self._counter.count(text, self._family)
        return self._known[text]


def levers() -> tuple[Lever, ...]:
    """In the order in which they act."""
    return (
        Lever("compress.markup", markup.rewrite),
        Lever("compress.tables", tables.rewrite, Recipe(), _tables_came_back),
        Lever("compress.tables csv", tables.rewrite, Recipe(table_form="csv"), _tables_came_back),
        Lever("compress.tables toon", tables.rewrite, Recipe(table_form="toon"), _tables_came_back),
        Lever("compress.json", json_text.rewrite, Recipe(), _json_came_back),
        Lever("compress.json nulls", json_text.rewrite, Recipe(json_drop_nulls=True)),
        Lever("compress.text", plain_text.rewrite),
        Lever("compress.text fillers", plain_text.rewrite, Recipe(text_fillers=True)),
        Lever("compress.examples", examples.rewrite, Recipe(), _examples_came_back),
        Lever(ALL, _all),
    )


def measure(lever: Lever, source: str, messages: Sequence[Message], tokens: Tokens, capability: Capabilities) -> Figures:
    """Rewrites every message, thrice for the time."""
    seconds = []
    done: list[tuple[Message, dict[int, str]]] = []
    for _ in range(ROUNDS):
        began = process_time()
        done = [(one, dict(lever.rewrite(one.pieces, lever.recipe, capability))) for one in messages]
        seconds.append(process_time() - began)
    changed = [(message.pieces[at].text, text) for message, texts in done for at, text in texts.items()]
    again = [
        bool(lever.rewrite(_replaced(message.pieces, texts), lever.recipe, capability)) for message, texts in done if texts
    ]
    back = lever.came_back
    size = sum(len(piece.text.encode("utf-8", "replace")) for one in messages for piece in one.pieces)
    return Figures(
        lever=lever.name,
        source=source,
        texts=sum(len(one.pieces) for one in messages),
        touched=len(changed),
        tokens=sum(tokens(piece.text) for one in messages for piece in one.pieces),
        before=sum(tokens(was) for was, _ in changed),
        after=sum(tokens(now) for _, now in changed),
        lost=None if back is None else sum(not back(was, now) for was, now in changed),
        unsettled=sum(again),
        mb=size / 1e6,
        mb_s=size / 1e6 / max(1e-9, min(seconds)),
    )


def _replaced(pieces: Iterable[Piece], texts: dict[int, str]) -> tuple[Piece, ...]:
    return tuple(replace(piece, text=texts.get(at, piece.text)) for at, piece in enumerate(pieces))


def _all(pieces: tuple[Piece, ...], recipe: Recipe, capability: Capabilities) -> dict[int, str]:
    """One after the other, as the gateway lets them act."""
    del recipe
    current = pieces
    for rewrite in (markup.rewrite, tables.rewrite, json_text.rewrite, plain_text.rewrite, examples.rewrite):
        current = _replaced(current, dict(rewrite(current, Recipe(), capability)))
    return {at: now.text for at, (was, now) in enumerate(zip(pieces, current, strict=True)) if was.text != now.text}


def _values(text: str) -> list[Any]:
    """The JSON in a text, read by the standard library."""
    found = json_text.found_in([Piece("document", text)]).get(0, [])
    return [json.loads(value) for each in found for value in each.values]


def _json_came_back(was: str, now: str) -> bool:
    return _values(was) == _values(now) and "".join(was.split()) == "".join(now.split())


def _tables_came_back(was: str, now: str) -> bool:
    return _values(was) == _values(tables.restore(now))


def _examples_came_back(was: str, now: str) -> bool:
    runs = [(run.labels, run.rows) for run in examples.runs(was)]
    return all(each in runs for each in examples.restore(now))

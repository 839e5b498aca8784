"""Messages as the rewrites leave them, and what each of them took out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.errors import InputError
from thriftgate.core.generations import Generations
from thriftgate.core.models import Capabilities
from thriftgate.core.reduction.adopt import tokens_of
from thriftgate.core.reduction.pieces import Piece, Place, Rewrite, message_places, system_places, tool_names
from thriftgate.core.reduction.recipe import Recipe
from thriftgate.core.splice import Edit, apply
from thriftgate.core.tokens import image_size, image_tokens

MESSAGES = 20_000  # whose rewriting is remembered
SAVED_TOKENS_LEAST = 8  # by a rewrite, of one piece; a prompt is not touched for less,
SAVED_SHARE_LEAST = 0.01  # unless it is so much of the piece: short messages add up
BYTES_AN_ENTRY = 4_096  # a longer message counts as several
_UNREADABLE = (InputError, ValueError, msgspec.MsgspecError, RecursionError)


class Taken(Struct, frozen=True):
    """What one lever took out: estimated tokens of the texts it changed, before and after."""

    lever: str
    before: int
    after: int


class Done(Struct, frozen=True):
    """A message after all rewrites: its own bytes where none acted. `failed` names levers that raised, with the error."""

    raw: bytes
    taken: tuple[Taken, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()


class _Source(Struct):
    data: Raw = Raw(b'""')


class Rewriter:
    """Owned by one engine. What was rewritten once is not rewritten again."""

    def __init__(self, rewrites: Mapping[str, Rewrite]) -> None:
        self._rewrites = rewrites
        self._known: Generations[bytes, Done] = Generations(MESSAGES)

    def message(self, key: bytes, raw: bytes, before: bytes, *, recipe: Recipe, capability: Capabilities) -> Done:
        """One message. `key` tells it, all that stands before it, and the recipe; `before` is the message before it. Never
        raises."""
        known = self._known.get(key)
        if known is None:
            known = self._rewritten(raw, message_places(raw, tool_names(before)), recipe, capability)
            self._known[key] = known
            self._known.charge(len(known.raw) // BYTES_AN_ENTRY)
        return known

    def system(self, key: bytes, raw: bytes, *, recipe: Recipe, capability: Capabilities) -> Done:
        """The `system` member. `key` tells the recipe and the model. Never raises."""
        key += sha256(raw).digest()
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._rewritten(raw, system_places(raw), recipe, capability)
        return known

    def _rewritten(self, raw: bytes, places: Sequence[Place], recipe: Recipe, capability: Capabilities) -> Done:
        if not places:
            return Done(raw)
        pieces = tuple(place.piece for place in places)
        current = pieces
        taken: list[Taken] = []
        failed: list[tuple[str, str]] = []
        for lever in recipe.rewrites:
            try:
                current, tokens = _adopted(current, self._rewrites[lever](current, recipe, capability), capability)
            except Exception as error:  # noqa: BLE001  law 4: a lever that raises becomes a skip, whatever it raised
                failed.append((lever, type(error).__name__))
                continue
            if tokens is not None:
                taken.append(Taken(lever, *tokens))
        edits = [
            Edit(place.path, place.value(now.text))
            for place, was, now in zip(places, pieces, current, strict=True)
            if now is not was
        ]
        try:
            return Done(_edited(raw, edits), tuple(taken), tuple(failed)) if edits else Done(raw, (), tuple(failed))
        except _UNREADABLE as error:
            return Done(raw, (), ((recipe.rewrites[-1], type(error).__name__),))


def _edited(raw: bytes, edits: Sequence[Edit]) -> bytes:
    """With the new texts; a system prompt may be nothing but one text."""
    return edits[0].value or raw if not edits[0].path else apply(raw, edits)


def _adopted(
    pieces: tuple[Piece, ...], changed: Mapping[int, str], capability: Capabilities
) -> tuple[tuple[Piece, ...], tuple[int, int] | None]:
    """The pieces with those of the new texts that are worth it; their tokens before and after, None without any."""
    fresh = list(pieces)
    before = after = 0
    for at, text in changed.items():
        piece = pieces[at]
        was, now = _tokens(piece.kind, piece.text, capability), _tokens(piece.kind, text, capability)
        if was - now >= min(SAVED_TOKENS_LEAST, SAVED_SHARE_LEAST * was) and now < was and text.strip():
            fresh[at] = msgspec.structs.replace(piece, text=text)
            before, after = before + was, after + now
    return tuple(fresh), (before, after) if before else None


def _tokens(kind: str, text: str, capability: Capabilities) -> int:
    if kind == "image":
        size = image_size(memoryview(msgspec.json.decode(text, type=_Source).data)[1:-1])
        return image_tokens(*size, capability.image_tier) if size is not None else 0
    return tokens_of(text, capability.tokenizer)

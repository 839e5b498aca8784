"""How each conversation is sent: what it has begun with it keeps to, so that its cache stays warm and its thinking valid.

Only digests and numbers are kept over a restart, and the summaries where the settings say so: prompts are private.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import msgspec
from msgspec import Struct

from thriftgate.core.generations import Generations
from thriftgate.core.reduction.recipe import Recipe
from thriftgate.core.reduction.steps import Step

CONVERSATIONS = 50_000
REVISION = 1
"""Goes up when a rewrite gives other bytes for the same message: what was begun with the old one is then not recognised."""


class Sent(Struct, frozen=True):
    """A conversation on its way: `recipe` (its digest) is applied to messages from number `since` on, then `step`."""

    recipe: str
    since: int = 0
    step: Step | None = None


UNKNOWN = Sent("")
"""Of one whose summary may not be written down: what stands deepest counts, and it must not be taken for what it was."""


class _Kept(Struct, array_like=True):
    revision: int
    recipes: dict[str, Recipe]
    conversations: list[tuple[bytes, Sent]]


class Conversations:
    """By what was said in them up to the latest request, as the client sent it (`recognition.py`). `keeps_summaries`: they
    may be written down."""

    def __init__(self, *, keeps_summaries: bool = False) -> None:
        self._keeps_summaries = keeps_summaries
        self._sent: Generations[bytes, Sent] = Generations(CONVERSATIONS)
        self._recipes: dict[str, Recipe] = {}

    def of(self, ends: Sequence[bytes]) -> Sent | None:
        """How the conversation that this prompt goes on with is sent. Its latest request stands deepest."""
        found = self._sent.among(ends)
        sent = next((found[digest] for digest in reversed(ends) if digest in found), None) if found else None
        return sent if sent != UNKNOWN else None

    def latest(self, ends: Sequence[bytes]) -> int:
        """Which message the latest known request of this conversation ended with, -1 for none."""
        found = self._sent.among(ends)
        return next((at for at in reversed(range(len(ends))) if ends[at] in found), -1)

    def note(self, digest: bytes, sent: Sent) -> None:
        """The conversation up to `digest` goes out so."""
        self._sent[digest] = sent

    @property
    def any(self) -> bool:
        """Whether there is any to recognise."""
        return len(self._sent) > 0

    def recipe(self, name: str) -> Recipe | None:
        """The recipe of that digest."""
        return self._recipes.get(name)

    def named(self, recipe: Recipe) -> str:
        """The digest of a recipe, which is known from now on."""
        name = sha256(msgspec.msgpack.encode((REVISION, recipe))).hexdigest()[:16]
        self._recipes[name] = recipe
        return name

    def kept(self) -> bytes:
        """The latest conversations, to be restored at the next start."""
        kept = [
            (digest, sent if self._keeps_summaries or sent.step is None or not sent.step.text else UNKNOWN)
            for digest, sent in self._sent.recent(CONVERSATIONS)
        ]
        return msgspec.msgpack.encode(_Kept(REVISION, self._recipes, kept))

    def restore(self, data: bytes) -> None:
        """Take in what `kept` gave. Raises msgspec's errors."""
        kept = msgspec.msgpack.decode(data, type=_Kept)
        if kept.revision == REVISION:
            self._recipes = kept.recipes | self._recipes
            for digest, sent in reversed(kept.conversations):
                self._sent[digest] = sent

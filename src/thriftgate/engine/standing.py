"""What is known of conversations: which arm serves each, and how it goes. Bounded; losing it costs a cache at worst."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.generations import Generations

CONVERSATIONS = 20_000
GAP_S_FIRST_GUESS = 60.0


class Standing(Struct, frozen=True):
    """What is known of a conversation: the arm that served it last, its turns, when it last spoke (unix seconds), the usual
    gap between its turns, how many of them a cheap model was good enough for (share), and the lever that chose the arm."""

    arm: str
    turns: int
    at_s: float
    gap_s: float = GAP_S_FIRST_GUESS
    easy: float = 0.5
    lever: str = ""


class Standings:
    """By the digest of the prompt up to the latest request of each conversation."""

    def __init__(self) -> None:
        self._known: Generations[bytes, Standing] = Generations(CONVERSATIONS)

    def of(self, chain: Sequence[bytes]) -> Standing | None:
        """What is known of the conversation that this prompt goes on with. Its latest turn stands deepest."""
        found = self._known.among(chain)
        return next((found[digest] for digest in reversed(chain) if digest in found), None) if found else None

    def note(self, digest: bytes, standing: Standing) -> None:
        """The conversation up to `digest` is now served so."""
        self._known[digest] = standing

    def escalated(self, chain: Sequence[bytes], model: str) -> None:
        """The try of the call with this prompt was not kept: its conversation is on the model that was asked for."""
        standing = self._known.get(chain[-1]) if chain else None
        if standing is not None:
            self._known[chain[-1]] = replace(standing, arm=model, lever="")

    def kept(self) -> bytes:
        """The latest conversations, to be restored at the next start."""
        return msgspec.msgpack.encode(list(self._known.recent(CONVERSATIONS)))

    def restore(self, data: bytes) -> None:
        """Take in what `kept` gave. Raises msgspec's errors."""
        for digest, standing in reversed(msgspec.msgpack.decode(data, type=list[tuple[bytes, Standing]])):
            self._known[digest] = standing

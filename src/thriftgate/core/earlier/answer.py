"""An answer that is kept to be given again."""

from __future__ import annotations

from msgspec import Struct


class KeptAnswer(Struct, frozen=True):
    """`id` is the call in the ledger that it answered, `at_s` when (unix seconds). `tenant` is the digest of whose it is:
    whoever gives it out holds it against that of the asker. `key`, `team` and `org` are for clearing; `model` is the one
    that served. `body` is the whole message as its client got it."""

    id: str
    at_s: float
    tenant: bytes
    key: str
    team: str
    org: str
    model: str
    stop_reason: str
    body: bytes

    @property
    def size_bytes(self) -> int:
        """About what it takes to keep it."""
        return len(self.body) + FRAME_BYTES


FRAME_BYTES = 1_000  # of an answer in memory, beside its body

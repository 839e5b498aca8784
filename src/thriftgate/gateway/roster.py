"""All keys that are good, in memory: a call asks no disk. What has changed in the books is read when it is due, and by no
more than what has changed.

Keys are found by the keyed hash of what was sent. Whoever tries cannot choose that hash, so how long the search takes tells
nothing; a key that is malformed and one that nobody knows take the same way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from hmac import compare_digest

from thriftgate.clock import Clock
from thriftgate.core.errors import ConfigError, LedgerError
from thriftgate.ledger.sealing import Vault
from thriftgate.ledger.tenants import Key, Secret, Tenants

USED_EVERY_S = 60.0  # between two times that the use of a key is written down


class Roster:
    """The keys of one ledger. `vault` is opened once there is a key to look for. What another process changes counts after
    `recheck_s`; what this one changes, at once, because it calls `stale`."""

    def __init__(self, tenants: Tenants, vault: Callable[[], Awaitable[Vault]], clock: Clock, *, recheck_s: float) -> None:
        self.any_key = False
        self._tenants = tenants
        self._open = vault
        self._clock = clock
        self._recheck_s = recheck_s
        self._vault: Vault | None = None
        self._version = -1
        self._due_s = float("-inf")
        self._keys: dict[str, Key] = {}
        self._secrets: dict[bytes, Secret] = {}
        self._used: dict[str, int] = {}
        self._flushed_s = clock.monotonic_s()
        self._reading = asyncio.Lock()

    @property
    def is_due(self) -> bool:
        """Whether it is time to look for what has changed."""
        return self._clock.monotonic_s() >= self._due_s

    def stale(self) -> None:
        """Something was changed just now."""
        self._due_s = float("-inf")

    async def refresh(self) -> None:
        """Read what has changed. Raises LedgerError: who may call is not known then, and nobody may."""
        async with self._reading:
            if not self.is_due:
                return
            due_s = self._clock.monotonic_s() + self._recheck_s
            if await self._tenants.version() != self._version:
                await self._take_over()
            self._due_s = due_s

    def find(self, text: str) -> Key | None:
        """The key that this is a secret of; None where it is none, has expired or was revoked."""
        if self._vault is None:
            return None
        digest = self._vault.digest(text)
        secret = self._secrets.get(digest)
        if secret is None or not compare_digest(secret.digest, digest):
            return None
        key = self._keys[secret.key]
        now_us = int(self._clock.now_s() * 1e6)
        if (secret.ends_us and now_us >= secret.ends_us) or key.ended(now_us):
            return None
        self._used[key.id] = now_us
        return key

    def key(self, id: str) -> Key | None:  # noqa: A002  it is one
        """The key of that id, whether it is good or not."""
        return self._keys.get(id)

    @property
    def owes(self) -> bool:
        """Whether it is time to write down which keys were used."""
        return bool(self._used) and self._clock.monotonic_s() - self._flushed_s >= USED_EVERY_S

    async def flush(self) -> None:
        """Write down which keys were used. Raises LedgerError."""
        used, self._used = self._used, {}
        self._flushed_s = self._clock.monotonic_s()
        if used:
            await self._tenants.touch(used)

    async def _take_over(self) -> None:
        changes = await self._tenants.changes(self._version)
        if changes.any_key and self._vault is None:
            try:
                self._vault = await self._open()
            except ConfigError as error:
                if self._version < 0:  # at the start it is for whoever starts it to mend
                    raise
                raise LedgerError(str(error)) from None
        changed = {key.id for key in changes.keys}
        gone = [digest for digest, secret in self._secrets.items() if secret.key in changed] if self._secrets else ()
        for digest in gone:
            del self._secrets[digest]
        self._keys.update({key.id: key for key in changes.keys})
        self._secrets.update({secret.digest: secret for secret in changes.secrets})
        self.any_key = self.any_key or changes.any_key
        self._version = changes.version

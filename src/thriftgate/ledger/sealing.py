"""What is kept under the master key: the pepper of the hashes of virtual keys, and the keys of the provider.

From the master key one key for each purpose is derived (HKDF-SHA-256, RFC 5869). What is sealed is sealed with AES-256-GCM
under a fresh nonce of 96 random bits (NIST SP 800-38D section 8.2.2), bound to its place: what was sealed for one row does
not open in another. A secret of a virtual key has 256 random bits, so a keyed hash is enough: there is nothing to guess.
"""

from __future__ import annotations

import secrets
from hashlib import sha256
from hmac import digest as hmac_digest

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec.structs import replace

from thriftgate.core.errors import ConfigError
from thriftgate.ledger.master_key import MasterKey
from thriftgate.ledger.tenants import Deed, ProviderKey, Tenants

NONCE_BYTES = 12
_PEPPER = "pepper"


class Sealer:
    """Seals and opens with one master key."""

    def __init__(self, master: bytes) -> None:
        self._master = master
        self._cipher = AESGCM(self.derived("seal"))

    def derived(self, purpose: str) -> bytes:
        """The key for a purpose: 32 bytes."""
        return HKDF(SHA256(), 32, salt=None, info=f"thriftgate {purpose} v1".encode()).derive(self._master)

    def seal(self, data: bytes, place: str) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """Raises ConfigError where it was sealed with another master key, for another place, or is damaged."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError):
            raise ConfigError(
                f"access.master_key: {place} of the ledger cannot be opened with this master key; give the one that it was "
                "sealed with"
            ) from None


class Vault:
    """The master key at work on one ledger."""

    def __init__(self, sealer: Sealer, pepper: bytes) -> None:
        self._sealer = sealer
        self._pepper = pepper
        self.session_key = sealer.derived("sessions")
        self.answers_key = sealer.derived("answers")

    def digest(self, secret: str) -> bytes:
        """What a secret is known by in the books."""
        return hmac_digest(self._pepper, secret.encode(), sha256)

    def seal_provider_key(self, key: ProviderKey, secret: str) -> ProviderKey:
        return replace(key, sealed=self._sealer.seal(secret.encode(), key.id))

    def provider_secret(self, key: ProviderKey) -> str:
        """Raises ConfigError."""
        return self._sealer.open(key.sealed, key.id).decode()

    async def reseal(self, tenants: Tenants, master: bytes, deed: Deed) -> int:
        """Seal everything anew under another master key. Returns how many keys of the provider's there were. Sessions end,
        virtual keys stay as they are. Raises ConfigError and LedgerError: then nothing was changed."""
        fresh = Sealer(master)
        keys: list[ProviderKey] = []
        while page := await tenants.page(ProviderKey, after=keys[-1].id if keys else "", gone=True):
            keys += [replace(one, sealed=fresh.seal(self._sealer.open(one.sealed, one.id), one.id)) for one in page]
        await tenants.reseal({_PEPPER: fresh.seal(self._pepper, _PEPPER)}, keys, deed)
        return len(keys)


async def open_vault(tenants: Tenants, place: MasterKey) -> Vault:
    """The vault of a ledger; the first time it is asked for, its master key and its pepper are made. Raises ConfigError
    where there is no master key, or it is another one, and LedgerError."""
    kept = await tenants.sealed(_PEPPER)
    sealer = Sealer(place.read(make=kept is None))
    if kept is None:
        kept = await tenants.seal(_PEPPER, sealer.seal(secrets.token_bytes(32), _PEPPER))
    return Vault(sealer, sealer.open(kept, _PEPPER))

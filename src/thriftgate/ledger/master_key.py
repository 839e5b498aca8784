"""Where the master key of a ledger is: given in words, in a file that its owner alone can read, or in a keyring."""

from __future__ import annotations

import binascii
import os
import secrets
import stat
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

from thriftgate.core.errors import ConfigError
from thriftgate.ledger.urls import is_url, without_password

KEY_BYTES = 32
_SERVICE = "thriftgate"


class MasterKey(Struct, frozen=True):
    """A place to look: `text` is the key itself; with `keyring` it is kept there under the name of the ledger; else in the
    file `path`, or beside the ledger. For books in memory one that lives as long."""

    ledger: str
    text: str = ""
    path: str = ""
    keyring: bool = False

    @property
    def file(self) -> Path:
        """The file it is in, unless it is somewhere else."""
        return Path(self.path or f"{self.ledger}-master-key")

    def read(self, *, make: bool) -> bytes:
        """The 32 bytes. With `make` a key is drawn and kept where there is none. Raises ConfigError."""
        if self.text:
            return decoded(self.text, "access.master_key")
        if self.keyring:
            return self._from_keyring(make=make)
        if self.ledger == ":memory:" and not self.path:
            return _OF_MEMORY
        if is_url(self.ledger) and not self.path:
            raise ConfigError(
                "access.master_key: books on a server have no file beside them; give every process that serves them the "
                "same key, by access.master_key, access.master_key_file or THRIFTGATE_MASTER_KEY"
            )
        if make and not self.file.exists():
            _write_new(self.file, secrets.token_bytes(KEY_BYTES))
        return _from_file(self.file)

    def stage(self, master: bytes) -> Callable[[], str]:
        """Prepare another key for the same place; the function puts it there, and says where that is. Raises ConfigError."""
        if self.text:
            return lambda: "access.master_key or THRIFTGATE_MASTER_KEY, once you put it there"
        if self.keyring:
            return lambda: self._into_keyring(master)
        draft = _draft(self.file, master)
        return lambda: str(draft.replace(self.file))

    @property
    def _name(self) -> str:
        return without_password(self.ledger) if is_url(self.ledger) else str(Path(self.ledger).resolve())

    def _from_keyring(self, *, make: bool) -> bytes:
        with _keyring() as ring:
            text = ring.get_password(_SERVICE, self._name)
            if text is None and make:
                text = encoded(secrets.token_bytes(KEY_BYTES))
                ring.set_password(_SERVICE, self._name, text)
        if text is None:
            raise ConfigError(f"access.keyring: there is no master key for {self._name} in the system's keyring; restore it")
        return decoded(text, "the master key in the system's keyring")

    def _into_keyring(self, master: bytes) -> str:
        with _keyring() as ring:
            ring.set_password(_SERVICE, self._name, encoded(master))
        return f"the system's keyring, {self._name}"


_OF_MEMORY = secrets.token_bytes(KEY_BYTES)


def encoded(master: bytes) -> str:
    return urlsafe_b64encode(master).decode()


def decoded(text: str, where: str) -> bytes:
    """The bytes of a key in hex or base64. Raises ConfigError, without the text."""
    text = text.strip()
    try:
        found = bytes.fromhex(text) if len(text) == 2 * KEY_BYTES else b64decode(text.replace("-", "+").replace("_", "/"))
    except (ValueError, binascii.Error):
        found = b""
    if len(found) != KEY_BYTES:
        raise ConfigError(f"{where}: wants 32 random bytes, as 64 hex digits or as base64 (openssl rand -base64 32)")
    return found


def _write_new(file: Path, master: bytes) -> None:
    """Write a key to a file that is its owner's alone; one that is there already stays. Raises ConfigError."""
    draft = _draft(file, master)
    try:
        with suppress(FileExistsError):
            os.link(draft, file)  # whole, or not at all; and never over another one
    except OSError as error:
        raise ConfigError(f"cannot write the master key to {file}: {error.strerror}") from None
    finally:
        draft.unlink()


def _draft(file: Path, master: bytes) -> Path:
    draft = file.with_name(f"{file.name}-{secrets.token_hex(4)}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as opened:
            opened.write(encoded(master) + "\n")
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        raise ConfigError(f"cannot write the master key to {draft}: {error.strerror}") from None
    return draft


def _from_file(file: Path) -> bytes:
    try:
        with file.open(encoding="utf-8") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
                raise ConfigError(f"the master key {file} can be read by others ({stat.filemode(mode)}); chmod 600 it")
            text = opened.read(1000)
    except FileNotFoundError:
        raise ConfigError(
            f"there is no master key at {file}, and keys of this ledger are sealed with one; restore it, or name it with "
            "access.master_key_file or THRIFTGATE_MASTER_KEY"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the master key {file}: {type(error).__name__}") from None
    return decoded(text, f"the master key {file}")


@contextmanager
def _keyring() -> Iterator[Any]:
    try:
        import keyring  # noqa: PLC0415  an extra
        from keyring.errors import KeyringError  # noqa: PLC0415  an extra
    except ImportError:
        raise ConfigError("access.keyring: needs the extra `keyring`: pip install 'thriftgate[keyring]'") from None
    try:
        yield keyring
    except KeyringError as error:
        raise ConfigError(f"access.keyring: the system's keyring cannot be used: {type(error).__name__}") from None

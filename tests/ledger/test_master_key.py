"""Where the master key is: its owner's alone, whole or not at all, and never written over."""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backend
import pytest

from thriftgate.core.errors import ConfigError
from thriftgate.ledger.master_key import MasterKey, decoded, encoded

KEY = bytes(range(32))


def test_the_first_need_makes_a_file_that_its_owner_alone_can_read(tmp_path: Path) -> None:
    place = MasterKey(str(tmp_path / "books.db"))
    with pytest.raises(ConfigError, match="there is no master key at"):
        place.read(make=False)
    old = os.umask(0)
    try:
        made = place.read(make=True)
    finally:
        os.umask(old)
    assert len(made) == 32
    assert stat.S_IMODE(place.file.stat().st_mode) == 0o600
    assert place.read(make=False) == place.read(make=True) == made
    assert [one.name for one in tmp_path.iterdir()] == ["books.db-master-key"]


def test_many_that_need_it_at_once_get_the_same(tmp_path: Path) -> None:
    place, found = MasterKey(str(tmp_path / "books.db")), []
    threads = [threading.Thread(target=lambda: found.append(place.read(make=True))) for _ in range(16)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(set(found)) == 1
    assert len(found) == 16


@pytest.mark.skipif(sys.platform == "win32", reason="no modes")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_can_read_is_refused(mode: int, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(encoded(KEY))
    file.chmod(mode)
    with pytest.raises(ConfigError, match=r"can be read by others .* chmod 600"):
        MasterKey("books.db", path=str(file)).read(make=True)
    file.chmod(0o400)
    assert MasterKey("books.db", path=str(file)).read(make=True) == KEY


@pytest.mark.parametrize("text", [KEY.hex(), encoded(KEY), KEY.hex().upper(), f" {encoded(KEY)}\n"])
def test_a_key_in_words(text: str) -> None:
    assert MasterKey("books.db", text).read(make=False) == KEY


@pytest.mark.parametrize("text", ["short", "x" * 64, encoded(KEY[:31]), "é"])
def test_words_that_are_no_key_are_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError, match="32 random bytes") as told:
        decoded(text, "access.master_key")
    assert text not in str(told.value)


def test_what_cannot_be_read_or_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the master key"):
        MasterKey("books.db", path=str(tmp_path)).read(make=False)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write the master key"):
        MasterKey("books.db", path=str(tmp_path / "file" / "key")).read(make=True)


def test_books_in_memory_have_one_as_long_as_they_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert MasterKey(":memory:").read(make=True) == MasterKey(":memory:").read(make=False)
    assert not list(tmp_path.iterdir())


def test_another_key_takes_the_place_of_the_old(tmp_path: Path) -> None:
    place = MasterKey(str(tmp_path / "books.db"))
    old = place.read(make=True)
    put = place.stage(KEY)
    assert place.read(make=False) == old
    assert put() == str(place.file)
    assert place.read(make=False) == KEY
    assert stat.S_IMODE(place.file.stat().st_mode) == 0o600
    assert "THRIFTGATE_MASTER_KEY" in MasterKey("books.db", encoded(KEY)).stage(old)()


class Ring(keyring.backend.KeyringBackend):
    """A keyring of this process."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password


@pytest.fixture
def ring() -> Iterator[Ring]:
    before, one = keyring.get_keyring(), Ring()
    keyring.set_keyring(one)
    yield one
    keyring.set_keyring(before)


def test_the_systems_keyring(ring: Ring, tmp_path: Path) -> None:
    place = MasterKey(str(tmp_path / "books.db"), keyring=True)
    with pytest.raises(ConfigError, match="no master key for"):
        place.read(make=False)
    made = place.read(make=True)
    assert place.read(make=False) == made
    assert list(ring.kept) == [("thriftgate", str(tmp_path / "books.db"))]
    assert "keyring" in place.stage(KEY)()
    assert place.read(make=False) == KEY
    assert not list(tmp_path.iterdir())


def test_a_keyring_that_cannot_be_used_is_told() -> None:
    import keyring.backends.fail

    before = keyring.get_keyring()
    keyring.set_keyring(keyring.backends.fail.Keyring())  # type: ignore[no-untyped-call]
    try:
        with pytest.raises(ConfigError, match="the system's keyring cannot be used"):
            MasterKey("books.db", keyring=True).read(make=True)
    finally:
        keyring.set_keyring(before)

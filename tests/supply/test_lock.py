"""The lock pins every package by hash and names no place to get one from."""

from __future__ import annotations

from pathlib import Path

import pytest
from supply.lock import LOCK, Unlocked, read_lock

DIGEST = "0" * 64


def test_every_package_is_pinned_by_hash() -> None:
    locked = read_lock()
    assert len(locked) > 100
    assert all(one.hashes and one.version for one in locked)
    assert "\n".join(line for one in locked for line in one.lines) + "\n" == LOCK.read_text(encoding="utf-8")
    assert "aiohttp" in {one.name for one in locked if one.is_here}


@pytest.mark.parametrize(
    "lines",
    [
        "aiohttp==3.14.5",
        "aiohttp>=3",
        f"aiohttp @ https://files.example.invalid/aiohttp.whl --hash=sha256:{DIGEST}",
        f"--index-url https://example.invalid\naiohttp==3.14.5 \\\n    --hash=sha256:{DIGEST}",
        f"-e .\naiohttp==3.14.5 \\\n    --hash=sha256:{DIGEST}",
        "aiohttp==3.14.5 \\\n    --hash=md5:00",
        f"    --hash=sha256:{DIGEST}",
    ],
)
def test_what_pins_nothing_is_refused(lines: str, tmp_path: Path) -> None:
    file = tmp_path / "requirements.lock"
    file.write_text(lines + "\n", encoding="utf-8")
    with pytest.raises(Unlocked):
        read_lock(file)


def test_markers_are_read(tmp_path: Path) -> None:
    file = tmp_path / "requirements.lock"
    file.write_text(f"A.b==1 ; sys_platform == 'nowhere' \\\n    --hash=sha256:{DIGEST}\n", encoding="utf-8")
    (one,) = read_lock(file)
    assert (one.name, one.version, one.marker, one.hashes) == ("a-b", "1", "sys_platform == 'nowhere'", (DIGEST,))
    assert not one.is_here

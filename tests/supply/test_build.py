"""Wheel and sdist: the same bytes each time, nothing in them that does not belong there, and a lock to install them by."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from supply.build import LOCK_NAME, Differs, build, epoch_s, strangers
from supply.lock import ROOT, read_lock

from supply import build as building
from thriftgate import __version__


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("dist")
    made = build(folder)
    assert {one.path.suffix for one in made} == {".whl", ".gz"}
    return folder


def test_it_is_built_twice_and_told_by_its_digest(target: Path) -> None:
    wheel = target / f"thriftgate-{__version__}-py3-none-any.whl"
    lock = (target / LOCK_NAME).read_text(encoding="utf-8")
    own, *others = read_lock(target / LOCK_NAME)
    assert (own.name, own.version) == ("thriftgate", __version__)
    assert own.hashes == (hashlib.sha256(wheel.read_bytes()).hexdigest(),)
    names = {one.name for one in others}
    assert {"aiohttp", "uvicorn", "ctok", "regex"} <= names
    assert names.isdisjoint({"pytest", "hypothesis", "mypy", "anthropic"})
    assert "://" not in lock


def test_the_wheel_holds_the_package_and_nothing_else(target: Path) -> None:
    wheel = next(target.glob("*.whl"))
    assert strangers(wheel) == []
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
        (entry,) = {name for name in names if name.endswith("entry_points.txt")}
        assert b"thriftgate.cli:main" in opened.read(entry)
    assert {"thriftgate/py.typed", "thriftgate/core/models.toml", "thriftgate/pricing/book.json"} <= names
    held = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", "HEAD", "src/thriftgate"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    assert {name.removeprefix("src/") for name in held} == {name for name in names if name.startswith("thriftgate/")}


def test_the_sdist_can_be_built_again(target: Path, tmp_path: Path) -> None:
    sdist = next(target.glob("*.tar.gz"))
    assert strangers(sdist) == []
    with tarfile.open(sdist) as opened:
        opened.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    assert (unpacked / "src" / "thriftgate" / "py.typed").exists()


def test_a_stranger_is_found(target: Path, tmp_path: Path) -> None:
    wheel = Path(shutil.copy(next(target.glob("*.whl")), tmp_path))
    with zipfile.ZipFile(wheel, "a") as opened:
        opened.writestr("tests/test_a.py", "")
        opened.writestr("thriftgate/__pycache__/a.pyc", "")
        opened.writestr("thriftgate/books.db", "")
    assert strangers(wheel) == ["tests/test_a.py", "thriftgate/__pycache__/a.pyc", "thriftgate/books.db"]


def test_builds_that_differ_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def built(_root: Path, folder: Path, _when: int, *, mask: int, touched_s: int) -> list[Path]:
        folder.mkdir(parents=True)
        file = folder / "thriftgate.whl"
        file.write_text(str(touched_s))
        return [file]

    monkeypatch.setattr(building, "_built", built)
    with pytest.raises(Differs, match="not the same"):
        build(tmp_path / "dist")
    assert not (tmp_path / "dist").exists()


def test_the_time_is_that_of_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert re.fullmatch(r"\d{10}", str(epoch_s()))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795000000")
    assert epoch_s() == 1_795_000_000

"""A file as the body of a request: read in slices, or refused before anything is sent. Sending it: test_file_bodies.py."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fixtures import until
from tests.providers.test_aiohttp_transport import Network, pooled, transport
from tests.scripted import answering, upstream
from thriftgate.core.errors import BrokenReply, Unreachable
from thriftgate.providers.file_slices import SLICE_BYTES, FileSlices, check
from thriftgate.providers.transport import FileBody, Outgoing, Timeouts

__all__ = ["transport"]  # the fixture

QUICK = Timeouts(connect_s=0.3, read_s=0.3)


def file_of(path: Path, size: int) -> FileBody:
    """Random bytes, so that a slice lost, doubled or moved shows."""
    chance = random.Random(size)
    with path.open("wb") as file:
        for start in range(0, size, 2**20):
            file.write(chance.randbytes(min(2**20, size - start)))
    return FileBody(path, size)


def asking(url: str, body: FileBody | bytes, method: str = "POST") -> Outgoing:
    return Outgoing(method, f"{url}/v1/messages/batches", ((b"content-type", b"application/json"),), body)


async def closed(path: Path) -> None:
    """Wait until this process has the file open no more, where that can be seen."""

    async def gone() -> bool:
        return str(path) not in open_files()

    await until(gone)


def open_files() -> list[str]:
    found = []
    with contextlib.suppress(OSError):  # no such folder on this platform
        for descriptor in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):  # closed since: the listing's own
                found.append(str(descriptor.readlink()))
    return found


# --- slices ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, SLICE_BYTES - 1, SLICE_BYTES, SLICE_BYTES + 1, 3 * SLICE_BYTES])
async def test_slices_make_up_the_file(size: int, tmp_path: Path) -> None:
    body = file_of(tmp_path / "body", size)
    slices, pieces = FileSlices(body), []
    while len(slices):
        pieces.append(slices.read())
        assert len(slices) == size - sum(map(len, pieces))
    assert b"".join(pieces) == body.path.read_bytes()
    assert max(map(len, pieces), default=0) <= SLICE_BYTES
    assert slices.read() == b""
    await closed(body.path)  # without being told


async def test_left_early_it_is_closed(tmp_path: Path) -> None:
    body = file_of(tmp_path / "body", 2 * SLICE_BYTES)
    with FileSlices(body) as slices:
        slices.read()
    await closed(body.path)
    with pytest.raises(BrokenReply, match="cannot be read"):
        slices.read()


def test_a_file_that_becomes_shorter(tmp_path: Path) -> None:
    body = file_of(tmp_path / "body", 2 * SLICE_BYTES)
    with FileSlices(body) as slices:
        slices.read()
        os.truncate(body.path, SLICE_BYTES + 7)
        assert len(slices.read()) == 7
        with pytest.raises(BrokenReply, match=f"its body body has become {SLICE_BYTES - 7} bytes shorter"):
            slices.read()


def test_bytes_need_no_file() -> None:
    check(b"anything")


# --- what cannot be sent -----------------------------------------------------------------------------------------------


def missing(path: Path) -> FileBody:
    return FileBody(path, 5)


def a_folder(path: Path) -> FileBody:
    path.mkdir()
    return FileBody(path, path.stat().st_size)


def a_pipe(path: Path) -> FileBody:
    os.mkfifo(path)
    return FileBody(path, 0)


def shorter(path: Path) -> FileBody:
    return FileBody(file_of(path, 4).path, 5)


def longer(path: Path) -> FileBody:
    return FileBody(file_of(path, 6).path, 5)


def under_a_file(path: Path) -> FileBody:
    return FileBody(file_of(path, 5).path / "body", 5)


def no_name(path: Path) -> FileBody:
    return FileBody(path / "\0", 5)


@pytest.mark.parametrize("made", [missing, a_folder, a_pipe, shorter, longer, under_a_file, no_name])
async def test_what_is_no_such_file_is_unreachable(
    made: Callable[[Path], FileBody], tmp_path: Path, transport: Network
) -> None:
    """Surely nothing was sent: nobody was even asked, and the connection that is kept stays."""
    if made is a_pipe and not hasattr(os, "mkfifo"):
        pytest.skip("no pipes with names on this platform")
    body = made(tmp_path / "body")
    with pytest.raises(Unreachable):
        check(body)
    async with upstream(answering(b"ok")) as seen:
        await (await transport.send(asking(seen.url, b"first"), QUICK)).read()
        with pytest.raises(Unreachable, match="nothing was sent: the body ") as caught:
            await transport.send(asking(seen.url, body), QUICK)
        assert str(tmp_path) not in str(caught.value)
        assert (len(seen.requests), pooled(transport)) == (1, 1)
        await (await transport.send(asking(seen.url, b"last"), QUICK)).read()
        assert seen.connections == 1

"""How the C library keeps the memory that was freed: a process that runs for long must not grow by what nobody uses."""

from __future__ import annotations

import asyncio
import ctypes
import sys

LARGE_BYTES = 512 * 1024
TRIMMED_BYTES = 4 * 1024 * 1024
TRIM_EVERY_S = 60.0
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


def glibc() -> ctypes.CDLL | None:
    """The C library, where it is the one that can be told anything."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None


def give_back_large_blocks() -> bool:
    """Take large blocks from the system and give them back, each by itself; whether the C library can be told so.

    glibc does that for blocks above 128 KiB only until the first of them is freed; it then takes ever larger ones, up to
    32 MiB, from the heap that everything else is in (mallopt(3), M_MMAP_THRESHOLD, 2026-11). What a process that runs for
    long encodes every few minutes, and its largest prompts, then leave holes between things that stay, and it grows.
    """
    libc = glibc()
    if libc is None:
        return False
    return bool(libc.mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES) and libc.mallopt(_M_TRIM_THRESHOLD, TRIMMED_BYTES))


async def give_back_holes() -> None:
    """Give back, every minute until cancelled, the pages between things that stay (malloc_trim(3), 2026-11)."""
    libc = glibc()
    while libc is not None:
        await asyncio.sleep(TRIM_EVERY_S)
        await asyncio.to_thread(libc.malloc_trim, 0)

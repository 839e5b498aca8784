"""Memory that was freed goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# Blocks of 4 MiB and less, with something that stays behind each of them; how large the heap becomes.
PROGRAM = """
import ctypes, sys
from thriftgate.cli.allocator import give_back_large_blocks

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Info
assert sys.argv[1] == "as it is" or give_back_large_blocks()
kept, heap = [], 0
for turn in range(20):
    blocks = []
    for _ in range(8):
        blocks.append(bytearray(4 * 2**20 - 4096 * turn))
        kept.append(bytearray(600))
    heap = max(heap, libc.mallinfo2().arena)
    del blocks
print(heap)
"""


# A third of many blocks is freed, with others between them; what is resident before and after.
HOLES = """
import asyncio
from thriftgate.cli import allocator

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

allocator.TRIM_EVERY_S = 0.01
kept = [bytearray(1500 + 9000 * (at % 3)) for at in range(9000)]
kept[2::3] = [None] * 3000
before = resident()

async def main():
    trimming = asyncio.ensure_future(allocator.give_back_holes())
    async with asyncio.timeout(20):
        while resident() > before - 16 * 2**20:
            await asyncio.sleep(0.01)
    trimming.cancel()

asyncio.run(main())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this C library cannot be told")
def test_large_blocks_do_not_stay_in_the_heap() -> None:
    heap = {
        how: int(subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True).stdout)
        for how in ("as it is", "told")
    }
    assert heap["told"] < heap["as it is"] - 16 * 2**20
    assert heap["told"] < 32 * 2**20


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this C library cannot be told")
def test_holes_are_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")

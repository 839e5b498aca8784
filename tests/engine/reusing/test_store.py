"""Answers in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.earlier.test_answer import kept
from tests.engine.reusing.check_store import CHECKS, NOW_S
from thriftgate.engine.reusing.store import Bounds, MemoryStore, Store


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_contract(check: Callable[[Store], Awaitable[None]]) -> None:
    await check(MemoryStore(Bounds(3, 5_000)))


async def test_what_was_used_last_stays_longest() -> None:
    store = MemoryStore(Bounds(2, 10_000))
    for key in (b"a", b"b"):
        await store.put(key, kept(), NOW_S + 100)
    await store.get(b"a")
    await store.put(b"c", kept(), NOW_S + 100)
    assert [await store.get(key) is None for key in (b"a", b"b", b"c")] == [False, True, False]
    await store.close()


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4_000)), max_size=60))
def test_it_counts_what_it_holds(puts: list[tuple[int, int]]) -> None:
    store = MemoryStore(Bounds(6, 9_000))
    for key, size in puts:
        done = store.put(b"%d" % key, kept(b"x" * size), NOW_S + 100)
        with pytest.raises(StopIteration):
            done.send(None)
        held = [answer.size_bytes for answer, _ in store._kept.values()]
        assert store.bytes_held == sum(held) <= 9_000
        assert len(store) <= 6

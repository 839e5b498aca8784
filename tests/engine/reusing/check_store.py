"""What every store of answers must do."""

from __future__ import annotations

from tests.core.earlier.test_answer import kept
from thriftgate.engine.reusing.store import Store

NOW_S = 1_795_262_400.0


async def it_gives_back_what_it_was_given(store: Store) -> None:
    assert await store.get(b"a") is None
    await store.put(b"a", kept(), NOW_S + 100)
    await store.put(b"b", kept(id="tg_2"), NOW_S + 100)
    assert await store.get(b"a") == kept()
    await store.put(b"a", kept(id="tg_3"), NOW_S + 100)
    assert [found.id for key in (b"a", b"b") if (found := await store.get(key))] == ["tg_3", "tg_2"]


async def it_forgets_a_tenant_and_no_other(store: Store) -> None:
    for at, tenant in enumerate((b"x", b"y", b"x")):
        await store.put(b"%d" % at, kept(tenant=tenant), NOW_S + 100)
    await store.forget(b"x")
    assert [await store.get(b"%d" % at) is None for at in range(3)] == [True, False, True]


async def it_stays_within_its_bounds(store: Store) -> None:
    """Of three entries and 5,000 bytes; what is over goes first, then the oldest."""
    await store.put(b"short", kept(at_s=NOW_S + 3), NOW_S + 4)
    for at in range(4):
        await store.put(b"%d" % at, kept(at_s=NOW_S + 5 + at), NOW_S + 100)
    assert [await store.get(key) is None for key in (b"short", b"0", b"1", b"2", b"3")] == [True, True, False, False, False]
    await store.put(b"large", kept(b"x" * 3_500, at_s=NOW_S + 20), NOW_S + 100)
    assert [await store.get(key) is None for key in (b"1", b"2", b"3", b"large")] == [True, True, True, False]
    await store.put(b"huge", kept(b"x" * 6_000, at_s=NOW_S + 30), NOW_S + 100)
    assert [await store.get(key) is None for key in (b"large", b"huge")] == [False, True]


CHECKS = (it_gives_back_what_it_was_given, it_forgets_a_tenant_and_no_other, it_stays_within_its_bounds)

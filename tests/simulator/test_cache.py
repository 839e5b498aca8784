"""The cache oracle alone, on hand-made positions: one block = 1,000 tokens unless said otherwise."""

from typing import Any

import pytest

from thriftgate.simulator import cache
from thriftgate.simulator.cache import CacheOracle, Lookup, Mark, Prefix, prefixes
from thriftgate.simulator.config import CacheRules
from thriftgate.simulator.render import Position

SALTS = {"tools": b"t", "system": b"s", "messages": b"m"}
SCOPE = ("org", "workspace", "model")


def position(name: str, kind: str = "text", level: str = "messages", tokens: int = 1000) -> Position:
    return Position(name, level, "user", kind, name.encode(), tokens, None, cacheable=True)


def chain(*names: str, kinds: dict[str, str] | None = None, scope: tuple[str, ...] = SCOPE, **salts: bytes) -> list[Prefix]:
    positions = tuple(position(name, (kinds or {}).get(name, "text")) for name in names)
    return prefixes(scope, positions, SALTS | salts, collapse_runs=True)


def blocks(count: int) -> list[str]:
    return [f"b{number}" for number in range(1, count + 1)]


class World:
    """An oracle with a clock: every request is answered at once."""

    def __init__(self, **rules: Any) -> None:
        self.oracle = CacheOracle(CacheRules(**rules))
        self.minimum = 1

    def ask(self, line: list[Prefix], *marks: tuple[int, int], at: float = 0.0) -> Lookup:
        """Marks as (block number from 1, ttl seconds)."""
        found = self.oracle.look(line, [Mark(number - 1, ttl) for number, ttl in marks], self.minimum, at)
        self.oracle.commit(found, at)
        return found


def test_documented_look_back_example() -> None:
    """10 blocks, then 15 hits 10, then 35 checks 35…16 and misses; a second breakpoint at 15 would have hit."""
    for second, read in ((None, 0), (15, 15_000)):
        world = World()
        assert world.ask(chain(*blocks(10)), (10, 300)).write_5m == 10_000
        step = world.ask(chain(*blocks(15)), (15, 300))
        assert (step.read, step.write_5m) == (10_000, 5000)
        marks = [(15, 300), (35, 300)] if second else [(35, 300)]
        assert world.ask(chain(*blocks(35)), *marks).read == read


@pytest.mark.parametrize(("gap", "hits"), [(19, True), (20, False)])
def test_the_breakpoint_itself_is_the_first_of_twenty(gap: int, hits: bool) -> None:
    world = World()
    world.ask(chain(*blocks(5)), (5, 300))
    assert bool(world.ask(chain(*blocks(5 + gap)), (5 + gap, 300)).read) is hits


@pytest.mark.parametrize("collapse", [True, False])
def test_a_run_of_tool_blocks_is_one_position(collapse: bool) -> None:
    names = blocks(45)
    kinds = dict.fromkeys(names[5:25], "tool_use") | dict.fromkeys(names[25:44], "tool_result")
    positions = tuple(position(name, kinds.get(name, "text")) for name in names)
    line = prefixes(SCOPE, positions, SALTS, collapse_runs=collapse)
    world = World()
    world.ask(line[:5], (5, 300))
    assert bool(world.ask(line, (45, 300)).read) is collapse


def test_nothing_is_written_between_breakpoints() -> None:
    world = World()
    world.ask(chain("a", "b", "c"), (3, 300))
    assert world.ask(chain("a", "b", "x"), (3, 300)).read == 0
    assert world.ask(chain("a", "b"), (2, 300)).read == 0


def test_best_hit_wins_and_shallower_breakpoints_are_tried() -> None:
    world = World()
    world.ask(chain("a", "b", "c"), (1, 300), (3, 300))
    assert world.ask(chain("a", "b", "c", "d"), (1, 300), (4, 300)).read == 3000
    assert world.ask(chain("a", "x", *blocks(30)), (1, 300), (32, 300)).read == 1000


def test_mixed_ttl_billing() -> None:
    """A = 20k, B = 30k, C = 34k of 35k."""
    line = prefixes(
        SCOPE,
        tuple(position(name, tokens=tokens) for name, tokens in (("a", 20_000), ("b", 10_000), ("c", 4000), ("d", 1000))),
        SALTS,
        collapse_runs=True,
    )
    world = World()
    world.ask(line[:1], (1, 3600))
    found = world.ask(line, (1, 3600), (2, 3600), (3, 300))
    assert (found.read, found.write_1h, found.write_5m) == (20_000, 10_000, 4000)
    assert found.covered == 34_000


def test_minimum_is_silent() -> None:
    world = World()
    world.minimum = 2500
    assert world.ask(chain("a", "b"), (2, 300)) == Lookup(0.0)
    assert world.ask(chain("a", "b", "c"), (1, 300), (3, 300)).write_5m == 3000
    assert len(world.oracle) == 1


@pytest.mark.parametrize(
    ("ttl", "after", "hits"), [(300, 299, True), (300, 300, False), (3600, 3599, True), (3600, 3600, False)]
)
def test_life_counts_from_the_start_of_the_request(ttl: int, after: int, hits: bool) -> None:
    world = World()
    line = chain("a")
    found = world.oracle.look(line, [Mark(0, ttl)], 1, 0.0)
    world.oracle.commit(found, 100.0)  # the answer began 100 s later: that does not prolong the life
    assert bool(world.ask(line, (1, ttl), at=after).read) is hits


def test_an_entry_is_readable_only_once_the_response_began() -> None:
    world = World()
    line = chain("a")
    first = world.oracle.look(line, [Mark(0, 300)], 1, 0.0)
    second = world.oracle.look(line, [Mark(0, 300)], 1, 1.0)
    assert (first.write_5m, second.write_5m) == (1000, 1000)
    world.oracle.commit(first, 5.0)
    assert world.oracle.look(line, [Mark(0, 300)], 1, 4.9).read == 0
    assert world.oracle.look(line, [Mark(0, 300)], 1, 5.0).read == 1000


def test_a_hit_renews_the_entrys_own_life() -> None:
    world = World()
    for at in (0, 250, 500, 750):
        assert bool(world.ask(chain("a"), (1, 300), at=at).read) is (at > 0)
    world = World()
    world.ask(chain("a"), (1, 3600))
    world.ask(chain("a"), (1, 300), at=3000)  # marked 5m now, but the entry is a 1h one
    assert world.ask(chain("a"), (1, 300), at=6000).read == 1000


@pytest.mark.parametrize(
    ("refresh", "marked", "alive"),
    [
        ("hit_only", True, False),
        ("hit_only", False, False),
        ("hit_and_marked", True, True),
        ("hit_and_marked", False, False),
        ("ancestors", True, True),
        ("ancestors", False, True),
    ],
)
def test_what_a_hit_renews(refresh: str, marked: bool, alive: bool) -> None:
    world = World(refresh=refresh, free_insert=False)
    world.ask(chain("a", "b"), (1, 300), (2, 300))
    marks = [(1, 300), (2, 300)] if marked else [(2, 300)]
    world.ask(chain("a", "b"), *marks, at=200)
    assert bool(world.ask(chain("a"), (1, 300), at=400).read) is alive


@pytest.mark.parametrize("free", [True, False])
def test_free_insert(free: bool) -> None:
    world = World(free_insert=free)
    world.ask(chain("a", "b"), (2, 300))
    found = world.ask(chain("a", "b"), (1, 300), (2, 300))
    assert (found.read, found.write_5m, found.write_1h) == (2000, 0, 0)
    assert bool(world.ask(chain("a", "x"), (1, 300)).read) is free


@pytest.mark.parametrize("honoured", [True, False])
def test_late_upgrade(honoured: bool) -> None:
    world = World(late_upgrade=honoured)
    world.ask(chain("a"), (1, 300))
    found = world.ask(chain("a", "b"), (2, 3600), at=100)
    assert (found.read, found.write_1h) == (1000, 1000)
    assert bool(world.ask(chain("a", "b"), (2, 3600), at=1000).read) is honoured


@pytest.mark.parametrize("upgrade", [True, False])
def test_in_place_upgrade(upgrade: bool) -> None:
    world = World(in_place_upgrade=upgrade)
    world.ask(chain("a"), (1, 300))
    assert world.ask(chain("a"), (1, 3600), at=100).write_1h == 0
    assert bool(world.ask(chain("a"), (1, 3600), at=1000).read) is upgrade


def test_scope_and_level_settings_separate_entries() -> None:
    world = World()
    world.ask(chain("a"), (1, 300))
    assert world.ask(chain("a", scope=("org", "other", "model")), (1, 300)).read == 0
    assert world.ask(chain("a", messages=b"thinking"), (1, 300)).read == 0
    assert world.ask(chain("a", system=b"citations"), (1, 300)).read == 0
    assert world.ask(chain("a"), (1, 300)).read == 1000


def test_a_message_setting_leaves_tools_and_system_valid() -> None:
    line = tuple(position(name, level=name) for name in ("tools", "system", "messages"))
    world = World()
    world.ask(prefixes(SCOPE, line, SALTS, collapse_runs=True), (1, 300), (2, 300), (3, 300))
    changed = prefixes(SCOPE, line, SALTS | {"messages": b"x"}, collapse_runs=True)
    assert world.ask(changed, (1, 300), (2, 300), (3, 300)).read == 2000
    changed = prefixes(SCOPE, line, SALTS | {"system": b"x"}, collapse_runs=True)
    assert world.ask(changed, (1, 300), (2, 300), (3, 300)).read == 1000


def test_old_entries_are_forgotten_in_time() -> None:
    world = World()
    for number in range(10_050):
        world.ask(chain(f"n{number}"), (1, 300), at=number * 10.0)
    assert len(world.oracle) <= 10_001
    world.oracle.clear()
    assert len(world.oracle) == 0


def test_dead_entries_go_when_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "PURGE_ABOVE", 10)
    world = World()
    for number in range(200):
        world.ask(chain(f"prompt {number}"), (1, 300), at=100.0 * number)
        assert len(world.oracle) <= 2 * (300 + 3600) / 100 + 1
    for number in range(100):
        world.ask(chain(f"live {number}"), (1, 3600), at=20_000.0)
    assert all(world.ask(chain(f"live {number}"), (1, 3600), at=20_100.0).read for number in range(100))

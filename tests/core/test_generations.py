"""The bounded map against a plain dict that remembers when each key was last used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.generations import Ageing, Generations

KEYS = st.integers(0, 6)
STEPS = st.lists(
    st.tuples(st.sampled_from(("put", "put", "put", "get", "among", "discard")), KEYS, st.integers(1, 99)),
    min_size=8,
    max_size=60,
)


@given(st.integers(2, 9), STEPS)
def test_it_is_a_map_that_forgets_the_least_recently_used(entries_max: int, steps: list[tuple[str, int, int]]) -> None:
    generations: Generations[int, int] = Generations(entries_max)
    model: dict[int, int] = {}  # oldest use first; 0 where it was discarded, which calls nothing older back
    for what, key, value in steps:
        if what == "put":
            generations[key] = value
            model.pop(key, None)
            model[key] = value
        elif what == "discard":
            generations.discard(key)
            if key in model:
                model[key] = 0
            assert generations.get(key) is None
        elif what == "among":
            found = generations.among([key, key + 1])
            assert found.items() <= model.items()
        else:
            got = generations.get(key)
            assert got in (None, model.get(key))
            if got is not None:
                model[key] = model.pop(key)
        assert len(generations) == len(generations.among(range(14))) <= entries_max
    latest = list(model)[-(entries_max // 2) :]
    assert generations.among(latest) == {key: model[key] for key in latest if model[key]}


def test_looking_at_many_is_no_use() -> None:
    generations: Generations[str, int] = Generations(2)
    generations["old"] = 1
    generations["new"] = 2
    assert generations.among(["old", "new", "never"]) == {"old": 1, "new": 2}
    generations["newest"] = 3
    assert generations.get("old") is None


def test_it_holds_two_at_least() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        Generations[int, int](1)


def test_what_hangs_on_an_entry_counts_as_more_of_them() -> None:
    light: Generations[int, str] = Generations(20)
    heavy: Generations[int, str] = Generations(20)
    for key in range(100):
        light[key] = "small"
        heavy[key] = "large"
        heavy.charge(4)
    assert (len(light), len(heavy)) == (20, 4)
    assert [key for key, _ in heavy.recent(9)] == [99, 98, 97, 96]


def test_recent_gives_the_last_written_first() -> None:
    generations: Generations[int, str] = Generations(6)
    for key in range(8):
        generations[key] = f"value {key}"
    everything = list(generations.recent(100))
    assert [key for key, _ in everything] == [7, 6, 5, 4, 3]
    assert dict(everything) == {key: f"value {key}" for key in range(3, 8)}
    assert list(generations.recent(2)) == everything[:2]
    assert list(generations.recent(0)) == []


def test_what_is_written_again_is_the_most_recent() -> None:
    generations: Generations[int, str] = Generations(20)
    for key in (1, 2, 3, 1):
        generations[key] = f"value {key}"
    assert [key for key, _ in generations.recent(9)] == [1, 3, 2]


@given(st.integers(2, 9), st.lists(st.tuples(st.booleans(), KEYS), max_size=40), st.integers(0, 9))
def test_recent_gives_each_entry_once(entries_max: int, steps: list[tuple[bool, int]], most: int) -> None:
    generations: Generations[int, int] = Generations(entries_max)
    for number, (puts, key) in enumerate(steps):
        if puts:
            generations[key] = number
        else:
            generations.get(key)
    everything = list(generations.recent(entries_max))
    assert len(everything) == len(generations)
    assert dict(everything) == generations.among(range(7))
    assert list(generations.recent(most)) == everything[:most]


def test_aged_twice_without_use_an_entry_is_gone() -> None:
    generations: Generations[str, int] = Generations(100)
    generations["old"] = generations["used"] = 1
    generations.age()
    assert generations.get("used") == 1
    generations.age()
    assert generations.get("old") is None
    assert generations.get("used") == 1


def test_it_is_time_to_age_once_for_each_span_that_passed() -> None:
    ageing = Ageing(100.0)
    assert [ageing.is_due(at) for at in (1_000.0, 1_099.0, 1_100.0, 1_101.0, 900.0, 5_000.0, 5_001.0)] == [
        False, False, True, False, False, True, False,
    ]  # fmt: skip

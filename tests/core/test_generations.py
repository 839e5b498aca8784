"""The bounded map against a plain dict that remembers when each key was last used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.generations import Generations

KEYS = st.integers(0, 6)
STEPS = st.lists(
    st.tuples(st.sampled_from(("put", "put", "put", "get", "among", "discard")), KEYS, st.integers(1, 99)),
    min_size=8,
    max_size=60,
)


@given(st.integers(2, 9), STEPS)
def test_it_is_a_map_that_forgets_the_least_recently_used(entries_max: int, steps: list[tuple[str, int, int]]) -> None:
    generations: Generations[int, int] = Generations(entries_max)
    model: dict[int, int] = {}  # oldest use first
    for what, key, value in steps:
        if what == "put":
            generations[key] = value
            model.pop(key, None)
            model[key] = value
        elif what == "discard":
            generations.discard(key)
            model.pop(key, None)
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
    assert generations.among(latest) == {key: model[key] for key in latest}


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

"""What is remembered between calls: sightings and their lapses, residency, lengths of answers; all bounded."""

from __future__ import annotations

import pytest

from thriftgate.core.cache import Resident
from thriftgate.core.state import Sighting
from thriftgate.engine.memory import OUTPUT_TOKENS_FIRST_GUESS, Memory

CHAIN = [b"a", b"b"]


@pytest.mark.parametrize(
    ("gaps_s", "lapsed"),
    [
        ((), False),
        ((60,), False),
        ((300,), False),  # still in time
        ((301,), True),  # late, within the hour: five minutes are too short for it
        ((3600,), True),
        ((3601,), False),  # not one that comes back
        ((301, 60), True),  # in time now: says nothing new
        ((301, 60, 300), True),
        ((301, 3601), False),
        ((301, 301), True),
        ((3601, 301), True),
    ],
)
def test_a_boundary_that_comes_back_late_has_lapsed(gaps_s: tuple[int, ...], lapsed: bool) -> None:
    memory = Memory()
    now_s = 1000.0
    memory.see(CHAIN, now_s)
    for gap_s in gaps_s:
        now_s += gap_s
        memory.see(CHAIN, now_s)
    assert memory.sightings_of(CHAIN, now_s) == {digest: Sighting(now_s, lapsed) for digest in CHAIN}


@pytest.mark.parametrize(("gap_s", "lapsed"), [(300, False), (301, True), (3600, True), (3601, False)])
def test_a_call_that_comes_late_knows_it_of_itself(gap_s: int, lapsed: bool) -> None:
    """Its write is the one that shall live longer, not the one after it."""
    memory = Memory()
    memory.see(CHAIN, 1000.0)
    assert memory.sightings_of(CHAIN, 1000.0 + gap_s) == dict.fromkeys(CHAIN, Sighting(1000.0, lapsed))
    assert memory.sightings_of(CHAIN, 1000.0) == dict.fromkeys(CHAIN, Sighting(1000.0))  # asking changes nothing


def test_each_boundary_has_its_own_history() -> None:
    memory = Memory()
    memory.see([b"a"], 0.0)
    memory.see([b"a", b"b"], 400.0)
    assert memory.sightings_of([b"a", b"b", b"c"], 400.0) == {b"a": Sighting(400.0, lapsed=True), b"b": Sighting(400.0)}


def test_residency_is_kept_and_evicted() -> None:
    memory = Memory()
    entry = Resident("5m", 1.0, 301.0)
    memory.cached({b"a": entry, b"b": entry})
    memory.evicted([b"b", b"never there"])
    assert memory.residency_of([b"a", b"b"]) == {b"a": entry}


def test_the_length_of_answers_is_learned_per_key_and_model() -> None:
    memory = Memory()
    assert memory.expected_output("key", "m", 10_000) == OUTPUT_TOKENS_FIRST_GUESS
    assert memory.expected_output("key", "m", 16) == 16
    memory.answered("key", "m", 1000)
    assert memory.expected_output("key", "m", 10_000) == 1000
    memory.answered("key", "m", 2000)
    assert memory.expected_output("key", "m", 10_000) == 1200
    assert memory.expected_output("key", "m", 1100) == 1100
    assert memory.expected_output("other", "m", 10_000) == memory.expected_output("key", "n", 10_000) == 400


def test_memory_is_bounded() -> None:
    memory = Memory(boundaries_max=100)
    for number in range(1000):
        digest = str(number).encode()
        memory.see([digest], 0.0)
        memory.cached({digest: Resident("5m", 0.0, 1.0)})
    digests = [str(number).encode() for number in range(1000)]
    assert len(memory.sightings_of(digests, 0.0)) <= 100
    assert len(memory.residency_of(digests)) <= 100
    assert digests[-1] in memory.sightings_of(digests, 0.0)

"""What is remembered between calls: residency, lengths of answers; all bounded."""

from __future__ import annotations

from thriftgate.core.cache import Resident
from thriftgate.engine.memory import OUTPUT_TOKENS_FIRST_GUESS, Memory


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
        memory.cached({digest: Resident("5m", 0.0, 1.0)})
    digests = [str(number).encode() for number in range(1000)]
    assert len(memory.residency_of(digests)) <= 100
    assert digests[-1] in memory.residency_of(digests)

"""Mutations keep most of the form of an input, and are the same for the same randomness."""

from __future__ import annotations

import json
from random import Random

from fuzz.mutations import mutated

DOCUMENT = b'{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}],"max_tokens":5}'
STREAM = b"event: a\ndata: " + DOCUMENT + b"\n\nevent: b\ndata: " + DOCUMENT + b"\n\n"


def test_the_same_randomness_gives_the_same_bytes() -> None:
    for seed in range(50):
        assert mutated(STREAM, Random(seed)) == mutated(STREAM, Random(seed))


def test_most_mutations_of_json_are_json_still_and_no_two_in_three_are_alike() -> None:
    made = [mutated(DOCUMENT, Random(seed)) for seed in range(400)]
    readable = 0
    for one in made:
        try:
            json.loads(one)
        except ValueError:
            continue
        readable += 1
    assert 120 < readable < 400
    assert len(set(made)) > 260
    assert DOCUMENT not in made[:1]


def test_the_frame_of_a_stream_mostly_stays() -> None:
    made = [mutated(STREAM, Random(seed)) for seed in range(300)]
    assert sum(one.count(b"\ndata: ") == 2 for one in made) > 150


def test_anything_can_be_mutated() -> None:
    for data in (b"", b"\x00", b"[", b"{}", b"]{", b"\xff" * 9, b"[" * 2_000 + b"]" * 2_000):
        for seed in range(30):
            assert isinstance(mutated(data, Random(seed)), bytes)

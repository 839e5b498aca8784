"""What several processes tell each other of the requests that they have seen."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.core.prompts import prompt
from tests.core.test_reuse import HEAD, T, look, send
from thriftgate.core.reuse import Reuse, Sighting


@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.sampled_from(["", "abc", "abx", "de"]),
            st.integers(1, 5),
            st.sampled_from([1.0, 20.0, 250.0, 4_000.0]),
        ),
        max_size=30,
    )
)
def test_two_that_tell_each_other_expect_what_one_would(calls: list[tuple[int, str, int, float]]) -> None:
    """Each request comes to one of two; what it has seen is told to the other before the next one comes."""
    alone, both, now_s = Reuse(), (Reuse(), Reuse()), T
    for one in both:
        one.outbox = []
    for which, words, length, gap_s in calls:
        now_s += gap_s
        asked = prompt(HEAD, *words[:length]) if words else prompt("x", str(length))
        for one in (alone, *both):
            one.pass_time(now_s)
        expected, found = look(alone, asked, now_s), look(both[which], asked, now_s)
        assert found == expected
        send(alone, asked, now_s)
        send(both[which], asked, now_s)
        outbox = both[which].outbox
        assert outbox is not None
        for told in outbox:
            both[1 - which].hear(told)
        outbox.clear()
    asked = prompt(HEAD, "a", "b", "c", "d")
    assert look(both[0], asked, now_s + 5) == look(both[1], asked, now_s + 5) == look(alone, asked, now_s + 5)


def test_a_continuation_is_told_in_few_digests_and_no_text() -> None:
    reuse = Reuse()
    reuse.outbox = []
    words = [f"word {n}" for n in range(50)]
    send(reuse, prompt(HEAD, *words), T)
    send(reuse, prompt(HEAD, *words, "and", "more"), T + 9)
    first, then = reuse.outbox
    assert (first.first, len(first.digests)) == (0, 51)
    assert (then.first, len(then.digests), len(then.chain)) == (50, 3, 53)
    assert b"word" not in msgspec.msgpack.encode(reuse.outbox)


def test_what_is_told_of_a_conversation_that_is_not_known_is_taken_in_from_there_on() -> None:
    reuse, other = Reuse(), Reuse()
    reuse.outbox = []
    send(reuse, prompt(HEAD, "a", "b"), T)
    send(reuse, prompt(HEAD, "a", "b", "c", "d"), T + 9)
    other.hear(msgspec.msgpack.decode(msgspec.msgpack.encode(reuse.outbox[1]), type=Sighting))
    assert look(other, prompt(HEAD, "a", "b", "c", "d", "e"), T + 20).seen_at == 4
    assert look(other, prompt(HEAD, "a", "b", "X"), T + 20).seen_at == 2
    assert look(other, prompt(HEAD, "a", "Y"), T + 20).seen_at is None  # what stands before is not

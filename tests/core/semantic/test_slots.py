"""Slots: pairs that look alike and mean something else never share an answer; ways to ask the same thing still may."""

from __future__ import annotations

from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.semantic.slots import TEXT_CHARS, slots_of, swapped

NEAR_MISSES = [
    ("negation", "Is ibuprofen safe in pregnancy?", "Is ibuprofen not safe in pregnancy?"),
    ("negation", "My card has arrived and works.", "My card has not arrived and works."),
    ("negation", "Which plans include support?", "Which plans don't include support?"),
    ("negation", "Ist der Vertrag kündbar?", "Ist der Vertrag nicht kündbar?"),
    ("negation", "这个药安全吗？", "这个药不安全吗？"),
    ("number", "Is 5 mg of melatonin safe?", "Is 50 mg of melatonin safe?"),
    ("number", "What is 12% of 300?", "What is 21% of 300?"),
    ("number", "Convert 3.5 kg to pounds", "Convert 35 kg to pounds"),
    ("number", "Who won in 1998?", "Who won in 1989?"),
    ("number", "refund after two weeks", "refund after three weeks"),
    ("unit", "Can I safely take 5 mg of it?", "Is it safe that I take 5 g of it?"),
    ("date", "Is the office open on Monday?", "Is the office open on Sunday?"),
    ("date", "Total sales in April 2024", "Total sales in June 2024"),
    ("name", "What is the capital of Austria?", "What is the capital of Australia?"),
    ("name", "weather in paris tomorrow", "weather in london tomorrow"),
    ("name", "Did Alice pay Bob?", "Did Carol pay Bob?"),
    ("name", "price of AAPL today", "price of MSFT today"),
    ("order", "Does Alice owe Bob money?", "Does Bob owe Alice money?"),
    ("order", "flights from paris to rome", "flights from rome to paris"),
    ("order", "convert USD to EUR", "convert EUR to USD"),
    ("opposite", "How do I enable dark mode?", "How do I disable dark mode?"),
    ("opposite", "Which option is the cheapest for students?", "Which option is the most expensive for students?"),
    ("opposite", "events before the war", "events after the war"),
    ("opposite", "increase my card limit", "decrease my card limit"),
    ("opposite", "flats with a garden", "flats without a garden"),
    ("code", "What does os.remove do?", "What does os.rename do?"),
    ("code", "explain the --force flag of git push", "explain the --tags flag of git push"),
    ("code", "Why is user_id null?", "Why is order_id null?"),
    ("quoted", "Translate 'cat' to French", "Translate 'dog' to French"),
    ("quoted", 'Sentiment of "I love it"', 'Sentiment of "I hate it"'),
    ("address", "Summarise https://example.com/a", "Summarise https://example.com/b"),
    ("address", "Is info@acme.com valid?", "Is sales@acme.com valid?"),
    ("asked", "When did the shop open?", "Where did the shop open?"),
    ("asked", "who wrote the report", "why was the report written"),
    ("asked", "How much is a ticket?", "How long is a ticket valid?"),
    ("word", "symptoms of flu in dogs", "symptoms of flu in cats"),
]


def apart(one: str, other: str) -> bool:
    """Whether the answer to one must not serve the other."""
    first, second = slots_of(one), slots_of(other)
    assert first is not None
    assert second is not None
    return first.key != second.key or swapped(first.words, second.words)


@pytest.mark.parametrize(("kind", "one", "other"), NEAR_MISSES)
def test_near_misses_are_kept_apart(kind: str, one: str, other: str) -> None:
    assert apart(one, other), kind
    assert apart(other, one), kind


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I reset my password?", "how can i reset my password"),
        ("Where is my order?", "where's my order please, hello"),
        ("Please tell me how to open a savings account", "how do I open a savings account?"),
        ("My cards have not arrived", "My card has not arrived"),
        ("Is 5 mg safe for adults?", "Can adults safely use 5 mg?"),
        ("Total for 1,000 EUR?", "Total for 1000 EUR?"),
        ("Hi! What does os.remove do?", "what does os.remove do"),
    ],
)
def test_ways_to_ask_the_same_thing_may_share(one: str, other: str) -> None:
    assert not apart(one, other)


@given(st.text(max_size=300))
def test_whatever_is_asked_is_like_itself(text: str) -> None:
    slots = slots_of(text)
    if slots is None:
        assert not text.strip() or not slots
    else:
        assert not apart(text, text)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.sampled_from(["cost of {} units", "take {} mg", "order {}?"]))
def test_other_numbers_are_another_question(one: int, other: int, frame: str) -> None:
    assert apart(frame.format(one), frame.format(other)) == (one != other)


@pytest.mark.parametrize("digits", ["٣٤", "३४", "34"])
def test_digits_of_other_scripts_are_numbers(digits: str) -> None:
    assert apart(f"price for {digits} pieces", "price for 35 pieces")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("rooms 2 3", "rooms 23"),
        ("in 2024-05-01", "in 2024-05-10"),
        ("1,5 or 15", "15 or 1,5"),
        ("about 3.5 kg of it now", "now of about 3.5 g it"),
        ("add 1.000 of it", "add 1.00 of it"),
        ("pay $5", "pay €5"),
        ("below -5", "below 5"),
        ("at 10:30", "at 10:50"),
    ],
)
def test_numbers_as_they_are_written(one: str, other: str) -> None:
    assert apart(one, other)


@pytest.mark.parametrize("piece", ["a.", "a", "1,", "1 ", "/", "-", '"', "`", "a@", "A.b", "://", "1a", "'", "_"])
def test_no_text_takes_long(piece: str) -> None:
    began = perf_counter()
    slots_of((piece * TEXT_CHARS)[:TEXT_CHARS])
    assert perf_counter() - began < 1.0


def test_what_is_too_long_or_says_nothing_has_no_slots() -> None:
    assert slots_of("") is None
    assert slots_of(" \n") is None
    assert slots_of("a " * TEXT_CHARS) is None


def test_swaps() -> None:
    assert swapped(("symptoms", "in", "dogs"), ("symptoms", "in", "cats"))
    assert swapped(("a", "before", "b"), ("b", "before", "a"))
    assert swapped(("reset", "password"), ("reset", "admin", "password"))
    assert not swapped(("reset", "password"), ("reset", "password"))
    assert not swapped(("my", "card", "arrived"), ("my", "cards", "arrived"))
    assert not swapped(("the", "order", "status"), ("my", "order", "status"))
    assert not swapped(("how", "do", "i", "pay"), ("what", "is", "the", "way", "to", "pay"))

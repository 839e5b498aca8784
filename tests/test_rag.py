"""Chunks arranged for the cache: the order, the breakpoints, and what the cache model bills for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.planning import prefix_of, request_of
from thriftgate.core.cache import CacheRules, Resident, client_breakpoints, forecast
from thriftgate.core.errors import InputError
from thriftgate.core.memo import PartMemo
from thriftgate.core.usage import Tokens
from thriftgate.rag import Arranged, Arranger, Chunk, as_document

TEXT = "what the handbook has to say about it, in words that are many enough. " * 25


def chunk(name: str) -> Chunk:
    return Chunk(name, f"{name}: {TEXT}")


def ask(arranger: Arranger, names: str, now_s: float = 0.0) -> Arranged:
    return arranger.arrange([chunk(name) for name in names], "What now?", now_s=now_s)


def order(arranged: Arranged) -> str:
    return "".join(one.id for one in arranged.chunks)


def marked(arranged: Arranged) -> str:
    """The chunks that carry a breakpoint."""
    return "".join(one.id for one, block in zip(arranged.chunks, arranged.content, strict=False) if "cache_control" in block)


# --- content --------------------------------------------------------------------------------------------------------------


def test_documents_stand_before_the_question() -> None:
    arranged = ask(Arranger(), "ba")
    assert [block["type"] for block in arranged.content] == ["text"] * 3
    assert arranged.content[-1] == {"type": "text", "text": "What now?"}
    assert arranged.content[:2] == [as_document(one) for one in arranged.chunks]
    assert sorted(order(arranged)) == ["a", "b"]
    assert arranged.shared == 0


def test_a_chunk_as_a_document() -> None:
    block = as_document(Chunk('a"1', "1 < 2", 'On "fees"'))
    assert block["text"] == '<document id="a&quot;1" title="On &quot;fees&quot;">\n1 < 2\n</document>'


def test_blocks_may_be_made_otherwise() -> None:
    def render(one: Chunk) -> dict[str, Any]:
        return {
            "type": "search_result",
            "source": one.id,
            "title": one.title,
            "content": [{"type": "text", "text": one.text}],
        }

    arranged = ask(Arranger(render=render), "ab")
    assert {block["type"] for block in arranged.content[:2]} == {"search_result"}


def test_the_same_chunk_is_sent_once_and_a_changed_one_is_another() -> None:
    arranger = Arranger()
    arranged = arranger.arrange([chunk("a"), Chunk("a", "new text"), chunk("a")], "What now?", now_s=0.0)
    assert len(arranged.chunks) == 2


def test_without_chunks_there_is_the_question() -> None:
    assert ask(Arranger(), "").content == [{"type": "text", "text": "What now?"}]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"ttl": "2h"}, "ttl"),
        ({"breakpoints_max": 0}, "breakpoints_max"),
        ({"breakpoints_max": 5}, "breakpoints_max"),
        ({"read_price": 1.0}, "read_price"),
    ],
)
def test_bad_arguments_are_told(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Arranger(**arguments)


def test_a_question_is_needed() -> None:
    with pytest.raises(InputError, match="question"):
        Arranger().arrange([], "  ", now_s=0.0)


# --- order and breakpoints ------------------------------------------------------------------------------------------------


def test_the_order_does_not_depend_on_what_came_first() -> None:
    assert {order(ask(Arranger(), names)) for names in ("abcd", "dcba", "bdac")} == {order(ask(Arranger(), "abcd"))}


def test_what_was_retrieved_together_comes_first_and_is_read_again() -> None:
    arranger = Arranger()
    for at, names in enumerate(("abxyz", "abuvw", "abrst")):
        ask(arranger, names, at)
    third = ask(arranger, "zxabq", 3)
    assert sorted(order(third)[:2]) == ["a", "b"]
    assert marked(third)[-1] == order(third)[1]
    fourth = ask(arranger, "mnoab", 4)
    assert fourth.shared == 2
    assert order(fourth)[:2] == order(third)[:2]


def test_what_was_asked_for_once_is_not_written() -> None:
    arranger = Arranger()
    ask(arranger, "abcd", 0)
    assert marked(ask(arranger, "abcd", 1)) == ""
    assert marked(ask(arranger, "abcd", 2)) == order(ask(arranger, "abcd", 2))[-1]


def test_an_entry_is_not_counted_on_after_its_life() -> None:
    arranger = Arranger()
    for at in range(4):
        ask(arranger, "abcd", at)
    assert ask(arranger, "abcd", 290).shared == 4
    assert ask(arranger, "abcd", 584).shared == 4
    assert ask(arranger, "abcd", 884).shared == 0


def test_an_hour() -> None:
    arranger = Arranger(ttl="1h")
    arranged = [ask(arranger, "abcd", 600.0 * at) for at in range(6)]
    assert arranged[-1].shared == 4
    assert arranged[-1].content[3]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}


def test_a_prefix_under_the_minimum_is_not_marked() -> None:
    assert marked([ask(Arranger(cache_min_tokens=4_096), "abcd", at) for at in range(5)][-1]) == ""
    arranger = Arranger(cache_min_tokens=4_096, head_tokens=3_000)
    assert marked([ask(arranger, "abcd", at) for at in range(5)][-1]) != ""


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdefgh"), unique=True), max_size=30), st.integers(1, 4))
def test_what_holds_of_any_requests(requests: list[list[str]], breakpoints_max: int) -> None:
    one, other = Arranger(breakpoints_max=breakpoints_max), Arranger(breakpoints_max=breakpoints_max)
    for at, names in enumerate(requests):
        arranged = ask(one, "".join(names), at * 40.0)
        assert arranged == ask(other, "".join(reversed(names)), at * 40.0)
        assert sorted(order(arranged)) == sorted(names)
        assert len(marked(arranged)) <= breakpoints_max


def test_memory_is_bounded() -> None:
    arranger = Arranger()
    draw = Random(7)
    for at in range(1_500):
        arranger.arrange([Chunk(str(draw.randrange(40)), TEXT) for _ in range(6)], "What now?", now_s=at * 5.0)
    arranger._until_pruned = 0
    arranger.arrange([], "What now?", now_s=100_000.0)
    assert not arranger._root.next
    assert len(arranger._recent) == 1


# --- what it is for -------------------------------------------------------------------------------------------------------


class Asked(NamedTuple):
    """What was retrieved, most relevant first."""

    now_s: float
    chunks: list[Chunk]
    question: str


def retrievals(seed: int, *, exponent: float = 1.1, pool: int = 60, each: int = 8, gap_s: float = 10.0) -> list[Asked]:
    """Requests whose chunks are drawn by Zipf's law, each with chunks of its own in an order of its own."""
    draw = Random(seed)
    chunks = [
        Chunk(f"c{at}", " ".join(draw.choices(["refund", "invoice", "policy", "travel"], k=200))) for at in range(pool)
    ]
    weights = [1 / (at + 1) ** exponent for at in range(pool)]
    now_s, asked = 0.0, []
    for number in range(250):
        now_s += draw.expovariate(1 / gap_s)
        found: list[Chunk] = []
        while len(found) < each:
            one = draw.choices(chunks, weights)[0]
            found += [] if one in found else [one]
        draw.shuffle(found)
        asked.append(Asked(now_s, found, f"question {number}?"))
    return asked


def billed(requests: Iterable[tuple[float, Sequence[dict[str, Any]]]]) -> float:
    """What the requests cost, in tokens at the input price, by the cache model."""
    memo, held, total = PartMemo(), dict[bytes, Resident](), 0.0
    for now_s, content in requests:
        request = request_of(messages=[{"role": "user", "content": content}])
        prefix = prefix_of(request, memo=memo)
        outcome = forecast(
            prefix,
            list(accumulate(block.part.tokens for block in prefix.blocks)),
            client_breakpoints(request, prefix),
            held,
            now_s=now_s,
            usable_s=now_s,
            cache_min_tokens=1_024,
            rules=CacheRules(),
        )
        held = {digest: entry for digest, entry in (held | outcome.entries).items() if entry.live(now_s)}
        total += _price(outcome.tokens)
    return total


def _price(tokens: Tokens) -> float:
    return tokens.input + 1.25 * tokens.write_5m + 2 * tokens.write_1h + 0.1 * tokens.read


def in_order(
    asked: Iterable[Asked], key: Callable[[Chunk], str] | None = None, *, mark: bool
) -> Iterator[tuple[float, list[dict[str, Any]]]]:
    """As a program without an arranger sends them: by relevance or by `key`, with a breakpoint behind the last or none."""
    for now_s, found, question in asked:
        blocks = [as_document(one) for one in (found if key is None else sorted(found, key=key))]
        if mark:
            blocks[-1]["cache_control"] = {"type": "ephemeral"}
        yield now_s, [*blocks, {"type": "text", "text": question}]


def arranged_by(arranger: Arranger, asked: Iterable[Asked]) -> Iterator[tuple[float, list[dict[str, Any]]]]:
    for now_s, found, question in asked:
        yield now_s, arranger.arrange(found, question, now_s=now_s).content


@pytest.mark.parametrize(("exponent", "at_most"), [(0.8, 0.9), (1.1, 0.75), (1.5, 0.65)])
def test_it_costs_less_than_any_order_that_does_not_learn(exponent: float, at_most: float) -> None:
    asked = retrievals(1, exponent=exponent)
    uncached = billed(in_order(asked, mark=False))
    relevance = billed(in_order(asked, mark=True))
    canonical = billed(in_order(asked, lambda one: one.id, mark=True))
    arranged = billed(arranged_by(Arranger(), asked))
    assert arranged < at_most * uncached
    assert uncached < min(relevance, canonical)


def test_it_costs_no_more_where_nothing_comes_again() -> None:
    asked = retrievals(2, exponent=0.0, pool=400)
    assert billed(arranged_by(Arranger(), asked)) <= 1.002 * billed(in_order(asked, mark=False))


def test_what_it_says_is_shared_is_read() -> None:
    asked = retrievals(3)
    arranger = Arranger()
    memo, held, read = PartMemo(), dict[bytes, Resident](), 0
    for now_s, found, question in asked:
        arranged = arranger.arrange(found, question, now_s=now_s)
        request = request_of(messages=[{"role": "user", "content": arranged.content}])
        prefix = prefix_of(request, memo=memo)
        cumulative = list(accumulate(block.part.tokens for block in prefix.blocks))
        marks = client_breakpoints(request, prefix)
        outcome = forecast(
            prefix, cumulative, marks, held, now_s=now_s, usable_s=now_s, cache_min_tokens=1_024, rules=CacheRules()
        )
        held = {digest: entry for digest, entry in (held | outcome.entries).items() if entry.live(now_s)}
        assert (outcome.hit if outcome.hit is not None else -1) + 1 >= arranged.shared
        read += arranged.shared > 0
    assert read > 100

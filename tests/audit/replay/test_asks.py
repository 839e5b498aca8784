"""From rows to calls that can be replayed: times, terms, prompts fitted to the bill."""

from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audit.replay.talks import Billed, Talks
from tests.audit.tables import BOOK, HAIKU, MODELS, NOON_US, OPUS, call, table
from thriftgate.audit.records import PromptBlock, Record
from thriftgate.audit.replay.asks import OUTPUT_MAX, Asked, asked, marks_of
from thriftgate.audit.replay.run import run
from thriftgate.core.cache import Breakpoint
from thriftgate.core.usage import Iteration, Tokens


def asks(*records: Record, where: str = "true", rewritten: bool = False) -> list[Asked]:
    with table(records) as calls:
        return list(asked(calls, BOOK, where=where, rewritten=rewritten))


def record(billed: Billed, position: int) -> Record:
    """The call as a log without prompts tells it."""
    return call(
        position,
        at_us=round(billed.at_s * 1e6),
        began_us=round(billed.began_s * 1e6),
        model="claude-opus-4-8",
        session=billed.session,
        agent=billed.agent,
        side=billed.side,
        stop_reason="tool_use" if billed.called_tool else "end_turn",
        input=billed.tokens.input,
        write_5m=billed.tokens.write_5m,
        write_1h=billed.tokens.write_1h,
        read=billed.tokens.read,
        output=billed.tokens.output,
    )


def block(name: str, end: int, mark: str = "") -> PromptBlock:
    return PromptBlock(name.encode().rjust(16, b"-"), end, "system" if name == "s" else "messages", "text", 0, mark)


def test_a_log_of_counts_replays_to_its_bill() -> None:
    """Through the database, with what only later calls tell: heads shared between sessions, compaction, side questions."""
    billed = Talks(7, "system+tail", ("append", "pause", "compact", "open", "aside", "resume")).run(120)
    done = run(asks(*(record(one, at) for at, one in enumerate(billed))), (), BOOK, MODELS, explain=False)
    assert (done.observed.calls, done.differing) == (120, 0)
    assert done.as_is.pico == done.observed.pico
    assert done.as_is.read == done.observed.read == sum(one.tokens.read for one in billed) > 500_000


def test_only_what_can_be_replayed() -> None:
    good = call(0, input=10, output=3)
    found = asks(
        good,
        call(1, output=3),  # no prompt
        call(2, input=10, output=0, stop_reason="refusal"),
        call(3, input=10, output=3, iterations=(Iteration("message", Tokens(10, output=3)),)),
        call(4, input=10, output=3, model="claude-of-another-name"),
        call(5, input=10, output=2, stop_reason="refusal"),
    )
    assert [one.logged.at_s for one in found] == [NOON_US / 1e6, NOON_US / 1e6 + 5]
    assert [len(asks(good, where=where)) for where in ("input = 10", "input = 11")] == [1, 0]


def test_in_order_of_time() -> None:
    found = asks(call(3, input=3), call(1, input=1), call(2, input=2))
    assert [one.billed.input for one in found] == [1, 2, 3]


def test_terms_and_names() -> None:
    (fast,) = asks(call(0, model=OPUS, mode="fast", input=5, workspace="w", key="k", max_tokens=77))
    assert (fast.model, fast.mode, fast.logged.key, fast.logged.upstream) == (OPUS, "fast", "k", "w")
    assert fast.logged.request is not None
    assert (fast.logged.request.mode, fast.logged.request.max_tokens) == ("fast", 77)
    (batch,) = asks(call(0, model=HAIKU, mode="batch", input=5, key="k", write_unsplit=7, write_5m=1, write_1h=2, read=3))
    assert (batch.mode, batch.logged.key, batch.billed) == ("batch", "k", Tokens(5, 8, 2, 3))
    assert batch.logged.usage.mode() == "batch"
    assert batch.logged.request is not None
    assert batch.logged.request.max_tokens == OUTPUT_MAX


@pytest.mark.parametrize(
    ("began_us", "ended_us", "seconds"),
    [(NOON_US + 400_000, 0, 0.4), (0, 0, 3.0), (0, NOON_US + 2_000_000, 2.0), (NOON_US - 9, NOON_US - 9, 3.0)],
)
def test_when_an_answer_began(began_us: int, ended_us: int, seconds: float) -> None:
    (one,) = asks(call(0, input=20_000, began_us=began_us, ended_us=ended_us))
    assert one.logged.began_s - one.logged.at_s == pytest.approx(seconds)


def test_conversations_are_counted() -> None:
    found = asks(
        call(0, input=5, session="a"),
        call(1, input=5, session="b"),
        call(2, input=5, session="a"),
        call(3, input=5, session="a", agent="x"),
        call(4, input=5),
        call(5, input=5),
    )
    assert [one.conversation for one in found] == [0, 1, 0, 2, 3, 4]


# --- prompts that the log tells ------------------------------------------------------------------------------------------


def test_estimates_are_fitted_to_what_was_billed() -> None:
    first, second = asks(
        call(0, input=50, write_5m=1_950, prompt=(block("s", 900, "5m"), block("a", 1_000, "5m"), block("b", 1_100))),
        call(1, input=90, write_5m=2_000, read=1_950, prompt=(block("s", 900), block("a", 1_000), block("c", 2_000, "5m"))),
    )
    assert first.cumulative == (1_755, 1_950, 2_000)
    assert first.placed == (Breakpoint(0, "5m"), Breakpoint(1, "5m"))
    assert second.cumulative == (1_755, 1_950, 4_040)
    assert marks_of(second.prefix) == (Breakpoint(2, "5m"),)
    assert [one.part.tokens for one in second.prefix.blocks] == [1_755, 195, 2_090]


def test_without_the_cache_told_the_whole_is_fitted() -> None:
    (one,) = asks(call(0, input=3_000, cache_untold=True, prompt=(block("s", 500, "5m"), block("a", 1_000))))
    assert (one.cumulative, one.untold) == ((1_500, 3_000), True)


def test_a_prompt_of_one_block_and_one_of_none() -> None:
    (one,) = asks(call(0, input=7, prompt=(block("a", 90, "1h"),)))
    assert one.cumulative == (7,)
    (none,) = asks(call(0, input=7, prompt=(block("a", 0), block("b", 0))))
    assert none.cumulative == (0, 0)


def test_a_rewritten_prompt_is_as_long_as_the_one_that_was_billed() -> None:
    prompt = (block("s", 900), block("a", 1_000, "5m"))
    other = (block("t", 800), block("u", 950), block("b", 1_000, "5m"))
    (one,) = asks(call(0, write_5m=2_000, prompt=prompt, stabilised=other), rewritten=True)
    assert one.cumulative == (1_800, 2_000)
    assert one.rewritten is not None
    assert one.rewritten.cumulative == (1_600, 1_900, 2_000)
    assert one.rewritten.prefix.chain == tuple(part.digest for part in other)
    assert marks_of(one.rewritten.prefix) == (Breakpoint(2, "5m"),)
    (stable,) = asks(call(0, write_5m=2_000, prompt=prompt), rewritten=True)
    (unasked,) = asks(call(0, write_5m=2_000, prompt=prompt, stabilised=other))
    assert stable.rewritten is unasked.rewritten is None


def test_an_answer_that_ended_in_words() -> None:
    found = asks(
        *(call(at, input=5, stop_reason=stop) for at, stop in enumerate(("end_turn", "tool_use", "max_tokens", "")))
    )
    assert [one.ended for one in found] == [True, False, False, False]


BLOCKS = st.lists(st.tuples(st.integers(0, 3_000), st.sampled_from(("", "", "", "5m", "1h"))), min_size=1, max_size=9)
COUNTS = st.tuples(*[st.sampled_from((0, 0, 1, 500, 9_000))] * 4).filter(any)


@settings(max_examples=10)
@given(st.lists(st.tuples(BLOCKS, COUNTS, st.booleans()), min_size=1, max_size=6))
def test_whatever_is_told_depths_rise_to_the_bill(rows: list[tuple[list[tuple[int, str]], tuple[int, ...], bool]]) -> None:
    records = []
    for at, (blocks, (plain, five, hour, read), rising) in enumerate(rows):
        sizes = [size for size, _ in blocks]
        ends = list(accumulate(sizes)) if rising else sizes
        prompt = tuple(
            block(f"{number}", end, mark) for number, (end, (_, mark)) in enumerate(zip(ends, blocks, strict=True))
        )
        records.append(call(at, input=plain, write_5m=five, write_1h=hour, read=read, output=1, prompt=prompt))
    found = asks(*records)
    assert len(found) == len(rows)
    for one in found:
        assert all(before <= after for before, after in pairwise((0, *one.cumulative)))
        assert one.cumulative[-1] in (0, one.billed.prompt)
        assert all(part.part.tokens >= 0 for part in one.prefix.blocks)
    done = run(found, (), BOOK, MODELS)
    assert done.observed.calls == done.as_is.calls == len(rows)
    assert done.as_is.prompt == done.observed.prompt

"""Copies of one call put together, whatever files and shards they stand in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audit.tables import NOON_US, call, table
from thriftgate.audit import calls as module
from thriftgate.audit.calls import Calls
from thriftgate.audit.records import PromptBlock, Record
from thriftgate.audit.shards import COLUMNS
from thriftgate.core.usage import Iteration, Tokens


def rows(calls: Calls, *columns: str) -> list[Any]:
    """These columns of all calls, in order; plain values where there is one."""
    found = sorted(calls.rows(f"select {', '.join(columns)} from calls"))
    return [row[0] for row in found] if len(columns) == 1 else found


def test_copies_in_several_files_are_one_call_with_the_final_output() -> None:
    early = call(5, source="b.jsonl", call_id="msg_1", session="fork", input=10, output=1, project="/p")
    late = call(3, source="a.jsonl", call_id="msg_1", session="first", input=10, output=700, thinking=300, project="/p")
    again = call(
        9, source="c.jsonl", call_id="msg_1", session="again", input=10, output=700, stop_reason="end_turn", project="/p"
    )
    other = call(4, call_id="msg_2", session="first", input=7, output=2)
    with table([early, other], [late], [again]) as calls:
        assert calls.records == 4
        assert rows(calls, "call_id", "session", "output", "thinking", "at_us - ?".replace("?", str(NOON_US))) == [
            ("msg_1", "first", 700, 300, 3_000_000),
            ("msg_2", "first", 2, 0, 4_000_000),
        ]
        assert rows(calls, "stop_reason") == ["", "end_turn"]


def test_a_side_question_does_not_say_whose_the_call_was() -> None:
    side = call(1, source="side.jsonl", call_id="msg_1", session="aside", side=True, input=10, output=5, project="/p")
    main = call(8, source="main.jsonl", call_id="msg_1", session="talk", input=10, output=5, project="/p")
    with table([side, main]) as calls:
        assert rows(calls, "session", "side", "source") == [("talk", False, "main.jsonl")]


def test_one_answer_under_two_request_ids_is_one_call() -> None:
    one = call(1, call_id="msg_1", request_id="req_a", session="s", input=10, read=90)
    two = call(2, call_id="msg_1", request_id="req_b", session="s", input=10, read=90)
    with table([one], [two]) as calls:
        assert rows(calls, "call_id", "request_id") == [("msg_1", "req_a")]


def test_ids_that_are_handed_out_again_are_told_apart_by_request() -> None:
    first = call(1, call_id="msg_1", request_id="req_a", session="s", input=10)
    copy = call(1, source="fork.jsonl", call_id="msg_1", request_id="req_a", session="t", input=10)
    second = call(2, call_id="msg_1", request_id="req_b", session="s", input=20)
    with table([first, copy, second]) as calls:
        assert rows(calls, "request_id", "input", "session") == [("req_a", 10, "s"), ("req_b", 20, "s")]


def test_or_by_session_where_there_is_no_request_id() -> None:
    with table([call(1, call_id="0", session="s", input=10), call(2, call_id="0", session="t", input=20)]) as calls:
        assert rows(calls, "session", "input") == [("s", 10), ("t", 20)]


def test_telemetry_joins_the_log_by_request_id() -> None:
    log = call(1, source="log.jsonl", call_id="msg_1", request_id="req_a", session="s", project="/p", input=3, write_1h=50,
               read=7, output=1, geo="us", side=True)  # fmt: skip
    event = call(0, source="events.json", request_id="req_a", session="s", input=3, write_unsplit=50, read=7, output=400,
                 reported_pico=9, user="me", at_is_end=True)  # fmt: skip
    alone = call(2, source="events.json", request_id="req_b", session="s", input=5, write_unsplit=6)
    with table([event, alone], [log]) as calls:
        found = rows(
            calls, "request_id", "call_id", "write_1h", "write_unsplit", "read", "output", "reported_pico", '"user"'
        )
        assert found[0] == ("req_a", "msg_1", 50, 0, 7, 400, 9, "me")
        assert found[1][:5] == ("req_b", "", 0, 6, 0)
        assert len(found) == 2
        assert rows(calls, "request_id", "project", "geo", "source")[0] == ("req_a", "/p", "us", "events.json")


def test_what_only_one_copy_tells_is_kept() -> None:
    steps = (Iteration("message", Tokens(5)),)
    log = call(
        1, source="log.jsonl", call_id="msg_1", request_id="req_a", input=3, output=1, web_searches=2, iterations=steps
    )
    event = call(1, source="events.json", request_id="req_a", input=3, output=400)
    with table([log, event]) as calls:
        ((output, searches, iterations),) = rows(calls, "output", "web_searches", "iterations")
        assert (output, searches) == (400, 2)
        assert msgspec.json.decode(iterations, type=tuple[Iteration, ...]) == steps


def test_telemetry_written_twice_is_counted_once() -> None:
    event = call(2, source="events.json", request_id="req_b", input=5, write_unsplit=6)
    with table([event], [msgspec.structs.replace(event, source="copy.json")]) as calls:
        assert rows(calls, "write_unsplit") == [6]


def test_what_tells_the_cache_counts_before_what_does_not() -> None:
    """One source counts cached tokens apart, another has all of them in `input`: the prompt must not count twice."""
    told = call(5, source="log.jsonl", call_id="msg_1", session="s", project="/p", input=10, read=1_000, output=5)
    untold = call(
        1, source="trace.json", call_id="msg_1", session="s", project="/p", input=1_010, output=8, cache_untold=True
    )
    with table([untold, told]) as calls:
        assert rows(calls, "input", "read", "cache_untold", "output") == [(10, 1_000, False, 8)]


def test_what_is_worked_out_counts_after_what_is_told() -> None:
    guess = call(1, source="a", call_id="msg_1", session="s", input=99, output=500, estimated=True)
    told = call(2, source="b", call_id="msg_1", session="s", input=90, output=400)
    with table([guess, told]) as calls:
        assert rows(calls, "input", "estimated") == [(90, False)]


def test_a_copy_with_the_final_output_is_no_floor() -> None:
    cut = call(1, source="a", call_id="msg_1", session="s", output=1, output_is_floor=True, output_high=900)
    more = call(2, source="b", call_id="msg_1", session="s", output=2, output_is_floor=True, output_high=800)
    whole = call(3, source="c", call_id="msg_1", session="s", output=300)
    with table([cut, more]) as calls:
        assert rows(calls, "output", "output_is_floor", "output_high") == [(2, True, 900)]
    with table([cut, whole]) as calls:
        assert rows(calls, "output", "output_is_floor", "output_high") == [(300, False, 0)]


def test_the_copy_with_the_text_tells_the_prompt() -> None:
    blocks = (PromptBlock(b"\1" * 16, 12), PromptBlock(b"\2" * 16, 30))
    text = call(
        9, source="b", call_id="msg_1", session="s", input=10, prompt=blocks, old_tokens=20, new_tokens=30, max_tokens=64
    )
    bare = call(1, source="a", call_id="msg_1", session="s", input=10)
    with table([bare, text]) as calls:
        (prompt, old, new, limit) = rows(calls, "prompt", "old_tokens", "new_tokens", "max_tokens")[0]
        assert msgspec.json.decode(prompt, type=tuple[PromptBlock, ...]) == blocks
        assert (old, new, limit) == (20, 30, 64)


def test_rows_without_ids_are_never_put_together() -> None:
    with table([call(1, input=5), call(1, input=5)], [call(1, input=5)]) as calls:
        assert rows(calls, "input") == [5, 5, 5]


def test_every_field_survives() -> None:
    whole = Record(
        source="it's", position=3, at_us=NOON_US, model="claude-x", call_id="m", request_id="r", began_us=4, ended_us=5,
        at_is_end=True, session="s", agent="a", side=True, project="/p", key="k", user="u", workspace="w", platform="api",
        mode="fast", geo="us", input=1, write_5m=2, write_1h=3, write_unsplit=4, read=5, output=60, thinking=7,
        web_searches=8, iterations=(Iteration("message", Tokens(1, 2, 3, 4, 5), "claude-y"),), max_tokens=9, streamed=True,
        stop_reason="end_turn", stop_category="c", miss_reason="x", miss_tokens=10, reported_pico=11, output_is_floor=True,
        output_high=70, estimated=True, cache_untold=True, old_tokens=12, new_tokens=13, context_window="0-200k",
    )  # fmt: skip
    kept = [name for name in COLUMNS if name not in ("prompt", "iterations", "claimed", "stabilised")]
    for copies in ([whole], [whole, whole]):
        with table(copies) as calls:
            told = dict(zip(kept, rows(calls, *(f'"{name}"' for name in kept))[0], strict=True))
            assert told == {name: getattr(whole, name) for name in kept}
            (iterations,) = rows(calls, "iterations")
            assert msgspec.json.decode(iterations, type=tuple[Iteration, ...]) == whole.iterations


SUM = {"span_us": 86_400_000_000, "calls": 0, "input": 5}
CHARGE = {"span_us": 86_400_000_000, "calls": 0, "bill_pico": 7}


@pytest.mark.parametrize(
    ("records", "kept", "aside"),
    [
        ([call(1, input=5), call(2, **SUM), call(3, **CHARGE)], ["call"], {"sum": 1, "charge": 1}),
        ([call(2, **SUM), call(4, **SUM), call(3, **CHARGE)], ["sum", "sum"], {"charge": 1}),
        ([call(3, **CHARGE), call(5, **CHARGE)], ["charge", "charge"], {}),
        ([], [], {}),
    ],
)
def test_sums_are_set_aside_where_there_are_calls(records: list[Record], kept: list[str], aside: dict[str, int]) -> None:
    with table(records) as calls:
        assert rows(calls, "kind") == kept
        assert calls.set_aside == aside
        assert calls.count("controls") == sum(aside.values())


records = st.builds(
    lambda ids, request, session, where, second, counts, output, side: call(
        where[1], source=where[0], at_us=NOON_US + second, call_id=ids, request_id=request, session=session, input=counts[0],
        write_5m=counts[1], write_unsplit=counts[2], output=output, side=side, project="/p" if session else "",
    ),
    st.sampled_from(["", "m1", "m2"]), st.sampled_from(["", "r1", "r2", "r3"]), st.sampled_from(["", "s", "t"]),
    st.tuples(st.sampled_from("abc"), st.integers(0, 9)), st.integers(0, 3),
    st.sampled_from([(5, 0, 0), (5, 9, 0), (5, 0, 9), (6, 0, 0)]), st.integers(0, 9), st.booleans(),
)  # fmt: skip


@settings(max_examples=6)
@given(st.lists(records, max_size=14), st.randoms(use_true_random=False))
def test_neither_order_nor_sharding_matters(found: list[Record], chance: Any) -> None:
    every = sorted(f'"{name}"' for name in COLUMNS)
    with table(found) as calls:
        one = rows(calls, *every)
    mixed = list(found)
    chance.shuffle(mixed)
    cut = chance.randrange(len(mixed) + 1)
    with table(mixed[:cut], mixed[cut:]) as calls:
        assert rows(calls, *every) == one
        assert calls.records == len(found)
    assert sum(1 for record in found if not (record.call_id or record.request_id)) <= len(one)


def test_many_copies_are_merged_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [call(at, call_id=f"m{at % 50}", session="s", input=7, output=at) for at in range(300)]
    with table(found) as calls:
        whole = rows(calls, "call_id", "output", "position")
    monkeypatch.setattr(module, "MERGED_ROWS", 40)
    with table(found) as calls:
        assert rows(calls, "call_id", "output", "position") == whole
        assert len(whole) == 50
        assert {(output, position) for _, output, position in whole} == {(250 + at, at) for at in range(50)}


@pytest.mark.parametrize(
    "other",
    [{"model": "claude-haiku-5-5"}, {"mode": "batch"}, {"write_5m": 0, "write_1h": 40}, {"read": 90}],
)
def test_ids_that_are_handed_out_again_are_told_apart_by_all_that_was_billed(other: dict[str, object]) -> None:
    """A mock or gateway that begins anew with the same answer and request ids: what was billed differs."""
    first = call(1, call_id="m1", request_id="r1", session="s", write_5m=40, output=7)
    again = msgspec.structs.replace(first, source="b.jsonl", **other)
    copy = msgspec.structs.replace(first, source="c.jsonl", output=1)
    with table([first, again, copy]) as calls:
        assert calls.count("calls") == 2

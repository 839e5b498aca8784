"""Evaluation sets: JSONL, tables, stored exchanges; samples by strata; and what can be wrong with them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.quality.evaluating import item, write_lines
from thriftgate.core.errors import InputError
from thriftgate.quality.datasets import MAX_TOKENS, from_exchanges, read_set, sampled
from thriftgate.quality.rows import read_rows
from thriftgate.quality.rules import Exact, Numeric

HELLO = [{"role": "user", "content": "hello"}]


def test_prompts_and_whole_requests(tmp_path: Path) -> None:
    lines = [
        {
            "id": 7,
            "prompt": "2+2?",
            "system": "Count.",
            "expected": "4",
            "judge": "numeric:0.5",
            "task": "sums",
            "weight": 2,
        },
        {"request": {"temperature": 0, "stream": True, "messages": HELLO}, "expected": {"a": 1}, "cluster": "c"},
    ]
    first, second = read_set(write_lines(tmp_path / "set.jsonl", lines))
    messages = [{"role": "user", "content": "2+2?"}]
    assert first.request == {"max_tokens": MAX_TOKENS, "system": "Count.", "messages": messages}
    assert (first.id, first.expected, first.judge, first.task, first.weight) == ("7", "4", Numeric(0.5), "sums", 2)
    assert second.request == {"max_tokens": MAX_TOKENS, "temperature": 0, "messages": HELLO}
    assert (second.id, second.expected, second.judge, second.cluster) == ("line-2", {"a": 1}, None, "c")
    assert second.place == "line 2"


def test_a_table(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_text(
        "prompt,expected,judge,weight,human,my notes\n"
        '2+2?,4,numeric,2,"{""claude-haiku-4-5"": 1}",easy\n'
        'hi,hello,"{""kind"": ""exact""}",,,\n',
        encoding="utf-8",
    )
    first, second = read_set(path)
    assert (first.id, first.expected, first.judge, first.weight) == ("row-2", "4", Numeric(), 2.0)
    assert first.human == {"claude-haiku-4-5": 1.0}
    assert second.judge == Exact()


def test_stored_exchanges(tmp_path: Path) -> None:
    line = {
        "id": "tg_1",
        "task": "t",
        "request": {"model": "claude-opus-4-8", "stream": True, "max_tokens": 9, "messages": HELLO},
        "answers": {"claude-opus-4-8": "Hi.", "claude-haiku-4-5": "Hello."},
        "at": "2026-11-21T12:00:00Z",
    }
    path = write_lines(tmp_path / "kept.jsonl", [line])
    (one,) = read_set(path)
    assert one.request == {"max_tokens": 9, "messages": HELLO}
    assert one.recorded == {"claude-opus-4-8": "Hi.", "claude-haiku-4-5": "Hello."}
    assert from_exchanges(read_rows(path, "items")) == [one]


GOOD: dict[str, Any] = {"prompt": "a"}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([GOOD | {"id": "x"}, GOOD | {"id": "x"}], "line 2: the id 'x' stands in line 1 already"),
        ([GOOD | {"judge": "exat"}], "line 1: there is no judge 'exat'; did you mean 'exact'?"),
        ([GOOD | {"expcted": "4"}], "line 1: unknown member 'expcted'; did you mean 'expected'?"),
        ([{"expected": "4"}], "line 1: an item has either a prompt or a request"),
        ([GOOD | {"request": {"messages": HELLO}}], "line 1: an item has either a prompt or a request"),
        ([{"prompt": " "}], "line 1: prompt: must not be empty"),
        ([{"request": {"messages": []}}], "line 1: request.messages: must be a list with at least one message"),
        ([{"request": {"model": "m", "messages": HELLO}}], "line 1: request.model: take it out"),
        ([{"request": {"messages": HELLO}, "system": "s"}], "line 1: system and max_tokens belong to a prompt"),
        ([GOOD | {"weight": 0}], "line 1: Expected `float` > 0.0"),
        ([GOOD | {"human": {"a": 2}}], "line 1: Expected `float` <= 1.0"),
        ([GOOD | {"id": " "}], "line 1: id: must not be empty"),
        ([GOOD, b"{"], "line 2: not JSON"),
        ([], "holds no items"),
        ([{"answers": {}, "request": {"messages": HELLO}}], "line 1: Object missing required field `id`"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, lines: list[Any], words: str) -> None:
    with pytest.raises(InputError) as told:
        read_set(write_lines(tmp_path / "set.jsonl", lines))
    assert words in str(told.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("question,expected\na,b\n", "needs a column prompt (or request); it has question, expected"),
        ("prompt,expcted\na,b\n", "unknown column 'expcted'; did you mean 'expected'?"),
        ("prompt,weight\na,heavy\n", "line 2: weight: 'heavy' is no number"),
        ("prompt,human\na,{\n", "line 2: human: must be JSON"),
    ],
)
def test_what_is_wrong_with_a_table(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "set.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as told:
        read_set(path)
    assert words in str(told.value)


def test_a_sample_has_its_share_of_each_task() -> None:
    items = [item(id=f"{task}{at}", task=task) for task, count in (("a", 80), ("b", 15), ("c", 5)) for at in range(count)]
    chosen = sampled(items, 20, seed=1)
    assert Counter(one.task for one in chosen) == {"a": 16, "b": 3, "c": 1}
    assert chosen == sampled(items, 20, seed=1)
    assert chosen != sampled(items, 20, seed=2)
    assert [items.index(one) for one in chosen] == sorted(items.index(one) for one in chosen)
    assert Counter(one.task for one in sampled(items, 3, seed=1)) == {"a": 1, "b": 1, "c": 1}
    assert len(sampled(items, 2, seed=1)) == 2
    assert sampled(items, 500, seed=1) == items

import pytest

from thriftgate.simulator import tokens
from thriftgate.simulator.models import load_models
from thriftgate.simulator.render import identity
from thriftgate.simulator.tokens import FRAME, TokenCounter, estimate

from .support import exact

TABLE = load_models()
OLD, NEW = TABLE.by_name["claude-haiku-4-5"], TABLE.by_name["claude-opus-5-5"]


def count(block: dict[str, object], counter: TokenCounter, new: bool = True) -> int:
    return counter.block(NEW if new else OLD, block, identity(block))


def test_estimator_counts_bytes_and_newer_families_count_more() -> None:
    assert estimate("x" * 100, "3.0") == 27
    assert estimate("x" * 100, "4.7") == 36
    assert estimate("é", "3.0") == 1
    assert TokenCounter("estimate").text("3.0", "") == 0


def test_a_function_counts_and_is_asked_once_per_text() -> None:
    asked: list[str] = []

    def count_it(text: str, family: str) -> int:
        asked.append(family)
        return len(text)

    counter = TokenCounter(count_it)
    assert [counter.text("3.0", "abc") for _ in range(3)] == [3, 3, 3]
    assert counter.text("4.7", "abc") == 3
    assert asked == ["3.0", "4.7"]


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="tokenizer"):
        TokenCounter("guess")


def test_ctok_reproduces_its_own_counts() -> None:
    ctok = pytest.importorskip("ctok", reason="ctok needs Python 3.12")
    counter = TokenCounter("ctok")
    for family, frame in FRAME.items():
        for sample in ("Hello, Claude", "def f(x):\n    return x * 2\n", "Größe: 3 µm"):
            assert counter.text(family, sample) + frame == ctok.token_count(sample, family)


@pytest.mark.parametrize(
    ("block", "tokens"),
    [
        ({"type": "text", "text": "abcd"}, 4),
        ({"type": "thinking", "thinking": "abc", "signature": "s"}, 3),
        ({"type": "redacted_thinking", "data": "x" * 80}, 10),
        ({"type": "tool_use", "id": "i", "name": "ab", "input": {"a": 1}}, 10 + 2 + 7),
        ({"type": "tool_result", "tool_use_id": "i", "content": "abcde"}, 15),
        ({"type": "tool_result", "tool_use_id": "i", "content": [{"type": "text", "text": "abcde"}]}, 15),
        ({"type": "tool_result", "tool_use_id": "i"}, 10),
        ({"type": "image", "source": {"type": "url", "url": "u"}}, 1369),
        ({"type": "document", "source": {"type": "text", "data": "abc"}, "title": "t"}, 4),
        ({"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "abc"}]}}, 3),
        ({"type": "document", "source": {"type": "base64", "data": "A" * 8000}}, 4000),
        ({"type": "document", "source": None}, 0),
        ({"type": "compaction", "content": "abc"}, 3),
        ({"type": "fallback"}, 0),
    ],
)
def test_blocks(block: dict[str, object], tokens: int) -> None:
    assert count(block, TokenCounter(exact)) == tokens


@pytest.mark.parametrize(
    ("kind", "new", "old"),
    [
        ("bash_20250124", 325, 244),
        ("text_editor_20250728", 974, 745),
        ("computer_toolset_20260801", 4520, 4520),
        ("browser_toolset_20260801", 6610, 6610),
    ],
)
def test_built_in_tools(kind: str, new: int, old: int) -> None:
    counter, tool = TokenCounter(exact), {"type": kind, "name": "x"}
    assert counter.tool(NEW, tool, identity(tool)) == new
    assert counter.tool(OLD, tool, identity(tool)) == old


def test_own_tools_count_name_description_and_schema() -> None:
    counter = TokenCounter(exact)
    short = {"name": "a", "input_schema": {}}
    longer = {"name": "a", "description": "x" * 50, "input_schema": {}}
    assert counter.tool(NEW, longer, identity(longer)) - counter.tool(NEW, short, identity(short)) >= 50


def test_many_texts_are_remembered_in_bounded_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "CACHE_SIZE", 10)
    asked: list[str] = []

    def count_it(text: str, family: str) -> int:
        del family
        asked.append(text)
        return len(text)

    counter = TokenCounter(count_it)
    for number in range(100):
        counter.text("3.0", f"text {number}")
        assert counter.text("3.0", "always") == 6
        assert len(counter._cache) + len(counter._older) <= 20
    assert asked.count("always") == 1
    assert len(asked) == 101

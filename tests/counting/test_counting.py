"""Counters and whole-request counts, with the error bars they promise, and one request whose real usage is public."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from thriftgate.core.errors import InputError
from thriftgate.core.models import Capabilities
from thriftgate.core.tokens import Family, TextCounter
from thriftgate.counting import CtokCounter, EstimatingCounter, best_counter, count_request

HAS_CTOK = sys.version_info >= (3, 12) and type(best_counter()) is CtokCounter
needs_ctok = pytest.mark.skipif(not HAS_CTOK, reason="ctok is not installed: it needs Python 3.12")
NEW = Capabilities(
    id="claude-sonnet-5-5", source="test", checked="2026-11-21", tool_prompt_tokens=286, tool_prompt_forced_tokens=406
)
OLD = Capabilities(
    id="claude-3-5-sonnet-20241022",
    source="test",
    checked="2026-11-21",
    tokenizer="claude3",
    image_tier="standard",
    tool_prompt_tokens=346,  # the figure of the pricing page for this model, since retired
    tool_prompt_forced_tokens=313,
)
COUNTERS = [EstimatingCounter(), pytest.param(best_counter(), marks=needs_ctok)]


def body(**members: object) -> bytes:
    return msgspec.json.encode(
        {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "Hello"}]} | members
    )


def test_best_counter_by_version() -> None:
    counter = best_counter()
    assert counter.exact is HAS_CTOK
    assert counter.method.startswith("ctok 1" if HAS_CTOK else "estimate")


def test_nothing_heavy_is_imported_before_the_first_count() -> None:
    script = (
        "import sys; from thriftgate.counting import best_counter; best_counter(); "
        "sys.exit('ctok.main' in sys.modules or 'ctok' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize("counter", COUNTERS)
@pytest.mark.parametrize("family", ["claude3", "claude47"])
def test_counters_count(counter: TextCounter, family: Family) -> None:
    assert counter.count("", family) == 0
    assert 1 <= counter.count("hello, world", family) <= 8
    assert counter.count("lone surrogate \ud800 here", family) > 2
    assert counter.count("word " * 100, family) > 10 * counter.count("word", family)


@needs_ctok
def test_ctok_counts_without_the_frame_of_a_message() -> None:
    """The README of ctok 1.3: `hello, world` is 3 and 4 tokens besides the frame."""
    assert [CtokCounter().count("hello, world", family) for family in ("claude3", "claude47")] == [3, 4]


@pytest.mark.parametrize("counter", COUNTERS)
class TestRequest:
    def test_range_holds_the_count(self, counter: TextCounter) -> None:
        result = count_request(
            body(system="Be brief.", tools=[{"name": "f", "input_schema": {"type": "object"}}]), NEW, counter
        )
        assert 270 < result.low <= result.tokens <= result.high < 400
        assert result.method == counter.method

    def test_breakpoints_cost_nothing(self, counter: TextCounter) -> None:
        def request(**mark: object) -> bytes:
            return body(
                system=[{"type": "text", "text": "Be brief."} | mark],
                tools=[{"name": "f", "description": "d", "input_schema": {"type": "object"}} | mark],
                messages=[{"role": "user", "content": [{"type": "text", "text": "Hello"} | mark]}],
            )

        marked = request(cache_control={"type": "ephemeral", "ttl": "1h"})
        assert count_request(marked, NEW, counter) == count_request(request(), NEW, counter)

    def test_a_string_is_one_block_of_text(self, counter: TextCounter) -> None:
        blocks = body(messages=[{"role": "user", "content": [{"type": "text", "text": "Hello"}]}], system=None)
        assert count_request(blocks, NEW, counter) == count_request(body(), NEW, counter)

    def test_forced_tools_bring_their_own_prompt(self, counter: TextCounter) -> None:
        tools = [{"name": "f", "input_schema": {"type": "object"}}]
        free = count_request(body(tools=tools), NEW, counter)
        forced = count_request(body(tools=tools, tool_choice={"type": "any"}), NEW, counter)
        assert forced.tokens - free.tokens == 406 - 286
        assert count_request(body(tools=[], tool_choice={"type": "any"}), NEW, counter).tokens < 20

    def test_more_messages_are_more_tokens(self, counter: TextCounter) -> None:
        turns = [{"role": role, "content": "Hello"} for role in ("user", "assistant", "user")]
        assert count_request(body(messages=turns), NEW, counter).tokens > count_request(body(), NEW, counter).tokens

    @pytest.mark.parametrize(
        "broken",
        [b"", b"{", b"[]", b'"x"', b'{"messages": 7}', b'{"messages": [7]}', b'{"messages": [{"content": [}]}', b"\xff"],
    )
    def test_what_is_no_request_is_refused(self, counter: TextCounter, broken: bytes) -> None:
        with pytest.raises(InputError):
            count_request(broken, NEW, counter)


@needs_ctok
@pytest.mark.parametrize("family", ["claude3", "claude47"])
def test_the_estimate_holds_on_the_standard_library(family: Family) -> None:
    """Not the files of one folder it was tuned to: docstrings, code and tables, cut anew."""
    exact, guess = CtokCounter(), EstimatingCounter()
    errors = []
    for name in ("bisect", "calendar", "colorsys", "fnmatch", "heapq", "keyword", "sched", "this"):
        text = Path(os.__file__).with_name(f"{name}.py").read_text("utf-8")[:6_000]
        errors.append(guess.count(text, family) / exact.count(text, family) - 1)
    assert max(map(abs, errors)) < 0.35
    assert sum(map(abs, errors)) / len(errors) < 0.15


@pytest.mark.parametrize("counter", COUNTERS)
@pytest.mark.parametrize("name", ["input.json", "expected.json"])
def test_recorded_usage(counter: TextCounter, name: str) -> None:
    """18 tools, a system prompt and a question: 239 + 7,105 input tokens in the recorded answer."""
    traces = os.environ.get("THRIFTGATE_TRACES")
    if traces is None:
        pytest.skip("THRIFTGATE_TRACES does not name a folder of public traces")
    request = Path(traces, "anthropic-requests", "test_data", "scenarios", "n8n_agent_workflow", name)
    result = count_request(request.read_bytes(), OLD, counter)
    assert result.tokens == pytest.approx(7_344, rel=0.01 if counter.exact else 0.15)
    assert result.low <= 7_344 <= result.high

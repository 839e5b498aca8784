"""Block estimates: each kind counts what reaches the model, and nothing raises."""

from __future__ import annotations

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.test_tokens_images import pictures
from thriftgate.core.tokens import Estimate, Family, estimate_block, estimate_text, framing_tokens

FAMILIES: tuple[Family, ...] = ("claude3", "claude47")


def block(**members: object) -> bytes:
    return msgspec.json.encode(members)


class TestBlocks:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_a_literal_equals_its_text_block(self, family: Family) -> None:
        text = 'He said "no".\n\tThen left — quietly.' * 20
        inside = estimate_text(msgspec.json.encode(text)[1:-1], family)
        assert estimate_block("text", msgspec.json.encode(text), family) == inside
        assert estimate_block("text", block(type="text", text=text), family) == inside
        assert estimate_block("", block(type="text", text=text, cache_control={"type": "ephemeral"}), family) == inside

    def test_base64_is_never_counted_as_text(self) -> None:
        data = base64.b64encode(pictures(1920, 1080)[0] + bytes(1_000_000)).decode()
        image = block(type="image", source={"type": "base64", "media_type": "image/png", "data": data})
        assert estimate_block("image", image, "claude3").tokens == 1560
        assert estimate_block("image", image, "claude47").tokens == 2691
        assert estimate_block("image", image, "claude47", "standard").tokens == 1560
        result = block(type="tool_result", tool_use_id="t", content=[msgspec.Raw(image)])
        assert 2691 <= estimate_block("tool_result", result, "claude47").upper < 2_900

    @pytest.mark.parametrize(
        "source",
        [
            {"type": "url", "url": "https://example.org/a.png"},
            {"type": "base64", "data": "bm8gaW1hZ2U="},
            {"type": "file"},
            7,
        ],
    )
    def test_an_image_of_unknown_size_is_held_at_the_most(self, source: object) -> None:
        assert estimate_block("image", block(type="image", source=source), "claude47").tokens == 4784

    def test_a_tool_costs_the_same_however_it_was_indented(self) -> None:
        schema = {"type": "object", "properties": {"city": {"type": "string", "description": "The city"}}}
        raw = block(name="get_weather", description="Get the weather in a city", input_schema=schema)
        counts = {estimate_block("tool", msgspec.json.format(raw, indent=indent), "claude47") for indent in (-1, 0, 2, 8)}
        assert len(counts) == 1

    @pytest.mark.parametrize(
        ("kind", "old", "new"),
        [("bash_20250124", 244, 325), ("text_editor_20250728", 745, 974), ("browser_toolset_20260801", 6610, 6610)],
    )
    def test_built_in_tools_by_the_published_table(self, kind: str, old: int, new: int) -> None:
        raw = block(type=kind, name="x")
        assert [estimate_block("tool", raw, family).tokens for family in FAMILIES] == [old, new]

    def test_a_server_tool_is_held_generously(self) -> None:
        estimate = estimate_block("tool", block(type="web_search_20260209", name="web_search"), "claude47")
        assert estimate.upper >= 2 * estimate.tokens

    def test_calls_and_results_count_their_values(self) -> None:
        text = "word " * 400
        inside = estimate_text(text.encode(), "claude47").tokens
        for raw in (
            block(type="tool_use", id="toolu_1", name="write", input={"text": text}),
            block(type="tool_result", tool_use_id="toolu_1", content=text),
            block(type="tool_result", tool_use_id="toolu_1", content=[{"type": "text", "text": text}]),
            block(type="search_result", title="t", source="s", content=[{"type": "text", "text": text}]),
            block(type="document", source={"type": "text", "media_type": "text/plain", "data": text}),
            block(type="document", source={"type": "content", "content": [{"type": "text", "text": text}]}),
            block(type="document", source={"type": "content", "content": text}),
            block(type="thinking", thinking=text, signature="A" * 4000),
        ):
            assert inside <= estimate_block("", raw, "claude47").tokens <= inside + 60

    def test_withheld_thinking_grows_with_its_seal(self) -> None:
        short = estimate_block("", block(type="thinking", thinking="", signature="A" * 400), "claude47")
        long = estimate_block("", block(type="thinking", thinking="", signature="A" * 4000), "claude47")
        assert long.tokens > 5 * short.tokens
        assert estimate_block("", block(type="redacted_thinking", data="A" * 4000), "claude47").tokens > 500
        assert estimate_block("", block(type="redacted_thinking"), "claude47").tokens < 50

    def test_a_pdf_is_held_by_its_bytes(self) -> None:
        def pdf(size: int) -> Estimate:
            return estimate_block("", block(type="document", source={"type": "base64", "data": "A" * size}), "claude47")

        assert pdf(1_000).tokens < pdf(100_000).tokens < pdf(3_000_000).tokens
        assert pdf(1_000).upper >= 3_000
        assert pdf(30_000_000).upper <= 600 * 7_800
        assert estimate_block("", block(type="document", source={"type": "url", "url": "u"}), "claude47").upper > 1_000_000

    def test_an_unknown_block_is_counted_whole(self) -> None:
        raw = block(type="hologram", payload="some text that might reach the model")
        assert (
            estimate_block("hologram", raw, "claude47").tokens
            >= estimate_text(b"some text that might reach the model", "claude47").tokens
        )

    @given(
        data=st.binary(max_size=400),
        kind=st.sampled_from(("", "text", "tool", "image", "document", "tool_result", "nonsense")),
    )
    def test_odd_input_never_raises(self, data: bytes, kind: str) -> None:
        estimate = estimate_block(kind, data, "claude47")
        assert 0 <= estimate.tokens <= estimate.upper

    @given(
        kind=st.sampled_from(("text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking", "x")),
        members=st.dictionaries(
            st.sampled_from(("text", "source", "content", "input", "name", "thinking", "data", "title")),
            st.recursive(
                st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=8),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(st.sampled_from(("type", "data", "content", "text")), inner)
                ),
                max_leaves=6,
            ),
        ),
    )
    def test_members_of_the_wrong_form_never_raise(self, kind: str, members: dict[str, object]) -> None:
        estimate = estimate_block("", msgspec.json.encode({"type": kind} | members), "claude3")
        assert 0 <= estimate.tokens <= estimate.upper

    def test_another_measure_of_text_takes_over(self) -> None:
        raw = block(type="tool_result", tool_use_id="t", content=[{"type": "text", "text": "a b c"}])
        estimate = estimate_block("", raw, "claude47", measure=lambda _raw: Estimate(1_000, 1_000))
        assert estimate.tokens == 1_030

    def test_framing(self) -> None:
        assert framing_tokens("claude3", messages=1).tokens == 7
        assert framing_tokens("claude47", messages=1).tokens == 6
        more = framing_tokens("claude47", messages=3, tool_prompt_tokens=286)
        assert more.tokens == 300
        assert more.upper > more.tokens


@pytest.mark.parametrize("depth", [10, 300, 900, 5_000])
def test_blocks_deep_within_each_other_are_counted_whole(depth: int) -> None:
    opens, closes = b'[{"type":"tool_result","tool_use_id":"t","content":', b"}]"
    raw = (opens * depth + b'"word"' + closes * depth)[1:-1]
    assert estimate_block("", raw, "claude47").tokens > depth

"""The text, image and block estimates: against recorded counts, against the published table, and the laws of an estimate."""

from __future__ import annotations

import base64
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.tokens import (
    Estimate,
    Family,
    ImageTier,
    estimate_block,
    estimate_text,
    framing_tokens,
    image_size,
    image_tokens,
)

FAMILIES: tuple[Family, ...] = ("claude3", "claude47")
PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="\\", exclude_categories=["Cs"]), max_size=300)

# Counted with ctok 1.3.0 on 2026-11-21.
COUNTED = [
    ("Hello, world", 2, 5),
    ("The quick brown fox jumps over the lazy dog. " * 10, 110, 181),
    ("def f(x: int) -> int:\n    return x * 2\n" * 8, 142, 151),
    ("Привет, как дела? Всё хорошо, спасибо. " * 8, 168, 169),
    ("今日はとても良い天気ですね。散歩に行きましょう。" * 8, 184, 184),
    ('{"id": 17, "name": "Ada Lovelace", "tags": ["a", "b"], "score": 9.75}, ' * 8, 264, 329),
    ("C'est une belle journée à l'été, n'est-ce pas ? " * 8, 152, 185),
]


class TestText:
    @pytest.mark.parametrize(("text", "old", "new"), COUNTED)
    def test_is_near_the_count_and_below_its_upper(self, text: str, old: int, new: int) -> None:
        for family, true in zip(FAMILIES, (old, new), strict=True):
            estimate = estimate_text(text.encode(), family)
            assert abs(estimate.tokens - true) <= 0.4 * true + 2
            assert true <= estimate.upper

    @pytest.mark.parametrize("family", FAMILIES)
    def test_nothing_is_nothing(self, family: Family) -> None:
        assert estimate_text(b"", family) == Estimate(0, 0)

    @given(data=st.binary(min_size=1, max_size=6_000), family=st.sampled_from(FAMILIES))
    def test_any_bytes_have_a_positive_estimate_below_its_upper(self, data: bytes, family: Family) -> None:
        estimate = estimate_text(data, family)
        assert 1 <= estimate.tokens < estimate.upper

    @given(first=PLAIN, second=PLAIN, family=st.sampled_from(FAMILIES))
    def test_more_text_is_never_fewer_tokens(self, first: str, second: str, family: Family) -> None:
        short, both = first.encode(), (first + second).encode()
        if len(both) <= 1024:
            assert estimate_text(both, family).tokens >= estimate_text(short, family).tokens - 1

    @given(first=PLAIN, second=PLAIN, family=st.sampled_from(FAMILIES))
    def test_parts_add_up_to_about_the_whole(self, first: str, second: str, family: Family) -> None:
        one, two = (estimate_text(part.encode(), family) for part in (first, second))
        both = estimate_text((first + second).encode(), family)
        if len((first + second).encode()) <= 1024:
            assert abs(both.tokens - one.tokens - two.tokens) <= 6

    @pytest.mark.parametrize("family", FAMILIES)
    def test_long_text_is_sampled_close_to_the_sum_of_its_parts(self, family: Family) -> None:
        pieces = [f"Line {n}: the result of step {n * 7 % 13} was {n * n} items in {n / 3:.2f} s\n" for n in range(2_000)]
        whole = estimate_text("".join(pieces).encode(), family)
        parts = sum(estimate_text("".join(pieces[at : at + 10]).encode(), family).tokens for at in range(0, 2_000, 10))
        assert whole.tokens == pytest.approx(parts, rel=0.05)
        assert whole.upper < 2 * whole.tokens

    @pytest.mark.parametrize("family", FAMILIES)
    @pytest.mark.parametrize("text", [text for text, *_ in COUNTED])
    def test_json_escapes_cost_what_they_spell(self, text: str, family: Family) -> None:
        plain = estimate_text(text.encode(), family).tokens
        escaped = "".join(char if char.isascii() else f"\\u{ord(char):04x}" for char in text)
        assert estimate_text(escaped.encode(), family).tokens == pytest.approx(plain, rel=0.1, abs=2)
        assert estimate_text(msgspec.json.encode(text)[1:-1], family).tokens == pytest.approx(plain, rel=0.3, abs=2)

    def test_a_pair_of_surrogate_escapes_is_one_character(self) -> None:
        assert estimate_text(rb"\ud83d\ude00", "claude47") == estimate_text("😀".encode(), "claude47")

    def test_the_newer_tokenizer_takes_more_tokens_for_english(self) -> None:
        text = b"The quarterly report shows that revenue grew in every region, while costs stayed flat. " * 5
        assert 1.15 < estimate_text(text, "claude47").tokens / estimate_text(text, "claude3").tokens < 1.6


class TestImages:
    @pytest.mark.parametrize(
        ("width", "height", "standard", "high"),
        [
            (200, 200, 64, 64),
            (1000, 1000, 1296, 1296),
            (1092, 1092, 1521, 1521),
            (1920, 1080, 1560, 2691),
            (2000, 1500, 1564, 3888),
            (3840, 2160, 1560, 4784),
        ],
    )
    def test_published_table(self, width: int, height: int, standard: int, high: int) -> None:
        """platform.claude.com/docs/en/build-with-claude/vision, 2026-08."""
        assert (image_tokens(width, height, "standard"), image_tokens(width, height, "high")) == (standard, high)
        assert image_tokens(height, width, "high") == high

    @given(width=st.integers(1, 20_000), height=st.integers(1, 20_000), tier=st.sampled_from(("standard", "high")))
    def test_any_image_fits_the_budget(self, width: int, height: int, tier: ImageTier) -> None:
        assert 1 <= image_tokens(width, height, tier) <= {"standard": 1568, "high": 4784}[tier]

    @pytest.mark.parametrize("size", [(0, 10), (10, 0), (-1, 5)])
    def test_an_image_without_pixels_is_a_bug(self, size: tuple[int, int]) -> None:
        with pytest.raises(ValueError, match="positive sides"):
            image_tokens(*size, "high")

    @given(width=st.integers(1, 16_000), height=st.integers(1, 16_000))
    def test_size_is_read_from_each_format(self, width: int, height: int) -> None:
        for picture in pictures(width, height):
            assert image_size(base64.b64encode(picture)) == (width, height)

    @given(data=st.binary(max_size=200))
    def test_odd_data_never_raises(self, data: bytes) -> None:
        for head in (b"", b"\xff\xd8", b"RIFF0000WEBPVP8 ", b"GIF89a", b"\x89PNG\r\n\x1a\n"):
            size = image_size(base64.b64encode(head + data))
            assert size is None or min(size) > 0
        image_size(data)


def pictures(width: int, height: int) -> list[bytes]:
    """Headers of a PNG, a GIF, three kinds of WebP, and a JPEG with a large Exif segment, then some body."""
    exif = b"\xff\xe1" + struct.pack(">H", 40_002) + bytes(40_000)
    tables = b"\xff\xc4" + struct.pack(">H", 21) + bytes(19)
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9)
    webp = b"RIFF" + bytes(4) + b"WEBP"
    body = bytes(64)
    lossless = struct.pack("<I", (width - 1) | (height - 1) << 14)
    extended = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return [
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + body,
        b"GIF89a" + struct.pack("<HH", width, height) + body,
        webp + b"VP8 " + bytes(4) + b"\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", width, height) + body,
        webp + b"VP8L" + bytes(4) + b"\x2f" + lossless + body,
        webp + b"VP8X" + bytes(8) + extended + body,
        b"\xff\xd8" + exif + tables + b"\xff" + frame + body,
    ]


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

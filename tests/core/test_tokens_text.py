"""The text estimate: against recorded counts, and the laws of an estimate."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.tokens import Estimate, Family, estimate_text

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

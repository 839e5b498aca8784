"""Prompts as trees of sections, and what is left without some."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.quality.pruning.sections import Section, is_gone, leaves_of, parts_of, sections_of, shown, without

RICH = """Before all.

# Desk

Sort tickets. Be kind, e.g. to Dr. Who. Say "No. Never." often.
Write well.

## Rules

Follow these rules:

- Reply only. Never more.
- Second item
  goes on
  - nested one
  - nested two
1. three

<style>
Be short.

<deep a="1">
x. Y.
</deep>
</style>

```py
a = 1. B
```

| a. | b |
| 1 | 2 |
# End
Bye.
"""


def tree(text: str, sections: Sequence[Section], depth: int = 0) -> list[str]:
    return [
        line
        for one in sections
        for line in (f"{'.' * depth}{one.kind}: {shown(text, one)[:24]}", *tree(text, one.children, depth + 1))
    ]


def every(sections: Sequence[Section]) -> Iterator[Section]:
    for one in sections:
        yield one
        yield from every(one.children)


def the(text: str, words: str, kind: str) -> Section:
    (found,) = (one for one in every(sections_of(text)) if one.kind == kind and text[one.start :].lstrip().startswith(words))
    return found


def test_all_kinds_of_sections_are_seen() -> None:
    assert tree(RICH, sections_of(RICH)) == [
        "paragraph: Before all.",
        "heading 1: # Desk Sort tickets. Be ",
        ".paragraph: Sort tickets. Be kind, e",
        "..sentence: Sort tickets.",
        "..sentence: Be kind, e.g. to Dr. Who",
        '..sentence: Say "No. Never." often.',
        "..sentence: Write well.",
        ".heading 2: ## Rules Follow these ru",
        "..list: Follow these rules: - Re",
        "...item: - Reply only. Never more",
        "....sentence: Reply only.",
        "....sentence: Never more.",
        "...outer item: - Second item goes on - ",
        "....item: - nested one",
        "....item: - nested two",
        "...item: 1. three",
        "..tag: <style> Be short. <deep ",
        "...paragraph: Be short.",
        '...tag: <deep a="1"> x. Y. </dee',
        "....paragraph: x. Y.",
        ".....sentence: x.",
        ".....sentence: Y.",
        "..code: ```py a = 1. B ```",
        "..table: | a. | b | | 1 | 2 |",
        "heading 1: # End Bye.",
        ".paragraph: Bye.",
    ]


@pytest.mark.parametrize(
    ("words", "kind", "gone", "left"),
    [
        ("# Desk", "heading 1", "Rules", "Before all.\n\n# End"),
        ("Sort", "sentence", "Sort", "# Desk\n\nBe kind"),
        ("Write well", "sentence", "Write", "often.\n\n## Rules"),
        ("Reply", "sentence", "Reply", "- Never more.\n- Second"),
        ("Never", "sentence", "more", "- Reply only.\n- Second"),
        ("- nested one", "item", "nested one", "  goes on\n  - nested two"),
        ("<style>", "tag", "Be short", "1. three\n\n```py"),
        ("Be short", "paragraph", "short", '<style>\n<deep a="1">'),
        ("```py", "code", "a = 1", "</style>\n\n| a."),
    ],
)
def test_what_is_left_is_whole(words: str, kind: str, gone: str, left: str) -> None:
    after = without(RICH, sections_of(RICH), {the(RICH, words, kind)})
    assert gone not in after
    assert left in after


def test_a_heading_goes_with_all_that_stood_under_it() -> None:
    sections = sections_of(RICH)
    removed = {the(RICH, "Bye", "paragraph")}
    assert "# End" not in without(RICH, sections, removed)
    assert is_gone(sections[-1], removed)
    items = {
        the(RICH, words, kind) for words, kind in (("- Reply", "item"), ("- Second", "outer item"), ("1. three", "item"))
    }
    assert "Follow these rules" not in without(RICH, sections, items)
    inner = {the(RICH, "- nested one", "item"), the(RICH, "- nested two", "item")}
    assert "- Second item\n  goes on\n1. three" in without(RICH, sections, inner)  # it says something by itself


def test_nothing_and_all() -> None:
    sections = sections_of(RICH)
    assert without(RICH, sections, ()) == RICH
    assert without(RICH, sections, set(sections)) == ""
    assert sections_of(" \n\n") == ()


def test_parts_are_never_one() -> None:
    text = "# A\n\nOne. Two.\n"
    (section,) = sections_of(text)
    assert [shown(text, one) for one in parts_of(section)] == ["One.", "Two."]
    assert [shown(text, one) for one in leaves_of([section])] == ["One.", "Two."]
    assert [shown(text, one) for one in leaves_of([section], {parts_of(section)[0]})] == ["Two."]
    assert list(leaves_of([section], {section})) == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One (and. Two) three. Four.", 2),
        ("Ask Mr. Smith. He knows.", 2),
        ("<rule>One. Two.</rule>", 1),
        ("Set `a. B` here. Done.", 2),
        ("Role: clerk;\nTone: warm;\nWords: few", 3),
        ("Is 1.5 enough? Yes! No.", 3),
        ("一。二。三。", 3),
        ("version 2. of it", 1),
        ("One.\r\nTwo.\r\n", 2),
    ],
)
def test_sentences(text: str, count: int) -> None:
    assert len(list(leaves_of(sections_of(text)))) == count


@pytest.mark.parametrize(
    "text", ["```\nnever closed", "<open>\nnever closed", "</closed>\nnever opened", "-\n- \n#\n# \n", "#x"]
)
def test_odd_texts_are_read(text: str) -> None:
    assert without(text, sections_of(text), ()) == text


@given(
    st.lists(
        st.sampled_from(
            ["# A", "## B", "- i", "  - j", "1. k", "<t>", "</t>", "```", "| c |", "One. Two.", "so:", "", "  x"]
        )
    ).map("\n".join)
)
def test_spans_nest_and_lose_nothing(text: str) -> None:
    sections = sections_of(text)
    assert without(text, sections, ()) == text
    for outer in (Section(0, len(text), "prompt", sections), *every(sections)):
        at = outer.start
        for one in outer.children:
            assert at <= one.start < one.end <= outer.end
            at = one.end
        assert not outer.children or outer.kind == "prompt" or len(text) >= outer.end
    outside = text
    for one in reversed(sections):
        outside = outside[: one.start] + outside[one.end :]
    assert not outside.strip()
    assert not without(text, sections, set(sections)).strip()

"""Documents as sections: where they may end, how long they are, and that nothing is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from thriftgate.core.reduction.sections import Section, split_sections
from thriftgate.core.tokens import estimate_text


def tokens(text: str) -> int:
    return estimate_text(text.encode(), "claude47").tokens


def parts(text: str) -> list[str]:
    """The texts of the sections; checks that they are the whole text."""
    sections = split_sections(text, tokens)
    assert [section.start for section in sections] == [0, *(section.end for section in sections[:-1])][: len(sections)]
    assert (sections[-1].end if sections else 0) == len(text)
    return [text[section.start : section.end] for section in sections]


def paragraph(topic: str, sentences: int = 4) -> str:
    return " ".join(
        f"What is said about {topic} here is only the {number}. sentence of many." for number in range(sentences)
    )


def test_paragraphs_are_gathered_into_sections() -> None:
    texts = [paragraph(f"topic {number}") for number in range(40)]
    sections = parts("\n\n".join(texts))
    assert 8 < len(sections) < 40
    assert all(100 <= tokens(section) <= 400 for section in sections[:-1])
    assert all(text in section for text in texts for section in sections if text[:30] in section)


def test_a_heading_begins_a_section_and_is_told() -> None:
    text = "".join(f"## **Part** {number}\n\n{paragraph('it', 6)}\n\n" for number in range(5))
    sections = split_sections(text, tokens)
    assert [section.headings for section in sections] == [(f"Part {number}",) for number in range(5)]
    assert [section.under for section in sections] == ["", *(f"Part {number}" for number in range(4))]


def test_a_section_knows_the_heading_before_it() -> None:
    sections = split_sections("# Long one\n\n" + "\n\n".join(paragraph("it", 12) for _ in range(4)), tokens)
    assert [(one.headings, one.under) for one in sections] == [(("Long one",), "")] + [((), "Long one")] * 3


@pytest.mark.parametrize("heading", ["# Fees #", "Fees\n====", "Fees\n---", "<h2 class='x'>Fees</h2>"])
def test_kinds_of_headings(heading: str) -> None:
    sections = split_sections(f"{paragraph('a', 6)}\n\n{heading}\n{paragraph('b', 6)}\n", tokens)
    assert [section.headings for section in sections] == [(), ("Fees",)]
    assert sections[1].start == len(paragraph("a", 6)) + 2


def test_headings_with_nothing_under_them_go_with_what_follows() -> None:
    (section,) = split_sections(f"# One\n\n## Two\n\n{paragraph('it')}", tokens)
    assert section.headings == ("One", "Two")


def test_a_rule_ends_a_section() -> None:
    assert parts("first chunk\n\n---\n\nsecond chunk\n\n---\nthird") == [
        "first chunk\n\n---\n\n",
        "second chunk\n\n---\n",
        "third",
    ]


TABLE = "| name | fee |\n|---|---|\n" + "".join(f"| customer {number} | {number} euro |\n" for number in range(80))
FENCE = "```python\n" + "".join(f"# step {number}\n\nwork({number})\n\n" for number in range(80)) + "```\n"
TILDES = "~~~~\n" + "```\nnot the end\n\n" * 60 + "~~~\n\n~~~~\n"
ITEM = "- first\n" + "".join(f"  more of it, line {number}\n\n  and more\n" for number in range(60))


@pytest.mark.parametrize("whole", [TABLE, FENCE, TILDES, ITEM], ids=["table", "fence", "tildes", "item"])
def test_tables_fences_and_items_stay_whole(whole: str) -> None:
    text = f"{paragraph('a', 9)}\n\n{whole}\n{paragraph('b', 9)}\n"
    assert sum(whole.strip() in section for section in parts(text)) == 1
    assert len(parts(text)) >= 3


def test_a_list_is_divided_between_its_items() -> None:
    items = [f"- {paragraph(f'item {number}', 2)}\n  and its end\n" for number in range(30)]
    sections = parts("".join(items))
    assert len(sections) > 3
    assert all(any(item in section for section in sections) for item in items)


def test_what_leads_to_the_next_stays_with_it() -> None:
    lead = f"{paragraph('a', 9)} The fees are as follows:\n\n"
    assert any("as follows:\n\n| name" in section for section in parts(lead + TABLE))


def test_a_long_paragraph_is_divided_between_sentences() -> None:
    sections = parts(paragraph("it", 90))
    assert len(sections) > 3
    assert all(section.rstrip().endswith("many.") for section in sections)
    assert all(100 <= tokens(section) <= 400 for section in sections[:-1])


def test_line_ends_of_two_characters() -> None:
    text = "".join(f"# Part {number}\r\n\r\n{paragraph('it', 6)}\r\n\r\n" for number in range(3))
    assert [section.headings for section in split_sections(text, tokens)] == [(f"Part {number}",) for number in range(3)]


def test_nothing_has_no_sections() -> None:
    assert split_sections("", tokens) == []
    assert split_sections("\n \n", tokens) == [Section(0, 3, tokens("\n \n"), (), "")]


LINES = [
    "# One",
    "text. More.",
    "",
    "  ",
    "- item",
    "  - nested",
    "1. first",
    "| a | b |",
    "```",
    "~~~",
    "---",
    "===",
    "\tx",
    "ß☃:",
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=60).map("\n".join), st.sampled_from(["\n", "\r\n", "\u2028", "\r"]))
@example("```\n", "\n")
def test_any_text_is_all_there(text: str, end: str) -> None:
    sections = parts(text.replace("\n", end))
    assert all(sections)
    if end == "\n":
        for section in sections[:-1]:
            assert section.endswith("\n")
            assert not re.search(r"\|\n$", section) or not text.split(section, 1)[1].startswith("|")


@pytest.mark.parametrize("heading", ["# Fees ##  #\t", "# <b>Fees</b>", "## `Fees` #"])
def test_what_closes_or_dresses_a_heading_is_no_part_of_it(heading: str) -> None:
    assert split_sections(f"{heading}\n{paragraph('b', 6)}\n", tokens)[0].headings == ("Fees",)

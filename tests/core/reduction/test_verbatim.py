"""What must stay as it is: fences, files, patches, numbered lines."""

from __future__ import annotations

import re
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thriftgate.core.reduction.pieces import Piece
from thriftgate.core.reduction.verbatim import asked_about, from_file, from_shell, is_numbered, is_patch, segments


def test_a_text_is_split_at_its_fences() -> None:
    text = "one\n```python\ncode\n```\ntwo\n~~~\nmore ``` code\n~~~"
    parts = segments(text)
    assert "".join(text[each.start : each.end] for each in parts) == text
    assert [(each.info, text[each.inner : each.inner_end]) for each in parts] == [
        (None, "one\n"),
        ("python", "code\n"),
        (None, "\ntwo\n"),
        ("", "more ``` code\n"),
    ]


@pytest.mark.parametrize(
    ("text", "fenced"),
    [
        ("no fence", []),
        ("inline ``` is none", []),
        ("```a``` is code in a line", []),
        ("```\nnever closed", ["never closed"]),
        ("````\n```\n````", ["```\n"]),
        ("1. list\n   ```js\n   x\n   ```\n", ["   x\n"]),
        ("> ```\n> quoted\n> ```", ["> quoted\n"]),
        ("```", [""]),
        ("```\n```", [""]),
        ("```json\r\n{}\r\n```\r\n", ["{}\r\n"]),
    ],
)
def test_fences(text: str, fenced: list[str]) -> None:
    assert [text[each.inner : each.inner_end] for each in segments(text) if each.info is not None] == fenced


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="`~ \na>-1", max_size=80))
def test_segments_cover_the_text_in_order(text: str) -> None:
    parts = segments(text)
    assert "".join(text[each.start : each.end] for each in parts) == text
    assert all(each.start <= each.inner <= each.inner_end <= each.end for each in parts)


def test_many_marks_take_no_long_time() -> None:
    began = process_time()
    for text in ("``` " * 100_000, "```\n" * 100_000, "`" * 300_000, "~~~ `" * 100_000):
        segments(text)
    assert process_time() - began < 3


@pytest.mark.parametrize(
    "tool", ["Read", "mcp__fs__read_file", "str_replace_based_edit_tool", "view_file", "get_file_contents"]
)
def test_tools_that_read_files(tool: str) -> None:
    assert from_file(Piece("tool_result", "", tool))
    assert not from_file(Piece("document", "", tool))


@pytest.mark.parametrize("tool", ["search", "fetch_url", "read_emails", "view_order", "list_profiles", ""])
def test_tools_that_do_not(tool: str) -> None:
    assert not from_file(Piece("tool_result", "", tool))


@pytest.mark.parametrize(("tool", "shell"), [("Bash", True), ("run_command", True), ("", True), ("search", False)])
def test_shells(tool: str, shell: bool) -> None:
    assert from_shell(Piece("tool_result", "", tool)) is shell
    assert not from_shell(Piece("user", "", tool))


def test_patches_and_numbered_lines_are_known() -> None:
    assert is_patch("Look:\n@@ -1,2 +1,3 @@\n a")
    assert is_patch("diff --git a/x b/x")
    assert not is_patch("a -- b @@ c")
    assert is_numbered("     1\timport os\n     2\t\n     3\tdef f():")
    assert is_numbered("10:a\n11:b\n12:c")
    assert not is_numbered("1. one\n2. two\n3. three")


def test_what_is_asked_stands_at_either_end() -> None:
    words = re.compile("licence")
    middle = "x" * 5_000
    assert asked_about(["", middle + " licence"], words)
    assert asked_about(["licence " + middle], words)
    assert not asked_about([middle + "licence" + middle], words)

"""`compress.text`: blanks, repeats and boilerplate go, meaning stays."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thriftgate.core.models import Capabilities
from thriftgate.core.reduction.pieces import Kind, Piece
from thriftgate.core.reduction.plain_text import rewrite, squeezed, squeezed_output
from thriftgate.core.reduction.recipe import Recipe

CAPABILITY = Capabilities(id="any", source="", checked="")
TERMS = (
    "The customer may end the contract at the close of any month, in writing and with four weeks of notice, " * 3
).strip()


def done(text: str, kind: Kind = "document", recipe: Recipe | None = None, tool: str = "") -> str:
    """The text after the rewrite."""
    return rewrite((Piece(kind, text, tool),), recipe or Recipe(), CAPABILITY).get(0, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "First.  \r\n\r\n\r\n\r\nThis is the   second point of them all.",
            "First.\n\nThis is the second point of them all.",
        ),
        ("one\u200b two\ufeff three\u00ad", "one two three"),
        (
            "\n\n  indented   at the start and with some more words\n\nend  ",
            "  indented   at the start and with some more words\n\nend",
        ),
        ("a family 👨‍👩‍👧 stays       \n", "a family 👨‍👩‍👧 stays"),
        ("a\tb\t\nc\t\t\n   \nlast", "a\tb\t\nc\t\t\n\nlast"),
    ],
)
def test_whitespace(text: str, expected: str) -> None:
    assert done(text) == expected
    assert done(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Name      Age   City of residence\nAda       36    London\nAlan      41    Wilmslow",
        "def f(x):  # a comment with two spaces before it\n    return  x",
        "| a    | b   |\n|------|-----|",
        "key:     value",
        '{"a":  "b",   "c":  "many  words  in  a  string"}',
        "```\ncode   \n\n\n\n\nmore  code\n```",
        "@@ -1,2 +1,2 @@\n context   \n \n-old  \n+new  \n",
        "     1\tx = 1   \n     2\t   \n     3\ty = 2   \n\n\n\n",
    ],
)
def test_whitespace_with_a_meaning_stays(text: str) -> None:
    assert done(text) == text
    assert done(text, "user") == text


def test_a_shell_says_code() -> None:
    text = "\x1b[1;32mok\x1b[0m   \nx  =  1 and some more words here  # two\n\n\n\n\ny"
    assert done(text, "tool_result", tool="bash") == "ok\nx  =  1 and some more words here  # two\n\n\ny"
    assert done(text, "tool_result") == done(text, "tool_result", tool="bash")
    assert done(text, "tool_result", tool="Read") == text
    assert "ok\n" not in done(text, "user")


def test_an_empty_text_is_not_made() -> None:
    assert done(" \n\n \n \n\n") == " \n\n \n \n\n"
    assert done("Sent from my iPhone\n") == "Sent from my iPhone\n"


def test_repeats_within_a_message() -> None:
    pieces = (
        Piece("document", f"One.\n\n{TERMS}"),
        Piece("tool_result", f"{TERMS}\n\nTwo.", "search"),
        Piece("user", "Sum up."),
    )
    fresh = rewrite(pieces, Recipe(), CAPABILITY)
    assert fresh[1] == '[as above: "The customer may end the contract at the close…"]\n\nTwo.'
    assert set(fresh) <= {0, 1}
    output = (Piece("tool_result", TERMS + "\n\n" + TERMS, "bash"),)
    assert rewrite(output, Recipe(), CAPABILITY).get(0, TERMS).count(TERMS.strip()) > 0


def test_boilerplate_goes_unless_it_is_asked_about() -> None:
    mail = Piece(
        "document",
        "Dear Ada,\nthe parts came today.\n\nSent from my iPhone\n\nPlease consider the environment before printing this.\n",
    )
    assert rewrite((mail, Piece("user", "Sum up.")), Recipe(), CAPABILITY) == {0: "Dear Ada,\nthe parts came today."}
    for asks in ("Which footer does it have?", "Translate it.", "Is the licence named?"):
        fresh = rewrite((mail, Piece("user", asks)), Recipe(), CAPABILITY)
        assert "iPhone" in fresh.get(0, mail.text)
    assert done(f"What is in here?\n\n{mail.text}", "user") == "What is in here?\n\nDear Ada,\nthe parts came today."
    assert "iPhone" in done(mail.text, "tool_result", tool="bash")
    assert "iPhone" in done(f"```\n{mail.text}```")


def test_fillers_only_by_policy() -> None:
    text = "Please note that we left due to the fact that it rained."
    assert done(text) == text
    wanted = Recipe(text_fillers=True)
    assert done(text, "user", wanted) == "We left because it rained."
    assert done(text, "tool_result", wanted, "search") == text
    assert done(f"```\n{text}\n```", "user", wanted) == f"```\n{text}\n```"


words = st.lists(
    st.sampled_from(
        [
            "word",
            "  ",
            " ",
            "\n",
            "\n\n\n",
            "   \n",
            "\t",
            "```\n",
            "~~~",
            "{",
            "}",
            "|",
            "# ",
            "a  b",
            "\r\n",
            "\u200b",
            "`",
            "Sent from my phone\n",
            "\n\nPowered by steam\n",
            "please note that ",
            "in order to ",
            TERMS,
            "\n\n",
            "1\tx\n",
            "[",
            "]",
            "Unsubscribe",
            "1234  ",
        ]
    ),
    max_size=30,
)


@settings(max_examples=400, deadline=None)
@given(st.lists(words, min_size=1, max_size=3), st.sampled_from(["user", "document", "tool_result"]), st.booleans())
def test_any_mixture_is_survived_and_settles(parts: list[list[str]], kind: Kind, fillers: bool) -> None:
    pieces = tuple(Piece(kind, "".join(each), "search") for each in parts)
    recipe = Recipe(text_fillers=fillers)
    fresh = rewrite(pieces, recipe, CAPABILITY)
    again = tuple(Piece(kind, fresh.get(at, piece.text), "search") for at, piece in enumerate(pieces))
    assert rewrite(again, recipe, CAPABILITY) == {}
    assert all(len(text) < len(pieces[at].text) for at, text in fresh.items())


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab .\n \t|x=1#", max_size=200))
def test_only_blanks_go_and_never_before_the_first_word_of_a_line(text: str) -> None:
    for change in (squeezed, squeezed_output):
        fresh = change(text)
        assert fresh.split() == text.split()
        begins = [[line[: -len(line.lstrip())] for line in each.split("\n") if line.strip()] for each in (text, fresh)]
        assert begins[0] == begins[1]
        assert change(fresh) == fresh


def test_long_texts_take_no_long_time() -> None:
    began = process_time()
    for text in (
        "word  " * 200_000,
        " \n" * 300_000,
        "a  b c d e f g\n" * 50_000,
        "```\n" * 100_000,
        "\x1b[0m" * 200_000,
        (TERMS + "\n\n") * 3_000,
    ):
        done(text)
        done(text, "tool_result", tool="bash")
    assert process_time() - began < 6


def test_fenced_code_keeps_its_line_ends_and_marks() -> None:
    code = "```python\r\nmark = '\ufeff'\r\n\r\n\r\n\r\nprint(mark)\r\n```"
    fresh = done(f"First.   \r\n\r\n\r\n\r\n{code}\r\n\r\n\r\n\r\nLast,\r\nand more words of it.", "user")
    assert fresh == f"First.\n\n{code}\r\n\nLast,\nand more words of it."

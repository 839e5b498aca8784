"""Texts that nobody sends by accident, at any length: what makes a pattern go back, a loop look again, a stack grow."""

from __future__ import annotations

from collections.abc import Callable

Text = Callable[[int], str]

PARAGRAPH = "The quick brown fox jumps over the lazy dog and then sleeps in the warm sun for a long while until dusk. " * 3


def again(unit: str, *, before: str = "", after: str = "") -> Text:
    """`unit` over and over, with something before and behind it."""
    return lambda size: before + (unit * (size // len(unit) + 1))[:size] + after


def counted(form: str, *, before: str = "", after: str = "") -> Text:
    """`form` over and over, each with a number of its own for {n}."""

    def text(size: int) -> str:
        each = len(form.format(n=size))
        return before + "".join([form.format(n=n) for n in range(size // each + 1)]) + after

    return text


def nested(opens: str, closes: str, *, middle: str = "x", before: str = "", after: str = "") -> Text:
    """As deep as the length allows."""

    def text(size: int) -> str:
        depth = size // (len(opens) + len(closes)) + 1
        return before + opens * depth + middle + closes * depth + after

    return text


TEXTS: dict[str, Text] = {
    # one character, and a few
    **{f"runs of {unit!r}": again(unit) for unit in ("a", "<", ">", "[", "(", "{", '"', "'", "\\", "|", "*", "_", "`", "~")},
    **{f"runs of {unit!r}, then x": again(unit, after="x")
       for unit in (" ", "\n", "\t", "\r", "\r\n", " \n", "\n ", "\u00a0")},
    **{f"{unit!r} between": again(unit, before="x", after="x") for unit in (" ", "\n", "\t", "-", "=", "#", "*", ".")},
    **{f"a line of {unit!r}": again(unit)
       for unit in ("# ", "## x ", "- ", "-- ", "* ", "> ", "1. ", "a) ", "| ", ", ", "; ", "A. ")},
    **{f"lines of {unit!r}": again(unit + "\n")
       for unit in ("# a", "#", "---", "- a", "* a", "| a |", "> a", "1. a", "a:", "  a")},
    # words that patterns look for
    "labels": again("Input: a\n"),
    "two labels": again("Q: a\nA: b\n"),
    "many runs of examples": again("Q: a b c\nA: d e f\n" * 5 + "\n\n"),
    "runs of examples without a blank line": again("".join("Q: a b c\nA: d e f\n" * 5 + "R: a b c\nS: d e f\n" * 5)),
    "runs of examples with a gap": again("Q: a b c\nA: d e f\n" * 5 + "Note: z\n"),
    "transcript": again("User: a\nAssistant: b\n"),
    "context label and spaces": again(" ", before="Context:\n", after="x"),
    "spaces before a label": lambda size: (" " * (size // 8) + "x\n") * 8,
    "context chunks": again("---\nabc def ghi\n", before="Context:\n", after="\nQuestion: what is abc?"),
    "fasse": again("fasse "),
    "fillers": again("please note that "),
    "nested fillers": lambda size: "so as " * (size // 12) + "to do" + " as to do" * (size // 18),
    "nested fillers, closed": nested("so as ", "to ", middle="", after="do it"),
    "words of layout": again("format the valid "),
    "json words": again("return the same full "),
    "errors": again("Error: x\n"),
    "capitals": again("AErro"),
    "boilerplate begun": again("Permission is hereby granted, free of charge "),
    "licence begun": again("Redistribution and use in source and binary forms "),
    "disclaimer begun": again("confidential this e-mail "),
    "bullets before a disclaimer": again("> * _ - ", before="confidential because cookies\n"),
    "cookies": again("we use cookies "),
    # markup
    **{
        f"tags {unit!r}": again(unit)
        for unit in (
            "<div>", "</div>", "<p ", '<p a="b" ', "<a href='", "<!--", "<!-- -->", "<script>", "<script", "<style>x",
            "<br>",
            "<table>", "<table><tr><td>x</td></tr></table>", "<p hidden>", "<p style='display:none'>x",
            "<td hidden><li hidden>",
            "<title>", "<source>", "<source>x</title>", "<b><i>", "<h1>", "<![CDATA[", "<?",
            "<!doctype html>", "<html><body>",
            "<article>x</article>", "</", "&amp;", "&", "<a>", "<x:y>", "<ul><li>", "<select><option>", "<pre>", "<svg>",
        )
    },
    "page of paragraphs": again("<p>one <b>two</b> three</p>\n", before="<html><body>", after="</body></html>"),
    "page of links": again('<a href="#x">y</a>', before="<html><body>", after="</body></html>"),
    "page of attributes": again(' a="b"', before="<html><body><p>x</p>" * 8 + "<p", after=">x</p></body></html>"),
    "page of nested lists": nested("<ul><li>", "</li></ul>", before="<html><body>", after="</body></html>"),
    "page of open tags": counted("<p><b><i>{n}", before="<html><body>", after="</p></body></html>"),
    "page of one table": again("<tr><td>1</td><td>2</td></tr>", before="<table>", after="</table>"),
    "page of hidden": again("<p hidden>a b</p><p>c d</p>", before="<html><body>", after="</body></html>"),
    "page of tables": again("<table><tr><td>a b</td></tr></table>", before="<html><body>", after="</body></html>"),
    "articles": again("<article>" + "<p>a b</p>" * 30 + "</article>\ntext\n"),
    "unlike tags": counted("<x{n}>"),
    "examples open": again("<example>"),
    "examples": again("<example><input>a b</input><output>c d</output></example>\n"),
    "examples of spaces": lambda size: ("<example>" + " " * (size // 5) + "x</example>\n") * 5,
    "examples of unlike tags": lambda size: "".join(
        "<example>" + "".join(f"<x{n}>" for n in range(size // 40)) + "</example>\n" for _ in range(5)
    ),
    "documents open": again("<document>"),
    "documents": again("<document>abc def</document>\n", after="what is abc?"),
    "documents of content": again("<content>", before="<document>", after="</document> what is it?"),
    "document of headings": again("# abc\n", before="<document>\n", after="</document> what is abc?"),
    "document of a long heading": again("# a ", before="<document>\n# a", after="x\n</document> what is it?"),
    "document of tags in a heading": again("<", before="<document>\n# ", after="\ntext\n</document> what is it?"),
    "document of sentences": again("Abc def. ", before="<document>", after="</document> what is abc?"),
    # fences
    **{f"fences {unit!r}": again(unit)
       for unit in ("```\n", "```", "~~~\n", "```json\n", "``` ", "```\n~~~\n", "> ```\n", "```a\n```\n")},
    "fence and blank lines": again("\n", before="```\n", after="x"),
    "fence and spaces": again(" ", before="```json\n{", after="x"),
    "fence of fences": again("\n```", before="```json\n", after="x"),
    # JSON
    **{f"json {unit!r}": again(unit)
       for unit in ('{"a":', '{"a": ', "{}", "[]", "{\n", "[\n", "},\n", "{},\n", "{}\n", '{"a":1}\n', "[1]\n")},
    "json lists in lists": nested("[", "]", middle="1"),
    "json objects in objects": nested('{"a":', "}", middle="1"),
    "json deep, indented": nested("[\n", "\n]", middle="1"),
    "json numbers": again("1, ", before="[", after="1]"),
    "json strings": again('"a", ', before="[", after='"a"]'),
    "json one string": again("a", before='{"a": "', after='"}'),
    "json escapes": again("\\n", before='{"a": "', after='"}'),
    "json quotes": again('\\"', before='{"a": "', after='"}'),
    "json nulls": counted('"a{n}":null, ', before="{", after='"z":1}'),
    "json all nulls": counted('"a{n}":null, ', before="{", after='"z":null}'),
    "json some nulls": counted('"a{n}":null,"b{n}":1, ', before="{", after='"z":null}'),
    "json null list": again("null, ", before='{"a":null,"b":[', after="null]}"),
    "json rows": counted('{{"id": {n}, "name": "x"}}, ', before="[", after='{"id": 0, "name": "y"}]'),
    "json rows of nulls": counted('{{"id": null, "name": "x"}}, ', before="[", after='{"id": 0, "name": "y"}]'),
    "json rows as lines": counted('{{"id": {n}, "name": "x"}}\n'),
    "json rows unlike": counted('{{"a{n}": 1}}, ', before="[", after='{"a": 1}]'),
    "json row of many members": lambda size: "["
    + ",".join(["{" + ",".join(f'"a{n}":{n}' for n in range(size // 40)) + "}"] * 4)
    + "]",
    "json in prose": again('x {"a": [1, 2'),
    "json lines in prose": again('text\n{"a": 1}\n'),
    "json openers": again("{,\n"),
    "json opened, never closed": again("{\n x\n"),
    "json spaces": again(" ", before="[1,", after="2]"),
    "json tables": again('[{"a":1,"b":2},{"a":1,"b":2},{"a":1,"b":2}]\n\ntext\n\n'),
    # lines and paragraphs
    "lines alike": again("same line here\n\n"),
    "paragraphs alike": again(PARAGRAPH + "\n\n"),
    "paragraphs": counted("{n} " + PARAGRAPH + "\n\n"),
    "one long line": again(PARAGRAPH),
    "blank lines of spaces": again("   \n"),
    "spaces in prose": again("one two  three four five six seven\n"),
    "csv": again("a,b,c\n"),
    "numbered": again("12\tx\n"),
    "diff": again("@@ -1,2 +3,4\n"),
    "colours": again("\x1b[31m"),
    "colours open": again("\x1b[3"),
    "colour of digits": again("3", before="\x1b["),
    "log": counted("2026-11-21T10:00:00 info {n} it went well\n"),
    "dates": again("2026-11-21 "),
    "sentences of dates": again("Today is 2026-11-21. "),
    "digits": again("7"),
    "hex": again("deadbeef"),
    "words": again("give word "),
    "unlike words": counted("w{n} "),
    "base64": again("aGVsbG8gd29ybGQh"),
    "sentence ends": again('."\'') ,
    "full stops and spaces": again(".  "),
    "full width stops": again("。"),
    "ellipses": again("… "),
    # odd characters
    "zero width": again("\u200b"),
    "joiners": again("a\u200d"),
    "right to left": again("\u202e\u05d0"),
    "combining": again("\u0301"),
    "nul": again("\x00"),
    "control": again("\x1c\x85\u2028"),
    "emoji": again("👩‍👩‍👧"),
    "accents": again("é\u202e"),
    "turkish": again("İß"),
    "wide": again("漢字"),
}  # fmt: skip

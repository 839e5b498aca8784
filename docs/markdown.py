"""Pieces of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def anchor(heading: str) -> str:
    """The link target that a heading gets."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def prose(docstring: str) -> str:
    """A docstring as Markdown: its own line breaks mean nothing, except in indented lines."""
    return docstring.replace("``", "`")


def fenced(text: str, language: str = "text") -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def joined(parts: Iterable[str]) -> str:
    first, *rest = parts
    return (
        "\n\n".join([first, "<!-- made by python -m docs.generate; edits are lost -->", *(part for part in rest if part)])
        + "\n"
    )

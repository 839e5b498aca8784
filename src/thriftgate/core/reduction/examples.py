"""`compress.examples` (unsafe): few-shot examples become one table.

What: four or more examples in one run, written as `<example><input>…</input><output>…</output></example>` or as labelled
lines ("Input: … Output: …", "Q: / A:", two to four labels, always the same), become lines of cells with a tab between them,
under a line that names the labels. A line end within a cell is written \\n. `restore` gives the examples back exactly, but
for blanks around their cells.
Why it saves: labels, tags and blank lines are said once instead of for each example: -27 % on prompts of mostly examples.
When it must not: fewer than four; transcripts (User, Assistant and the like); cells with a blank line, a tab, a written \\n
or a fence; code; documents and tool results. An example that is not finished (the question itself) stays as it stands.
Example: Q: 2+2?\\nA: 4\\n\\nQ: 3+3?\\nA: 6\\n\\n… -> Examples, one a line, tab-separated: Q, A\\n2+2?\\t4\\n3+3?\\t6\\n…
Source: platform.claude.com/docs/en/build-with-claude/prompt-engineering/multishot-prompting (the tags), 2026-11; measured:
benchmarks/README.md, "compress", 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from thriftgate.core.models import Capabilities
from thriftgate.core.reduction.adopt import shorter, tokens_of
from thriftgate.core.reduction.pieces import Piece
from thriftgate.core.reduction.recipe import Recipe
from thriftgate.core.reduction.verbatim import segments

LEAST = 4
LABELS_MOST = 4
HEAD = "Examples, one a line, tab-separated: "
NEW_LINE = "\\n"
_BLANK = re.compile(r"\n[ \t]*\n")
_LABEL = re.compile(
    r"^(?:[-*#]+ )?(?:\*\*)?(?!(?:Example|Sample|Case)\b)([A-Z][A-Za-z0-9 _/-]{0,30}):(?:\*\*)?(?=[ \t\n]|\Z)", re.MULTILINE
)
_HEADING = re.compile(
    r"\n[ \t]*(?:(?:#+ *)?(?:\*\*)?(?:Example|Sample|Case) *#?\d*[.:]?(?:\*\*)?[.:]?|-{3,})[ \t]*\Z", re.IGNORECASE
)
_TALK = frozenset(
    (
        "user",
        "assistant",
        "human",
        "ai",
        "system",
        "agent",
        "customer",
        "bot",
        "speaker",
        "client",
        "support",
        "me",
        "you",
        "tool",
    )
)
_RUN = re.compile(r"(?:<example\b[^<>]{0,60}>(?:(?!</?example\b).)*+</example>\s*+){4,}", re.DOTALL)
_EXAMPLE = re.compile(r"<example\b[^<>]{0,60}>((?:(?!</example>).)*+)</example>", re.DOTALL)
_CHILD = re.compile(r"\s*<([A-Za-z_][\w-]{0,30})>((?:(?!</?\1\b).)*+)</\1>\s*", re.DOTALL)  # to be matched, not searched for
_TABLE = re.compile(rf"^{HEAD}([^\n]+)((?:\n[^\n]*\t[^\n]*)+)", re.MULTILINE)


class Run(NamedTuple):
    """Examples that follow on each other, from `start` to `end`: the cells of each, by label."""

    start: int
    end: int
    labels: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def rewrite(pieces: tuple[Piece, ...], recipe: Recipe, capability: Capabilities) -> Mapping[int, str]:
    """The pieces that hold runs of examples, with those as tables that are shorter so. Never raises."""
    del recipe
    texts: dict[int, str] = {}
    for at, piece in enumerate(pieces):
        if piece.kind not in ("system", "user"):
            continue
        text, parts, last = piece.text, [], 0
        for run in runs(text):
            table = _table(run)
            was = text[run.start : run.end]
            line_end = text.find("\n", run.end + 1)
            if text.find("\t", run.end + 1, line_end if line_end >= 0 else len(text)) >= 0:
                continue  # it would be taken for one more line of the table
            if tokens_of(table, capability.tokenizer) < tokens_of(was, capability.tokenizer):
                parts += [text[last : run.start], table]
                last = run.end
        if parts:
            texts[at] = "".join([*parts, text[last:]])
    return shorter(pieces, texts, capability)


def restore(text: str) -> list[tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]]:
    """The tables that `rewrite` made: labels and examples of each, in order."""
    return [
        (
            tuple(match[1].split(", ")),
            tuple(tuple(cell.replace(NEW_LINE, "\n") for cell in row.split("\t")) for row in match[2][1:].split("\n")),
        )
        for match in _TABLE.finditer(text)
    ]


def runs(text: str) -> Iterator[Run]:
    """Runs of at least four examples, outside fences."""
    for part in segments(text):
        if part.info is None and part.end - part.start > 40:
            found = list(_tagged(text, part.start, part.end))
            found = found or list(_labelled(text, part.start, part.end))
            yield from (run for run in found if _fits(run))


def _tagged(text: str, start: int, end: int) -> Iterator[Run]:
    if text.count("</example>", start, end) < LEAST:
        return
    for run in _RUN.finditer(text, start, end):
        rows = [_members(inner) for inner in _EXAMPLE.findall(run.group())]
        labels = tuple([label for label, _ in rows[0]])
        if labels and all(tuple([label for label, _ in row]) == labels for row in rows):
            until = run.start() + len(run.group().rstrip())
            yield Run(run.start(), until, labels, tuple([tuple([cell.strip() for _, cell in row]) for row in rows]))


def _members(inner: str) -> list[tuple[str, str]]:
    """The elements that an example is made of, by name; none where it holds anything else."""
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(inner):
        child = _CHILD.match(inner, at)
        if child is None:
            return []
        found.append((child[1], child[2]))
        at = child.end()
    return found


def _labelled(text: str, start: int, end: int) -> Iterator[Run]:
    """Labels in rotation. The last cell of a run may hold labels, too: these begin no other run."""
    marks = list(_LABEL.finditer(text, start, end))
    names = [mark[1] for mark in marks]
    at = 0
    while at < len(marks):
        width = next((each for each in range(2, LABELS_MOST + 1) if _rotations(names, at, each) >= LEAST), 0)
        count = width * _rotations(names, at, width) if width else 1
        run = _run(text, marks[at : at + count], width, end) if width else None
        at += count
        if run is not None:
            yield run
            while at < len(marks) and marks[at].start() < run.end:
                at += 1


def _run(text: str, marks: Sequence[re.Match[str]], width: int, end: int) -> Run:
    """The last cell ends at the first blank line. A last example that lacks something is the question itself: it is left."""
    blank = _BLANK.search(text, min(marks[-1].end(), end), end)
    edges = [*(mark.start() for mark in marks[1:]), blank.start() if blank else end]
    cells = [_cell(text[mark.end() : edge]) for mark, edge in zip(marks, edges, strict=True)]
    rows = [tuple(cells[at : at + width]) for at in range(0, len(cells), width)]
    until = edges[-1]
    if "" in rows[-1]:
        rows.pop()
        until = marks[-width].start()
    begin = marks[0].start()
    labels = tuple(mark[1] for mark in marks[:width])
    return Run(begin, begin + len(text[begin:until].rstrip()), labels, tuple(rows))


def _rotations(names: list[str], at: int, width: int) -> int:
    """How often the labels from `at` on come again, in the same order, without a gap."""
    cycle = names[at : at + width]
    if len(set(cycle)) < width or len(cycle) < width:
        return 0
    times = 1
    while names[at + times * width : at + (times + 1) * width] == cycle:
        times += 1
    return times


def _cell(text: str) -> str:
    """Without the blanks around it, and without a heading such as "Example 3:" that stands before the next label."""
    return _HEADING.sub("", text.rstrip()).strip()


def _fits(run: Run) -> bool:
    if len(run.rows) < LEAST or not 2 <= len(run.labels) <= LABELS_MOST or _TALK & {label.lower() for label in run.labels}:
        return False
    cells = [cell for row in run.rows for cell in row]
    return all(
        cell and "\t" not in cell and NEW_LINE not in cell and "\n\n" not in cell and "```" not in cell for cell in cells
    )


def _table(run: Run) -> str:
    rows = ["\t".join(row).replace("\n", NEW_LINE) for row in run.rows]
    return "\n".join([HEAD + ", ".join(run.labels), *rows])

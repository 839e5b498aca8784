"""`context.select` (unsafe): of the documents in a message, the sections that the question asks about.

What: document blocks, and texts marked up as documents within a user text (`<document>`, `<context>`, `<search_result>`,
`<documents>`; or, between a line "Context:" and a line "Question:", chunks set apart by rules or headings), are divided into
sections (sections.py). Those that answer the question best, by BM25, stay: as many as fit in `Recipe.select_tokens` for all
documents together, in the order in which they came. Each gap becomes a line that names the headings left out.
The question is what the message says outside its documents. Stop words are the English ones of `_STOP`; a plural s is
ignored.
Why it saves: what retrieval or a person pasted in is mostly not about the question, and is paid for in this turn and later.
When it must not: the message asks nothing, or about the whole ("summarise", "translate", "list all", "compare", "how many");
no section shares a word with it; documents with citations or cited by index (not given to this function). And where many
questions go to the same documents within a cache's life: reading N tokens from the cache costs 0.1, 0.05 or 0.025 N by
model, so that a selection of a tenth of them, new each time and paid in full, saves nothing.
Example: a handbook of 40,000 tokens and "What notice does parental leave need?" -> "# Leave …" and its neighbours;
"[31 sections left out here: Office hours; Travel; Expenses and 12 more]".
Source: platform.claude.com/docs/en/build-with-claude/prompt-engineering/long-context-tips (documents before the question),
2026-11; Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009; bm25s 0.3 (method "lucene").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from thriftgate.core.models import Capabilities
from thriftgate.core.reduction.pieces import Piece
from thriftgate.core.reduction.recipe import Recipe
from thriftgate.core.reduction.sections import Section, split_sections
from thriftgate.core.tokens import estimate_text

Scorer = Callable[[str, Sequence[str]], Sequence[float]]
"""From the question and the texts of sections to how well each answers it; 0 for not at all. Must be deterministic."""

_NEIGHBOUR = 0.25  # of a section's score goes to the sections beside it: an answer often goes on
_NOTED_HEADINGS, _NOTED_CHARS = 3, 40
_MORE_TRIED = 12
_DIGITS = 4  # of scores: what differs less is a tie, whatever machine adds it up
_WORD = re.compile(r"\w\w+|\d", re.UNICODE)
_STOP = frozenset(
    """a about am an and any are as at be been but by can context could did do document documents does for from had has have
    he her his how i if in into is it its me my no not of on or our please question she should so such tell than that the
    their them then there these they this to us was we were what when where which who whom whose why will with would you
    your""".split()  # noqa: SIM905  a paragraph reads better than a column
)
_WHOLE = re.compile(
    r"\b(?:summ?ar\w*|translat\w*|proof-?read\w*|tl;?dr|overview|outline|compar\w+|contrast\w*|difference\w*|all|every\w*"
    r"|each|entire\w*|whole|complete(?:ly)?|list|enumerate|how many|how often|count\w*|total\w*|review\w*|rewrit\w*"
    r"|re-?phras\w*|paraphras\w*|convert\w*|extract\w*|(?:main|key) (?:points?|ideas?|takeaways?|findings?)|throughout"
    r"|across|both|themes|sentiment|classify|edit\w*|spelling|grammar|reformat\w*|most|least|latest|first|last|any other"
    r"|(?:long|short|larg|small|bigg|high|low|cheap|fast|slow|old|young|new|earli)est|best|worst"
    r"|zusammenfass\w*|übersetz\w*|vergleich\w*|alle[rsnm]?|jede[rsnm]?|sämtliche\w*|gesamte\w*"
    r"|résum\w*|tradui\w*|compare[rz]?|tous|toutes|chaque|resum\w*|traduc\w*|todos|todas|cada)\b",
    re.IGNORECASE,
)
_SUM_UP = re.compile(r"^(?>.*?\bfasse\b).*\bzusammen\b", re.IGNORECASE | re.MULTILINE)  # German parts its verbs
_MARKUP = re.compile(r"<(source|title|document_index|date)\b[^<>]*>(?:(?!</?\1\b).)*+</\1\s*>|<[^<>]*>")
_ELEMENT = re.compile(
    r"<(document|context|search_result|documents)\b[^<>]*>"
    r"((?:(?!</?(?:document|context|search_result|documents)\b).)*)</\1\s*>",
    re.DOTALL,
)
_CONTENT = re.compile(r"<(document_content|content)\b[^<>]*>")
_CONTENT_END = re.compile(r"</(document_content|content)\s*>")
_LABEL = re.compile(
    r"^[ \t]*+#{0,6}[ \t]*+(?:context|documents|sources|search results|retrieved \w+)[ \t]*+:[ \t]*\n",
    re.IGNORECASE | re.MULTILINE,
)
_END_LABEL = re.compile(
    r"^[ \t]*+#{0,6}[ \t]*+(?:\w+ )?(?:question|query|task|instructions?|request)[ \t]*:", re.IGNORECASE | re.MULTILINE
)
_SET_APART = re.compile(r"^[ \t]*(?:-{3,}|={3,}|\*{3,}|#{1,6} \S.*)[ \t]*$", re.MULTILINE)


class _Region(NamedTuple):
    """`pieces[piece].text[start:end]` is a document."""

    piece: int
    start: int
    end: int


class _Ranked(NamedTuple):
    """A section of the region with that index."""

    region: int
    section: Section
    score: float


def rewrite(pieces: tuple[Piece, ...], recipe: Recipe, capability: Capabilities) -> Mapping[int, str]:
    """New texts of documents and of user texts that hold documents, by index. Needs bm25s, the extra `context`."""
    return select(pieces, recipe, capability, by_words)


def select(pieces: tuple[Piece, ...], recipe: Recipe, capability: Capabilities, scorer: Scorer) -> Mapping[int, str]:
    """The same with another scorer, say one of embeddings. What is selected is within the budget, so doing it again changes
    nothing."""

    def count(text: str) -> int:
        return estimate_text(text.encode("utf-8", "surrogatepass"), capability.tokenizer).tokens

    regions = [region for at, piece in enumerate(pieces) for region in _regions(at, piece)]
    texts = [pieces[region.piece].text[region.start : region.end] for region in regions]
    before = sum(map(count, texts))
    if before <= recipe.select_tokens:
        return {}
    question = _question(pieces, regions)
    if not _words(question) or _WHOLE.search(question) or _SUM_UP.search(question):
        return {}
    ranked = _rank(texts, question, count, scorer)
    fresh = _best(texts, ranked, recipe.select_tokens, count)
    if fresh is None:
        return {}
    return _replaced(pieces, regions, texts, fresh)


# --- documents and the question -------------------------------------------------------------------------------------------


def _regions(at: int, piece: Piece) -> Iterator[_Region]:
    """Where documents stand in a piece, in order."""
    if piece.kind == "document":
        yield _Region(at, 0, len(piece.text))
    elif piece.kind == "user":
        spans = [_inner(match) for match in _ELEMENT.finditer(piece.text)] or list(_labelled(piece.text))
        yield from (_Region(at, start, end) for start, end in spans)


def _inner(element: re.Match[str]) -> tuple[int, int]:
    """The text of an element; where it has a member for its content, that of the member."""
    text, start, end = element.string, element.start(2), element.end(2)
    ends = {each[1]: each.start() for each in _CONTENT_END.finditer(text, start, end)}  # the last of each
    for begins in _CONTENT.finditer(text, start, end):
        if ends.get(begins[1], 0) >= begins.end():
            return begins.end(), ends[begins[1]]
    return start, end


def _labelled(text: str) -> Iterator[tuple[int, int]]:
    """Between the one line "Context:" and the one line "Question:" after it, where it is set apart into chunks."""
    labels = list(_LABEL.finditer(text))
    ends = list(_END_LABEL.finditer(text, labels[0].end())) if len(labels) == 1 else []
    if len(ends) == 1 and _SET_APART.search(text, labels[0].end(), ends[0].start()):
        yield labels[0].end(), ends[0].start()


def _question(pieces: Sequence[Piece], regions: Sequence[_Region]) -> str:
    """What the user says outside the documents, without markup."""
    within = _by_piece(regions)
    parts: list[str] = []
    for at, piece in enumerate(pieces):
        if piece.kind != "user":
            continue
        position = 0
        for number in within.get(at, ()):
            parts.append(piece.text[position : regions[number].start])
            position = regions[number].end
        parts.append(piece.text[position:])
    return _MARKUP.sub(" ", "\n".join(parts))


def _by_piece(regions: Sequence[_Region]) -> dict[int, list[int]]:
    """The numbers of the regions of each piece, in order."""
    within: dict[int, list[int]] = {}
    for number, region in enumerate(regions):
        within.setdefault(region.piece, []).append(number)
    return within


# --- scores ---------------------------------------------------------------------------------------------------------------


def _words(text: str) -> list[str]:
    """Words in lower case without stop words and plural s."""
    words = [word for word in _WORD.findall(text.lower()) if word not in _STOP]
    return [word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in words]


def by_words(question: str, texts: Sequence[str]) -> list[float]:
    """BM25 of each text, on the words of the question; a word counts once however often it is asked."""
    import bm25s  # noqa: PLC0415  an extra

    asked = {word: number for number, word in enumerate(dict.fromkeys(_words(question)), start=1)}
    corpus = [[asked.get(word, 0) for word in _words(text)] for text in texts]
    found = sorted({number for words in corpus for number in words} - {0})
    if not found:
        return [0.0] * len(texts)
    index = bm25s.BM25(method="lucene", k1=1.5, b=0.75, dtype="float64")
    index.index((corpus, {str(number): number for number in range(len(asked) + 1)}), False, show_progress=False)
    return [float(score) for score in index.get_scores(found)]


def _rank(texts: Sequence[str], question: str, count: Callable[[str], int], scorer: Scorer) -> list[_Ranked]:
    """All sections in order, each with its score and a part of its neighbours'."""
    sections = [(at, section) for at, text in enumerate(texts) for section in split_sections(text, count)]
    scores = scorer(question, [_titled(one, texts[at]) for at, one in sections])
    if len(scores) != len(sections):
        raise ValueError(f"the scorer gave {len(scores)} scores for {len(sections)} sections")
    ranked: list[_Ranked] = []
    for here, (at, section) in enumerate(sections):
        beside = [scores[there] for there in (here - 1, here + 1) if 0 <= there < len(sections) and sections[there][0] == at]
        ranked.append(_Ranked(at, section, round(scores[here] + _NEIGHBOUR * max(beside, default=0.0), _DIGITS)))
    return ranked


def _titled(section: Section, text: str) -> str:
    """The section; one that goes on under an earlier heading, with that heading."""
    own = text[section.start : section.end]
    return own if section.headings else f"{section.under}\n{own}"


# --- what stays -----------------------------------------------------------------------------------------------------------


def _best(texts: Sequence[str], ranked: Sequence[_Ranked], budget: int, count: Callable[[str], int]) -> list[str] | None:
    """The texts with the best sections only, within the budget; None where that is none."""

    def within(some: Sequence[int]) -> list[str] | None:
        fresh = _rendered(texts, ranked, frozenset(some), count)
        return fresh if sum(map(count, fresh)) <= budget else None

    order = sorted((at for at, one in enumerate(ranked) if one.score > 0), key=lambda at: (-ranked[at].score, at))
    chosen: list[int] = []
    tokens = 0
    for at in order:
        if tokens + ranked[at].section.tokens <= budget:
            chosen.append(at)
            tokens += ranked[at].section.tokens
    low, high = 0, len(chosen)
    best: list[str] | None = None
    while low < high:  # notes cost tokens too: as many of the best as fit with theirs
        middle = (low + high + 1) // 2
        fresh = within(chosen[:middle])
        low, high, best = (middle, high, fresh) if fresh is not None else (low, middle - 1, best)
    kept = chosen[:low]
    known = frozenset(kept)
    for at in [at for at in order if at not in known][:_MORE_TRIED]:  # and what still fits beside them
        fresh = within([*kept, at])
        if fresh is not None:
            kept.append(at)
            best = fresh
    return best if kept else None


def _rendered(
    texts: Sequence[str], ranked: Sequence[_Ranked], kept: frozenset[int], count: Callable[[str], int]
) -> list[str]:
    """The texts with a note for each run of sections that are not kept. A run that is no longer than its note stays."""
    parts: list[list[str]] = [[] for _ in texts]
    run: list[_Ranked] = []
    for at, one in enumerate(ranked):
        if at not in kept:
            run.append(one)
        if run and (at in kept or at + 1 == len(ranked) or ranked[at + 1].region != one.region):
            region = run[0].region
            parts[region].append(_note_for(texts[region], run, "".join(parts[region][-1:]), count))
            run = []
        if at in kept:
            parts[one.region].append(texts[one.region][one.section.start : one.section.end])
    return ["".join(some) for some in parts]


def _note_for(text: str, run: Sequence[_Ranked], before: str, count: Callable[[str], int]) -> str:
    """The line that stands for these sections, with the blanks around them; or they themselves."""
    left_out = text[run[0].section.start : run[-1].section.end]
    first = [run[0].section.under] if run[0].section.under and not run[0].section.headings else []
    headings = list(dict.fromkeys([*first, *(name for one in run for name in one.section.headings)]))
    named = "; ".join(name[:_NOTED_CHARS] for name in headings[:_NOTED_HEADINGS])
    more = f" and {len(headings) - _NOTED_HEADINGS} more" if len(headings) > _NOTED_HEADINGS else ""
    note = f"[{len(run)} section{'s' if len(run) > 1 else ''} left out here{': ' if named else ''}{named}{more}]"
    if sum(one.section.tokens for one in run) <= count(note):
        return left_out
    lead = left_out[: len(left_out) - len(left_out.lstrip())] if not before else ""
    own_line = "\n" if before and not before.endswith("\n") else ""
    trail = left_out[len(left_out.rstrip()) :]
    return f"{own_line}{lead}{note}{trail}"


def _replaced(
    pieces: Sequence[Piece], regions: Sequence[_Region], texts: Sequence[str], fresh: Sequence[str]
) -> dict[int, str]:
    """The pieces with their documents replaced, by index."""
    done: dict[int, str] = {}
    for at, numbers in _by_piece(regions).items():
        if all(fresh[number] == texts[number] for number in numbers):
            continue
        text, parts, position = pieces[at].text, [], 0
        for number in numbers:
            parts += [text[position : regions[number].start], fresh[number]]
            position = regions[number].end
        done[at] = "".join([*parts, text[position:]])
    return done

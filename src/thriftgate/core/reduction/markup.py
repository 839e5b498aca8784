"""`compress.markup` (unsafe, not reversible): HTML becomes Markdown.

What: a text that is an HTML page, or that holds one, or a large table or article of HTML, is converted by html_to_markdown:
scripts, styles, comments, attributes, what a browser hides, and pictures written out in the address go; the title, text,
links, tables, lists and code blocks stay; links within the page become their text. There is no way back from the Markdown.
Why it saves: most tokens of a fetched page are tags, attributes and scripts: -74 % on pages of documentation.
When it must not: the message asks about the markup itself (fix, edit, selectors, CSS, scraping), a template or JSX, fenced
code, results of tools that read files, run shells or work on the DOM, system prompts; where words of the page would be lost.
Example: <!doctype html><html><head><title>Prices</title>…</head><body><h1>Plans</h1><p>See <a href="/a">all</a>…
-> Title: Prices, # Plans, See [all](/a) …
Source: html-to-markdown 3.21 (its `ConversionOptions`), 2026-11; measured: benchmarks/README.md, "compress", 2026-11.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import unescape

from thriftgate.core.models import Capabilities
from thriftgate.core.reduction.adopt import shorter
from thriftgate.core.reduction.pieces import Piece
from thriftgate.core.reduction.recipe import Recipe
from thriftgate.core.reduction.verbatim import asked_about, from_file, from_shell, segments

CHARS_LEAST = 200
CHARS_MOST = 2_000_000  # its library takes 20 MB/s; a longer text is no page
_TAGS_LEAST = 8
_NESTED_MOST = 48  # elements of one kind within each other
_LOOK_AHEAD = 64  # opening tags
_KNOWN_LEAST = 0.9  # share of tags that are HTML's
_WORDS_KEPT_LEAST = 0.75  # of what is not hidden; nesting beyond the library's depth would lose text silently
_WORDS_SHOWN_LEAST = 0.25  # of all; a page that hides more is shown by its scripts
_HIDING = r"(?:\shidden\b(?!-)|display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0)"
_HIDES = re.compile(rf"<\w[^<>]*?{_HIDING}", re.IGNORECASE)
_HIDES_ON = re.compile(  # its end is left out, so the library would show it
    rf"<(p|li|dt|dd|td|th|tr|option)\b(?=[^<>]*?{_HIDING})[^<>]*+>(?:(?!</?\1\b).)*+(?!</\1\b)", re.IGNORECASE | re.DOTALL
)
_OPENER = re.compile(r"<(!doctype\s+html|html|body|article|main|table)\b", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([A-Za-z][\w:-]*)")
_TEMPLATE = re.compile(r"\{\{|\{%|<%|<\?php|\bclassName=|\sv-(?:if|for|on|bind)\b|\s\*ng|\s@click|</?>|=\{")
_UNSEEN = re.compile(
    r"<(script|style|noscript|template|svg|select|textarea)\b[^>]*+(?:>.*?(?:</\1\s*>|\Z)|\Z)|<!--.*?(?:-->|\Z)|<[^<>]*+>?",
    re.IGNORECASE | re.DOTALL,
)
_ANCHOR = re.compile(r'(?<!!)\[([^\[\]\n]*)\]\(#[^()\s]*(?: "[^"\n]*")?\)')
_TITLE = re.compile(r"<title\b[^<>]*>([^<]{1,300})</title", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_ASKS = re.compile(
    r"\b(?:x?html\d?|css|markup|xpath|selectors?|dom|jsx|tsx|templates?|tags?|attributes?|elements?|scrap\w+|"
    r"pars(?:e|er|ing)|(?:java)?scripts?|fix|debug|edit|refactor\w*|validat\w+|accessib\w+|a11y|aria|stylesheets?|"
    r"layout|source code|front-?end|convert|minif\w+|class(?:es)? names?)\b",
    re.IGNORECASE,
)
_DOM_TOOL = re.compile(
    r"dom|html|selector|xpath|element|page_?source|inspect|playwright|puppeteer|selenium|click|evaluate", re.IGNORECASE
)
_NAMES = frozenset(
    re.findall(
        r"\w+",
        "a abbr address area article aside audio b base bdi bdo big blockquote body br button canvas caption center cite "
        "code col colgroup data datalist dd del details dfn dialog div dl dt em embed fieldset figcaption figure font "
        "footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html i iframe img input ins kbd label legend "
        "li link main map mark menu meta meter nav noscript object ol optgroup option output p param picture pre progress "
        "q rp rt ruby s samp script search section select slot small source span strike strong style sub summary sup svg "
        "path g use table tbody td template textarea tfoot th thead time title tr track tt u ul var video wbr ",
    )
)
_NEVER_NESTED = frozenset(re.findall(r"\w+", "area base br col embed hr img input link meta p param source track wbr"))
"""Elements that have no content, or that the next of their kind ends."""


def rewrite(pieces: tuple[Piece, ...], recipe: Recipe, capability: Capabilities) -> Mapping[int, str]:
    """The pieces that hold HTML, as Markdown. Raises ImportError where there is HTML and the library is not there."""
    del recipe
    found = {at: list(_regions(piece.text)) for at, piece in enumerate(pieces) if _may_change(piece)}
    found = {at: regions for at, regions in found.items() if regions}
    if not found or asked_about(_own_words(pieces, found), _ASKS):
        return {}
    texts: dict[int, str] = {}
    for at, regions in found.items():
        text, parts, last = pieces[at].text, [], 0
        for start, end in regions:
            fresh = _markdown(text[start:end])
            if fresh is not None:
                parts += [text[last:start], fresh]
                last = end
        fresh_text = "".join([*parts, text[last:]])
        if parts and not any(_regions(fresh_text)):
            texts[at] = fresh_text
    return shorter(pieces, texts, capability)


def _may_change(piece: Piece) -> bool:
    if piece.kind in ("system", "image") or "<" not in piece.text or not CHARS_LEAST <= len(piece.text) <= CHARS_MOST:
        return False
    return not (from_file(piece) or (piece.tool and (from_shell(piece) or _DOM_TOOL.search(piece.tool))))


def _own_words(pieces: Sequence[Piece], found: Mapping[int, Sequence[tuple[int, int]]]) -> Iterator[str]:
    """What the user says around the HTML."""
    for at, piece in enumerate(pieces):
        if piece.kind == "user":
            edges = [0, *(edge for region in found.get(at, ()) for edge in region), len(piece.text)]
            yield from (piece.text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))


def _regions(text: str) -> Iterator[tuple[int, int]]:
    """Where HTML stands: the whole text, or fragments outside fences. None in the text of a template."""
    start = len(text) - len(text.lstrip())
    end = len(text.rstrip())
    if text.startswith("<", start) and text.endswith(">", start, end) and _is_html(text[start:end]):
        found = [(start, end)]
    else:
        found = [each for part in segments(text) if part.info is None for each in _fragments(text, part.start, part.end)]
    if found and not _TEMPLATE.search(_UNSEEN.sub(_tag_only, text)):
        yield from found


def _fragments(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """From an opening tag to its closing one. Where one is not closed, or stands within another of its kind, those of its
    kind that follow are left, too."""
    found = _OPENER.finditer(text, start, end)
    openers = [(each.start(), each.end(), "html" if each[1][0] == "!" else each[1].lower()) for each in found]
    left: set[str] = set()
    last = start
    for at, (begin, behind, name) in enumerate(openers):
        if begin < last or name in left:
            continue
        again = (later for later, _, other in openers[at + 1 : at + _LOOK_AHEAD] if other == name != "html")
        closing = _closing(text, name, behind, next(again, end))
        if closing and _is_html(text[begin:closing]):
            if closing - begin >= CHARS_LEAST:
                yield begin, closing
            last = closing
        elif not closing or name != "table":
            left.add(name)


def _closing(text: str, name: str, start: int, end: int) -> int:
    closing = re.compile(rf"</{name}\s{{0,9}}>", re.IGNORECASE).search(text, start, end)
    return closing.end() if closing else 0


def _is_html(text: str) -> bool:
    """Enough tags, nearly all of them HTML's, some of them closed, and no element nested in its own kind as no page does:
    the library would take long, and much memory, for it."""
    tags = [(match[1], match[2].lower()) for match in _TAG.finditer(text)]
    known = sum(name in _NAMES for _, name in tags)
    if len(tags) < _TAGS_LEAST or known < _KNOWN_LEAST * len(tags) or not any(closes for closes, _ in tags):
        return False
    opened: Counter[str] = Counter()
    for closes, name in tags:
        opened[name] += -1 if closes else 1
        if opened[name] > _NESTED_MOST and name not in _NEVER_NESTED:
            return False
        opened[name] = max(opened[name], 0)
    return True


def _tag_only(match: re.Match[str]) -> str:
    """Tags stay, for their attributes; what is within scripts and styles may look like anything."""
    return "" if match[1] or match[0].startswith("<!--") else match[0]


def _markdown(html: str) -> str | None:
    """What a browser shows of it; None where that is not sure. What is hidden is counted first, so that nothing else is
    lost."""
    text = _converted(html, "reachable")
    seen = len(_WORD.findall(unescape(_UNSEEN.sub(" ", html))))
    words = len(_WORD.findall(text))
    if not seen or words < _WORDS_KEPT_LEAST * seen:
        return None
    if _HIDES.search(html):
        text = _converted(html, "drop")
        if _HIDES_ON.search(html) or len(_WORD.findall(text)) < _WORDS_SHOWN_LEAST * words:
            return None
    text = _without_anchors(text)
    title = _TITLE.search(html)
    name = unescape(title[1]).strip() if title else ""
    return f"Title: {name}\n\n{text}" if name and name not in text[: 2 * len(name) + 100] else text


def _converted(html: str, hidden: str) -> str:
    """As Markdown, "" where it cannot be. `hidden` says whether what a browser hides goes: "drop" or "reachable"."""
    import html_to_markdown as library  # noqa: PLC0415  an extra

    options = library.ConversionOptions(
        extract_metadata=False,
        compact_tables=True,
        inline_data_media="alt_text_only",
        hidden_content=hidden,
        preprocessing=library.PreprocessingOptions(
            enabled=True, preset="minimal", remove_navigation=False, remove_forms=False
        ),
    )
    try:
        return (library.convert(html, options).content or "").strip()
    except (library.ConversionError, ValueError, RuntimeError):
        return ""


def _without_anchors(markdown: str) -> str:
    """A link to a place in the page leads nowhere from here."""
    return "".join(
        [
            _ANCHOR.sub(r"\1", markdown[each.start : each.end]) if each.info is None else markdown[each.start : each.end]
            for each in segments(markdown)
        ]
    )

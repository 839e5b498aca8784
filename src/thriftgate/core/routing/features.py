"""What is cheap to tell of a request before it is sent: hashed words of what the user asks, sizes, shares, the task.

One function for live requests and for recorded examples, so that a score is fitted on what it will read.
"""

from __future__ import annotations

from itertools import pairwise
from math import log1p
from zlib import crc32

from msgspec import Struct

VERSION = 1
"""Raised with any change of what a request looks like here: a score of another version reads something else."""

BUCKETS = 1 << 16
EDGE_CHARS = 1_500
NUMBERS = (
    # of the call
    "log_chars",
    "log_prompt_tokens",
    "log_turns",
    "log_tools",
    "log_images",
    "schema",
    # of the bytes
    "digit_share",
    "log_numerals",
    "log_decimals",
    "log_percents",
    "symbol_share",
    "code_share",
    "table",
    "options",
    "log_lines",
    "upper_share",
    "log_names",
    "not_ascii_share",
    "log_sentences",
    "log_commas",
    "log_questions",
    # of the words
    "english_share",
    "word_chars",
    "distinct_share",
    "asks_how_many",
    "asks_why",
    "asks_which",
    "asks_what",
    "negated",
)
"""Names of `Features.numbers`, in their order. Shares are of the bytes read, or of the words; `log_x` is log(1 + x)."""

_MASK = BUCKETS - 1
_PAIR = 8191  # odd, and small enough that a pair stays a machine integer

# Each byte as its class: 0 a digit, A and a letters, h beyond ASCII, a full stop what ends a sentence, a space any space;
# the rest stays as it is. Counting is then a search for bytes.
_CLASSES = bytes.maketrans(
    bytes(range(48, 58)) + bytes(range(65, 91)) + bytes(range(97, 123)) + bytes(range(128, 256)) + b"!?\n\t",
    b"0" * 10 + b"A" * 26 + b"a" * 26 + b"h" * 128 + b"..  ",
)
# Each byte as what it is in a word: itself in lower case, or the space between two; and the same for numerals.
_IN_WORDS = bytes(
    one + 32 if 65 <= one <= 90 else one if 48 <= one <= 57 or 97 <= one <= 122 or one >= 128 else 32 for one in range(256)
)
_IN_NUMERALS = bytes(one if 48 <= one <= 57 else 32 for one in range(256))
_SYMBOLS, _CODE = b"+-*/=<>^\\$_{}[]|~", b"{}[];=<>_`()\t"
_OPTIONS = (b"\nb. ", b"\nb) ", b"\n(b)")
_GLUE = (b" the ", b" of ", b" and ", b" to ")


def _asked(words: str) -> tuple[int, ...]:
    return tuple(crc32(word.encode()) & _MASK for word in words.split())


_QUESTIONS = (
    _asked("many much total number long far"),
    _asked("why explain because reason prove"),
    _asked("which following best"),
    _asked("what who where when"),
    _asked("not except never no least"),
)


class Surroundings(Struct, frozen=True):
    """What stands around the question. `task` is the fingerprint of the call site (`core/routing/task.py`) or any label of
    the caller's, "" where it is unknown; `prompt_tokens` the length of the whole prompt, 0 where unknown; `schema` that the
    answer must follow one."""

    task: str = ""
    turns: int = 1
    tools: int = 0
    images: int = 0
    schema: bool = False
    prompt_tokens: int = 0


class Features(Struct, frozen=True):
    """One request as a score sees it. `words` are the buckets of its words and pairs of words, each once, in the order of
    their first place; `numbers` stand in the order of NUMBERS."""

    task: str
    words: tuple[int, ...]
    numbers: tuple[float, ...]


def features_of(text: str, around: Surroundings) -> Features:
    """Features of what the user asks. Of a long text only both ends are read, so that the time is bounded."""
    read = text if len(text) <= 2 * EDGE_CHARS else f"{text[:EDGE_CHARS]}\n{text[-EDGE_CHARS:]}"
    raw = read.encode("utf-8", "surrogatepass")
    lower = raw.lower()
    # CRC-32 is the same in each process and on each machine.
    hashes = [crc32(word) & _MASK for word in raw.translate(_IN_WORDS).split()]
    singles = dict.fromkeys(hashes)
    shape = raw.translate(_CLASSES)
    numbers = (
        *_of_call(len(text), around),
        *_of_bytes(raw, lower, shape),
        *_of_words(lower, shape, len(hashes), singles),
    )
    pairs = [(one * _PAIR + other) & _MASK for one, other in pairwise(hashes)]
    return Features(around.task, tuple(dict.fromkeys([*singles, *pairs])), numbers)


def _of_call(chars: int, around: Surroundings) -> tuple[float, ...]:
    return (
        log1p(chars),
        log1p(around.prompt_tokens),
        log1p(around.turns),
        log1p(around.tools),
        log1p(around.images),
        float(around.schema),
    )


def _of_bytes(raw: bytes, lower: bytes, shape: bytes) -> tuple[float, ...]:
    """Shares and counts that need no words."""
    size = len(raw) or 1
    return (
        shape.count(b"0") / size,
        log1p(len(raw.translate(_IN_NUMERALS).split())),
        log1p(shape.count(b"0.0")),
        log1p(shape.count(b"0%")),
        _share(raw, _SYMBOLS),
        _share(raw, _CODE),
        float(raw.count(b"|") >= 6 or raw.count(b"\t") >= 6),
        float(any(one in lower for one in _OPTIONS)),
        log1p(raw.count(b"\n")),
        shape.count(b"A") / size,
        log1p(shape.count(b" Aa")),
        shape.count(b"h") / size,
        log1p(shape.count(b". ")),
        log1p(raw.count(b",")),
        log1p(raw.count(b"?")),
    )


def _of_words(lower: bytes, shape: bytes, count: int, singles: dict[int, None]) -> tuple[float, ...]:
    """What the words tell, beyond which they are; `singles` are their buckets."""
    words = count or 1
    return (
        sum(map(lower.count, _GLUE)) / words,
        sum(map(shape.count, (b"0", b"A", b"a", b"h"))) / words,
        len(singles) / words,
        *[float(any(one in singles for one in asked)) for asked in _QUESTIONS],
    )


def _share(raw: bytes, of: bytes) -> float:
    """Which part of the bytes is one of these."""
    return 1.0 - len(raw.translate(None, of)) / len(raw) if raw else 0.0

"""Answers of realistic length: `[[sim: long=MEDIAN,SIGMA,RUNAWAY]]` in the user's text. All figures are assumed.

The answer is free text of log-normal length: MEDIAN tokens, SIGMA (1 unless told) the standard deviation of the logarithm,
0.8 of its variance the prompt's own and the rest drawn for each call. A share RUNAWAY of the calls (0 unless told) runs on
to `max_tokens`, which the model cannot see (about-claude/models/optimizing-for-cost-and-intelligence, 2026-10): a smaller
one cuts the answer and makes it no shorter. Asked again, the call after a runaway comes to a normal end. What is drawn
depends on seed, model, the user's text up to the end of the mark, and the number of the call with these three; so a first
call is the same with any other parameters, system prompt, or words behind the mark.

Where the model thinks, it thinks 0.8 times as long as the answer would be at effort high, times the factor of its effort.
Together that makes `low` about 45 % and `medium` about 20 % cheaper (measured: 33 to 50 % at low, same page).

    effort                  low    medium    high    xhigh    max
    length of the answer    0.7     0.85     1.0     1.15     1.3
    thinking                0.3     0.7      1.0     1.6      2.5

The model keeps to requests for brevity in the system prompt or in the user's text, unless it runs away. Of several the
shortest counts; limits are kept to by 0.7 to 1.05 times what was asked for, drawn by the prompt.

    at most N words, in N words or fewer, under N words          1.35 tokens a word
    at most N sentences, in one sentence                         30 tokens a sentence
    in one paragraph, at most N paragraphs                       90 tokens a paragraph
    in one line, on a single line                                25 tokens
    one word, single word, only the label, number only           4 tokens (also category, name, answer, letter, value)
    be brief, be concise, briefly, keep it short                 0.5 of the length
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import NormalDist

from thriftgate.simulator.draws import unit

BY_PROMPT = 0.8
THINKING_SHARE = 0.8
LENGTH_BY_EFFORT = {"low": 0.7, "medium": 0.85, "high": 1.0, "xhigh": 1.15, "max": 1.3}
BRIEF = 0.5
LABEL = 4.0  # tokens; the least that any limit is taken for
KEPT = (0.7, 1.05)
_NUMBERS = {"one": 1, "a single": 1, "two": 2, "three": 3, "four": 4, "five": 5, "ten": 10}
_NUMBER = rf"(\d+|{'|'.join(_NUMBERS)})"
_LIMIT = (
    rf"(?:at most|no more than|up to|under|fewer than|within|maximum of|limit of|in(?: just| only)?) {_NUMBER}(?: short)?"
)
_THINGS = r"(?:label|category|number|name|answer|letter|value)"
TOKENS_EACH = (
    (re.compile(rf"\b{_LIMIT} words?\b", re.IGNORECASE), 1.35),
    (re.compile(rf"\b{_LIMIT} sentences?\b", re.IGNORECASE), 30.0),
    (re.compile(rf"\b{_LIMIT} paragraphs?\b", re.IGNORECASE), 90.0),
)
TOKENS = (
    (re.compile(r"\b(?:one|single) word\b", re.IGNORECASE), LABEL),
    (re.compile(rf"\bonly the {_THINGS}\b|\b{_THINGS} only\b", re.IGNORECASE), LABEL),
    (re.compile(r"\b(?:in|on) (?:one|a single) line\b", re.IGNORECASE), 25.0),
)
SHORT = re.compile(r"\bbe (?:very )?(?:brief|concise)\b|\bbriefly\b|\bkeep (?:it|your answer) short\b", re.IGNORECASE)
MARK = re.compile(r"\[\[sim:[^\]]*\blong=[^\]]*\]\]")


@dataclass(frozen=True, slots=True)
class Long:
    """What `long=` asks for: tokens, standard deviation of their logarithm, share of runaways."""

    median: float
    sigma: float = 1.0
    runaway: float = 0.0


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one call comes to, in tokens: its thinking, if it thinks, and its text."""

    thinking: int
    text: int


def read_long(value: str) -> Long | None:
    """The value of `long=`; None for anything that is not one to three numbers within their ranges."""
    try:
        parts = [float(part) for part in value.split(",")]
        long = Long(*parts)
    except (ValueError, TypeError):
        return None
    sane = 1 <= long.median <= 1_000_000 and 0 <= long.sigma <= 5 and 0 <= long.runaway <= 1
    return long if sane else None


def drawn_from(text: str) -> str:
    """The part of the user's text that the draws depend on."""
    mark = MARK.search(text)
    return text[: mark.end()] if mark is not None else text


def spoken(long: Long, prompt: tuple[object, ...], number: int, *, asked: str, effort: str, max_tokens: int) -> Spoken:
    """The `number`th call with this `prompt` (what its draws depend on). `asked`: where requests for brevity may stand."""
    own, chance = _normal("long", *prompt), _normal("long", *prompt, number)
    natural = exp(log(long.median) + long.sigma * (sqrt(BY_PROMPT) * own + sqrt(1 - BY_PROMPT) * chance))
    thinking = max(1, round(THINKING_SHARE * natural))
    if runs_away(long.runaway, prompt, number):
        return Spoken(thinking, max_tokens + 1)
    text = heeded(natural * LENGTH_BY_EFFORT.get(effort, 1.0), asked, unit("heeds", *prompt))
    return Spoken(thinking, max(1, round(text)))


def runs_away(share: float, prompt: tuple[object, ...], number: int) -> bool:
    """Whether a call runs on to its limit: it was drawn, and the one before it did not."""
    drawn = 0
    while number - drawn > 0 and unit("runaway", *prompt, number - drawn) < share:
        drawn += 1
    return drawn % 2 == 1


def heeded(length: float, asked: str, chance: float) -> float:
    """Tokens of an answer of such a length, where `asked` may request brevity. `chance` decides how a limit is kept to."""
    limits = [max(LABEL, each * _count(found)) for pattern, each in TOKENS_EACH for found in pattern.findall(asked)]
    limits += [tokens for pattern, tokens in TOKENS if pattern.search(asked)]
    if SHORT.search(asked):
        length *= BRIEF
    return min([length, *(limit * (KEPT[0] + (KEPT[1] - KEPT[0]) * chance) for limit in limits)])


def _count(word: str) -> int:
    return _NUMBERS.get(word.lower()) or int(word)


def _normal(*parts: object) -> float:
    return NormalDist().inv_cdf(min(max(unit(*parts), 1e-12), 1 - 1e-12))

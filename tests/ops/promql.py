"""Enough of PromQL to hold queries to what a page exposes: every metric and label that they name, and their brackets.
Grammar: prometheus.io/docs/prometheus/latest/querying/basics, 2026-10."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from typing import NamedTuple

FUNCTIONS = frozenset({"rate", "irate", "increase", "histogram_quantile", "sort_desc", "max_over_time"})  # those that we use
AGGREGATIONS = frozenset(["sum", "min", "max", "avg", "count", "topk", "bottomk", "quantile", "stddev"])
LISTS = frozenset(["by", "without", "on", "ignoring", "group_left", "group_right"])
WORDS = frozenset(["and", "or", "unless", "offset", "bool", "atan2"])
TARGETS = frozenset({"job", "instance"})  # put there by the scrape, on every metric

_TOKEN = re.compile(
    r"""(?P<blank>\s+)
    | (?P<text>"(?:[^"\\]|\\.)*")
    | (?P<duration>\[[^\]]*\])
    | (?P<number>\d+(?:\.\d+)?(?:[smhdwy](?![a-z_]))?)
    | (?P<name>[A-Za-z_:][A-Za-z0-9_:]*)
    | (?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^<>=(){},])""",
    re.VERBOSE,
)
_DURATION = re.compile(r"\[(?:\d+(?:ms|[smhdwy])|\$__rate_interval|\$__range)(?::\d*[smhd]?)?\]")
_CLOSES = {")": "(", "}": "{"}


class BadQuery(Exception):
    """What is wrong with a query."""


class Token(NamedTuple):
    kind: str
    text: str


def tokens(query: str) -> list[Token]:
    """Raises BadQuery."""
    found, at = [], 0
    while at < len(query):
        match = _TOKEN.match(query, at)
        if match is None:
            raise BadQuery(f"cannot be read from {query[at : at + 20]!r} on")
        if match.lastgroup == "duration" and not _DURATION.fullmatch(match.group()):
            raise BadQuery(f"no duration: {match.group()}")
        if match.lastgroup != "blank":
            found.append(Token(str(match.lastgroup), match.group()))
        at = match.end()
    return found


def check(query: str, exposed: Mapping[str, Set[str]]) -> list[str]:
    """The metrics that a query names. Raises BadQuery where one of them, or one of its labels, is not `exposed` (name of a
    sample -> its labels), or where the query is no expression."""
    read = tokens(query)
    _brackets(read)
    named = [(at, one.text) for at, one in enumerate(read) if one.kind == "name" and _is_metric(read, at)]
    if not named:
        raise BadQuery("names no metric")
    labels: set[str] = set(TARGETS)
    for at, metric in named:
        if metric not in exposed:
            raise BadQuery(f"{metric} is not exposed")
        for label in _matched(read, at + 1):
            if label not in exposed[metric] | TARGETS:
                raise BadQuery(f"{metric} has no label {label}")
        labels |= exposed[metric]
    for label in _listed(read):
        if label not in labels:
            raise BadQuery(f"no metric here has the label {label}")
    return [metric for _, metric in named]


def _brackets(read: list[Token]) -> None:
    open_: list[str] = []
    for one in read:
        if one.text in ("(", "{"):
            open_.append(one.text)
        elif one.text in _CLOSES and (not open_ or open_.pop() != _CLOSES[one.text]):
            raise BadQuery(f"{one.text} closes nothing")
    if open_:
        raise BadQuery(f"{open_[-1]} is not closed")


def _is_metric(read: list[Token], at: int) -> bool:
    """Whether this name is a metric: no function, no word of the language, no label."""
    text, after = read[at].text, read[at + 1].text if at + 1 < len(read) else ""
    if text in WORDS | LISTS or _inside(read, at):
        return False
    if text in AGGREGATIONS and after in ("(", "by", "without"):
        return False
    if after == "(":
        if text not in FUNCTIONS:
            raise BadQuery(f"there is no function {text}")
        return False
    return True


def _inside(read: list[Token], at: int) -> bool:
    """Whether a token stands in braces, or in the list behind `by` and its like."""
    opened: list[int] = []
    for index in range(at):
        if read[index].text in ("(", "{"):
            opened.append(index)
        elif read[index].text in _CLOSES:
            opened.pop()
    return bool(opened) and (read[opened[-1]].text == "{" or read[opened[-1] - 1].text in LISTS)


def _matched(read: list[Token], at: int) -> Iterator[str]:
    """The labels of the matchers that begin here, if any do."""
    if at >= len(read) or read[at].text != "{":
        return
    end = next(index for index in range(at, len(read)) if read[index].text == "}")
    inside = read[at + 1 : end]
    for place in range(0, len(inside), 4):
        name, sign, text = (inside[place : place + 3] + [Token("", "")] * 3)[:3]
        if name.kind != "name" or sign.text not in ("=", "!=", "=~", "!~") or text.kind != "text":
            raise BadQuery(f"no matcher: {name.text}{sign.text}{text.text}")
        yield name.text


def _listed(read: list[Token]) -> Iterator[str]:
    """The labels that are grouped by or matched on."""
    for at, one in enumerate(read):
        if one.kind == "name" and at and read[at - 1].text in ("(", ",") and _inside(read, at):
            opening = max(index for index in range(at) if read[index].text in ("(", "{"))
            if read[opening].text == "(":
                yield one.text

"""From a model's name as logs write it to the id under which the price book lists it.

    resolve("us.anthropic.claude-sonnet-4-5-20250929-v1:0", book)
    -> Named("claude-sonnet-4-5-20250929", platform="bedrock", geo="regional", mode="", known=True)

There is no list of spellings: a name is taken apart into family, version and date ("Claude Haiku 3.5" and
"claude-3-5-haiku-20241022" both are haiku 3.5), and so is every id and alias of the book. A name that the book does not
list stays unknown; a similar model is never taken for it.

Sources: platform.claude.com/docs/en/about-claude/models/overview, .../build-with-claude/claude-on-amazon-bedrock-legacy and
.../claude-on-vertex-ai, 2026-11.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from thriftgate.audit.records import Platform
from thriftgate.core.prices import Mode, PriceBook

NAMES_MAX = 100_000
"""How many spellings are remembered; more different ones in one log are no model names."""

_PREFIXES: dict[str, Platform] = {
    "anthropic": "",
    "bedrock": "bedrock",
    "bedrock_converse": "bedrock",
    "amazon-bedrock": "bedrock",
    "vertex_ai": "vertex",
    "google-vertex-anthropic": "vertex",
    "azure_ai": "foundry",
    "openrouter": "gateway",
    "vercel_ai_gateway": "gateway",
    "litellm_proxy": "gateway",
}
"""What stands before a slash and says who serves the model, not which model it is."""

_ROUTES = frozenset(("converse", "converse_like", "invoke"))  # bedrock/converse/anthropic.claude-…: which call is made
_ARN = re.compile(
    r"arn:aws[a-z-]*:bedrock:(?P<region>[a-z0-9-]*):\d*:(?P<kind>foundation-model|inference-profile)/(?P<name>[^/]+)"
)
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+){1,3}-\d")
_VERTEX = re.compile(r"(?:.*?/)?(?:locations/(?P<location>[a-z0-9-]+)/)?publishers/anthropic/models/(?P<name>[^/]+)")
_BEDROCK = re.compile(r"(?:(?P<area>[a-z]{2,6}(?:-gov)?)\.)?anthropic\.(?P<name>claude.*)")
_BEDROCK_VERSION = re.compile(r"-v\d+(?::\d+)?(?::\d+k)?$")
_EDITION = "(amazon bedrock edition)"
_SPELLINGS = (":beta", ":thinking", "@default", "@latest", "-latest")  # the same model at the same price
_JOINED = re.compile(r"claude(\d[\d.]*)([a-z]+)")  # AWS's bills: Claude4.5Sonnet
_SEPARATORS = re.compile(r"[\s._@-]+")
_FAST = "-fast"


class Named(NamedTuple):
    """What a name says. `model` is the id of the book, or the name itself where the book has none (`known` False). "" for
    what the name does not tell: `platform`, `geo` (as the book names geographies, or "global") and `mode`."""

    model: str
    platform: Platform
    geo: str
    mode: Mode | Literal[""]
    known: bool


class _Parts(NamedTuple):
    """A name taken apart: `claude-3-5-sonnet-20241022` is ("sonnet",), ("3", "5"), "20241022"."""

    words: tuple[str, ...]
    version: tuple[str, ...]
    date: str = ""


class _Route(NamedTuple):
    """What stands around a model's name: who serves it and where."""

    name: str
    platform: Platform = ""
    geo: str = ""
    mode: Mode | Literal[""] = ""


def resolve(raw: str, book: PriceBook) -> Named:
    """What a name means in this book. Repeated names cost one look-up. Raises nothing."""
    return _names(book).named(raw)


@lru_cache(maxsize=65_536)
def is_claude(raw: str) -> bool:
    """Whether a name is one of Anthropic's models, known or not; importers leave the others out."""
    name = raw.lower()
    return "claude" in name or "anthropic" in name


class _Names:
    """The names of one book, with all that were asked for."""

    def __init__(self, book: PriceBook) -> None:
        self._book = book
        self._ids = {row.model for row in book.rows}
        self._regional = {model for row in book.geos if row.geo == "regional" for model in row.models}
        self._geos = {row.geo for row in book.geos}
        self._exact: dict[str, str] = {}
        self._dated: dict[_Parts, str] = {}
        self._undated: dict[_Parts, set[str]] = {}
        for name in sorted({*self._ids, *book.aliases}):
            self._list(name, book.canonical(name))
        self._seen: dict[str, Named] = {}

    def named(self, raw: str) -> Named:
        found = self._seen.get(raw)
        if found is None:
            if len(self._seen) >= NAMES_MAX:
                self._seen.clear()
            found = self._seen[raw] = self._find(raw)
        return found

    def _list(self, name: str, model: str) -> None:
        self._exact[name.lower()] = model
        parts = _taken_apart(name.lower())
        if parts is None:
            return
        if parts.date:
            self._dated[parts] = model
        self._undated.setdefault(parts._replace(date=""), set()).add(model)

    def _find(self, raw: str) -> Named:
        own = self._exact.get(raw.strip().lower())
        if own is not None:
            return Named(own, "", "", "", known=True)
        route = _route(raw.strip().lower().removesuffix("[1m]").rstrip())
        name, mode = route.name, route.mode
        model = self._model(name)
        if model is None and name.endswith(_FAST):
            model, mode = self._model(name.removesuffix(_FAST)), "fast"
        if model is None:
            return Named(raw, route.platform, "", "", known=False)
        return Named(model, route.platform, self._geo(route.geo, model), mode, known=True)

    def _model(self, name: str) -> str | None:
        exact = self._exact.get(name)
        if exact is not None:
            return exact
        parts = _taken_apart(name)
        if parts is None:
            return None
        if parts.date and parts in self._dated:
            return self._dated[parts]
        fitting = self._undated.get(parts._replace(date=""), set())
        if len(fitting) != 1:
            return None
        (model,) = fitting
        of_book = _taken_apart(model.lower())
        return model if not parts.date or (of_book is not None and not of_book.date) else None

    def _geo(self, told: str, model: str) -> str:
        if told == "regional" and model not in self._regional:
            return ""
        return told if told in self._geos or told == "global" else ""


@lru_cache(maxsize=8)
def _names(book: PriceBook) -> _Names:
    return _Names(book)


def _route(name: str) -> _Route:
    """Take off what names the provider, the endpoint or the edition. Lower case in, lower case out."""
    if arn := _ARN.fullmatch(name):
        where = "regional" if arn["kind"] == "foundation-model" and arn["region"] else ""
        inner = _from_bedrock(arn["name"])
        return inner._replace(platform="bedrock", geo=inner.geo or where)
    if name.startswith("arn:aws"):  # a profile of the user's own: its name says nothing
        return _Route(name, "bedrock")
    if vertex := _VERTEX.fullmatch(name):
        location = vertex["location"] or ""
        geo = "global" if location == "global" else "regional" if location else ""
        return _Route(_spelled(vertex["name"]), "vertex", geo)
    if name.endswith(_EDITION):
        return _Route(name.removesuffix(_EDITION).strip(), "bedrock")
    return _from_path(name.split("/"))


def _from_path(parts: list[str]) -> _Route:
    """`bedrock/us-east-1/anthropic.claude-…`, `openrouter/anthropic/claude-…`, `fast/us/claude-…`."""
    platform: Platform = ""
    geo = ""
    mode: Mode | Literal[""] = ""
    *before, last = parts
    for place, part in enumerate(before):
        if part in _PREFIXES and not (geo or mode):
            platform = platform or _PREFIXES[part]
        elif part in _ROUTES and platform == "bedrock":
            continue
        elif platform == "bedrock" and _REGION.fullmatch(part):
            geo = "regional"
        elif part == "fast" and not mode:
            mode = "fast"
        elif part == "us" and place == len(before) - 1:
            geo = "us"
        else:
            return _Route("/".join(parts), platform)
    inner = _from_bedrock(last)
    if inner.platform == "bedrock" or platform == "bedrock":
        return inner._replace(platform=platform or inner.platform, geo=inner.geo or geo, mode=mode)
    return _Route(_spelled(last), platform or ("vertex" if "@" in last else ""), geo, mode)


def _from_bedrock(name: str) -> _Route:
    """`us.anthropic.claude-…-v1:0`: an inference profile; without the area, the model of one region or of a profile that the
    log does not name."""
    found = _BEDROCK.fullmatch(name)
    inner = _BEDROCK_VERSION.sub("", found["name"] if found else name)
    if found is None:
        return _Route(_spelled(inner))
    area = found["area"] or ""
    return _Route(_spelled(inner), "bedrock", "global" if area == "global" else "regional" if area else "")


def _spelled(name: str) -> str:
    for ending in _SPELLINGS:
        name = name.removesuffix(ending)
    return name


def _taken_apart(name: str) -> _Parts | None:
    """Family, version and date, in whatever order; None for what is no name of this kind."""
    if joined := _JOINED.fullmatch(name):
        name = f"claude-{joined[1]}-{joined[2]}"
    first, *tokens = _SEPARATORS.split(_spelled(name))
    if first != "claude":
        return None
    words: list[str] = []
    version: list[str] = []
    date = ""
    for token in tokens:
        if token.isascii() and token.isdigit():
            if len(token) == 8 and not date:
                date = token
            elif len(token) <= 2 and not date:
                version.append(token)
            else:
                return None
        elif token.isascii() and token.isalpha() and not date:
            words.append(token)
        elif (token, version) != ("v2", ["3", "5"]):  # what the clouds call the second edition of Sonnet 3.5
            return None
    return _Parts(tuple(words), tuple(version), date) if words and version else None

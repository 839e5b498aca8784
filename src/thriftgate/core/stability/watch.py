"""What breaks the prefixes of live traffic: fed with each request, bounded in memory and in work.

Of each application (key and model) the raw tools and system of its last few shapes are kept, in memory only. A request that
repeats one of them costs two comparisons at memory speed. Only a differing one is analysed, and only so often a minute.
What was counted can be kept over restarts; it holds no text of a prompt.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.models import TokenizerFamily
from thriftgate.core.request import Request
from thriftgate.core.stability.breaks import (
    NO_DOCUMENTS,
    Break,
    Head,
    find_break,
    find_document_break,
    first_documents,
    similar,
)

MEMORY = "stability"  # the name under which the ledger keeps the report
SHAPES_MAX = 4  # a main agent and its sub-agents under one key
ROWS_MAX = 32  # different breaks counted for one application; the rarest give way
_MINUTE_S = 60.0
_MESSAGES_BYTES_MAX = 262_144  # longer ones are not looked into for documents
_SNIFFED_BYTES = 4_096  # of the messages: where one of the first message's documents begins, if it has any
_DOCUMENTS = (b'"document"', b'"search_result"')


class BreakCount(Struct, frozen=True):
    """How often one application's prefix broke in one way. `last` shows the latest, of `last_s` (unix seconds);
    `tokens_lost` is the sum of what could have been read from the cache (an estimate)."""

    key: str
    model: str
    last: Break
    count: int
    tokens_lost: int
    last_s: float


class AppCount(Struct, frozen=True):
    """How many requests of an application were seen since `since_s` (unix seconds), and how many differing ones were not
    looked into, to save time."""

    key: str
    model: str
    requests: int
    unanalysed: int
    since_s: float


class StabilityReport(Struct, frozen=True):
    """What a watch has counted: the costliest breaks first. Holds no text of a prompt."""

    apps: tuple[AppCount, ...]
    breaks: tuple[BreakCount, ...]


class _Shape:
    """One form of an application's head, and its first documents as last seen."""

    __slots__ = ("documents", "head")

    def __init__(self, head: Head, documents: tuple[bytes, ...]) -> None:
        self.head = head
        self.documents = documents

    @property
    def weight(self) -> int:
        return len(self.head.tools) + len(self.head.system) + 8 * len(self.documents) + 200


class _App:
    __slots__ = ("counts", "looked", "minute_s", "requests", "shapes", "since_s", "unanalysed")

    def __init__(self, since_s: float) -> None:
        self.shapes: list[_Shape] = []
        self.counts: dict[tuple[str, str, str], BreakCount] = {}
        self.requests = self.unanalysed = self.looked = 0
        self.minute_s = 0.0
        self.since_s = since_s

    def may_look(self, now_s: float, limit: int) -> bool:
        if not 0 <= now_s - self.minute_s < _MINUTE_S:
            self.minute_s, self.looked = now_s, 0
        self.looked += 1
        return self.looked <= limit

    def count(self, fresh: BreakCount) -> None:
        """Add to what was counted of the same way to break."""
        last = fresh.last
        row = (last.cause, last.where, last.pattern if last.cause in ("date", "id") else "")
        known = self.counts.get(row)
        if known is not None:
            later = fresh if fresh.last_s >= known.last_s else known
            fresh = replace(later, count=known.count + fresh.count, tokens_lost=known.tokens_lost + fresh.tokens_lost)
        self.counts[row] = fresh
        if len(self.counts) > ROWS_MAX:
            del self.counts[min((one.count, key) for key, one in self.counts.items() if key != row)[1]]


class StabilityWatch:
    """Owned by one engine. Holds at most `apps_max` applications and `bytes_max` bytes of their prompts; the least
    recently used goes first, its counts with it."""

    def __init__(self, apps_max: int = 256, bytes_max: int = 16 * 1024 * 1024, analyses_per_minute: int = 6) -> None:
        self.apps_max = apps_max
        self.bytes_max = bytes_max
        self.analyses_per_minute = analyses_per_minute
        self._bytes = 0
        self._apps: OrderedDict[tuple[str, str], _App] = OrderedDict()

    @property
    def bytes_held(self) -> int:
        """Bytes of prompts held."""
        return self._bytes

    def see(self, key: str, request: Request, family: TokenizerFamily, now_s: float) -> Break | None:
        """Take notice of a request (unix seconds) and tell what broke its prefix. None where nothing did, where no earlier
        request is like it, or where this application has been looked into often enough this minute."""
        if not ("tools" in request.members or "system" in request.members or _has_documents(request)):
            return None
        app = self._app(key, request.model, now_s)
        app.requests += 1
        known = next((shape for shape in app.shapes if _repeats(request, shape.head)), None)
        if known is not None:
            if app.shapes[0] is not known:
                app.shapes.remove(known)
                app.shapes.insert(0, known)
            if not _has_documents(request):
                return None
        if self._is_too_long(request) or not app.may_look(now_s, self.analyses_per_minute):
            app.unanalysed += known is None
            return None
        found = self._look(app, known, request, family)
        if found is not None:
            app.count(BreakCount(key, request.model, found, 1, found.tokens_behind, now_s))
        self._forget()
        return found

    def report(self) -> StabilityReport:
        """What was counted so far."""
        apps = [AppCount(*name, app.requests, app.unanalysed, app.since_s) for name, app in self._apps.items()]
        breaks = [one for app in self._apps.values() for one in app.counts.values()]
        return StabilityReport(tuple(apps), tuple(sorted(breaks, key=lambda one: (-one.tokens_lost, -one.count))))

    def kept(self) -> bytes:
        """The report, to be added to at the next start, and for `cache doctor`."""
        return msgspec.json.encode(self.report())

    def restore(self, data: bytes) -> None:
        """Add what was counted before. Raises ValueError for what is no report; then nothing is changed."""
        report = read_report(data)
        for app in report.apps:
            counted = self._app(app.key, app.model, app.since_s)
            counted.requests += app.requests
            counted.unanalysed += app.unanalysed
            counted.since_s = min(counted.since_s, app.since_s)
        for one in report.breaks:
            known = self._apps.get((one.key, one.model))
            if known is not None:
                known.count(one)

    def _app(self, key: str, model: str, now_s: float) -> _App:
        app = self._apps.get((key, model))
        if app is None:
            app = self._apps[key, model] = _App(now_s)
            while len(self._apps) > self.apps_max:
                self._drop_oldest()
        else:
            self._apps.move_to_end((key, model))
        return app

    def _look(self, app: _App, known: _Shape | None, request: Request, family: TokenizerFamily) -> Break | None:
        head = known.head if known is not None else Head(request.raw("tools"), request.raw("system"))
        before = known or next((shape for shape in app.shapes if similar(shape.head, head)), None)
        documents = first_documents(request.raw("messages"), family) if _has_documents(request) else NO_DOCUMENTS
        fresh = _Shape(head, documents.digests or (before.documents if before is not None else ()))
        if before is not None:
            app.shapes.remove(before)
            self._bytes -= before.weight
        app.shapes.insert(0, fresh)
        self._bytes += fresh.weight
        if len(app.shapes) > SHAPES_MAX:
            self._bytes -= app.shapes.pop().weight
        if before is None:
            return None
        found = find_break(before.head, head, family) if known is None else None
        if found is None and documents.digests:
            found = find_document_break(before.documents, documents, head)
        return found

    def _is_too_long(self, request: Request) -> bool:
        """Whether the head alone would push many others out."""
        members = [request.members[name] for name in ("tools", "system") if name in request.members]
        return sum(member.end - member.start for member in members) > self.bytes_max // 4

    def _forget(self) -> None:
        while self._bytes > self.bytes_max and self._apps:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, app = self._apps.popitem(last=False)
        self._bytes -= sum(shape.weight for shape in app.shapes)


def read_report(data: bytes) -> StabilityReport:
    """What a watch has kept. Raises ValueError for anything else."""
    try:
        return msgspec.json.decode(data, type=StabilityReport)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"this is no kept report: {error}") from None


def _repeats(request: Request, head: Head) -> bool:
    """Whether tools and system are these bytes, told without a copy."""
    for name, known in (("tools", head.tools), ("system", head.system)):
        member = request.members.get(name)
        if member is None:
            if known:
                return False
        elif member.end - member.start != len(known) or not request.body.startswith(known, member.start):
            return False
    return True


def _has_documents(request: Request) -> bool:
    _, start, end = request.members["messages"]
    if end - start > _MESSAGES_BYTES_MAX:
        return False
    return any(request.body.find(word, start, min(end, start + _SNIFFED_BYTES)) >= 0 for word in _DOCUMENTS)

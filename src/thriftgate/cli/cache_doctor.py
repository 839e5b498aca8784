"""What `thriftgate cache doctor` finds: in recorded requests, or in what a gateway has seen."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, Literal

from msgspec import UNSET, Raw, Struct, UnsetType

from thriftgate.cli.books import ask_books
from thriftgate.cli.output import note, percent, print_table, say
from thriftgate.core.blocks import lenient
from thriftgate.core.errors import InputError, LedgerError
from thriftgate.core.generations import Generations
from thriftgate.core.memo import PartMemo
from thriftgate.core.models import Capabilities
from thriftgate.core.moments import text_from_micros
from thriftgate.core.prefix import read_prefix
from thriftgate.core.request import Request, parse_request
from thriftgate.core.stability.breaks import ADVICE, Cause
from thriftgate.core.stability.rewrite import LEVER, StabilisePolicy, stabilise
from thriftgate.core.stability.watch import MEMORY, AppCount, BreakCount, StabilityReport, StabilityWatch, read_report
from thriftgate.pricing.load import load_models

BOUNDARIES_MAX = 1_000_000  # prefix boundaries remembered of one application, 16 bytes each and what a dict adds
_ALL = StabilisePolicy(split_volatile=True, order_tools=True, order_documents=True, stable_json=True)
_NO_LIMIT = sys.maxsize


class BreakFound(Struct, frozen=True):
    """One way in which an application's prefix breaks; `switch` is that of `cache.stabilise`, "" where there is none. `last`
    is when it did so last, None for recorded requests."""

    cause: Cause
    where: str
    pattern: str
    at_block: int
    offset_chars: int
    count: int
    tokens_lost: int
    fix: str
    switch: str
    last: str | None


class AppFound(Struct, frozen=True):
    """One application. `unanalysed` of `requests` differed and were not looked into, to save time. `tokens_shared` of
    `tokens` stood in an earlier request's prefix; `tokens_shared_stabilised` is the same with every switch of
    `cache.stabilise` on, which changes `changed` requests and must leave others alone. What only the requests themselves can
    tell is None for a gateway's; `since`, when that saw the first one, is None for recorded ones."""

    key: str
    model: str
    since: str | None
    requests: int
    unanalysed: int
    tokens: int | None
    tokens_shared: int | None
    tokens_shared_stabilised: int | None
    changed: int | None
    left_alone: dict[str, int]
    breaks: list[BreakFound]


class Findings(Struct, frozen=True):
    """All of it; `unreadable` counts lines by what was wrong with them."""

    requests: int
    unreadable: dict[str, int]
    apps: list[AppFound]


class _Line(Struct):
    key: str = ""
    request: Raw | UnsetType = UNSET
    params: Raw | UnsetType = UNSET
    body: Raw | UnsetType = UNSET


class _Sharing:
    """How many tokens stood in the prefix of an earlier request."""

    def __init__(self) -> None:
        self.tokens = self.shared = 0
        self._memo = PartMemo()
        self._seen: Generations[bytes, Literal[True]] = Generations(BOUNDARIES_MAX)

    def add(self, request: Request, capability: Capabilities) -> None:
        """Raises InputError where the request has no readable prompt."""
        prefix = read_prefix(request, capability, self._memo, b"")
        total = (0, *accumulate(block.part.tokens for block in prefix.blocks))
        known = self._seen.among(prefix.chain)
        self.shared += next((total[at + 1] for at in reversed(range(len(prefix.chain))) if prefix.chain[at] in known), 0)
        self.tokens += total[-1]
        for digest in prefix.chain:
            self._seen[digest] = True


class _App:
    def __init__(self, key: str, capability: Capabilities) -> None:
        self.key = key
        self.capability = capability
        self.requests = self.changed = 0
        self.left_alone: Counter[str] = Counter()
        self.as_sent = _Sharing()
        self.stabilised = _Sharing()

    def add(self, request: Request) -> None:
        """Raises InputError where the request has no readable prompt."""
        self.as_sent.add(request, self.capability)
        result = stabilise(request, self.capability, _ALL)
        changed = result.body is not request.body
        self.stabilised.add(parse_request(result.body, needs_max_tokens=False) if changed else request, self.capability)
        self.requests += 1
        self.changed += changed
        if result.aside:
            self.left_alone[result.aside] += 1

    def found(self, model: str, report: StabilityReport) -> AppFound:
        return AppFound(
            key=self.key,
            model=model,
            since=None,
            requests=self.requests,
            unanalysed=0,
            tokens=self.as_sent.tokens,
            tokens_shared=self.as_sent.shared,
            tokens_shared_stabilised=self.stabilised.shared,
            changed=self.changed,
            left_alone=dict(self.left_alone),
            breaks=_breaks_of(self.key, model, report, timed=False),
        )


def examine(file: str) -> Findings:
    """Read the requests and compare each with the one before it. Raises InputError where there is none to read."""
    models = load_models()
    watch = StabilityWatch(apps_max=_NO_LIMIT, bytes_max=_NO_LIMIT, analyses_per_minute=_NO_LIMIT)
    apps: dict[tuple[str, str], _App] = {}
    unreadable: Counter[str] = Counter()
    for line in _lines(file):
        try:
            key, request = _read(line)
            capability = models[request.model]
            app = apps.setdefault((key, request.model), _App(key, capability))
            app.add(request)
        except InputError as error:
            unreadable[_reason(error)] += 1
        else:
            watch.see(key, request, capability.tokenizer, 0.0)
    apps = {name: app for name, app in apps.items() if app.requests}
    if not apps:
        told = "; ".join(f"{reason} ({count})" for reason, count in unreadable.most_common(3))
        raise InputError(f"{_named(file)} holds no request body, one a line: {told or 'it is empty'}")
    report = watch.report()
    found = [app.found(model, report) for (_, model), app in apps.items()]
    return Findings(sum(app.requests for app in found), dict(unreadable), found)


def remembered(path: str) -> Findings:
    """What the gateway of this ledger has put down, the costliest application first. Raises ConfigError where there is no
    such ledger, LedgerError where it cannot be read."""
    data = ask_books(path, lambda books: books.kept(MEMORY))
    if data is None:
        return Findings(0, {}, [])
    try:
        report = read_report(data)
    except ValueError as error:
        raise LedgerError(f"{path}: {error}") from None
    apps = [_app_found(app, report) for app in report.apps]
    apps.sort(key=lambda app: (-sum(one.tokens_lost for one in app.breaks), app.key, app.model))
    return Findings(sum(app.requests for app in apps), {}, apps)


def print_findings(findings: Findings) -> None:
    """For people."""
    for reason, count in findings.unreadable.items():
        note(f"{count} line{'s' * (count > 1)} left out: {reason}")
    if not findings.apps:
        note("the ledger holds nothing about prefixes yet: a gateway puts it down every five minutes, and at its end")
    for app in findings.apps:
        _print_app(app)
    if any(app.breaks for app in findings.apps):
        say("Tokens are estimates of what could have been read from the cache, had its entries still been alive.")
    if any(app.since for app in findings.apps):
        say(f"Counted on what clients send, whatever {LEVER} then mends.")


def _print_app(app: AppFound) -> None:
    since = f" since {app.since}" if app.since else ""
    say(f"{f'{app.key}, ' if app.key else ''}{app.model}: {app.requests} request{'s' * (app.requests > 1)}{since}")
    if app.breaks:
        columns = ("cause", "where", "what", "switch", *(("last",) if app.since else ()), "times", "tokens lost")
        print_table(columns, [_row(one) for one in app.breaks], left=len(columns) - 2)
        for cause in dict.fromkeys(one.cause for one in app.breaks):
            say(f"-> {cause.replace('_', ' ')}: {ADVICE[cause]}")
    else:
        say("Nothing breaks its prefix." if not app.unanalysed else "Nothing was found to break its prefix.")
    if app.unanalysed:
        say(f"{app.unanalysed} more that differed were not looked into, to save time.")
    if app.tokens is not None and app.tokens_shared is not None and app.tokens_shared_stabilised is not None:
        say(
            f"Of {app.tokens:,} prompt tokens {app.tokens_shared:,} ({percent(app.tokens_shared, app.tokens)}) repeat an "
            f"earlier prefix; with {LEVER} and all its switches {app.tokens_shared_stabilised:,} "
            f"({percent(app.tokens_shared_stabilised, app.tokens)})."
        )
    for reason, count in app.left_alone.items():
        say(f"{LEVER} would leave {count} of the requests alone: {reason}.")


def _row(one: BreakFound) -> tuple[str, ...]:
    words = (one.cause.replace("_", " "), one.where, one.pattern or "-", one.switch or "-")
    return *words, *((one.last[:10],) if one.last else ()), f"{one.count:,}", f"{one.tokens_lost:,}"


def _app_found(app: AppCount, report: StabilityReport) -> AppFound:
    return AppFound(
        key=app.key,
        model=app.model,
        since=_text(app.since_s),
        requests=app.requests,
        unanalysed=app.unanalysed,
        tokens=None,
        tokens_shared=None,
        tokens_shared_stabilised=None,
        changed=None,
        left_alone={},
        breaks=_breaks_of(app.key, app.model, report, timed=True),
    )


def _breaks_of(key: str, model: str, report: StabilityReport, *, timed: bool) -> list[BreakFound]:
    return [_break_found(one, timed=timed) for one in report.breaks if (one.key, one.model) == (key, model)]


def _text(moment_s: float) -> str:
    return text_from_micros(int(moment_s * 1e6))


def _break_found(one: BreakCount, *, timed: bool) -> BreakFound:
    last = one.last
    return BreakFound(
        cause=last.cause,
        where=last.where,
        pattern=last.pattern,
        at_block=last.at_block,
        offset_chars=last.offset_chars,
        count=one.count,
        tokens_lost=one.tokens_lost,
        fix=ADVICE[last.cause],
        switch=last.switch,
        last=_text(one.last_s) if timed else None,
    )


def _lines(file: str) -> Iterator[bytes]:
    if file == "-":
        yield from _filled(sys.stdin.buffer)
        return
    if file.startswith("-"):
        raise InputError(f"unknown option {file}; to read a file of that name write ./{file}")
    try:
        with Path(file).open("rb") as lines:
            yield from _filled(lines)
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from None


def _filled(lines: BinaryIO) -> Iterator[bytes]:
    return (line.strip() for line in lines if not line.isspace())


def _read(line: bytes) -> tuple[str, Request]:
    """The application's name and the request of a line. Raises InputError."""
    outer = lenient(line, _Line) or _Line()
    inner = next((raw for raw in (outer.request, outer.params, outer.body) if isinstance(raw, Raw)), None)
    return outer.key, parse_request(line if inner is None else bytes(inner), needs_max_tokens=False)


def _reason(error: InputError) -> str:
    """What was wrong, without where in the line: reasons are counted."""
    return str(error).partition(" (byte")[0]


def _named(file: str) -> str:
    return "standard input" if file == "-" else file

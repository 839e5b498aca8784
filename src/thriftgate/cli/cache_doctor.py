"""What `thriftgate cache doctor` finds in recorded requests."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, Literal

from msgspec import UNSET, Raw, Struct, UnsetType

from thriftgate.cli.output import note, percent, print_table, say
from thriftgate.core.blocks import lenient
from thriftgate.core.errors import InputError
from thriftgate.core.generations import Generations
from thriftgate.core.memo import PartMemo
from thriftgate.core.models import Capabilities
from thriftgate.core.prefix import read_prefix
from thriftgate.core.request import Request, parse_request
from thriftgate.core.stability.breaks import ADVICE, Cause
from thriftgate.core.stability.rewrite import LEVER, StabilisePolicy, stabilise
from thriftgate.core.stability.watch import BreakCount, StabilityWatch
from thriftgate.pricing.load import load_models

BOUNDARIES_MAX = 1_000_000  # prefix boundaries remembered of one application, 16 bytes each and what a dict adds
_ALL = StabilisePolicy(split_volatile=True, order_tools=True, order_documents=True, stable_json=True)
_NO_LIMIT = sys.maxsize


class BreakFound(Struct, frozen=True):
    """One way in which an application's prefix breaks; `switch` is that of `cache.stabilise`, "" where there is none."""

    cause: Cause
    where: str
    pattern: str
    at_block: int
    offset_chars: int
    count: int
    tokens_lost: int
    fix: str
    switch: str


class AppFound(Struct, frozen=True):
    """One application. `tokens_shared` of `tokens` stood in an earlier request's prefix; `tokens_shared_stabilised` is the
    same with every switch of `cache.stabilise` on, which changes `changed` requests and must leave others alone."""

    key: str
    model: str
    requests: int
    tokens: int
    tokens_shared: int
    tokens_shared_stabilised: int
    changed: int
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

    def found(self, model: str, breaks: list[BreakCount]) -> AppFound:
        return AppFound(
            self.key,
            model,
            self.requests,
            self.as_sent.tokens,
            self.as_sent.shared,
            self.stabilised.shared,
            self.changed,
            dict(self.left_alone),
            [_break_found(one) for one in breaks],
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
    breaks = watch.report().breaks
    found = [
        app.found(model, [one for one in breaks if (one.key, one.model) == (key, model)])
        for (key, model), app in apps.items()
    ]
    return Findings(sum(app.requests for app in found), dict(unreadable), found)


def print_findings(findings: Findings) -> None:
    """For people."""
    for reason, count in findings.unreadable.items():
        note(f"{count} line{'s' * (count > 1)} left out: {reason}")
    for app in findings.apps:
        say(f"{f'{app.key}, ' if app.key else ''}{app.model}: {app.requests} request{'s' * (app.requests > 1)}")
        if app.breaks:
            rows = [_row(one) for one in app.breaks]
            print_table(("cause", "where", "what", "switch", "times", "tokens lost"), rows, left=4)
            for cause in dict.fromkeys(one.cause for one in app.breaks):
                say(f"-> {cause.replace('_', ' ')}: {ADVICE[cause]}")
        else:
            say("Nothing breaks its prefix.")
        say(
            f"Of {app.tokens:,} prompt tokens {app.tokens_shared:,} ({percent(app.tokens_shared, app.tokens)}) repeat an "
            f"earlier prefix; with {LEVER} and all its switches {app.tokens_shared_stabilised:,} "
            f"({percent(app.tokens_shared_stabilised, app.tokens)})."
        )
        for reason, count in app.left_alone.items():
            say(f"{LEVER} would leave {count} of the requests alone: {reason}.")


def _row(one: BreakFound) -> tuple[str, ...]:
    cause = one.cause.replace("_", " ")
    return cause, one.where, one.pattern or "-", one.switch or "-", f"{one.count:,}", f"{one.tokens_lost:,}"


def _break_found(one: BreakCount) -> BreakFound:
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

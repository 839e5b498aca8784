"""The bill, as the log tells it: calls summed by what they share a rate card with, priced exactly, with an error bar.

Cost is linear in tokens for calls of one model, mode, geography and UTC day whose prompts lie on the same side of each price
step, so those are summed by the database and priced once (`core/cost.pico_at`). Calls billed by iteration are priced one by
one. Groups come in order of session, so that of many sessions only the dearest need be held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from thriftgate.audit.calls import Calls
from thriftgate.audit.findings import DayModel, Kinds, Money, Part, Unpriced
from thriftgate.audit.names import Named, resolve
from thriftgate.core.cost import pico_at, price_usage, refusal_is_billed
from thriftgate.core.errors import UnknownPrice
from thriftgate.core.money import price_tokens
from thriftgate.core.prices import FOREVER_DAY, Mode, PriceBook, Rates, Terms
from thriftgate.core.usage import Iteration, Tokens, Usage

TOP = 20
SESSIONS_KEPT = 1_000
BY_TOTALS = "iterations in ('', '[]')"
"""Which calls are billed by their totals and not by iteration, in SQL."""

WINDOW = 200_000
"""The length that the usage report's windows are parted by, "0-200k" and "200k-1M"
(platform.claude.com/docs/en/api/admin-api/usage-cost/get-messages-usage-report, 2026-08)."""

_DAY_US = 86_400_000_000
_ITERATIONS = msgspec.json.Decoder(tuple[Iteration, ...])


class Priced(NamedTuple):
    """What some calls that share a rate card cost, by kind of token. `plain` is the same without any caching."""

    cost: Money
    kinds: Kinds
    plain: int


class Alike(Struct, frozen=True):
    """Calls that share a rate card. `prompt` is the length of one of their prompts; of sums, which do not tell it, the
    likeliest. It lies between `shortest` and `longest`."""

    model: str
    mode: Mode
    geo: str
    day: int
    prompt: int
    shortest: int
    longest: int
    key: str
    project: str
    session: str
    calls: int
    tokens: Tokens
    unsplit: int
    floor_extra: int
    untold: int
    searches: int
    old_tokens: int
    new_tokens: int
    refusal: str | None


class Accounts:
    """Sums over an audit's calls. `sessions` are the dearest ones, `other_sessions` all the others together."""

    def __init__(self) -> None:
        self.calls = 0
        self.total = Sum()
        self.models: dict[str, Sum] = {}
        self.keys: dict[str, Sum] = {}
        self.projects: dict[str, Sum] = {}
        self.sessions: dict[str, Sum] = {}
        self.other_sessions = Sum()
        self.others = 0
        self.days: dict[tuple[int, str], Sum] = {}
        self.unpriced: dict[tuple[str, str], list[int]] = {}

    def add(self, alike: Alike, priced: Priced) -> None:
        """Add calls to each sum they belong to. Those of one session come one after the other."""
        self.calls += alike.calls
        places = (
            self.total,
            _at(self.models, alike.model),
            _at(self.keys, alike.key),
            _at(self.projects, alike.project),
            _at(self.sessions, alike.session),
            _at(self.days, (alike.day, alike.model)),
        )
        for place in places:
            place.add(alike.calls, priced)
        if len(self.sessions) > 2 * SESSIONS_KEPT:
            self._let_go(alike.session)

    def _let_go(self, current: str) -> None:
        """Put the cheaper sessions together. Nothing more comes of any but the current one."""
        by_cost = sorted(self.sessions, key=lambda name: (name == current, self.sessions[name].cost.pico), reverse=True)
        for name in by_cost[SESSIONS_KEPT:]:
            self.other_sessions.merge(self.sessions.pop(name))
            self.others += bool(name)

    def session_count(self) -> int:
        """How many sessions there are."""
        return self.others + sum(1 for name in self.sessions if name)

    def fail(self, alike: Alike, reason: str) -> None:
        """Calls without a price."""
        sums = self.unpriced.setdefault((alike.model, reason), [0, 0])
        sums[0] += alike.calls
        sums[1] += alike.tokens.prompt + alike.tokens.output

    def unpriced_rows(self) -> tuple[Unpriced, ...]:
        rows = (Unpriced(model, calls, tokens, reason) for (model, reason), (calls, tokens) in self.unpriced.items())
        return tuple(sorted(rows, key=lambda row: -row.tokens))

    def day_rows(self) -> tuple[DayModel, ...]:
        return tuple(
            DayModel(day, model, one.calls, one.kinds(), one.cost.pico) for (day, model), one in sorted(self.days.items())
        )


class Sum:
    """Calls and money of one place. Kinds are kept as a list in the order of the fields of `Kinds`."""

    __slots__ = ("_kinds", "calls", "cost", "plain")

    def __init__(self) -> None:
        self.calls = 0
        self.cost = Money()
        self.plain = 0
        self._kinds = [0] * len(Kinds.__struct_fields__)

    def add(self, calls: int, priced: Priced) -> None:
        self.calls += calls
        self.cost += priced.cost
        self.plain += priced.plain
        self._kinds = [one + other for one, other in zip(self._kinds, msgspec.structs.astuple(priced.kinds), strict=True)]

    def merge(self, other: Sum) -> None:
        """Add all of another place."""
        self.add(other.calls, Priced(other.cost, other.kinds(), other.plain))

    def kinds(self) -> Kinds:
        return Kinds(*self._kinds)


def _at(sums: dict[Any, Sum], name: object) -> Sum:
    found = sums.get(name)
    if found is None:
        found = sums[name] = Sum()
    return found


def parts(sums: dict[str, Sum], *, top: int = TOP, unnamed: str = "") -> tuple[Part, ...]:
    """The dearest of them, by cost; a name that is not told is called `unnamed`, and left out where that is ""."""
    named = [(name or unnamed, one) for name, one in sums.items() if name or unnamed]
    named.sort(key=lambda pair: (-pair[1].cost.pico, pair[0]))
    return tuple(Part(name, one.calls, one.cost, one.kinds(), one.plain) for name, one in named[:top])


def account(calls: Calls, book: PriceBook) -> Accounts:
    """Price every call of the table `calls`. What has no price is put down as such."""
    accounts = Accounts()
    for alike, iterations in groups(calls, book, by_place=True):
        try:
            priced = _by_iteration(alike, iterations, book) if iterations else price(alike, book)
        except UnknownPrice as error:
            accounts.fail(alike, str(error))
            continue
        accounts.add(alike, priced)
    for alike, charge, kind in _charges(calls, book):
        kinds = Kinds(**{f"{kind}_pico" if kind in _BUCKETS else "fees_pico": charge})
        accounts.add(alike, Priced(Money(charge, charge, charge), kinds, charge))
    return accounts


_BUCKETS = frozenset(("input", "write_5m", "write_1h", "read", "output"))


def price(alike: Alike, book: PriceBook) -> Priced:
    """What these calls cost. Raises UnknownPrice."""
    terms = Terms(alike.model, alike.day, alike.mode, alike.geo)
    rates = book.rates(terms, alike.prompt)
    if _is_free(alike):
        return Priced(Money(), Kinds(), 0)
    tokens = alike.tokens
    fees = alike.searches * book.web_search_pico
    pico = pico_at(tokens, rates) + fees
    kinds = Kinds(
        tokens.input,
        tokens.write_5m,
        tokens.write_1h,
        tokens.read,
        tokens.output,
        price_tokens(tokens.input, rates.input),
        price_tokens(tokens.write_5m, rates.write_5m),
        price_tokens(tokens.write_1h, rates.write_1h),
        price_tokens(tokens.read, rates.read),
        price_tokens(tokens.output, rates.output),
        fees,
    )
    low, high = _bounds(alike, book.rates(terms, alike.shortest), book.rates(terms, alike.longest))
    return Priced(
        Money(pico, min(pico, low + fees), max(pico, high + fees)), kinds, pico_at(tokens.uncached(), rates) + fees
    )


def _bounds(alike: Alike, least: Rates, most: Rates) -> tuple[int, int]:
    """The least and the most that the tokens can have cost: prompts of untold length at either end of what they can be,
    prompts of which nobody says what was cached all read or all written, writes of untold life for five minutes or an hour,
    an output of which only the beginning is known as long as the text."""
    tokens, untold = alike.tokens, alike.untold
    low = pico_at(tokens, least) - price_tokens(untold, max(0, least.input - least.read))
    dearest = max(most.input, most.write_5m, most.write_1h)
    high = (
        pico_at(tokens, most)
        + price_tokens(untold, dearest - most.input)
        + price_tokens(alike.unsplit, max(0, most.write_1h - most.write_5m))
        + price_tokens(alike.floor_extra, most.output)
    )
    return low - price_tokens(alike.unsplit, max(0, least.write_5m - least.write_1h)), high


def _is_free(alike: Alike) -> bool:
    return alike.refusal is not None and not refusal_is_billed(alike.refusal, output_tokens=0, day=alike.day)


def _by_iteration(alike: Alike, text: str, book: PriceBook) -> Priced:
    """A single call whose bill is the sum of its iterations. Raises UnknownPrice."""
    iterations = tuple(
        Iteration(one.kind, one.tokens, resolve(one.model, book).model if one.model else "")
        for one in _ITERATIONS.decode(text)
    )
    terms = Terms(alike.model, alike.day, alike.mode, alike.geo)
    cost = price_usage(Usage(alike.tokens, alike.searches, iterations), terms, book)
    if _is_free(alike):
        return Priced(Money(), Kinds(), 0)
    uncached = tuple(Iteration(one.kind, one.tokens.uncached(), one.model) for one in iterations)
    plain = price_usage(Usage(alike.tokens, alike.searches, uncached), terms, book)
    sums = dict.fromkeys(Kinds.__struct_fields__, 0)
    for line in cost.lines:
        if line.kind == "web_search":
            sums["fees_pico"] += line.pico
        else:
            sums[line.kind] += line.quantity
            sums[f"{line.kind}_pico"] += line.pico
    return Priced(Money(cost.pico, cost.pico, cost.pico), Kinds(**sums), plain.pico)


def groups(
    calls: Calls, book: PriceBook, where: str = "true", *, by_place: bool = False, steps: Iterable[int] = ()
) -> Iterator[tuple[Alike, str]]:
    """Calls summed, and the iterations of those that are billed by them. `where` narrows the calls, in SQL of our own.
    `by_place`: apart by key, project and session, in order of session; without, these are "" and there are few groups.
    `steps` are lengths of prompts to tell apart besides those where a price changes."""
    edges = sorted({*(row.above_tokens for row in book.rows if row.above_tokens), *steps})
    places = ("key", "project", "session")
    same = ["model", "mode", "geo", "day", *(place if by_place else f"'' as {place}" for place in places), "refusal"]
    lengths = ("likely", "shortest", "longest")
    sides = ", ".join(" + ".join(f"({length} > {edge})::int" for edge in edges) or "0" for length in lengths)
    summed = ", ".join(f"sum({term})::bigint" for term in _SUMMED)
    query = (
        f"with sized as ({_SIZED} from calls where kind <> 'charge' and ({where})),"
        f" told as (select *, {_LENGTHS} from sized)"
        f" select {', '.join(same)}, {', '.join(f'max({length})' for length in lengths)}, {summed}, '' from told"
        f" where {BY_TOTALS} group by model, mode, geo, day, refusal, {sides}{', key, project, session' if by_place else ''}"
        f" union all select {', '.join(same)}, {', '.join(lengths)}, {', '.join(_SUMMED)}, iterations from told"
        f" where not ({BY_TOTALS}){' order by session' if by_place else ''}"
    )
    for row in calls.rows(query):
        yield _alike(row, book), row[-1]


_SIZED = (
    f"select *, at_us // {_DAY_US} as day, input + write_5m + write_1h + write_unsplit + read as whole,"
    " case when calls > 0 then whole // calls else 0 end as average,"
    " case when stop_reason = 'refusal' and output = 0 then stop_category end as refusal"
)
_LENGTHS = (
    f"case when calls = 1 then whole when starts_with(context_window, '200k') then greatest({WINDOW + 1}, average)"
    f" when starts_with(context_window, '0-200k') then least({WINDOW}, average) else average end as likely,"
    f" case when calls = 1 then whole when starts_with(context_window, '200k') then {WINDOW + 1} else 0 end as shortest,"
    f" case when calls <> 1 and starts_with(context_window, '0-200k') then least({WINDOW}, whole) else whole end as longest"
)
"""How long a prompt was. Of several together, as the window says, and on average; of an untold number, short."""

_SUMMED = (
    "calls", "input", "write_5m + write_unsplit", "write_1h", "read", "output", "write_unsplit",
    "case when output_is_floor then greatest(0, output_high - output) else 0 end",
    "case when cache_untold then input else 0 end", "web_searches", "old_tokens", "new_tokens",
)  # fmt: skip


def _alike(row: Sequence[Any], book: PriceBook) -> Alike:
    model, mode, geo, day, key, project, session, refusal, prompt, shortest, longest, told = row[:12]
    named = resolve(model, book)
    return Alike(
        model=named.model,
        mode=named.mode if named.mode and mode == "standard" else mode,
        geo=priced_geo(geo, named, book),
        day=min(int(day), FOREVER_DAY),
        prompt=prompt,
        shortest=min(prompt, shortest),
        longest=max(prompt, longest),
        key=key,
        project=project,
        session=session,
        calls=told,
        tokens=Tokens(*row[12:17]),
        unsplit=row[17],
        floor_extra=row[18],
        untold=row[19],
        searches=row[20],
        old_tokens=row[21],
        new_tokens=row[22],
        refusal=refusal,
    )


def priced_geo(told: str, named: Named, book: PriceBook) -> str:
    """The geography a call is priced in: what the response reports counts before what the model's name implies. A region is
    no surcharge for a model that knows none."""
    if told == "regional" and not any(row.geo == told and named.model in row.models for row in book.geos):
        return "global"
    return told if told not in ("", "not_available") else named.geo or "global"


def _charges(calls: Calls, book: PriceBook) -> Iterable[tuple[Alike, int, str]]:
    """Rows of the provider's own bill."""
    query = (
        f"select model, mode, geo, at_us // {_DAY_US}, key, project, session, null, 0, 0, 0, calls{', 0' * 11}, bill_pico,"
        " token_type from calls where kind = 'charge' order by session"
    )
    for row in calls.rows(query):
        yield _alike(row, book), row[23], row[24]

"""Findings to show: a rich one, an empty one, one of day sums, and some that no real log should hold. Sums agree."""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec.structs import asdict, replace

from thriftgate.audit.findings import (
    Action,
    DayModel,
    Findings,
    Gap,
    Kinds,
    Lever,
    MissSum,
    Money,
    Part,
    PolicyResult,
    Replayed,
    SourceSum,
    Unpriced,
)

DAY = 20_667  # 2 August 2026
DAY_US = 86_400_000_000
USD = 10**12
NASTY = '<script>alert("x")</script>\'&'

EMPTY = Findings(
    sources=(),
    depth="day",
    calls=0,
    duplicates=0,
    skipped={},
    skipped_examples={},
    unpriced=(),
    first_us=0,
    last_us=0,
    months=0.0,
    price_book="built in, 2026-11-20",
    cost=Money(),
    baseline_pico=0,
    reported_pico=None,
    kinds=Kinds(),
    by_model=(),
    by_key=(),
    by_project=(),
    by_session=(),
    sessions=0,
    days=(),
    gaps=(),
    replay=None,
    policies=(),
    misses=(),
    actions=(),
    levers=(),
)


UNREAD = replace(
    EMPTY,
    skipped={"unknown_format": 2, "lines": 0, "not_a_call": 7, "empty_file": 1, "malformed": 4},
    skipped_examples={"unknown_format": ("logs/notes.bin", "logs/b.bin"), "malformed": ("logs/a.jsonl:3",)},
    levers=(Lever("prices and models", judged=True, needs="day", reason="sums of tokens are enough"),),
)


def exact(pico: int) -> Money:
    return Money(pico, pico, pico)


def about(pico: int, error: int) -> Money:
    return Money(pico, pico - error, pico + error)


def kinds_of(prompt: int, hit: float, rate: int) -> Kinds:
    """Plausible buckets of a prompt; `rate` is pico-USD per input token."""
    read = int(prompt * hit)
    written = (prompt - read) * 4 // 5
    plain, hour, output = prompt - read - written, written // 3, prompt // 60
    return Kinds(
        input=plain,
        write_5m=written - hour,
        write_1h=hour,
        read=read,
        output=output,
        input_pico=plain * rate,
        write_5m_pico=(written - hour) * rate * 5 // 4,
        write_1h_pico=hour * rate * 2,
        read_pico=read * rate // 10,
        output_pico=output * rate * 5,
    )


def pico(kinds: Kinds) -> int:
    return sum(value for name, value in asdict(kinds).items() if name.endswith("_pico"))


def added(many: Iterable[Kinds]) -> Kinds:
    total = dict.fromkeys(Kinds.__struct_fields__, 0)
    for one in many:
        for name, value in asdict(one).items():
            total[name] += value
    return Kinds(**total)


MODELS = (("claude-opus-5-5", 5_000_000), ("claude-sonnet-5-5", 3_000_000), ("claude-haiku-5-5", 1_000_000))


def spending(models: Iterable[tuple[str, int]], days: int) -> tuple[DayModel, ...]:
    """A week's rhythm, growing, with one bad day for the cache."""
    found = []
    for place, (model, rate) in enumerate(models):
        for day in range(days):
            busy = (0.25 if (DAY + day) % 7 in (2, 3) else 1) * (1 + day / days) * (1 + 0.3 * math.sin(day * (place + 1)))
            hit = 0.4 if day % 17 == 9 else 0.86 - 0.04 * place + 0.03 * math.cos(day)
            kinds = kinds_of(int(9e6 * busy / (place + 1)), hit, rate)
            found.append(DayModel(DAY + day, model, int(120 * busy) + 1, kinds, pico(kinds)))
    return tuple(found)


def parts(days: Iterable[DayModel]) -> tuple[Part, ...]:
    by_model: dict[str, list[DayModel]] = {}
    for one in days:
        by_model.setdefault(one.model, []).append(one)
    found = []
    for model, rows in by_model.items():
        cost = sum(row.pico for row in rows)
        kinds = added(row.kinds for row in rows)
        found.append(Part(model, sum(row.calls for row in rows), about(cost, cost // 200), kinds, cost * 4))
    return tuple(sorted(found, key=lambda part: -part.cost.pico))


def split(total: Money, kinds: Kinds, names: Iterable[str]) -> tuple[Part, ...]:
    """Shares of a half, a quarter, an eighth …"""
    found = []
    for place, name in enumerate(names):
        share = 2 ** (place + 1)
        some = Kinds(**{field: value // share for field, value in asdict(kinds).items()})
        found.append(Part(name, 4096 // share, exact(total.pico // share), some, total.pico * 4 // share))
    return tuple(found)


def policy(name: str, family: str, title: str, asis: int, share: float, **more: object) -> PolicyResult:
    """One that costs `share` of as-is."""
    cost = int(asis * share)
    told = {"calls": 11_800, "cost": about(cost, cost // 60), "saved": about(asis - cost, cost // 60), **more}
    return PolicyResult(name=name, family=family, title=title, **told)  # type: ignore[arg-type]


def policies(asis: int) -> tuple[PolicyResult, ...]:
    def levers(share: float, *parts: tuple[str, float]) -> dict[str, int]:
        found = {name: int(asis * part) for name, part in parts}
        found["cache.breakpoints"] = asis - int(asis * share) - sum(found.values())
        return dict(sorted(found.items()))

    safe = levers(0.84, ("cache.keepalive", 0.035))
    every = levers(
        0.71, ("cache.keepalive", 0.03), ("cache.stabilise", 0.06), ("batch.defer", 0.08), ("output.effort", -0.01)
    )
    return (
        policy("as-is", "as-is", "As it is", asis, 1.0),
        policy("none", "plain", "No caching at all", asis, 4.1),
        policy("keepalive", "lever", "Keep-alive pings", asis, 0.97, levers={"cache.keepalive": asis - int(asis * 0.97)}),
        policy("safe", "levers", "All safe levers", asis, 0.84, levers=safe),
        policy("all", "levers", "All levers", asis, 0.71, levers=every, safe=False, note="answers may come later"),
        policy("P1", "client", "API automatic, 5 min", asis, 1.06),
        policy("P2", "client", "Claude Code 2.1", asis, 1.01),
        policy("P3", "client", "opencode 1.18", asis, 0.98),
        policy("P5", "client", "LangChain middleware 1.7", asis, 1.08),
        policy("P10", "client", "autocache aggressive", asis, 1.9),
        policy("haiku", "what-if", "Haiku for side questions", asis, 0.93, safe=False, note="answers change; tokens scaled"),
        policy("P17", "bound", "Lower bound, every block known in advance", asis, 0.66),
    )


def misses(total: int) -> tuple[MissSum, ...]:
    return (
        MissSum("expired", 612, 41_200_000, total // 14, total // 15, "session 8f2a after 23 min"),
        MissSum("prefix_changed", 208, 22_900_000, total // 24, total // 24, "system block 2: a date"),
        MissSum("cold", 390, 9_800_000, total // 60, 0),
        MissSum("look_back", 71, 6_300_000, total // 90, total // 90),
        MissSum("concurrency", 55, 1_900_000, total // 260, total // 260),
        MissSum("evicted", 9, 300_000, total // 1500, 0),
    )


GAP_EDGES_S = (0, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 21_600, 86_400, math.inf)
GAP_CALLS = (40, 160, 610, 1500, 2900, 2700, 1800, 900, 620, 260, 190, 120, 60, 30, 22, 12, 5)
GAPS = tuple(
    Gap(float(edge), float(end), calls, calls * 48_000)
    for edge, end, calls in zip(GAP_EDGES_S, GAP_EDGES_S[1:], GAP_CALLS, strict=False)
)


def actions(asis: int) -> tuple[Action, ...]:
    return (
        Action(
            "Put the gateway in front with its safe levers on",
            about(asis * 16 // 300, asis // 900),
            "low",
            "none",
            '[levers]\nenabled = ["cache.breakpoints", "cache.keepalive"]\n\n[cache]\nttl = "auto"',
            "One call in nine came more than five minutes after the one before it, and paid for its prompt again.",
        ),
        Action(
            "Send the nightly classification as batches",
            about(asis * 8 // 300, asis // 1200),
            "medium",
            "low",
            '[levers."batch.defer"]\nkeys = ["nightly"]\ndeadline = "6h"',
            "38 % of the calls of the key nightly come between one and four in the morning, and nobody waits for them.",
        ),
        Action(
            "Move the date out of the system prompt",
            about(asis * 6 // 300, asis // 700),
            "low",
            "medium",
            why="It changes at midnight, and with it every prefix.",
        ),
        Action(
            "Lower the effort of side questions", Money(asis // 500, -asis // 900, asis // 150), "low", "high", "[x]\ny = 1"
        ),
    )


SOURCES = (
    SourceSum(
        "claude_code",
        "Claude Code session logs",
        312,
        1_840_000_000,
        31_004,
        "call",
        False,
        ("Side calls such as /compact and titles leave no line.", "The system prompt and the tools are not in the log."),
        DAY * DAY_US,
        (DAY + 59) * DAY_US,
    ),
    SourceSum("ledger", "thriftgate ledger", 1, 88_000_000, 2_210, "prefix", False, (), DAY * DAY_US, (DAY + 59) * DAY_US),
)
LEVERS = (
    Lever("cache.breakpoints", True, "prefix", "from the prefixes that calls share"),
    Lever("cache.keepalive", True, "call", "from the gaps between calls"),
    Lever("batch.defer", True, "call", "from the calls nobody waited for"),
    Lever("context.trim_tools", False, "body", "the logs hold no messages"),
)


def findings(models: Iterable[tuple[str, int]] = MODELS, days: int = 60) -> Findings:
    """A team's log of so many days."""
    rows = spending(models, days)
    by_model = parts(rows)
    kinds = added(row.kinds for row in rows)
    asis = sum(row.pico for row in rows)
    cost = Money(asis, sum(part.cost.low for part in by_model), sum(part.cost.high for part in by_model))
    calls = sum(row.calls for row in rows)
    return Findings(
        sources=SOURCES,
        depth="prefix",
        calls=calls,
        duplicates=19_204,
        skipped={"not_a_call": 90_411, "synthetic": 12, "malformed": 3, "other_provider": 44},
        skipped_examples={"malformed": ("a/7c.jsonl:881", "a/7c.jsonl:904")},
        unpriced=(Unpriced("claude-next-preview", 14, 220_000, "no row in the price book"),),
        first_us=DAY * DAY_US,
        last_us=(DAY + days) * DAY_US - 1,
        months=days / 30,
        price_book="built in, 2026-11-20",
        cost=cost,
        baseline_pico=asis * 4,
        reported_pico=asis + USD,
        kinds=kinds,
        by_model=by_model,
        by_key=split(cost, kinds, ("team-web", "nightly", "research", "")),
        by_project=split(cost, kinds, ("shop/checkout", "data/pipelines-with-a-very-long-name-that-goes-on-and-on/etl")),
        by_session=split(cost, kinds, (f"8f2a01c{place}-77aa-4c1e-9d7e-00000000000{place}" for place in range(9))),
        sessions=1_204,
        days=rows,
        gaps=GAPS,
        replay=Replayed(calls * 9 // 10, asis * 9 // 10, asis * 91 // 100, 44),
        policies=policies(asis),
        misses=misses(asis),
        actions=actions(asis),
        levers=LEVERS,
        notes=("212 cache writes do not tell how long they live: counted as 5 minutes, up to 1 hour in the error bar.",),
    )


RICH = findings()
ONE_DAY = findings(days=1)
LONG = findings(days=400)
MANY_MODELS = findings([(f"claude-model-{place:02}", 5_000_000 // (place + 1)) for place in range(40)], days=30)
DAY_DEPTH = replace(
    RICH,
    depth="day",
    by_session=(),
    by_project=(),
    sessions=0,
    gaps=(),
    replay=None,
    misses=(),
    policies=tuple(one for one in RICH.policies if one.family in {"as-is", "plain"}),
    levers=tuple(replace(one, judged=False, reason="these logs hold sums of days only") for one in LEVERS),
    actions=(),
)
FREE = replace(
    RICH,
    cost=Money(),
    baseline_pico=0,
    kinds=Kinds(),
    days=tuple(replace(one, pico=0, kinds=Kinds()) for one in RICH.days),
    by_model=tuple(replace(one, cost=Money(), kinds=Kinds()) for one in RICH.by_model),
    policies=tuple(replace(one, cost=Money(), saved=Money(), levers=dict.fromkeys(one.levers, 0)) for one in RICH.policies),
    misses=tuple(replace(one, pico=0, avoidable_pico=0) for one in RICH.misses),
)
HUGE = findings([("claude-opus-5-5", 5_000_000 * 10**7), ("claude-haiku-5-5", 10**13)], days=40)
DEARER = replace(
    RICH,
    policies=tuple(
        replace(
            one,
            cost=one.cost + one.saved + one.saved,
            saved=Money(-one.saved.pico, -one.saved.high, -one.saved.low),
            levers={lever: -pico for lever, pico in one.levers.items()},
        )
        if one.family in {"lever", "levers"}
        else one
        for one in RICH.policies
    ),
)
HOSTILE = replace(
    RICH,
    by_model=tuple(replace(one, name=NASTY) for one in RICH.by_model[:1]),
    days=tuple(replace(one, model=NASTY) for one in RICH.days[:20]),
    by_project=tuple(replace(one, name=f"=HYPERLINK({NASTY})", note=NASTY) for one in RICH.by_project),
    by_session=tuple(replace(one, name="a\x1b[31m\u202eb\ud800") for one in RICH.by_session),
    by_key=tuple(replace(one, name=NASTY) for one in RICH.by_key),
    unpriced=(Unpriced(NASTY, 1, 1, NASTY),),
    skipped={NASTY: 1},
    skipped_examples={NASTY: (NASTY,)},
    sources=tuple(replace(one, title=NASTY, cannot_know=(NASTY,)) for one in SOURCES),
    policies=tuple(
        replace(one, name=NASTY, title=NASTY, note=NASTY, levers={f"{NASTY}{lever}": v for lever, v in one.levers.items()})
        for one in RICH.policies
    ),
    misses=tuple(replace(one, example=NASTY) for one in RICH.misses),
    actions=tuple(replace(one, text=NASTY, why=NASTY, config=NASTY) for one in RICH.actions),
    levers=tuple(replace(one, id=NASTY, reason=NASTY) for one in LEVERS),
    notes=(NASTY,),
    price_book=NASTY,
)
ALL = {
    "empty": EMPTY,
    "unread": UNREAD,
    "rich": RICH,
    "one day": ONE_DAY,
    "long": LONG,
    "many models": MANY_MODELS,
    "day depth": DAY_DEPTH,
    "free": FREE,
    "huge": HUGE,
    "dearer": DEARER,
    "hostile": HOSTILE,
}

"""Live, on the simulator: calibrate on some of its task sets, serve others by the artefact, and see whether the promise is
kept; then make the cheap model worse in mid-run and count the calls until routing is rolled back.

All calls go through the engine, in this process. The simulator's models are right at documented rates
(`thriftgate/simulator/tasks.py`), so the true quality of what was served is known: the mean chance of a right answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec

from benchmarks.cache.goals import Goal
from thriftgate.core.cost import day_of
from thriftgate.core.routing.artefact import Artefact, price_ratio, signed
from thriftgate.core.routing.features import Surroundings
from thriftgate.engine.build import build_engine
from thriftgate.engine.call import Call
from thriftgate.engine.engine import Engine
from thriftgate.ledger.entries import UPSTREAM
from thriftgate.pricing.load import load_book
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.quality.calibrate import Calibration, calibrate
from thriftgate.quality.families import Wish
from thriftgate.quality.labels import Labelled, Outcome
from thriftgate.quality.proof import Proof, Sampling
from thriftgate.quality.watch import delay_of
from thriftgate.settings import Settings
from thriftgate.simulator import TASK_SETS, SimClock, Simulator, SimulatorConfig
from thriftgate.simulator.accuracy import AccuracyShift
from thriftgate.simulator.tasks import RIGHT, Item
from thriftgate.wire import DIALECTS
from thriftgate.wire.assemble import read_answer

STRONG, CHEAP = "claude-opus-5-5", "claude-haiku-5-5"
TIER = {STRONG: 4, CHEAP: 2}
SECRET = "live-benchmark"
WORSE = 0.35  # taken off the cheap model's chance of a right answer
SERVED_FROM = 1_000_000  # items that calibration has not seen
HEADERS = (
    (b"x-api-key", b"sk-ant-sim-live-1"),
    (b"anthropic-version", b"2023-06-01"),
    (b"content-type", b"application/json"),
)


class Run(NamedTuple):
    """One seed. `kept` is the true quality of what was served over the strong model's; `measured` the same as counted.
    `until` are calls from the change for the worse to the roll-back, `stated` the number that was named beforehand."""

    seed: int
    certified: bool
    share: float
    saving_promised: float
    saving: float
    kept: float
    measured: float
    until: int
    stated: int


class Live(NamedTuple):
    target: float
    confidence: float
    examples: int
    runs: Sequence[Run]


class _Clock:
    """Simulated time."""

    def __init__(self, app: Simulator) -> None:
        assert isinstance(app.config.clock, SimClock)
        self._time = app.config.clock

    def now_s(self) -> float:
        return self._time()

    def monotonic_s(self) -> float:
        return self._time()

    async def sleep(self, seconds: float) -> None:
        await self._time.sleep(seconds)


def measure(
    *,
    seed: int = 1,
    splits: int = 20,
    examples: int = 1_000,
    served: int = 1_000,
    target: float = 0.95,
    confidence: float = 0.95,
) -> Live:
    """`splits` runs, the simulator's seed counting up from `seed`."""
    runs = [asyncio.run(_run(seed + at, examples, served, target, confidence)) for at in range(splits)]
    return Live(target, confidence, examples, runs)


async def _run(seed: int, examples: int, served: int, target: float, confidence: float) -> Run:
    app = Simulator(SimulatorConfig(seed=seed, clock=SimClock.frozen(), tokenizer="estimate"))
    with TemporaryDirectory() as folder:
        found = calibrate(
            await _labels(app, _items(examples, seed)),
            Wish(STRONG, (CHEAP,), target=target, confidence=confidence, seed=seed),
            made_s=_now_s(app),
            price_ratios={CHEAP: price_ratio(STRONG, CHEAP, load_book(), day_of(_now_s(app)))},
        )
        if found.artefact is None:
            return Run(seed, False, 0.0, 0.0, 0.0, 1.0, 1.0, 0, 0)
        path = Path(folder) / "routing.json"
        path.write_bytes(signed(found.artefact, SECRET.encode()))
        return await _served(app, found, path, seed, served)


def _now_s(app: Simulator) -> float:
    return float(app.config.clock())


def _items(count: int, seed: int, first: int = 0) -> list[tuple[str, Item]]:
    """Of all task sets in turn."""
    sets = [(one, first + at) for at in range(count // len(TASK_SETS) + 1) for one in TASK_SETS]
    return [(one.name, one.make(at, seed)) for one, at in sets[:count]]


async def _labels(app: Simulator, items: Sequence[tuple[str, Item]]) -> list[Labelled]:
    """Both models' answers, graded by the answer that is known to be right."""
    settings = Settings.model_validate({"ledger": {"path": ":memory:"}, "routing": {"observe": False}})
    engine = await build_engine(settings, transport=AsgiTransport(app), clock=_Clock(app))
    try:
        found = []
        for at, (task, item) in enumerate(items):
            outcomes = {model: await _outcome(engine, model, task, item) for model in (STRONG, CHEAP)}
            found.append(Labelled(f"{task}-{at}", item.prompt, Surroundings(task=task), outcomes))
        return found
    finally:
        await engine.close()


async def _outcome(engine: Engine, model: str, task: str, item: Item) -> Outcome:
    reply = await engine.messages(_call(model, task, item))
    entry = await engine.ledger.entry(_header(reply.headers, b"thriftgate-request-id"))
    assert reply.body is not None
    assert entry is not None
    return Outcome(float(_is_right(reply.body, item)), -entry.posted(UPSTREAM), 0, entry.usage.total.output)


def _call(model: str, task: str, item: Item) -> Call:
    body = {"model": model, "max_tokens": 3_000, "messages": [{"role": "user", "content": item.prompt}]}
    headers = (*HEADERS, (b"thriftgate-task", task.encode()))
    return Call("POST", "/v1/messages", "", headers, msgspec.json.encode(body), DIALECTS[0], "sk-ant-sim-live-1")


def _header(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> str:
    return next(value for key, value in headers if key == name).decode()


def _is_right(body: bytes, item: Item) -> bool:
    answer = read_answer(body)
    return answer is not None and bool(answer.content) and str(answer.content[-1].get("text", "")).strip() == item.expected


async def _served(app: Simulator, found: Calibration, path: Path, seed: int, served: int) -> Run:
    artefact = found.artefact
    assert artefact is not None
    settings = Settings.model_validate(
        {
            "ledger": {"path": ":memory:"},
            "policy": {"levers": ("count.guard", "route.learned")},
            "routing": {"artefacts": (str(path),), "secret": SECRET},
        }
    )
    engine = await build_engine(settings, transport=AsgiTransport(app), clock=_Clock(app))
    try:
        proof = Proof(engine, Sampling(audit=1.0, day_pico=10**15))
        await engine.witnessed("proof", proof, proof)
        items = _items(served, seed, SERVED_FROM)
        models, right, paid, base = await _serve(engine, items)
        strong = [RIGHT[TIER[STRONG]][item.difficulty - 1] for _, item in items]
        truth = [RIGHT[TIER[model]][item.difficulty - 1] for model, (_, item) in zip(models, items, strict=True)]
        app.accuracy.set(AccuracyShift(CHEAP, -WORSE))
        stated = _stated(artefact, models, seed)
        until = await _until_rolled_back(engine, _items(6 * stated, seed, 2 * SERVED_FROM), artefact)
        return Run(
            seed,
            True,
            sum(model == CHEAP for model in models) / len(models),
            artefact.saving.share,
            1.0 - paid / base,
            sum(truth) / sum(strong),
            sum(right) / sum(strong),
            until,
            stated,
        )
    finally:
        await engine.tasks.finish(30)
        await engine.close()


async def _serve(engine: Engine, items: Sequence[tuple[str, Item]]) -> tuple[list[str], list[bool], int, int]:
    """Which model served each, whether it was right; what was paid, and the baseline."""
    models, right, paid, base = [], [], 0, 0
    for task, item in items:
        reply = await engine.messages(_call(STRONG, task, item))
        entry = await engine.ledger.entry(_header(reply.headers, b"thriftgate-request-id"))
        assert reply.body is not None
        assert entry is not None
        models.append(entry.model)
        right.append(_is_right(reply.body, item))
        paid -= entry.posted(UPSTREAM)
        base += entry.posted("baseline")
    return models, right, paid, base


def _stated(artefact: Artefact, models: Sequence[str], seed: int) -> int:
    """Calls within which an alarm is to be expected 95 % of the time, all of the cheap model's being audited."""
    delay = delay_of(artefact.differ, min(0.95, artefact.differ + WORSE), Random(seed).random)
    return round(delay.most / max(0.01, sum(model == CHEAP for model in models) / len(models)))


async def _until_rolled_back(engine: Engine, items: Sequence[tuple[str, Item]], artefact: Artefact) -> int:
    """Calls until nothing goes to the cheap model any more; all of them where that never came."""
    for number, (task, item) in enumerate(items, 1):
        await engine.messages(_call(STRONG, task, item))
        await engine.tasks.finish(30)
        if artefact.id in engine.router.suspended:
            return number
    return len(items)


def table(live: Live) -> str:
    """One line a seed."""
    lines = [
        (
            f"Live on the simulator: {CHEAP} for {STRONG}, target {live.target:.0%}, confidence {live.confidence:.0%}, "
            f"{live.examples} examples"
        ),
        "seed   share  saving  promised    kept  measured  rolled back  stated",
    ]
    for run in live.runs:
        if not run.certified:
            lines.append(f"{run.seed:>4} no promise made: all calls to {STRONG}")
            continue
        lines.append(
            f"{run.seed:>4} {run.share:>7.1%} {run.saving:>7.1%} {run.saving_promised:>9.1%} {run.kept:>7.1%} "
            f"{run.measured:>9.1%} {run.until:>12} {run.stated:>7}"
        )
    return "\n".join(lines)


def document(live: Live) -> dict[str, Any]:
    """The figures."""
    return live._asdict() | {"runs": [run._asdict() for run in live.runs]}


def goals(live: Live) -> list[Goal]:
    """The promise kept in as many runs as it must be, and the roll-back in time."""
    certified = [run for run in live.runs if run.certified]
    broken = sum(run.kept < live.target for run in certified)
    late = sum(run.until > run.stated for run in certified)
    allowed = _allowed(len(live.runs), 1.0 - live.confidence)
    return [
        Goal("runs with a promise", 0.9 * len(live.runs), at_most=False, must=True, value=len(certified)),
        Goal("promises broken", allowed, at_most=True, must=True, value=broken),
        Goal("roll-backs later than stated", allowed, at_most=True, must=True, value=late),
    ]


def _allowed(runs: int, chance: float) -> int:
    """What a true chance of so much stays under in 99 % of such series."""
    left, total, at = 1.0, 0.0, 0
    term = (1.0 - chance) ** runs
    while True:
        total += term
        left = 1.0 - total
        if left < 0.01:
            return at
        term *= (runs - at) / (at + 1) * chance / (1.0 - chance)
        at += 1

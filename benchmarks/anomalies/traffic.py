"""A month of a hundred keys, from a seed: who calls when, with what prompts, cached how, at what price.

Six kinds of keys (`KINDS`): chat products with days, lunch dips and weekends; growing ones, a third of which are
launched within the month; nightly jobs that begin late and differ in size; agents whose sessions have heavy-tailed
lengths and prompts that grow until they are compacted; cron jobs; keys of developers, used now and then for anything.
Sizes of keys, costs and lengths of answers are log-normal. About 600,000 calls a month, which is few for a hundred keys:
detecting is the harder for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

DAYS = 28
DAY_S = 86_400
HOUR_S = 3_600
BEGIN_S = 1_767_571_200  # Monday 2026-01-05 00:00 UTC
KINDS = {"chat": 37, "growing": 6, "nightly": 12, "agent": 20, "cron": 12, "dev": 13}
LOAD_TESTS = 2  # a month, announced to nobody

MODELS = ("haiku", "sonnet", "opus", "fable")
INPUT_PICO = np.array([1, 3, 5, 10]) * 1_000_000  # a token: 1, 3, 5 and 10 USD a million
OUTPUT_PICO = 5 * INPUT_PICO
WRITE, READ = 1.25, 0.1  # of the price of input


@dataclass(frozen=True)
class Traffic:
    """Calls of one key in order of time. `run` 0: nobody knows to which one a call belongs. `extra_pico` is what a call
    costs above what it would have without the incident that it is part of."""

    key: str
    kind: str
    at_s: Floats
    task: Ints
    model: Ints
    read: Ints
    write: Ints
    plain: Ints
    output: Ints
    failed: Flags
    run: Ints
    extra_pico: Ints
    load_test: tuple[float, float] = (0.0, 0.0)

    @property
    def cost_pico(self) -> Ints:
        rate = INPUT_PICO[self.model]
        pico = rate * (self.plain + WRITE * self.write + READ * self.read) + OUTPUT_PICO[self.model] * self.output
        return np.where(self.failed, 0, pico).astype(np.int64)

    def where(self, chosen: NDArray[Any]) -> Traffic:
        """Those calls alone, or in that order."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in COLUMNS})


COLUMNS = ("at_s", "task", "model", "read", "write", "plain", "output", "failed", "run", "extra_pico")


def month(seed: int, kinds: dict[str, int] | None = None) -> list[Traffic]:
    """All keys. The same seed gives the same month."""
    random = np.random.default_rng((seed, 1))
    wanted = [(kind, number) for kind, count in (kinds or KINDS).items() for number in range(count)]
    made = [_MAKE[kind](f"{kind}-{number:02d}", kind, random) for kind, number in wanted]
    chats = [at for at, one in enumerate(made) if one.kind == "chat"]
    for at in random.choice(chats, min(LOAD_TESTS, len(chats)), replace=False) if chats else ():
        made[at] = _load_tested(made[at], random)
    return made


def joined(one: Traffic, other: Traffic) -> Traffic:
    """Calls of the same key together."""
    columns: dict[str, Any] = {name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in COLUMNS}
    both = replace(one, **columns)
    return both.where(np.argsort(both.at_s, kind="stable"))


def traffic(key: str, kind: str, at_s: Floats, random: np.random.Generator, **columns: Any) -> Traffic:
    """Calls with the columns given, the others filled in, in order of time; one in some hundreds fails."""
    n = len(at_s)
    filled: dict[str, Any] = {name: np.zeros(n, np.int64) for name in COLUMNS}
    filled["failed"] = random.random(n) < random.uniform(0.001, 0.01)
    for name, value in columns.items():
        filled[name] = np.broadcast_to(np.asarray(value), (n,)).astype(np.int64)
    made = Traffic(key, kind, BEGIN_S + at_s, **{name: filled[name] for name in COLUMNS if name != "at_s"})
    return made.where(np.argsort(made.at_s, kind="stable"))


# --- when -----------------------------------------------------------------------------------------------------------------


def _daily(random: np.random.Generator, growth: float, launched: float) -> Floats:
    """How busy each minute of the month is, the busiest about 1: two humps a day, a dip at lunch, quieter nights and
    weekends, days that differ."""
    minute = np.arange(DAYS * 1440)
    hour = (minute / 60 + random.uniform(-5, 5)) % 24
    busy = np.exp(-((hour - 10.5) ** 2) / 6) + 0.9 * np.exp(-((hour - 15.5) ** 2) / 8) + random.uniform(0.02, 0.15)
    weekend = random.uniform(0.15, 0.8)
    day = minute // 1440
    busy = busy * np.where(day % 7 >= 5, weekend, 1.0) * random.lognormal(0, 0.15, DAYS)[day]
    slow = np.repeat(random.lognormal(0, 0.12, DAYS * 24), 60)  # hours differ, too
    return np.asarray(busy * slow * growth ** (day / 7) * (day >= launched))


def _arrivals(weights: Floats, n: int, random: np.random.Generator) -> Floats:
    steps = np.cumsum(weights)
    at = np.searchsorted(steps, random.random(n) * steps[-1])
    return np.asarray(at * 60 + random.random(n) * 60)


# --- who ------------------------------------------------------------------------------------------------------------------


def _chat(key: str, kind: str, random: np.random.Generator) -> Traffic:
    """Conversations of one to many turns; the system prompt and what was said are read from the cache, unless the pause
    was too long."""
    growth = random.uniform(1.05, 1.3) if kind == "growing" else 1.0
    launched = random.uniform(2, 20) if kind == "growing" and random.random() < 0.34 else 0.0
    calls = int(np.clip(random.lognormal(np.log(5_000), 1.0), 400, 40_000) * (1 - launched / DAYS))
    turns = random.geometric(0.3, max(calls // 3, 1))
    starts = _arrivals(_daily(random, growth, launched), len(turns), random)
    turn = np.concatenate([np.arange(each) for each in turns])
    talk = np.repeat(np.arange(len(turns)), turns)
    pause = random.lognormal(np.log(50), 0.9, len(turn)) * (turn > 0)
    waited = np.cumsum(pause)
    at = starts[talk] + waited - waited[np.searchsorted(talk, talk)]
    tasks = int(random.integers(1, 3))
    task = random.integers(0, tasks, len(turns))[talk]
    system = (random.lognormal(np.log(1_800), 0.5, tasks)[task]).astype(np.int64)
    said = np.round(random.lognormal(np.log(random.uniform(120, 900)), 0.9, len(turn)))
    before = np.cumsum(said)
    history = before - said - (before - said)[np.searchsorted(talk, talk)]
    caches = random.random() < 0.8
    warm = (random.random(len(turn)) < random.uniform(0.75, 0.97)) & (pause < 290)
    read = np.where(warm & caches, system + np.where(turn > 0, history, 0), 0)
    write = np.where(caches, system + history + said - read, 0)
    model = int(random.choice([0, 1, 2], p=[0.4, 0.4, 0.2]))
    mixed = random.random() < 0.15
    models = np.where(mixed & (random.random(len(turns)) < 0.15), min(model + 1, 2), model)[talk]
    output = random.lognormal(np.log(random.uniform(120, 600)), random.uniform(0.5, 0.9), len(turn)) + 1
    plain = np.where(caches, 0, system + history + said)
    made = traffic(
        key, kind, at, random, task=task, model=models, read=read, write=write, plain=plain, output=output, run=talk + 1
    )  # fmt: skip
    return made.where(made.at_s < BEGIN_S + DAYS * DAY_S)


def _nightly(key: str, kind: str, random: np.random.Generator) -> Traffic:
    """A job each night, or each night before a working day: begins up to an hour late, its size differs."""
    begins, size = random.uniform(0, 6) * HOUR_S, random.lognormal(np.log(250), 0.7)
    working, a_minute = random.random() < 0.5, random.uniform(6, 40)
    nights = [day for day in range(DAYS) if not working or day % 7 < 5]
    at = []
    for day in nights:
        n = int(size * random.lognormal(0, 0.25)) + 5
        late = random.exponential(600) if random.random() < 0.9 else random.uniform(0, HOUR_S)
        at.append(day * DAY_S + begins + late + np.cumsum(random.exponential(60 / a_minute, n)))
    times = np.concatenate(at)
    prompt = random.lognormal(np.log(random.uniform(1_000, 12_000)), random.uniform(0.2, 0.7), len(times))
    shared = float(random.choice([0, 600, 3_000]))
    output = random.lognormal(np.log(random.uniform(60, 500)), 0.5, len(times)) + 1
    model = int(random.choice([0, 1], p=[0.6, 0.4]))
    return traffic(key, kind, times, random, model=model, read=shared, plain=prompt, output=output)


def _agent(key: str, kind: str, random: np.random.Generator) -> Traffic:
    """Sessions in working hours: each call appends to the prompt, which is compacted when it is full."""
    hours = _daily(random, 1.0, 0.0)
    starts = np.sort(_arrivals(hours**1.5, int(random.lognormal(np.log(70), 0.5)), random))
    lengths = np.clip(random.lognormal(np.log(30), 0.9, len(starts)), 2, 400).astype(int)
    full = random.uniform(60_000, 160_000)
    at, read, write, run = [], [], [], []
    for number, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        at.append(start + np.cumsum(random.lognormal(np.log(9), 0.9, length)))
        grown = np.cumsum(random.lognormal(np.log(900), 1.0, length))
        prompt = 9_000 + grown % full
        before = np.concatenate([[9_000 * (random.random() < 0.5)], prompt[:-1]])
        kept = np.where(before < prompt, before, 9_000)
        read.append(kept)
        write.append(prompt - kept)
        run.append(np.full(length, number + 1))
    times = np.concatenate(at)
    output = random.lognormal(np.log(300), 0.9, len(times)) + 1
    model = int(random.choice([1, 2]))
    made = traffic(
        key, kind, times, random, model=model, read=np.concatenate(read), write=np.concatenate(write), output=output,
        run=np.concatenate(run),
    )  # fmt: skip
    return made.where(made.at_s < BEGIN_S + DAYS * DAY_S)


def _cron(key: str, kind: str, random: np.random.Generator) -> Traffic:
    """A few calls every few minutes, always."""
    every = float(random.choice([2, 5, 10, 15, 60])) * 60
    ticks = np.arange(0, DAYS * DAY_S, every)
    calls = random.integers(1, 4, len(ticks))
    at = np.repeat(ticks, calls) + random.exponential(5, int(calls.sum()))
    prompt = random.lognormal(np.log(random.uniform(500, 8_000)), 0.3, len(at))
    output = random.lognormal(np.log(random.uniform(50, 400)), 0.4, len(at)) + 1
    shared = np.where(random.random(len(at)) < 0.9, 1_500, 0) if every <= 300 else 0
    return traffic(key, kind, at, random, model=int(random.choice([0, 1])), read=shared, plain=prompt, output=output)


def _dev(key: str, kind: str, random: np.random.Generator) -> Traffic:
    """Now and then an hour of anything, with any model."""
    sessions = int(random.integers(3, 30))
    starts = _arrivals(_daily(random, 1.0, 0.0), sessions, random)
    at, prompt, output, model, run = [], [], [], [], []
    for number, start in enumerate(starts):
        n = int(np.clip(random.lognormal(np.log(20), 1.0), 1, 150))
        at.append(start + np.cumsum(random.lognormal(np.log(40), 1.2, n)))
        prompt.append(random.lognormal(random.uniform(np.log(300), np.log(20_000)), 0.6, n))
        output.append(random.lognormal(random.uniform(np.log(50), np.log(2_000)), 0.7, n) + 1)
        model.append(np.full(n, random.choice([0, 1, 2, 3], p=[0.3, 0.4, 0.25, 0.05])))
        run.append(np.full(n, (number + 1) * (random.random() < 0.5)))
    made = traffic(
        key, kind, np.concatenate(at), random, model=np.concatenate(model), plain=np.concatenate(prompt),
        output=np.concatenate(output), run=np.concatenate(run),
    )  # fmt: skip
    return made.where(made.at_s < BEGIN_S + DAYS * DAY_S)


def _load_tested(one: Traffic, random: np.random.Generator) -> Traffic:
    """Twenty to forty minutes of a day at fifteen times its busiest hour, and at least one call a second."""
    start = BEGIN_S + (random.integers(8, DAYS) + random.uniform(0.3, 0.8)) * DAY_S
    end = start + random.uniform(20, 40) * 60
    hourly = np.bincount(((one.at_s - BEGIN_S) // HOUR_S).astype(int))
    n = int(max(15 * hourly.max() / HOUR_S, 1.0) * (end - start))
    copies = one.where(random.integers(0, len(one.at_s), n))
    copies = replace(copies, at_s=random.uniform(start, end, n), run=np.zeros(n, np.int64))
    return replace(joined(one, copies), load_test=(start, end))


_MAKE = {"chat": _chat, "growing": _chat, "nightly": _nightly, "agent": _agent, "cron": _cron, "dev": _dev}

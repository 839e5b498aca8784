"""kill -9 of the worker, again and again, and the same command again each time: nothing may be lost, nothing billed twice.

The real command line and the real simulator, as processes. Kills are spread over the life of the run, at shares of the work
and in phases drawn from the seed, each at a random moment from there on. Which phase a kill struck is read from the ledger
that it left behind.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from benchmarks.batch import jobs
from benchmarks.batch.processes import ended, environment, simulator, worker
from benchmarks.cache.report import align
from thriftgate.core.money import pico_from_usd, usd_from_pico
from thriftgate.ledger.sql import SqlLedger
from thriftgate.wire.anthropic_batches import job_name

JOBS, KILLS = 100_000, 30
PHASES = ("reading", "posting", "polling", "booking", "between")
SHARED_SHARE = 0.1  # of the jobs share a prefix with others
GROUP, PREFIX_TOKENS = 50, 5_000
_SOON_S = 0.05
READING_S = 1e-4  # it takes to read a job, about
FAULTS: dict[str, float | int] = {
    "batch_error": 0.05, "batch_poll_limited": 0.05, "batch_post_lost": 0.1, "batch_error_late": 0.1,
    "batch_results_cut": 0.2, "batch_item_error": 0.01, "storm_every_s": 30.0, "storm_s": 3.0, "retry_after_s": 1,
}  # fmt: skip
_PATIENCE_S = 3600.0
_LOOK_S = 0.05


class Moment(NamedTuple):
    """When a process is killed: not before so much of the work is done, and in what phase; "" for any."""

    share: float
    phase: str


class Asked(msgspec.Struct, frozen=True):
    """One proof: how many jobs and kills, whether the provider has its faults, how long its batches take (seconds), how
    large they and its queue are, and how late a kill may come once its moment is there; `struck` are the phases that are
    drawn for kills after the reading, "" for any."""

    jobs: int = JOBS
    kills: int = KILLS
    seed: int = 1
    faults: bool = False
    duration_s: tuple[float, float] = (2.0, 20.0)
    requests_max: int = 1_000
    queue_jobs: int = 20_000
    jitter_s: float = 1.5
    struck: tuple[str, ...] = ("posting", "booking", "", "", "")


@dataclass
class Outcome:
    """What a run found. `wrong` says all that should not be."""

    asked: Asked
    phases: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    lives_s: list[float] = field(default_factory=list)
    batches: Counter[str] = field(default_factory=Counter)
    lines: int = 0
    succeeded: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    billed: int = 0
    twice: int = 0
    paid_pico: int = 0
    bill_pico: int = 0
    wrong: list[str] = field(default_factory=list)


def run(asked: Asked, folder: Path) -> Outcome:
    """The whole proof; its files stand in `folder`."""
    outcome = Outcome(asked)
    draw = random.Random(asked.seed)
    path = jobs.write(folder / "jobs.jsonl", _lines(asked))
    options = ["--seed", str(asked.seed)]
    with simulator(*options) as url:
        _post(f"{url}/_sim/batches", {"duration_s": list(asked.duration_s)})
        if asked.faults:
            _post(f"{url}/_sim/faults", {**FAULTS, "seed": asked.seed})
        command = worker(path, folder / "out.jsonl", url, folder / "books.db")
        command += ["--requests-max", str(asked.requests_max), "--queue-jobs", str(asked.queue_jobs)]
        told = _lives(command, folder, outcome, draw)
        calls: list[dict[str, Any]] = msgspec.json.decode(_get(f"{url}/_sim/bill"))["calls"]
    _judge(outcome, folder, told, calls)
    return outcome


def _lines(asked: Asked) -> Iterator[bytes]:
    """Mostly small prompts; a tenth stands in groups that share one."""
    groups = round(asked.jobs * SHARED_SHARE) // GROUP
    alone = asked.jobs - groups * GROUP
    shared = jobs.grouped(groups, GROUP, jobs.words_of(PREFIX_TOKENS), asked.seed)
    bodies = (msgspec.json.decode(line)["params"] for line in chain(jobs.small(alone, asked.seed), shared))
    return (jobs.line(number, body) for number, body in enumerate(bodies))


def _lives(command: list[str], folder: Path, outcome: Outcome, draw: random.Random) -> dict[str, Any]:
    """The same command, killed as often as asked, and once more to its end. Returns what that one said."""
    asked, errors = outcome.asked, folder / "errors.log"
    wanted = moments(asked.kills, asked.struck, draw)
    while True:
        moment = wanted[outcome.kills] if outcome.kills < asked.kills else None
        began = time.perf_counter()
        with errors.open("ab") as stderr, (folder / "told.json").open("wb") as stdout:
            process = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=dict(environment()))
            try:
                if moment is not None:
                    _await(process, folder, moment, asked, draw)
                else:
                    process.wait(_PATIENCE_S)
            finally:
                alive = process.poll() is None
                process.kill()
                process.wait()
        outcome.lives_s.append(time.perf_counter() - began)
        if not alive:
            break
        outcome.kills += 1
        outcome.phases[_phase(folder / "books.db")] += 1
        _tell(outcome, folder)
    if outcome.kills < asked.kills:
        outcome.wrong.append(f"the run came to its end after {outcome.kills} of {asked.kills} kills")
    if process.returncode not in (0, 1):
        raise ended(command, process.returncode, errors)
    return dict(msgspec.json.decode((folder / "told.json").read_bytes()))


def moments(kills: int, struck: Sequence[str], draw: random.Random) -> list[Moment]:
    """When to kill: a tenth while the jobs are read, the others in order of the work that is done by then."""
    reading = max(1, kills // 10) if kills else 0
    shares = sorted(draw.uniform(0.0, 0.97) for _ in range(kills - reading))
    return [Moment(0.0, "reading")] * reading + [Moment(share, draw.choice(struck)) for share in shares]


def _await(process: subprocess.Popen[bytes], folder: Path, moment: Moment, asked: Asked, draw: random.Random) -> None:
    """Until a process is to be killed, or has ended."""
    books = folder / "books.db"
    fence = _reached(books).fence

    def comes() -> bool:
        now = _reached(books)
        at_work = now.state in ("running", "done") or (moment.phase == "reading" and now.state != "")
        return at_work and now.fence > fence and now.done >= moment.share * asked.jobs

    _look(process, comes, _PATIENCE_S, _LOOK_S)
    if moment.phase in ("posting", "booking"):
        _look(process, lambda: _phase(books) == moment.phase, 5 * asked.jitter_s, 0.001)
        _look(process, lambda: False, draw.uniform(0.0, _SOON_S), 0.001)
    else:
        longest_s = READING_S * asked.jobs if moment.phase == "reading" else asked.jitter_s
        _look(process, lambda: False, draw.uniform(0.0, longest_s), 0.001)


def _look(process: subprocess.Popen[bytes], comes: Callable[[], bool], patience_s: float, every_s: float) -> None:
    """Until something comes, the process ends, or patience does."""
    latest = time.perf_counter() + patience_s
    while process.poll() is None and time.perf_counter() < latest and not comes():
        time.sleep(every_s)


class _Reached(NamedTuple):
    """How far the run is: its state, how many workers it has had, how many jobs are in batches that are booked."""

    state: str = ""
    fence: int = 0
    done: int = 0


def _reached(books: Path) -> _Reached:
    if not books.exists():
        return _Reached()
    try:
        with closing(sqlite3.connect(f"file:{books}?mode=ro", uri=True, timeout=5.0)) as connection:
            row = connection.execute("select state, fence from runs").fetchone()
            done = connection.execute("select coalesce(sum(jobs), 0) from batches where state = 'booked'").fetchone()
    except sqlite3.Error:
        return _Reached()  # not made yet
    return _Reached(row[0], row[1], done[0]) if row is not None else _Reached()


def _phase(books: Path) -> str:
    """What the process that has just died was doing, as far as its books tell."""
    with closing(sqlite3.connect(books, timeout=5.0)) as connection:
        (state,) = connection.execute("select state from runs").fetchone() or ("reading",)
        open_batches = dict(connection.execute("select state, count(*) from batches group by state").fetchall())
    if state in ("reading", "ready"):
        return "reading"
    if open_batches.get("drafting") or open_batches.get("posting"):
        return "posting"
    if open_batches.get("ended"):
        return "booking"
    return "polling" if open_batches.get("running") or open_batches.get("doubtful") else "between"


def _judge(outcome: Outcome, folder: Path, told: dict[str, Any], calls: list[dict[str, Any]]) -> None:
    _judge_lines(outcome, folder / "out.jsonl")
    _judge_bill(outcome, calls)
    asyncio.run(_judge_books(outcome, folder / "books.db"))
    outcome.batches = Counter(batch["state"] for batch in told["batches"])
    if told["succeeded"] != outcome.succeeded or sum(told["failed"].values()) != sum(outcome.failed.values()):
        outcome.wrong.append(f"the command tells {told['succeeded']} succeeded and {told['failed']} failed")


def _judge_lines(outcome: Outcome, out: Path) -> None:
    """Each job has one line, in input order."""
    with out.open("rb") as file:
        for number, line in enumerate(file):
            one = msgspec.json.decode(line)
            if one["custom_id"] != f"job-{number}":
                outcome.wrong.append(f"line {number + 1} of the results is that of {one['custom_id']}")
                break
            outcome.lines += 1
            result = one["result"]
            if result["type"] == "succeeded":
                outcome.succeeded += 1
            else:
                outcome.failed[result["error"]["error"]["type"] if "error" in result else result["type"]] += 1
    if outcome.lines != outcome.asked.jobs:
        outcome.wrong.append(f"{outcome.lines} lines of results for {outcome.asked.jobs} jobs")
    if outcome.failed and not outcome.asked.faults:
        outcome.wrong.append(f"jobs failed: {dict(outcome.failed)}")
    if set(outcome.failed) - {"api_error", "overloaded_error"}:
        outcome.wrong.append(f"jobs failed for other reasons than the provider's faults: {dict(outcome.failed)}")


def _judge_bill(outcome: Outcome, calls: list[dict[str, Any]]) -> None:
    """Each job was billed once, whatever its batch and its custom id."""
    named = [job_name(call["custom_id"]) for call in calls if call["custom_id"] is not None]
    times = Counter(one.seq for one in named if one is not None)
    outcome.billed, outcome.twice = len(calls), sum(count > 1 for count in times.values())
    outcome.bill_pico = pico_from_usd(sum((Decimal(call["cost_usd"]) for call in calls), Decimal(0)))
    if outcome.twice:
        outcome.wrong.append(f"{outcome.twice} jobs were billed more than once")
    if len(times) != outcome.succeeded or len(calls) != outcome.succeeded:
        outcome.wrong.append(f"{len(calls)} calls for {len(times)} jobs were billed, {outcome.succeeded} have their answer")


async def _judge_books(outcome: Outcome, books: Path) -> None:
    """The books balance, are closed, and say what the bill says."""
    ledger = SqlLedger.open(books)
    try:
        report = await ledger.report()
        unbalanced = await ledger.unbalanced()
    finally:
        await ledger.close()
    outcome.paid_pico = report.paid_pico
    if report.paid_pico != outcome.bill_pico:
        outcome.wrong.append(f"booked {usd_from_pico(report.paid_pico)}, billed {usd_from_pico(outcome.bill_pico)}")
    if unbalanced:
        outcome.wrong.append(f"{len(unbalanced)} entries do not balance")
    if report.open_holds:
        outcome.wrong.append(f"{report.open_holds} holds are open")
    if report.estimated:
        outcome.wrong.append(f"{report.estimated} entries are estimates")


def _post(url: str, document: dict[str, Any]) -> None:
    request = urllib.request.Request(url, msgspec.json.encode(document), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=600) as answer:
        return bytes(answer.read())


def _tell(outcome: Outcome, folder: Path) -> None:
    now = _reached(folder / "books.db")
    print(f"kill {outcome.kills}/{outcome.asked.kills}: {now.state}, {now.done:,} jobs booked", file=sys.stderr, flush=True)


def table(outcome: Outcome) -> str:
    """For people."""
    asked = outcome.asked
    rows = [[f"kill -9, seed {asked.seed}" + (", with faults" if asked.faults else ""), ""]]
    rows.append(["jobs, lines of results, answered", f"{asked.jobs:,}, {outcome.lines:,}, {outcome.succeeded:,}"])
    rows.append(["jobs failed", ", ".join(f"{name} {n}" for name, n in sorted(outcome.failed.items())) or "0"])
    rows.append(["kills", str(outcome.kills)])
    rows.append(["  while", ", ".join(f"{name} {outcome.phases[name]}" for name in PHASES if outcome.phases[name])])
    rows.append(["life of a process, s", f"{min(outcome.lives_s):.1f} to {max(outcome.lives_s):.1f}"])
    rows.append(["batches", ", ".join(f"{name} {n}" for name, n in sorted(outcome.batches.items()))])
    rows.append(["items billed, jobs billed twice", f"{outcome.billed:,}, {outcome.twice}"])
    rows.append(["billed by the provider", f"${usd_from_pico(outcome.bill_pico)}"])
    rows.append(["paid in the books", f"${usd_from_pico(outcome.paid_pico)}"])
    rows += [["WRONG", one] for one in outcome.wrong]
    return align(rows)


def document(outcome: Outcome) -> dict[str, Any]:
    """For machines."""
    asked = outcome.asked
    return {
        "jobs": asked.jobs,
        "kills": outcome.kills,
        "seed": asked.seed,
        "faults": asked.faults,
        "phases": dict(outcome.phases),
        "lives_s": outcome.lives_s,
        "batches": dict(outcome.batches),
        "lines": outcome.lines,
        "succeeded": outcome.succeeded,
        "failed": dict(outcome.failed),
        "billed": outcome.billed,
        "doubled": outcome.twice,
        "billed_usd": usd_from_pico(outcome.bill_pico),
        "paid_usd": usd_from_pico(outcome.paid_pico),
        "wrong": outcome.wrong,
    }

"""The runs: thriftgate and ccusage as commands on the same files, with their time, CPU and memory."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

import msgspec
from msgspec import Struct

from benchmarks.audit import ccusage, month, traps
from benchmarks.audit.ccusage import NotAvailable, Totals
from benchmarks.audit.month import Truth
from benchmarks.audit.traps import Compared
from benchmarks.gateway.measure import median, tree

OURS, THEIRS = "thriftgate", "ccusage"
_POLL_S = 0.05
_NO_FRAMES = dict.fromkeys(map(ord, "│─╭╮╰╯"), " ")
_COUNTED = frozenset({"as-is", "plain", "bound"})  # sums and bounds: nothing is replayed for them


class Failed(RuntimeError):
    """A command ended badly; the message has the end of what it said."""


class Run(Struct, frozen=True):
    """One run of a command: seconds of wall clock, seconds of CPU of all its processes, and memory in MB (1e6 bytes): of its
    largest process, and the peaks of all that ran side by side added up (an upper bound: shared pages count for each)."""

    wall_s: float
    cpu_s: float
    largest_mb: float
    peak_mb: float
    output: bytes = b""


class Audit(Struct):
    """What `thriftgate audit --json` says, as far as it is needed here."""

    calls: int
    cost_usd: Decimal
    low_usd: Decimal = Decimal(0)
    high_usd: Decimal = Decimal(0)
    duplicates: int = 0
    skipped: dict[str, int] = {}
    policies: list[dict[str, Any]] = []

    @property
    def replayed(self) -> int:
        """Calls replayed: the log as it is, and each policy that is really run counts its own."""
        return self.calls + sum(int(one.get("calls", 0)) for one in self.policies if one.get("family") not in _COUNTED)


class Figures(Struct, frozen=True):
    """All that was measured. What is None was not, and `skipped` says why."""

    truth: Truth | None = None
    runs: dict[str, list[Run]] = {}
    audit: Audit | None = None
    totals: Totals | None = None
    replay: Run | None = None
    replay_audit: Audit | None = None
    cases: list[Compared] = []
    skipped: dict[str, str] = {}

    def middle(self, tool: str, field: str) -> float | None:
        """The median over the rounds."""
        return median(getattr(run, field) for run in self.runs.get(tool, ()))


class Asked(Struct, frozen=True):
    """What to run: the month's size and seed, rounds, folders of traps, a folder for what is made, and which parts."""

    calls: int
    seed: int
    rounds: int
    data: tuple[Path, ...]
    work: Path
    parts: tuple[str, ...]


def run(asked: Asked) -> Figures:
    """Everything that was asked for, one after the other. Raises ValueError for folders without logs."""
    skipped: dict[str, str] = {}
    cases = [case for folder in asked.data for case in traps.find(folder)] if "traps" in asked.parts else []
    program: Path | None = None
    try:
        program = ccusage.install()
    except NotAvailable as error:
        skipped[THEIRS] = str(error)
    figures = Figures(skipped=skipped)
    if {"import", "replay"} & set(asked.parts):
        folder, truth = made(asked.work, asked.calls, asked.seed)
        warm(folder / "projects")
        figures = msgspec.structs.replace(figures, truth=truth)
        if "import" in asked.parts:
            figures = _import(figures, folder, program, asked.rounds)
        if "replay" in asked.parts:
            figures = _replay(figures, folder)
    if cases:
        _say("traps")
        theirs = None if program is None else _their_price(program)
        figures = msgspec.structs.replace(figures, cases=traps.compare(cases, our_price, theirs))
    return figures


def made(work: Path, calls: int, seed: int) -> tuple[Path, Truth]:
    """The month, generated where it is not there yet; one that was cut short is made again."""
    folder = work / f"month-{calls}-{seed}"
    with suppress(OSError, msgspec.DecodeError):
        return folder, month.read_truth(folder)
    if folder.exists():
        shutil.rmtree(folder)
    _say(f"generating {calls:,} calls")
    return folder, month.generate(folder, calls, seed)


def warm(folder: Path) -> int:
    """Read all files once, so that no tool has to wait for the disk where another has not. Returns their bytes."""
    total = 0
    for path in sorted(folder.rglob("*.jsonl")):
        with path.open("rb") as stream:
            while chunk := stream.read(2**20):
                total += len(chunk)
    return total


def _import(figures: Figures, folder: Path, program: Path | None, rounds: int) -> Figures:
    """Import and price, the tools in turn."""
    runs: dict[str, list[Run]] = {OURS: [], THEIRS: []}
    audit: Audit | None = None
    totals: Totals | None = None
    skipped = dict(figures.skipped)
    for number in range(rounds):
        _say(f"import and price, round {number + 1} of {rounds}")
        if OURS not in skipped:
            try:
                done, audit = audited(folder, "--no-replay")
                runs[OURS].append(done)
            except Failed as error:
                skipped[OURS] = str(error)
        if program is not None and THEIRS not in skipped:
            try:
                done, totals = _counted(program, folder)
                runs[THEIRS].append(done)
            except (Failed, NotAvailable) as error:
                skipped[THEIRS] = str(error)
    kept = {tool: done for tool, done in runs.items() if done}
    return msgspec.structs.replace(figures, runs=kept, audit=audit, totals=totals, skipped=skipped)


def _replay(figures: Figures, folder: Path) -> Figures:
    """The whole verb: import, the log as it is, all policies."""
    _say("import and replay")
    try:
        done, audit = audited(folder)
    except Failed as error:
        return msgspec.structs.replace(figures, skipped={**figures.skipped, "replay": str(error)})
    return msgspec.structs.replace(figures, replay=done, replay_audit=audit)


def audited(folder: Path, *options: str) -> tuple[Run, Audit]:
    """`thriftgate audit` with nothing in its cache. Raises Failed."""
    with TemporaryDirectory(prefix="audit-bench-") as temporary:
        command = [sys.executable, "-m", "thriftgate", "audit", str(folder), "--json", "--cache", temporary, *options]
        done = timed(command, os.environ)
    try:
        return done, msgspec.json.decode(done.output, type=Audit, strict=False)
    except msgspec.DecodeError as error:
        raise Failed(f"thriftgate audit --json: {error}") from error


def our_price(config: Path) -> Decimal:
    """What thriftgate says a folder cost. Raises Failed."""
    return audited(config, "--no-replay")[1].cost_usd


def _their_price(program: Path) -> Callable[[Path], Decimal]:
    return lambda config: _counted(program, config)[1].usd


def _counted(program: Path, config: Path) -> tuple[Run, Totals]:
    with TemporaryDirectory(prefix="audit-bench-") as home:
        done = timed(ccusage.command(program), ccusage.environment(config, Path(home)))
    return done, ccusage.parse(done.output)


def timed(command: Sequence[str], environment: Mapping[str, str]) -> Run:
    """One run of a command, watched. Raises Failed when it ends with another code than 0."""
    with TemporaryFile() as out, TemporaryFile() as errors:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, env=dict(environment), start_new_session=True
        )
        watch = _Watch(process.pid)
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        finally:
            watch.stop()
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        output, said = out.read(), errors.read()
    if process.returncode:
        words = (said or output).decode(errors="replace").translate(_NO_FRAMES).split()
        raise Failed(
            f"{Path(command[0]).name} {' '.join(command[1:4])}: code {process.returncode}: {' '.join(words)[-300:]}"
        )
    largest = max(used.ru_maxrss * 1024 / 1e6, watch.largest_mb)
    return Run(wall, used.ru_utime + used.ru_stime, largest, max(largest, watch.peak_mb), output)


class _Watch:
    """Looks every so often at the memory peaks (VmHWM) of a process tree."""

    def __init__(self, root: int) -> None:
        self.largest_mb = self.peak_mb = 0.0
        self._root = root
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(_POLL_S):
            peaks = [peak_mb(pid) for pid in tree(self._root)]
            self.largest_mb = max([self.largest_mb, *peaks])
            self.peak_mb = max(self.peak_mb, sum(peaks))


def peak_mb(pid: int) -> float:
    """The most memory a process ever held, MB; 0 where it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)

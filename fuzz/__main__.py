"""The command: `python -m fuzz [NAME …] [--seconds N | --replay] [--seed N]`. Exit code 1 where something was found."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import msgspec

from fuzz.fuzzers import FUZZERS
from fuzz.replay import replayed

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache" / "fuzz"
_BYTES_MAX = 8_192
_ONE_INPUT_S = 20  # longer is a hang
_MEMORY_MB = 2_048
_REPLAYED = 1_000  # mutations for each part
_EDGES = re.compile(rb"cov: (\d+)")
_RUNS = re.compile(rb"(?:stat::number_of_executed_units: |Done )(\d+)")


class Told(NamedTuple):
    """How a run of one fuzzer went."""

    fuzzer: str
    executions: int
    edges: int
    wall_s: float
    cpu_s: float
    findings: tuple[str, ...]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FUZZERS)}; all where none is named")
    parser.add_argument("--seconds", type=int, default=20, help="for each fuzzer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--replay", action="store_true", help="fixed inputs only; needs no atheris")
    asked = parser.parse_args(arguments)
    unknown = set(asked.names) - FUZZERS.keys()
    if unknown:
        parser.error(f"no such fuzzer: {', '.join(sorted(unknown))}; there are {', '.join(FUZZERS)}")
    names = asked.names or list(FUZZERS)
    if not asked.replay and find_spec("atheris") is None:
        print("atheris is not installed here (it has no build for this Python): fixed inputs only", file=sys.stderr)
        asked.replay = True
    found = [_replay(name, asked.seed) if asked.replay else _hunt(name, asked.seconds, asked.seed) for name in names]
    for told in found:
        print(msgspec.json.encode(told._asdict()).decode())
    return int(any(told.findings for told in found))


def _replay(name: str, seed: int) -> Told:
    wall, cpu = time.monotonic(), time.process_time()
    outcomes = list(replayed(FUZZERS[name], _REPLAYED, seed))
    errors = {f"{one.part}: {one.error}": one for one in outcomes if one is not None}
    kept = tuple(_kept(name, one.part, one.data, text) for text, one in errors.items())
    return Told(name, len(outcomes), 0, round(time.monotonic() - wall, 1), round(time.process_time() - cpu, 1), kept)


def _hunt(name: str, seconds: int, seed: int) -> Told:
    """Run atheris for so long; it stops at the first finding, which is kept."""
    corpus = CACHE / name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    parts = FUZZERS[name]
    for at, part in enumerate(parts):
        for number, data in enumerate(part.seeds()):
            (corpus / f"seed-{part.name}-{number}").write_bytes(bytes((at,)) + data)
    with tempfile.TemporaryDirectory(prefix="thriftgate-fuzz-") as folder:
        options = (
            f"-max_total_time={seconds}", f"-seed={seed + 1}", f"-max_len={_BYTES_MAX}", f"-timeout={_ONE_INPUT_S}",
            f"-rss_limit_mb={_MEMORY_MB}", f"-artifact_prefix={folder}/", "-print_final_stats=1", "-len_control=0",
        )  # fmt: skip
        begun = time.monotonic()
        log = CACHE / name / "log"
        with log.open("wb") as told:
            command = [sys.executable, "-m", "fuzz.hunt", name, *options, str(corpus)]
            child = subprocess.Popen(command, cwd=ROOT, stdout=told, stderr=told)
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - begun
        text = log.read_bytes()
        inputs = [file.read_bytes() for file in sorted(Path(folder).iterdir())]
    kept = tuple(_kept(name, parts[data[0] % len(parts)].name, data[1:], _cause(text)) for data in inputs if data)
    if child.returncode and not kept:
        kept = (f"it ended with {child.returncode}: see {log.relative_to(ROOT)}",)
    runs, edges = _RUNS.findall(text), _EDGES.findall(text)
    cpu = used.ru_utime + used.ru_stime
    return Told(name, int(runs[-1]) if runs else 0, int(edges[-1]) if edges else 0, round(wall, 1), round(cpu, 1), kept)


def _cause(log: bytes) -> str:
    """What was raised, of a log of libFuzzer."""
    found = re.search(rb"Uncaught Python exception: ===\n(.*)", log)
    return found[1].decode(errors="replace") if found else "a hang, or memory: see the log"


def _kept(name: str, part: str, data: bytes, error: str) -> str:
    """Write an input down; where it is, and what it did."""
    folder = CACHE / name / "findings" / part
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{sha256(data).hexdigest()[:16]}"
    file.write_bytes(data)
    return f"{file.relative_to(ROOT)}: {error[:300]}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

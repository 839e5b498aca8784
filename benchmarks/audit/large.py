"""A log as a fleet of gateways leaves it behind, as large as asked for, made up from a seed; and what it truly cost.

Spend logs of LiteLLM (JSONL), a file for each gateway and stretch of time. What makes such a log hard is in it: one key with
six tenths of all calls, one session with a tenth of them, sessions that every gateway has a part of, and a tenth of the rows
written again into another file much later, as exports do that overlap.

Every session marks the end of its prompt for five minutes; nothing is shared between sessions.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import msgspec
from msgspec import Struct

from thriftgate.core.cost import price_usage
from thriftgate.core.prices import Terms, day_from_iso
from thriftgate.core.usage import Tokens, Usage
from thriftgate.pricing.load import load_book

FIRST_DAY = "2026-10-10"
GATEWAYS = 6
STRETCH = 100_000  # calls, after which each gateway begins a new file
AGAIN_SHARE = 0.1
HUGE_SHARE = 0.1
MAIN_KEY_SHARE = 0.6
KEYS = 40
OPEN = 400  # sessions at a time
TRUTH = "truth.json"

_LIFE_S = 300
_ROOM = 90_000  # tokens at which a conversation begins anew; below each step in a price
_MODELS = ("claude-opus-5-5", "claude-sonnet-5", "claude-haiku-4-5-20251001")
_STEP_S = 0.25  # from one call of the fleet to the next


class LargeTruth(Struct, frozen=True, kw_only=True):
    """What a generated log holds: `rows` are written, `calls` of them different, which cost `pico` pico-USD."""

    seed: int
    calls: int
    rows: int
    sessions: int
    files: int
    bytes: int
    pico: int


@dataclass
class _Talk:
    name: str
    key: str
    model: str
    left: int
    context: int
    cached: int = 0
    expires_s: float = 0.0


def generate(folder: Path, calls: int, seed: int = 1) -> LargeTruth:
    """Write the logs and, beside their folder `logs`, `truth.json`. The same calls and seed make the same bytes. Raises
    ValueError for fewer than one call, and where there are logs already."""
    if calls < 1:
        raise ValueError("a log has at least one call")
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=False)
    truth = _Fleet(logs, calls, seed).run()
    (folder / TRUTH).write_bytes(msgspec.json.encode(truth))
    return truth


def read_truth(folder: Path) -> LargeTruth:
    """What `generate` wrote. Raises OSError or msgspec.DecodeError where there is none."""
    return msgspec.json.decode((folder / TRUTH).read_bytes(), type=LargeTruth)


class _Fleet:
    def __init__(self, logs: Path, calls: int, seed: int) -> None:
        self._logs = logs
        self._calls = calls
        self._seed = seed
        self._rng = random.Random(seed)
        self._sums: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0] * 4)
        self._sessions = 0
        self._rows = 0
        self._huge = self._talk(calls)
        self._open = [self._talk() for _ in range(OPEN)]
        self._again: list[str] = []  # rows to be written once more

    def run(self) -> LargeTruth:
        start_s = day_from_iso(FIRST_DAY) * 86_400.0
        for stretch in range(-(-self._calls // STRETCH)):
            late, self._again = self._again, []
            with ExitStack() as stack:
                files = [stack.enter_context(self._file(stretch, gateway)) for gateway in range(GATEWAYS)]
                for at, row in enumerate(late):
                    files[at % GATEWAYS].write(row)
                for number in range(stretch * STRETCH, min(self._calls, (stretch + 1) * STRETCH)):
                    self._call(files, number, start_s + number * _STEP_S)
        with self._file(stretch + 1, 0) as last:
            last.writelines(self._again)
        paths = list(self._logs.iterdir())
        size = sum(path.stat().st_size for path in paths)
        return LargeTruth(
            seed=self._seed,
            calls=self._calls,
            rows=self._rows,
            sessions=self._sessions,
            files=len(paths),
            bytes=size,
            pico=self._pico(),
        )

    def _file(self, stretch: int, gateway: int) -> TextIO:
        return (self._logs / f"spend-{stretch:05d}-gateway-{gateway}.jsonl").open("w", encoding="utf-8")

    def _talk(self, left: int = 0) -> _Talk:
        rng = self._rng
        self._sessions += 1
        key = "key-main" if left or rng.random() < MAIN_KEY_SHARE else f"key-{rng.randrange(KEYS):02d}"
        left = left or 1 + int(rng.expovariate(1 / 30))
        return _Talk(f"session-{self._sessions:09d}", key, rng.choice(_MODELS), left, rng.randrange(4_000, 20_000))

    def _call(self, files: list[TextIO], number: int, at_s: float) -> None:
        """The next call of one of the open sessions, through any of the gateways."""
        rng = self._rng
        place = int(rng.random() * OPEN)
        talk = self._huge if rng.random() < HUGE_SHARE else self._open[place]
        read = talk.cached if at_s < talk.expires_s else 0
        loose, output = 2 + int(rng.random() * 9), 20 + int(rng.expovariate(1 / 400))
        write = talk.context - loose - read
        sums = self._sums[talk.model, int(at_s // 86_400)]
        for at, count in enumerate((loose, write, read, output)):
            sums[at] += count
        row = _row(rng, talk, at_s, (loose, write, read, output))
        files[int(rng.random() * GATEWAYS)].write(row)
        self._rows += 1
        if rng.random() < AGAIN_SHARE:
            self._again.append(row)
            self._rows += 1
        talk.cached, talk.expires_s = talk.context - loose, at_s + _LIFE_S
        talk.context += output + 40 + int(rng.expovariate(1 / 900))
        talk.left -= 1
        if talk.context > _ROOM:
            talk.context, talk.cached, talk.expires_s = rng.randrange(4_000, 20_000), 0, 0.0
        if not talk.left and talk is not self._huge:
            self._open[place] = self._talk()

    def _pico(self) -> int:
        book = load_book()
        return sum(
            price_usage(Usage(Tokens(loose, write, 0, read, output)), Terms(model, day), book).pico
            for (model, day), (loose, write, read, output) in self._sums.items()
        )


def _row(rng: random.Random, talk: _Talk, at_s: float, counts: tuple[int, int, int, int]) -> str:
    """A row of `LiteLLM_SpendLogs` (BerriAI/litellm, `schema.prisma`, 1.83.0)."""
    loose, write, read, output = counts
    prompt = loose + write + read
    begin, end = _stamp(at_s), _stamp(at_s + 0.9 + output * 0.012)
    return (
        f'{{"request_id":"msg_01{rng.getrandbits(88):022x}","call_type":"acompletion","api_key":"{talk.key}","spend":0,'
        f'"startTime":"{begin}","endTime":"{end}","model":"{talk.model}","custom_llm_provider":"anthropic",'
        f'"prompt_tokens":{prompt},"completion_tokens":{output},"total_tokens":{prompt + output},'
        f'"session_id":"{talk.name}","cache_hit":"False","status":"success","metadata":{{"status":"success",'
        f'"usage_object":{{"prompt_tokens":{prompt},"completion_tokens":{output},"total_tokens":{prompt + output},'
        f'"prompt_tokens_details":{{"cached_tokens":{read}}},"cache_read_input_tokens":{read},'
        f'"cache_creation_input_tokens":{write},"cache_creation":{{"ephemeral_5m_input_tokens":{write},'
        '"ephemeral_1h_input_tokens":0}}}}\n'
    )


def _stamp(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def paths(folder: Path) -> Iterator[Path]:
    """The files of a generated log."""
    yield from sorted((folder / "logs").iterdir())

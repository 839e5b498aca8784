"""Records as the merged table of calls that an audit works on: through real shards and a real database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.json import encode

from thriftgate.audit.calls import Calls
from thriftgate.audit.moments import DAY_US, micros
from thriftgate.audit.records import Depth, Record
from thriftgate.audit.shards import Shard, _to_parquet, _Writer
from thriftgate.pricing.load import load_book, load_models

BOOK = load_book()
MODELS = load_models()
DAY = micros("2026-11-10") // DAY_US
NOON_US = (DAY * 24 + 12) * 3_600_000_000
OPUS = "claude-opus-5-5"
OLD_OPUS = "claude-opus-4-5-20251101"
HAIKU = "claude-haiku-5-5"
OLD_HAIKU = "claude-haiku-4-5-20251001"
USD = 10**12
NONE: frozenset[int] = frozenset()


def call(position: int = 0, **fields: object) -> Record:
    """One call at noon, `position` seconds later."""
    told: dict[str, object] = {
        "source": "a.jsonl",
        "position": position,
        "at_us": NOON_US + position * 1_000_000,
        "model": OPUS,
    }
    return Record(**{**told, **fields})  # type: ignore[arg-type]


def shard_of(records: Sequence[Record], folder: Path, name: str) -> Shard:
    """What an import of a file with these records leaves behind."""
    lines = folder / f"{name}.tmp"
    writer = _Writer(lines)
    depths: set[Depth] = set()
    for record in records:
        writer._add(record, depths, [0, 0])
    writer.close()
    return Shard(_to_parquet(lines, folder / f"{name}.parquet") if records else "", (), {})


@contextmanager
def table(*shards: Iterable[Record]) -> Iterator[Calls]:
    """The calls that these records are, each argument a shard of its own."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        made = [shard_of(list(records), folder, f"shard{number}") for number, records in enumerate(shards)]
        calls = Calls(folder / "calls.duckdb")
        try:
            calls.take(made, folder)
            yield calls
        finally:
            calls.close()


def claude_code_log(
    path: Path,
    turns: int = 4,
    *,
    session: str = "5e55",
    model: str = OPUS,
    pause_s: int = 400,
    changed: frozenset[int] = NONE,
) -> None:
    """A session as Claude Code writes it: each answer reads what the one before had written, in five-minute caches that have
    expired by then where the pause is longer. At the turns `changed` something early in the prompt was another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines: list[bytes] = []
    size = 20_000
    for turn in range(turns):
        second = turn * pause_s
        stamps = [f"2026-11-10T{12 + at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}.000Z" for at in (second, second + 7)]
        common = {"sessionId": session, "cwd": "/home/user/shop", "parentUuid": None, "isSidechain": False}
        lines.append(encode({**common, "type": "user", "uuid": f"u{turn}", "timestamp": stamps[0]}))
        kept = 0 if not turn or pause_s >= 300 else 5_000 if turn in changed else size
        usage = {
            "input_tokens": 3,
            "cache_read_input_tokens": kept,
            "cache_creation_input_tokens": size + 2_000 - kept,
            "cache_creation": {"ephemeral_5m_input_tokens": size + 2_000 - kept, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 300,
            "service_tier": "standard",
        }
        size += 2_000
        answer = {"id": f"msg_{session}_{turn}", "model": model, "usage": usage, "stop_reason": "end_turn", "content": []}
        call_line = {**common, "type": "assistant", "uuid": f"a{turn}", "timestamp": stamps[1], "message": answer}
        lines += [encode({**call_line, "requestId": f"req_{session}_{turn}"})] * 2
    path.write_bytes(b"\n".join(lines) + b"\n")

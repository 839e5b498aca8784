"""Things that go wrong on purpose, seeded: the same run breaks in the same places.

Every Messages request has an ordinal, every batch request one of another count; for each kind of fault a draw from (seed,
ordinal, kind) decides. At most one fault per request: the first kind in the order of the fields below; those whose name
begins with "batch_" strike batch requests only, the others Messages requests only. A dropped connection: under uvicorn the
transport is aborted (a reset on the wire); elsewhere the application raises `ConnectionDropped`. What each faulty call was
billed stands in the bill.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from thriftgate.simulator.draws import pick, unit
from thriftgate.simulator.tables import settings_table


class ConnectionDropped(Exception):
    """Raised out of the ASGI application to make the server drop the connection."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Probabilities (0…1) per Messages or batch request, and the sizes that go with them. All zero: nothing goes wrong."""

    seed: int = 0
    reset_before_headers: float = 0.0
    """the connection drops before a status line; not billed"""
    rate_limit: float = 0.0
    """429 with retry-after; not billed"""
    rate_limit_bare: float = 0.0
    """429 without retry-after; not billed"""
    internal_error: float = 0.0
    """500 api_error; not billed"""
    overloaded: float = 0.0
    """529; not billed"""
    garbage_body: float = 0.0
    """200 whose JSON is broken; billed in full"""
    empty_body: float = 0.0
    """200 without a body; billed in full"""
    wrong_length: float = 0.0
    """content-length larger than the body, then the connection drops; billed in full"""
    reset_mid_stream: float = 0.0
    """a stream drops after part of the answer; billed: input and the output sent so far"""
    cut_stream: float = 0.0
    """a stream ends cleanly but without message_delta and message_stop; billed in full"""
    garbage_sse: float = 0.0
    """a stream holds an event whose data is no JSON; billed in full"""
    error_event: float = 0.0
    """a stream ends with an `error` event after part of the answer; billed: input and the output sent so far"""
    latency: float = 0.0
    """the reply waits `latency_s` first; billed as usual"""
    slow_drip: float = 0.0
    """a stream pauses `drip_s` before every event; billed as usual"""
    latency_s: float = 5.0
    drip_s: float = 0.2
    retry_after_s: int = 7
    batch_error: float = 0.0
    """any batch request: 500 or 529 before anything happens"""
    batch_poll_limited: float = 0.0
    """GET of a batch or of the list: 429 with retry-after"""
    batch_post_lost: float = 0.0
    """POST: the batch is created, then the connection drops before any answer"""
    batch_error_late: float = 0.0
    """POST: the batch is created, then the answer is a 500"""
    batch_post_twice: float = 0.0
    """POST: it takes effect twice; a second batch of the same requests exists, only the first is answered"""
    batch_results_cut: float = 0.0
    """GET of results: the connection drops in the middle of a line"""
    batch_item_error: float = 0.0
    """share of batch items that end `errored` with an api_error or overloaded_error; not billed, nothing is cached"""
    batch_slow: float = 0.0
    """share of batches that take `batch_slow_factor` times as long"""
    batch_slow_factor: float = 10.0
    storm_every_s: float = 0.0
    storm_s: float = 0.0
    """while the clock (Unix seconds) modulo `storm_every_s` is below `storm_s`, every batch request is answered 529"""

    def __post_init__(self) -> None:
        for name in (*KINDS, *BATCH_KINDS, "batch_item_error", "batch_slow"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"faults: {name} is a probability between 0 and 1, not {value!r}")
        if self.batch_slow_factor <= 0.0:
            raise ValueError(f"faults: batch_slow_factor must be more than 0, not {self.batch_slow_factor!r}")

    def pick(self, ordinal: int, *, stream: bool) -> str | None:
        """The fault of the request with this ordinal, or None. Kinds that need a stream never strike plain replies, and the
        other way round."""
        for kind in KINDS:
            chance: float = getattr(self, kind)
            fits = (kind not in STREAM_ONLY or stream) and (kind not in PLAIN_ONLY or not stream)
            if chance > 0.0 and fits and unit("fault", self.seed, ordinal, kind) < chance:
                return kind
        return None

    def pick_batch(self, ordinal: int, operation: str) -> str | None:
        """The fault of the batch request with this ordinal, or None. Operations are those of `BATCH_KINDS`."""
        for kind, operations in BATCH_KINDS.items():
            chance: float = getattr(self, kind)
            if chance > 0.0 and operation in operations and unit("fault", self.seed, ordinal, kind) < chance:
                return kind
        return None

    def item_error(self, batch: int, index: int) -> str | None:
        """The type of the error that strikes one item of the batch with this ordinal, or None."""
        if not self.batch_item_error or unit("fault", self.seed, batch, "batch_item_error", index) >= self.batch_item_error:
            return None
        return pick(("api_error", "overloaded_error"), "fault", self.seed, batch, "type", index)

    def slowness(self, batch: int) -> float:
        """By what the duration of the batch with this ordinal is multiplied."""
        slow = self.batch_slow > 0.0 and unit("fault", self.seed, batch, "batch_slow") < self.batch_slow
        return self.batch_slow_factor if slow else 1.0

    def storming(self, now: float) -> bool:
        """Whether batch requests fail at `now` (Unix seconds)."""
        return self.storm_every_s > 0.0 and now % self.storm_every_s < self.storm_s

    @classmethod
    def parse(cls, raw: object, where: str = "faults") -> Faults:
        """Faults from a decoded document. ValueError names an unknown or mistyped key."""
        values: dict[str, float | int] = {}
        for name, value in settings_table(raw, [field.name for field in dataclasses.fields(cls)], where).items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ValueError(f"{where}: {name} must be a number, not {value!r}")  # noqa: TRY004  one kind
            if name in WHOLE and not isinstance(value, int):
                raise ValueError(f"{where}: {name} must be a whole number, not {value!r}")
            values[name] = value if name in WHOLE else float(value)
        return cls(**values)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | Path) -> Faults:
        """Reads a .toml or .json file. ValueError says which file and what is wrong in it; OSError if it cannot be read."""
        file = Path(path)
        raw = file.read_bytes()
        readers: dict[str, Callable[[bytes], object]] = {
            ".json": msgspec.json.decode,
            ".toml": lambda data: tomllib.loads(data.decode("utf-8")),
        }
        if file.suffix not in readers:
            raise ValueError(f"{file}: the name must end in .toml or .json")
        try:
            document: object = readers[file.suffix](raw)
        except (msgspec.DecodeError, ValueError) as problem:
            raise ValueError(f"{file}: {problem}") from None
        return cls.parse(document, str(file))


SIZES = frozenset({"latency_s", "drip_s", "storm_every_s", "storm_s"})
WHOLE = frozenset({"seed", "retry_after_s"})
KINDS: tuple[str, ...] = tuple(
    field.name
    for field in dataclasses.fields(Faults)
    if field.name not in SIZES | WHOLE and not field.name.startswith("batch_")
)
BATCH_KINDS = {
    "batch_error": frozenset({"create", "list", "get", "cancel", "delete", "results", "unknown"}),
    "batch_poll_limited": frozenset({"list", "get"}),
    "batch_post_lost": frozenset({"create"}),
    "batch_error_late": frozenset({"create"}),
    "batch_post_twice": frozenset({"create"}),
    "batch_results_cut": frozenset({"results"}),
}
"""kinds that strike a batch request, in order, and the operations on batches that each can strike"""
STREAM_ONLY = frozenset({"reset_mid_stream", "cut_stream", "garbage_sse", "error_event", "slow_drip"})
PLAIN_ONLY = frozenset({"garbage_body", "wrong_length"})

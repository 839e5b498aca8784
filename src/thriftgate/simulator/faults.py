"""Things that go wrong on purpose, seeded: the same run breaks in the same places.

Every Messages request has an ordinal; for each kind of fault a draw from (seed, ordinal, kind) decides. At most one fault
per request: the first kind in the order of the fields below. A dropped connection: under uvicorn the transport is aborted (a
reset on the wire); elsewhere the application raises `ConnectionDropped`. What each faulty call was billed
stands in the bill.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from thriftgate.simulator.draws import unit


class ConnectionDropped(Exception):
    """Raised out of the ASGI application to make the server drop the connection."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Probabilities (0…1) per Messages request, and the sizes that go with them. All zero: nothing goes wrong."""

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

    def __post_init__(self) -> None:
        for name in KINDS:
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"faults: {name} is a probability between 0 and 1, not {value!r}")

    def pick(self, ordinal: int, *, stream: bool) -> str | None:
        """The fault of the request with this ordinal, or None. Kinds that need a stream never strike plain replies, and the
        other way round."""
        for kind in KINDS:
            chance: float = getattr(self, kind)
            fits = (kind not in STREAM_ONLY or stream) and (kind not in PLAIN_ONLY or not stream)
            if chance > 0.0 and fits and unit("fault", self.seed, ordinal, kind) < chance:
                return kind
        return None

    @classmethod
    def parse(cls, raw: object, where: str = "faults") -> Faults:
        """Faults from a decoded document. ValueError names an unknown or mistyped key."""
        if not isinstance(raw, dict):
            raise ValueError(f"{where}: expected a table of fault names, found {type(raw).__name__}")  # noqa: TRY004  one kind
        fields = {field.name: field for field in dataclasses.fields(cls)}
        values: dict[str, float | int] = {}
        for name, value in raw.items():
            if name not in fields:
                close = difflib.get_close_matches(str(name), fields, 1)
                hint = f"; did you mean {close[0]}?" if close else f"; known: {', '.join(fields)}"
                raise ValueError(f"{where}: unknown key {name!r}{hint}")
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ValueError(f"{where}: {name} must be a number, not {value!r}")  # noqa: TRY004  one kind
            if name in {"seed", "retry_after_s"} and not isinstance(value, int):
                raise ValueError(f"{where}: {name} must be a whole number, not {value!r}")
            values[name] = value if name in {"seed", "retry_after_s"} else float(value)
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


KINDS: tuple[str, ...] = tuple(
    field.name for field in dataclasses.fields(Faults) if field.name not in {"seed", "latency_s", "drip_s", "retry_after_s"}
)
STREAM_ONLY = frozenset({"reset_mid_stream", "cut_stream", "garbage_sse", "error_event", "slow_drip"})
PLAIN_ONLY = frozenset({"garbage_body", "wrong_length"})

"""Texts to fit and to measure on: the caller's files, the standard library's own text, and made-up texts of odd kinds.

Each text belongs to a source (a folder and a file ending, or a kind of made-up text); figures are given by source, so that
one plentiful kind cannot hide another.
"""

from __future__ import annotations

import base64
import gzip
import inspect
import random
from collections.abc import Callable, Iterator
from hashlib import sha256
from importlib import import_module
from pathlib import Path

import msgspec
from msgspec import Struct

FILE_BYTES_MAX = 400_000
SEGMENT_CHARS = (20, 20_000)
_MODULES = (
    "argparse",
    "asyncio",
    "csv",
    "email",
    "http.client",
    "logging",
    "os",
    "pathlib",
    "shutil",
    "sqlite3",
    "ssl",
    "statistics",
)
_JSON_TYPES = ("string", "integer", "number", "boolean", "array", "object")


class Text(Struct, frozen=True):
    """One segment of a source."""

    source: str
    text: str


def from_paths(paths: list[Path], rng: random.Random, files_max: int, segments: int) -> Iterator[Text]:
    """Random segments, log-uniform in length, of the text files under `paths`; `.jsonl.gz` rows give their string values."""
    for path in paths:
        files = sorted(file for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
        rng.shuffle(files)
        taken = 0
        for file in files:
            texts = _read(file)
            if not texts or taken >= files_max:
                continue
            taken += 1
            source = file.name.split(".")[0] if file.name.endswith(".jsonl.gz") else f"{path.name}{file.suffix}"
            for text in texts:
                for _ in range(segments):
                    yield Text(source, _segment(text, rng))


def _read(file: Path) -> list[str]:
    try:
        if file.name.endswith(".jsonl.gz"):
            rows = [
                msgspec.json.decode(line, type=dict[str, object]) for line in gzip.decompress(file.read_bytes()).splitlines()
            ]
            return [value for row in rows for value in row.values() if isinstance(value, str) and len(value) > 40]
        if file.stat().st_size > FILE_BYTES_MAX:
            return []
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    return [text] if len(text) >= SEGMENT_CHARS[0] and "\0" not in text else []


def _segment(text: str, rng: random.Random) -> str:
    low, high = SEGMENT_CHARS
    length = min(len(text), int(low * (high / low) ** rng.random()))
    start = rng.randrange(len(text) - length + 1)
    return text[start : start + length]


def made_up(rng: random.Random, each: int) -> Iterator[Text]:
    """Kinds that files rarely hold pure: identifiers, numbers, logs, emoji, runs, and tool definitions from the library."""
    tools = list(_tool_definitions())
    for name, make in _KINDS.items():
        for _ in range(each):
            yield Text(name, _segment("".join(make(rng) for _ in range(rng.randrange(2, 300))), rng))
    for _ in range(each * 6):
        one = rng.choice(tools)
        yield Text("made.tool", msgspec.json.format(one, indent=rng.choice((-1, 0, 0, 0, 2))).decode())


def _tool_definitions() -> Iterator[bytes]:
    """Functions of the standard library written as tool definitions."""
    for module_name in _MODULES:
        module = import_module(module_name)
        for name, function in inspect.getmembers(module, callable):
            try:
                parameters = list(inspect.signature(function).parameters)
            except (ValueError, TypeError):
                continue
            doc = (inspect.getdoc(function) or "").split("\n\n")
            properties = {
                each: {"type": _JSON_TYPES[len(each) % 6], "description": (doc[at % len(doc)])[:160]}
                for at, each in enumerate(parameters)
            }
            schema = {"type": "object", "properties": properties, "required": parameters[:1], "additionalProperties": False}
            yield msgspec.json.encode({"name": name, "description": doc[0], "input_schema": schema})


def _hexadecimal(rng: random.Random) -> str:
    return sha256(rng.randbytes(8)).hexdigest()[: rng.choice((8, 12, 32, 40, 64))] + rng.choice(" \n,")


def _uuid_row(rng: random.Random) -> str:
    bits = f"{rng.getrandbits(128):032x}"
    name = "-".join((bits[:8], bits[8:12], bits[12:16], bits[16:20], bits[20:]))
    return f'{{"id": "{name}", "ts": {rng.getrandbits(31)}, "ok": true}},\n'


def _log_line(rng: random.Random) -> str:
    return (
        f"2026-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}T{rng.randrange(24):02}:{rng.randrange(60):02}:"
        f"{rng.randrange(60):02}.{rng.randrange(1000):03}Z {rng.choice(('INFO', 'WARN', 'ERROR'))} "
        f"[{rng.choice(('main', 'worker-3', 'http'))}] GET /api/v1/orders/{rng.randrange(99999)} "
        f"{rng.choice((200, 404, 500))} {rng.random() * 1000:.2f}ms ip=10.{rng.randrange(256)}.{rng.randrange(256)}.7\n"
    )


def _table_row(rng: random.Random) -> str:
    cells = (
        rng.choice(("yes", "no", "-", "N/A", f"{rng.randrange(10**6)}", f"${rng.random() * 900:.2f}")) for _ in range(5)
    )
    return "| " + " | ".join(cells) + " |\n"


_KINDS: dict[str, Callable[[random.Random], str]] = {
    "made.hex": _hexadecimal,
    "made.base64": lambda rng: base64.b64encode(rng.randbytes(57)).decode(),
    "made.numbers": lambda rng: ",".join(f"{rng.gauss(0, 1000):.{rng.randrange(6)}f}" for _ in range(6)) + "\n",
    "made.uuid": _uuid_row,
    "made.emoji": lambda rng: rng.choice(
        ("😀 great", "👍🏽", "🚀", "✅ done ", "❤️", "🇩🇪", "thanks 🙏 ", " — “quoted” ", "→ • … ")
    ),
    "made.log": _log_line,
    "made.table": _table_row,
    "made.runs": lambda rng: (
        rng.choice(("=", "-", "a", "ab ", "\n", "    ", "....", "foo ", "0", "%20")) * rng.randrange(1, 40)
    ),
    "made.capitals": lambda rng: "".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=rng.randrange(1, 9))) + " ",
}


def as_json(text: str) -> bytes:
    """The text as it stands inside a JSON string."""
    return msgspec.json.encode(text.encode("utf-8", "replace").decode())[1:-1]

"""Logs as they are found: cut off, mixed up, damaged. Everything that is a call is counted and priced, everything else told
by its reason, and nothing is the end of an audit."""

from __future__ import annotations

import gzip
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from tests.audit.importers.reading import GOLDEN
from tests.audit.tables import BOOK, MODELS, OPUS
from thriftgate.audit.audit import Wanted, audit
from thriftgate.audit.find import importer_for
from thriftgate.audit.findings import Findings
from thriftgate.audit.importers import IMPORTERS
from thriftgate.audit.records import Issue, Record
from thriftgate.audit.sources import Source

OTHER_LOG = GOLDEN / "helicone" / "export-jsonl" / "output.jsonl"
ONE_PICO = 1_000 * 4_000_000 + 100 * 20_000_000  # what each call here costs: $4 a million in, $20 out
USAGE = {"input_tokens": 1_000, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0, "output_tokens": 100}


def line(number: int, *, second: int | None = None, session: str = "s", **more: object) -> dict[str, Any]:
    at = number * 60 if second is None else second
    stamp = f"2026-11-10T{12 + at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}.000Z"
    message = {"id": f"msg_{number}", "role": "assistant", "model": OPUS, "usage": USAGE, "stop_reason": "end_turn"}
    common = {"sessionId": session, "uuid": f"u{number}", "parentUuid": None, "isSidechain": False, "cwd": "/shop"}
    return {**common, "type": "assistant", "timestamp": stamp, "requestId": f"req_{number}", "message": message, **more}


def encoded(values: Iterable[object]) -> list[bytes]:
    return [value if isinstance(value, bytes) else msgspec.json.encode(value) for value in values]


def written(path: Path, *values: object, end: bytes = b"\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(one + end for one in encoded(values)))
    return path


def found(*paths: Path | str, **more: Any) -> Findings:
    return audit(Wanted(tuple(map(str, paths)), **{"replay": False, **more}), BOOK, MODELS)


def is_right(findings: Findings, calls: int, **skipped: int) -> bool:
    told = (findings.calls, findings.cost.pico, findings.skipped)
    assert told == (calls, calls * ONE_PICO, skipped)
    assert set(findings.skipped_examples) >= set(skipped)
    return True


@cache
def log(count: int = 5) -> bytes:
    return b"".join(one + b"\n" for one in encoded(map(line, range(count))))


def test_a_file_that_ends_within_a_line(tmp_path: Path) -> None:
    for cut in (1, 2, 30, 200, len(log(1)) - 2):
        (tmp_path / f"{cut}.jsonl").write_bytes(log() + log()[:cut])
    findings = found(tmp_path)
    assert (findings.calls, findings.duplicates, findings.skipped) == (5, 20, {"malformed": 5})
    assert found(tmp_path / "30.jsonl").skipped_examples["malformed"] == (f"{tmp_path / '30.jsonl'}:6",)


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_line_that_is_cut_off_in_the_middle(tmp_path: Path, cut: int) -> None:
    for at in range(5):
        lines = [one + b"\n" for one in encoded(line(10 * at + number) for number in range(5))]
        (tmp_path / f"{at}.jsonl").write_bytes(b"".join([*lines[:at], lines[at][:cut] + b"\n", *lines[at + 1 :]]))
    assert is_right(found(tmp_path), 20, malformed=5)


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor(write_checksum=True).compress])
def test_a_compressed_file_that_is_cut_off(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "s.jsonl.packed"
    noisy = [line(number, second=number, noise=random.Random(number).randbytes(300).hex()) for number in range(800)]
    packed = compress(b"".join(one + b"\n" for one in encoded(noisy)))
    path.write_bytes(packed[: len(packed) * 2 // 3])
    findings = found(path)
    assert 300 < findings.calls < 600
    assert is_right(findings, findings.calls, truncated=1, malformed=1)
    assert "breaks off behind the first" in findings.skipped_examples["truncated"][0]
    path.write_bytes(packed[:10])
    assert is_right(found(path), 0, truncated=1)
    path.write_bytes(packed + b"more")
    assert is_right(found(path), 800, trailing_bytes=1)


def test_formats_mixed_in_one_folder(tmp_path: Path) -> None:
    written(tmp_path / "claude" / "s.jsonl", *map(line, range(5)))
    (tmp_path / "other").mkdir()
    shutil.copy(OTHER_LOG, tmp_path / "other")
    others = found(tmp_path / "other")
    assert others.calls > 1
    written(tmp_path / "claude" / "agent-1.meta.json", {"agentType": "x", "description": "y"})
    written(tmp_path / "claude" / "notes.txt", b"words")
    written(tmp_path / "claude" / "README.md", b"# words")
    written(tmp_path / "claude" / "empty.jsonl")
    (tmp_path / "claude" / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + random.Random(1).randbytes(5000))
    findings = found(tmp_path)
    assert [source.format for source in findings.sources] == ["claude-code", "helicone"]
    assert findings.calls == 5 + others.calls
    assert findings.cost.pico == 5 * ONE_PICO + others.cost.pico
    assert Counter(findings.skipped) - Counter(others.skipped) == {"unknown_format": 2, "companion": 2, "empty_file": 1}
    assert [Path(name).name for name in findings.skipped_examples["unknown_format"]][-2:] == ["notes.txt", "picture.png"]


def test_lines_of_another_format_in_a_file(tmp_path: Path) -> None:
    foreign = OTHER_LOG.read_bytes().splitlines()[:3]
    mixed = written(tmp_path / "s.jsonl", line(0), line(1), *foreign, line(2))
    findings = found(mixed)
    assert (findings.calls, sum(findings.skipped.values())) == (3, 3)


LAYOUTS: dict[str, Callable[[list[bytes]], bytes]] = {
    "bom": lambda rows: b"\xef\xbb\xbf" + b"\n".join(rows),
    "crlf": lambda rows: b"\r\n".join(rows) + b"\r\n",
    "bom and crlf": lambda rows: b"\xef\xbb\xbf" + b"\r\n".join([*rows, b"", b""]),
    "cr": b"\r".join,
    "blank lines": lambda rows: b"\n\n\n".join([b"", *rows, b"  "]),
    "pretty": lambda rows: b"\n".join(msgspec.json.format(row, indent=2) for row in rows),
    "pretty crlf": lambda rows: b"".join(msgspec.json.format(row, indent=4) for row in rows).replace(b"\n", b"\r\n"),
    "array": lambda rows: b"[" + b",".join(rows) + b"]",
    "array of lines": lambda rows: b"[\n" + b",\n".join(rows) + b",\n]\n",
    "pretty array": lambda rows: msgspec.json.format(b"[" + b",".join(rows) + b"]", indent=2),
    "side by side": b"".join,
    "gzip of each line": lambda rows: b"".join(gzip.compress(row + b"\n") for row in rows),
    "zstd of each line": lambda rows: b"".join(zstandard.compress(row + b"\n") for row in rows),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout(tmp_path: Path, name: str) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(LAYOUTS[name](encoded(map(line, range(5)))))
    assert is_right(found(path), 5)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_text_in_another_encoding(tmp_path: Path, encoding: str) -> None:
    written(tmp_path / "good.jsonl", *map(line, range(5)))
    (tmp_path / "bad.jsonl").write_bytes(log().decode().encode(encoding))
    findings = found(tmp_path)
    assert is_right(findings, 5, other_encoding=1)
    assert findings.skipped_examples["other_encoding"][0].endswith(f"text in {encoding[:6].upper()}; convert it to UTF-8")


def test_a_line_much_longer_than_the_others(tmp_path: Path) -> None:
    long = line(1, message={**line(1)["message"], "content": [{"type": "text", "text": 'x\\"\n\u00e9' * 500_000}]})
    assert is_right(found(written(tmp_path / "s.jsonl", line(0), long, line(2))), 3)
    whole = b"\n".join(msgspec.json.format(one, indent=1) for one in encoded([line(0), long, line(2)]))
    assert is_right(found(written(tmp_path / "t.jsonl", whole)), 3)


DAMAGE: dict[str, list[bytes]] = {
    "a first line that is broken": [b"{"],
    "a bracket that stays open": [b"["],
    "words": [b"Traceback (most recent call last):"],
    "bytes": [b"\xfd\xff\xfe \x00\x01"],
    "what a crash leaves": [bytes(4096)],
    "an escape that is none": [b'{"type": "assistant", "message": "\\q"}'],
    "text that is no UTF-8": [b'{"type": "assistant", "message": {"id": "\xff\xff"}}'],
    "depth": [b'{"type": "assistant", "message": ' + b"[" * 50_000],
    "depth that is closed": [b'{"type": "assistant", "message": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"],
    "a closing bracket too many": [b"}}"],
    "two lines": [b'{"a": {"b"', b'{"c": ['],
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_between_lines(tmp_path: Path, name: str) -> None:
    for place in (0, 2, 5):
        rows = encoded(line(10 * place + number) for number in range(5))
        (tmp_path / f"{place}.jsonl").write_bytes(b"\n".join([*rows[:place], *DAMAGE[name], *rows[place:], b""]))
    assert is_right(found(tmp_path), 15, malformed=3 * len(DAMAGE[name]))


def changed(number: int, **usage: object) -> dict[str, Any]:
    value = line(number)
    value["message"] = {**value["message"], "usage": {**USAGE, **usage}}
    return value


def test_fields_that_cannot_be(tmp_path: Path) -> None:
    broken = [
        changed(7, output_tokens="many"),
        changed(8, output_tokens=-5),
        changed(9, input_tokens=10**30),
        changed(10, input_tokens=1.5),
        line(11, timestamp="soon"),
        line(12, timestamp=None),
        line(13, timestamp="0001-01-01T00:00:00Z"),
        line(14, message=[]),
        line(15, sessionId={"a": 1}),
    ]
    for number, one in enumerate(broken):
        written(tmp_path / f"{number}.jsonl", line(100 + 2 * number), one, line(101 + 2 * number))
    assert is_right(found(tmp_path, replay=True), 2 * len(broken), malformed=len(broken))


def test_a_clock_that_goes_backwards(tmp_path: Path) -> None:
    asked = [line(number, second=s, type="user", message={}) for number, s in enumerate((0, 3000, 1200, 1210, 600))]
    calls = [line(number, second=s) for number, s in enumerate((10, 3010, 1190, 1220, 590))]
    rows = [row for pair in zip(asked, calls, strict=True) for row in pair]
    findings = found(written(tmp_path / "s.jsonl", *rows), replay=True)
    assert is_right(findings, 5, not_a_call=5)
    assert findings.replay is not None
    assert findings.replay.calls == 5
    assert findings.last_us - findings.first_us == 3_000_000_000
    assert sum(gap.calls for gap in findings.gaps) == 4


def test_ids_that_come_again(tmp_path: Path) -> None:
    written(tmp_path / "a" / "s.jsonl", *map(line, range(5)))
    written(tmp_path / "b" / "fork.jsonl", *(line(number, session="fork") for number in range(5)), line(9, session="fork"))
    written(tmp_path / "c" / "again.jsonl", line(0), line(1), line(0), line(1))
    findings = found(tmp_path, replay=True)
    assert is_right(findings, 6)
    assert findings.duplicates == 9


def test_no_ids_at_all(tmp_path: Path) -> None:
    bare = [line(number, requestId=None, message={**line(number)["message"], "id": None}) for number in range(5)]
    findings = found(written(tmp_path / "s.jsonl", *bare))
    assert is_right(findings, 5)
    assert findings.duplicates == 0


def told_by_command(folder: Path, *arguments: str, data: bytes = b"") -> tuple[int, dict[str, Any], str]:
    command = [sys.executable, "-m", "thriftgate", "audit", *arguments, "--json", "--cache", str(folder / "cache")]
    run = subprocess.run(command, input=data, capture_output=True, check=False)
    return run.returncode, msgspec.json.decode(run.stdout or b"{}"), run.stderr.decode()


def test_the_command_reads_what_is_piped_beside_files_folders_and_patterns(tmp_path: Path) -> None:
    rows = encoded(map(line, range(5)))
    (tmp_path / "logs" / "x[1]").mkdir(parents=True)
    (tmp_path / "logs" / "x[1]" / "a.jsonl").write_bytes(rows[0] + b"\n{\n")
    (tmp_path / "logs" / "b.jsonl.gz").write_bytes(gzip.compress(rows[1]))
    (tmp_path / "logs" / "c.zst").write_bytes(zstandard.compress(rows[2]))
    (tmp_path / "d.jsonl").write_bytes(rows[3])
    where = [str(tmp_path / "logs" / "x[1]"), str(tmp_path / "logs" / "*.[gz]*"), str(tmp_path / "d.jsonl"), "-"]
    code, told, error = told_by_command(tmp_path, *where, data=gzip.compress(rows[4])[:-5])
    assert (code, error) == (0, "")
    assert told["calls"] == 5
    assert told["skipped"] == {"malformed": 1, "truncated": 1}


def test_the_command_says_what_is_wrong_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    written(tmp_path / "s.jsonl", line(0))
    for arguments in ((str(tmp_path / "s.jsonl"),), (str(tmp_path / "none"),), ("/dev/null",)):
        code, _, error = told_by_command(tmp_path, *arguments)
        assert code == 2
        assert error.startswith("thriftgate: ")
        assert "Traceback" not in error
        assert error.count("\n") == 1


@pytest.mark.parametrize("importer", IMPORTERS, ids=lambda importer: importer.id)
def test_no_importer_raises_for_any_damage(tmp_path: Path, importer: Any) -> None:
    """Each example log with bytes turned, left out, doubled and mixed: only records and issues come."""
    chance = random.Random(importer.id)
    path = tmp_path / "log"
    logs = [file for file in sorted((GOLDEN / importer.id).rglob("*")) if file.is_file() and file.suffix != ".md"]
    logs = [file for file in logs if importer_for(Source(file).head) is importer]
    assert logs
    for file in logs[:4]:
        data = file.read_bytes()
        for _ in range(15):
            path.write_bytes(damaged(data, chance))
            for told in importer.read(Source(path)):
                assert isinstance(told, Record | Issue)
                msgspec.json.encode(told)


def damaged(data: bytes, chance: random.Random) -> bytes:
    made = bytearray(data)
    for _ in range(chance.choice((1, 1, 3, 20))):
        at, other = chance.randrange(len(made) + 1), chance.randrange(len(made) + 1)
        match chance.randrange(5):
            case 0:
                made[at : at + 1] = chance.randbytes(1)
            case 1:
                del made[at : at + chance.randrange(40)]
            case 2:
                made[at:at] = made[other : other + chance.randrange(80)]
            case 3:
                made[at : at + 3] = chance.choice((b"{", b"]", b'"', b"-1", b"1e999", b"null", b'""', b"\\ud800", b"9" * 40))
            case _:
                del made[at + len(made) // 2 :]
    return bytes(made)

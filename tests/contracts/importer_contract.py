"""What every importer must do. An importer is checked by handing it to `check_importer`, or to each of `CHECKS`.

Its golden cases are folders `golden/<id>/<case>/` beside the tests of the importers: input files with any names, in folders
or not, and `expected.json` with the records in the order of files and lines (fields that are not at their default, without
`source`, `position` and `prompt`; `body` as text) and with what was left out, by reason.
"""

from __future__ import annotations

import gzip
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec
import zstandard

from thriftgate.audit.importers import IMPORTERS
from thriftgate.audit.importers.contract import Importer
from thriftgate.audit.layout import BOM
from thriftgate.audit.records import COUNT_MAX, DEPTHS, Issue, Record
from thriftgate.audit.sources import PARQUET, SQLITE, Head, Source

Check = Callable[[Importer], None]
GOLDEN = Path(__file__).parents[1] / "audit" / "importers" / "golden"
EXPECTED = "expected.json"
DAMAGES_EACH = 3  # of every kind, to every file
SHUFFLES = 5
ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
REASON = re.compile(r"[a-z]+(_[a-z]+)*")
COUNTS = ("input", "write_5m", "write_1h", "write_unsplit", "read", "output", "thinking", "web_searches", "max_tokens")
STRANGE = (
    b"", b"\n", b"{", b"{}", b"[]", b"null", b"7", b'"text"', b"plain words\n", b"a,b\n1,2\n", b"\xff\xfe\x00",
    b"PK\x03\x04", b"PAR1", SQLITE, b"\x1f\x8b", b'{"type":"x"}', b'{"data":[]}', b'{"id":"1","object":"chat","usage":{}}',
)  # fmt: skip
ORDER_TELLS = {
    "claude-code": "the question before an answer tells when it was sent; the lines of one answer stand together",
    "otel-genai": "that an instrumentation leaves cached tokens out of its input is learnt from the first span to show it",
    "openinference": "likewise",
}
"""Importers that learn from the order of lines, and what: any order tells the same calls. Of others, the same records."""


class Told(NamedTuple):
    """What was read, in plain values without places."""

    records: list[dict[str, Any]]
    issues: Counter[str]


def check_importer(importer: Importer) -> None:
    """All checks. AssertionError says what it does wrong."""
    for check in CHECKS:
        check(importer)


def it_says_what_it_is(importer: Importer) -> None:
    assert ID.fullmatch(importer.id)
    assert importer.title.strip() == importer.title
    assert 5 <= len(importer.title) <= 80
    assert importer.depth in DEPTHS
    assert importer.input_includes_cache in {True, False, None}
    assert importer.cannot_know, "no format tells everything"
    assert isinstance(importer.cannot_know, tuple)
    for sentence in importer.cannot_know:
        assert 10 <= len(sentence) <= 160
        assert sentence == sentence.strip().rstrip("."), sentence
        assert "\n" not in sentence


def its_goldens_are_read_as_expected(importer: Importer) -> None:
    for case in _cases(importer):
        expected = msgspec.json.decode((case / EXPECTED).read_bytes())
        assert set(expected) == {"records", "issues"}
        told = _told(importer, case)
        assert told.records == expected["records"], case
        assert told.issues == expected["issues"], case


def its_goldens_hold_cached_tokens(importer: Importer) -> None:
    """Without these nobody sees whether the buckets are disjoint. Charges have none; prompts may be told alone."""
    records = [record for case in _cases(importer) for record in _told(importer, case).records]
    counted = [record for record in records if "bill_pico" not in record and "cache_untold" not in record]
    if counted:
        assert any(record.get("read") for record in counted)
        assert any(record.get("write_5m") or record.get("write_1h") or record.get("write_unsplit") for record in counted)


def its_goldens_are_claimed_by_it_alone(importer: Importer) -> None:
    known = [importer, *(one for one in IMPORTERS if one.id != importer.id)]
    for case in _cases(importer):
        for file in _files(case):
            assert [one.id for one in known if one.sniff(Source(file).head)] == [importer.id], file


def it_claims_nothing_else(importer: Importer) -> None:
    """Not the files of others, and none that is of no known format."""
    for file in sorted(GOLDEN.rglob("*")):
        if file.is_file() and file.name != EXPECTED and not file.is_relative_to(GOLDEN / importer.id):
            assert not importer.sniff(Source(file).head), file
    for data in STRANGE:
        assert not importer.sniff(Head("file.json", data)), data


def its_records_can_be_believed(importer: Importer) -> None:
    for case in _cases(importer):
        for file in _files(case):
            _sound(importer, Source(file))


def no_damage_stops_it(importer: Importer) -> None:
    """Whatever happened to a file, what is left of it is told, and the rest counted."""
    random = Random(importer.id)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file"
        for case in _cases(importer):
            for golden in _files(case):
                for data in _damaged(golden.read_bytes(), random):
                    file.write_bytes(data)
                    source = Source(file)
                    importer.sniff(source.head)
                    _sound(importer, source)


def the_order_of_lines_does_not_matter(importer: Importer) -> None:
    random = Random(importer.id)

    def shuffled(data: bytes) -> bytes:
        lines = data.split(b"\n")
        return b"\n".join(random.sample(lines, len(lines)))

    for case in _cases(importer):
        if all(file.suffix == ".jsonl" for file in _files(case)):
            straight = _told(importer, case)
            for _ in range(SHUFFLES):
                turned = _told_of_variant(importer, case, shuffled)
                if importer.id in ORDER_TELLS:
                    assert _calls(turned) == _calls(straight), case
                else:
                    assert _multiset(turned) == _multiset(straight), case
                    assert turned.issues == straight.issues, case


def byte_order_marks_and_line_ends_do_not_matter(importer: Importer) -> None:
    for case in _cases(importer):
        straight = _with_plain_line_ends(_told(importer, case))
        for mark, end in ((b"", b"\n"), (BOM, b"\n"), (b"", b"\r\n"), (BOM, b"\r\n")):
            changed = _told_of_variant(importer, case, partial(_written, mark=mark, end=end))
            assert _with_plain_line_ends(changed) == straight, case


def compression_does_not_matter(importer: Importer) -> None:
    for case in _cases(importer):
        for compress in (gzip.compress, zstandard.compress):
            assert _told_of_variant(importer, case, compress) == _told(importer, case), case


CHECKS: tuple[Check, ...] = (
    it_says_what_it_is,
    its_goldens_are_read_as_expected,
    its_goldens_hold_cached_tokens,
    its_goldens_are_claimed_by_it_alone,
    it_claims_nothing_else,
    its_records_can_be_believed,
    no_damage_stops_it,
    the_order_of_lines_does_not_matter,
    byte_order_marks_and_line_ends_do_not_matter,
    compression_does_not_matter,
)


def _cases(importer: Importer) -> list[Path]:
    cases = sorted(file.parent for file in (GOLDEN / importer.id).glob(f"*/{EXPECTED}"))
    assert cases, f"{importer.id} has no golden case"
    return cases


def _files(case: Path) -> list[Path]:
    files = sorted((file for file in case.rglob("*") if file.is_file() and file.name != EXPECTED), key=Path.as_posix)
    assert files, f"{case} holds no input"
    return files


def _told(importer: Importer, folder: Path) -> Told:
    told = Told([], Counter())
    for file in _files(folder):
        for found in importer.read(Source(file)):
            if isinstance(found, Issue):
                told.issues[found.reason] += found.count
            else:
                told.records.append(_plain(found))
    return told


def _told_of_variant(importer: Importer, case: Path, change: Callable[[bytes], bytes]) -> Told:
    """The same files, each changed; all stay beside each other under their own names."""
    with tempfile.TemporaryDirectory() as folder:
        for file in _files(case):
            changed = Path(folder) / file.relative_to(case)
            changed.parent.mkdir(parents=True, exist_ok=True)
            changed.write_bytes(change(file.read_bytes()))
        return _told(importer, Path(folder))


def _plain(record: Record) -> dict[str, Any]:
    fields = {
        name: value for name, value in msgspec.json.decode(msgspec.json.encode(record)).items() if name not in _LEFT_OUT
    }
    return fields | ({"body": record.body.decode()} if record.body else {})


_LEFT_OUT = frozenset({"source", "position", "prompt", "body"})


def _multiset(told: Told) -> Counter[bytes]:
    return Counter(msgspec.json.encode(record, order="sorted") for record in told.records)


def _calls(told: Told) -> set[tuple[str, ...]]:
    return {tuple(str(record.get(name)) for name in ("call_id", "request_id", "model")) for record in told.records}


def _sound(importer: Importer, source: Source) -> None:
    for found in importer.read(source):
        if isinstance(found, Issue):
            assert REASON.fullmatch(found.reason), found
            assert found.count > 0, found
            assert found.where.startswith(source.name), found
            continue
        assert isinstance(found, Record)
        assert found.source == source.name
        assert found.position >= 0
        assert all(0 <= getattr(found, name) <= COUNT_MAX for name in COUNTS), found
        assert found.thinking <= found.output, found
        assert min(found.span_us, found.calls, found.miss_tokens, found.output_high) >= 0, found
        assert found.output_is_floor or not found.output_high, found


def _damaged(data: bytes, random: Random) -> Iterator[bytes]:
    """Cut off, some bytes changed, a stretch lost, a stretch twice."""
    for _ in range(DAMAGES_EACH):
        at, end = sorted(random.randrange(len(data) + 1) for _ in range(2))
        yield data[:at]
        yield data[:at] + data[end:]
        yield data[:end] + data[at:]
        changed = bytearray(data)
        for _ in range(random.choice((1, 3, 30))):
            changed[random.randrange(len(data))] = random.choice((random.randrange(256), *b'"{}[],:0-9e\\'))
        yield bytes(changed)


def _written(data: bytes, *, mark: bytes, end: bytes) -> bytes:
    """A text with this byte order mark and this end of lines."""
    if data.startswith((SQLITE, PARQUET)):
        return data
    return mark + data.removeprefix(BOM).replace(b"\r\n", b"\n").replace(b"\n", end)


def _with_plain_line_ends(told: Told) -> Told:
    """Bodies are kept as they were written, ends of lines included."""
    records = [
        {name: _plain_ends(value) if name == "body" else value for name, value in one.items()} for one in told.records
    ]
    return Told(records, told.issues)


def _plain_ends(text: str) -> str:
    return text.replace("\r\n", "\n")

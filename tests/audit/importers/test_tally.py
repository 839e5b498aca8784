"""What is left out is counted by kind, with the place of the first; values that cannot be read among it."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from thriftgate.audit.importers.tally import Tally, decoded
from thriftgate.audit.records import Issue
from thriftgate.audit.sources import Source


def test_counts_by_reason_and_sentence() -> None:
    tally = Tally(Source(Path("a.jsonl"), "a.jsonl"))
    tally.add("malformed", 3, "cut off")
    tally.add("not_a_call", 4)
    tally.add("malformed", 5, "no JSON")
    tally.add("malformed", 9, "cut off")
    assert list(tally.issues()) == [
        Issue("malformed", "a.jsonl:3", "cut off", 2),
        Issue("not_a_call", "a.jsonl:4", "", 1),
        Issue("malformed", "a.jsonl:5", "no JSON", 1),
    ]


class Row(Struct):
    n: int


def test_values_are_decoded_and_what_is_none_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"n":1}\n{"n":"x"}\n{"n":\n\xff\n' + b"[" * 3000 + b'\n{"n":2}\n')
    tally = Tally(Source(path, "a.jsonl"))
    assert [*decoded(Source(path), msgspec.json.Decoder(Row), tally)] == [(1, Row(1)), (6, Row(2))]
    assert list(tally.issues()) == [Issue("malformed", "a.jsonl:2", "no JSON of this form", 4)]


def test_a_value_that_is_cut_off_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'{\n "n": 1\n}\n{\n "n":')
    tally = Tally(Source(path, "a.json"))
    assert [*decoded(Source(path), msgspec.json.Decoder(Row), tally)] == [(1, Row(1))]
    assert list(tally.issues()) == [Issue("malformed", "a.json:4", "cut off, or too long")]

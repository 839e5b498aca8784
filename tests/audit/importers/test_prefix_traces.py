"""Recorded traces as records: whole prompts by boundaries, nothing of a cache."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from thriftgate.audit.importers.prefix_traces import BEGAN_S, Even, PrefixTraces
from thriftgate.audit.records import Issue, Record
from thriftgate.audit.sources import Source

TRACES = PrefixTraces()
CHAT = [
    b'{"timestamp": 0, "input_length": 1500, "output_length": 20, "hash_ids": [1, 2, 3]}',
    b'{"timestamp": 9000, "input_length": 2100, "output_length": 30, "hash_ids": [1, 2, 3, 4, 5]}',
    b'{"timestamp": 9500, "input_length": 1100, "output_length": 5, "hash_ids": [1, 2, 9]}',
]


def records(path: Path) -> list[Record]:
    source = Source(path)
    assert TRACES.sniff(source.head)
    found = list(TRACES.read(source))
    assert all(isinstance(one, Record) for one in found)
    return [one for one in found if isinstance(one, Record)]


def test_prompts_share_the_boundaries_they_share(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_bytes(b"\n".join(CHAT))
    one, two, three = records(path)
    assert [record.input for record in (one, two, three)] == [1500, 2100, 1100]
    assert all(record.cache_untold and not record.read and not record.model for record in (one, two, three))
    ends = [{block.digest: block.end for block in record.prompt} for record in (one, two, three)]
    assert max(ends[0].values()) in ends[1].values()  # the second goes on where the first ended
    assert set(ends[0]) <= set(ends[1])
    shared = set(ends[1]) & set(ends[2])
    assert [ends[2][digest] for digest in shared] == [1024]  # two whole blocks of 512
    assert one.at_us == BEGAN_S * 1_000_000
    assert two.at_us - one.at_us == 9_000_000
    assert one.began_us > one.at_us


def test_two_files_share_nothing(tmp_path: Path) -> None:
    prompts = []
    for name in ("a", "b"):
        path = tmp_path / f"{name}.jsonl.gz"
        path.write_bytes(gzip.compress(b"\n".join(CHAT)))
        prompts.append({block.digest for record in records(path) for block in record.prompt})
    assert not prompts[0] & prompts[1]


def test_arrivals_alone_are_prompts_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "code.csv"
    path.write_bytes(
        b"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:04.0319600,3180,8\n"
    )
    one, two = records(path)
    assert (one.input, one.output, two.input) == (4808, 10, 3180)
    assert not {block.digest for block in one.prompt} & {block.digest for block in two.prompt}


def test_a_broken_trace_is_said(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_bytes(CHAT[0] + b"\n" + CHAT[1][:40])
    [issue] = TRACES.read(Source(path))
    assert isinstance(issue, Issue)
    assert issue.reason == "malformed"
    [piped] = TRACES.read(Source(None))
    assert isinstance(piped, Issue)


def test_draws_are_even_and_always_the_same() -> None:
    draws, again = Even(), Even()
    numbers = [draws.random() for _ in range(1000)]
    assert numbers == [again.random() for _ in range(1000)]
    assert all(0 <= number < 1 for number in numbers)
    assert {int(number * 20) for number in numbers} == set(range(20))
    assert Even().sample([1, 2, 3], 2) == [1, 2]
    assert {Even().randrange(1) for _ in range(5)} == {0}


@pytest.mark.parametrize("wrong", [b'"input_length":-2100', b'"output_length":-1', b'"timestamp":900000000000000000'])
def test_figures_that_cannot_be_are_an_issue_and_the_rest_is_read(wrong: bytes, tmp_path: Path) -> None:
    name = wrong.partition(b":")[0]
    line = {b'"timestamp"': b"9000", b'"input_length"': b"2100", b'"output_length"': b"30"}
    whole = b",".join(key + b":" + value for key, value in line.items()) + b',"hash_ids":[1,2,3,4]'
    path = tmp_path / "chat.jsonl"
    path.write_bytes(b"{" + whole + b"}\n{" + whole.replace(name + b":" + line[name], wrong) + b"}\n")
    told = list(TRACES.read(Source(path)))
    assert [one.reason for one in told if isinstance(one, Issue)] == ["malformed"]
    assert len([one for one in told if isinstance(one, Record)]) == 1

"""What a fuzzer found once is found no more; seeds and some mutations of them hold too, without atheris. And the properties
look: a parser that is broken on purpose is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from fuzz.fuzzers import FUZZERS, check
from fuzz.part import Part
from fuzz.replay import FINDINGS, findings, replayed, tried

from fuzz import messages, splicer
from thriftgate.core import splice
from thriftgate.core.request import Request, parse_request
from thriftgate.core.splice import Edit
from thriftgate.wire.anthropic_messages import AnthropicMessages
from thriftgate.wire.meter import StreamMeter

MUTATIONS = {"wire": 40, "importers": 8, "splicer": 60, "prompts": 100}
PARTS = {part.name: part for parts in FUZZERS.values() for part in parts}


@pytest.mark.parametrize("name", FUZZERS)
def test_findings_seeds_and_some_mutations(name: str) -> None:
    outcomes = list(replayed(FUZZERS[name], MUTATIONS[name]))
    assert len(outcomes) > len(FUZZERS[name]) * MUTATIONS[name]
    assert [one for one in outcomes if one is not None] == []


def test_findings_belong_to_parts() -> None:
    assert len(PARTS) == sum(map(len, FUZZERS.values()))
    assert {folder.name for folder in FINDINGS.iterdir()} <= PARTS.keys()
    assert all(findings(PARTS[folder.name]) for folder in FINDINGS.iterdir())


def test_the_first_byte_picks_the_part() -> None:
    seen: list[bytes] = []
    parts = (Part("a", seen.append, tuple), Part("b", lambda data: seen.append(b"b" + data), tuple))
    for data in (b"", b"\x00x", b"\x01y", b"\x02z"):
        check(parts, data)
    assert seen == [b"x", b"by", b"z"]


# --- the properties look -------------------------------------------------------------------------------------------------


def found(part: str, mutations: int = 200) -> bool:
    return any(replayed((PARTS[part],), mutations))


def moved(data: bytes, edits: Sequence[Edit], *more: Any) -> bytes:
    """Puts an edit's value one byte too far to the left where white space stands before it."""
    made = splice.apply(data, edits, *more)
    return made.replace(b": ", b":", 1) if edits else made


def test_a_splicer_that_moves_white_space_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splicer, "apply", moved)
    assert found("splice_replacing")
    assert found("splice_members")


def test_a_splicer_that_copies_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splicer, "apply", lambda data, edits, *more: bytes(bytearray(splice.apply(data, edits, *more))))
    assert found("splice_replacing", 0)


def test_a_request_that_forgets_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def raw(request: Request, key: str) -> bytes:
        return b'"forgotten"' if key == "model" else Request.raw(request, key)

    def parsed(body: bytes) -> Any:
        request = parse_request(body)

        class Forgetful:
            def __getattr__(self, name: str) -> Any:
                return getattr(request, name)

            def __eq__(self, other: object) -> bool:
                return True

            def raw(self, key: str) -> bytes:
                return raw(request, key)

            __hash__ = None  # type: ignore[assignment]

        return Forgetful()

    monkeypatch.setattr(AnthropicMessages, "parse", lambda _self, body: parsed(body))
    assert found("request", 0)


class ByChunk(StreamMeter):
    """Sees no event that is cut."""

    __slots__ = ()

    def feed(self, chunk: bytes) -> bool:
        return super().feed(chunk if chunk.endswith(b"\n\n") else b"")


def test_a_meter_that_depends_on_the_pieces_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "StreamMeter", ByChunk)
    assert found("stream", 0)


@pytest.mark.parametrize("error", [ValueError, AssertionError, RecursionError, KeyError])
def test_any_error_is_a_finding(error: Callable[[str], Exception]) -> None:
    def broken(_data: bytes) -> None:
        raise error("x")

    finding = tried(Part("a", broken, tuple), b"input")
    assert finding is not None
    assert (finding.part, finding.data) == ("a", b"input")
    assert type(error("x")).__name__ in finding.error

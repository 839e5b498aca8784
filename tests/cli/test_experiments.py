"""The experiments as data, and their judges on answers that no simulator gives."""

from __future__ import annotations

import msgspec
import pytest

from thriftgate.cli.experiments import EXPERIMENTS, Answer, Answers, Result, believed, body_of, part
from thriftgate.core.beliefs import Belief, Beliefs, Bounds
from thriftgate.core.request import parse_request
from thriftgate.core.usage import Tokens

JUDGES = {one.id: one.judge for one in EXPERIMENTS}


def wrote(tokens: int = 5_000, *, hour: bool = False, at_s: float = 0.0) -> Answer:
    return Answer(Tokens(write_1h=tokens) if hour else Tokens(write_5m=tokens), at_s, at_s)


def read(tokens: int = 5_000, *, new: int = 0, at_s: float = 0.0) -> Answer:
    return Answer(Tokens(read=tokens, write_1h=new), at_s, at_s)


REFUSED = Answer(Tokens(), error="no such thing")


def test_bodies_are_requests_within_the_rules_of_breakpoints() -> None:
    for one in EXPERIMENTS:
        for ask in one.asks:
            body = body_of(ask, model="claude-haiku-5-5", salt="ab12", words=50, adaptive=True)
            request = parse_request(msgspec.json.encode(body))
            lives = [ttl for _, ttl in ask.parts if ttl]
            assert lives == sorted(lives, key="1h 5m".index)
            assert ("thinking" in body) is ask.thinks
            assert request.model == "claude-haiku-5-5"


def test_parts_differ_by_name_and_by_run() -> None:
    one = part("1 V1 a", 100)
    assert one == part("1 V1 a", 100)
    assert len({one, part("1 V1 b", 100), part("2 V1 a", 100)}) == 3
    assert len(one.split()) == 103


@pytest.mark.parametrize(
    ("name", "answers", "outcome", "words"),
    [
        ("V1", (wrote(), read(new=3_000), read(8_000)), "holds", "8,000 tokens live"),
        ("V1", (wrote(), read(new=3_000), read(5_000)), "unclear", "a part lived"),
        ("V1", (wrote(), wrote(), wrote()), "unclear", "request 2 should have read"),
        ("V1", (read(), read(), read()), "unclear", "request 1 should have written"),
        ("V1", (wrote(), REFUSED, read()), "unclear", "refused: no such thing"),
        ("V1", (wrote(), None, read()), "unclear", "did not come in time"),
        ("V1", (wrote(), Answer(Tokens(input=9)), read()), "unclear", "not cached at all"),
        ("V2", (wrote(), wrote(), read(), read(), read(), wrote()), "unclear", "the marked one was not"),
        ("V3", (wrote(), read(new=400), read()), "fails", "for 400 tokens written"),
        ("V4", (wrote(), wrote(hour=True), read()), "fails", "written anew: 5,000 written for 1h"),
        ("V5", (REFUSED, read()), "fails", "max_tokens 0 is refused"),
        ("V5", (Answer(Tokens(write_5m=5_000, output=7)), read()), "fails", "billed 7 output tokens"),
        ("V5", (wrote(), wrote()), "fails", "was not read by the next call"),
        ("V6", (wrote(), wrote(), wrote(), read()), "holds", "a call read what a batch wrote"),
        ("V7", (wrote(), wrote(at_s=1), wrote(at_s=2)), "unclear", "not yet readable 2.0 s"),
        ("V8", (wrote(), wrote(at_s=1), wrote(at_s=298), wrote(at_s=303)), "fails", "gone after 298.0"),
        ("V8", (wrote(), wrote(at_s=1), read(at_s=300.5), wrote(at_s=303)), "unclear", "too late"),
        ("V8", (wrote(), wrote(at_s=1), read(at_s=298), read(at_s=303)), "holds", "still there 2.0 s past"),
    ],
)
def test_odd_answers(name: str, answers: Answers, outcome: str, words: str) -> None:
    result = JUDGES[name](answers)
    assert result.outcome == outcome
    assert words in result.detail
    assert outcome != "unclear" or set(result.beliefs) <= {"hour_granted"}


def test_results_become_beliefs_told_by_an_experiment() -> None:
    results = (Result("fails", "", {"late_upgrade": False}), Result("fails", "", {}, Bounds(2.0, 4.0)))
    found = believed(results, 7.0)
    assert found.late_upgrade == Belief("fails", "experiment", 7.0, 1)
    assert found.readable == Bounds(2.0, 4.0, "experiment", 7.0)
    assert believed((), 7.0) == Beliefs()

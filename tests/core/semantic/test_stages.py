"""Stages: no answer without a certificate, errors within the bound, none stretched by growth, an end to it on alarm."""

from __future__ import annotations

from statistics import mean

import pytest
from msgspec.structs import replace

from tests.core.semantic.world import NO_SLOTS, TERMS, PlainIndex, Stream, question
from thriftgate.core.semantic.stages import Stages, Terms


def certified(terms: Terms = TERMS, seed: int = 1) -> Stream:
    """A stream that has a certificate."""
    stream = Stream(terms, seed)
    while not stream.stages.answers:
        stream.ask()
        assert stream.calls < 3_000
    return stream


def test_nothing_is_answered_without_a_certificate() -> None:
    stream = Stream()
    while not stream.stages.answers:
        assert stream.ask().hit is None
    assert stream.events[:1] == ["frozen"]
    assert stream.events[-1] == "certified"
    assert stream.served == 0
    certificate = stream.stages.certified[0].certificate
    assert certificate is not None
    assert certificate.limit == TERMS.max_error / 2
    assert certificate.p <= certificate.level <= 0.05
    assert certificate.hits > certificate.wrong


def test_the_bound_is_held_over_thirty_seeds_and_buys_something() -> None:
    """The short form of benchmarks/semantic."""
    bound = TERMS.max_error
    streams = [Stream(seed=seed) for seed in range(30)]
    for stream in streams:
        stream.ask(1_500)
    always = mean(wrong for stream in streams for _, wrong in stream.stages.pilot)
    assert always > 1.1 * bound  # who answers with whatever is nearest breaks it
    errors = [stream.wrong / stream.served for stream in streams if stream.served]
    assert len(errors) >= 20
    assert sum(error > bound for error in errors) <= 1
    assert mean(stream.served / stream.calls for stream in streams) > 0.05


def test_a_certificate_speaks_of_the_shelf_as_it_was() -> None:
    stream = certified(replace(TERMS, items_max=3_000, max_error=0.15))
    first = stream.stages.certified[0]
    before = len(stream.stages.shelf)
    assert first.size < before  # what came while it was watched is not its
    stream.ask(800)
    assert stream.stages.certified[0] is first
    later = [stage.size for stage in stream.stages.certified[1:]]
    assert all(size >= first.size * 1.25 for size in later)
    assert sorted(later) == later


def test_items_behind_the_stage_answer_nothing() -> None:
    stream = certified()
    for _ in range(500):
        looked = stream.ask()
        if looked.hit is not None:
            assert looked.hit.item < max(stage.size for stage in stream.stages.certified)


def test_a_share_of_hits_is_audited_and_its_client_gets_the_models_answer() -> None:
    stream = certified()
    served = stream.served
    looked = stream.ask(50, chance=0.0)
    assert stream.served == served
    assert stream.stages.tally.audits > 10
    assert looked.hit is None or looked.audit
    stream.ask(50, chance=1.0)
    assert stream.served > served


def test_on_alarm_it_stops_answering_at_once_and_begins_anew() -> None:
    stream = certified()
    stream.ask(300)
    stream.turned = True
    while "alarm" not in stream.events and "worn out" not in stream.events:
        stream.ask()
        assert stream.calls < 20_000
    served = stream.served
    assert stream.stages.certified == []
    assert len(stream.stages.shelf) == 0
    stream.ask(TERMS.fill)
    assert stream.served == served
    stream.ask(3_000)  # what is true now is learned
    assert stream.stages.answers


def test_an_alarm_is_told_in_the_tally() -> None:
    stream = certified(replace(TERMS, audit=1.0))
    stream.turned = True
    stream.ask(120)
    assert stream.events[-1] in ("alarm", "worn out", "frozen")
    assert stream.served == 0  # all hits were audited
    assert stream.stages.tally.audits_wrong > 0


def test_an_answer_that_was_wrong_in_an_audit_is_not_given_again() -> None:
    stream = certified()
    stages = stream.stages
    asked = next(one for one in iter(lambda: question(stream.draw), None) if _hit(stages, one.vector))
    looked = stages.look(asked.vector, NO_SLOTS, 1.0, 0.0)
    assert looked.audit
    assert looked.hit is not None
    stages.learn(looked, asked.vector, NO_SLOTS, {looked.hit.item: False}, now_s=1.0)
    again = stages.look(asked.vector, NO_SLOTS, 1.0, 1.0)
    assert again.hit is None
    assert again.why == "the nearest was found to be wrong"


def _hit(stages: Stages, vector: tuple[float, ...]) -> bool:
    looked = stages.look(vector, NO_SLOTS, 1.0, 1.0)
    return looked.hit is not None


def test_what_is_too_old_is_confirmed_or_never_given_again() -> None:
    stream = certified(replace(TERMS, ttl_s=1e6))
    stages = stream.stages
    asked = next(one for one in iter(lambda: question(stream.draw), None) if _hit(stages, one.vector))
    looked = stages.look(asked.vector, NO_SLOTS, 2e6, 1.0)
    assert looked.audit  # the model answers
    assert looked.hit is not None
    stages.learn(looked, asked.vector, NO_SLOTS, {looked.hit.item: True}, now_s=2e6)
    assert stages.look(asked.vector, NO_SLOTS, 2e6 + 1, 1.0).hit is not None
    late = stages.look(asked.vector, NO_SLOTS, 4e6, 1.0)
    stages.learn(late, asked.vector, NO_SLOTS, {looked.hit.item: False}, now_s=4e6)
    assert stages.look(asked.vector, NO_SLOTS, 4e6, 1.0).hit is None
    assert stages.tally.audits == stream.stages.tally.audits


def test_what_comes_back_after_all_began_anew_is_left_aside() -> None:
    stream = Stream()
    asked = question(stream.draw)
    looked = stream.stages.look(asked.vector, NO_SLOTS, 0.0, 1.0)
    stream.stages.clear(PlainIndex())
    assert stream.stages.learn(looked, asked.vector, NO_SLOTS, {}, now_s=0.0) is None
    assert len(stream.stages.shelf) == 0


def test_a_shelf_is_bounded() -> None:
    stream = Stream(replace(TERMS, items_max=80, max_error=0.001))
    stream.ask(300)
    assert len(stream.stages.shelf) == 80


@pytest.mark.parametrize("wrong", [{"max_error": 0.0}, {"confidence": 1.0}, {"audit": 0.0}])
def test_terms_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Stages(replace(TERMS, **wrong), PlainIndex())

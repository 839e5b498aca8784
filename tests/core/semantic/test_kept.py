"""Written down and taken up: the same decisions from there on."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.core.semantic.test_stages import certified
from tests.core.semantic.world import NO_SLOTS, TERMS, PlainIndex, question
from thriftgate.core.semantic.kept import kept, restored


def test_the_same_from_there_on() -> None:
    stream = certified()
    stream.ask(200)
    data = kept(stream.stages, "plain")
    again = restored(data, TERMS, "plain", PlainIndex())
    assert kept(again, "plain") == data
    for _ in range(200):
        asked = question(stream.draw)
        one, other = (stages.look(asked.vector, NO_SLOTS, 9.0, 0.5) for stages in (stream.stages, again))
        assert one._replace(era=0) == other._replace(era=0)
    assert again.detector.evidence == stream.stages.detector.evidence
    assert isinstance(again.shelf, type(stream.stages.shelf))


def test_under_other_terms_or_by_another_encoder_all_begins_anew() -> None:
    data = kept(certified().stages, "plain")
    with pytest.raises(ValueError, match="other terms"):
        restored(data, replace(TERMS, max_error=0.2), "plain", PlainIndex())
    with pytest.raises(ValueError, match="another encoder"):
        restored(data, TERMS, "other", PlainIndex())
    with pytest.raises(ValueError, match="trunc"):
        restored(data[:50], TERMS, "plain", PlainIndex())

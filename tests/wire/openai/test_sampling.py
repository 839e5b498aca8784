"""Sampling and stop sequences."""

from __future__ import annotations

import pytest

from tests.wire.openai.completions import MODELS
from thriftgate.core.errors import InputError
from thriftgate.wire.openai.losses import Report
from thriftgate.wire.openai.sampling import sampling_of, stops_of


@pytest.mark.parametrize(
    ("model", "asked", "thinks", "sent", "fields"),
    [
        ("claude-haiku-4-5", (0.2, None), False, {"temperature": 0.2}, ()),
        ("claude-haiku-4-5", (0.0, 0.5), False, {"temperature": 0.0}, ("top_p",)),
        ("claude-haiku-4-5", (1.0, 0.5), False, {"top_p": 0.5}, ()),
        ("claude-haiku-4-5", (1.7, None), False, {}, ("temperature",)),
        ("claude-opus-4-6", (0.2, 0.5), True, {}, ("temperature", "top_p")),
        ("claude-opus-4-6", (None, 0.97), True, {"top_p": 0.97}, ()),
        ("claude-opus-5-5", (0.2, 0.5), True, {}, ("temperature", "top_p")),
        ("claude-opus-5-5", (1.0, 1.0), True, {}, ()),
    ],
)
def test_sampling(
    model: str, asked: tuple[float | None, float | None], thinks: bool, sent: dict[str, float], fields: tuple[str, ...]
) -> None:
    """`asked`: temperature and top_p."""
    report = Report()
    assert sampling_of(*asked, thinks=thinks, capability=MODELS[model], report=report) == sent
    assert report.fields == fields


def test_stops() -> None:
    report = Report()
    assert stops_of(b"", report) == []
    assert stops_of(b'"END"', report) == ["END"]
    assert not report.fields
    assert stops_of(b'["\\n","END",""]', report) == ["END"]
    assert report.fields == ("stop",)


@pytest.mark.parametrize("raw", [b"1", b"[1]", b"{}"])
def test_what_is_no_stop(raw: bytes) -> None:
    with pytest.raises(InputError, match=r"^stop: "):
        stops_of(raw, Report())

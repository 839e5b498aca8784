"""What a client's batch may cost is known before it is sent: never less than it will."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.fixtures import MODEL, message, simulator
from thriftgate.batch.client_intake import Draft, Intake
from thriftgate.core.errors import InputError, PolicyRefusal, TooLarge, UnknownPrice
from thriftgate.core.plan import Policy
from thriftgate.engine.snapshot import Knowledge
from thriftgate.pricing.load import load_book, load_models
from thriftgate.wire.anthropic_batches import REQUESTS_MAX

NOW_S = 1_795_262_400.0  # 2026-11-21
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def intake(limit_pico: int | None = None, **policy: Any) -> Intake:
    return Intake(Knowledge(load_book(), load_models()), Policy(**policy), "key_1", NOW_S, limit_pico)


def drafts(*params: dict[str, Any], reader: Intake | None = None) -> list[Draft]:
    reader = reader or intake()
    reader.feed(msgspec.json.encode({"requests": [{"custom_id": f"r{at}", "params": one} for at, one in enumerate(params)]}))
    return reader.close()


def test_names_models_and_amounts() -> None:
    one, two = drafts(message("hello"), message("hello " * 1000))
    assert (one.name, one.model) == ("r0", MODEL)
    assert 0 < one.forecast_pico < one.worst_pico < two.worst_pico
    assert two.forecast_pico > one.forecast_pico


def test_the_worst_is_max_tokens_at_the_batch_rate() -> None:
    """Opus 4.8: $25 per million output tokens, $12.50 in a batch."""
    one, two = drafts(message(max_tokens=100_000), message(max_tokens=200_000))
    assert two.worst_pico - one.worst_pico == int(Decimal("12.5") * 10**12 / 10**6) * 100_000


def test_a_prompt_that_is_written_to_the_cache_costs_more() -> None:
    text = [{"type": "text", "text": "long " * 5000, "cache_control": {"type": "ephemeral"}}]
    plain = [{"type": "text", "text": "long " * 5000}]
    marked, unmarked = drafts(message(system=text), message(system=plain))
    assert marked.worst_pico > 1.5 * unmarked.worst_pico


def test_a_picture_is_not_taken_for_text() -> None:
    """Nor is a document behind a URL, of which the bytes tell nothing, taken for a line of text."""
    data = PIXEL + "A" * 400_000
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    remote = {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}
    seen, linked, text = drafts(
        message(messages=[{"role": "user", "content": [picture]}]),
        message(messages=[{"role": "user", "content": [remote]}]),
        message(data),
    )
    assert seen.worst_pico < text.worst_pico / 10
    assert linked.worst_pico > 2 * drafts(message("https://example.com/a.pdf"))[0].worst_pico


def test_never_more_than_the_window() -> None:
    window = load_models()[MODEL].context_tokens
    (one,) = drafts(message("ü$€" * 3_000_000, max_tokens=0))
    assert one.worst_pico == window * 5 * 10**6 // 2  # $5 per million, halved


@pytest.mark.parametrize(
    "params",
    [{}, {"model": None}, {"model": MODEL}, message(max_tokens="x"), message(messages=7), message(messages=[{"x": 1}])],
)
def test_what_the_provider_will_judge_passes(params: dict[str, Any]) -> None:
    (one,) = drafts(params)
    assert one.worst_pico >= one.forecast_pico >= 0


def test_malformed_content_with_a_source_passes() -> None:
    (one,) = drafts(message(messages=[{"role": "user", "content": [7, {"source": 1}]}]))
    assert one.worst_pico > 0


@pytest.mark.parametrize("params", [message(model="claude-nobody-1"), message(inference_geo="mars")])
def test_no_price(params: dict[str, Any]) -> None:
    reader = intake()
    with pytest.raises(UnknownPrice, match=r"requests\.1: "):
        drafts(message(), params, reader=reader)
    assert reader.model == params["model"]


def test_a_name_that_stands_twice() -> None:
    body = b'{"requests":[{"custom_id":"a","params":{}},{"custom_id":"a","params":{}}]}'
    with pytest.raises(InputError, match=r"requests\.1\.custom_id: custom_id must be unique; found duplicate: a"):
        intake().feed(body)


def test_too_many() -> None:
    reader = intake()
    some = b",".join(b'{"custom_id":"%d","params":{}}' % at for at in range(REQUESTS_MAX))
    reader.feed(b'{"requests":[' + some)
    with pytest.raises(TooLarge, match="at most 100000"):
        reader.feed(b',{"custom_id":"x","params":{}}]}')


def test_limits() -> None:
    (one,) = drafts(message())
    with pytest.raises(PolicyRefusal, match=r"requests\.0 could cost up to"):
        drafts(message(), reader=intake(cost_limit_pico=one.worst_pico - 1))
    with pytest.raises(PolicyRefusal, match="the first 2 requests of this batch could cost up to"):
        drafts(message(), message(), reader=intake(2 * one.worst_pico - 1))
    assert len(drafts(message(), message(), reader=intake(2 * one.worst_pico, cost_limit_pico=one.worst_pico))) == 2
    assert drafts(message(), reader=intake(1, on_cost_limit="warn"))
    assert drafts(message(), reader=intake(1, levers=()))


@pytest.mark.parametrize(
    "text",
    [
        "The quick brown fox jumps over the lazy dog, and again. " * 300,
        "ÄÖÜ ß " * 1000,
        "一二三四五" * 1000,
        "x = y[0] + f(1, 2)\n" * 800,
        "😀" * 900,
    ],
)
def test_never_less_than_the_bill(text: str) -> None:
    """Held against the simulator's own count: $2.50 per million tokens in a batch."""
    body = message(text, max_tokens=1)
    exact = sum(tokens for _, tokens in simulator(tokenizer="auto").count_blocks(body))
    (one,) = drafts(body)
    assert exact * 2_500_000 < one.worst_pico < 4 * exact * 2_500_000

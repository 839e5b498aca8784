"""Usage as the model would have had it that the client named."""

from __future__ import annotations

from thriftgate.core.prices import Terms
from thriftgate.core.routing.choice import Asked, as_asked, scaled
from thriftgate.core.usage import Iteration, Tokens, Usage

TOKENS = Tokens(input=1_000, write_5m=200, write_1h=30, read=4_000, output=100, thinking=40)


def test_tokens_in_another_vocabulary() -> None:
    assert scaled(TOKENS, 1.0) is TOKENS
    assert scaled(TOKENS, 0.75) == Tokens(input=750, write_5m=150, write_1h=22, read=3_000, output=75, thinking=30)
    assert scaled(Tokens(), 1.3) == Tokens()


def test_the_same_text_on_the_model_that_was_asked_for() -> None:
    usage = Usage(TOKENS, web_searches=2)
    got, terms = as_asked(usage, Terms("claude-haiku-4-5", 20_000, "batch", "us"), Asked("claude-opus-4-8", 1.5))
    assert got == Usage(scaled(TOKENS, 1.5), 2)
    assert terms == Terms("claude-opus-4-8", 20_000, "batch", "us")


def test_steps_of_other_models_stay_what_they_were() -> None:
    own, named, other = (Iteration("message", TOKENS, name) for name in ("", "cheap", "helper"))
    got, _ = as_asked(Usage(TOKENS, 0, (own, named, other)), Terms("cheap", 20_000), Asked("strong", 2.0))
    assert got.iterations == (
        Iteration("message", scaled(TOKENS, 2.0), ""),
        Iteration("message", scaled(TOKENS, 2.0), ""),
        other,
    )

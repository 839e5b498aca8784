"""One free question to each target."""

from __future__ import annotations

import msgspec
import pytest

from tests.fixtures import serving, settings_of
from thriftgate.cli.providers_asked import MODELS, ask_all, question
from thriftgate.engine.build import keys_of, pool_of
from thriftgate.engine.targets import Target
from thriftgate.providers.anthropic import Anthropic
from thriftgate.providers.endpoint import Endpoint
from thriftgate.simulator import Simulator


class Mute(Anthropic):
    """Counts nothing."""

    count_path = ""


@pytest.mark.parametrize(
    ("serves", "model"),
    [
        ((), "claude-haiku-5-5"),
        (("claude-opus-5-5",), "claude-opus-5-5"),
        (("claude-opus-5-5", "claude-haiku-5-5"), "claude-haiku-5-5"),
    ],
)
def test_it_counts_for_a_cheap_model_that_is_served(serves: tuple[str, ...], model: str) -> None:
    outgoing = question(Target("x", Anthropic(Endpoint(url="http://x", key="k")), serves=serves))
    assert isinstance(outgoing.body, bytes)
    assert (outgoing.method, outgoing.url) == ("POST", "http://x/v1/messages/count_tokens")
    assert msgspec.json.decode(outgoing.body)["model"] == model


def test_it_lists_models_where_nothing_is_counted() -> None:
    outgoing = question(Target("x", Mute(Endpoint(url="http://x", key="k"))))
    assert (outgoing.method, outgoing.url, outgoing.body) == ("GET", f"http://x{MODELS}", b"")


async def test_all_are_asked_and_what_they_say_is_told() -> None:
    with serving(Simulator()) as url:
        rows = (
            {"name": "there", "provider": "anthropic", "url": url, "key": "sk-1"},
            {"name": "gone", "provider": "anthropic", "url": "http://127.0.0.1:9", "key": "sk-1"},
            {"name": "lost", "provider": "anthropic", "url": f"{url}/nowhere", "key": "sk-1"},
        )
        found = settings_of(targets=rows)
        heard = await ask_all(pool_of(found, keys_of(found)).targets, found)
    assert {name: (one.ok, one.status, one.kind) for name, one in heard.items()} == {
        "there": (True, 200, ""),
        "gone": (False, 0, "unreachable"),
        "lost": (False, 404, "model"),
    }
    assert heard["gone"].detail
    assert heard["lost"].detail == "Not Found"

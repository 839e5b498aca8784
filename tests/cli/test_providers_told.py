"""What `thriftgate providers` tells."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures import settings_of
from thriftgate.cli.providers_asked import Heard
from thriftgate.cli.providers_told import document_of, show
from thriftgate.engine.build import keys_of, pool_of
from thriftgate.settings import Settings

EU = {"name": "eu", "provider": "vertex", "project": "p", "region": "eu", "key": "t"}
CHEAP = {"name": "cheap", "provider": "anthropic", "url": "http://x", "key": "k", "price_factor": "0.5", "order": 2}


def settings(*rows: dict[str, Any]) -> Settings:
    return settings_of(upstream={"api_key": "sk-1"}, targets=rows)


def told(found: Settings, **heard: Heard) -> dict[str, dict[str, Any]]:
    document = document_of(pool_of(found, keys_of(found)), found, heard)
    return {one["name"]: one for one in document["targets"]}


def test_prices_are_those_of_the_place_and_the_factor() -> None:
    found = told(settings(EU, CHEAP))
    prices = {}
    for name, one in found.items():
        rows = {row["model"]: row for row in one["models"]}
        prices[name] = rows["claude-opus-5-5"]["input_usd"]
    assert prices == {"default": "4", "eu": "4.4", "cheap": "2"}
    assert not [row for row in found["eu"]["models"] if "unpriced" in row]
    old = {row["model"]: row for row in found["eu"]["models"]}["claude-opus-4-1-20250805"]
    assert (old["there"], old["input_usd"]) == ("claude-opus-4-1@20250805", "15")


def test_models_are_those_that_it_serves() -> None:
    found = told(
        settings(EU | {"serves": ["claude-opus-5-5", "claude-nobody-priced"], "models": {"claude-opus-5-5": "mine"}})
    )
    opus, other = found["eu"]["models"]
    assert (opus["there"], other["there"]) == ("mine", "claude-nobody-priced")
    assert "no price for model" in other["unpriced"]


def test_health_is_told_where_it_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    heard = {
        "eu": Heard(False, 12, "/v1/models", 529, "overload", "busy [b]now[/b]"),
        "default": Heard(True, 7, "/v1/models", 200),
    }
    found = settings(EU)
    document = document_of(pool_of(found, keys_of(found)), found, heard)
    assert [one["health"]["ok"] for one in document["targets"]] == [True, False]
    show(document)
    captured = capsys.readouterr()
    assert "overload" in captured.out
    assert "7 ms" in captured.out
    assert "eu: busy [b]now[/b]" in captured.err


def test_each_provider_tells_its_traits() -> None:
    found = settings()
    document = document_of(pool_of(found, keys_of(found)), found, {})
    by_name = {one["name"]: one for one in document["providers"]}
    assert by_name["vertex"]["fast_models"] == ("claude-fable-5-2",)
    assert by_name["vertex"]["betas_heard"] == sorted(by_name["vertex"]["betas_heard"])
    assert (by_name["foundry"]["batches"], by_name["anthropic"]["batches"]) == (False, True)
    assert all("20" in one["source"] for one in document["providers"])

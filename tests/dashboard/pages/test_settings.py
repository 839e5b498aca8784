"""The settings in force, without what is secret."""

from __future__ import annotations

import dataclasses

import msgspec
from pydantic import SecretStr

from tests.dashboard.conftest import asked_of
from tests.fixtures import settings_of
from thriftgate.dashboard.asked import Sources
from thriftgate.dashboard.pages.settings import document, plain_value, view

SECRET = "sk-ant-very-secret"


async def test_no_secret_is_shown(sources: Sources) -> None:
    settings = settings_of(
        upstream={"api_key": SECRET, "url": f"https://me:{SECRET}@proxy.example/x"}, batch={"webhook_secret": SECRET},
        access={"master_key": SECRET},
    )  # fmt: skip
    asked = asked_of(dataclasses.replace(sources, settings=settings))
    doc = await document(asked)
    assert SECRET not in msgspec.json.encode(doc).decode()
    rows = {row["key"]: row for row in doc["tables"]["upstream"]}
    assert (rows["api_key"]["value"], rows["api_key"]["changed"]) == ("(set)", True)
    assert rows["url"]["value"] == "https://…@proxy.example/x"
    assert view(doc, asked)["changed"] >= 4


def test_values() -> None:
    assert plain_value(SecretStr("")) == "(not set)"
    assert (plain_value(True), plain_value(None), plain_value(("a", "b")), plain_value({"a": 1})) == (
        "true",
        "–",
        "a; b",
        "a = 1",
    )

"""In whose shape errors are told."""

from __future__ import annotations

import pytest

from thriftgate.gateway.faces import dialect_named, face_of, speaks_openai
from thriftgate.wire import DIALECTS
from thriftgate.wire.openai.chat import OpenaiChat

BEARER = (b"authorization", b"Bearer x")
VERSION = (b"anthropic-version", b"2023-06-01")


@pytest.mark.parametrize(
    ("path", "headers", "name"),
    [
        ("/v1/chat/completions", [], "openai.chat"),
        ("/v1/chat/completions", [VERSION], "openai.chat"),
        ("/v1/models", [BEARER], "openai.chat"),
        ("/v1/models", [BEARER, VERSION], "anthropic.messages"),
        ("/v1/models", [(b"x-api-key", b"x")], "anthropic.messages"),
        ("/v1/embeddings", [BEARER], "openai.chat"),
        ("/v1/messages", [BEARER], "anthropic.messages"),
        ("/v1/messages/batches", [BEARER], "anthropic.messages"),
        ("/thriftgate/jobs/x", [BEARER], "anthropic.messages"),
        ("/", [BEARER], "anthropic.messages"),
    ],
)
def test_by_path_and_headers(path: str, headers: list[tuple[bytes, bytes]], name: str) -> None:
    assert face_of({"path": path, "headers": headers}).name == name


def test_dialects_by_name() -> None:
    assert isinstance(dialect_named("openai.chat"), OpenaiChat)
    assert dialect_named("of_tomorrow") is DIALECTS[0]


def test_who_names_a_version_is_no_client_of_openais() -> None:
    assert speaks_openai((BEARER,))
    assert not speaks_openai((BEARER, VERSION))
    assert not speaks_openai(())

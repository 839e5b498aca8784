"""The declared table names every field that the official SDK can send."""

from __future__ import annotations

from typing import Any, get_type_hints

from openai.types.chat import (
    ChatCompletionAssistantMessageParam,
    ChatCompletionDeveloperMessageParam,
    ChatCompletionSystemMessageParam,
    ChatCompletionToolMessageParam,
    ChatCompletionUserMessageParam,
)
from openai.types.chat.completion_create_params import CompletionCreateParamsBase

from thriftgate.wire.openai.chat import OpenaiChat
from thriftgate.wire.openai.chat_losses import ANSWER_ROWS, CHAT_ROWS

MESSAGES = (
    ChatCompletionAssistantMessageParam,
    ChatCompletionDeveloperMessageParam,
    ChatCompletionSystemMessageParam,
    ChatCompletionToolMessageParam,
    ChatCompletionUserMessageParam,
)
DECLARED = {row.field for row in CHAT_ROWS}


def names(kind: Any) -> set[str]:
    return set(get_type_hints(kind))


def test_every_parameter_of_the_sdk_is_declared() -> None:
    told = {field.partition(".")[0].removesuffix("[]") for field in DECLARED}
    assert names(CompletionCreateParamsBase) <= told


def test_every_member_of_a_message_is_declared() -> None:
    told = {field.removeprefix("messages[].").partition(".")[0].partition("=")[0].removesuffix("[]") for field in DECLARED}
    for kind in MESSAGES:
        assert names(kind) <= told


def test_each_row_stands_once_and_says_something() -> None:
    for rows in (CHAT_ROWS, ANSWER_ROWS):
        assert len({row.field for row in rows}) == len(rows)
        assert all(row.how for row in rows)
        assert all(row.fate in ("reported", "refused") for row in rows if row.harmless)


def test_the_dialect_says_what_it_cannot_carry() -> None:
    assert "seed" in OpenaiChat.cannot_carry
    assert "n" in OpenaiChat.cannot_carry
    assert "stop" not in OpenaiChat.cannot_carry

"""The page of the reference on OpenAI's dialects: what becomes of each field."""

from __future__ import annotations

from docs.markdown import joined, table

from thriftgate.wire.openai.chat_losses import ANSWER_ROWS, CHAT_ROWS
from thriftgate.wire.openai.losses import Row
from thriftgate.wire.openai.responses_losses import RESPONSE_ANSWER_ROWS, RESPONSE_ROWS

_FATES = {
    "carried": "carried",
    "translated": "carried as",
    "needless": "not needed",
    "reported": "left out, told",
    "refused": "refused",
}


def openai_page() -> str:
    """Both directions, from the tables that the translation itself goes by."""
    return joined(
        [
            "# OpenAI's dialects",
            (
                "What becomes of each field of a call that comes in OpenAI's words; see [the guide](../guides/openai.md). "
                "What is *left out, told* is named in the header `thriftgate-not-carried`, as is every field that no row "
                'names; with `openai.not_carried = "refuse"` such a call is refused. What is *refused* is always a 400 that '
                "says why. A value that asks for nothing is never a loss."
            ),
            "## `POST /v1/chat/completions`: the request",
            _rows(CHAT_ROWS),
            "## `POST /v1/chat/completions`: the answer",
            _rows(ANSWER_ROWS),
            "## `POST /v1/responses`: the request",
            _rows(RESPONSE_ROWS),
            "## `POST /v1/responses`: the answer",
            _rows(RESPONSE_ANSWER_ROWS),
        ]
    )


def _rows(rows: tuple[Row, ...]) -> str:
    return table(
        ("Field", "What becomes of it", "How, or why"), [(f"`{row.field}`", _FATES[row.fate], row.how) for row in rows]
    )

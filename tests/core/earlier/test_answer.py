"""What keeping an answer takes."""

from __future__ import annotations

from thriftgate.core.earlier.answer import FRAME_BYTES, KeptAnswer


def kept(body: bytes = b'{"type":"message"}', **members: object) -> KeptAnswer:
    """An answer, as a tier keeps it."""
    values: dict[str, object] = {
        "id": "tg_1",
        "at_s": 1_795_262_400.0,
        "tenant": b"t" * 32,
        "key": "key_1",
        "team": "",
        "org": "",
        "model": "claude-opus-4-8",
        "stop_reason": "end_turn",
    }
    return KeptAnswer(**values | {"body": body} | members)  # type: ignore[arg-type]


def test_size() -> None:
    assert kept(b"x" * 500).size_bytes == 500 + FRAME_BYTES

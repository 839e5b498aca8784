"""Answers, with the headers that keep a browser strict."""

from __future__ import annotations

from typing import Any

from thriftgate.dashboard.responses import POLICY, redirect, send_document, send_page


async def test_each_answer_is_strict_and_kept_by_nobody() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await send_page(send, 200, "<p>ü")
    await send_document(send, 404, {"a": 1})
    await redirect(send, "/there", ((b"set-cookie", b"a=b"),))
    starts = [one for one in sent if one["type"] == "http.response.start"]
    assert [one["status"] for one in starts] == [200, 404, 303]
    for one in starts:
        headers = dict(one["headers"])
        assert headers[b"content-security-policy"] == POLICY.encode()
        assert headers[b"cache-control"] == b"no-store"
        assert headers[b"x-frame-options"] == b"DENY"
    assert dict(starts[2]["headers"])[b"location"] == b"/there"
    assert sent[1]["body"] == "<p>ü".encode()
    assert "unsafe" not in POLICY

"""A provider that costs next to nothing: it takes a batch, remembers its custom ids, and streams ready-made result lines.

Its batches have ended as soon as they are created. It judges nothing and bills nothing: for speed and memory of the worker
alone. As a process of its own: `python -m benchmarks.batch.lean PORT`.
"""

from __future__ import annotations

import re
import sys
import time
from array import array
from collections.abc import Iterator
from typing import Any

import msgspec

from benchmarks.batch.jobs import OUT_TOKENS
from thriftgate.cli.serving import bind, serve_app
from thriftgate.simulator.clock import rfc3339

PAGE = 1_000  # results that are sent at a time
_ID = re.compile(rb'"custom_id":"tg_([0-9a-f]{20})_([0-9a-f]+)"')
_ID_BYTES = 64  # more than an id takes with its name: what may stand across two pieces of a body
_MESSAGE = (
    b'{"custom_id":"tg_%b_%x","result":{"type":"succeeded","message":{"id":"msg_%b%x","type":"message",'
    b'"role":"assistant","model":"claude-opus-4-8","content":[{"type":"text","text":"It was fine, and the answer '
    b'is yes."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":%d,'
    b'"cache_creation_input_tokens":%d,"cache_read_input_tokens":%d,"cache_creation":{"ephemeral_5m_input_tokens":0,'
    b'"ephemeral_1h_input_tokens":%d},"output_tokens":%d,"service_tier":"batch","inference_geo":"not_available"}}}}\n'
)


class Lean:
    """The ASGI app. `cpu_s` is what it took of its thread, so that it can be left out of the worker's account. The first
    job of a run is said to have written `prefix_tokens`, all others to have read them."""

    def __init__(self, prefix_tokens: int = 0) -> None:
        self.prefix_tokens = prefix_tokens
        self.cpu_s = 0.0
        self.billed = 0
        self._batches: dict[str, tuple[bytes, array[int]]] = {}

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        method, path = scope["method"], scope["path"]
        if path.endswith("/count_tokens"):
            await self._read(receive)
            await _answer(send, {"input_tokens": 100})
        elif method == "POST":
            await _answer(send, self._described(await self._create(receive)))
        elif path.endswith("/results"):
            await self._results(send, path.split("/")[-2])
        elif path.endswith("/batches"):
            await _answer(send, {"data": [self._described(name) for name in reversed(self._batches)], "has_more": False})
        else:
            await _answer(send, self._described(path.rpartition("/")[2]))

    async def _create(self, receive: Any) -> str:
        name = f"msgbatch_{len(self._batches):020d}"
        seqs, mark, kept = array("Q"), b"", b""
        async for piece in _pieces(receive):
            began = time.thread_time()
            found = kept + piece
            end = 0
            for one in _ID.finditer(found):
                mark, end = one[1], one.end()
                seqs.append(int(one[2], 16))
            kept = found[max(end, len(found) - _ID_BYTES) :]
            self.cpu_s += time.thread_time() - began
        self._batches[name] = mark, seqs
        return name

    async def _read(self, receive: Any) -> None:
        async for _ in _pieces(receive):
            pass

    async def _results(self, send: Any, name: str) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/x-jsonl")]})
        began = time.thread_time()
        for page in self._pages(*self._batches[name]):
            self.cpu_s += time.thread_time() - began
            await send({"type": "http.response.body", "body": page, "more_body": True})
            began = time.thread_time()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _pages(self, mark: bytes, seqs: array[int]) -> Iterator[bytes]:
        """The results, last job first: in another order than that of the file."""
        for at in range(len(seqs), 0, -PAGE):
            lines = []
            for seq in reversed(seqs[max(0, at - PAGE) : at]):
                wrote = self.prefix_tokens if not self.billed else 0
                read = self.prefix_tokens - wrote
                self.billed += 1
                lines.append(_MESSAGE % (mark, seq, mark, seq, 130, wrote, read, wrote, OUT_TOKENS))
            yield b"".join(lines)

    def _described(self, name: str) -> dict[str, Any]:
        now = rfc3339(time.time())
        counts = {"processing": 0, "succeeded": len(self._batches[name][1]), "errored": 0, "canceled": 0, "expired": 0}
        return {"id": name, "type": "message_batch", "processing_status": "ended", "request_counts": counts} | {
            "created_at": now, "expires_at": now, "ended_at": now,
        }  # fmt: skip


async def _pieces(receive: Any) -> Any:
    while True:
        message = await receive()
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


async def _answer(send: Any, document: dict[str, Any]) -> None:
    data = msgspec.json.encode(document)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": data, "more_body": False})


def main(port: int) -> int:
    """Serve on loopback until stopped; the URL is told on stdout."""
    return serve_app(Lean(), bind("127.0.0.1", port), shutdown_s=1, ready=lambda url: print(url, flush=True))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))

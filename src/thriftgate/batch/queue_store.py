"""The calls of a queue and their answers: both stand in the job book until they are not needed any more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

import msgspec

from thriftgate.batch.work import Placed
from thriftgate.core.control.whose import Payer, Whose
from thriftgate.core.errors import InputError
from thriftgate.ledger.jobs import Answer, Body, Job, JobBook
from thriftgate.providers.transport import Headers
from thriftgate.wire.anthropic_batches import read_error

# A batch is sent with one set of headers: these are what of a call's own it keeps, and what keeps batches apart.
_SENT = (b"anthropic-version", b"anthropic-beta")
_DIALECT = b":dialect"  # in which the answer is to be told: kept beside them, and no name that a client could send
_WHOSE = msgspec.json.Decoder(Whose)


class QueueSource:
    """Reads calls from the job book, a page at a time."""

    def __init__(self, book: JobBook, run_id: str) -> None:
        self._book = book
        self._run_id = run_id
        self._loaded: dict[int, Body] = {}

    async def load(self, jobs: Sequence[Job]) -> None:
        self._loaded = {one.seq: one for one in await self._book.bodies(self._run_id, [job.seq for job in jobs])}

    def params(self, job: Job) -> bytes:
        found = self._loaded.get(job.seq)
        if found is None or not found.body:
            raise InputError("the body of this call is not kept any more")
        return found.body

    def headers(self, job: Job) -> Headers:
        found = self._loaded.get(job.seq)
        kept = decode_headers(found.headers) if found is not None else ()
        return tuple(one for one in kept if one[0] in _SENT)

    def payer(self, job: Job) -> Payer:
        found = self._loaded.get(job.seq)
        return Payer(found.key, _WHOSE.decode(found.whose)) if found is not None else Payer()


class QueueOutlet:
    """Keeps answers in the job book, and says which jobs are answered."""

    def __init__(self, answered: Callable[[Sequence[Job]], None]) -> None:
        self._answered = answered

    def add(self, results: Sequence[tuple[Job, bytes]], now_us: int) -> Placed:
        answers = [Answer(job.seq, now_us, *_http(result)) for job, result in results]
        return Placed([(0, 0)] * len(results), answers)

    def changes(self) -> dict[str, object]:
        return {}

    async def told(self, jobs: Sequence[Job]) -> None:
        self._answered(jobs)


class _Result(msgspec.Struct):
    type: str
    message: msgspec.Raw = msgspec.Raw(b"")
    error: msgspec.Raw = msgspec.Raw(b"")


_RESULT = msgspec.json.Decoder(_Result)
# What the errors of results would have been as answers (platform.claude.com/docs/en/api/errors, 2026-08).
_STATUS = {
    "invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403,
    "not_found_error": 404, "conflict_error": 409, "request_too_large": 413, "rate_limit_error": 429, "api_error": 500,
    "timeout_error": 504, "overloaded_error": 529,
}  # fmt: skip


def _http(result: bytes) -> tuple[int, bytes]:
    """A batch result as the answer that a call would have got: status and body."""
    found = _RESULT.decode(result)
    if found.type == "succeeded":
        return 200, bytes(found.message)
    if found.type == "errored":
        error = bytes(found.error)
        return _STATUS.get(read_error(error).type, 500), error
    message = {"type": "api_error", "message": f"the call could not be served before its deadline: {found.type}"}
    return 500, msgspec.json.encode({"type": "error", "error": message})


def encode_headers(headers: Headers, dialect: str = "") -> bytes:
    """Of a call's headers those that its batch must have, and the dialect that its answer is told in ("": the provider's
    own), as JSON."""
    kept = [(name.decode(), value.decode("latin-1")) for name, value in headers if name in _SENT]
    return msgspec.json.encode([*kept, (_DIALECT.decode(), dialect)] if dialect else kept)


def dialect_in(data: bytes) -> str:
    """The dialect among what `encode_headers` has kept."""
    return next((value.decode() for name, value in decode_headers(data) if name == _DIALECT), "")


def decode_headers(data: bytes) -> Headers:
    """Back from `encode_headers`."""
    found = msgspec.json.decode(data, type=list[tuple[str, str]])
    return tuple((name.encode(), value.encode("latin-1")) for name, value in found)


def digest_of(key: str, headers: bytes, body: bytes, name: str) -> bytes:
    """The same for the same call sent again: of one key, with the same headers (as `encode_headers` gives them) and body,
    under the name that its caller gave it, if any."""
    found = sha256()
    for part in (key.encode(), headers, name.encode(), body):
        found.update(len(part).to_bytes(8, "big"))
        found.update(part)
    return found.digest()

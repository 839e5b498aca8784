"""Calls of a queue and their answers, in the job book."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.batch.queueing import CALLER, ask, queueing
from tests.contracts.check_jobs import job_of
from thriftgate.batch.queue_store import (
    QueueOutlet,
    QueueSource,
    decode_headers,
    dialect_in,
    digest_of,
    encode_headers,
)
from thriftgate.core.control.whose import Payer
from thriftgate.core.errors import InputError
from thriftgate.ledger.jobs import QUEUE, Job
from thriftgate.wire.anthropic_batches import errored, rejected, succeeded

HEADERS = (
    (b"anthropic-version", b"2023-06-01"),
    (b"x-api-key", b"sk-ant-secret"),
    (b"anthropic-beta", b"one-2025-01-01"),
    (b"anthropic-beta", b"two-2025-01-01, \xe9"),
    (b"thriftgate-deadline", b"6h"),
)


def test_of_the_headers_those_are_kept_that_its_batch_must_have() -> None:
    kept = encode_headers(HEADERS)
    assert b"secret" not in kept
    assert decode_headers(kept) == (HEADERS[0], HEADERS[2], HEADERS[3])
    assert decode_headers(encode_headers(())) == ()
    assert dialect_in(kept) == ""
    assert dialect_in(encode_headers((*HEADERS, (b":dialect", b"y")), "x")) == "x"


def test_a_digest_is_the_same_for_the_same_call_only() -> None:
    same = digest_of("key", b"[]", b"{}", "")
    assert same == digest_of("key", b"[]", b"{}", "")
    assert len(same) == 32
    others = {
        digest_of("key2", b"[]", b"{}", ""),
        digest_of("key", b"[[]]", b"{}", ""),
        digest_of("key", b"[]", b"{ }", ""),
        digest_of("key", b"[]", b"{}", "name"),
        digest_of("key[", b"]", b"{}", ""),
        same,
    }
    assert len(others) == 6


ERROR = b'{"type":"error","error":{"type":"%b","message":"it said \\"rate_limit_error\\""},"request_id":"req_1"}'


@pytest.mark.parametrize(
    ("result", "status", "words"),
    [
        (succeeded(b'{"id":"msg_1"}'), 200, b'{"id":"msg_1"}'),
        (rejected(ERROR % b"not_found_error"), 404, ERROR % b"not_found_error"),
        (rejected(ERROR % b"overloaded_error"), 529, ERROR % b"overloaded_error"),
        (rejected(ERROR % b"authentication_error"), 401, b"authentication_error"),
        (rejected(ERROR % b"billing_error"), 402, b"billing_error"),
        (rejected(ERROR % b"request_too_large"), 413, b"request_too_large"),
        (rejected(ERROR % b"rate_limit_error"), 429, b"rate_limit_error"),
        (rejected(ERROR % b"timeout_error"), 504, b"timeout_error"),
        (rejected(ERROR % b"a_new_kind_of_error"), 500, b"a_new_kind_of_error"),
        (errored("api_error", "no luck"), 500, b"no luck"),
        (b'{"type":"expired"}', 500, b"could not be served before its deadline: expired"),
        (b'{"type":"canceled"}', 500, b"could not be served before its deadline: canceled"),
    ],
)
def test_a_result_as_the_answer_that_the_call_would_have_got(result: bytes, status: int, words: bytes) -> None:
    placed = QueueOutlet(lambda _: None).add([(job_of(1), result)], 77)
    (answer,) = placed.answers
    assert (answer.seq, answer.at_us, answer.status) == (1, 77, status)
    assert words in answer.body
    assert status == 200 or msgspec.json.decode(answer.body)["type"] == "error"
    assert placed.places == [(0, 0)]


async def test_who_is_told_of_answers() -> None:
    told: list[Job] = []
    outlet = QueueOutlet(told.extend)
    await outlet.told([job_of(1), job_of(2)])
    assert [job.seq for job in told] == [1, 2]
    assert outlet.changes() == {}


async def test_calls_are_read_from_the_book(tmp_path: Path) -> None:
    async with queueing(tmp_path, flows=False) as stage:
        job = await stage.take(ask(1), headers={"anthropic-beta": "one-2025-01-01"})
        source = QueueSource(stage.queue.book, QUEUE)
        assert (source.headers(job), source.payer(job)) == ((), Payer())
        await source.load([job])
        assert msgspec.json.decode(source.params(job)) == ask(1)
        assert source.headers(job)[1] == (b"anthropic-beta", b"one-2025-01-01")
        assert source.payer(job) == Payer(stage.engine.key_of(CALLER))
        stage.clock.flow()
        await stage.answer(job)
        await source.load([job])
        with pytest.raises(InputError, match="is not kept any more"):
            source.params(job)
        assert source.payer(job) == Payer(stage.engine.key_of(CALLER))

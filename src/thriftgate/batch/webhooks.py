"""Tell callers that their jobs are answered: signed, and tried again.

Signed as the Standard Webhooks specification has it (standardwebhooks.com, 2026-10): the headers `webhook-id`,
`webhook-timestamp` and `webhook-signature`, which is `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`. The body
names the job, not its answer: that is fetched with the caller's key.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
from collections.abc import Sequence
from hashlib import sha256
from ipaddress import ip_address

import msgspec

from thriftgate.batch.work import Work
from thriftgate.core.errors import ConfigError, InputError, UpstreamError
from thriftgate.core.moments import text_from_micros
from thriftgate.ledger.jobs import Body, Job
from thriftgate.logs import log
from thriftgate.providers.http1_transport import Http1Transport
from thriftgate.providers.receivers import Receivers
from thriftgate.providers.transport import Outgoing, Timeouts
from thriftgate.providers.urls import place_of

WAITS_S = (5.0, 30.0, 300.0, 1800.0, 7200.0, 21600.0)  # before the second try and so on; then it is given up
AT_ONCE = 20
_TIMEOUTS = Timeouts(5.0, 15.0)
_WHOLE_S = 30.0  # for one try, however slowly the receiver talks
_PREFIX = "whsec_"


class Webhooks:
    """Sends what is due. `secret` is shared with those who are told; connections are made only where `receivers` allow."""

    def __init__(self, work: Work, secret: bytes, receivers: Receivers) -> None:
        self._work = work
        self._transport = Http1Transport(find=receivers.find)
        self._secret = secret

    async def close(self) -> None:
        await self._transport.close()

    async def send_due(self) -> float | None:
        """Tell those that are due. Returns the seconds until more may be, None when nobody waits to be told."""
        work = self._work
        due = await work.book.to_tell(work.lease.run, work.now_us(), AT_ONCE)
        for (job, body), sent in zip(due, await asyncio.gather(*(self._send(*one) for one in due)), strict=True):
            told = body.told + 1
            again_us = 0
            if not sent and told <= len(WAITS_S):
                again_us = work.now_us() + int(WAITS_S[told - 1] * 1e6)
            elif not sent:
                log.error("webhook given up", job=job.name)
            await work.book.tell_again(work.lease, work.now_us(), job.seq, told, again_us)
        later = await work.book.to_tell(work.lease.run, 2**62, 1)
        return max(0.1, (later[0][1].tell_us - work.now_us()) / 1e6) if later else None

    async def _send(self, job: Job, body: Body) -> bool:
        """One try; whether the receiver has taken it. What it answers but its status is not read, and a redirect is not
        followed: it would lead where nobody has allowed."""
        work = self._work
        at_s = int(work.clock.now_s())
        payload = msgspec.json.encode(
            {
                "type": "thriftgate.job.answered",
                "timestamp": text_from_micros(work.now_us()),
                "data": {"id": job.name, "status": "answered" if job.state == "done" else "failed",
                         "url": f"/thriftgate/jobs/{job.name}"},
            }
        )  # fmt: skip
        headers = (
            (b"content-type", b"application/json"),
            (b"webhook-id", job.name.encode()),
            (b"webhook-timestamp", str(at_s).encode()),
            (b"webhook-signature", signature(self._secret, job.name, at_s, payload)),
        )
        try:
            async with asyncio.timeout(_WHOLE_S):
                incoming = await self._transport.send(Outgoing("POST", body.webhook, headers, payload), _TIMEOUTS)
        except (UpstreamError, ConfigError, TimeoutError) as error:
            log.warning("webhook not delivered", job=job.name, error=type(error).__name__)
            return False
        incoming.close()
        if not 200 <= incoming.status < 300:
            log.warning("webhook not taken", job=job.name, status=incoming.status)
        return 200 <= incoming.status < 300


def signature(secret: bytes, webhook_id: str, at_s: int, payload: bytes) -> bytes:
    """The value of `webhook-signature`."""
    signed = hmac.digest(secret, f"{webhook_id}.{at_s}.".encode() + payload, sha256)
    return b"v1," + base64.b64encode(signed)


def secret_of(text: str, setting: str = "batch.webhook_secret") -> bytes:
    """The bytes of a secret: behind `whsec_`, as the specification writes them, base64; else the text itself. Raises
    ConfigError."""
    if not text.startswith(_PREFIX):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise ConfigError(f"{setting}: what stands behind whsec_ is no base64") from None


def receivers_of(urls: Sequence[str], allow_hosts: Sequence[str]) -> Receivers:
    """Where webhooks of these URLs may lead. An address that the operator has written down is allowed as such; a name must
    lead to a public address, or be among `allow_hosts`: whoever owns the name decides where it leads, at any time."""
    hosts = [place_of(url).host for url in urls]
    return Receivers((*allow_hosts, *(host for host in hosts if _is_address(host))))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def check_allowed(url: str, allowed: Sequence[str]) -> None:
    """Raises InputError for a URL that is neither one of those allowed nor below one."""
    try:
        place = place_of(url)
    except InputError as error:
        raise InputError(f"header thriftgate-webhook: {error}") from None
    if not any(place.is_below(place_of(one)) for one in allowed):
        raise InputError(f"header thriftgate-webhook: {url} is not allowed here; batch.webhooks names the URLs that are")

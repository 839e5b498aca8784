"""One GET request, for `doctor`."""

from __future__ import annotations

import asyncio

from thriftgate.providers.aiohttp_transport import AiohttpTransport
from thriftgate.providers.transport import Headers, Outgoing, Timeouts


def get(url: str, headers: Headers = (), *, timeouts: Timeouts) -> tuple[int, bytes]:
    """Status and body. Raises UpstreamError where no answer comes."""
    return asyncio.run(_get(Outgoing("GET", url, headers), timeouts))


async def _get(outgoing: Outgoing, timeouts: Timeouts) -> tuple[int, bytes]:
    transport = AiohttpTransport()
    try:
        incoming = await transport.send(outgoing, timeouts)
        try:
            return incoming.status, await incoming.read()
        finally:
            incoming.close()
    finally:
        await transport.close()

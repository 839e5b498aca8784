"""How a call is sent with an access token, and its answer told as Claude's."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from thriftgate.clock import Clock
from thriftgate.core.errors import Unreachable
from thriftgate.providers.cloud_errors import Meaning, told_as_claude
from thriftgate.providers.token_keeper import Token, TokenKeeper
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts, Transport, laid_over


class TokenFinish:
    """See `transport.Finish`. Without a keeper the request has its credentials already. A token that is not taken, though it
    should still hold, is exchanged for a new one once: a call that was not let in was not made."""

    def __init__(self, keeper: TokenKeeper | None, table: Mapping[str, Meaning]) -> None:
        self._keeper = keeper
        self._table = table

    async def send(self, outgoing: Outgoing, timeouts: Timeouts, transport: Transport, clock: Clock) -> Incoming:
        if self._keeper is None:
            return await told_as_claude(await transport.send(replace(outgoing, finish=None), timeouts), self._table)
        token = await self._keeper.token(transport, timeouts, clock)
        incoming = await told_as_claude(await transport.send(_bearing(outgoing, token), timeouts), self._table)
        if incoming.status != 401:
            return incoming
        self._keeper.reject(token)
        try:
            token = await self._keeper.token(transport, timeouts, clock)
        except Unreachable:
            return incoming  # what the provider said is better than that there is no other token
        return await told_as_claude(await transport.send(_bearing(outgoing, token), timeouts), self._table)


def _bearing(outgoing: Outgoing, token: Token) -> Outgoing:
    own = ((b"authorization", b"Bearer " + token.value.encode()), *token.headers)
    return replace(outgoing, headers=laid_over(outgoing.headers, own), finish=None)

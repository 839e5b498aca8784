"""One call as the engine sees it: what came in, what goes back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from msgspec import Struct

from thriftgate.core.control.whose import NOBODY, Whose
from thriftgate.engine.admission import Admission
from thriftgate.engine.purse import Purse
from thriftgate.providers.transport import Headers
from thriftgate.wire.dialect import Dialect


class Cut(Struct, frozen=True):
    """An answer that a cap has cut: its tokens, the cap, and how long such answers are without one (0: not known)."""

    tokens: int
    cap: int
    beyond: int = 0


class Call(Struct, frozen=True):
    """A request at the door. `headers` have lower-case names; `credential` is the caller's key, kept out of everything that
    is stored; `key` is the name of that key in the books, where it is known without it, and `whose` who it is for beside
    that. `upstream` names the target that it is to be sent to, "" where that is not chosen yet, or where it goes with
    the client's own key; `pinned` is the only target that it may be sent to, "" for any; `failed` are those at which it
    was tried in vain, since `first_us` (microseconds since 1970); `left` ends when the client has gone.
    `cost_limit_pico` is the most the caller allows this call to cost. `unrouted` is why the model that it names must
    serve it; `plainly` why nothing is asked of its answer but what its conversation has begun with; `unexamined` why its
    answer is not looked at before the client gets it; `begun`: its conversation is taken to have begun with what is
    asked now; `refused` is the rule with which the provider has refused it; `cut` what came of it under a cap; `waited`
    where it is made at once though it could have waited; `parent` the call on whose behalf it is made; `admission` what
    it has taken of its limits, where there are any; `unreused` why no earlier answer serves it, by lever; `purses` are
    what the blocks of a program that it is made in may spend."""

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes
    dialect: Dialect
    credential: str = ""
    key: str = ""
    whose: Whose = NOBODY
    upstream: str = ""
    pinned: str = ""
    failed: tuple[str, ...] = ()
    first_us: int = 0
    left: Callable[[], Awaitable[None]] | None = None
    cost_limit_pico: int | None = None
    unrouted: str = ""
    plainly: str = ""
    unexamined: str = ""
    begun: bool = False
    refused: tuple[str, ...] = ()
    cut: Cut | None = None
    parent: str = ""
    waited: bool = False
    admission: Admission | None = None
    purses: tuple[Purse, ...] = ()
    unreused: tuple[tuple[str, str], ...] = ()


class Reply(Protocol):
    """What goes back to the client. `body` is the whole answer, or None for a stream.

    A stream must be read to its end or abandoned with `leave`: either settles the call. `leave` after the end is harmless.
    """

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Headers: ...

    @property
    def body(self) -> bytes | None: ...

    async def read(self) -> bytes:
        """The next piece of a stream, b"" at its end. Raises UpstreamError when it breaks off."""

    @property
    def ended(self) -> bool:
        """Whether the piece just read was surely the last one."""

    async def leave(self) -> None:
        """The client is gone: read on within the drain limits so that the books get the final usage, then settle."""


class WholeReply(Struct, frozen=True):
    """An answer that is complete and settled."""

    status: int
    headers: Headers
    body: bytes

    async def read(self) -> bytes:
        return b""

    @property
    def ended(self) -> bool:
        return True

    async def leave(self) -> None:
        return

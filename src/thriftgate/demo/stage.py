"""What a workload is given to work with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from anthropic import Anthropic, AsyncAnthropic


class Stage(Struct, frozen=True):
    """`client` and `async_client` are ordinary SDK clients that were pointed at the gateway.

    `pause` lets simulated seconds pass, `tick` tells that a call is done.
    """

    client: Anthropic
    async_client: Callable[[], AsyncAnthropic]
    pause: Callable[[float], None]
    tick: Callable[[], None]


class Workload(Struct, frozen=True):
    """One kind of traffic. `calls` is how many it makes, `about` one line for people."""

    name: str
    about: str
    calls: int
    run: Callable[[Stage], None]

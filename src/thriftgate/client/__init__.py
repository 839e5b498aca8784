"""The SDK face: the engine in the program that makes the calls, without a gateway.

    from thriftgate import Client, cost_limit, task

    client = Client()                                  # an anthropic.Anthropic, and thriftgate between it and the network
    with task("triage"), cost_limit(0.50):
        message = client.messages.create(...)
    client.cost_of(message)

Start reading at `sdk.py`. `Deferring` is for programs that go through a gateway. What imports the SDK is imported when it is
first asked for; it needs the extra `thriftgate[sdk]`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from thriftgate.core.errors import ConfigError

if TYPE_CHECKING:
    from thriftgate.client.contexts import cost_limit, deadline, task
    from thriftgate.client.costs import Cost
    from thriftgate.client.deferring import Deferring
    from thriftgate.client.sdk import AsyncClient, Client, wrap

__all__ = ["AsyncClient", "Client", "Cost", "Deferring", "cost_limit", "deadline", "task", "wrap"]

_HOMES = {
    "AsyncClient": "sdk",
    "Client": "sdk",
    "Cost": "costs",
    "Deferring": "deferring",
    "cost_limit": "contexts",
    "deadline": "contexts",
    "task": "contexts",
    "wrap": "sdk",
}


def __getattr__(name: str) -> object:
    """Raises ConfigError where the SDK is not installed."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{home}"), name)
    except ModuleNotFoundError as error:
        if error.name not in ("anthropic", "httpx2"):
            raise
        raise ConfigError(f"thriftgate.{name} needs the official SDK: pip install 'thriftgate[sdk]'") from None

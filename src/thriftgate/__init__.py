"""Cut a Claude API bill and prove every cent of it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thriftgate.client import AsyncClient, Client, Cost, cost_limit, deadline, task, wrap

__all__ = ["AsyncClient", "Client", "Cost", "cost_limit", "deadline", "task", "wrap"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """The client, when it is first asked for: `import thriftgate` itself imports nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("thriftgate.client"), name)

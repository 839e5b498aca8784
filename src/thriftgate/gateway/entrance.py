"""How connections come in: what a server is told of TLS, and of clients that are slow, many or ambiguous."""

from __future__ import annotations

from functools import partial
from typing import Any

from thriftgate.gateway.connections import Bounds, Connection, Watch
from thriftgate.gateway.tls import server_tls
from thriftgate.settings.serving import Server


class Entrance:
    """One per process that serves. Raises ConfigError for certificates that cannot be used."""

    def __init__(self, settings: Server) -> None:
        self._tls = server_tls(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
        bounds = Bounds(
            connections_max=settings.connections_max,
            head_s=settings.head_s,
            head_bytes_max=settings.head_bytes_max,
            body_idle_s=settings.body_idle_s,
            body_bytes_per_s_min=settings.body_bytes_per_s_min,
            answer_idle_s=settings.answer_idle_s,
        )
        self._protocol = partial(Connection, watch=Watch(bounds))
        self.scheme = "http" if self._tls is None else "https"

    def options(self) -> dict[str, Any]:
        """What `uvicorn.Config` is told."""
        told: dict[str, Any] = {"http": self._protocol}
        if self._tls is not None:
            context = self._tls.context
            told["ssl_context_factory"] = lambda _config, _default: context
        return told

    def reload(self) -> None:
        """Read certificates again, for connections to come. Raises ConfigError, and then the old ones stay."""
        if self._tls is not None:
            self._tls.reload()

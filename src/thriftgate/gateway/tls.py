"""TLS of the gateway itself: TLS 1.2 or newer, client certificates where they are wanted, and new ones without a restart."""

from __future__ import annotations

import ssl

from thriftgate.core.errors import ConfigError
from thriftgate.providers.tls import ALPN, load_authorities, load_pair


class ServerTls:
    """`context` is what a server is given, once; each handshake is made with the certificates read last.

    With `client_ca` a client must show a certificate of one of these authorities, or no handshake succeeds. Raises
    ConfigError.
    """

    def __init__(self, cert: str, key: str, client_ca: str = "") -> None:
        self._files = (cert, key, client_ca)
        self.context = self._now = self._read()
        self.context.sni_callback = self._choose

    def reload(self) -> None:
        """Read the files again; connections that are open stay as they are. Raises ConfigError, and then nothing changes."""
        self._now = self._read()

    def _choose(self, handshake: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _first: ssl.SSLContext) -> None:
        """Called by OpenSSL before it chooses a certificate, also for clients that name no host."""
        if self._now is not self.context:
            handshake.context = self._now

    def _read(self) -> ssl.SSLContext:
        cert, key, client_ca = self._files
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(ALPN)
        load_pair(context, cert, key, "server.tls_cert", "server.tls_key")
        if client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            load_authorities(context, client_ca, "server.tls_client_ca")
            # A session that is resumed is not verified again: whoever lost their authority would come back with it.
            context.options |= ssl.OP_NO_TICKET
            context.num_tickets = 0
        return context


def server_tls(cert: str, key: str, client_ca: str) -> ServerTls | None:
    """None where no certificate is set. Raises ConfigError where the rest is of no use without one."""
    for name, value in (("tls_key", key), ("tls_client_ca", client_ca)):
        if value and not cert:
            raise ConfigError(f"server.{name}: is set, and server.tls_cert is not: the gateway would serve plain HTTP")
    return ServerTls(cert, key, client_ca) if cert else None

"""Certificates from PEM files, with errors that say which file is wrong and why; and TLS towards providers."""

from __future__ import annotations

import ssl
from pathlib import Path

from thriftgate.core.errors import ConfigError

ALPN = ["http/1.1"]


def client_context(ca_file: str, cert: str, key: str) -> ssl.SSLContext | None:
    """How connections to providers are verified: by the system's authorities and those of `ca_file`. `cert` is shown where
    a server asks for one. None where nothing is set. Raises ConfigError."""
    if key and not cert:
        raise ConfigError("upstream.client_key: there is no upstream.client_cert that it could belong to")
    if not (ca_file or cert):
        return None
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(ALPN)
    if ca_file:
        load_authorities(context, ca_file, "upstream.ca_file")
    if cert:
        load_pair(context, cert, key, "upstream.client_cert", "upstream.client_key")
    return context


def load_pair(context: ssl.SSLContext, cert: str, key: str, cert_name: str, key_name: str) -> None:
    """A certificate chain and its private key, which may stand in one file. Raises ConfigError by the settings' names."""
    text = _read(cert, cert_name)
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise ConfigError(f"{cert_name}: {cert} holds no certificate in PEM")
    where = f"{key_name}: {key}" if key else f"{cert_name}: {cert}"
    text = _read(key, key_name) if key else text
    if "PRIVATE KEY-----" not in text:
        raise ConfigError(f"{where} holds no private key in PEM" + ("" if key else f"; {key_name} names the file that does"))
    if "ENCRYPTED" in text:
        raise ConfigError(f"{where} holds a key under a password, which nobody is here to type; store it without")
    try:
        context.load_cert_chain(cert, key or None, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(f"{where}: the key does not belong to the certificate in {cert}") from None
        raise ConfigError(f"{cert_name}: {cert} cannot be used: {error.reason or error}") from None


def load_authorities(context: ssl.SSLContext, path: str, name: str) -> None:
    """Trust the authorities of a file, besides those trusted already. Raises ConfigError."""
    _read(path, name)
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        raise ConfigError(f"{name}: {path} holds no certificates in PEM that can be used: {error.reason or error}") from None


def _read(path: str, name: str) -> str:
    try:
        return Path(path).read_text("latin-1")
    except OSError as error:
        raise ConfigError(f"{name}: cannot read {path}: {error.strerror}") from None

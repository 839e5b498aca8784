"""Where the server is."""

from __future__ import annotations

import pytest

from thriftgate.core.errors import ConfigError
from thriftgate.shared.address import Address, read_address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://cache", Address("cache", 6379)),
        ("redis://:p%40ss@cache:7000/3", Address("cache", 7000, ("p@ss",), 3)),
        ("valkey://user:pass@[::1]:7000", Address("::1", 7000, ("user", "pass"))),
    ],
)
def test_a_url_is_read(url: str, address: Address) -> None:
    assert read_address(url) == address
    assert "pass" not in address.name


def test_tls_is_verified() -> None:
    address = read_address("rediss://cache")
    assert address.tls is not None
    assert address.tls.check_hostname


@pytest.mark.parametrize(
    "url",
    [
        "http://cache",
        "redis://",
        "redis://cache:port",
        "redis://cache/zero",
        "redis://cache/-1",
        "redis://cache?ssl=1",
        "redis://hunter2@cache",
        "",
    ],
)
def test_what_is_no_address_is_told_without_its_secrets(url: str) -> None:
    with pytest.raises(ConfigError, match=r"redis\.url") as raised:
        read_address(url)
    assert "hunter2" not in str(raised.value)


def test_a_file_of_certificates_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError, match=r"redis\.ca: /nowhere"):
        read_address("rediss://cache", "/nowhere")

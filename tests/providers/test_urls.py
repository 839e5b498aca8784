"""Where URLs lead, and which is below which."""

from __future__ import annotations

import contextlib

import pytest

from thriftgate.core.errors import InputError
from thriftgate.providers.urls import Place, place_of


def test_a_url_taken_apart() -> None:
    assert place_of("https://Hooks.Example/a/b?c=d") == Place("https", "hooks.example", 443, ("a", "b"))
    assert place_of("http://[::1]:8080") == Place("http", "::1", 8080, ())
    assert place_of("HTTP://h/") == place_of("http://h:80")


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://good.example", "https://good.example"),
        ("https://good.example/", "https://good.example"),
        ("https://GOOD.example:443/any/where?with=this", "https://good.example/"),
        ("https://good.example/hooks", "https://good.example/hooks/"),
        ("https://good.example/hooks/1", "https://good.example/hooks"),
        ("https://good.example:8443/hooks/1", "https://good.example:8443/hooks/"),
    ],
)
def test_below(url: str, allowed: str) -> None:
    assert place_of(url).is_below(place_of(allowed))


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://good.example.evil.com", "https://good.example"),
        ("https://good.example.evil.com/hooks", "https://good.example/hooks"),
        ("http://good.example", "https://good.example"),
        ("https://good.example:444", "https://good.example"),
        ("https://good.example:4430", "https://good.example:443"),
        ("https://www.good.example", "https://good.example"),
        ("https://good.example./", "https://good.example"),
        ("https://good.example/hooksandmore", "https://good.example/hooks"),
        ("https://good.example/", "https://good.example/hooks"),
        ("https://good.example/Hooks", "https://good.example/hooks"),
        ("https://good.example//hooks/../hooks2", "https://good.example/hooks2/"),
    ],
)
def test_not_below(url: str, allowed: str) -> None:
    with contextlib.suppress(InputError):
        assert not place_of(url).is_below(place_of(allowed))


@pytest.mark.parametrize(
    "url",
    [
        "", "good.example", "//good.example", "ftp://good.example", "javascript:alert(1)", "https://", "https:///path",
        "https://good.example@evil.com", "https://a:b@good.example", "https://good.example\\@evil.com",
        "https://good.example/#part", "https://good.example/a b", "https://good.example/\r\nx: y",
        "https://g\u00f6d.example",
        "https://good.example:port", "https://good.example:99999", "https://[good.example", "https://good.example/\x7f",
    ],
)  # fmt: skip
def test_what_is_no_plain_url(url: str) -> None:
    with pytest.raises(InputError, match="is not an http:// or https:// URL"):
        place_of(url)


@pytest.mark.parametrize("path", ["..", "hooks/../admin", "hooks/./x", "hooks/%2e%2E/admin", "hooks/..%2fadmin", "a%5cb"])
def test_a_path_that_can_be_read_in_two_ways(path: str) -> None:
    with pytest.raises(InputError, match="can be read in two ways"):
        place_of(f"https://good.example/{path}")

"""Which heads are refused, without a socket; tests/security/test_requests.py has them on one."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.gateway.request_heads import HEADERS_MAX, head_refused, target_wrong
from thriftgate.providers.transport import Headers

USUAL: Headers = ((b"host", b"gateway.example:8484"), (b"content-length", b"10"), (b"x-api-key", b"a"))


@pytest.mark.parametrize("host", [b"a", b"a.example.", b"127.0.0.1:80", b"[::1]:8484", b"[2001:db8::1]", b"a_b:", b"xn--a"])
def test_hosts(host: bytes) -> None:
    assert head_refused("1.1", b"/", ((b"host", host),)) is None


@pytest.mark.parametrize("host", [b"", b"a b", b"a,b", b"a/b", b"u@a", b"a:b", b"[::1", b"::1", b"a:999999", b"\xe9"])
def test_no_hosts(host: bytes) -> None:
    refused = head_refused("1.1", b"/", ((b"host", host),))
    assert refused is not None
    assert (refused.status, refused.words) == (400, "the Host header is no host")


def test_what_may_be_said_twice() -> None:
    assert head_refused("1.1", b"/", (*USUAL, (b"accept", b"a"), (b"accept", b"b"), (b"thriftgate-tags", b"a"))) is None
    assert head_refused("1.1", b"/", (*USUAL, (b"x_other", b"a"))) is None
    refused = head_refused("1.1", b"/", (*USUAL, (b"x-api-key", b"a")))
    assert refused is not None
    assert "two headers x-api-key" in refused.words
    assert head_refused("1.1", b"/", USUAL[:1] + ((b"x", b""),) * HEADERS_MAX) is not None


def test_paths_with_names_in_them() -> None:
    for path in (b"/", b"/v1/models/claude-opus-4-8", b"/v1/models/vendor:model@1", b"/thriftgate/dashboard/keys/a%20b",
                 b"/thriftgate/dashboard/tags/%C3%A9t%C3%A9", b"/a/...", b"/a/.b", b"/a/b..",
                 b"/v1/messages?beta=true&a=%2F", b"/a?"):  # fmt: skip
        assert target_wrong(path) == "", path


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), min_size=1, max_size=4))
def test_a_path_that_passes_has_one_spelling(parts: list[str]) -> None:
    """Decoded and encoded again it is itself, and nothing in it leads up or down."""
    raw = "/" + "/".join(quote(part, safe="%/.~!$&'()*+,;=:@") for part in parts)
    if target_wrong(raw.encode()):
        return
    decoded = unquote(raw, errors="strict")
    assert decoded.isprintable()
    assert decoded.count("/") == raw.count("/")
    assert not {"", ".", ".."} & set(decoded.removesuffix("/").split("/")[1:] if decoded != "/" else [])
    spelled = quote(decoded, safe="/~!$&'()*+,;=:@")
    assert spelled == quote(unquote(raw), safe="/~!$&'()*+,;=:@")
    assert unquote(spelled) == decoded == unquote(decoded)

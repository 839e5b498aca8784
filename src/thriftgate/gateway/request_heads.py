"""Which heads of requests are taken: those that everybody reads in one way. Pure.

Whatever passes here has one spelling: the path that a route is chosen by is, byte by byte, the one that goes on, and who
calls is said once. RFC 9110, RFC 9112 sections 3.2 and 6, RFC 3986 section 6.2.2 (2022-06); the table in
`docs/guides/security-settings.md` is tested line by line.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from thriftgate.providers.transport import Headers

HEADERS_MAX = 200
_DIGITS_MAX = 18  # of a length: below 2**63

# Said once, or not at all: two of them are read in two ways.
_SINGLE = frozenset(
    b"host content-length transfer-encoding content-type content-encoding authorization x-api-key anthropic-version "
    b"origin x-csrf-token sec-fetch-site x-forwarded-proto".split()
)
_HOST = re.compile(rb"[A-Za-z0-9._~%-]+(:[0-9]{0,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{0,5})?")
# Segments of RFC 3986 `pchar`, none of them empty, `.` or `..`, nor one that some servers take for those (`..;`).
_USUAL = re.compile(rb"/|(/(?!\.\.?(?:[/;]|$))[A-Za-z0-9._~!$&'()*+,;=:@-]+)+/?")
_UNRESERVED = re.compile(rb"%(2[DdEe]|3[0-9]|4[1-9A-Fa-f]|5[0-9AaFf]|6[1-9A-Fa-f]|7[0-9AaEe])")
_HARMFUL = re.compile(rb"%(?:[01][0-9A-Fa-f]|7[Ff]|2[5Ff]|5[Cc])")  # control characters, %, / and backslash
_ENCODED = re.compile(rb"%[0-9A-Fa-f]{2}")


class Refusal(NamedTuple):
    """Why a request is not taken, and with which status that is told."""

    status: int
    words: str


def head_refused(version: str, target: bytes, headers: Headers) -> Refusal | None:
    """Why the head of a request is refused; None for one that may pass. Header names are in lower case."""
    if version not in ("1.1", "1.0"):
        return Refusal(505, f"HTTP/{version} is not spoken here; HTTP/1.1 is")
    if len(headers) > HEADERS_MAX:
        return Refusal(431, f"there are more than {HEADERS_MAX} headers")
    words = _headers_wrong(version, headers) or target_wrong(target)
    return Refusal(400, words) if words else None


def _headers_wrong(version: str, headers: Headers) -> str:
    named = dict(headers)
    if len(named) < len(headers):
        names = [name for name, _ in headers]
        twice = next((name for name in names if name in _SINGLE and names.count(name) > 1), b"")
        if twice:
            return f"there are two headers {twice.decode()}; that is read in two ways"
    if b"_" in b" ".join(named):
        shadow = next((name for name in named if b"_" in name and name.replace(b"_", b"-") in _SINGLE), b"").decode()
        if shadow:
            return f"the header {shadow} is {shadow.replace('_', '-')} to some servers"
    host = named.get(b"host")
    if host is None and version == "1.1":
        return "there is no Host header"
    if host is not None and not _HOST.fullmatch(host):
        return "the Host header is no host"
    return _framing_wrong(version, named.get(b"content-length"), named.get(b"transfer-encoding"))


def _framing_wrong(version: str, length: bytes | None, coding: bytes | None) -> str:
    if length is not None and not (length.isdigit() and len(length) <= _DIGITS_MAX):
        return "the Content-Length is no number of bytes"
    if coding is None:
        return ""
    if length is not None:
        return "there are both Content-Length and Transfer-Encoding; it is not clear where the body ends"
    if coding.lower() != b"chunked" or version == "1.0":
        return "the Transfer-Encoding is not chunked, which is the only one taken, and of HTTP/1.1 alone"
    return ""


def target_wrong(target: bytes) -> str:
    """What is wrong with the target of a request line; "" for a path with one spelling, and maybe a query."""
    path, _, query = target.partition(b"?")
    if query and not (query.isascii() and b"#" not in query and query.decode().isprintable()):
        return "the query holds a byte that must be percent-encoded"
    if _USUAL.fullmatch(path):
        return ""
    if not path.startswith(b"/"):
        return "the request's target is no path; this is no proxy"
    plain = _ENCODED.sub(b"x", path)
    if not plain.isascii() or b"%" in plain or not _decodes(path):
        return "the path holds a byte, or a percent sign, that must be percent-encoded, or is no UTF-8"
    if _UNRESERVED.search(path) or _HARMFUL.search(path) or not _USUAL.fullmatch(plain):
        return (
            "the path can be read in two ways: it must have no empty, . or .. segments, no percent-encoded letters, digits, "
            "-._~, slashes, percent signs or control characters, and nothing that must be encoded"
        )
    return ""


def _decodes(path: bytes) -> bool:
    try:
        return unquote_to_bytes(path).decode().isprintable()
    except UnicodeDecodeError:
        return False

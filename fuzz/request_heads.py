"""Heads of requests: whatever passes is read in one way by anybody else, too."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote_to_bytes, urlsplit

from fuzz import seeds
from fuzz.part import Part
from thriftgate.gateway.request_heads import head_refused, target_wrong

_SINGLE = (b"host", b"content-length", b"transfer-encoding", b"authorization", b"x-api-key")


def check_target(data: bytes) -> None:
    """A target that passes is its own normal form: decoded or not, once or twice, by its segments or as a whole."""
    wrong = target_wrong(data)
    assert wrong.isascii(), wrong
    assert wrong.isprintable(), wrong
    if wrong:
        return
    path = data.partition(b"?")[0]
    plain = unquote_to_bytes(path)
    assert unquote_to_bytes(plain) == plain, "decoded twice it is another"
    assert plain.count(b"/") == path.count(b"/"), "a slash is encoded in it"
    assert b"\\" not in plain
    assert plain.decode().isprintable()
    trimmed = plain.rstrip(b"/") or b"/"
    assert posixpath.normpath(trimmed) == trimmed, "it has segments that go away"
    again = urlsplit(b"http://host.invalid" + data)
    assert (again.netloc, again.path, again.fragment) == (b"host.invalid", path, b"")


def check_head(data: bytes) -> None:
    """One line is the target, the others headers. What says twice who calls, or where a body ends, is refused."""
    target, *lines = data.split(b"\n")
    headers = tuple((name.lower(), value) for name, _, value in (line.partition(b":") for line in lines))
    for version in ("1.1", "1.0", "2.0"):
        refusal = head_refused(version, target, headers)
        if refusal is not None:
            assert 400 <= refusal.status < 600
            assert refusal.words
            continue
        assert version != "2.0"
        names = [name.replace(b"_", b"-") for name, _ in headers]
        assert all(names.count(one) < 2 for one in _SINGLE), "said twice"
        assert not (b"content-length" in names and b"transfer-encoding" in names)
        lengths = [value for name, value in headers if name == b"content-length"]
        assert all(value.isdigit() and int(value) < 2**63 for value in lengths)
        assert b"host" in names or version == "1.0"


REQUEST_HEADS = (
    Part("request_target", check_target, seeds.request_targets),
    Part("request_head", check_head, seeds.request_heads),
)

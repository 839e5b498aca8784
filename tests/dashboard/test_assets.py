"""Files of the package, named by what they hold."""

from __future__ import annotations

from thriftgate.dashboard.assets import asset_named, assets


def test_names_hold_a_digest_and_stay() -> None:
    name = asset_named("dashboard.css")
    assert name in assets()
    stem, digest, kind = name.split(".")
    assert (stem, kind, len(digest)) == ("dashboard", "css", 12)
    headers = dict(assets()[name].headers)
    assert headers[b"content-type"].startswith(b"text/css")
    assert b"immutable" in headers[b"cache-control"]


def test_nothing_comes_from_elsewhere() -> None:
    """No address of another host, no library: a namespace of SVG is a name, and nobody asks for it."""
    for name, one in assets().items():
        text = one.content.decode().replace("http://www.w3.org/2000/svg", "")
        assert "http" not in text, name
        assert "@import" not in text, name
        assert "eval(" not in text, name

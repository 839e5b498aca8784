"""Where books are: a file, or a URL of a database server."""

from __future__ import annotations

from urllib.parse import urlsplit

IN_MEMORY = ":memory:"


def is_url(path: str) -> bool:
    """Whether it names a database server, not a file."""
    return "://" in path


def is_file(path: str) -> bool:
    """Whether it names a file, so that other files can lie beside it."""
    return path != IN_MEMORY and not is_url(path)


def without_password(path: str) -> str:
    """The path, or the URL as it may be told: without a password, and without what follows a question mark."""
    if not is_url(path):
        return path
    parts = urlsplit(path)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{f'{parts.username}@' if parts.username else ''}{host}{parts.path}"

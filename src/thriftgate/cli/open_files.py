"""How many files, and so connections, a process may have open."""

from __future__ import annotations

from contextlib import suppress

WANTED = 65_536
"""More than twice `server.connections_max` as it stands by default: a call has a connection to its client and one to
the provider."""


def most_open_files() -> int | None:
    """How many this process may allow itself; None where there is no limit, or none that could be asked for."""
    limits = _limits()
    if limits is None:
        return None
    soft, hard = limits
    return max(soft, WANTED if hard is None else min(hard, WANTED))


def take_open_files() -> None:
    """Allow this process, and those that it starts, as many as it may and needs: shells and containers begin with 1,024."""
    most = most_open_files()
    if most is None:
        return
    import resource  # noqa: PLC0415  not on Windows

    with suppress(ValueError, OSError):  # some systems refuse what their own limits say
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def _limits() -> tuple[int, int | None] | None:
    try:
        import resource  # noqa: PLC0415  not on Windows
    except ImportError:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return None
    return soft, None if hard == resource.RLIM_INFINITY else hard

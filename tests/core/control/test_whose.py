"""Who a call is for."""

from __future__ import annotations

from thriftgate.core.control.whose import NOBODY, Whose


def test_nobody_is_named() -> None:
    assert Whose() == NOBODY
    assert not any((NOBODY.user_id, NOBODY.team, NOBODY.org, NOBODY.tags))

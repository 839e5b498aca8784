"""The words of tenancy."""

from __future__ import annotations

from thriftgate.ledger.tenants import Key


def test_a_key_ends_when_it_expires_or_is_revoked() -> None:
    key = Key("key_1", "a")
    assert key.ended(10**18) == ""
    assert [Key("key_1", "a", expires_us=5).ended(now_us) for now_us in (4, 5, 6)] == ["", "expired", "expired"]
    assert Key("key_1", "a", expires_us=5, gone_us=1).ended(9) == "revoked"

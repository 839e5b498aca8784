"""What is told of tenants."""

from __future__ import annotations

from typing import get_args

import msgspec

from thriftgate.gateway.admin.documents import kind_words, told
from thriftgate.ledger.tenants import Key, Org, ProviderKey, Team, Thing, User


def test_every_kind_has_its_words_and_its_document() -> None:
    things: list[Thing] = [
        Org("org_1", "a", 1), Team("team_1", "b", "org_1", 1), User("user_1", "c"), Key("key_1", "d", expires_us=5),
        ProviderKey("pk_1", "e", "anthropic", 1, 0, b"SEALED"),
    ]  # fmt: skip
    assert {type(one) for one in things} == set(get_args(Thing))
    assert len({kind_words(type(one)) for one in things}) == len(things)
    for one in things:
        document = told(one, 10)
        assert (document["id"], document["name"]) == (one.id, one.name)
        assert b"SEALED" not in msgspec.json.encode(document)
    assert told(things[3], 10)["state"] == "expired"
    assert told(things[2], 10)["created"] is None
    assert told(things[0], 10)["created"] == "1970-01-01T00:00:00.000Z"

"""What is told of tenants, by the administrators' API and by the command line alike. Never a secret."""

from __future__ import annotations

from thriftgate.core.moments import text_from_micros
from thriftgate.ledger.issuing import Actor
from thriftgate.ledger.tenants import Deed, Key, Org, ProviderKey, Team, Thing, User

Document = dict[str, object]


def told(thing: Thing, now_us: int) -> Document:
    """One of them; times as RFC 3339, null for never."""
    if isinstance(thing, Key):
        return _key(thing, now_us)
    document: Document = {"id": thing.id, "name": thing.name}
    if isinstance(thing, Team | User):
        document["org"] = thing.org
    if isinstance(thing, User):
        document |= {"team": thing.team, "email": thing.email, "role": thing.role}
    if isinstance(thing, ProviderKey):
        document["provider"] = thing.provider
    return document | {"created": _moment(thing.created_us), "removed": _moment(thing.gone_us)}


def _key(key: Key, now_us: int) -> Document:
    return {
        "id": key.id,
        "name": key.name,
        "state": key.ended(now_us) or "active",
        "user": key.user_id,
        "team": key.team,
        "org": key.org,
        "role": key.role,
        "scopes": key.scopes,
        "models": key.models,
        "tasks": key.tasks,
        "tags": key.tags,
        "tags_allowed": key.tags_allowed,
        "priority": key.priority,
        "created": _moment(key.created_us),
        "expires": _moment(key.expires_us),
        "rotated": _moment(key.rotated_us),
        "revoked": _moment(key.gone_us),
        "last_used": _moment(key.used_us),
    }


def told_deed(deed: Deed) -> Document:
    """Who did what."""
    return {
        "id": deed.id,
        "at": text_from_micros(deed.at_us),
        "who": deed.who,
        "via": deed.via,
        "action": deed.action,
        "subject": deed.subject,
        "detail": deed.detail,
    }


def kind_words(kind: type[Org | Team | User | Key | ProviderKey]) -> str:
    """What a list of them is called."""
    return {Org: "orgs", Team: "teams", User: "users", Key: "keys", ProviderKey: "provider_keys"}[kind]


def _moment(us: int) -> str | None:
    return text_from_micros(us) if us else None


def told_actor(actor: Actor) -> Document:
    """Who acts."""
    return {
        "who": actor.who,
        "name": actor.name,
        "via": actor.via,
        "role": actor.role,
        "writes": actor.writes,
        "team": actor.team,
        "org": actor.org,
    }

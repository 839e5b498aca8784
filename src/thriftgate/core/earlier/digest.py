"""What makes two calls the same: digests of a whole request, of what goes with it, and of whose it is.

Two requests are one only if every member is the same, known here or not, byte for byte but for white space between tokens
and for the order of the members at the top. Left out is what cannot change an answer, and nothing else:

    stream          the same message in pieces (platform.claude.com/docs/en/build-with-claude/streaming, 2026-08)
    cache_control   says what the provider keeps, never what the model reads; at the top, and on tools and blocks, where it
                    is no content; it has no effect on the output (platform.claude.com/docs/en/build-with-claude/
                    prompt-caching, 2026-10)
    metadata        names the end user to the provider, for the detection of abuse (platform.claude.com/docs/en/api/messages,
                    2026-08); what share "user" and names of tasks make of it is in the tenant and in the setting

Whatever cannot be taken apart surely is digested as it came: that can only make one request into two.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from hmac import digest as hmac_digest
from typing import Protocol

import msgspec
from msgspec import Raw

from thriftgate.core.control.whose import Whose
from thriftgate.core.earlier.rules import Share
from thriftgate.core.request import Request

LEFT_OUT = frozenset({"stream", "cache_control", "metadata"})
_MARK = b'"cache_control"'
# Headers to us that cannot change an answer; whatever else there is, or will be, counts.
_OURS = b"thriftgate-"
_PLAIN_OURS = frozenset(
    _OURS + name
    for name in b"max-cost-usd deadline wait webhook tags user run idempotency-key latency priority queue-s reuse".split()
)
_PROVIDERS = b"anthropic-"
_BETA = b"anthropic-beta"

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_LIST = msgspec.json.Decoder(list[Raw])
Headers = tuple[tuple[bytes, bytes], ...]


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...


def body_digest(request: Request, without: frozenset[str] = frozenset()) -> bytes:
    """Of all members of a request, but for those left out and `without`. Raises msgspec's errors for what is no JSON."""
    digest = sha256()
    for name in sorted(request.members.keys() - LEFT_OUT - without):
        _feed(digest, name.encode())
        _feed(digest, _unmarked(name, _compact(request.raw(name))))
    return digest.digest()


def setting_digest(path: str, query: str, headers: Headers, *, task: str, policy: bytes) -> bytes:
    """Of what goes with a request: where it goes, the provider's headers, ours that can change an answer, the task that it
    is taken for, and the policy that it is served under."""
    digest = sha256()
    for part in (path.encode(), query.encode(), task.encode(), policy):
        _feed(digest, part)
    betas = {beta.strip() for name, value in headers if name == _BETA for beta in value.split(b",")}
    for beta in sorted(betas - {b""}):
        _feed(digest, beta)
    for name, value in sorted(headers):
        if _counts(name):
            _feed(digest, name)
            _feed(digest, value.strip())
    return digest.digest()


def tenant_digest(
    *, key: str, credential: str, whose: Whose, share: Share, tenant_header: str, metadata: bytes
) -> tuple[bytes, str]:
    """Of whose a call is, and ""; or why it is nobody's in particular. `key` is the id of a virtual key, "" for a client
    that passes its own `credential` through: that is a tenant of its own whatever is shared, and so is a key without the
    team or organisation that would share. Beside all that, callers that name tenants of theirs are one for each of them."""
    if not key and not credential:
        return b"", "nobody says whose call it is: it came without a key"
    owner = (b"key", key.encode()) if key else (b"credential", credential.encode())
    if key and share == "team" and whose.team:
        owner = (b"team", whose.team.encode())
    elif key and share == "org" and whose.org:
        owner = (b"org", whose.org.encode())
    person = (whose.user_id.encode(), metadata) if share == "user" else (b"", b"")
    digest = sha256()
    for part in (*owner, share.encode(), tenant_header.encode(), *person):
        _feed(digest, part)
    return digest.digest(), ""


def call_digest(salt: bytes, tenant: bytes, setting: bytes, body: bytes) -> bytes:
    """Of all of it: what an answer is found by. Keyed, so that what is kept cannot be held against guessed prompts."""
    return hmac_digest(salt, tenant + setting + body, sha256)


def _feed(digest: _Digest, part: bytes) -> None:
    digest.update(len(part).to_bytes(8))
    digest.update(part)


def _counts(name: bytes) -> bool:
    if name.startswith(_OURS):
        return name not in _PLAIN_OURS
    return name.startswith(_PROVIDERS) and name != _BETA


def _compact(raw: bytes) -> bytes:
    """Without white space between tokens; digits, escapes and the order of members stay."""
    return msgspec.json.format(raw, indent=-1)


def _unmarked(name: str, value: bytes) -> bytes:
    """A member without the breakpoints of its blocks."""
    if _MARK not in value:
        return value
    if name in ("tools", "system"):
        return _blocks(value)
    if name == "messages":
        return _items(value, _message)
    return value


def _message(raw: bytes) -> bytes:
    return _object(raw, marked=False)


def _block(raw: bytes) -> bytes:
    return _object(raw, marked=True)


def _blocks(raw: bytes) -> bytes:
    return _items(raw, _block)


def _items(raw: bytes, each: Callable[[bytes], bytes]) -> bytes:
    if not raw.startswith(b"["):
        return raw
    return b"[" + b",".join(each(bytes(one)) for one in _LIST.decode(raw)) + b"]"


def _object(raw: bytes, *, marked: bool) -> bytes:
    """An object without its own breakpoint, if it may have one, and without those of the blocks in its content. One that is
    not put together again as it was, because a name stands in it twice or is written with escapes, stays as it is."""
    if _MARK not in raw or not raw.startswith(b"{"):
        return raw
    fields = {name: bytes(value) for name, value in _OBJECT.decode(raw).items()}
    if _joined(fields) != raw:
        return raw
    if marked:
        fields.pop("cache_control", None)
    if "content" in fields:
        fields["content"] = _blocks(fields["content"])
    return _joined(fields)


def _joined(fields: dict[str, bytes]) -> bytes:
    return b"{" + b",".join(msgspec.json.encode(name) + b":" + value for name, value in fields.items()) + b"}"

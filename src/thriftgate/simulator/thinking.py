"""Thinking blocks: how they are sealed, and what happens when they come back.

A seal (the `signature`) carries the model, the organisation, a hash of the prefix it was made from, the block before
it and the true token count, protected by a keyed hash. On models that bind thinking to its prefix a block is valid
only if tools, system and all earlier messages are what they were; cache_control never matters; thinking may be removed
from the start, from the end or altogether, but not from the middle. Source:
platform.claude.com/docs/en/build-with-claude/preserved-thinking, 2026-10.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import Any

from thriftgate.simulator import errors
from thriftgate.simulator.draws import digest, digest_again
from thriftgate.simulator.errors import invalid
from thriftgate.simulator.models import Model, load_models
from thriftgate.simulator.render import Body, Placed, flatten, identity, visible_system, visible_tools

THINKING = frozenset({"thinking", "redacted_thinking"})
NO_BLOCK = bytes(8)
_FIELDS = (("model", 8), ("organization", 8), ("prefix", 16), ("previous", 8), ("own", 8), ("tokens", 4))
_SIZE = sum(size for _, size in _FIELDS)


@dataclass(frozen=True, slots=True)
class Seal:
    """What a signature says. `intact` = the text is the one that was sealed."""

    model: bytes
    organization: bytes
    prefix: bytes
    previous: bytes
    own: bytes
    tokens: int
    intact: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """The blocks that remain, true token counts by label, and what the reply must tell under `input_transformations`."""

    placed: list[Placed]
    tokens: dict[str, int]
    transformations: list[dict[str, str]]


class Sealer:
    """Makes and reads signatures. The key comes from the seed, so blocks survive a restart with the same seed."""

    def __init__(self, seed: int) -> None:
        self._key = digest("thinking", seed, size=32)

    def seal(self, text: str, tokens: int, *, model: Model, organization: str, prefix: bytes, previous: bytes) -> str:
        """The signature for a thinking block whose visible text is `text` and whose true length is `tokens`."""
        own = digest("block", prefix, text, tokens, size=8)
        payload = b"".join(
            (digest(model.id, size=8), digest(organization, size=8), prefix, previous, own, tokens.to_bytes(4, "big"))
        )
        return base64.b64encode(payload + self._mac(payload) + self._mac(payload + text.encode())).decode()

    def read(self, signature: str, text: str) -> Seal | None:
        """The seal in a signature, or None if this simulator (with this seed) did not make it."""
        try:
            raw = base64.b64decode(signature, validate=True)
        except (binascii.Error, ValueError):
            return None
        payload, own_mac, text_mac = raw[:_SIZE], raw[_SIZE : _SIZE + 16], raw[_SIZE + 16 :]
        if len(raw) != _SIZE + 32 or not hmac.compare_digest(own_mac, self._mac(payload)):
            return None
        values, at = {}, 0
        for name, size in _FIELDS:
            values[name] = payload[at : at + size]
            at += size
        intact = hmac.compare_digest(text_mac, self._mac(payload + text.encode("utf-8", "surrogatepass")))
        return Seal(
            values["model"],
            values["organization"],
            values["prefix"],
            values["previous"],
            values["own"],
            int.from_bytes(values["tokens"], "big"),
            intact,
        )

    def _mac(self, payload: bytes) -> bytes:
        return hmac.new(self._key, payload, "sha256").digest()[:16]


def prefix_of(body: Body, placed: list[Placed]) -> bytes:
    """Hash of tools, system and the given message blocks, thinking left out."""
    state = _prompt_start(body)
    for item in placed:
        state = _extended(state, item)
    return state


def _prompt_start(body: Body) -> bytes:
    state = digest_again("prefix")
    for _, tool in visible_tools(body):
        state = digest(state, "tool", identity(tool))
    for _, block in visible_system(body):
        state = digest(state, "system", identity(block))
    return state


def _extended(state: bytes, item: Placed) -> bytes:
    return state if item.content.get("type") in THINKING else digest(state, item.role, item.mark)


def last_seal(sealer: Sealer, placed: list[Placed]) -> bytes:
    """The id of the last thinking block in a conversation, which the next one names as its predecessor."""
    for item in reversed(placed):
        seal = _seal_of(sealer, item.content)
        if seal is not None:
            return seal.own
    return NO_BLOCK


def check_thinking(
    body: Body,
    model: Model,
    sealer: Sealer,
    organization: str,
    *,
    enforce: bool,
    accept_foreign: bool,
    batch: bool,
) -> Checked:
    """Reads every thinking block of the request. Raises the 400 for altered, foreign or displaced ones, or drops them."""
    everything = flatten(body)
    latest = max((item.message for item in everything if item.role == "assistant"), default=-1)
    asked = ((body.get("thinking") or {}).get("block_binding") or {}).get("prefix_mismatch_behavior")
    # Older accounts are checked where they ask for it (preserved-thinking, 2026-09).
    bound = model.binding == "always" or (model.binding == "account" and (enforce or asked is not None))
    drop = asked == "drop_block" or (asked is None and batch)
    kept: list[Placed] = []
    tokens: dict[str, int] = {}
    notes: list[dict[str, str]] = []
    previous: bytes | None = None
    state = _prompt_start(body)
    for item in everything:
        if item.content.get("type") == "compaction":
            state, previous = _prompt_start(body), None  # what a compaction replaced binds nothing any more
        if item.content.get("type") != "thinking":
            state = _extended(state, item)
            kept.append(item)
            continue
        seal = _genuine(sealer, item, latest, accept_foreign=accept_foreign)
        if seal is None:
            kept.append(item)
            continue
        reason = _mismatch(seal, model, organization)
        # Removal from the start is allowed: then there is no block before. From the middle it is not.
        in_place = seal.prefix == state and (previous is None or seal.previous == previous)
        if reason is None and bound and not in_place:
            if not drop:
                raise invalid(f"{item.label}: {errors.PREFIX_MISMATCH}")
            reason = "prefix_binding_mismatch"
        if reason is not None:
            notes.append({"type": "thinking_dropped", "path": item.label, "reason": reason})
            continue
        previous = seal.own
        tokens[item.label] = seal.tokens
        kept.append(item)
    return Checked(kept, tokens, notes)


def strip_old_thinking(placed: list[Placed]) -> list[Placed]:
    """Without the thinking of finished turns: what last-turn-only models see (build-with-claude/thinking, 2026-08)."""
    spoken = max(
        (item.message for item in placed if item.role == "user" and item.content.get("type") != "tool_result"), default=-1
    )
    return [item for item in placed if item.content.get("type") not in THINKING or item.message > spoken]


def _seal_of(sealer: Sealer, block: dict[str, Any]) -> Seal | None:
    if block.get("type") != "thinking":
        return None
    return sealer.read(str(block.get("signature", "")), str(block.get("thinking", "")))


def _genuine(sealer: Sealer, item: Placed, latest: int, *, accept_foreign: bool) -> Seal | None:
    """The seal of a block that is as it was made; None for a foreign block that is let pass."""
    seal = _seal_of(sealer, item.content)
    if seal is not None and seal.intact:
        return seal
    if seal is not None and item.message == latest:
        raise invalid(f"{item.label}: {errors.THINKING_MODIFIED}")
    if seal is None and accept_foreign:
        return None
    raise invalid(f"{item.label}: {errors.SIGNATURE_INVALID}")


def _mismatch(seal: Seal, model: Model, organization: str) -> str | None:
    """Why the model may not use a block: another model made it whose thinking it does not read (on every account), or
    another account did (blocks of Sonnet 5.5 and Haiku 5.5). Such a block is dropped whatever is asked for
    (preserved-thinking, 2026-10). Which model reads which stands in `models.toml`."""
    author = next((row for row in load_models().rows if digest(row.id, size=8) == seal.model), None)
    if author is None:
        return None
    if not model.reads_thinking_of(author):
        return "model_binding_mismatch"
    if author.org_bound and seal.organization != digest(organization, size=8):
        return "organization_binding_mismatch"
    return None

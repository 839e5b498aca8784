"""Who calls, and the ids that replies carry.

Caching and batches are per organisation and workspace (build-with-claude/prompt-caching, 2026-10). The simulator reads both
from the key: `sk-ant-sim-<workspace>-<anything>` means the shared organisation "sim" and that workspace,
`sk-ant-sim-<organisation>.<workspace>-<anything>` names both; any other key has an organisation of its own, by its hash.
"""

from __future__ import annotations

from dataclasses import dataclass

from thriftgate.simulator.draws import digest
from thriftgate.simulator.errors import ApiError

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
PAIRS = tuple(first + second for second in ALPHABET for first in ALPHABET)
"""two signs at a time, the lower one first"""
KEY_PREFIX = "sk-ant-sim-"


@dataclass(frozen=True, slots=True)
class Caller:
    """The owner of one request; `key` is a hash of the secret, never the secret."""

    organization: str
    workspace: str
    key: str
    regional: bool = False
    """whether the call came to an endpoint or deployment of one region or geography, which costs more"""

    @property
    def organization_header(self) -> str:
        """The value of `anthropic-organization-id`; it says that nothing here is real."""
        return f"simulated-organization-{self.organization}"

    @property
    def workspace_header(self) -> str:
        """The value of `anthropic-workspace-id`."""
        return f"wrkspc_simulated_{self.workspace}"


NOBODY = Caller("none", "none", "none")
"""Stands in where a request failed before its key was read."""


def authenticate(headers: dict[str, str]) -> Caller:
    """The caller named by `x-api-key`, else by `Authorization: Bearer` (api/overview; with both, x-api-key wins).

    401 `authentication_error` when neither is there or the key is empty.
    """
    secret = headers.get("x-api-key", "").strip()
    bearer = headers.get("authorization", "")
    if not secret and bearer[:7].lower() == "bearer ":
        secret = bearer[7:].strip()
    if not secret:
        raise ApiError("authentication_error", "x-api-key header is required")
    mark = digest("key", secret).hex()
    if secret.startswith(KEY_PREFIX):
        name = secret[len(KEY_PREFIX) :].split("-", 1)[0] or "default"
        organization, dot, workspace = name.partition(".")
        return Caller(organization, workspace, mark) if dot else Caller("sim", name, mark)
    return Caller(mark[:12], "default", mark)


class Ids:
    """Makes ids that never repeat: hash of (seed, instance, counter). Two processes differ by their `instance`."""

    def __init__(self, seed: int, instance: str) -> None:
        self._seed = seed
        self._instance = instance
        self._count = 0

    def make(self, prefix: str) -> str:
        """A new id such as `msg_01…` (24 signs after the prefix), unique for this seed, instance and counter."""
        self._count += 1
        number = int.from_bytes(digest("id", self._seed, self._instance, self._count, size=24), "big")
        signs = []
        for _ in range(11):
            number, rest = divmod(number, len(PAIRS))
            signs.append(PAIRS[rest])
        return f"{prefix}_01{''.join(signs)}"

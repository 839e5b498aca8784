"""Whose AWS calls are made: the row's own key, else the environment, else AWS's shared files, else what botocore finds.

Looked up when a call is sent, off the event loop, and again after a while or when AWS has refused them: nothing is read and
nobody is asked at start-up. Roles, single sign-on, containers and instances need botocore (extra `aws`), which also renews
what expires. Order and names: docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html and
docs.aws.amazon.com/bedrock/latest/userguide/api-keys-use.html, 2026-10; the official SDK's lib/aws/_credentials.py.
"""

from __future__ import annotations

import asyncio
import configparser
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from thriftgate.core.errors import ConfigError, Unreachable
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.sigv4 import Credentials

KEPT_S = 60.0  # found ones are looked up again after that; botocore renews its own long before they expire
_FILES = (("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", ""), ("AWS_CONFIG_FILE", "~/.aws/config", "profile "))


class Bearer(Struct, frozen=True):
    """A key that is sent as it is. Never printed."""

    key: str

    def __repr__(self) -> str:
        return "Bearer(…)"


Identity = Credentials | Bearer
Chain = Callable[[str], Callable[[], Identity | None]]


class Keyring:
    """The credentials of one endpoint. `bearers` are the environment's variables that may hold a key that is sent as it is.
    Raises ConfigError for half a key."""

    def __init__(
        self,
        endpoint: Endpoint,
        bearers: tuple[str, ...],
        *,
        environ: Mapping[str, str] = os.environ,
        chain: Chain | None = None,
    ) -> None:
        if bool(endpoint.access_key_id) != bool(endpoint.secret_access_key):
            raise ConfigError("upstream.access_key_id: an AWS key is two: access_key_id and secret_access_key")
        self._own: Identity | None = None
        if endpoint.access_key_id:
            self._own = Credentials(endpoint.access_key_id, endpoint.secret_access_key, endpoint.session_token)
        self._profile = endpoint.profile
        self._bearers = bearers
        self._environ = environ
        self._open = chain or _botocore_chain
        self._ask: Callable[[], Identity | None] | None = None
        self._found: Identity | None = None
        self._until_s = 0.0
        self._asking = asyncio.Lock()

    async def identity(self, now_s: float) -> Identity:
        """Who calls. Raises Unreachable, which says what to set, where there is nobody; nothing was sent then."""
        if self._own is not None:
            return self._own
        async with self._asking:
            if self._found is None or now_s >= self._until_s:
                self._found, self._until_s = await asyncio.to_thread(self._look), now_s + KEPT_S
            return self._found

    def refused(self) -> None:
        """AWS takes them no longer: they are looked up anew."""
        self._found, self._ask = None, None

    def _look(self) -> Identity:
        environ, profile = self._environ, self._profile
        if not profile:
            if key := next((environ[name] for name in self._bearers if environ.get(name)), ""):
                return Bearer(key)
            if environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY"):
                return Credentials(
                    environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], environ.get("AWS_SESSION_TOKEN", "")
                )
        name = profile or environ.get("AWS_PROFILE", "")
        found: Identity | None = _of_profile(name or "default", environ)
        if found is None:
            if self._ask is None:
                self._ask = self._open(name)
            found = self._ask()
        if found is None:
            raise Unreachable(
                f"no AWS credentials{f' in the profile {profile!r}' if profile else ''}: set access_key_id and "
                "secret_access_key or key in the [[targets]] row, AWS's variables in the environment, or a profile in its "
                "shared files; for roles, single sign-on and instances install thriftgate[aws]; nothing was sent"
            )
        return found


def _of_profile(name: str, environ: Mapping[str, str]) -> Credentials | None:
    """The key that stands in a profile of the shared files; None for one that says where else to look."""
    for variable, usual, prefix in _FILES:
        path = Path(environ.get(variable) or usual).expanduser()
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(path.read_text("utf-8"))
        except OSError:
            continue
        except (configparser.Error, UnicodeDecodeError):
            raise Unreachable(f"{path.name}: AWS's shared file cannot be read as one; nothing was sent") from None
        section = name if name == "default" or not prefix else f"{prefix}{name}"
        if parser.has_section(section):
            rows = dict(parser.items(section))
            key, secret = rows.get("aws_access_key_id", ""), rows.get("aws_secret_access_key", "")
            if key and secret and "role_arn" not in rows:
                return Credentials(key, secret, rows.get("aws_session_token", ""))
    return None


def _botocore_chain(profile: str) -> Callable[[], Identity | None]:
    """What botocore finds, renewed where it expires; nothing where it is not installed."""
    try:
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415  an extra
        from botocore.session import Session  # noqa: PLC0415  an extra
    except ImportError:
        return lambda: None
    try:
        held = Session(profile=profile or None).get_credentials()
    except BotoCoreError as error:
        raise Unreachable(f"no AWS credentials: {error}; nothing was sent") from None

    def ask() -> Identity | None:
        if held is None:
            return None
        try:
            frozen = held.get_frozen_credentials()
        except BotoCoreError as error:
            raise Unreachable(f"the AWS credentials cannot be renewed: {error}; nothing was sent") from None
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token or "")

    return ask

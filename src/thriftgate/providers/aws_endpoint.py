"""What the three ways to Claude on AWS have in common: addresses by region, keys, and the end of a request."""

from __future__ import annotations

import re

from msgspec import Struct

from thriftgate.core.errors import ConfigError
from thriftgate.providers.aws_credentials import Keyring
from thriftgate.providers.aws_sending import AwsFinish, as_bearer
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.envelope import checked_key, checked_origin
from thriftgate.providers.sigv4 import Scope
from thriftgate.providers.transport import Headers

_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d{1,2}")


class AwsEndpoint(Struct, frozen=True):
    """`own` is the header of a key that is sent as it is; without one, `finish` signs."""

    url: str
    own: Headers
    finish: AwsFinish


def aws_endpoint(endpoint: Endpoint, *, service: str, url: str, bearers: tuple[str, ...]) -> AwsEndpoint:
    """`url` is the service's own address, with `{region}` in it. Raises ConfigError for what is no region, no address, half
    a key, or a key that cannot stand in a header."""
    if not _REGION.fullmatch(endpoint.region):
        raise ConfigError(f"upstream.region: an AWS region such as us-east-1 is needed, not {endpoint.region!r}")
    key = checked_key(endpoint.key)
    keys = Keyring(endpoint, bearers)
    return AwsEndpoint(
        url=checked_origin(endpoint.url or url.format(region=endpoint.region)),
        own=(as_bearer(key),) if key else (),
        finish=AwsFinish(Scope(service, endpoint.region), None if key else keys),
    )

"""Addresses by region, keys, and who signs."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from thriftgate.core.errors import ConfigError
from thriftgate.providers.aws_endpoint import AwsEndpoint, aws_endpoint
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.sigv4 import Scope

ROW = Endpoint(region="eu-central-1")


def made(endpoint: Endpoint) -> AwsEndpoint:
    return aws_endpoint(endpoint, service="bedrock", url="https://b.{region}.aws", bearers=("B",))


def test_the_address_is_the_regions_unless_the_row_names_one() -> None:
    assert made(ROW).url == "https://b.eu-central-1.aws"
    assert made(replace(ROW, url="http://h/x/")).url == "http://h/x"
    assert made(ROW).finish.scope == Scope("bedrock", "eu-central-1")


@pytest.mark.parametrize("region", ["", "US-EAST-1", "us-east", "us-east-1.evil.example", "us-east-1/x", "us east 1"])
def test_what_is_no_region_is_an_error_of_the_settings(region: str) -> None:
    with pytest.raises(ConfigError, match="region: an AWS region such as us-east-1 is needed"):
        made(Endpoint(region=region))


def test_a_key_of_the_row_is_sent_and_nothing_is_signed() -> None:
    with_key = made(replace(ROW, key="abc"))
    assert (with_key.own, with_key.finish.keys) == (((b"authorization", b"Bearer abc"),), None)
    assert made(ROW).own == ()
    assert made(ROW).finish.keys is not None

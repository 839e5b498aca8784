"""The other ways to Claude, as fakes: what each wants and answers on the wire, before the same caches, prices and bill.

Each is served below a path named after its host: a target's `url` is `http://127.0.0.1:8485/bedrock-runtime` instead of
`https://bedrock-runtime.us-east-1.amazonaws.com`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from thriftgate.simulator.clouds.aws import bedrock_mantle, bedrock_runtime, claude_platform
from thriftgate.simulator.clouds.azure import azure
from thriftgate.simulator.clouds.google import google
from thriftgate.simulator.delivery import Delivery
from thriftgate.simulator.http import Request

CLOUDS: dict[str, Callable[[Any, Request, Delivery], Awaitable[None]]] = {
    "aws-external-anthropic": claude_platform,
    "bedrock-mantle": bedrock_mantle,
    "bedrock-runtime": bedrock_runtime,
    "aiplatform": google,
    "claude.googleapis": google,
    "oauth2.googleapis": google,
    "login.microsoftonline": azure,
    "services.ai.azure": azure,
}

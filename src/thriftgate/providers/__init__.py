"""Where it goes: providers as frozen descriptions with a pure `prepare`, and the one seam for HTTP. May import: wire, core.

Adding a provider: one file here, one line in `PROVIDERS`. Start reading at `transport.py`.
"""

from __future__ import annotations

from thriftgate.providers.anthropic import Anthropic
from thriftgate.providers.aws_platform import AwsPlatform
from thriftgate.providers.bedrock import Bedrock
from thriftgate.providers.bedrock_legacy import BedrockLegacy
from thriftgate.providers.foundry import Foundry
from thriftgate.providers.google_cloud import GoogleCloud
from thriftgate.providers.openai_compatible import spoken_by
from thriftgate.providers.provider import Provider
from thriftgate.providers.vertex import Vertex
from thriftgate.wire.openai_out.servers import SERVERS

PROVIDERS: dict[str, type[Provider]] = {
    "anthropic": Anthropic,
    "aws_platform": AwsPlatform,
    "bedrock": Bedrock,
    "bedrock_legacy": BedrockLegacy,
    "vertex": Vertex,
    "google_cloud": GoogleCloud,
    "foundry": Foundry,
    **{server.name: spoken_by(server) for server in SERVERS},
}

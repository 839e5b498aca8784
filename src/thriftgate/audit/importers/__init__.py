"""One file per log format behind one contract (`contract.py`). A new format: one file, one line here, one golden folder."""

from __future__ import annotations

from thriftgate.audit.importers.admin_cost import AdminCost
from thriftgate.audit.importers.admin_usage import AdminUsage
from thriftgate.audit.importers.anthropic_batches import AnthropicBatches
from thriftgate.audit.importers.anthropic_messages import AnthropicMessagesLog
from thriftgate.audit.importers.aws_cur import AwsCur
from thriftgate.audit.importers.bedrock_logs import BedrockLogs
from thriftgate.audit.importers.claude_code import ClaudeCode
from thriftgate.audit.importers.claude_code_analytics import ClaudeCodeAnalytics
from thriftgate.audit.importers.claude_code_otel import ClaudeCodeOtel
from thriftgate.audit.importers.console_cost import ConsoleCost
from thriftgate.audit.importers.console_usage import ConsoleUsage
from thriftgate.audit.importers.contract import Importer
from thriftgate.audit.importers.helicone import Helicone
from thriftgate.audit.importers.langfuse import Langfuse
from thriftgate.audit.importers.langsmith import LangSmith
from thriftgate.audit.importers.litellm import LiteLLM
from thriftgate.audit.importers.opencode import OpenCode
from thriftgate.audit.importers.openinference import OpenInference
from thriftgate.audit.importers.otel_genai import OtelGenai
from thriftgate.audit.importers.portkey import Portkey
from thriftgate.audit.importers.prefix_traces import PrefixTraces
from thriftgate.audit.importers.thriftgate_ledger import ThriftgateLedger

IMPORTERS: tuple[Importer, ...] = (
    ClaudeCode(),  # first, for it has the most files; which of them comes first tells nothing else
    AdminCost(),
    AdminUsage(),
    AnthropicBatches(),
    AnthropicMessagesLog(),
    AwsCur(),
    BedrockLogs(),
    ClaudeCodeAnalytics(),
    ClaudeCodeOtel(),
    ConsoleCost(),
    ConsoleUsage(),
    Helicone(),
    Langfuse(),
    LangSmith(),
    LiteLLM(),
    OpenCode(),
    OpenInference(),
    OtelGenai(),
    Portkey(),
    PrefixTraces(),
    ThriftgateLedger(),
)

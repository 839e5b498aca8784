"""The levers, in the order in which they act. Adding one: a file here, a line in `LEVERS`, a golden folder.

May import: core only. A lever never imports another.
"""

from __future__ import annotations

from thriftgate.core.levers.agent_guard import AgentGuard
from thriftgate.core.levers.batch_defer import BatchDefer
from thriftgate.core.levers.cache_breakpoints import CacheBreakpoints
from thriftgate.core.levers.compress_examples import CompressExamples
from thriftgate.core.levers.compress_json import CompressJson
from thriftgate.core.levers.compress_markup import CompressMarkup
from thriftgate.core.levers.compress_tables import CompressTables
from thriftgate.core.levers.compress_text import CompressText
from thriftgate.core.levers.context_compact import ContextCompact
from thriftgate.core.levers.context_images import ContextImages
from thriftgate.core.levers.context_select import ContextSelect
from thriftgate.core.levers.context_trim_tools import ContextTrimTools
from thriftgate.core.levers.context_window import ContextWindow
from thriftgate.core.levers.count_guard import CountGuard
from thriftgate.core.levers.output_brevity import OutputBrevity
from thriftgate.core.levers.output_cap import OutputCap
from thriftgate.core.levers.output_early_stop import OutputEarlyStop
from thriftgate.core.levers.output_effort import OutputEffort
from thriftgate.core.levers.output_prefill import OutputPrefill
from thriftgate.core.levers.output_schema import OutputSchema
from thriftgate.core.levers.output_stop import OutputStop
from thriftgate.core.levers.reuse_exact import ReuseExact
from thriftgate.core.levers.reuse_semantic import ReuseSemantic
from thriftgate.core.levers.route_cascade import RouteCascade
from thriftgate.core.levers.route_learned import RouteLearned
from thriftgate.core.levers.route_rules import RouteRules
from thriftgate.core.plan import Lever

LEVERS: tuple[Lever, ...] = (
    ReuseExact(),
    ReuseSemantic(),
    RouteRules(),
    RouteLearned(),
    RouteCascade(),
    CacheBreakpoints(),
    BatchDefer(),
    CompressJson(),
    CompressTables(),
    CompressMarkup(),
    CompressText(),
    CompressExamples(),
    ContextSelect(),
    ContextImages(),
    ContextTrimTools(),
    ContextWindow(),
    ContextCompact(),
    OutputSchema(),
    OutputPrefill(),
    OutputBrevity(),
    OutputEffort(),
    OutputStop(),
    OutputEarlyStop(),
    OutputCap(),
    AgentGuard(),
    CountGuard(),  # last: it judges the call as all others have shaped it
)

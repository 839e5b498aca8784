"""The levers, in the order in which they act. Adding one: a file here, a line in `LEVERS`, a golden folder.

May import: core only. A lever never imports another.
"""

from __future__ import annotations

from thriftgate.core.levers.batch_defer import BatchDefer
from thriftgate.core.levers.cache_breakpoints import CacheBreakpoints
from thriftgate.core.levers.compress_json import CompressJson
from thriftgate.core.levers.count_guard import CountGuard
from thriftgate.core.levers.route_cascade import RouteCascade
from thriftgate.core.levers.route_learned import RouteLearned
from thriftgate.core.levers.route_rules import RouteRules
from thriftgate.core.plan import Lever

LEVERS: tuple[Lever, ...] = (
    RouteRules(),
    RouteLearned(),
    RouteCascade(),
    CacheBreakpoints(),
    BatchDefer(),
    CompressJson(),
    CountGuard(),  # last: it judges the call as all others have shaped it
)

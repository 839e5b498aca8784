"""Settings: parsed once, frozen. `load.py` reads them; the others are their tables.

May import: core, and what names the provider's own address.
"""

from thriftgate.settings.access import AccessSettings, OidcSettings, RoleRow
from thriftgate.settings.alerts import AlertRuleRow, AlertSettings, SinkRow
from thriftgate.settings.choosing import ExperimentSettings, ProofSettings, RoutingSettings, RuleRow, TaskRow
from thriftgate.settings.limiting import LimitRow, caller_limits
from thriftgate.settings.load import ENV_PREFIX, ENV_SEPARATOR, Settings, load, read_document, settings_of
from thriftgate.settings.redis import RedisSettings
from thriftgate.settings.reuse import ReuseRuleRow, ReuseSemanticRow, ReuseSettings
from thriftgate.settings.serving import BatchSettings, CacheSettings, DeferRule, LedgerSettings, Upstream
from thriftgate.settings.shorter import OutputTaskRow
from thriftgate.settings.targets import TargetRow
from thriftgate.settings.telemetry import TelemetrySettings

__all__ = [
    "ENV_PREFIX",
    "ENV_SEPARATOR",
    "AccessSettings",
    "AlertRuleRow",
    "AlertSettings",
    "BatchSettings",
    "CacheSettings",
    "DeferRule",
    "ExperimentSettings",
    "LedgerSettings",
    "LimitRow",
    "OidcSettings",
    "OutputTaskRow",
    "ProofSettings",
    "RedisSettings",
    "ReuseRuleRow",
    "ReuseSemanticRow",
    "ReuseSettings",
    "RoleRow",
    "RoutingSettings",
    "RuleRow",
    "Settings",
    "SinkRow",
    "TargetRow",
    "TaskRow",
    "TelemetrySettings",
    "Upstream",
    "caller_limits",
    "load",
    "read_document",
    "settings_of",
]

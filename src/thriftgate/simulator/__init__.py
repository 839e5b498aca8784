"""A faithful fake of the Claude API: the independent oracle that judges thriftgate's planner. Nothing here is real.

It shares no code with the planner, answers without a network, and knows to the last fraction of a cent what each call
would have cost. `Simulator` is an ASGI application; `thriftgate simulate` serves it.
"""

from thriftgate.simulator.accuracy import AccuracyShift
from thriftgate.simulator.app import Simulator
from thriftgate.simulator.clock import SimClock
from thriftgate.simulator.config import BatchRules, CacheRules, Latency, LimitRules, SimulatorConfig
from thriftgate.simulator.errors import ApiError
from thriftgate.simulator.faults import ConnectionDropped, Faults
from thriftgate.simulator.tasks import TASK_SETS, Item, TaskSet

__all__ = [
    "TASK_SETS",
    "AccuracyShift",
    "ApiError",
    "BatchRules",
    "CacheRules",
    "ConnectionDropped",
    "Faults",
    "Item",
    "Latency",
    "LimitRules",
    "SimClock",
    "Simulator",
    "SimulatorConfig",
    "TaskSet",
]

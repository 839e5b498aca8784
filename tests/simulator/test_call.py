from thriftgate.simulator.bill import Modifiers
from thriftgate.simulator.cache import Lookup
from thriftgate.simulator.call import usage_of
from thriftgate.simulator.usage import Envelope, Usage

from .support import CALLER, VERSION, body, simulator


def test_usage_of_a_lookup() -> None:
    found = Lookup(0.0, read=20_000, write_5m=4000, write_1h=10_000)
    assert usage_of(found, 35_000) == Usage(input=1000, write_5m=4000, write_1h=10_000, read=20_000)


def test_modifiers_and_envelope() -> None:
    service = simulator().service
    content = body(model="claude-opus-5-5", speed="fast", inference_geo="us")
    call = service.prepare(content, CALLER, version=VERSION, now=1_795_262_400.0)
    assert call.modifiers == Modifiers(fast=True, us=True)
    assert call.envelope == Envelope("standard", "us", "fast")
    call = service.prepare(body(), CALLER, version=VERSION, now=1_795_262_400.0, batch=True)
    assert call.modifiers == Modifiers(batch=True)
    assert call.envelope == Envelope("batch", "global", None)

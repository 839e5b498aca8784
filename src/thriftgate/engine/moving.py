"""A call whose model was changed, at a target that has that model.

The target is chosen before the model is: a conversation's home is known by what the client asks for. Where routing then puts
another model in its place, and the target does not have that one, the call goes where it can be had. Where that cannot be,
the model that was asked for serves: no lever shall forbid a call.
"""

from __future__ import annotations

from msgspec.structs import replace

from thriftgate.core.errors import ThriftgateError
from thriftgate.core.foreign import is_foreign
from thriftgate.core.rewrite import Rewritten
from thriftgate.engine.call import Call
from thriftgate.engine.upstreams import Upstreams


def moved(upstreams: Upstreams, call: Call, rewritten: Rewritten, key: str) -> tuple[Call, Rewritten]:
    """The call with its target, and the request that goes there."""
    request = rewritten.request
    if rewritten.asked is None or upstreams.has(call.upstream, request.model):
        return call, rewritten
    try:
        there = upstreams.chosen(replace(call, upstream=""), request, key)
    except ThriftgateError as error:
        return call, rewritten.unrouted(str(error))
    if not there.upstream and is_foreign(request.model):
        return call, rewritten.unrouted(f"no target serves {request.model}; name it under models of a [[targets]] row")
    return there, rewritten

import math
from array import array

from thriftgate.simulator import BatchRules
from thriftgate.simulator.batch import DAY_S, Batch, Items
from thriftgate.simulator.schedule import Schedule

from .support import CALLER, VERSION


def batch(done_at: float = 50.0) -> Batch:
    schedule = Schedule(array("I", [1, 0]), array("d", [10.0, 20.0]), done_at)
    items = Items(["a", "b"], [b"1", b"2"], [b"", b""], schedule)
    return Batch("msgbatch_1", 1, CALLER, VERSION, frozenset(), BatchRules(cancel_s=5), 0.0, 2, items)


def test_next_item() -> None:
    items = batch().items
    assert items is not None
    assert items.next_at == 10.0
    items.started = 2
    assert items.next_at == math.inf


def test_ends_with_its_last_item_when_canceled_or_after_a_day() -> None:
    one = batch()
    assert (one.status, one.ends_at, one.last_start) == ("in_progress", 50.0, DAY_S)
    one.cancel_at = 12.0
    assert (one.status, one.ends_at, one.last_start) == ("canceling", 17.0, 12.0)
    one.cancel_at = 48.0
    assert one.ends_at == 50.0
    stuck = batch(math.inf)
    assert stuck.ends_at == stuck.expires_at == DAY_S
    stuck.ended_at = float(DAY_S)
    assert stuck.status == "ended"

"""The books against the bill: every kind of difference is found."""

from __future__ import annotations

import pytest

from tests.cli.entries import entry_of
from thriftgate.demo.proof import Bill, BilledCall, prove
from thriftgate.ledger.entries import Entry, Posting, balanced

ENTRIES = [
    entry_of(id="1", message_id="msg_1", postings=balanced(10, 4, {"x": 6})),
    entry_of(id="2", message_id="msg_2", postings=balanced(3, 3, {})),
    entry_of(id="3", message_id="", outcome="refused", postings=balanced(0, 0, {})),
]
BILL = Bill((BilledCall("msg_1", "0.000000000004"), BilledCall("msg_2", "0.000000000003")), "0.000000000007")


def test_books_that_hold() -> None:
    proof = prove(ENTRIES, BILL)
    assert (proof.calls, proof.booked_pico, proof.billed_pico, proof.complaints) == (3, 7, 7, ())


@pytest.mark.parametrize(
    ("entries", "bill", "complaints"),
    [
        (ENTRIES[:1], BILL, ["msg_2: the ledger has no such call, the bill $0.000000000003", "in all the ledger has"]),
        (ENTRIES, Bill(BILL.calls[:1], "0.000000000004"), ["the bill no such call", "in all"]),
        (
            [
                entry_of(message_id="msg_1", postings=balanced(3, 3, {})),
                entry_of(message_id="msg_2", postings=balanced(4, 4, {})),
            ],
            BILL,
            ["msg_1: the ledger has $0.000000000003", "msg_2: the ledger has $0.000000000004"],
        ),
        (ENTRIES, Bill(BILL.calls, "0.000000000008"), ["in all the ledger has $0.000000000007, the bill $0.000000000008"]),
    ],
)
def test_differences(entries: list[Entry], bill: Bill, complaints: list[str]) -> None:
    found = prove(entries, bill).complaints
    assert len(found) == len(complaints)
    assert all(words in complaint for words, complaint in zip(complaints, found, strict=True))


def test_an_entry_that_does_not_sum_to_zero_and_an_open_hold() -> None:
    crooked = entry_of(id="4", message_id="", postings=(Posting("baseline", 1),))
    first, second = prove([*ENTRIES, crooked], BILL, open_holds=2).complaints
    assert first == "entry 4 sums to 1 pico-USD, not zero"
    assert second == "2 holds are still open"

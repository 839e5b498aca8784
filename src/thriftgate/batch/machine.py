"""The life of a batch and of a job, as two tables: state × event → state, commands. Pure.

What must never happen is decided here: a batch whose POST may have gone through is searched for, never posted again; a job
goes back to waiting only when its batch surely did not answer it; and a job that has its answer keeps it.

    drafting --complete--> posting  --accepted--> running
    posting  --unsure-->  doubtful  --found-->  running  --seen_ended-->  ended  --read-->  booked
                              \\--absent-->  dropped (its jobs wait again)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from thriftgate.core.errors import ThriftgateError
from thriftgate.ledger.jobs import BatchState, JobState

# What a worker learns of a batch:
#   complete                    its body is written
#   accepted, refused, unsure   the POST was answered, surely not taken, or who knows
#   put_off                     surely not taken now; the same POST may be tried again
#   found, absent               the search among the provider's batches showed it, or showed that it is not there
#   seen_running, seen_canceling, seen_ended, missing   what a poll said; missing: the provider knows no such batch
#   cancel                      a deadline is in danger, or the user has had enough
#   read, cut                   its results were read to the last line, or broke off
#   killed                      the worker that held it died; another takes it up
BatchEvent = Literal[
    "complete", "accepted", "refused", "put_off", "unsure", "found", "absent", "seen_running", "seen_canceling",
    "seen_ended", "missing", "cancel", "read", "cut", "killed",
]  # fmt: skip

# What is to be done then. release: its jobs wait again; their holds are void. give_up: its jobs fail, booked as lost.
BatchCommand = Literal["search", "poll", "ask_to_cancel", "fetch", "release", "give_up"]

BATCHES: Mapping[tuple[BatchState, BatchEvent], tuple[BatchState, tuple[BatchCommand, ...]]] = {
    ("drafting", "complete"): ("posting", ()),
    ("drafting", "killed"): ("dropped", ("release",)),
    ("posting", "accepted"): ("running", ("poll",)),
    ("posting", "refused"): ("dropped", ("release",)),
    ("posting", "put_off"): ("posting", ()),
    ("posting", "unsure"): ("doubtful", ("search",)),
    ("posting", "killed"): ("doubtful", ("search",)),
    ("posting", "cancel"): ("posting", ()),
    ("doubtful", "found"): ("running", ("poll",)),
    ("doubtful", "absent"): ("dropped", ("release",)),
    ("doubtful", "missing"): ("gone", ("give_up",)),  # whatever it was, its results are not kept any longer
    ("doubtful", "killed"): ("doubtful", ("search",)),
    ("doubtful", "cancel"): ("doubtful", ()),  # which of the provider's batches it is, if any, is not known yet
    ("running", "seen_running"): ("running", ("poll",)),
    ("running", "seen_canceling"): ("canceling", ("poll",)),
    ("running", "seen_ended"): ("ended", ("fetch",)),
    ("running", "missing"): ("gone", ("give_up",)),
    ("running", "cancel"): ("canceling", ("ask_to_cancel", "poll")),
    ("running", "killed"): ("running", ("poll",)),
    ("canceling", "seen_running"): ("canceling", ("ask_to_cancel", "poll")),  # the asking was lost
    ("canceling", "seen_canceling"): ("canceling", ("poll",)),
    ("canceling", "seen_ended"): ("ended", ("fetch",)),
    ("canceling", "missing"): ("gone", ("give_up",)),
    ("canceling", "cancel"): ("canceling", ()),
    ("canceling", "killed"): ("canceling", ("poll",)),
    ("ended", "read"): ("booked", ()),
    ("ended", "cut"): ("ended", ("fetch",)),
    ("ended", "missing"): ("gone", ("give_up",)),
    ("ended", "cancel"): ("ended", ()),
    ("ended", "killed"): ("ended", ("fetch",)),
}

# What becomes of a job:
#   pack, call                   it is put into a batch, or called synchronously
#   hurry                        its deadline is too near for a batch
#   succeeded, answered          the batch, or the call, brought an answer
#   again                        not answered and not billed, and worth another try: errored by the provider, expired,
#                                canceled with its batch, or its batch never came to be
#   fail                         not worth another try: the request itself is wrong, or it was tried often enough
#   cancel                       the user has had enough
#   killed                       the worker died while it was being called: it may have been billed, the answer is lost
JobEvent = Literal["pack", "call", "hurry", "succeeded", "answered", "again", "fail", "cancel", "killed"]

JOBS: Mapping[tuple[JobState, JobEvent], JobState] = {
    ("waiting", "pack"): "packed",
    ("waiting", "hurry"): "direct",
    ("waiting", "fail"): "failed",
    ("waiting", "cancel"): "failed",
    ("packed", "succeeded"): "done",
    ("packed", "again"): "waiting",
    ("packed", "hurry"): "direct",  # its batch was refused: by itself it gets its answer, or its own error
    ("packed", "fail"): "failed",
    ("packed", "cancel"): "failed",
    ("direct", "call"): "calling",
    ("direct", "fail"): "failed",
    ("direct", "cancel"): "failed",
    ("calling", "answered"): "done",
    ("calling", "again"): "direct",
    ("calling", "fail"): "failed",
    ("calling", "killed"): "direct",
}


class Unforeseen(ThriftgateError):
    """An event that cannot happen in that state: a mistake of ours, told rather than guessed away."""

    label = "unforeseen"


def batch_after(state: BatchState, event: BatchEvent) -> tuple[BatchState, tuple[BatchCommand, ...]]:
    """The next state of a batch, and what to do. Raises Unforeseen."""
    try:
        return BATCHES[state, event]
    except KeyError:
        raise Unforeseen(f"a batch that is {state} cannot be {event}") from None


def job_after(state: JobState, event: JobEvent) -> JobState:
    """The next state of a job. Raises Unforeseen."""
    try:
        return JOBS[state, event]
    except KeyError:
        raise Unforeseen(f"a job that is {state} cannot {event}") from None

"""What the detectors look at: one settled call, and the sums of a minute of them."""

from __future__ import annotations

from math import log
from typing import Literal

from msgspec import Struct, field

RUNS_COUNTED = 4  # more need not be told apart

Ended = Literal["ok", "error", "refused"]


class Call(Struct, frozen=True):
    """One settled call. `settled_s` is seconds since 1970; `rate_pico` the list price of an output token of the model
    (pico-USD, 0 where unknown), which puts models in order of dearness; tokens of the prompt by how they were billed.
    `run` names the conversation or run it belongs to, "" where nobody knows. `queued`: it waited in a batch, so that
    when it settled tells nothing of how fast calls are made. `refused`: thriftgate sent nothing."""

    settled_s: float
    key: str
    task: str
    model: str
    cost_pico: int
    rate_pico: int = 0
    read: int = 0
    write: int = 0
    plain: int = 0
    output: int = 0
    ended: Ended = "ok"
    run: str = ""
    queued: bool = False


class Sums(Struct):
    """Calls of one minute. The logarithms are sums over the answered calls, natural, of each call's value plus one;
    `rate` that of the prices of their models, where known (`rated` calls); `uncached` the sum of the shares of their
    prompts that were not read from the cache, `runs` the first few of the runs they belong to."""

    calls: int = 0
    errors: int = 0
    answered: int = 0
    paced: int = 0
    cost_pico: int = 0
    paced_cost_pico: int = 0
    cost: float = 0.0
    prompt: float = 0.0
    output: float = 0.0
    rate: float = 0.0
    rated: int = 0
    uncached: float = 0.0
    runs: list[str] = field(default_factory=list)

    def take(self, call: Call) -> None:
        """One call more."""
        self.calls += 1
        pico = call.cost_pico
        self.cost_pico += pico
        if not call.queued:
            self.paced += 1
            self.paced_cost_pico += pico
        if call.ended == "error":
            self.errors += 1
            return
        self.answered += 1
        read = call.read
        prompt = read + call.write + call.plain
        self.cost += log(pico + 1)
        self.prompt += log(prompt + 1)
        self.output += log(call.output + 1)
        if call.rate_pico:
            self.rated += 1
            self.rate += log(call.rate_pico)
        if prompt:
            self.uncached += 1 - read / prompt
        if call.run and len(self.runs) < RUNS_COUNTED and call.run not in self.runs:
            self.runs.append(call.run)

    def add(self, other: Sums) -> None:
        """The calls of another series, too."""
        self.calls += other.calls
        self.errors += other.errors
        self.answered += other.answered
        self.paced += other.paced
        self.cost_pico += other.cost_pico
        self.paced_cost_pico += other.paced_cost_pico
        self.cost += other.cost
        self.prompt += other.prompt
        self.output += other.output
        self.rate += other.rate
        self.rated += other.rated
        self.uncached += other.uncached
        if other.runs and len(self.runs) < RUNS_COUNTED:
            self.runs = list(dict.fromkeys(self.runs + other.runs))[:RUNS_COUNTED]

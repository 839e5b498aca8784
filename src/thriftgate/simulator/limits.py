"""Rate limits and spend limits.

Source: platform.claude.com/docs/en/api/rate-limits, 2026-10: token buckets with continuous refill per organisation and
model group; input counts uncached and written tokens (reads are free, except Haiku 3.5), output counts what was produced.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from thriftgate.simulator import errors
from thriftgate.simulator.bill import Bill
from thriftgate.simulator.clock import rfc3339
from thriftgate.simulator.config import LimitRules
from thriftgate.simulator.errors import ApiError, rate_limited
from thriftgate.simulator.identity import Caller
from thriftgate.simulator.models import Model

OWN_BUCKET = {
    "start": (1_000, 2_000_000, 400_000),
    "build": (5_000, 5_000_000, 1_000_000),
    "scale": (10_000, 10_000_000, 2_000_000),
}
FABLE = {"start": (1_000, 500_000, 100_000), "build": (2_000, 1_500_000, 300_000), "scale": (4_000, 4_000_000, 800_000)}
HAIKU_35 = {"start": (1_000, 100_000, 20_000), "build": (2_000, 200_000, 40_000), "scale": (4_000, 400_000, 80_000)}
BATCH_RPM = {"start": 1_000, "build": 2_000, "scale": 4_000}
BATCH_QUEUE = {"start": 200_000, "build": 300_000, "scale": 500_000}
COUNT_RPM = {"start": 2_000, "build": 4_000, "scale": 8_000}
FAMILIES = ("requests", "input-tokens", "output-tokens")
MINUTE_S = 60.0


@dataclass(slots=True)
class Bucket:
    """A token bucket: `limit` per minute, refilled continuously. `level` may fall below 0 (output is known only
    afterwards)."""

    limit: int
    level: float
    at: float

    def refill(self, now: float) -> None:
        """Brings the level up to `now`."""
        if now > self.at:
            self.level = min(float(self.limit), self.level + (now - self.at) * self.limit / MINUTE_S)
        self.at = now

    def wait_s(self, amount: float) -> float:
        """Seconds until `amount` is there."""
        return max(0.0, (min(amount, self.limit) - self.level) * MINUTE_S / self.limit)

    def full_in_s(self) -> float:
        """Seconds until the bucket is full."""
        return max(0.0, (self.limit - self.level) * MINUTE_S / self.limit)


class Limiter:
    """All buckets of one simulator, and the spend limits over its bill."""

    def __init__(self, rules: LimitRules, bill: Bill) -> None:
        self.rules = rules
        self._bill = bill
        self._buckets: dict[tuple[str, str, str], Bucket] = {}

    @property
    def enforcing(self) -> bool:
        """Whether rate limits are on at all."""
        return self.rules.tier is not None or any((self.rules.rpm, self.rules.itpm, self.rules.otpm))

    def clear(self) -> None:
        """Fills every bucket."""
        self._buckets.clear()

    def check_spend(self, caller: Caller) -> None:
        """Raises the error of a spend limit that has been reached."""
        rules = self.rules
        caps = (rules.tier_spend_cap_usd, rules.organization_spend_limit_usd, rules.workspace_spend_limit_usd)
        if caps == (None, None, None):
            return
        spent = self._bill.spent(caller.organization)
        if _reached(spent, rules.tier_spend_cap_usd):
            raise ApiError(
                "rate_limit_error",
                "You have reached the monthly spend limit of your usage tier.",
                details={"error_code": "enforced_spend_limit_reached"},
            )
        if _reached(spent, rules.organization_spend_limit_usd):
            raise errors.invalid(errors.SPEND_ORGANIZATION)
        if _reached(self._bill.spent(caller.organization, caller.workspace), rules.workspace_spend_limit_usd):
            raise errors.invalid(errors.SPEND_WORKSPACE)

    def admit(self, caller: Caller, model: Model, input_tokens: int, now: float) -> None:
        """Takes one request and its input from the buckets, or raises 429 with `retry-after`."""
        buckets = self._of(caller, model, now)
        if self.enforcing:
            needs = (1.0, float(input_tokens), 1.0)
            for family, bucket, need in zip(FAMILIES, buckets, needs, strict=True):
                if bucket.level < min(need, bucket.limit):
                    wait = math.ceil(bucket.wait_s(need))
                    raise rate_limited(
                        f"This request would exceed your organization's rate limit of {bucket.limit} "
                        f"{family.replace('-', ' ')} per minute (simulated).",
                        max(1, wait),
                    )
        buckets[0].level -= 1
        buckets[1].level -= input_tokens

    def spend_output(self, caller: Caller, model: Model, output_tokens: int, now: float) -> None:
        """Takes produced output from its bucket."""
        self._of(caller, model, now)[2].level -= output_tokens

    def admit_simple(self, caller: Caller, group: str, now: float) -> None:
        """Requests per minute of the batch endpoints ("batches") or of count_tokens ("count")."""
        if self.rules.tier is None:
            return
        limit = (BATCH_RPM if group == "batches" else COUNT_RPM)[self.rules.tier]
        bucket = self._bucket((caller.organization, group, "requests"), limit, now)
        if bucket.level < 1:
            raise rate_limited(
                f"This request would exceed your organization's rate limit of {limit} requests per minute (simulated).",
                max(1, math.ceil(bucket.wait_s(1))),
            )
        bucket.level -= 1

    @property
    def batch_queue(self) -> int | None:
        """Batch items an organisation may have in processing, or None."""
        if self.rules.batch_queue is not None:
            return self.rules.batch_queue
        return BATCH_QUEUE[self.rules.tier] if self.rules.tier else None

    def headers(self, caller: Caller, model: Model, now: float) -> dict[str, str]:
        """The `anthropic-ratelimit-*` headers; token remainders in thousands, `tokens` = the tightest token limit."""
        shown: dict[str, str] = {}
        buckets = dict(zip(FAMILIES, self._of(caller, model, now), strict=True))
        tightest = min(("input-tokens", "output-tokens"), key=lambda name: buckets[name].level / buckets[name].limit)
        for family, bucket in {**buckets, "tokens": buckets[tightest]}.items():
            left = max(0, int(bucket.level))
            shown[f"anthropic-ratelimit-{family}-limit"] = str(bucket.limit)
            shown[f"anthropic-ratelimit-{family}-remaining"] = str(left if family == "requests" else round(left, -3))
            shown[f"anthropic-ratelimit-{family}-reset"] = rfc3339(now + bucket.full_in_s(), micros=False)
        return shown

    def _of(self, caller: Caller, model: Model, now: float) -> tuple[Bucket, Bucket, Bucket]:
        tier = self.rules.tier or "scale"
        group, table = _group(model)
        figures = table[tier]
        own = (self.rules.rpm, self.rules.itpm, self.rules.otpm)
        limits = [replaced or figure for replaced, figure in zip(own, figures, strict=True)]
        first, second, third = (
            self._bucket((caller.organization, group, family), limit, now)
            for family, limit in zip(FAMILIES, limits, strict=True)
        )
        return first, second, third

    def _bucket(self, key: tuple[str, str, str], limit: int, now: float) -> Bucket:
        bucket = self._buckets.setdefault(key, Bucket(limit, float(limit), now))
        bucket.refill(now)
        return bucket


def counted_input(model: Model, plain: int, written: int, read: int) -> int:
    """Input tokens that count to the limit."""
    return plain + written + (read if model.reads_count else 0)


def _reached(spent: Decimal, limit: Decimal | None) -> bool:
    return limit is not None and spent >= limit


def _group(model: Model) -> tuple[str, dict[str, tuple[int, int, int]]]:
    """Fable 5.x share one bucket, Opus 4.5–4.8 one, Sonnet 4.5 and 4.6 one; every other model has its own."""
    if model.line in {"fable", "mythos"}:
        return "fable", FABLE
    if model.reads_count:
        return model.id, HAIKU_35
    for prefix, group in (
        ("claude-opus-4-", "opus-4"),
        ("claude-sonnet-4-5", "sonnet-4"),
        ("claude-sonnet-4-6", "sonnet-4"),
    ):
        if model.id.startswith(prefix):
            return group, OWN_BUCKET
    return model.id, OWN_BUCKET

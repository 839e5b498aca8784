"""Moments as whole microseconds since 1970, UTC, and as they are written for programs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text_from_micros(micros: int) -> str:
    """RFC 3339 with milliseconds: 2026-11-21T08:30:00.000Z."""
    moment = EPOCH + timedelta(microseconds=micros)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""Values of command-line options that several benchmarks take."""

from __future__ import annotations

from argparse import ArgumentTypeError


def positive(text: str) -> int:
    """A number of at least 1, as `10000`, `10_000` or `10,000`. Raises ArgumentTypeError, and ValueError for no number."""
    value = int(text.replace("_", "").replace(",", ""))
    if value < 1:
        raise ArgumentTypeError(f"{text!r}: at least 1")
    return value

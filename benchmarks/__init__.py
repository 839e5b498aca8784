"""Benchmarks, one command each: `python -m benchmarks.NAME [--json]` prints ratios measured in one run."""

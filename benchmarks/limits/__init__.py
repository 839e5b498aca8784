"""What limits cost a call: `python -m benchmarks.limits [--calls N] [--json]`."""

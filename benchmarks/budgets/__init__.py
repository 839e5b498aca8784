"""Many callers on one hard budget, with kills: is it ever overspent, is anything left held, how much of it can be used?

python -m benchmarks.budgets [--callers 500] [--kills 20] [--seed 1] [--json]
"""

"""The log once more under other policies: its calls in order of time through the planner and the cache model."""

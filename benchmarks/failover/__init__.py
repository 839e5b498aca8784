"""Failover under seeded faults; see `__main__`."""

"""Months of traffic with planted incidents: what is found, how soon, and how often for nothing."""

"""Seeded simulation of the whole: one seed draws the clock, the upstream's faults, the ledger's faults and the kills."""

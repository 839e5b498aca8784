"""The ledger on many rows: how long its questions take, what its roll-ups weigh, and what they add to a settled call."""

"""What the books answer, as documents: the same for the command line, the JSON API and the dashboard. May import: quality,
batch, ledger, pricing and below."""

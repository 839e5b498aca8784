"""Reading, pricing and replaying Claude Code logs: thriftgate beside ccusage, on generated logs and on known traps."""

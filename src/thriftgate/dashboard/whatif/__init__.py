"""What recent traffic would have cost otherwise: the real planner on the calls of the ledger, as `thriftgate audit` replays
them, in a process of its own that is bounded in calls and time."""

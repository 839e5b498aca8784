"""Whether a target can be used: what failures mean (`faults`), and when to leave it alone (`breaker`). Pure."""

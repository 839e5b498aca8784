"""Less context: when to compact a conversation, beside fixed rules and the best of them in hindsight."""

"""The smallest prompt that keeps the score: its sections, what is tried without them, and what that shows."""

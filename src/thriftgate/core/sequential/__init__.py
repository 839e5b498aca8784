"""Statistics that may be looked at after every observation: alarms on drift, intervals, and when to stop asking."""

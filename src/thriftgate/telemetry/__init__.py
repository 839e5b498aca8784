"""What is told to the outside about calls that are booked: the metrics page, spans, the log of calls. Never prompt text,
never a key.

May import: batch, engine and what is below.
"""

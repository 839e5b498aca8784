"""What is told to people: conditions, how bad they are, for how long, and when to speak of them again. Pure.

May import: the rest of core. Start reading at `alert.py`.
"""

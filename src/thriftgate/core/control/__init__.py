"""Who pays for a call, and how much may be spent. Pure.

May import: the rest of core. Start reading at `whose.py`.
"""

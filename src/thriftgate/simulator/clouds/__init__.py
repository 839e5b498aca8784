"""The clouds that sell Claude, each at paths of its own beside `/v1/messages`: their addresses, tokens, errors and prices.

Behind them is the same machinery of messages, caches and the bill.
"""

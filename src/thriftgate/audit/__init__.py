"""What would have happened: read any usage log, reproduce the bill, say what each lever would have saved.

May import everything below the command line but the gateway. Start reading at `records.py`, then `importers/contract.py`.
"""

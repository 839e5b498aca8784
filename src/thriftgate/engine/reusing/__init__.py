"""An earlier answer instead of a new call, before the call is planned. `room.py` is the way of a call through here; where
answers are looked for are the tiers (`tier.py`), asked one after the other."""

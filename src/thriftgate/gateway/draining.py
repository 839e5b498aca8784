"""How a process that serves comes to its end: it says so first, and `/readyz` with it, so that calls go elsewhere."""

from __future__ import annotations


class Draining:
    """One per gateway. `on` from the moment that the end was decided."""

    def __init__(self) -> None:
        self.on = False

    def begin(self) -> None:
        """The end is near."""
        self.on = True

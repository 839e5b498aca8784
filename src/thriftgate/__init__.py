"""Cut a Claude API bill and prove every cent of it."""

__version__ = "0.1.0"

"""How it is written: bytes to core values and back, without I/O. May import: core."""

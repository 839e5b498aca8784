"""How to stay within the provider's own limits: what it tells of them, what is left, who goes next, and with which key."""

"""Compression of texts: tokens before and after, by lever and kind of text, what comes back, and how fast it is."""

"""Agents that run in a loop: what their rounds tell, whether they still get anywhere, what they may spend. Pure."""

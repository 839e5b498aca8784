"""Servers that speak OpenAI's chat completions, as fakes: one path for each style of them, before the simulator's messages,
caches and bill. A target's `url` is `http://127.0.0.1:8485/deepseek` instead of `https://api.deepseek.com`.
"""

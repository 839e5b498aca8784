"""What the workloads send, as files: invented, and written for this demo."""

from __future__ import annotations

from importlib.resources import files


def text(name: str) -> str:
    """The content of a file in this folder."""
    return (files("thriftgate.demo.texts") / name).read_text(encoding="utf-8")

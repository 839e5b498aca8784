"""The inside of `worker.py`: `python -m thriftgate.quality.judges.called module:function`.

Reads arguments from standard input, one JSON list a line, and answers each with a line: `{"value": …}` or `{"error": …}`.

What the function prints goes to standard error, so that it cannot be taken for an answer.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import msgspec

_ERROR_CHARS = 300


def serve(target: str, arguments: BinaryIO, answers: BinaryIO) -> None:
    """Load the function, say so, and call it for each line until there are no more."""
    try:
        function = load(target)
    except Exception as error:  # noqa: BLE001  whatever the user's module does when it is imported
        _say(answers, {"error": _told(error)})
        return
    _say(answers, {"value": "ready"})
    for line in arguments:
        try:
            answer = {"value": function(*msgspec.json.decode(line))}
            _say(answers, answer)
        except Exception as error:  # noqa: BLE001  whatever the user's function does
            _say(answers, {"error": _told(error)})


def load(target: str) -> Callable[..., Any]:
    """The function that `module:function` names. Raises whatever its import does, and TypeError for what is no function."""
    module, _, name = target.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    if not callable(found):
        raise TypeError(f"{target} is no function")
    return found  # type: ignore[no-any-return]


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:_ERROR_CHARS]


def _say(answers: BinaryIO, document: dict[str, Any]) -> None:
    answers.write(msgspec.json.encode(document) + b"\n")
    answers.flush()


if __name__ == "__main__":
    _answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.argv[1], sys.stdin.buffer, _answers)

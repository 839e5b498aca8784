"""How it is written: bytes to core values and back, without I/O. May import: core.

Adding a dialect: one file here, one line in `DIALECTS`. Start reading at `dialect.py`.
"""

from __future__ import annotations

from thriftgate.wire.anthropic_messages import AnthropicMessages
from thriftgate.wire.dialect import Dialect
from thriftgate.wire.openai.chat import OpenaiChat
from thriftgate.wire.openai.responses import OpenaiResponses

DIALECTS: tuple[Dialect, ...] = (AnthropicMessages(), OpenaiChat(), OpenaiResponses())

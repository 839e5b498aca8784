"""The server-side web search, in its smallest form: one search, two made-up results, then the answer.

Source: platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool and tool-use-with-prompt-caching,
2026-08: if any cache_control is present, the result gets a 5m breakpoint of its own between the iterations.
"""

from __future__ import annotations

import base64
from typing import Any

from thriftgate.simulator.draws import digest
from thriftgate.simulator.render import Body, blocks_of, marker_of, message_blocks

RESULTS = 2


def search_blocks(query: str, tool_use_id: str, seed: int, name: str = "web_search") -> list[dict[str, Any]]:
    """The server_tool_use block and its result block; both depend only on seed and query (and the id)."""
    results = []
    for number in range(1, RESULTS + 1):
        mark = digest("search", seed, query, number, size=64)
        results.append(
            {
                "type": "web_search_result",
                "url": f"https://example.com/simulated/{mark[:4].hex()}",
                "title": f"Simulated result {number} for {query}",
                "encrypted_content": base64.b64encode(mark).decode(),
                "page_age": "November 1, 2026",
            }
        )
    return [
        {"type": "server_tool_use", "id": tool_use_id, "name": name, "input": {"query": query}},
        {"type": "web_search_tool_result", "tool_use_id": tool_use_id, "content": results},
    ]


def any_cache_control(body: Body) -> bool:
    """Whether the request asks for caching anywhere."""
    blocks = [*(body.get("tools") or []), *blocks_of(body.get("system")), *(block for _, _, block in message_blocks(body))]
    return isinstance(body.get("cache_control"), dict) or any(marker_of(block) for block in blocks)

"""Against recorded usage, where the traces are at hand: THRIFTGATE_TRACES names the folder that holds them."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from .support import ask, simulator

TRACES = os.environ.get("THRIFTGATE_TRACES", "")
pytestmark = pytest.mark.skipif(not TRACES, reason="THRIFTGATE_TRACES is not set: no recorded traffic to compare with")


def load(name: str) -> Any:
    folder = Path(TRACES) / "anthropic-requests" / "test_data" / "scenarios" / "n8n_agent_workflow"
    return msgspec.json.decode((folder / name).read_bytes())


@pytest.mark.parametrize(("tokenizer", "tolerance"), [("ctok", 0.01), ("estimate", 0.2)])
def test_n8n_agent_workflow(tokenizer: str, tolerance: float) -> None:
    if tokenizer == "ctok":
        pytest.importorskip("ctok", reason="ctok needs Python 3.12")
    request, usage = load("input.json"), load("response_2_cache_read.json")["usage"]
    blocks = simulator(tokenizer=tokenizer, lifecycle=False).count_blocks(request)
    tools = sum(tokens for label, tokens in blocks if label.startswith("tools."))
    total = sum(tokens for _, tokens in blocks)
    assert tools == pytest.approx(usage["cache_read_input_tokens"], rel=tolerance)
    assert total == pytest.approx(usage["cache_read_input_tokens"] + usage["input_tokens"], rel=tolerance)


@pytest.mark.parametrize(("tokenizer", "tolerance"), [("ctok", 0.01), ("estimate", 0.2)])
async def test_n8n_agent_workflow_is_billed_as_recorded(tokenizer: str, tolerance: float) -> None:
    """The recorded call marked its last tool, and both recordings read that prefix."""
    if tokenizer == "ctok":
        pytest.importorskip("ctok", reason="ctok needs Python 3.12")
    request, recorded = load("input.json"), load("response_2_cache_read.json")["usage"]
    request["tools"][-1]["cache_control"] = {"type": "ephemeral"}
    app = simulator(tokenizer=tokenizer, lifecycle=False)
    usages = [(await ask(app, request)).json()["usage"] for _ in range(2)]
    written, read = usages[0]["cache_creation_input_tokens"], usages[1]["cache_read_input_tokens"]
    assert written == read == pytest.approx(recorded["cache_read_input_tokens"], rel=tolerance)
    assert usages[1]["cache_creation_input_tokens"] == recorded["cache_creation_input_tokens"] == 0
    whole = recorded["cache_read_input_tokens"] + recorded["input_tokens"]
    assert read + usages[1]["input_tokens"] == pytest.approx(whole, rel=tolerance)


def test_multi_turn_conversation_grows() -> None:
    folder = Path(TRACES) / "anthropic-requests" / "test_data" / "agent_conversation"
    app = simulator(lifecycle=False)
    before: list[tuple[str, int]] = []
    for number in range(1, 6):
        request = msgspec.json.decode((folder / f"turn_{number}_request.json").read_bytes())
        blocks = app.count_blocks(request)[:-1]
        assert sum(tokens for _, tokens in blocks) > sum(tokens for _, tokens in before)
        before = blocks

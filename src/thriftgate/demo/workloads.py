"""The workloads, in the order in which they run."""

from __future__ import annotations

from thriftgate.demo import agent, classify, conversation, documents, overnight, support
from thriftgate.demo.stage import Workload

WORKLOADS: tuple[Workload, ...] = (
    Workload("support", "support chat over a long handbook", sum(map(len, support.CHATS)), support.run),
    Workload("documents", "questions over three documents", documents.CALLS, documents.run),
    Workload("classification", "nightly classification", len(classify.tickets()), classify.run),
    Workload("agent", "an agent loop with tools", 2 * len(agent.TASKS), agent.run),
    Workload("conversation", "one long conversation", len(conversation.TURNS), conversation.run),
    Workload("overnight", "drafts that can wait until the morning", overnight.CALLS, overnight.run),
)

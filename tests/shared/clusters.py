"""A cluster of three real nodes, without replicas."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from redis import Redis

from tests.servers import RedisServer, _free_port, redis_server

SLOTS = 16_384


class Node:
    """One of them."""

    def __init__(self, server: RedisServer) -> None:
        self.url = server.url.removesuffix("/0")
        self.port = server.port
        self.client: Any = Redis.from_url(server.url, decode_responses=True)
        self.id: str = self.client.cluster("myid")

    def owns(self, slot: int) -> bool:
        for first, last, owner in self.client.execute_command("CLUSTER SLOTS"):
            if first <= slot <= last:
                return bool(owner[1] == self.port)
        return False

    def move(self, slot: int, target: Node) -> None:
        """As redis-cli's `--cluster reshard` does."""
        target.client.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", self.id)
        self.client.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", target.id)
        while keys := self.client.execute_command("CLUSTER GETKEYSINSLOT", slot, 100):
            for key in keys:
                self.client.execute_command("MIGRATE", "127.0.0.1", target.port, key, 0, 5000)
        for node in (target, self):
            node.client.execute_command("CLUSTER SETSLOT", slot, "NODE", target.id)


@contextlib.contextmanager
def cluster() -> Iterator[list[Node]]:
    with contextlib.ExitStack() as stack:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port")
        ports = [str(_free_port()) for _ in range(3)]
        nodes = [Node(stack.enter_context(redis_server(*options, port))) for port in ports]
        for at, node in enumerate(nodes):
            stack.callback(node.client.close)
            first, last = SLOTS * at // 3, SLOTS * (at + 1) // 3 - 1
            node.client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
            node.client.execute_command("CLUSTER MEET", "127.0.0.1", nodes[0].port, ports[0])
        until_s = time.monotonic() + 30
        while any(_info(node)["cluster_state"] != "ok" or _info(node)["cluster_known_nodes"] != "3" for node in nodes):
            assert time.monotonic() < until_s, [_info(node) for node in nodes]
            time.sleep(0.05)
        yield nodes


def _info(node: Node) -> dict[str, str]:
    found = node.client.execute_command("CLUSTER INFO")
    return dict(found) if isinstance(found, dict) else dict(line.split(":") for line in found.split())

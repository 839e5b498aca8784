"""A Redis server for the tests of what replicas share."""

from tests.servers import redis

__all__ = ["redis"]

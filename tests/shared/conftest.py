"""A server for the tests of this folder."""

from tests.servers import redis

__all__ = ["redis"]

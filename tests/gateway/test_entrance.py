"""What a server is told: the settings as its connections keep to them. See test_tls.py and test_connections.py, too."""

from __future__ import annotations

from thriftgate.gateway.connections import Bounds, Connection
from thriftgate.gateway.entrance import Entrance
from thriftgate.settings.serving import Server


def test_the_defaults_of_the_settings_are_those_of_connections() -> None:
    entrance = Entrance(Server())
    assert entrance.scheme == "http"
    (name, protocol), *more = entrance.options().items()
    assert (name, protocol.func, more) == ("http", Connection, [])
    assert protocol.keywords["watch"].bounds == Bounds()
    entrance.reload()  # nothing to read


def test_every_bound_is_a_setting() -> None:
    told = {"connections_max": 7, "head_s": 1.5, "head_bytes_max": 2048, "body_idle_s": 2.5, "body_bytes_per_s_min": 9,
            "answer_idle_s": 3.5}  # fmt: skip
    bounds = Entrance(Server.model_validate(told)).options()["http"].keywords["watch"].bounds
    assert {name: getattr(bounds, name) for name in Bounds.__struct_fields__} == told

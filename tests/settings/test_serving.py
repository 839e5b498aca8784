"""Where calls come from and go to: what is set where nothing is said."""

from __future__ import annotations

from thriftgate.core.levers import LEVERS
from thriftgate.settings.serving import PolicySettings, Server


def test_safe_levers_are_on_and_the_others_off() -> None:
    assert PolicySettings().levers == tuple(lever.id for lever in LEVERS if lever.safe)


def test_only_this_machine_can_call() -> None:
    assert Server().host == "127.0.0.1"

"""Where calls come from and go to: what is set where nothing is said."""

from __future__ import annotations

from thriftgate.core.levers import LEVERS
from thriftgate.settings.serving import PolicySettings, Server, Upstream


def test_safe_levers_are_on_and_the_others_off() -> None:
    assert PolicySettings().levers == tuple(lever.id for lever in LEVERS if lever.safe)


def test_only_this_machine_can_call() -> None:
    assert Server().host == "127.0.0.1"


def test_the_key_that_sends_what_belongs_to_one_workspace() -> None:
    keys = ({"name": "one", "key": "sk-1"}, {"name": "two", "key": "sk-2"})
    assert Upstream().first_key == ""
    assert Upstream.model_validate({"keys": keys}).first_key == "sk-1"
    both = Upstream.model_validate({"keys": keys, "api_key": "sk-own"})
    assert both.first_key == "sk-own"
    assert "sk-" not in repr(both)

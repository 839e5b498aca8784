"""`/v1/models`, for OpenAI's clients and for those of Anthropic."""

from __future__ import annotations

from pathlib import Path

from tests.fixtures import KEY
from tests.gateway.keyed import Got, Stage, staged

OPUS = "claude-opus-5-5"


async def asked(stage: Stage, path: str, secret: str = KEY) -> Got:
    """As OpenAI's clients ask: they name no version."""
    headers = {"authorization": f"Bearer {secret}"}
    async with stage.session.get(stage.url + path, headers=headers) as response:
        return Got(response.status, response.headers, await response.read())


async def test_each_gets_its_own(tmp_path: Path) -> None:
    async with staged(tmp_path, openai={"models": {"gpt-5": OPUS, "gpt-*": OPUS}}) as stage:
        openai = await asked(stage, "/v1/models")
        assert openai.document["object"] == "list"
        assert {OPUS, "gpt-5"} <= {one["id"] for one in openai.document["data"]}
        assert (await asked(stage, f"/v1/models/{OPUS}")).document["object"] == "model"
        assert not stage.upstream.seen  # nobody has to be asked
        anthropic = await stage.ask("GET", "/v1/models", x_api_key=KEY)
        assert {"first_id", "has_more"} <= set(anthropic.document)
        assert (await stage.ask("GET", f"/v1/models/{OPUS}", x_api_key=KEY)).document["type"] == "model"
        assert len(stage.upstream.seen) == 2


async def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        refused = await asked(stage, "/v1/models/gpt-4o")
        assert (refused.status, refused.document["error"]["code"]) == (404, "model_not_found")


async def test_a_key_sees_what_it_may_ask_for(tmp_path: Path) -> None:
    async with staged(tmp_path, openai={"models": {"small": "claude-haiku-5-5", "large": OPUS}}) as stage:
        _, secret = await stage.issue("app", models=("claude-haiku-*",))
        listed = {one["id"] for one in (await asked(stage, "/v1/models", secret)).document["data"]}
        assert {"claude-haiku-5-5", "small"} <= listed
        assert not {OPUS, "large"} & listed
        assert (await asked(stage, "/v1/models", "wrong")).document["error"]["code"] == "invalid_api_key"

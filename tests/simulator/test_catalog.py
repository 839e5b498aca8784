import pytest

from .support import advance, call, simulator


async def test_list_pages() -> None:
    app = simulator()
    whole = (await call(app, "GET", "/v1/models?limit=1000")).json()
    ids = [row["id"] for row in whole["data"]]
    assert whole["has_more"] is False
    assert (whole["first_id"], whole["last_id"]) == (ids[0], ids[-1])
    page = (await call(app, "GET", f"/v1/models?limit=3&after_id={ids[1]}")).json()
    assert [row["id"] for row in page["data"]] == ids[2:5]
    assert page["has_more"]
    back = (await call(app, "GET", f"/v1/models?limit=2&before_id={ids[5]}")).json()
    assert [row["id"] for row in back["data"]] == ids[3:5]


async def test_one_model() -> None:
    app = simulator()
    shown = (await call(app, "GET", "/v1/models/claude-haiku-4-5")).json()
    assert shown["id"] == "claude-haiku-4-5-20251001"
    assert (shown["type"], shown["display_name"], shown["line"]) == ("model", "Claude Haiku 4.5", "haiku")
    assert shown["created_at"] == "2025-10-15T00:00:00Z"
    assert not shown["capabilities"]["effort"]["supported"]
    assert shown["capabilities"]["thinking"]["types"]["enabled"]["supported"]
    sonnet = (await call(app, "GET", "/v1/models/claude-sonnet-4-5")).json()
    assert (sonnet["lifecycle"], sonnet["retires_at"]) == ("deprecated", "2026-11-30T00:00:00Z")
    advance(app, 10 * 86_400)
    assert (await call(app, "GET", "/v1/models/claude-sonnet-4-5")).json()["lifecycle"] == "retired"
    listed = (await call(app, "GET", "/v1/models?limit=1000")).json()["data"]
    assert "claude-sonnet-4-5-20250929" not in {row["id"] for row in listed}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/models/claude-nothing", 404),
        ("/v1/models?limit=0", 400),
        ("/v1/models?limit=1001", 400),
        ("/v1/models?limit=x", 400),
        ("/v1/models?after_id=nothing", 400),
    ],
)
async def test_errors(path: str, status: int) -> None:
    assert (await call(simulator(), "GET", path)).status == status

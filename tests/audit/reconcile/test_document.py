"""The document: its keys, its texts, its verdict."""

from __future__ import annotations

from tests.audit.reconcile.scenes import BOOK, OPUS, billed_under, call, month, provider, reconciled


def test_its_keys() -> None:
    document = reconciled(month(), provider(month(), billed_under(lambda one: one.model == OPUS, geo="us")).cost_records())
    assert set(document) == {
        *("reconciled", "price_book", "days", "ours_usd", "billed_usd", "difference_usd", "explained_usd"),
        *("unexplained_usd", "tolerance_usd", "causes", "unexplained", "rows", "unpriced", "outside", "notes"),
    }
    assert document["price_book"] == BOOK.id
    assert document["explained_usd"] == document["difference_usd"]
    assert document["tolerance_usd"] == "0.01"
    (cause,) = document["causes"]
    assert set(cause) == {"cause", "usd", "rows", "days", "text"}
    assert cause["days"] == ["2026-11-02", "2026-11-03", "2026-11-04"]
    assert cause["text"].startswith("The bill counts another inference_geo")
    assert cause["text"].endswith(": billed exactly 1.1 times our price, as inference_geo us.")
    assert set(document["rows"][0]) == {
        *("day", "model", "workspace", "mode", "geo", "token_type", "tokens", "reported_tokens"),
        *("ours_usd", "billed_usd", "difference_usd", "unexplained_usd", "cause"),
    }
    assert [one["day"] for one in document["days"]] == cause["days"]


def test_the_tolerance_is_of_what_is_left() -> None:
    made = provider([call(1)])
    made.charges[next(one for one in made.charges if one[5] == "output")] += 10**10
    left = reconciled([call(1)], made.cost_records())
    assert (left["reconciled"], left["unexplained_usd"]) == (True, "0.01")
    assert not reconciled([call(1)], made.cost_records(), tolerance_pico=10**10 - 1)["reconciled"]


def test_unpriced_calls_and_what_is_billed_for_them() -> None:
    cost = provider([call(1)]).cost_records()
    strange = call(2, model="claude-next-9")
    document = reconciled([call(1), strange], [*cost, provider([call(3, model=OPUS, mode="fast")]).cost_records()[0]])
    (unpriced,) = document["unpriced"]
    assert (unpriced["model"], unpriced["calls"]) == ("claude-next-9", 1)
    assert "no price" in unpriced["reason"]
    assert [one["cause"] for one in document["causes"]] == ["missing_calls"]

"""The contract of budgets over every back end there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.check_budgets import BUDGET_CHECKS, Books, Check
from tests.contracts.check_ledger import Opener
from tests.contracts.test_ledgers import BACK_ENDS
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_budget_book import SqlBudgetBook


@pytest.mark.parametrize("check", BUDGET_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("back_end", BACK_ENDS, ids=lambda back_end: back_end.__name__)
async def test_contract(back_end: type, check: Check, tmp_path: Path) -> None:
    opener: Opener = back_end(tmp_path)

    def opened() -> Books:
        ledger = opener.open()
        assert isinstance(ledger, SqlLedger)
        return Books(ledger, SqlBudgetBook(ledger))

    await check(opened)

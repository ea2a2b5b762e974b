"""The replies that clients received, in bounded memory, and the checks of them."""

from harness.history.acknowledged import LEDGER_WRITES
from harness.history.final_read import read_ledger
from harness.history.history import History
from harness.history.ledger_read import LedgerRead

__all__ = ["LEDGER_WRITES", "History", "LedgerRead", "read_ledger"]

"""How much is used, how much may be, and the ledger that keeps both exact."""

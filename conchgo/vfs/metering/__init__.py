"""Quotas: what changes sizes is announced to a ledger, and told afterwards."""

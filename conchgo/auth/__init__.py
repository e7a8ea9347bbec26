"""Credentials: passwords, public keys, and the checker that judges them."""

"""Credentials: passwords, public keys, and how failures are counted and answered."""

"""Uploads: what is written becomes a whole file or none."""

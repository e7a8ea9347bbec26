"""A server that can be asked is started as the tests with real clients do."""

from __future__ import annotations

from tests.interop.conftest import keys, local, servers, service, ssh

__all__ = ["keys", "local", "servers", "service", "ssh"]

"""Stories that need a running server have it as the tests with real clients do."""

from __future__ import annotations

from tests.interop.conftest import keys, local, servers, service, ssh
from tests.stories.installation import installation

__all__ = ["installation", "keys", "local", "servers", "service", "ssh"]

"""What can be told about a configuration without a start: nothing is made, opened for writing or listened on."""

from __future__ import annotations

from typing import Any

from conchgo.service.algorithms import algorithm_set
from conchgo.service.compose import read_banner
from conchgo.service.listeners import endpoint
from conchgo.service.settings import Settings


def check(reactor: Any, settings: Settings) -> None:
    """Raises StartError: what the configuration names cannot be used."""
    for text in settings.ssh.listen:
        # A socket of systemd is there only when systemd starts the service.
        if not text.startswith("systemd:"):
            endpoint(reactor, text)
    algorithm_set(settings.ssh)
    read_banner(settings.ssh.banner_file)

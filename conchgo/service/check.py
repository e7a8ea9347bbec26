"""What can be told about a configuration without a start: nothing is made, opened for writing or listened on."""

from __future__ import annotations

from typing import Any

from conchgo.service.algorithms import algorithm_set
from conchgo.service.commands import enabled_commands
from conchgo.service.compose import read_banner
from conchgo.service.listeners import endpoints
from conchgo.service.settings import Settings


def check(reactor: Any, settings: Settings) -> None:
    """Raises StartError: what the configuration names cannot be used."""
    endpoints(reactor, settings, systemd=False)
    algorithm_set(settings.ssh)
    enabled_commands(settings.commands.enabled)
    read_banner(settings.ssh.banner_file)

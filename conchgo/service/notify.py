"""Tells systemd how the service is (sd_notify(3)); without systemd it tells nobody."""

from __future__ import annotations

import os
import socket
from typing import Any, Final

from twisted.internet.task import LoopingCall

#: Signs of life in the time after which systemd takes a service for hung (sd_watchdog_enabled(3) wants two).
_SIGNS: Final = 3


def notify(state: str) -> None:
    """Send `state`, "READY=1" for instance, to the socket that systemd named; a failure changes nothing for us."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as sender:
            sender.sendto(state.encode("utf-8"), address)
    except OSError:
        return


def keep_watchdog(reactor: Any) -> None:
    """From now on tell systemd that the reactor turns, if it wants to know (WatchdogSec=)."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if microseconds.isdigit() and os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()):
        signs = LoopingCall(notify, "WATCHDOG=1")
        signs.clock = reactor
        signs.start(max(int(microseconds) / 1e6 / _SIGNS, 0.1))

"""Tells systemd how the service is (sd_notify(3)); without systemd it tells nobody."""

from __future__ import annotations

import os
import socket


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

"""The limits of one SSH server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SSHSettings:
    """Times are seconds.

    `login_grace_time` is from the connection to the end of the login, `failure_delay` from a refused request to its
    answer; `max_auth_tries` counts wrong passwords and signatures, `max_key_queries` questions whether a key would do;
    `max_channels` is for one connection; `max_startups` and `max_startups_per_host` bound connections that are not
    logged in (an IPv6 host is its /64); `banner` is shown before the login (UTF-8; empty for none).

    New keys are exchanged after `rekey_bytes` or `rekey_packets` in one direction (sequence numbers have 32 bits) or
    after `rekey_seconds`.

    A client that was silent for `client_alive_interval` is asked for a sign of life, and dropped when it was silent for
    `client_alive_count_max` more of them. After `idle_timeout` without data, requests or work on any channel the
    connection ends. 0: never, for both times.
    """

    login_grace_time: float = 120
    max_auth_tries: int = 6
    max_key_queries: int = 20
    failure_delay: float = 1.0
    max_channels: int = 10
    max_startups: int = 100
    max_startups_per_host: int = 20
    banner: bytes = b""
    rekey_bytes: int = 2**30
    rekey_packets: int = 2**31
    rekey_seconds: float = 3600
    client_alive_interval: float = 120
    client_alive_count_max: int = 3
    idle_timeout: float = 900

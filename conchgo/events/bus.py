"""Carries events from where they happen to whoever listens."""

from __future__ import annotations

from collections.abc import Callable

from conchgo.events.records import Event

Subscriber = Callable[[Event], None]


class Bus:
    """Hands every event to every subscriber, in the publisher's thread: a subscriber must be quick and thread-safe."""

    def __init__(self, *subscribers: Subscriber) -> None:
        self._subscribers = subscribers

    def publish(self, event: Event) -> None:
        for subscriber in self._subscribers:
            subscriber(event)

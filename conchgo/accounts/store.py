"""The interface of whatever keeps the accounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from conchgo.accounts.model import User


class AccountStore(Protocol):
    """Keeps users. Calls block and may come from several threads at once.

    Everything raises `conchgo.errors.Failure` where the store cannot be reached; its text names no secret.
    """

    def user(self, username: str) -> User | None: ...

    def users(self) -> Sequence[User]:
        """Every user, by name."""
        ...

    def add(self, user: User) -> None:
        """Raises AlreadyExists."""
        ...

    def update(self, user: User) -> None:
        """Replace the record of that name. Raises NotFound."""
        ...

    def delete(self, username: str) -> None:
        """Raises NotFound."""
        ...

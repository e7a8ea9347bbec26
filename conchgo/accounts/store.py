"""The interface of whatever keeps the accounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from conchgo.accounts.model import Folder, User


class AccountStore(Protocol):
    """Keeps users and the folders that they share. Calls block and may come from several threads at once.

    Everything raises `conchgo.errors.Failure` where the store cannot be reached; its text names no secret.
    """

    def user(self, username: str) -> User | None: ...

    def users(self) -> Sequence[User]:
        """Every user, by name."""
        ...

    def add(self, user: User) -> None:
        """Raises AlreadyExists, or NotFound: it has a folder that is not there."""
        ...

    def update(self, user: User) -> None:
        """Replace the record of that name. Raises NotFound: there is none, or it has a folder that is not there."""
        ...

    def delete(self, username: str) -> None:
        """Raises NotFound."""
        ...

    def folder(self, name: str) -> Folder | None: ...

    def folders(self) -> Sequence[Folder]:
        """Every folder, by name."""
        ...

    def add_folder(self, folder: Folder) -> None:
        """Raises AlreadyExists."""
        ...

    def update_folder(self, folder: Folder) -> None:
        """Replace the record of that name. Raises NotFound."""
        ...

    def delete_folder(self, name: str) -> None:
        """Raises NotFound, or InvalidArgument: users have it; the text names them."""
        ...

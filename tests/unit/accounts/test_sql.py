from __future__ import annotations

from pathlib import Path

import pytest

from conchgo.accounts.model import User
from conchgo.accounts.sql import SQLAccountStore
from conchgo.database.engine import connect
from conchgo.errors import Failure


def test_a_database_that_fails_is_a_failure_that_shows_no_hash(tmp_path: Path) -> None:
    store = SQLAccountStore(connect(f"sqlite:///{tmp_path}/never-migrated.db"))
    alice = User("alice", "/srv/alice", password="$2b$12$hunter2")
    for call in (lambda: store.user("alice"), store.users, lambda: store.add(alice), lambda: store.update(alice)):
        with pytest.raises(Failure) as caught:
            call()
        assert "users" in caught.value.text
        assert "hunter2" not in caught.value.text

from __future__ import annotations

import subprocess
import sys
from importlib.resources import as_file, files
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import JSON, Engine, MetaData, Table, Text, insert, inspect, select, text

from conchgo.database.engine import connect, reading, writing
from conchgo.database.migrate import upgrade
from conchgo.database.schema import metadata, users
from conchgo.errors import Failure


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/a%20 b%.db"
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def engine(url: str) -> Engine:
    return connect(url)


def test_the_migrations_lead_to_the_schema(engine: Engine) -> None:
    upgrade(engine)
    with reading(engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def upgrade_to(engine: Engine, revision: str) -> None:
    with as_file(files("conchgo.database.migrations")) as scripts, writing(engine) as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(scripts))
        command.upgrade(config, revision)


def test_what_users_kept_among_unknown_fields_comes_to_its_own_columns(engine: Engine) -> None:
    upgrade_to(engine, "0001")
    old = Table("users", MetaData(), autoload_with=engine)
    extra = {"upload_bandwidth": 5, "total_data_transfer": None, "virtual_folders": [{"name": "x"}], "groups": []}
    row = {column.name: [] if isinstance(column.type, JSON) else 0 for column in old.columns}
    row |= {column.name: "" for column in old.columns if isinstance(column.type, Text)}
    with writing(engine) as connection:
        connection.execute(insert(old).values({**row, "extra": extra}))
    upgrade(engine)
    with reading(engine) as connection:
        found = connection.execute(select(users)).one()
    assert (found.upload_bandwidth, found.download_bandwidth, found.total_data_transfer) == (5, 0, 0)
    assert found.virtual_folders == [{"name": "x"}]
    assert found.extra == {"groups": []}


def test_a_second_upgrade_changes_nothing(engine: Engine) -> None:
    upgrade(engine)
    with writing(engine) as connection:
        connection.execute(text("ALTER TABLE users ADD COLUMN mark INTEGER"))
    upgrade(engine)
    assert "mark" in {column["name"] for column in inspect(engine).get_columns("users")}


def test_processes_that_start_at_once_do_not_collide(url: str) -> None:
    program = (
        "import sys; from conchgo.database.engine import connect; from conchgo.database.migrate import upgrade;"
        "print(flush=True); sys.stdin.read(); upgrade(connect(sys.argv[1]))"
    )
    command = [sys.executable, "-c", program, url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    started = [subprocess.Popen(command, **pipes) for _ in range(6)]
    for process in started:
        process.stdout.readline()
    for process in started:
        process.stdin.close()
        process.stdin = None
    for process in started:
        errors = process.communicate()[1]
        assert process.returncode == 0, errors.decode()
    assert inspect(connect(url)).has_table("users")


def test_a_failing_upgrade_leaves_nothing_behind(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE users (a INTEGER)"))
    with pytest.raises(Failure):
        upgrade(engine)
    assert inspect(engine).get_table_names() == ["users"]


def test_a_database_of_a_newer_version_is_left_alone(engine: Engine) -> None:
    upgrade(engine)
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Failure, match="newer conchgo"):
        upgrade(engine)

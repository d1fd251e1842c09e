"""Fixtures over both engines: a migrated template is made once and copied for each test."""

import gc
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from moorage.core import keys, timeline, workspaces
from moorage.core.caller import Caller
from moorage.server import create_app, load_settings
from moorage.server.app import App
from moorage.storage import PostgresDatabase, SQLiteDatabase, open_database
from moorage.storage.migrate import migrate
from support import strict
from support.agent import RunningAgent
from support.clock import FixedClock
from support.postgres import PostgresServer

ENGINES = ("sqlite", "postgresql")
_numbers = itertools.count(1)


def pytest_configure(config):
    # The tests' PostgreSQL speaks no TLS, so no connection need ask for it first.
    os.environ["PGSSLMODE"] = "disable"
    strict.install(config)


def pytest_collection_modifyitems(config, items):
    """For several workers, spread each folder's files evenly over the run.

    Side by side, tests that wait for processes leave the cores to those that compute.
    """
    if not hasattr(config, "workerinput"):
        return
    here = Path(__file__).parent
    folders: dict[str, dict[Path, None]] = {}
    for item in items:
        folders.setdefault(item.path.relative_to(here).parts[0], {})[item.path] = None
    place = {
        path: (at + 0.5) / len(files) for files in folders.values() for at, path in enumerate(files)
    }
    items.sort(key=lambda item: place[item.path])


def pytest_collection_finish():
    """What is loaded by now stays; walking it again and again took a third of the tests' time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 5, 3)


@pytest.fixture(autouse=True)
def _nothing_is_left_of_an_agent():
    mask = os.umask(0o022)
    yield
    os.umask(mask)  # the agent's command line keeps what it makes from others
    for agent in list(RunningAgent.running):
        agent.kill()


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
async def sqlite_template(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("template") / "moorage.db"
    db = open_database(f"sqlite:///{path}")
    await migrate(db)
    await db.close()
    return path


@pytest.fixture(scope="session")
async def postgres_template(postgres) -> str:
    postgres.run_sql("CREATE DATABASE template_moorage")
    db = open_database(postgres.url("template_moorage"))
    await migrate(db)
    await db.close()
    postgres.run_sql("".join(any_time(table) for table in timeline.BY_DAY), "template_moorage")
    return "template_moorage"


def any_time(table: str) -> str:
    """Say how to make one partition that takes rows of any time, for a clock that is moved."""
    return (
        f"DO $$ DECLARE one regclass; BEGIN FOR one IN SELECT inhrelid FROM pg_inherits "
        f"WHERE inhparent = '{table}'::regclass LOOP EXECUTE 'DROP TABLE ' || one; END LOOP; "
        f"END $$; CREATE TABLE {table}_00000000 PARTITION OF {table} "
        f"FOR VALUES FROM (MINVALUE) TO (MAXVALUE);"
    )


@pytest.fixture(params=ENGINES)
def engine(request) -> str:
    return request.param


@pytest.fixture
def database_url(engine, request, tmp_path) -> Iterator[str]:
    """A migrated, empty database of this test's own."""
    if engine == "sqlite":
        template = request.getfixturevalue("sqlite_template")
        path = tmp_path / "moorage.db"
        shutil.copy(template, path)
        yield f"sqlite:///{path}"
        return
    server = request.getfixturevalue("postgres")
    template = request.getfixturevalue("postgres_template")
    name = f"test_{next(_numbers)}"
    # File by file, for nothing writes to the template: half the time of going through the log.
    server.run_sql(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield server.url(name)
    server.run_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
async def db(database_url, clock) -> AsyncIterator[SQLiteDatabase | PostgresDatabase]:
    """A database whose transactions happen when ``clock`` says."""
    database = open_database(database_url, clock=clock)
    yield database
    await database.close()


@pytest.fixture
async def owner(db) -> Caller:
    """A caller with every scope in the live mode of workspace ``acme``."""
    return await make_owner(db, "acme")


async def make_owner(db, slug: str, *, live: bool = True) -> Caller:
    async with db.write() as tx:
        workspace = await workspaces.ensure(tx, slug)
        caller = Caller(workspace.id, live=live, actor="system:test")
        made = await keys.issue(tx, caller, name="test", live=live)
    return made.key.caller


@dataclass
class Running:
    """A server in this process: its application, a client without a key, and keys."""

    app: App
    client: httpx.AsyncClient
    db: SQLiteDatabase | PostgresDatabase
    live_key: str
    test_key: str
    clock: FixedClock | None

    def auth(self, key: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {key or self.live_key}"}


@pytest.fixture
def more_settings() -> dict[str, Any]:
    """Settings of ``running`` that a test wants otherwise."""
    return {}


@pytest.fixture
async def running(database_url, engine, tmp_path, more_settings) -> AsyncIterator[Running]:
    """The whole server in this process, on the system's clock, with workspace ``acme``."""
    settings = load_settings(
        data=tmp_path / "data",
        database=database_url,
        keys_dir=tmp_path / "keys",
        public_url="http://moorage.test",
        **more_settings,
    )
    app = create_app(settings)
    async with app.running() as services:
        async with services.db.write() as tx:
            workspace = await workspaces.ensure(tx, "acme")
            caller = Caller(workspace.id, live=True, actor="system:test")
            live = await keys.issue(tx, caller, name="test", live=True)
            test = await keys.issue(tx, caller, name="test", live=False)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://moorage.test") as client:
            yield Running(app, client, services.db, live.text, test.text, None)

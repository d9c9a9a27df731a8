"""One database for everything that changes: SQLite in WAL mode by default, PostgreSQL by URL.

Every room declares its tables on `metadata`; a table that belongs to campaigns carries
`info={"campaign": "<column>"}`, which is how a campaign is dropped, copied and restored without each
room having to know about it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, make_url, text

metadata = MetaData()


def open_engine(url: str) -> Engine:
    """Open the database and create the tables it lacks.

    SQLite commits survive `kill -9` (WAL, `synchronous=NORMAL`); a power cut may lose the last commits but never
    corrupts the file.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False}, pool_size=8, max_overflow=64)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        engine = create_engine(url, pool_pre_ping=True)
    metadata.create_all(engine)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Give each SQLite connection the settings it needs; the driver must not open transactions by itself."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "cache_size=-8000", "temp_store=MEMORY"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock at once for a writing transaction, so that no read snapshot has to be upgraded."""
    immediate = connection.get_execution_options().get("segur_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection for reading; nothing it does is kept."""
    with engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection inside one writing transaction, committed when the block ends well."""
    with engine.connect().execution_options(segur_write=True) as connection, connection.begin():
        yield connection


def counter(engine: Engine, query: str) -> Callable[[], int]:
    """Return a function that reads one number, cheaply enough to be asked several times a call.

    On SQLite it keeps a bare connection per thread: the query then costs some microseconds instead of the pool's tens.
    """
    if not is_sqlite(engine) or not engine.url.database:

        def pooled() -> int:
            with engine.connect() as connection:
                return int(connection.exec_driver_sql(query).scalar_one())

        return pooled
    path, local = engine.url.database, threading.local()

    def bare() -> int:
        connection = getattr(local, "connection", None)
        if connection is None:
            connection = local.connection = sqlite3.connect(path, timeout=30, isolation_level=None)
        return int(connection.execute(query).fetchone()[0])

    return bare


def is_sqlite(engine: Engine) -> bool:
    """Tell whether the database is SQLite (full-text search and backups differ)."""
    return engine.dialect.name == "sqlite"


def campaign_tables() -> dict[str, str]:
    """Return the tables that belong to campaigns, with the column that holds the campaign's number."""
    return {table.name: table.info["campaign"] for table in metadata.sorted_tables if "campaign" in table.info}


def checkpoint(engine: Engine) -> None:
    """Fold the write-ahead log into the database file (SQLite only), as is due at an orderly stop."""
    if is_sqlite(engine):
        with engine.connect() as connection:
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))

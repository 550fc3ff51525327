"""SQLite: embedded, so a database is a file and there is nothing to start."""

import itertools
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.engines.engine import Database, Rows


@dataclass(frozen=True, slots=True)
class Sqlite:
    """Databases as files in one temporary folder."""

    name: str = "sqlite"
    version: str = sqlite3.sqlite_version
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="protoplane-sqlite-")))
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def create_database(self) -> Database:
        """Choose the path of a new file; SQLite makes the file when it is first opened."""
        path = str(self.folder / f"db_{next(self.numbers)}.sqlite")
        return Database(engine=self, name=path, url=f"sqlite:///{path}")

    def drop_database(self, database: Database) -> None:
        """Remove the file and what SQLite keeps beside it."""
        path = Path(database.name)
        for leftover in path.parent.glob(path.name + "*"):
            leftover.unlink()

    def execute(self, sql: str, values: Sequence[object] = (), *, database: str = "") -> Rows:
        """Run one statement; without a database in an empty one in memory."""
        with closing(sqlite3.connect(database or ":memory:", isolation_level=None)) as connection:
            return connection.execute(sql, tuple(values)).fetchall()

    def mend(self) -> None:
        """Nothing runs, so nothing breaks."""

    def close(self) -> None:
        """Remove every database."""
        shutil.rmtree(self.folder, ignore_errors=True)


def start() -> Sqlite:
    """Make the folder for databases."""
    return Sqlite()

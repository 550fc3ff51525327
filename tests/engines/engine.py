"""What every database engine offers to a test."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

ENGINE_NAMES = ("sqlite", "mariadb", "mysql")
"""Every engine that Protoplane supports, in the order in which tests name them."""

Rows = list[tuple[object, ...]]


class Unavailable(Exception):
    """An engine or tool cannot be had on this machine; the text says why and what would help."""


class Engine(Protocol):
    """A running database engine that makes fresh, empty databases."""

    @property
    def name(self) -> str:
        """One of `ENGINE_NAMES`."""

    @property
    def version(self) -> str:
        """What the engine says of its own version."""

    def create_database(self) -> "Database":
        """Make an empty database with the engine's own defaults for character set and collation."""

    def drop_database(self, database: "Database") -> None:
        """Remove a database; connections that still use it are cut."""

    def execute(self, sql: str, values: Sequence[object] = (), *, database: str = "") -> Rows:
        """Run one statement as administrator, committed at once; without a database it concerns the whole engine."""

    def mend(self) -> None:
        """Make the engine answer again, whatever the last test did to it."""

    def close(self) -> None:
        """Stop the engine and remove everything it wrote."""


@dataclass(frozen=True, slots=True)
class Database:
    """A database of one test: empty when handed out, dropped afterwards."""

    engine: Engine
    name: str
    """Name within the engine; for SQLite the path of its file."""
    url: str
    """What Protoplane is configured with: `sqlite:////path` or `mysql://root@127.0.0.1:port/name`."""

    def execute(self, sql: str, values: Sequence[object] = ()) -> Rows:
        """Run one statement in this database, on a connection of its own, committed at once."""
        return self.engine.execute(sql, values, database=self.name)

    def drop(self) -> None:
        """Remove the database."""
        self.engine.drop_database(self)
